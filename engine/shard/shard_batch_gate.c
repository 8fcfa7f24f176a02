/*
 * Before a batch: its turn on the server (server_pace.h), then a look at what only this database
 * tells, which is whether its table is being vacuumed and what the user's own query says.
 */
#include "server_pace.h"
#include "shard_batch.h"
#include "shard_batch_queries.h"
#include "shard_queries.h"

#include <stdlib.h>
#include <string.h>

enum {
    LOOK_AGAIN_MS = 500,
    QUERY_TIMEOUT_MS = 2000,
    LOOK_SETTINGS = 5, /* statements before those that ask */
};

/* --- the database ----------------------------------------------------------------------------- */

static void on_again(uv_timer_t *timer)
{
    batch_next(timer->data);
}

static void look_again(StepOp *op)
{
    batch_end_turn(op->session);
    shard_timer_start(op->session, LOOK_AGAIN_MS, on_again, op);
}

static void wait_and_look_again(StepOp *op, const char *reason)
{
    batch_hold(op, reason);
    look_again(op);
}

/* A look that was not to be had says nothing: of a busy server, or of somebody's lock. */
static bool is_passing(const ShardSession *session, const PgReply *reply)
{
    const char *state = reply->error->sqlstate;
    return !reply->lost && !reply->timed_out && !session->cancelled &&
           reply->failed >= LOOK_SETTINGS &&
           (strcmp(state, "57014") == 0 || strcmp(state, "55P03") == 0 ||
            strcmp(state, "40P01") == 0);
}

static void on_left(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    if (reply->error != NULL) {
        shard_reply_error(op->session, reply);
        batch_fail(op);
    } else {
        look_again(op);
    }
}

static void leave_look(StepOp *op, const char *reason)
{
    batch_hold(op, reason);
    PgBatch batch = pg_batch(op->session->arena);
    pg_batch_add(&batch, "ROLLBACK");
    shard_send(op->session, &batch, on_left, op);
}

/* True, or more than 0. */
static bool says_hold(const PgResult *answer)
{
    if (pg_rows(answer) == 0 || pg_is_null(answer, 0, 0))
        return false;
    const char *text = pg_text(answer, 0, 0);
    return strcmp(text, "t") == 0 || strtod(text, NULL) > 0;
}

static void on_looked(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    const ShardBatch *backfill = batch_of(op);
    Error *err = &op->session->error;
    size_t at_vacuum = LOOK_SETTINGS;
    size_t at_query = at_vacuum + (backfill->policy.ignore_vacuum ? 1 : 2);
    if (reply->error != NULL && is_passing(op->session, reply)) {
        leave_look(op, reply->failed == at_query ? "the backfill's query took too long"
                                                 : "the look for a vacuum took too long");
        return;
    }
    if (reply->error != NULL) {
        shard_reply_error(op->session, reply);
        if (!reply->lost && reply->failed == at_query) {
            err_wrap(err, "the backfill's query");
            err_hint(err, "Correct `query` of `backfill`: it is to say true, or a number over 0, "
                          "while batches have to wait.");
        }
        batch_fail(op);
        return;
    }
    bool has_query = backfill->policy.query[0] != '\0';
    if (!backfill->policy.ignore_vacuum && pg_bool(&reply->results[at_vacuum], 0, 0))
        wait_and_look_again(op, "the table is being vacuumed");
    else if (has_query && says_hold(&reply->results[at_query]))
        wait_and_look_again(op, "the backfill's query says so");
    else
        batch_run(op);
}

static void look(StepOp *op)
{
    ShardSession *session = op->session;
    const ShardBatch *backfill = batch_of(op);
    const BackfillPolicy *policy = &backfill->policy;
    if (policy->ignore_vacuum && policy->query[0] == '\0') {
        batch_run(op);
        return;
    }
    PgBatch batch = pg_batch(session->arena);
    pg_batch_add(&batch, "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY");
    pg_batch_add(&batch, "RESET SESSION AUTHORIZATION");
    pg_batch_add(&batch, "RESET ROLE");
    pg_batch_add(&batch, shard_sql_leave_author);
    pg_batch_add(
        &batch, arena_printf(session->arena, "SET LOCAL statement_timeout = %d", QUERY_TIMEOUT_MS));
    const char *table = shard_u64_param(session, backfill->table_oid);
    if (!policy->ignore_vacuum)
        pg_batch_add_params(&batch, batch_sql_vacuum, 1, &table);
    const char *path =
        shard_script_path(session->arena, session->conn, &session->target, session->path);
    if (policy->query[0] != '\0') {
        pg_batch_add_params(&batch, batch_sql_path, 1, &path);
        pg_batch_add_foreign(&batch, policy->query);
    }
    pg_batch_add(&batch, "ROLLBACK");
    shard_send(session, &batch, on_looked, op);
}

/* --- the server ------------------------------------------------------------------------------- */

static void on_turn(bool may_go, const char *reason, void *data)
{
    StepOp *op = data;
    ShardSession *session = op->session;
    uv_update_time(session->loop);
    if (batch_must_stop(op))
        return;
    if (may_go)
        look(op);
    else
        batch_hold(op, reason);
}

void batch_gate(StepOp *op)
{
    ShardSession *session = op->session;
    ShardBatch *backfill = batch_of(op);
    const BackfillPolicy *policy = &backfill->policy;
    ServerPaces *paces = step_item(op)->args.paces;
    if (backfill->gated_ms == 0)
        backfill->gated_ms = uv_now(session->loop);
    if (paces == NULL) {
        look(op);
        return;
    }
    if (session->ticket == NULL) {
        const PaceRules rules = {
            .replica_lag_ms = policy->replica_lag_ms,
            .wal_bytes_per_s = policy->wal_bytes_per_s,
            .archive_files = policy->archive_files,
            .sessions = policy->sessions,
        };
        session->ticket = server_pace_join(paces, session->system_identifier, &session->target,
                                           &rules, on_turn, op);
    }
    server_pace_ask(session->ticket);
}

void batch_end_turn(ShardSession *session)
{
    if (session->ticket != NULL)
        server_pace_done(session->ticket);
}

void batch_leave_server(ShardSession *session)
{
    server_pace_leave(session->ticket);
    session->ticket = NULL;
}
