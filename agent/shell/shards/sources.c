#include "sources.h"

#include "backup_tools.h"
#include "cluster_connect.h"
#include "copy_facts.h"
#include "named_limits.h"
#include "packed_text.h"
#include "task_shard.h"
#include "tool_version.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define APPLICATION_NAME "pgtide-agent rehearse"

enum { CONNECT_TIMEOUT_MS = 10000, READ_DEADLINE_MS = 30000 };

/* One shard being read: its rows, then its settings and tables, then its schema. */
typedef struct Source {
    struct Sources *owner;
    Task *task;
    const ClusterSettings *cluster;
    const char *database;
    const char *schema;
    CopyFacts facts;
    ShardSession *session;
    PgConn *conn;
    Child *child;
    Str dump;
    bool too_large;
    struct Source *next;
} Source;

struct Sources {
    SourcesSettings settings;
    Source *sources;
};

Sources *sources_new(const SourcesSettings *settings)
{
    Sources *sources = xcalloc(1, sizeof *sources);
    sources->settings = *settings;
    return sources;
}

static void source_free(Source *source)
{
    Source **at = &source->owner->sources;
    while (*at != source)
        at = &(*at)->next;
    *at = source->next;
    shard_close(source->session);
    pg_close(source->conn);
    if (source->child != NULL)
        child_kill(source->child);
    str_free(&source->dump);
    free(source);
}

void sources_free(Sources *sources)
{
    if (sources == NULL)
        return;
    while (sources->sources != NULL)
        source_free(sources->sources);
    free(sources);
}

static void failed(Source *source, const Error *err)
{
    task_failed(source->task, err);
    source_free(source);
}

/* --- its schema ------------------------------------------------------------------------------- */

static void done(Source *source)
{
    AUTO_STR Str text = {0}, packed = {0};
    JsonWriter json = json_writer(&text);
    packed_text_write(&packed, str_text(&source->dump), source->dump.length);
    json_object_begin(&json);
    copy_facts_write(&json, &source->facts);
    json_field_uint(&json, "dump_bytes", source->dump.length);
    json_field_string(&json, "dump", str_text(&packed));
    json_object_end(&json);
    task_done(source->task, str_text(&text));
    source_free(source);
}

static void on_output(const char *bytes, size_t length, void *data)
{
    Source *source = data;
    source->too_large = source->too_large || length > LIMIT_SOURCE_DUMP_BYTES - source->dump.length;
    if (source->too_large)
        child_signal(source->child, SIGTERM);
    else
        str_append_bytes(&source->dump, bytes, length);
}

static void on_dumped(const ChildResult *result, void *data)
{
    Source *source = data;
    Error err;
    source->child = NULL;
    ErrCode code = source->too_large
                       ? err_set(&err, ERR_LIMIT, "its schema's dump is larger than %d bytes",
                                 LIMIT_SOURCE_DUMP_BYTES)
                       : tool_result("pg_dump", result, &err);
    if (code == ERR_OK)
        done(source);
    else
        failed(source, &err);
}

static void dump(Source *source)
{
    Arena *arena = source->task->arena;
    ToolArgs tool = tool_args(arena, "pg_dump");
    tool_arg(&tool, "--format=custom");
    tool_arg(&tool, "--compress=0"); /* definitions never are; the answer is, as a whole */
    tool_arg(&tool, "--schema-only");
    tool_arg(&tool, "--exclude-schema=pgtide");
    tool_arg(&tool, "--no-publications");
    tool_arg(&tool, "--no-subscriptions");
    tool_arg(&tool, "--no-password");
    tool_arg(&tool, "--lock-wait-timeout=10s");
    tool_arg(&tool, "--dbname=%s", tool_database(arena, source->database));
    const char **env = tool_environment(arena, source->cluster, source->database, 0);
    ChildArgs args = {.program = tool_program(arena, source->cluster, "pg_dump"),
                      .argv = tool.items,
                      .env = env,
                      .output = on_output};
    Error err;
    ErrCode code =
        child_start(source->owner->settings.loop, &args, on_dumped, source, &source->child, &err);
    tool_environment_wipe(env);
    if (code != ERR_OK)
        failed(source, &err);
}

/* --- its settings and tables ------------------------------------------------------------------ */

static void on_answer(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    Source *source = data;
    Error err;
    if (reply->error != NULL) {
        failed(source, reply->error);
        return;
    }
    if (copy_facts_answer(source->task->arena, reply, &source->facts, &err) != ERR_OK) {
        failed(source, &err);
        return;
    }
    pg_close(source->conn);
    source->conn = NULL;
    dump(source);
}

static void on_connected(PgConn *conn, const Error *err, void *data)
{
    Source *source = data;
    if (err != NULL) {
        failed(source, err);
        return;
    }
    PgBatch batch = pg_batch(source->task->arena);
    copy_facts_queries(&batch, source->schema, &source->cluster->shared_schemas);
    pg_send(conn, &batch, READ_DEADLINE_MS, on_answer, source);
}

/* --- where it stands -------------------------------------------------------------------------- */

static void on_read(ShardSession *session, const DatabaseReading *reading, const Error *err,
                    void *data)
{
    (void)session;
    Source *source = data;
    if (err != NULL) {
        failed(source, err);
        return;
    }
    copy_facts_reading(source->task->arena, reading, &source->facts);
    shard_close(source->session);
    source->session = NULL;
    source->conn = cluster_connect(source->owner->settings.loop, source->cluster, source->database,
                                   APPLICATION_NAME, CONNECT_TIMEOUT_MS, on_connected, source);
}

static void on_opened(ShardSession *session, const Error *err, void *data)
{
    Source *source = data;
    if (err != NULL) {
        failed(source, err);
        return;
    }
    ReadArgs args = copy_facts_args();
    args.deadline_ms = READ_DEADLINE_MS;
    shard_read(session, &args, on_read, source);
}

void sources_handle(void *context, Task *task)
{
    Sources *sources = context;
    const Pgtide__V1__ReadSource *in = task->request->read_source;
    TaskShard shard;
    Error err;
    if (task_shard_find(sources->settings.settings, sources->settings.shards, in->cluster,
                        in->database, in->schema, APPLICATION_NAME, &shard, &err) != ERR_OK) {
        task_failed(task, &err);
        return;
    }
    const ClusterInfo *cluster = shards_find_cluster(sources->settings.shards, in->cluster);
    if (cluster != NULL && tool_version_check("pg_dump", cluster->pg_dump_version,
                                              cluster->server_version, ERR_STATE, &err) != ERR_OK) {
        task_failed(task, &err);
        return;
    }
    Source *source = xcalloc(1, sizeof *source);
    *source = (Source){.owner = sources,
                       .task = task,
                       .cluster = shard.cluster,
                       .database = in->database,
                       .schema = in->schema,
                       .next = sources->sources};
    sources->sources = source;
    source->session = shard_open(sources->settings.loop, &shard.target, on_opened, source);
}
