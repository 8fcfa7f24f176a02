#include "backup_facts.h"

#include "cluster_connect.h"

#include <stdlib.h>

enum {
    FACTS_CONNECT_MS = 10000,
    FACTS_DEADLINE_MS = 60000, /* pg_database_size looks at every file */
};

struct FactsReading {
    Arena *arena;
    PgConn *conn;
    const char *schema;
    FactsCb *cb;
    void *data;
};

/* Columns that came or went between versions are taken from the row as JSON. */
static const char facts_sql[] =
    "SELECT (pg_catalog.pg_control_system()).system_identifier, d.oid,"
    " pg_catalog.pg_database_size(d.oid), pg_catalog.pg_get_userbyid(d.datdba),"
    " pg_catalog.pg_encoding_to_char(d.encoding), coalesce(j->>'datlocprovider', 'c'),"
    " j->>'datcollate', j->>'datctype', coalesce(j->>'datlocale', j->>'daticulocale', ''),"
    " coalesce(j->>'daticurules', ''), t.spcname,"
    " (SELECT pg_catalog.pg_get_userbyid(n.nspowner) FROM pg_catalog.pg_namespace n"
    "  WHERE n.nspname = $1),"
    " pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())"
    " FROM pg_catalog.pg_database d JOIN pg_catalog.pg_tablespace t ON t.oid = d.dattablespace,"
    " pg_catalog.to_jsonb(d) j WHERE d.datname = pg_catalog.current_database()";

DatabaseFacts facts_copy(Arena *arena, const DatabaseFacts *facts)
{
    DatabaseFacts copy = *facts;
    const char **texts[] = {&copy.owner,           &copy.schema_owner, &copy.encoding,
                            &copy.locale_provider, &copy.collate,      &copy.ctype,
                            &copy.locale,          &copy.icu_rules,    &copy.tablespace};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = arena_strdup(arena, *texts[i]);
    return copy;
}

static void release(FactsReading *reading)
{
    pg_close(reading->conn);
    arena_free(reading->arena);
    free(reading);
}

void facts_cancel(FactsReading *reading)
{
    release(reading);
}

static void finish(FactsReading *reading, const DatabaseFacts *facts, const Error *err)
{
    reading->cb(facts, err, reading->data);
    release(reading);
}

static void on_facts(PgConn *conn, const PgReply *reply, void *data)
{
    FactsReading *reading = data;
    Error err;
    if (reply->error != NULL) {
        finish(reading, NULL, reply->error);
        return;
    }
    const PgResult *result = &reply->results[1];
    if (pg_rows(result) != 1) {
        err_set(&err, ERR_BACKUP, "the database does not say what it is");
        finish(reading, NULL, &err);
        return;
    }
    DatabaseFacts facts = {
        .system_identifier = pg_u64(result, 0, 0),
        .database_oid = (uint32_t)pg_u64(result, 0, 1),
        .server_version = (uint32_t)pg_server_version(conn),
        .size_bytes = pg_u64(result, 0, 2),
        .owner = pg_text(result, 0, 3),
        .encoding = pg_text(result, 0, 4),
        .locale_provider = pg_text(result, 0, 5),
        .collate = pg_text(result, 0, 6),
        .ctype = pg_text(result, 0, 7),
        .locale = pg_text(result, 0, 8),
        .icu_rules = pg_text(result, 0, 9),
        .tablespace = pg_text(result, 0, 10),
        .schema_owner = pg_text(result, 0, 11),
        .transaction_horizon = pg_u64(result, 0, 12),
    };
    finish(reading, &facts, NULL);
}

static void on_connected(PgConn *conn, const Error *err, void *data)
{
    FactsReading *reading = data;
    if (err != NULL) {
        finish(reading, NULL, err);
        return;
    }
    PgBatch batch = pg_batch(reading->arena);
    pg_batch_add(&batch, "SET search_path = pg_catalog, pg_temp");
    pg_batch_add_params(&batch, facts_sql, 1, &reading->schema);
    pg_send(conn, &batch, FACTS_DEADLINE_MS, on_facts, reading);
}

FactsReading *facts_read(uv_loop_t *loop, const ClusterSettings *cluster, const char *database,
                         const char *schema, FactsCb *cb, void *data)
{
    FactsReading *reading = xcalloc(1, sizeof(*reading));
    reading->arena = arena_new();
    reading->schema = arena_strdup(reading->arena, schema);
    reading->cb = cb;
    reading->data = data;
    reading->conn =
        cluster_connect(loop, cluster, database, NULL, FACTS_CONNECT_MS, on_connected, reading);
    return reading;
}
