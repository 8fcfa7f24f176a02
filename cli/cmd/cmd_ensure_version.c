#include "offline.h"
#include "run.h"

static const CommandOption options[] = {
    RUN_WRITE_OPTIONS, {"sql", 0, NULL, "print the SQL instead of running it"}, {0}};

/* What is said at the end: the claim lives until then, but JSON may ask without one. */
typedef struct Ensured {
    bool adopted_now;
    const char *version_schema;
    uint32_t width;
} Ensured;

static void on_claimed(Run *run)
{
    Ensured *ensured = ARENA_NEW(run->arena, Ensured);
    *ensured = (Ensured){
        .adopted_now = run->claim->adopted_now,
        .version_schema = arena_strdup(run->arena, run->claim->version_schema),
        .width = run->claim->version_column_width,
    };
    run->data = ensured;
    run->outcome = ensured->adopted_now ? RUN_DONE : RUN_NOTHING_TO_DO;
    run_end(run);
}

static void begin(Run *run)
{
    run_claim(run, 0, on_claimed);
}

static void tell(Run *run)
{
    const Ensured *ensured = run->data;
    run_say(run, "%s; at %s", ensured->adopted_now ? "adopted" : "already adopted",
            run_rows_text(run->arena, &run->rows));
    if (ensured->width != 0 && ensured->width < 255)
        run_note(run, "%s.alembic_version holds ids of at most %u characters",
                 ensured->version_schema, ensured->width);
}

static void put(Run *run, JsonWriter *json)
{
    const Ensured *ensured = run->data;
    if (ensured == NULL)
        return;
    json_field_bool(json, "adopted", ensured->adopted_now);
    json_field_string(json, "version_schema", ensured->version_schema);
    json_field_uint(json, "version_column_width", ensured->width);
}

static const RunWork work = {
    .begin = begin,
    .say = tell,
    .json = put,
};

static ErrCode run(CommandContext *context, Error *err)
{
    if (context_has(context, "sql"))
        return offline_ensure_version(context, err);
    return run_databases(context, &work, err);
}

const CliCommand cmd_ensure_version = {
    .words = "ensure-version",
    .arguments = "",
    .summary = "create the version table and pgtide's bookkeeping in a database, or many",
    .details = RUN_EXIT_STATUS,
    .options = options,
    .run = run,
};
