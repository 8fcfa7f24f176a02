#include "offline.h"
#include "single.h"

static const CommandOption options[] = {
    SINGLE_WRITE_OPTIONS,
    OFFLINE_OPTION,
    {"tag", 0, "TEXT", "kept as the message of the history rows that are made"},
    {"purge", 0, NULL, "forget the present version rows first"},
    {0},
};

/* No steps, only the rows to write. */
static ErrCode plan(CommandContext *context, const RevisionMap *map, const StrList *rows,
                    GraphSteps *ret_steps, Error *err)
{
    return graph_stamp(context->arena, map, rows, &context->arguments,
                       context_has(context, "purge"), &ret_steps->rows_after, err);
}

static ErrCode stamp(Single *single, const StrList *rows, const GraphSteps *steps, Error *err)
{
    CommandContext *context = single->context;
    const StrList *after = &steps->rows_after;
    bool same = strlist_equal(rows, after);
    ErrCode code = same ? ERR_OK : single_stamp(single, rows, after, err);
    if (code != ERR_OK)
        return code;
    JsonWriter json = context_json(context);
    json_object_begin(&json);
    json_field_strings(&json, "rows_before", rows);
    json_field_strings(&json, "rows", after);
    json_object_end(&json);
    say(context, "%s %s", same ? "nothing to do: at" : "stamped",
        single_rows_text(context->arena, after));
    return ERR_OK;
}

static ErrCode run(CommandContext *context, Error *err)
{
    if (context_has(context, "sql"))
        return offline_stamp(context, err);
    ErrCode code = offline_refuse_range(context, err);
    if (code != ERR_OK)
        return code;
    return single_migrate(context, plan, stamp, err);
}

const CliCommand cmd_stamp = {
    .words = "stamp",
    .arguments = "REVISION...",
    .arguments_min = 1,
    .arguments_max = 64,
    .summary = "set the version rows of one database without running anything",
    .options = options,
    .run = run,
};
