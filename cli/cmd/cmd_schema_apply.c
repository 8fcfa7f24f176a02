#include "apply.h"
#include "schema_renames.h"
#include "schema_script.h"
#include "schema_source.h"
#include "schema_tell.h"

#include <stdio.h>

enum { EXIT_DIFFERENT = 3 };

/* The command at work. */
typedef struct Applying {
    CommandContext *context;
    SchemaReadArgs args;
    RunSettings settings;
    ShardTarget target;
    SchemaModel model;
    SchemaModel database;
    SchemaDiff diff;
    SchemaDiff left;
    bool applied;
} Applying;

static ErrCode read_database(Applying *applying, Wait *wait, Error *err)
{
    const ShardTarget *target = &applying->target;
    return schema_source_database(applying->context, wait, target->conninfo, target->conninfo_count,
                                  NULL, &applying->args, &applying->database, err);
}

static ErrCode find_difference(Applying *applying, Wait *wait, Error *err)
{
    CommandContext *context = applying->context;
    Scratch *scratch = NULL;
    SchemaRenames renames;
    ErrCode code = read_database(applying, wait, err);
    if (code == ERR_OK)
        code = schema_source_read(context, wait, context_argument(context, 0), &applying->args,
                                  &scratch, &applying->model, err);
    scratch_close(scratch);
    wait_unshield(wait);
    if (code == ERR_OK)
        schema_tell_versions(context, &applying->database, &applying->model);
    if (code == ERR_OK)
        code = schema_renames_read(context, &applying->database, &renames, err);
    return code == ERR_OK ? schema_diff(context->arena, &applying->database, &applying->model,
                                        renames.items, renames.count, &applying->diff, err)
                          : code;
}

static ErrCode check_lost(const Applying *applying, Error *err)
{
    const SchemaOperation *first = NULL;
    size_t count = 0;
    for (size_t i = 0; i < applying->diff.count; i++) {
        const SchemaOperation *operation = &applying->diff.items[i];
        first = operation->destructive && first == NULL ? operation : first;
        count += operation->destructive;
    }
    if (count == 0 || context_has(applying->context, "accept-data-loss"))
        return ERR_OK;
    err_set(err, ERR_REFUSED, "rows or values would be lost by %zu of %zu operations", count,
            applying->diff.count);
    err_detail(err, "the first: %s %s %s", schema_change_name(first->change), first->kind,
               plain_text(applying->context->arena, first->name));
    err_hint(err, "Say --rename where something only has a new name, or --accept-data-loss.");
    return ERR_REFUSED;
}

/* --- applying --------------------------------------------------------------------------------- */

/* Labels are committed before what may use them. */
static void add_kept_labels(const Applying *applying, Error *err)
{
    Arena *arena = applying->context->arena;
    const char *detail = arena_strdup(arena, err->detail);
    if (schema_script_has(&applying->diff, SCHEMA_SCRIPT_LABELS))
        err_detail(err, "%s%sThe new labels of enums are there: they were committed before.",
                   detail, *detail == '\0' ? "" : "\n");
}

static ErrCode run_parts(Applying *applying, Apply *apply, Error *err)
{
    Arena *arena = applying->context->arena;
    const SchemaDiff *diff = &applying->diff;
    ErrCode code = apply_sql(apply, "the new labels",
                             schema_script_section(arena, diff, SCHEMA_SCRIPT_LABELS, false), err);
    if (code != ERR_OK)
        return code;
    code = apply_sql(apply, "the difference",
                     schema_script_section(arena, diff, SCHEMA_SCRIPT_REST, false), err);
    if (code != ERR_OK)
        add_kept_labels(applying, err);
    return code;
}

static ErrCode apply_difference(Applying *applying, Wait *wait, Error *err)
{
    Apply *apply = NULL;
    ErrCode code =
        apply_open(applying->context, wait, &applying->target, &applying->settings, &apply, err);
    if (code == ERR_OK && apply_has_rows(apply))
        note(applying->context, "revisions are applied in this database: what is applied now is in "
                                "none of them");
    if (code == ERR_OK)
        code = run_parts(applying, apply, err);
    apply_close(apply);
    applying->applied = code == ERR_OK;
    if (code == ERR_OK)
        code = read_database(applying, wait, err);
    return code == ERR_OK ? schema_diff(applying->context->arena, &applying->database,
                                        &applying->model, NULL, 0, &applying->left, err)
                          : code;
}

/* --- telling ---------------------------------------------------------------------------------- */

static void tell_difference(Applying *applying)
{
    CommandContext *context = applying->context;
    const SchemaDiff *diff = &applying->diff;
    if (context_has(context, "sql") && !context->json && diff->count > 0)
        fputs(schema_script_whole(context->arena, diff), stdout);
    for (size_t i = 0; !context_has(context, "sql") && i < diff->count; i++)
        schema_tell_operation(context, &diff->items[i]);
    if (diff->cannot > 0)
        note(context, "%zu difference%s can't be said in SQL: nothing is run", diff->cannot,
             diff->cannot == 1 ? "" : "s");
    if (diff->count > 0)
        context->exit_status = EXIT_DIFFERENT;
}

static void tell_outcome(Applying *applying)
{
    CommandContext *context = applying->context;
    for (size_t i = 0; i < applying->left.count; i++) {
        const SchemaOperation *operation = &applying->left.items[i];
        note(context, "left: %s %s %s", schema_change_name(operation->change), operation->kind,
             plain_text(context->arena, operation->name));
    }
    if (applying->left.count == 0)
        say(context, "%s: the database is as the model says",
            applying->applied ? "done" : "nothing to do");
    context->exit_status = applying->left.count == 0 ? 0 : EXIT_DIFFERENT;
}

static void write_result(Applying *applying)
{
    JsonWriter json = context_json(applying->context);
    json_object_begin(&json);
    json_field_bool(&json, "different", applying->diff.count > 0);
    json_field_uint(&json, "cannot", applying->diff.cannot);
    schema_tell_json(&json, "operations", &applying->diff);
    json_field_bool(&json, "applied", applying->applied);
    schema_tell_json(&json, "left", &applying->left);
    json_object_end(&json);
}

/* --- the command ------------------------------------------------------------------------------ */

static ErrCode prepare(Applying *applying, Error *err)
{
    CommandContext *context = applying->context;
    ShardTarget *target = &applying->target;
    ErrCode code = schema_source_args(context, &applying->args, err);
    if (code == ERR_OK)
        code = run_settings_read(context, &applying->settings, err);
    if (code == ERR_OK)
        code = schema_source_url(context, &target->conninfo, &target->conninfo_count, err);
    target->schema = applying->settings.schema;
    target->shared_schemas = applying->settings.shared_schemas;
    target->application_name = applying->settings.application_name;
    return code;
}

static ErrCode run(CommandContext *context, Error *err)
{
    Applying applying = {.context = context};
    bool dry = context_has(context, "dry-run") || context_has(context, "sql");
    ErrCode code = prepare(&applying, err);
    if (code != ERR_OK)
        return code;
    Wait wait;
    wait_open(&wait);
    code = find_difference(&applying, &wait, err);
    if (code == ERR_OK)
        tell_difference(&applying);
    bool stays = dry || applying.diff.cannot > 0;
    if (code == ERR_OK && !stays)
        code = check_lost(&applying, err);
    if (code == ERR_OK && !stays && applying.diff.count > 0)
        code = apply_difference(&applying, &wait, err);
    wait_close(&wait);
    if (code == ERR_OK && (!stays || applying.diff.count == 0))
        tell_outcome(&applying);
    if (code == ERR_OK)
        write_result(&applying);
    return code;
}

static const CommandOption options[] = {
    {"url", 'u', "URL", "the database (PGTIDE_URL, or libpq's environment)"},
    {"schema", 0, "SCHEMA", "this schema of it alone, compared without its name"},
    {"shared-schema", 0, "SCHEMA", "searched after --schema (default: public; repeatable)"},
    {"dry-run", 0, NULL, "tell the difference only"},
    {"sql", 0, NULL, "print a script that leads to the model only"},
    SCHEMA_RENAME_OPTION,
    {"accept-data-loss", 0, NULL, "run what loses rows or values"},
    {"lock-timeout", 0, "TIME", "how long to wait for a lock (default: 500ms)"},
    {"lock-attempts", 0, "N", "tries of what finds a lock taken (default: 10)"},
    {"scratch-url", 0, "URL", "the server for the model's scratch database"},
    {0},
};

const CliCommand cmd_schema_apply = {
    .words = "schema apply",
    .arguments = "MODEL",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "change a database until it is as a model says",
    .details =
        "MODEL is a file or a folder of SQL, a dump, or a url, as for `pgtide schema diff`. What "
        "leads from the database to it is told and run in one transaction; new labels of enums in "
        "one before it. A lock that is not granted in time is tried again. Then the database is "
        "read once more. No revision is made, and nothing is recorded: for databases with "
        "revisions see `pgtide revision --autogenerate`.\n\n"
        "Nothing is run where rows or values would be lost without --accept-data-loss, where the "
        "fleet "
        "manages the shard, or where some of the difference can't be said in SQL.\n\n"
        "Exit status: 0 the database is as the model says; 3 it is not: --dry-run or --sql, what "
        "can't be said, or what is left; 1 a statement failed, and nothing is done but new labels "
        "of "
        "enums; 2 wrong use, or no such file; 4 the outcome is not known; 5 refused; 6 a lock was "
        "not granted, or a "
        "server can't be reached.",
    .options = options,
    .run = run,
};
