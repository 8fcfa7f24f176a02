#include "single.h"

static const CommandOption options[] = {
    SINGLE_WRITE_OPTIONS,
    {"purge", 0, NULL, "forget the present version rows first"},
    {0},
};

static ErrCode stamp(CommandContext *context, Single *single, const RevisionMap *map, Error *err)
{
    ErrCode code = single_claim(single, err);
    if (code != ERR_OK)
        return code;
    StrList before = strlist_copy(context->arena, &single->claim->rows);
    StrList after = {0};
    code = graph_stamp(context->arena, map, &before, &context->arguments,
                       context_has(context, "purge"), &after, err);
    bool same = code == ERR_OK && strlist_equal(&before, &after);
    if (code == ERR_OK && !same)
        code = single_stamp(single, &before, &after, err);
    if (code != ERR_OK)
        return code;
    JsonWriter json = context_json(context);
    json_object_begin(&json);
    json_field_strings(&json, "rows_before", &before);
    json_field_strings(&json, "rows", &after);
    json_object_end(&json);
    say(context, "%s %s", same ? "nothing to do: at" : "stamped",
        single_rows_text(context->arena, &after));
    return ERR_OK;
}

static ErrCode run(CommandContext *context, Error *err)
{
    Project project;
    RevisionMap *map;
    ErrCode code = project_open(context->arena, context->config, &project, &map, err);
    if (code != ERR_OK)
        return code;
    Single single;
    code = single_open(&single, context, err);
    if (code == ERR_OK)
        code = stamp(context, &single, map, err);
    single_close(&single);
    return code;
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
