/*
 * One step on one shard: DESIGN.md section 6.1, in four round trips.
 *
 *   1. preamble  BEGIN; LOCK the version table; fenced UPDATE of our row; read rows and history.
 *                Checked here before the first author statement is sent.
 *   2. body      author statements and what they put off (SET CONSTRAINTS ALL IMMEDIATE);
 *                +verify in a savepoint; version rows; history row; SET CONSTRAINTS ALL IMMEDIATE;
 *                fence, rows and transaction id once more. Checked here.
 *   3. COMMIT    alone; its tag must say COMMIT. From its sending on nothing is certain but what
 *                is read.
 *   4. after     rows and history are read again before success is reported.
 *
 * A failure before COMMIT rolls back and is recorded by a transaction of its own, while the fence
 * is still ours. A stamp is a step without author statements.
 */
#include "named_limits.h"
#include "shard_queries.h"
#include "shard_script.h"
#include "shard_session.h"

#include <string.h>

enum {
    STEP_LOCK_TIMEOUT_DEFAULT_MS = 500,
    VERSION_WITH_CHECK_INTERVAL = 140000,
};

/* Answers of the preamble. */
enum { PRE_BEGIN, PRE_ENTER, PRE_LOCK, PRE_RELATION, PRE_FENCE, PRE_ROWS, PRE_DONE, PRE_XID };

typedef struct StepOp {
    ShardSession *session;
    StepArgs args;
    const char *direction;
    const char *message; /* of a stamp */
    StepScript script;
    ShardStepCb *cb;
    void *data;
    StepResult result;
    uint64_t started_ms;
    bool ours;             /* the preamble held: a failure may be recorded */
    const char *operation; /* hex, NULL = none */
    const char *fleet;
    const char *rows_before;
    const char *rows_after;
    const char *xid;
    ShardRelation relation; /* the version table, as found under its lock */
    StrList gone;
    StrList come;
    /* Where in the body each answer is. */
    size_t at_author;
    size_t at_verify;
    size_t at_gone;
    size_t at_come;
    size_t at_history;
    size_t at_reassert;
} StepOp;

/* --- the end ---------------------------------------------------------------------------------- */

static void finish(StepOp *op)
{
    ShardSession *session = op->session;
    op->result.duration_ms = uv_now(session->loop) - op->started_ms;
    op->result.needs_claim = session->error.code != ERR_OK && !pg_is_connected(session->conn);
    shard_end(session);
    op->cb(session, &op->result, session->error.code == ERR_OK ? NULL : &session->error, op->data);
}

static void on_failure_recorded(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    /* The last statement is the record; without it the failure is only not in the history. */
    op->result.failure_recorded = reply->error == NULL && reply->count > 0 &&
                                  pg_affected(&reply->results[reply->count - 1]) == 1;
    finish(op);
}

static bool is_worth_recording(const StepOp *op)
{
    ErrCode code = op->session->error.code;
    return op->ours && op->script.script != NULL && code != ERR_LOCK_TIMEOUT && code != ERR_BUSY;
}

static void add_record(StepOp *op, PgBatch *batch)
{
    ShardSession *session = op->session;
    const Script *script = op->script.script;
    const Error *err = &session->error;
    char digest[DIGEST_HEX_SIZE];
    digest_hex(&script->source_sha256, digest);
    const char *params[] = {
        shard_schema(session),
        op->operation,
        op->args.rollout,
        shard_u64_param(session, op->args.generation),
        shard_u64_param(session, op->args.attempt),
        op->args.revision,
        op->direction,
        op->rows_before,
        op->rows_before,
        arena_strdup(session->arena, digest),
        script->token_digest,
        op->args.who,
        shard_text_or_null(err->sqlstate),
        err->message,
        shard_u64_param(session, op->args.fence),
        shard_u64_param(session, op->args.epoch),
    };
    pg_batch_add_params(batch, shard_sql_history_failed, 16, params);
}

/* Rolls back, records and reports the session's error. */
static void fail(StepOp *op)
{
    ShardSession *session = op->session;
    op->result.not_committed = !op->result.already_done;
    if (!pg_is_connected(session->conn)) {
        finish(op);
        return;
    }
    session->deadline_ms = uv_now(session->loop) + 10000; /* a deadline that passed stays passed */
    PgBatch batch = pg_batch(session->arena);
    if (pg_in_transaction(session->conn))
        pg_batch_add(&batch, "ROLLBACK");
    pg_batch_add(&batch, "RESET ALL");
    const char *lock = "1s";
    pg_batch_add_params(&batch, shard_sql_enter_step, 1, &lock);
    if (is_worth_recording(op))
        add_record(op, &batch);
    shard_send(session, &batch, on_failure_recorded, op);
}

/* Fails with a reply's error; a lost connection may have lost a COMMIT. */
static void fail_reply(StepOp *op, const PgReply *reply)
{
    shard_reply_error(op->session, reply);
    fail(op);
}

/* --- 4: after --------------------------------------------------------------------------------- */

static void unknown(StepOp *op, const PgReply *reply, const char *when)
{
    Error *err = &op->session->error;
    err_set(err, ERR_UNKNOWN, "connection lost %s: whether the step happened is not known", when);
    err_detail(err, "%s", reply->error->message);
    err_sqlstate(err, reply->error->sqlstate);
    finish(op);
}

static void on_after(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    ShardSession *session = op->session;
    if (reply->error != NULL && reply->lost) {
        unknown(op, reply, "after COMMIT");
        return;
    }
    if (reply->error != NULL) {
        shard_reply_error(session, reply);
        err_wrap(&session->error, "committed, but the shard can't be read");
        session->error.code = ERR_UNKNOWN;
        finish(op);
        return;
    }
    const PgResult *after = &reply->results[reply->count - 1];
    StrList history = {0};
    bool read = shard_rows_parse(session, pg_text(after, 0, 0), &op->result.rows) &&
                shard_rows_parse(session, pg_text(after, 0, 1), &history);
    if (!read || !strlist_equal(&op->result.rows, &op->args.rows_after) ||
        !strlist_equal(&history, &op->args.rows_after))
        err_set(&session->error, ERR_DIVERGED,
                "committed, but the shard does not hold what was committed");
    finish(op);
}

static void read_after(StepOp *op)
{
    ShardSession *session = op->session;
    session->committing = false;
    PgBatch batch = pg_batch(session->arena);
    pg_batch_add(&batch, "RESET ALL"); /* settings of the author's do not reach the next step */
    const char *lock = "10s";
    pg_batch_add_params(&batch, shard_sql_enter_step, 1, &lock);
    const char *params[] = {shard_schema(session), op->operation};
    pg_batch_add_params(&batch, shard_query(session, shard_sql_after), 2, params);
    shard_send(session, &batch, on_after, op);
}

/* --- 3: COMMIT -------------------------------------------------------------------------------- */

static void on_committed(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    ShardSession *session = op->session;
    session->committing = false;
    if (reply->error != NULL && reply->lost) {
        unknown(op, reply, "during COMMIT");
    } else if (reply->error != NULL) {
        shard_reply_error(session, reply);
        err_wrap(&session->error, "COMMIT");
        fail(op);
    } else if (strcmp(pg_tag(&reply->results[0]), "COMMIT") != 0) {
        err_set(&session->error, ERR_SQL, "the server rolled back instead of committing");
        fail(op);
    } else {
        read_after(op);
    }
}

static void commit(StepOp *op)
{
    ShardSession *session = op->session;
    session->committing = true;
    PgBatch batch = pg_batch(session->arena);
    batch.never_cancel = true;
    pg_batch_add(&batch, "COMMIT");
    shard_send(session, &batch, on_committed, op);
}

/* --- 2: the body ------------------------------------------------------------------------------ */

static void fail_body(StepOp *op, const PgReply *reply)
{
    ShardSession *session = op->session;
    Error *err = &session->error;
    shard_reply_error(session, reply);
    if (reply->lost) {
        fail(op);
        return;
    }
    const StepScript *script = &op->script;
    size_t failed = reply->failed;
    size_t authors = script->script == NULL ? 0 : script->author->count;
    size_t verifies = script->verify == NULL ? 0 : script->verify->count;
    const Statement *statement = NULL;
    if (failed >= op->at_author && failed < op->at_author + authors) {
        statement = &script->author->items[failed - op->at_author];
    } else if (failed >= op->at_verify && failed < op->at_verify + verifies) {
        statement = &script->verify->items[failed - op->at_verify];
        if (err->code == ERR_SQL)
            err->code = ERR_VERIFY;
    }
    if (statement != NULL)
        err_at(err, script->script->file, shard_script_line(statement, reply->position));
    else if (err->code == ERR_SQL)
        err_wrap(err, "after the revision's statements");
    fail(op);
}

static bool reassert_holds(const StepOp *op, const PgReply *reply)
{
    const PgResult *last = &reply->results[op->at_reassert];
    StrList rows = {0};
    return pg_u64(last, 0, 0) == 1 && shard_rows_parse(op->session, pg_text(last, 0, 1), &rows) &&
           strlist_equal(&rows, &op->args.rows_after) && strcmp(pg_text(last, 0, 2), op->xid) == 0;
}

static bool counts_hold(const StepOp *op, const PgReply *reply)
{
    if (op->gone.count > 0 && pg_affected(&reply->results[op->at_gone]) != op->gone.count)
        return false;
    if (op->come.count > 0 && pg_affected(&reply->results[op->at_come]) != op->come.count)
        return false;
    return pg_affected(&reply->results[op->at_history]) == 1;
}

static void on_body(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    ShardSession *session = op->session;
    if (reply->error != NULL) {
        fail_body(op, reply);
        return;
    }
    size_t verifies = op->script.verify == NULL ? 0 : op->script.verify->count;
    if (verifies > 0 && pg_is_false(&reply->results[op->at_verify + verifies - 1])) {
        const Statement *last = &op->script.verify->items[verifies - 1];
        err_set(&session->error, ERR_VERIFY, "the +verify section says false");
        err_at(&session->error, op->script.script->file, last->line);
        fail(op);
    } else if (!counts_hold(op, reply) || !reassert_holds(op, reply)) {
        err_set(&session->error, ERR_SQL,
                "the revision moved the version rows or left its transaction itself");
        err_hint(&session->error, "Remove what writes alembic_version or schema pgtide.");
        fail(op);
    } else if (session->cancelled) {
        err_set(&session->error, ERR_INTERRUPTED, "interrupted; the transaction was rolled back");
        fail(op);
    } else {
        commit(op);
    }
}

static void add_statements(PgBatch *batch, const StatementList *statements)
{
    for (size_t i = 0; i < statements->count; i++)
        pg_batch_add(batch, statements->items[i].text);
}

static void add_author(StepOp *op, PgBatch *batch)
{
    ShardSession *session = op->session;
    const Script *script = op->script.script;
    uint64_t lock_ms =
        script->lock_timeout_ms >= 0 ? (uint64_t)script->lock_timeout_ms : op->args.lock_timeout_ms;
    uint64_t statement_ms = script->statement_timeout_ms >= 0
                                ? (uint64_t)script->statement_timeout_ms
                                : op->args.statement_timeout_ms;
    const char *enter[] = {
        shard_script_path(session->arena, session->conn, &session->target, session->path),
        shard_ms_param(session, lock_ms),
        shard_ms_param(session, statement_ms),
    };
    pg_batch_add_params(batch, shard_sql_enter_author, 3, enter);
    op->at_author = batch->count;
    add_statements(batch, op->script.author);
    /* What was put off until the end runs as the revision would have it: with its path and role. */
    pg_batch_add(batch, "SET CONSTRAINTS ALL IMMEDIATE");
    if (op->script.verify != NULL) {
        pg_batch_add(batch, "SAVEPOINT pgtide_verify");
        op->at_verify = batch->count;
        add_statements(batch, op->script.verify);
        pg_batch_add(batch, "ROLLBACK TO SAVEPOINT pgtide_verify");
    }
    pg_batch_add(batch, "RESET SESSION AUTHORIZATION");
    pg_batch_add(batch, "RESET ROLE");
    pg_batch_add(batch, shard_sql_leave_author);
}

static void add_version_rows(StepOp *op, PgBatch *batch)
{
    ShardSession *session = op->session;
    if (op->gone.count == 1 && op->come.count == 1) {
        const char *move[] = {op->gone.items[0], op->come.items[0]};
        pg_batch_add_params(batch, shard_query(session, shard_sql_version_update), 2, move);
        op->at_gone = op->at_come = batch->count - 1;
        return;
    }
    if (op->gone.count > 0) {
        const char *gone = pg_array_format(session->arena, &op->gone);
        pg_batch_add_params(batch, shard_query(session, shard_sql_version_delete), 1, &gone);
        op->at_gone = batch->count - 1;
    }
    if (op->come.count > 0) {
        const char *come = pg_array_format(session->arena, &op->come);
        pg_batch_add_params(batch, shard_query(session, shard_sql_version_insert), 1, &come);
        op->at_come = batch->count - 1;
    }
}

static void add_history(StepOp *op, PgBatch *batch)
{
    ShardSession *session = op->session;
    const Script *script = op->script.script;
    char digest[DIGEST_HEX_SIZE] = "";
    if (script != NULL)
        digest_hex(&script->source_sha256, digest);
    const char *params[] = {
        shard_schema(session),
        op->operation,
        op->args.rollout,
        shard_u64_param(session, op->args.generation),
        shard_u64_param(session, op->args.attempt),
        op->args.revision,
        op->direction,
        op->rows_before,
        op->rows_after,
        script == NULL ? NULL : arena_strdup(session->arena, digest),
        script == NULL ? NULL : script->token_digest,
        op->args.who,
        op->message,
    };
    pg_batch_add_params(batch, shard_sql_history_insert, 13, params);
    op->at_history = batch->count - 1;
}

static void send_body(StepOp *op)
{
    ShardSession *session = op->session;
    PgBatch batch = pg_batch(session->arena);
    if (op->script.script != NULL)
        add_author(op, &batch);
    add_version_rows(op, &batch);
    add_history(op, &batch);
    pg_batch_add(&batch, "SET CONSTRAINTS ALL IMMEDIATE");
    const char *params[] = {shard_schema(session), op->operation,
                            shard_u64_param(session, op->args.fence),
                            shard_u64_param(session, op->args.epoch), op->fleet};
    pg_batch_add_params(&batch, shard_query(session, shard_sql_reassert), 5, params);
    op->at_reassert = batch.count - 1;
    shard_send(session, &batch, on_body, op);
}

/* --- 1: the preamble -------------------------------------------------------------------------- */

static ErrCode check_width(StepOp *op, uint32_t width)
{
    for (size_t i = 0; width > 0 && i < op->args.rows_after.count; i++) {
        const char *id = op->args.rows_after.items[i];
        if (strlen(id) <= width)
            continue;
        err_set(&op->session->error, ERR_STATE,
                "revision id %s does not fit alembic_version, which is %u wide", id, width);
        err_hint(&op->session->error, "ALTER TABLE %s ALTER COLUMN version_num TYPE varchar(255).",
                 op->session->version_table);
        return ERR_STATE;
    }
    return ERR_OK;
}

/* The operation succeeded before: done, if the shard still stands where it led. */
static void check_done(StepOp *op, const PgResult *done)
{
    StrList then = {0};
    Error *err = &op->session->error;
    if (shard_rows_parse(op->session, pg_text(done, 0, 0), &then) &&
        strlist_equal(&then, &op->result.rows) && strlist_equal(&then, &op->args.rows_after))
        op->result.already_done = true;
    else
        err_set(err, ERR_DIVERGED, "this step succeeded before, but the shard has moved since");
}

static void check_preamble(StepOp *op, const PgReply *reply)
{
    ShardSession *session = op->session;
    Error *err = &session->error;
    const PgResult *results = reply->results;
    if (pg_rows(&results[PRE_RELATION]) != 1) {
        err_set(err, ERR_STATE, "the version table is gone");
        return;
    }
    op->relation = shard_relation_read(session, &results[PRE_RELATION], 0);
    if (!shard_rows_parse(session, pg_text(&results[PRE_ROWS], 0, 0), &op->result.rows))
        err_set(err, ERR_STATE, "the version rows can't be read");
    else if (!shard_relation_is_suspect(&op->relation) &&
             shard_look_check_relation(session, &op->relation) != ERR_OK)
        return;
    else if (pg_affected(&results[PRE_FENCE]) != 1)
        err_set(err, ERR_FENCED, "somebody else has claimed the shard since");
    else if (pg_rows(&results[PRE_DONE]) == 1)
        check_done(op, &results[PRE_DONE]);
    else if (!strlist_equal(&op->result.rows, &op->args.rows_before))
        err_set(err, ERR_OVERTAKEN, "the shard is at %s, not at %s",
                strlist_join(session->arena, &op->result.rows, ", "),
                strlist_join(session->arena, &op->args.rows_before, ", "));
    else if (session->cancelled)
        err_set(err, ERR_INTERRUPTED, "interrupted; nothing changed");
    else
        check_width(op, op->relation.width);
}

static void on_looked_exactly(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    if (reply->error != NULL) {
        fail_reply(op, reply);
        return;
    }
    op->relation = shard_relation_read(op->session, &reply->results[0], 0);
    if (shard_look_check_relation(op->session, &op->relation) != ERR_OK)
        fail(op);
    else
        send_body(op);
}

static void on_preamble(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    ShardSession *session = op->session;
    if (reply->error != NULL) {
        fail_reply(op, reply);
        return;
    }
    check_preamble(op, reply);
    if (session->error.code != ERR_OK || op->result.already_done) {
        fail(op); /* rolls back what the preamble wrote; no error when it was done before */
        return;
    }
    op->ours = true;
    op->xid = arena_strdup(session->arena, pg_text(&reply->results[PRE_XID], 0, 0));
    if (!shard_relation_is_suspect(&op->relation)) {
        send_body(op);
        return;
    }
    PgBatch batch = pg_batch(session->arena);
    pg_batch_add_params(&batch, shard_sql_relation, 1, &session->version_schema);
    shard_send(session, &batch, on_looked_exactly, op);
}

static void send_preamble(StepOp *op)
{
    ShardSession *session = op->session;
    PgBatch batch = pg_batch(session->arena);
    pg_batch_add(&batch, "BEGIN ISOLATION LEVEL READ COMMITTED");
    const char *lock = shard_ms_param(session, op->args.lock_timeout_ms);
    pg_batch_add_params(&batch, shard_sql_enter_step, 1, &lock);
    pg_batch_add(&batch, arena_printf(session->arena, "LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE",
                                      session->version_table));
    pg_batch_add_params(&batch, shard_sql_quick_relation, 1, &session->version_schema);
    const char *params[] = {shard_schema(session), op->operation,
                            shard_u64_param(session, op->args.fence),
                            shard_u64_param(session, op->args.epoch), op->fleet};
    pg_batch_add_params(&batch, shard_sql_fence, 5, params);
    pg_batch_add(&batch, shard_query(session, shard_sql_rows));
    pg_batch_add_params(&batch, shard_sql_done, 2, params);
    pg_batch_add(&batch, shard_sql_xid);
    /* A backend whose client has died stops by itself. */
    if (pg_server_version(session->conn) >= VERSION_WITH_CHECK_INTERVAL)
        pg_batch_add(&batch, "SET LOCAL client_connection_check_interval = '1s'");
    shard_send(session, &batch, on_preamble, op);
}

/* --- the start -------------------------------------------------------------------------------- */

static void on_refused(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    (void)reply;
    StepOp *op = data;
    op->result.not_committed = true;
    finish(op);
}

/* What is refused before the start is reported through an empty round trip, never inside the call
 * that asked. */
static void begin(StepOp *op)
{
    ShardSession *session = op->session;
    for (size_t i = 0; i < op->args.rows_before.count; i++) {
        const char *id = op->args.rows_before.items[i];
        if (!strlist_has(&op->args.rows_after, id))
            strlist_add(session->arena, &op->gone, id);
    }
    for (size_t i = 0; i < op->args.rows_after.count; i++) {
        const char *id = op->args.rows_after.items[i];
        if (!strlist_has(&op->args.rows_before, id))
            strlist_add(session->arena, &op->come, id);
    }
    if (session->error.code == ERR_OK && session->version_table == NULL)
        err_set(&session->error, ERR_STATE, "the shard has not been claimed in this session");
    if (session->error.code == ERR_OK) {
        send_preamble(op);
        return;
    }
    PgBatch empty = pg_batch(session->arena);
    shard_send(session, &empty, on_refused, op);
}

static StepOp *new_op(ShardSession *session, const StepArgs *args, const char *direction,
                      const char *message, ShardStepCb *cb, void *data)
{
    static const OperationId none;
    Arena *old = shard_begin(session, args->deadline_ms);
    Arena *arena = session->arena;
    StepOp *op = ARENA_NEW(arena, StepOp);
    op->session = session;
    op->args = *args;
    op->args.rollout = arena_strdup(arena, shard_text_or_null(args->rollout));
    op->args.revision = arena_strdup(arena, args->revision);
    op->args.who = arena_strdup(arena, args->who);
    op->args.rows_before = strlist_copy(arena, &args->rows_before);
    op->args.rows_after = strlist_copy(arena, &args->rows_after);
    strlist_sort(&op->args.rows_before);
    strlist_sort(&op->args.rows_after);
    if (op->args.lock_timeout_ms == 0)
        op->args.lock_timeout_ms = STEP_LOCK_TIMEOUT_DEFAULT_MS;
    op->rows_before = pg_array_format(arena, &op->args.rows_before);
    op->rows_after = pg_array_format(arena, &op->args.rows_after);
    op->fleet = shard_uuid_param(session, &op->args.fleet_id);
    op->direction = direction;
    op->message = arena_strdup(arena, message);
    op->cb = cb;
    op->data = data;
    op->started_ms = uv_now(session->loop);
    if (memcmp(&op->args.operation, &none, sizeof none) != 0) {
        char hex[OPERATION_TEXT_SIZE];
        operation_format(&op->args.operation, hex);
        op->operation = arena_strdup(arena, hex);
    }
    arena_free(old);
    return op;
}

void shard_step(ShardSession *session, const StepArgs *args, ShardStepCb *cb, void *data)
{
    StepOp *op = new_op(session, args, direction_name(args->direction), NULL, cb, data);
    /* Its error, if any, is reported by begin(). */
    if (shard_script_choose(op->args.script, op->args.direction, op->args.run_verify, &op->script,
                            &session->error) == ERR_OK)
        err_clear(&session->error);
    begin(op);
}

void shard_stamp(ShardSession *session, const StampArgs *args, ShardStepCb *cb, void *data)
{
    StepArgs step = {
        .operation = args->operation,
        .rollout = args->rollout,
        .rows_before = args->rows_before,
        .rows_after = args->rows_after,
        .fence = args->fence,
        .epoch = args->epoch,
        .fleet_id = args->fleet_id,
        .who = args->who,
        .lock_timeout_ms = args->lock_timeout_ms,
    };
    begin(new_op(session, &step, "stamp", args->message, cb, data));
}
