#include "offline.h"
#include "single.h"

static const CommandOption options[] = {
    SINGLE_WRITE_OPTIONS,
    OFFLINE_OPTION,
    {0},
};

static ErrCode ensure(CommandContext *context, Single *single, Error *err)
{
    ErrCode code = single_claim(single, err);
    if (code != ERR_OK)
        return code;
    const ClaimResult *claim = single->claim;
    JsonWriter json = context_json(context);
    json_object_begin(&json);
    json_field_bool(&json, "adopted", claim->adopted_now);
    json_field_string(&json, "version_schema", claim->version_schema);
    json_field_uint(&json, "version_column_width", claim->version_column_width);
    json_field_strings(&json, "rows", &claim->rows);
    json_object_end(&json);
    say(context, "%s; at %s", claim->adopted_now ? "adopted" : "already adopted",
        single_rows_text(context->arena, &claim->rows));
    if (claim->version_column_width != 0 && claim->version_column_width < 255)
        note(context, "%s.alembic_version holds ids of at most %u characters",
             claim->version_schema, claim->version_column_width);
    return ERR_OK;
}

static ErrCode run(CommandContext *context, Error *err)
{
    if (context_has(context, "sql"))
        return offline_ensure_version(context, err);
    Single single;
    ErrCode code = single_open(&single, context, err);
    if (code == ERR_OK)
        code = ensure(context, &single, err);
    single_close(&single);
    return code;
}

const CliCommand cmd_ensure_version = {
    .words = "ensure-version",
    .arguments = "",
    .summary = "create the version table and pgtide's bookkeeping in one database",
    .options = options,
    .run = run,
};
