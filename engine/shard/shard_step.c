/*
 * The frame of a step on one shard: DESIGN.md section 6.1, in four round trips.
 *
 *   1. preamble  BEGIN; LOCK the version table; fenced UPDATE of our row; read rows and history.
 *                Checked here before the first author statement is sent.
 *   2. body      shard_body.c. Checked there.
 *   3. COMMIT    alone; its tag must say COMMIT. From its sending on nothing is certain but what
 *                is read.
 *   4. after     rows and history are read again before success is reported. When a step is known
 *                to follow, its preamble reads them.
 *
 * A failure before COMMIT rolls back and is recorded by a transaction of its own, while the fence
 * is still ours. A stamp is a step without author statements.
 */
#include "shard_step.h"

#include "plan.h"
#include "shard_queries.h"

#include <stdlib.h>
#include <string.h>

enum {
    STEP_LOCK_TIMEOUT_DEFAULT_MS = 500,
    STEP_RECORD_DEADLINE_MS = 10000,
    VERSION_WITH_CHECK_INTERVAL = 140000,
};

/* Answers of the preamble. */
enum { PRE_LOCK, PRE_FENCE, PRE_STAND };
/* Columns of the last. */
enum { STAND_XID, STAND_DONE, STAND_FORMER, STAND_TABLE };

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
    if (err != NULL || facts_are_slow(&op->facts))
        op->result.facts = op->facts;
    op->result.needs_claim = err != NULL && !pg_is_connected(session->conn);
    shard_end(session);
    shard_watch_end(session);
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
        step_facts_text(op),
    };
    bool has_facts = params[16] != NULL;
    pg_batch_add_params(batch,
                        has_facts ? shard_sql_history_failed_facts : shard_sql_history_failed,
                        has_facts ? 17 : 16, params);
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
    shard_watch_end(session);
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

/* --- parts of a preamble ---------------------------------------------------------------------- */

void step_add_enter(StepOp *op, const StepItem *item, PgBatch *batch)
{
    const char *lock = shard_ms_param(op->session, item->args.lock_timeout_ms);
    bool checked = pg_server_version(op->session->conn) >= VERSION_WITH_CHECK_INTERVAL;
    step_add(op, batch, checked ? shard_sql_enter_step_checked : shard_sql_enter_step, 1, &lock);
}

size_t step_add_fence(StepOp *op, const StepItem *item, PgBatch *batch)
{
    ShardSession *session = op->session;
    const char *params[] = {shard_schema(session), item->operation,
                            shard_u64_param(session, op->items[0].args.fence),
                            shard_u64_param(session, op->items[0].args.epoch), op->fleet};
    step_add(op, batch, shard_sql_fence, 5, params);
    return batch->count - 1;
}

/* What is asked under the version table's lock, of which read_stand() takes the answers. Of several
 * steps `last` tells whether they were done before. `former` is an operation that must have been,
 * or NULL. */
static void add_preamble(StepOp *op, const StepItem *first, const StepItem *last,
                         const char *former, PgBatch *batch)
{
    ShardSession *session = op->session;
    op->at_preamble = batch->count;
    pg_batch_add(batch, arena_printf(session->arena, "LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE",
                                     session->version_table));
    step_add_fence(op, first, batch);
    const char *params[] = {
        shard_schema(session),
        last->operation,
        former,
        session->version_schema,
        shard_u64_param(session, session->role_oid),
        shard_u64_param(session, session->database_owner_oid),
    };
    step_add(op, batch, shard_query(session, shard_sql_stand), 6, params);
}

/* Width and rows of the version table, from an array of both. */
static void read_table(ShardSession *session, const char *text, ShardStand *stand)
{
    StrList cells = {0};
    stand->is_suspect = !pg_array_parse(session->arena, text, &cells) || cells.count == 0;
    if (stand->is_suspect)
        return;
    stand->width = (uint32_t)strtoul(cells.items[0], NULL, 10);
    stand->rows = (StrList){.items = cells.items + 1, .count = cells.count - 1};
    strlist_sort(&stand->rows);
}

static const ShardStand *read_stand(ShardSession *session, const PgResult *results)
{
    const PgResult *facts = &results[PRE_STAND];
    ShardStand *stand = ARENA_NEW(session->arena, ShardStand);
    stand->fenced = pg_affected(&results[PRE_FENCE]) == 1;
    stand->xid = arena_strdup(session->arena, pg_text(facts, 0, STAND_XID));
    if (!pg_is_null(facts, 0, STAND_DONE))
        stand->done = arena_strdup(session->arena, pg_text(facts, 0, STAND_DONE));
    read_table(session, pg_text(facts, 0, STAND_TABLE), stand);
    return stand;
}

static const ShardStand *copy_stand(Arena *arena, const ShardStand *from)
{
    ShardStand *stand = ARENA_NEW(arena, ShardStand);
    *stand = *from;
    stand->rows = strlist_copy(arena, &from->rows);
    stand->done = arena_strdup(arena, from->done);
    stand->xid = arena_strdup(arena, from->xid);
    return stand;
}

/* --- a version table that is not what it usually is ------------------------------------------- */

static void on_rows(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    ShardSession *session = op->session;
    bool read = reply->error == NULL &&
                shard_rows_parse(session, pg_text(&reply->results[0], 0, 0), &op->stand.rows);
    if (reply->error != NULL)
        shard_reply_error(session, reply);
    else if (!read)
        err_set(&session->error, ERR_STATE, "the version rows can't be read");
    (read ? op->believed : op->disbelieved)(op);
}

static void on_looked_exactly(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    ShardSession *session = op->session;
    if (reply->error != NULL) {
        shard_reply_error(session, reply);
    } else if (pg_rows(&reply->results[0]) != 1) {
        err_set(&session->error, ERR_STATE, "the version table is gone");
    } else {
        ShardRelation relation = shard_relation_read(session, &reply->results[0], 0);
        op->stand.width = relation.width;
        (void)shard_look_check_relation(session, &relation);
    }
    if (session->error.code != ERR_OK) {
        op->disbelieved(op);
        return;
    }
    PgBatch batch = pg_batch(session->arena);
    pg_batch_add(&batch, shard_query(session, shard_sql_rows));
    shard_send(session, &batch, on_rows, op);
}

static void look_exactly(StepOp *op, StepNext *believed, StepNext *disbelieved)
{
    op->believed = believed;
    op->disbelieved = disbelieved;
    PgBatch batch = pg_batch(op->session->arena);
    pg_batch_add_params(&batch, shard_sql_relation, 1, &op->session->version_schema);
    shard_send(op->session, &batch, on_looked_exactly, op);
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

/* What is there after COMMIT is what must be there: the rows, and what the history says of them. */
static void check_after(StepOp *op, const StrList *rows, const char *history)
{
    ShardSession *session = op->session;
    const StrList *rows_after = &last_item(op)->args.rows_after;
    StrList recorded = {0};
    op->result.rows = *rows;
    if (!shard_rows_parse(session, history, &recorded) || !strlist_equal(rows, rows_after) ||
        !strlist_equal(&recorded, rows_after))
        err_set(&session->error, ERR_DIVERGED,
                "committed, but the shard does not hold what was committed");
}

static void end_after(StepOp *op)
{
    check_after(op, &op->stand.rows, op->recorded);
    finish(op);
}

static void fail_after(StepOp *op)
{
    err_wrap(&op->session->error, "committed, but the shard can't be read");
    op->session->error.code = ERR_UNKNOWN;
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
    if (reply->unprepared) {
        step_read_after(op);
        return;
    }
    if (reply->error != NULL) {
        shard_reply_error(session, reply);
        fail_after(op);
        return;
    }
    const PgResult *after = &reply->results[op->at_after];
    op->recorded = arena_strdup(session->arena, pg_text(after, 0, 1));
    read_table(session, pg_text(after, 0, 0), &op->stand);
    if (op->stand.is_suspect)
        look_exactly(op, end_after, fail_after);
    else
        end_after(op);
}

static void add_after(StepOp *op, PgBatch *batch)
{
    ShardSession *session = op->session;
    const char *params[] = {
        shard_schema(session),
        last_item(op)->operation,
        session->version_schema,
        shard_u64_param(session, session->role_oid),
        shard_u64_param(session, session->database_owner_oid),
    };
    op->at_after = batch->count;
    step_add(op, batch, shard_query(session, shard_sql_after), 5, params);
}

static void read_alone(StepOp *op)
{
    ShardSession *session = op->session;
    PgBatch batch = pg_batch(session->arena);
    shard_abandon_add(session, &batch);
    shard_reset_add(session, &batch);
    const char *lock = "10s";
    step_add(op, &batch, shard_sql_enter_step, 1, &lock);
    add_after(op, &batch);
    shard_send(session, &batch, on_after, op);
}

/* Nothing that goes wrong with the next step changes what is said of this one. */
static void on_after_and_open(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    ShardSession *session = op->session;
    if (reply->error != NULL && reply->lost) {
        unknown(op, reply, "after COMMIT");
        return;
    }
    session->is_ahead = true;
    session->ahead = op->then->args.operation;
    session->stand = NULL;
    const PgResult *answers = reply->results + op->at_preamble;
    const ShardStand *stand = reply->error == NULL ? read_stand(session, answers) : NULL;
    if (stand == NULL || stand->is_suspect) {
        read_alone(op);
        return;
    }
    check_after(op, &stand->rows, pg_text(&answers[PRE_STAND], 0, STAND_FORMER));
    session->stand = stand;
    finish(op);
}

void step_read_after(StepOp *op)
{
    ShardSession *session = op->session;
    const char *former = last_item(op)->operation;
    if (op->then == NULL || former == NULL || op->plain || session->cancelled) {
        read_alone(op);
        return;
    }
    PgBatch batch = pg_batch(session->arena);
    session->used = true;
    pg_batch_add(&batch, "BEGIN ISOLATION LEVEL READ COMMITTED");
    shard_reset_add(session, &batch);
    shard_discard_add(session, &batch);
    step_add_enter(op, op->then, &batch);
    add_preamble(op, op->then, op->then, former, &batch);
    shard_send(session, &batch, on_after_and_open, op);
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
        if (check_width(op, op->stand.width, &op->items[i].args.rows_after) != ERR_OK)
            return;
    }
}

/* The last operation succeeded before: all is done, if the shard still stands where it led. */
static void check_done(StepOp *op)
{
    StrList then = {0};
    Error *err = &op->session->error;
    if (shard_rows_parse(op->session, op->stand.done, &then) &&
        strlist_equal(&then, &op->stand.rows) &&
        strlist_equal(&then, &last_item(op)->args.rows_after))
        op->result.already_done = true;
    else
        err_set(err, ERR_DIVERGED, "this step succeeded before, but the shard has moved since");
}

/* The transaction is open, and the version table may be believed. */
static void go_on(StepOp *op)
{
    ShardSession *session = op->session;
    Error *err = &session->error;
    const StrList *rows_before = &step_item(op)->args.rows_before;
    op->result.rows = op->stand.rows;
    if (op->stand.done != NULL)
        check_done(op);
    else if (!strlist_equal(&op->stand.rows, rows_before))
        err_set(err, ERR_OVERTAKEN, "the shard is at %s, not at %s",
                strlist_join(session->arena, &op->stand.rows, ", "),
                strlist_join(session->arena, rows_before, ", "));
    else if (session->cancelled)
        err_set(err, ERR_INTERRUPTED, "interrupted; nothing changed");
    else
        check_widths(op);
    if (err->code != ERR_OK || op->result.already_done) {
        step_fail(op); /* rolls back what the preamble wrote; no error when it was done before */
        return;
    }
    op->ours = true;
    op->next(op);
}

static void judge(StepOp *op, const ShardStand *stand)
{
    op->stand = *stand;
    if (!stand->fenced) {
        err_set(&op->session->error, ERR_FENCED, "somebody else has claimed the shard since");
        step_fail(op);
    } else if (stand->is_suspect) {
        look_exactly(op, go_on, step_fail);
    } else {
        go_on(op);
    }
}

static void on_preamble(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    if (step_reopen(op, reply))
        return;
    if (reply->error != NULL) {
        shard_reply_error(op->session, reply);
        (op->refused != NULL && !reply->lost ? op->refused : step_fail)(op);
        return;
    }
    judge(op, read_stand(op->session, reply->results + op->at_preamble));
}

/* BEGIN comes first: what ends the last revision's leftovers takes a snapshot, and then the
 * transaction would have the isolation that the database has for others. */
static void add_beginning(StepOp *op, PgBatch *batch)
{
    ShardSession *session = op->session;
    bool is_open = pg_in_transaction(session->conn);
    if (is_open && op->rehearse)
        return; /* it goes on in the transaction of its claim */
    if (is_open)
        pg_batch_add(batch, "ROLLBACK");
    session->is_ahead = false;
    pg_batch_add(batch, "BEGIN ISOLATION LEVEL READ COMMITTED");
}

void step_open(StepOp *op, StepNext *next)
{
    ShardSession *session = op->session;
    op->next = op->opened = next;
    PgBatch batch = pg_batch(session->arena);
    add_beginning(op, &batch);
    if (session->used) {
        shard_reset_add(session, &batch);
        shard_discard_add(session, &batch);
    }
    step_add_enter(op, step_item(op), &batch);
    add_preamble(op, step_item(op), last_item(op), NULL, &batch);
    shard_send(session, &batch, on_preamble, op);
}

/* Goes on in the transaction that the last step left open. */
static void step_resume(StepOp *op, StepNext *next)
{
    op->next = op->opened = next;
    op->session->is_ahead = false;
    op->session->used = false; /* the last step's leavings are discarded */
    judge(op, op->found);
}

bool step_reopen(StepOp *op, const PgReply *reply)
{
    if (!reply->unprepared || op->reopened || op->rehearse)
        return false;
    op->plain = op->reopened = true;
    op->done = 0;
    op->result.not_needed = (StrList){0};
    op->deferred = NULL;
    if (op->units == NULL) /* units that are over stay */
        op->facts.count = op->fact_from = 0;
    op->session->used = true; /* what was reset is rolled back with the rest */
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

static void on_blocker(ShardSession *session, bool is_there, void *data)
{
    StepOp *op = data;
    if (session->cancelled)
        err_set(&session->error, ERR_INTERRUPTED, "interrupted before it was tried again");
    if (is_there || session->cancelled)
        step_fail(op);
    else
        step_open(op, op->opened);
}

void step_begin(StepOp *op, StepNext *next)
{
    ShardSession *session = op->session;
    if (session->error.code == ERR_OK && session->version_table == NULL)
        err_set(&session->error, ERR_STATE, "the shard has not been claimed in this session");
    if (session->error.code == ERR_OK && op->found != NULL) {
        step_resume(op, next);
        return;
    }
    op->opened = next;
    if (session->error.code == ERR_OK) {
        if (!shard_watch_ask_blocker(session, on_blocker, op))
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

/* The last step may have opened this one's transaction. */
static void take_ahead(StepOp *op)
{
    const ShardSession *session = op->session;
    if (session->is_ahead && session->stand != NULL && op->count == 1 &&
        memcmp(&op->items[0].args.operation, &session->ahead, sizeof session->ahead) == 0 &&
        pg_in_transaction(session->conn))
        op->found = copy_stand(session->arena, session->stand);
}

static uint32_t budget_of(const StepArgs *args)
{
    uint32_t own = args->script == NULL ? 0 : args->script->lock_budget_ms;
    uint32_t budget_ms = own != 0 ? own : args->lock_budget_ms;
    return budget_ms == 0 ? LOCK_BUDGET_DEFAULT_MS : budget_ms;
}

/* Locks stay until the end of the transaction: of several steps the least budget is that of all. */
static void begin_watch(StepOp *op)
{
    const StepArgs *first = &op->items[0].args;
    WatchArgs args = {
        .lock_budget_ms = budget_of(first),
        .activity_cb = first->activity_cb,
        .activity_data = first->activity_data,
    };
    for (size_t i = 1; i < op->count; i++) {
        uint32_t budget_ms = budget_of(&op->items[i].args);
        if (budget_ms < args.lock_budget_ms)
            args.lock_budget_ms = budget_ms;
    }
    shard_watch_begin(op->session, &args);
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
    if (count == 1 && args->then != NULL) {
        op->then = ARENA_NEW(arena, StepItem);
        *op->then = make_item(arena, args->then, message);
    }
    take_ahead(op);
    begin_watch(op);
    arena_free(old);
    for (size_t i = 0; i < count && session->error.code == ERR_OK; i++) {
        StepItem *item = &op->items[i];
        Error err;
        if (item->args.script != NULL &&
            shard_script_choose(item->args.script, item->args.direction, item->args.run_verify,
                                &item->script, &err) != ERR_OK)
            session->error = err;
        op->plain = op->plain || shard_script_deallocates(&item->script);
        op->prepares = op->prepares || shard_script_prepares(&item->script);
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
        step_begin(op, step_body_if_needed);
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
