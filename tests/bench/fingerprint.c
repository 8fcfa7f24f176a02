/*
 * What it costs an agent to know the schemas of many shards, as a ratio to the same catalog queries
 * sent by bare libpq, one database after the other:
 *
 *   pgtide_bench_fingerprint HOST USER PREFIX COUNT     databases PREFIX1 ... PREFIX<COUNT>
 *
 * `first`: stamp, version rows, the whole schema, stamp and rows once more. `unchanged`: stamp and
 * rows. The pauses that an agent makes between whole readings are left out.
 */
#include "schema_canon.h"
#include "schema_stamp.h"
#include "shard_schema.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *host, *user;

typedef struct One {
    uv_loop_t *loop;
    ShardSession *session;
    bool whole;
    bool again;
} One;

static void stop(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static void on_stamp(ShardSession *session, const char *stamp, const Error *err, void *data);

static void on_model(ShardSession *session, const SchemaModel *model, const Error *err, void *data)
{
    One *one = data;
    char text[FINGERPRINT_TEXT_SIZE];
    if (err != NULL)
        stop(err->message);
    schema_fingerprint(model, text);
    one->again = true;
    shard_read_stamp(session, 0, on_stamp, one);
}

static void on_rows(ShardSession *session, const DatabaseReading *reading, const Error *err,
                    void *data)
{
    (void)reading;
    One *one = data;
    if (err != NULL)
        stop(err->message);
    if (one->whole && !one->again)
        shard_read_model(session, "", 0, on_model, one);
    else
        uv_stop(one->loop);
}

static void on_stamp(ShardSession *session, const char *stamp, const Error *err, void *data)
{
    (void)stamp;
    ReadArgs args = {0};
    if (err != NULL)
        stop(err->message);
    shard_read(session, &args, on_rows, data);
}

static void on_open(ShardSession *session, const Error *err, void *data)
{
    if (err != NULL)
        stop(err->message);
    shard_read_stamp(session, 0, on_stamp, data);
}

static void read_ours(uv_loop_t *loop, const char *database, bool whole)
{
    const PgKeyword conninfo[] = {{"host", host}, {"user", user}};
    ShardTarget target = {.conninfo = conninfo, .conninfo_count = 2, .database = database};
    One one = {.loop = loop, .whole = whole};
    one.session = shard_open(loop, &target, on_open, &one);
    uv_run(loop, UV_RUN_DEFAULT);
    shard_close(one.session);
    uv_run(loop, UV_RUN_NOWAIT);
}

static void send_bare(PGconn *conn, const PgBatch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const PgStatement *item = &batch->items[i];
        PGresult *result =
            PQexecParams(conn, item->sql, item->param_count, NULL, item->params, NULL, NULL, 0);
        if (PQresultStatus(result) != PGRES_TUPLES_OK && PQresultStatus(result) != PGRES_COMMAND_OK)
            stop(PQerrorMessage(conn));
        PQclear(result);
    }
}

static void read_bare(const char *database, bool whole)
{
    AUTO_ARENA Arena *arena = arena_new();
    const char *const names[] = {"host", "user", "dbname", NULL};
    const char *const values[] = {host, user, database, NULL};
    PGconn *conn = PQconnectdbParams(names, values, 0);
    if (PQstatus(conn) != CONNECTION_OK)
        stop(PQerrorMessage(conn));
    PgBatch batch = pg_batch(arena);
    SchemaReadArgs args = {0};
    schema_stamp_queries(&batch);
    if (whole) {
        schema_read_queries(&batch, &args);
        schema_stamp_queries(&batch);
    }
    send_bare(conn, &batch);
    PQfinish(conn);
}

/* Turn by turn, so that a busy machine is as busy for both. */
static void measure(uv_loop_t *loop, const char *prefix, int count, bool whole)
{
    uint64_t ours = 0, bare = 0;
    char database[80];
    for (int i = 1; i <= count; i++) {
        snprintf(database, sizeof database, "%s%d", prefix, i);
        uint64_t begun = uv_hrtime();
        read_bare(database, whole);
        uint64_t between = uv_hrtime();
        read_ours(loop, database, whole);
        bare += between - begun;
        ours += uv_hrtime() - between;
    }
    printf("| %s | %.2f s | %.2f s | %.2f |\n", whole ? "first" : "unchanged", (double)bare / 1e9,
           (double)ours / 1e9, (double)ours / (double)bare);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        stop("usage: pgtide_bench_fingerprint HOST USER PREFIX COUNT");
    uv_loop_t loop;
    uv_loop_init(&loop);
    host = argv[1];
    user = argv[2];
    int count = atoi(argv[4]);
    char first[80];
    snprintf(first, sizeof first, "%s1", argv[3]);
    read_bare(first, true); /* warm */
    printf("| %d shards | bare libpq | pgtide | ratio |\n|---|---|---|---|\n", count);
    measure(&loop, argv[3], count, true);
    measure(&loop, argv[3], count, false);
    return 0;
}
