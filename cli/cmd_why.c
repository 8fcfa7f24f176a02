/* Why a database is where it is, by its own history. */
#include "run.h"
#include "why_tell.h"

#include "shard_record.h"

#include <string.h>

typedef struct Found {
    const char *name;
    const char *json; /* the record */
} Found;

static void on_read(Run *run)
{
    const ShardReading *shard = &run->reading->shards[0];
    AUTO_STR Str text = {0};
    JsonWriter json = json_writer(&text);
    shard_record_write(&json, run->reading);
    Found *found = ARENA_NEW(run->arena, Found);
    found->json = arena_strdup(run->arena, str_text(&text));
    found->name = shard->schema[0] == '\0'
                      ? arena_strdup(run->arena, run->reading->database)
                      : arena_printf(run->arena, "%s/%s", run->reading->database, shard->schema);
    run->data = found;
    run_end(run);
}

static void begin(Run *run)
{
    ReadArgs args = shard_record_args();
    run_read(run, &args, on_read);
}

static void say_line(void *data, const char *line)
{
    run_say(data, "%s", line);
}

static void tell(Run *run)
{
    const Found *found = run->data;
    json_t *record = json_loads(found->json, 0, NULL);
    why_tell_record(run->arena, found->name, record, say_line, run);
    json_decref(record);
}

static void put(Run *run, JsonWriter *json)
{
    const Found *found = run->data;
    if (found == NULL)
        return;
    json_key(json, "record");
    json_raw(json, found->json, strlen(found->json));
}

static const RunWork work = {
    .project = RUN_PROJECT_NONE,
    .begin = begin,
    .say = tell,
    .json = put,
};

static ErrCode run(CommandContext *context, Error *err)
{
    return run_databases(context, &work, err);
}

static const CommandOption options[] = {
    RUN_READ_OPTIONS,
    {0},
};

const CliCommand cmd_why = {
    .words = "why",
    .arguments = "",
    .summary = "tell why a database is where it is, by its own history",
    .details =
        "What took it there and when, what has failed since and at which line, which steps are "
        "half done, and what the longest statement of each step cost. Nothing is "
        "written.\n\n" RUN_EXIT_STATUS,
    .options = options,
    .run = run,
};
