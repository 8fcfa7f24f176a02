#include "backup_scratch.h"

#include "backup_facts.h"
#include "backup_tools.h"
#include "cluster_connect.h"

#include <stdlib.h>
#include <string.h>

enum {
    SCRATCH_CONNECT_MS = 10000,
    SCRATCH_DEADLINE_MS = 10 * 60 * 1000, /* CREATE and DROP DATABASE wait for a checkpoint */
};

/* A question whose answer is the statements that are then run, each alone. */
struct Scratch {
    Arena *arena;
    PgConn *conn;
    const char *question;
    const char *const *params;
    int param_count;
    StrList statements;
    size_t next;
    ScratchCb *cb;
    void *data;
};

/* The server quotes. Nobody else may connect, from before there is anything in it. */
static const char create_sql[] =
    "SELECT s FROM (VALUES (1, pg_catalog.format('CREATE DATABASE %I TEMPLATE template0 ENCODING %L"
    " LC_COLLATE %L LC_CTYPE %L', $1::text, $2::text, $3::text, $4::text)"
    " || CASE $5::text WHEN 'i' THEN pg_catalog.format(' LOCALE_PROVIDER icu ICU_LOCALE %L',"
    "  $6::text) || CASE WHEN $7::text = '' THEN '' ELSE pg_catalog.format(' ICU_RULES %L',"
    "  $7::text) END"
    " WHEN 'b' THEN pg_catalog.format(' LOCALE_PROVIDER builtin BUILTIN_LOCALE %L', $6::text)"
    " ELSE '' END || ' CONNECTION LIMIT 70'),"
    " (2, pg_catalog.format('REVOKE ALL ON DATABASE %I FROM PUBLIC', $1::text))) v (n, s)"
    " ORDER BY n";

static const char drop_sql[] =
    "SELECT pg_catalog.format('DROP DATABASE IF EXISTS %I WITH (FORCE)', $1::text)";

static const char clean_sql[] =
    "SELECT pg_catalog.format('DROP DATABASE IF EXISTS %I WITH (FORCE)', d.datname)"
    " FROM pg_catalog.pg_database d WHERE pg_catalog.starts_with(d.datname::text, $1::text)"
    " AND pg_catalog.pg_get_userbyid(d.datdba) = current_user"
    " UNION ALL SELECT pg_catalog.format('SELECT pg_catalog.pg_terminate_backend(%s)', a.pid)"
    " FROM pg_catalog.pg_stat_activity a WHERE a.usename = current_user"
    " AND pg_catalog.starts_with(a.application_name, $2::text) AND a.application_name <> $3::text";

const char *scratch_name(Arena *arena, const OperationId *operation)
{
    char text[OPERATION_TEXT_SIZE];
    operation_format(operation, text);
    return arena_printf(arena, "%s%s", SCRATCH_PREFIX, text);
}

static void release(Scratch *scratch)
{
    pg_close(scratch->conn);
    arena_free(scratch->arena);
    free(scratch);
}

void scratch_cancel(Scratch *scratch)
{
    release(scratch);
}

static void finish(Scratch *scratch, const Error *err)
{
    scratch->cb(err, scratch->data);
    release(scratch);
}

static void run_next(Scratch *scratch);

static void on_done(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    Scratch *scratch = data;
    if (reply->error != NULL)
        finish(scratch, reply->error);
    else
        run_next(scratch);
}

static void run_next(Scratch *scratch)
{
    if (scratch->next == scratch->statements.count)
        finish(scratch, NULL);
    else
        pg_send_simple(scratch->conn, scratch->statements.items[scratch->next++],
                       SCRATCH_DEADLINE_MS, on_done, scratch);
}

static void on_statements(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    Scratch *scratch = data;
    if (reply->error != NULL) {
        finish(scratch, reply->error);
        return;
    }
    for (size_t row = 0; row < pg_rows(&reply->results[0]); row++)
        strlist_add(scratch->arena, &scratch->statements, pg_text(&reply->results[0], row, 0));
    run_next(scratch);
}

static void on_connected(PgConn *conn, const Error *err, void *data)
{
    Scratch *scratch = data;
    if (err != NULL) {
        finish(scratch, err);
        return;
    }
    PgBatch batch = pg_batch(scratch->arena);
    pg_batch_add_params(&batch, scratch->question, scratch->param_count, scratch->params);
    pg_send(conn, &batch, SCRATCH_CONNECT_MS, on_statements, scratch);
}

static Scratch *start(uv_loop_t *loop, const ClusterSettings *cluster, const char *question,
                      const char *const *params, int param_count, ScratchCb *cb, void *data)
{
    Scratch *scratch = xcalloc(1, sizeof(*scratch));
    Arena *arena = arena_new();
    const char **copies = ARENA_ARRAY(arena, const char *, param_count);
    for (int i = 0; i < param_count; i++)
        copies[i] = arena_strdup(arena, params[i]);
    scratch->arena = arena;
    scratch->question = question;
    scratch->params = copies;
    scratch->param_count = param_count;
    scratch->cb = cb;
    scratch->data = data;
    scratch->conn = cluster_connect(loop, cluster, cluster->maintenance_database, NULL,
                                    SCRATCH_CONNECT_MS, on_connected, scratch);
    return scratch;
}

Scratch *scratch_create(uv_loop_t *loop, const ClusterSettings *cluster, const char *name,
                        const DatabaseFacts *like, ScratchCb *cb, void *data)
{
    const char *params[] = {name,           like->encoding,        like->collate,
                            like->ctype,    like->locale_provider, like->locale,
                            like->icu_rules};
    return start(loop, cluster, create_sql, params, 7, cb, data);
}

Scratch *scratch_drop(uv_loop_t *loop, const ClusterSettings *cluster, const char *name,
                      ScratchCb *cb, void *data)
{
    return start(loop, cluster, drop_sql, &name, 1, cb, data);
}

Scratch *scratch_clean(uv_loop_t *loop, const ClusterSettings *cluster, ScratchCb *cb, void *data)
{
    AUTO_ARENA Arena *arena = arena_new();
    const char *params[] = {SCRATCH_PREFIX, TOOL_SESSION_PREFIX, tool_session_name(arena)};
    return start(loop, cluster, clean_sql, params, 3, cb, data);
}
