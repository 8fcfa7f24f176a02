#include "schema_renames.h"
#include "schema_script.h"
#include "schema_source.h"
#include "schema_tell.h"

#include <stdio.h>

enum { EXIT_DIFFERENT = 3 };

/* The command at work. */
typedef struct Differ {
    CommandContext *context;
    SchemaReadArgs args;
    SchemaModel from;
    SchemaModel to;
    SchemaRenames renames;
    SchemaDiff up;
    SchemaDiff down;
} Differ;

/* --- telling ---------------------------------------------------------------------------------- */

static void tell(Differ *differ)
{
    CommandContext *context = differ->context;
    const SchemaDiff *diff = &differ->up;
    JsonWriter json = context_json(context);
    json_object_begin(&json);
    json_field_bool(&json, "different", diff->count > 0);
    json_field_uint(&json, "cannot", diff->cannot);
    schema_tell_json(&json, "upgrade", diff);
    schema_tell_json(&json, "downgrade", &differ->down);
    json_object_end(&json);
    if (context_has(context, "sql") && !context->json && diff->count > 0)
        fputs(schema_script_whole(context->arena, diff), stdout);
    for (size_t i = 0; !context_has(context, "sql") && i < diff->count; i++)
        schema_tell_operation(context, &diff->items[i]);
    if (diff->cannot > 0 && !context->json)
        note(context, "%zu difference%s can't be said in SQL", diff->cannot,
             diff->cannot == 1 ? "" : "s");
    if (diff->count > 0)
        context->exit_status = EXIT_DIFFERENT;
}

/* --- the command ------------------------------------------------------------------------------ */

static ErrCode read_both(Differ *differ, Error *err)
{
    CommandContext *context = differ->context;
    Scratch *scratch = NULL;
    Wait wait;
    wait_open(&wait);
    ErrCode code = schema_source_read(context, &wait, context_argument(context, 0), &differ->args,
                                      &scratch, &differ->from, err);
    if (code == ERR_OK)
        code = schema_source_read(context, &wait, context_argument(context, 1), &differ->args,
                                  &scratch, &differ->to, err);
    scratch_close(scratch);
    wait_close(&wait);
    return code;
}

static ErrCode run(CommandContext *context, Error *err)
{
    Differ differ = {.context = context};
    ErrCode code = schema_source_args(context, &differ.args, err);
    if (code == ERR_OK)
        code = read_both(&differ, err);
    if (code == ERR_OK)
        schema_tell_versions(context, &differ.from, &differ.to);
    if (code == ERR_OK)
        code = schema_renames_read(context, &differ.from, &differ.renames, err);
    if (code == ERR_OK)
        code = schema_diff(context->arena, &differ.from, &differ.to, differ.renames.items,
                           differ.renames.count, &differ.up, err);
    SchemaRenames back = schema_renames_back(context->arena, &differ.renames);
    if (code == ERR_OK && context->json)
        code = schema_diff(context->arena, &differ.to, &differ.from, back.items, back.count,
                           &differ.down, err);
    if (code == ERR_OK)
        tell(&differ);
    return code;
}

static const CommandOption options[] = {
    {"sql", 0, NULL, "print a script that leads from FROM to TO"},
    SCHEMA_RENAME_OPTION,
    {"schema", 0, "SCHEMA", "compare this schema alone, its own name in no text"},
    {"owners", 0, NULL, "compare who owns what, too"},
    {"scratch-url", 0, "URL", "the server for scratch databases (PGTIDE_URL)"},
    {0},
};

const CliCommand cmd_schema_diff = {
    .words = "schema diff",
    .arguments = "FROM TO",
    .arguments_min = 2,
    .arguments_max = 2,
    .summary = "tell how two schemas differ, and the SQL that leads from one to the other",
    .details =
        "FROM and TO are each a url, a file or a folder of SQL, or what `pgtide schema dump "
        "--json` "
        "wrote. SQL is run on a scratch database, made on the server of --scratch-url or "
        "PGTIDE_URL "
        "and dropped at the end, or else on a temporary server that is started from the PostgreSQL "
        "that is installed here; a folder's *.sql run in the order of their names.\n\n"
        "Operations are listed in the order in which they run: what stands on something that "
        "changes is dropped before and made again after. Labels are added to enums, which are "
        "never "
        "made anew. Nothing is taken for renamed but what --rename says: "
        "public.users.name=full_name, public.users=people. What there is no SQL for is listed with "
        "the reason. With --json the way back is told too.\n\n"
        "Exit status: 0 no difference; 3 a difference; 1 a statement failed; 2 wrong use, or no "
        "such "
        "file; 6 a server can't be reached.",
    .options = options,
    .run = run,
};
