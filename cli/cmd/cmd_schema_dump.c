#include "schema_canon.h"
#include "schema_json.h"
#include "schema_source.h"

#include <stdio.h>

static void tell(CommandContext *context, const SchemaModel *model)
{
    JsonWriter json = context_json(context);
    if (context_has(context, "fingerprint")) {
        char fingerprint[FINGERPRINT_TEXT_SIZE];
        schema_fingerprint(model, fingerprint);
        json_object_begin(&json);
        json_field_string(&json, "fingerprint", fingerprint);
        json_field_uint(&json, "objects", model->count);
        json_object_end(&json);
        say(context, "%s", fingerprint);
        return;
    }
    if (context->json) {
        schema_json_write(model, &json);
        return;
    }
    AUTO_STR Str text = {0};
    schema_text_write(model, &text);
    fputs(str_text(&text), stdout);
}

static ErrCode run(CommandContext *context, Error *err)
{
    SchemaReadArgs args;
    SchemaModel model;
    const PgKeyword *conninfo;
    size_t count;
    ErrCode code = schema_source_args(context, &args, err);
    if (code == ERR_OK)
        code = schema_source_url(context, &conninfo, &count, err);
    if (code != ERR_OK)
        return code;
    Wait wait;
    wait_open(&wait);
    code = schema_source_database(context, &wait, conninfo, count, NULL, &args, &model, err);
    wait_close(&wait);
    if (code == ERR_OK)
        tell(context, &model);
    return code;
}

static const CommandOption options[] = {
    {"url", 'u', "URL", "the database (PGTIDE_URL, or libpq's environment)"},
    {"schema", 0, "SCHEMA", "this schema of it alone, its own name in no text"},
    {"owners", 0, NULL, "tell who owns what"},
    {"fingerprint", 0, NULL, "print the text's SHA-256 only: f1:..."},
    {0},
};

const CliCommand cmd_schema_dump = {
    .words = "schema dump",
    .arguments = "",
    .summary = "print a database's schema as one text that can be compared",
    .details =
        "Objects by kind and name, parts below their table, an attribute a line; no oids, no name "
        "of the database, so that two databases with the same schema print the same. The order of "
        "columns is no part of the text. Left out are schema pgtide, the version table, and what "
        "belongs to extensions; passwords of user mappings and subscriptions are never read. With "
        "--schema, tenants' schemas of the same form print the same. With --json all of it for "
        "`pgtide schema diff`.\n\n"
        "Texts are those of the server: between major versions of PostgreSQL they may differ.\n\n"
        "Exit status: 0; 2 wrong use, or no such schema; 6 the server can't be reached.",
    .options = options,
    .run = run,
};
