/*
 * Statements that are no step, in one transaction of three round trips: BEGIN (and the session's
 * path, when it is not known); the statements, with an author's settings; COMMIT alone. A fourth
 * takes back what they set for the session.
 */
#include "shard_queries.h"
#include "shard_script.h"
#include "shard_session.h"

#include <string.h>

enum { SQL_LOCK_TIMEOUT_DEFAULT_MS = 500, SQL_END_DEADLINE_MS = 10000 };

typedef struct SqlOp {
    ShardSession *session;
    ShardSqlArgs args;
    ShardSqlCb *cb;
    void *data;
    ShardSqlResult result;
    size_t at_path; /* 0 = not asked */
    size_t at_author;
} SqlOp;

/* --- the end ---------------------------------------------------------------------------------- */

static void on_ended(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    (void)reply; /* what led here is what counts; a connection lost now is found by the next */
    SqlOp *op = data;
    ShardSession *session = op->session;
    shard_end(session);
    bool failed = session->error.code != ERR_OK;
    op->cb(session, failed ? NULL : &op->result, failed ? &session->error : NULL, op->data);
}

static void end(SqlOp *op)
{
    ShardSession *session = op->session;
    session->committing = false;
    session->deadline_ms = uv_now(session->loop) + SQL_END_DEADLINE_MS;
    PgBatch batch = pg_batch(session->arena);
    if (pg_in_transaction(session->conn))
        pg_batch_add(&batch, "ROLLBACK");
    pg_batch_add(&batch, "RESET SESSION AUTHORIZATION");
    pg_batch_add(&batch, "RESET ROLE");
    shard_reset_add(session, &batch);
    shard_send(session, &batch, on_ended, op);
}

static void on_committed(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    SqlOp *op = data;
    Error *err = &op->session->error;
    if (reply->error != NULL && reply->lost) {
        err_set(err, ERR_UNKNOWN,
                "connection lost during COMMIT: whether it happened is not known");
        err_detail(err, "%s", reply->error->message);
        err_at(err, op->args.file, 0);
    } else if (reply->error != NULL) {
        shard_reply_error(op->session, reply);
        err_at(err, op->args.file, 0);
        err_wrap(err, "COMMIT");
    } else if (strcmp(pg_tag(&reply->results[0]), "COMMIT") != 0) {
        err_set(err, ERR_SQL, "the server rolled back instead of committing");
        err_at(err, op->args.file, 0);
    }
    end(op);
}

static void commit(SqlOp *op)
{
    ShardSession *session = op->session;
    session->committing = true;
    PgBatch batch = pg_batch(session->arena);
    batch.never_cancel = true;
    pg_batch_add(&batch, "COMMIT");
    shard_send(session, &batch, on_committed, op);
}

/* --- the statements --------------------------------------------------------------------------- */

/* The last statement's answer outlives its reply. */
static void keep_answer(SqlOp *op, const PgResult *result)
{
    Arena *arena = op->session->arena;
    size_t columns = pg_columns(result);
    size_t count = pg_rows(result) * columns;
    const char **values = ARENA_ARRAY(arena, const char *, count + 1);
    for (size_t i = 0; i < count; i++) {
        size_t row = i / columns;
        int column = (int)(i % columns);
        if (!pg_is_null(result, row, column))
            values[i] = arena_strdup(arena, pg_text(result, row, column));
    }
    op->result = (ShardSqlResult){
        .row_count = columns == 0 ? 0 : pg_rows(result), .column_count = columns, .values = values};
}

static void on_ran(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    SqlOp *op = data;
    ShardSession *session = op->session;
    const StatementList *statements = op->args.statements;
    if (reply->error == NULL) {
        if (statements->count > 0)
            keep_answer(op, &reply->results[op->at_author + statements->count - 1]);
        if (session->cancelled)
            err_set(&session->error, ERR_INTERRUPTED,
                    "interrupted; the transaction was rolled back");
    } else {
        shard_reply_error(session, reply);
        size_t failed = reply->failed - op->at_author;
        if (!reply->lost && reply->failed >= op->at_author && failed < statements->count)
            shard_statement_place(&session->error, op->args.file, &statements->items[failed],
                                  reply);
        else
            err_at(&session->error, op->args.file, 0);
    }
    if (session->error.code == ERR_OK)
        commit(op);
    else
        end(op);
}

static void on_begun(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    SqlOp *op = data;
    ShardSession *session = op->session;
    Arena *arena = session->arena;
    if (reply->error != NULL) {
        shard_reply_error(session, reply);
        end(op);
        return;
    }
    if (session->cancelled) {
        err_set(&session->error, ERR_INTERRUPTED, "interrupted; nothing changed");
        end(op);
        return;
    }
    const char *path =
        op->at_path == 0 ? session->path : pg_text(&reply->results[op->at_path], 0, 0);
    PgBatch batch = pg_batch(arena);
    const char *enter[] = {
        shard_script_path(arena, session->conn, &session->target, arena_strdup(arena, path)),
        shard_ms_param(session, op->args.lock_timeout_ms),
        shard_ms_param(session, op->args.statement_timeout_ms),
    };
    pg_batch_add_params(&batch, shard_sql_enter_author, 3, enter);
    op->at_author = batch.count;
    const StatementList *statements = op->args.statements;
    for (size_t i = 0; i < statements->count; i++) {
        if (op->args.all_rows && i + 1 == statements->count)
            pg_batch_add(&batch, statements->items[i].text);
        else
            shard_statement_add(&batch, &statements->items[i]);
    }
    /* What was put off until the end runs with the author's path and role. */
    pg_batch_add(&batch, "SET CONSTRAINTS ALL IMMEDIATE");
    shard_send(session, &batch, on_ran, op);
}

static void on_refused(PgConn *conn, const PgReply *reply, void *data)
{
    on_ended(conn, reply, data);
}

void shard_run_sql(ShardSession *session, const ShardSqlArgs *args, ShardSqlCb *cb, void *data)
{
    Arena *old = shard_begin(session, args->deadline_ms);
    SqlOp *op = ARENA_NEW(session->arena, SqlOp);
    op->session = session;
    op->args = *args;
    op->args.file = arena_strdup(session->arena, args->file == NULL ? "" : args->file);
    if (op->args.lock_timeout_ms == 0)
        op->args.lock_timeout_ms = SQL_LOCK_TIMEOUT_DEFAULT_MS;
    op->cb = cb;
    op->data = data;
    session->used = session->strangers = true;
    arena_free(old);
    PgBatch batch = pg_batch(session->arena);
    Error err;
    if (shard_statements_check(op->args.file, args->statements, &err) != ERR_OK) {
        session->error = err;
        shard_send(session, &batch, on_refused, op);
        return;
    }
    shard_abandon_add(session, &batch);
    pg_batch_add(&batch, args->read_only ? "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY"
                                         : "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE");
    op->at_path = session->path == NULL ? batch.count : 0;
    if (session->path == NULL)
        pg_batch_add(&batch, shard_sql_path);
    shard_send(session, &batch, on_begun, op);
}
