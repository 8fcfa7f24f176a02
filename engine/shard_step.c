/*
 * The frame of a step on one shard: DESIGN.md section 6.1, in four round trips.
 *
 *   1. preamble  BEGIN; LOCK the version table; fenced UPDATE of our row; read rows and history.
 *                Checked here before the first author statement is sent.
 *   2. body      shard_body.c. Checked there.
 *   3. COMMIT    alone; its tag must say COMMIT. From its sending on nothing is certain but what
 *                is read.
 *   4. after     rows and history are read again before success is reported.
 *
 * A failure before COMMIT rolls back and is recorded by a transaction of its own, while the fence
 * is still ours. A stamp is a step without author statements.
 */
#include "shard_step.h"

#include "named_limits.h"
#include "shard_queries.h"

#include <string.h>

enum {
    STEP_LOCK_TIMEOUT_DEFAULT_MS = 500,
    STEP_RECORD_DEADLINE_MS = 10000,
    VERSION_WITH_CHECK_INTERVAL = 140000,
};

/* Answers of the preamble. */
enum { PRE_ENTER, PRE_LOCK, PRE_RELATION, PRE_FENCE, PRE_STAND };
/* Columns of the last. */
enum { STAND_ROWS, STAND_DONE, STAND_XID };

StepItem *step_item(const StepOp *op)
{
    return &op->items[op->done < op->count ? op->done : op->count - 1];
}

static const StepItem *last_item(const StepOp *op)
{
    return &op->items[op->count - 1];
}

/* --- the end ---------------------------------------------------------------------------------- */

static void finish(StepOp *op)
{
    ShardSession *session = op->session;
    const Error *err = session->error.code == ERR_OK ? NULL : &session->error;
    op->result.duration_ms = uv_now(session->loop) - op->started_ms;
    op->result.needs_claim = err != NULL && !pg_is_connected(session->conn);
    shard_end(session);
    session->used = true;
    session->strangers = session->strangers || op->plain;
    if (op->steps_cb != NULL)
        op->steps_cb(session, &op->result, op->done, err, op->data);
    else
        op->cb(session, &op->result, err, op->data);
}

static bool is_worth_recording(const StepOp *op)
{
    ErrCode code = op->session->error.code;
    return op->ours && !op->rehearse && step_item(op)->script.script != NULL && code != ERR_OK &&
           code != ERR_LOCK_TIMEOUT && code != ERR_BUSY;
}

static void on_failure_recorded(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    /* Without its record the failure is only not in the history. */
    op->result.failure_recorded = reply->error == NULL && is_worth_recording(op) &&
                                  pg_affected(&reply->results[reply->count - 1]) == 1;
    finish(op);
}

static void add_record(StepOp *op, PgBatch *batch)
{
    ShardSession *session = op->session;
    const StepItem *item = step_item(op);
    const Script *script = item->script.script;
    const Error *err = &session->error;
    const char *rows = op->items[0].rows_before; /* where the transaction began */
    char digest[DIGEST_HEX_SIZE];
    digest_hex(&script->source_sha256, digest);
    const char *params[] = {
        shard_schema(session),
        item->operation,
        item->args.rollout,
        shard_u64_param(session, item->args.generation),
        shard_u64_param(session, item->args.attempt),
        item->args.revision,
        item->direction,
        rows,
        rows,
        arena_strdup(session->arena, digest),
        script->token_digest,
        item->args.who,
        shard_text_or_null(err->sqlstate),
        err->message,
        shard_u64_param(session, op->items[0].args.fence),
        shard_u64_param(session, op->items[0].args.epoch),
    };
    pg_batch_add_params(batch, shard_sql_history_failed, 16, params);
}

void step_add(StepOp *op, PgBatch *batch, const char *sql, int param_count,
              const char *const *params)
{
    if (op->plain)
        pg_batch_add_params(batch, sql, param_count, params);
    else
        pg_batch_add_prepared(batch, sql, param_count, params);
}

/* Without an error: the end of a rehearsal, or of a step that had been done before. */
void step_fail(StepOp *op)
{
    ShardSession *session = op->session;
    op->result.not_committed = !op->result.already_done && !op->committed;
    session->strangers = true; /* for all that is known */
    if (op->failing != NULL && session->error.code != ERR_OK)
        op->failing(op);
    if (!pg_is_connected(session->conn)) {
        finish(op);
        return;
    }
    /* A deadline that passed stays passed. */
    session->deadline_ms = uv_now(session->loop) + STEP_RECORD_DEADLINE_MS;
    PgBatch batch = pg_batch(session->arena);
    if (pg_in_transaction(session->conn))
        pg_batch_add(&batch, "ROLLBACK");
    shard_reset_add(session, &batch);
    const char *lock = "1s";
    pg_batch_add_params(&batch, shard_sql_enter_step, 1, &lock);
    if (is_worth_recording(op))
        add_record(op, &batch);
    shard_send(session, &batch, on_failure_recorded, op);
}

void step_fail_reply(StepOp *op, const PgReply *reply)
{
    shard_reply_error(op->session, reply);
    step_fail(op);
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
    const StrList *rows_after = &last_item(op)->args.rows_after;
    if (reply->error != NULL && reply->lost) {
        unknown(op, reply, "after COMMIT");
        return;
    }
    if (reply->unprepared) {
        step_read_after(op);
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
    if (!read || !strlist_equal(&op->result.rows, rows_after) ||
        !strlist_equal(&history, rows_after))
        err_set(&session->error, ERR_DIVERGED,
                "committed, but the shard does not hold what was committed");
    finish(op);
}

void step_read_after(StepOp *op)
{
    ShardSession *session = op->session;
    PgBatch batch = pg_batch(session->arena);
    shard_reset_add(session, &batch);
    const char *lock = "10s";
    step_add(op, &batch, shard_sql_enter_step, 1, &lock);
    const char *params[] = {shard_schema(session), last_item(op)->operation};
    step_add(op, &batch, shard_query(session, shard_sql_after), 2, params);
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
        step_fail(op);
    } else if (strcmp(pg_tag(&reply->results[0]), "COMMIT") != 0) {
        err_set(&session->error, ERR_SQL, "the server rolled back instead of committing");
        step_fail(op);
    } else {
        op->committed = true;
        op->next(op);
    }
}

void step_commit(StepOp *op, StepNext *next)
{
    ShardSession *session = op->session;
    op->next = next;
    session->committing = true;
    session->commit_sent = true;
    PgBatch batch = pg_batch(session->arena);
    batch.never_cancel = true;
    pg_batch_add(&batch, "COMMIT");
    shard_send(session, &batch, on_committed, op);
}

/* --- 1: the preamble -------------------------------------------------------------------------- */

static ErrCode check_width(StepOp *op, uint32_t width, const StrList *rows)
{
    for (size_t i = 0; width > 0 && i < rows->count; i++) {
        const char *id = rows->items[i];
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

static void check_widths(StepOp *op)
{
    for (size_t i = 0; i < op->count; i++) {
        if (check_width(op, op->relation.width, &op->items[i].args.rows_after) != ERR_OK)
            return;
    }
}

/* The last operation succeeded before: all is done, if the shard still stands where it led. */
static void check_done(StepOp *op, const PgResult *stand)
{
    StrList then = {0};
    Error *err = &op->session->error;
    if (shard_rows_parse(op->session, pg_text(stand, 0, STAND_DONE), &then) &&
        strlist_equal(&then, &op->result.rows) &&
        strlist_equal(&then, &last_item(op)->args.rows_after))
        op->result.already_done = true;
    else
        err_set(err, ERR_DIVERGED, "this step succeeded before, but the shard has moved since");
}

static void check_preamble(StepOp *op, const PgReply *reply)
{
    ShardSession *session = op->session;
    Error *err = &session->error;
    const PgResult *results = reply->results + op->at_preamble;
    const StrList *rows_before = &step_item(op)->args.rows_before;
    if (pg_rows(&results[PRE_RELATION]) != 1) {
        err_set(err, ERR_STATE, "the version table is gone");
        return;
    }
    op->relation = shard_relation_read(session, &results[PRE_RELATION], 0);
    const PgResult *stand = &results[PRE_STAND];
    if (!shard_rows_parse(session, pg_text(stand, 0, STAND_ROWS), &op->result.rows))
        err_set(err, ERR_STATE, "the version rows can't be read");
    else if (!shard_relation_is_suspect(&op->relation) &&
             shard_look_check_relation(session, &op->relation) != ERR_OK)
        return;
    else if (pg_affected(&results[PRE_FENCE]) != 1)
        err_set(err, ERR_FENCED, "somebody else has claimed the shard since");
    else if (!pg_is_null(stand, 0, STAND_DONE))
        check_done(op, stand);
    else if (!strlist_equal(&op->result.rows, rows_before))
        err_set(err, ERR_OVERTAKEN, "the shard is at %s, not at %s",
                strlist_join(session->arena, &op->result.rows, ", "),
                strlist_join(session->arena, rows_before, ", "));
    else if (session->cancelled)
        err_set(err, ERR_INTERRUPTED, "interrupted; nothing changed");
    else
        check_widths(op);
}

static void on_looked_exactly(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    if (reply->error != NULL) {
        step_fail_reply(op, reply);
        return;
    }
    op->relation = shard_relation_read(op->session, &reply->results[0], 0);
    if (shard_look_check_relation(op->session, &op->relation) != ERR_OK)
        step_fail(op);
    else
        op->next(op);
}

static void on_preamble(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    ShardSession *session = op->session;
    if (step_reopen(op, reply))
        return;
    if (reply->error != NULL) {
        step_fail_reply(op, reply);
        return;
    }
    check_preamble(op, reply);
    if (session->error.code != ERR_OK || op->result.already_done) {
        step_fail(op); /* rolls back what the preamble wrote; no error when it was done before */
        return;
    }
    op->ours = true;
    op->xid = arena_strdup(session->arena,
                           pg_text(&reply->results[op->at_preamble + PRE_STAND], 0, STAND_XID));
    if (!shard_relation_is_suspect(&op->relation)) {
        op->next(op);
        return;
    }
    PgBatch batch = pg_batch(session->arena);
    pg_batch_add_params(&batch, shard_sql_relation, 1, &session->version_schema);
    shard_send(session, &batch, on_looked_exactly, op);
}

void step_add_enter(StepOp *op, PgBatch *batch)
{
    const char *lock = shard_ms_param(op->session, step_item(op)->args.lock_timeout_ms);
    step_add(op, batch, shard_sql_enter_step, 1, &lock);
}

size_t step_add_fence(StepOp *op, PgBatch *batch)
{
    ShardSession *session = op->session;
    const char *params[] = {shard_schema(session), step_item(op)->operation,
                            shard_u64_param(session, op->items[0].args.fence),
                            shard_u64_param(session, op->items[0].args.epoch), op->fleet};
    step_add(op, batch, shard_sql_fence, 5, params);
    return batch->count - 1;
}

void step_add_client_check(StepOp *op, PgBatch *batch)
{
    if (pg_server_version(op->session->conn) >= VERSION_WITH_CHECK_INTERVAL)
        pg_batch_add(batch, "SET LOCAL client_connection_check_interval = '1s'");
}

/* BEGIN comes first: what ends the last revision's leftovers takes a snapshot, and then the
 * transaction would have the isolation that the database has for others. */
static void add_beginning(StepOp *op, PgBatch *batch)
{
    ShardSession *session = op->session;
    bool is_open = pg_in_transaction(session->conn);
    if (is_open && op->rehearse) {
        pg_batch_add(batch, "SELECT"); /* it goes on in the transaction of its claim */
        return;
    }
    if (is_open)
        pg_batch_add(batch, "ROLLBACK");
    pg_batch_add(batch, "BEGIN ISOLATION LEVEL READ COMMITTED");
}

void step_open(StepOp *op, StepNext *next)
{
    ShardSession *session = op->session;
    op->next = op->opened = next;
    PgBatch batch = pg_batch(session->arena);
    add_beginning(op, &batch);
    if (session->used)
        shard_discard_add(session, &batch);
    op->at_preamble = batch.count;
    step_add_enter(op, &batch);
    pg_batch_add(&batch, arena_printf(session->arena, "LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE",
                                      session->version_table));
    step_add(op, &batch, shard_sql_quick_relation, 1, &session->version_schema);
    step_add_fence(op, &batch);
    const char *done[] = {shard_schema(session), last_item(op)->operation};
    step_add(op, &batch, shard_query(session, shard_sql_stand), 2, done);
    step_add_client_check(op, &batch);
    shard_send(session, &batch, on_preamble, op);
}

bool step_reopen(StepOp *op, const PgReply *reply)
{
    if (!reply->unprepared || op->reopened || op->rehearse)
        return false;
    op->plain = op->reopened = true;
    op->done = 0;
    op->deferred = NULL;
    step_open(op, op->opened);
    return true;
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

void step_begin(StepOp *op, StepNext *next)
{
    ShardSession *session = op->session;
    if (session->error.code == ERR_OK && session->version_table == NULL)
        err_set(&session->error, ERR_STATE, "the shard has not been claimed in this session");
    if (session->error.code == ERR_OK) {
        step_open(op, next);
        return;
    }
    PgBatch empty = pg_batch(session->arena); /* a round trip, so as not to answer at once */
    shard_send(session, &empty, on_refused, op);
}

static void find_moves(Arena *arena, StepItem *item)
{
    const StrList *before = &item->args.rows_before;
    const StrList *after = &item->args.rows_after;
    for (size_t i = 0; i < before->count; i++) {
        if (!strlist_has(after, before->items[i]))
            strlist_add(arena, &item->gone, before->items[i]);
    }
    for (size_t i = 0; i < after->count; i++) {
        if (!strlist_has(before, after->items[i]))
            strlist_add(arena, &item->come, after->items[i]);
    }
}

static StepItem make_item(Arena *arena, const StepArgs *args, const char *message)
{
    static const OperationId none;
    StepItem item = {.args = *args};
    item.args.rollout = arena_strdup(arena, shard_text_or_null(args->rollout));
    item.args.revision = arena_strdup(arena, args->revision);
    item.args.who = arena_strdup(arena, args->who);
    item.args.rows_before = strlist_copy(arena, &args->rows_before);
    item.args.rows_after = strlist_copy(arena, &args->rows_after);
    strlist_sort(&item.args.rows_before);
    strlist_sort(&item.args.rows_after);
    if (item.args.lock_timeout_ms == 0)
        item.args.lock_timeout_ms = STEP_LOCK_TIMEOUT_DEFAULT_MS;
    item.rows_before = pg_array_format(arena, &item.args.rows_before);
    item.rows_after = pg_array_format(arena, &item.args.rows_after);
    item.direction = args->script == NULL ? "stamp" : direction_name(args->direction);
    item.message = arena_strdup(arena, message != NULL ? message : args->message);
    if (memcmp(&args->operation, &none, sizeof none) != 0) {
        char hex[OPERATION_TEXT_SIZE];
        operation_format(&args->operation, hex);
        item.operation = arena_strdup(arena, hex);
    }
    find_moves(arena, &item);
    return item;
}

/* All steps together have the time that each of them has. */
static uint32_t sum_deadlines(const StepArgs *args, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        if (args[i].deadline_ms == 0)
            return 0;
        sum += args[i].deadline_ms;
    }
    return sum > UINT32_MAX ? UINT32_MAX : (uint32_t)sum;
}

StepOp *step_new(ShardSession *session, const StepArgs *args, size_t count, const char *message)
{
    Arena *old = shard_begin(session, sum_deadlines(args, count));
    Arena *arena = session->arena;
    StepOp *op = ARENA_NEW(arena, StepOp);
    op->session = session;
    op->count = count;
    op->items = ARENA_ARRAY(arena, StepItem, count);
    for (size_t i = 0; i < count; i++)
        op->items[i] = make_item(arena, &args[i], message);
    op->fleet = shard_uuid_param(session, &args[0].fleet_id);
    op->started_ms = uv_now(session->loop);
    arena_free(old);
    for (size_t i = 0; i < count && session->error.code == ERR_OK; i++) {
        StepItem *item = &op->items[i];
        Error err;
        if (item->args.script != NULL &&
            shard_script_choose(item->args.script, item->args.direction, item->args.run_verify,
                                &item->script, &err) != ERR_OK)
            session->error = err;
        op->plain = op->plain || shard_script_deallocates(&item->script);
    }
    return op;
}

void shard_step(ShardSession *session, const StepArgs *args, ShardStepCb *cb, void *data)
{
    StepOp *op = step_new(session, args, 1, NULL);
    op->cb = cb;
    op->data = data;
    if (args->script != NULL && !args->script->transactional)
        step_units(op);
    else
        step_begin(op, step_body);
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
    StepOp *op = step_new(session, &step, 1, args->message);
    op->cb = cb;
    op->data = data;
    step_begin(op, step_record);
}
