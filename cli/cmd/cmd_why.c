/* Why a database is where it is: by its own history, and of a fleet's shard by what the coordinator
 * remembers. */
#include "client.h"
#include "proto_read.h"
#include "run.h"
#include "why_tell.h"

#include "shard_record.h"

#include <stdlib.h>
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

/* --- a fleet's shard -------------------------------------------------------------------------- */

static void say_to_context(void *data, const char *line)
{
    CommandContext *context = data; /* servers' and people's texts are in the line */
    say(context, "%s", plain_text(context->arena, line));
}

/* The shard's own rows, through its agent. */
static ErrCode read_record(Client *client, const json_t *shard, json_t **ret_record, Error *err)
{
    Pgtide__V1__ReadRecord message = PGTIDE__V1__READ_RECORD__INIT;
    RequestMessage request = PGTIDE__V1__REQUEST__INIT;
    ClientAnswer answer;
    const json_t *result;
    message.cluster = proto_from_text(answer_text(shard, "cluster"));
    message.database = proto_from_text(answer_text(shard, "database"));
    message.schema = proto_from_text(answer_text(shard, "schema"));
    request.body_case = PGTIDE__V1__REQUEST__BODY_READ_RECORD;
    request.read_record = &message;
    ErrCode code = client_request(client, &request, &answer, err);
    if (code == ERR_OK)
        code = answer_of_agent(&answer, &result, err);
    if (code == ERR_OK)
        *ret_record = json_deep_copy(result);
    return code;
}

static void put_fleet(CommandContext *context, const json_t *view, const json_t *record,
                      const Error *unread)
{
    char *view_text = json_dumps(view, JSON_COMPACT);
    char *record_text = record == NULL ? NULL : json_dumps(record, JSON_COMPACT);
    JsonWriter json = context_json(context);
    json_object_begin(&json);
    json_key(&json, "fleet");
    json_raw(&json, view_text, strlen(view_text));
    json_key(&json, "record");
    if (record_text == NULL)
        json_none(&json);
    else
        json_raw(&json, record_text, strlen(record_text));
    json_field_string(&json, "unread", record == NULL ? unread->message : "");
    json_object_end(&json);
    free(view_text);
    free(record_text);
}

/* What the coordinator remembers is told too when the agent or the shard is away. */
static ErrCode run_fleet(CommandContext *context, const char *name, Error *err)
{
    if (context_has(context, "url") || context_has(context, "urls"))
        return err_set(err, ERR_USAGE, "a shard of the fleet is named, or --url given, not both");
    AUTO_CLIENT Client *client = NULL;
    Pgtide__V1__View message = PGTIDE__V1__VIEW__INIT;
    ClientAnswer answer;
    message.kind = PGTIDE__V1__VIEW_KIND__VIEW_KIND_SHARD;
    message.shard = proto_from_text(name);
    ErrCode code = client_open(context, &client, err);
    if (code == ERR_OK)
        code = client_view(client, &message, &answer, err);
    if (code != ERR_OK)
        return code;
    json_t *view = json_deep_copy(answer.result);
    json_t *record = NULL;
    Error unread = {0};
    const json_t *shard = json_object_get(view, "shard");
    code = read_record(client, shard, &record, &unread);
    if (code != ERR_INTERRUPTED) {
        why_tell_fleet(context->arena, answer_text(shard, "name"), view, record, unread.message,
                       say_to_context, context);
        put_fleet(context, view, record, &unread);
        code = ERR_OK;
    }
    json_decref(view);
    json_decref(record);
    if (code != ERR_OK)
        *err = unread;
    return code;
}

static ErrCode run(CommandContext *context, Error *err)
{
    const char *shard = context_argument(context, 0);
    return shard != NULL ? run_fleet(context, shard, err) : run_databases(context, &work, err);
}

static const CommandOption options[] = {
    RUN_READ_OPTIONS,
    CLIENT_OPTIONS,
    {0},
};

const CliCommand cmd_why = {
    .words = "why",
    .arguments = "[SHARD]",
    .arguments_max = 1,
    .summary = "tell why a database, or a shard of the fleet, is where it is",
    .details =
        "Without SHARD of the database of --url, from its own rows: what took it there and "
        "when, what has failed since and at which line, which steps are half done, and what "
        "the longest statement of each step cost.\n\n"
        "SHARD is a shard of the fleet, CLUSTER/DATABASE[/SCHEMA] as `fleet shards` shows it "
        "or its uuid. Then the coordinator tells how it stands, what keeps it out of plans, "
        "and what each rollout did with it; its agent reads its own rows. When the agent is "
        "away the rest is told all the same. Nothing is written. Role viewer.\n\n" RUN_EXIT_STATUS,
    .options = options,
    .run = run,
};
