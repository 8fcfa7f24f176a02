#include "shard_batch.h"

#include "named_limits.h"
#include "shard_batch_queries.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    TELL_EVERY_MS = 1000,
    HELD_FOR_MS = 5000,
    LOCK_PAUSE_MS = 100, /* doubled each time */
    LOCK_PAUSE_MS_MAX = 5000,
    WAITED_PAUSE_MS_MAX = 5000, /* for those who waited: as long as the batch took, at most */
    /* Without an end of its own, what `until` repeats ends when it has changed far more rows than
     * its table can have had. */
    UNTIL_FACTOR = 4,
    UNTIL_ROWS_LEAST = 1000000,
};

static bool is_ranges(const ShardBatch *backfill)
{
    return backfill->batch->options->form == BATCH_RANGES;
}

/* --- what is told ----------------------------------------------------------------------------- */

static void measure_rate(ShardBatch *backfill, uint64_t now_ms)
{
    uint64_t passed_ms = now_ms - backfill->told_ms;
    uint64_t rows = backfill->position.done - backfill->told_done;
    uint64_t rate = passed_ms == 0 ? 0 : rows * 1000 / passed_ms;
    backfill->rate_per_s = backfill->rate_per_s == 0 ? rate : (3 * backfill->rate_per_s + rate) / 4;
    backfill->told_ms = now_ms;
    backfill->told_done = backfill->position.done;
}

void batch_progress(const StepOp *op, UnitProgress *progress)
{
    const BatchPosition *position = &batch_of(op)->position;
    progress->is_backfill = true;
    progress->rows = position->done;
    progress->batches = position->batches;
}

void batch_hold(StepOp *op, const char *reason)
{
    ShardBatch *backfill = batch_of(op);
    snprintf(backfill->held_back, sizeof backfill->held_back, "%s", reason);
    backfill->held_ms = uv_now(op->session->loop);
    batch_tell(op);
}

/* Now, or a moment ago: what stops and goes is held back all the time. */
static bool is_held(const StepOp *op)
{
    const ShardBatch *backfill = batch_of(op);
    return backfill->held_ms != 0 && uv_now(op->session->loop) - backfill->held_ms <= HELD_FOR_MS;
}

static Activity make_activity(const StepOp *op)
{
    const ShardUnits *units = units_of(op);
    const ShardBatch *backfill = batch_of(op);
    uint64_t done = backfill->position.done;
    uint64_t total = is_ranges(backfill) && backfill->total > done ? backfill->total : 0;
    Activity activity = {
        .kind = ACTIVITY_BACKFILL,
        .what = units_run(op)->unit.what,
        .unit = (uint32_t)(units->at - units->orphan_count + 1),
        .unit_count = (uint32_t)units->list.count,
        .done = done,
        .total = total,
        .percent = total == 0 ? 0 : (uint32_t)(done * 100 / total),
        .rate_per_s = backfill->rate_per_s,
        .held_back = is_held(op) ? backfill->held_back : "",
        .waiting_behind = backfill->waiting,
        .blocker = {.user = "", .application = "", .query_class = ""},
    };
    if (total > 0 && backfill->rate_per_s > 0)
        activity.eta_ms = (total - done) * 1000 / backfill->rate_per_s;
    return activity;
}

void batch_tell(StepOp *op)
{
    ShardBatch *backfill = batch_of(op);
    const StepArgs *args = &step_item(op)->args;
    uint64_t now_ms = uv_now(op->session->loop);
    if (backfill->told_ms != 0 && now_ms - backfill->told_ms < TELL_EVERY_MS)
        return;
    if (backfill->told_ms == 0)
        backfill->told_ms = now_ms;
    measure_rate(backfill, now_ms);
    if (args->activity_cb == NULL)
        return;
    Activity activity = make_activity(op);
    args->activity_cb(op->session, &activity, args->activity_data);
}

/* --- failing, waiting, stopping --------------------------------------------------------------- */

static const char *position_text(const StepOp *op)
{
    const BatchPosition *position = &batch_of(op)->position;
    Arena *arena = op->session->arena;
    const char *counts = arena_printf(arena, "%" PRIu64 " rows in %" PRIu64 " batches are done",
                                      position->done, position->batches);
    return position->last.count == 0 ? counts
                                     : arena_printf(arena, "%s, up to key %.80s", counts,
                                                    strlist_join(arena, &position->last, ", "));
}

/* Of all batches of this attempt together, for the step's facts. */
static void keep_facts(StepOp *op, bool failed)
{
    const UnitRun *run = units_run(op);
    StatementFacts item = batch_of(op)->facts;
    if (item.statements == 0 && !failed)
        return;
    item.revision = step_item(op)->args.revision;
    item.line = (uint32_t)run->unit.place->line;
    item.what = run->unit.what;
    item.failed = failed;
    facts_add(op->session->arena, &op->facts, &item);
}

static void add_facts(StepOp *op, const PgReply *reply)
{
    ShardBatch *backfill = batch_of(op);
    if (backfill->passed == 0)
        return;
    StatementFacts item = {0};
    FactsMark end = facts_mark(&reply->results[units_of(op)->run.at_end], 0);
    facts_between(&backfill->from_mark, &end, &item);
    backfill->facts.duration_ms += item.duration_ms;
    backfill->facts.wal_bytes += item.wal_bytes;
    backfill->facts.rows += backfill->affected;
    backfill->facts.statements++;
}

static void take_start(StepOp *op, const PgReply *reply)
{
    const FactsRun *run = &units_of(op)->run;
    batch_of(op)->from_mark = facts_mark(&reply->results[run->at_start], run->start_column);
}

void batch_fail(StepOp *op)
{
    keep_facts(op, op->session->error.code != ERR_INTERRUPTED);
    op->refused = NULL;
    step_fail(op);
}

/* Asked for: what was done stays, and nothing has failed. */
static void stop(StepOp *op)
{
    err_set(&op->session->error, ERR_INTERRUPTED, "stopped between two batches: %s",
            position_text(op));
    op->ours = false;
    batch_fail(op);
}

static void on_pause_over(uv_timer_t *timer)
{
    batch_next(timer->data);
}

/* Half of the doubled pause is drawn, so that those who collided do not collide again. */
static uint32_t lock_pause_ms(uint32_t tries)
{
    uint64_t pause = LOCK_PAUSE_MS;
    for (uint32_t i = 1; i < tries && pause < LOCK_PAUSE_MS_MAX; i++)
        pause *= 2;
    if (pause > LOCK_PAUSE_MS_MAX)
        pause = LOCK_PAUSE_MS_MAX;
    return (uint32_t)(pause / 2 + uv_hrtime() / 1000 % (pause / 2 + 1));
}

static void on_rolled_back(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    ShardSession *session = op->session;
    if (reply->error != NULL) {
        shard_reply_error(session, reply);
        batch_fail(op);
        return;
    }
    err_clear(&session->error);
    shard_timer_start(session, lock_pause_ms(batch_of(op)->tries), on_pause_over, op);
}

/* Waiting is not failing: rolled back, the same keys come again, in smaller batches. The session's
 * error says why. */
static void wait_for_locks(StepOp *op)
{
    batch_end_turn(op->session);
    ShardSession *session = op->session;
    ShardBatch *backfill = batch_of(op);
    uint64_t now_ms = uv_now(session->loop);
    if (backfill->tries++ == 0)
        backfill->stuck_from_ms = now_ms;
    if (now_ms - backfill->stuck_from_ms > LIMIT_BATCH_STUCK_MS) {
        err_detail(&session->error, "%" PRIu32 " tries, nothing done for %d minutes; %s",
                   backfill->tries, LIMIT_BATCH_STUCK_MS / 60000, position_text(op));
        batch_fail(op);
        return;
    }
    batch_hold(op, session->error.code == ERR_BUSY          ? "a deadlock or another writer"
                   : session->error.code == ERR_LOCK_BUDGET ? "others waited for it too long"
                                                            : "waits for a lock");
    if (backfill->rows > 0)
        backfill->rows = pace_rows_after_failure(&backfill->limits, backfill->rows);
    PgBatch batch = pg_batch(session->arena);
    pg_batch_add(&batch, "ROLLBACK");
    shard_send(session, &batch, on_rolled_back, op);
}

static bool is_contention(const Error *err)
{
    return err->code == ERR_LOCK_TIMEOUT || err->code == ERR_BUSY || err->code == ERR_LOCK_BUDGET;
}

/* The session's error is set. */
static void judge_failure(StepOp *op)
{
    if (is_contention(&op->session->error))
        wait_for_locks(op);
    else
        batch_fail(op);
}

static void fail_reply(StepOp *op, const PgReply *reply)
{
    shard_reply_error(op->session, reply);
    if (reply->lost)
        batch_fail(op);
    else
        judge_failure(op);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void on_left(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    if (reply->error != NULL) {
        shard_reply_error(op->session, reply);
        batch_fail(op);
        return;
    }
    op->session->backfilling = false;
    op->refused = NULL;
    batch_leave_server(op->session);
    keep_facts(op, false);
    units_report(op, "done");
    ShardUnits *units = units_of(op);
    units->at++;
    /* Asked to stop in the last batch. What comes may take hours; the end of a step does not. */
    if (op->session->stop_soon && units->at < units->run_count) {
        units->stop = true;
        op->ours = false;
    }
    units_next(op);
}

static void leave(StepOp *op)
{
    PgBatch batch = pg_batch(op->session->arena);
    units_add_reset(op, &batch);
    shard_send(op->session, &batch, on_left, op);
}

/* --- 3: the position, and COMMIT -------------------------------------------------------------- */

static void on_committed(StepOp *op)
{
    ShardBatch *backfill = batch_of(op);
    uint64_t took_ms = uv_now(op->session->loop) - backfill->begun_ms;
    uint32_t pause_ms = backfill->batch->options->pause_ms;
    backfill->position = backfill->next;
    backfill->tries = 0;
    batch_end_turn(op->session);
    if (backfill->rows > 0 && backfill->passed > 0 && !backfill->final)
        backfill->rows = backfill->waiting > 0
                             ? pace_rows_after_failure(&backfill->limits, backfill->rows)
                             : pace_rows(&backfill->limits, backfill->rows, took_ms);
    if (backfill->waiting > 0) {
        char reason[60];
        snprintf(reason, sizeof reason, "%" PRIu32 " sessions waited for it", backfill->waiting);
        batch_hold(op, reason);
        pause_ms += took_ms < WAITED_PAUSE_MS_MAX ? (uint32_t)took_ms : WAITED_PAUSE_MS_MAX;
    }
    batch_tell(op);
    if (backfill->final)
        leave(op);
    else if (pause_ms > 0)
        shard_timer_start(op->session, pause_ms, on_pause_over, op);
    else
        batch_next(op);
}

static void on_position(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    Error *err = &op->session->error;
    if (step_reopen(op, reply))
        return;
    if (reply->error != NULL) {
        fail_reply(op, reply);
    } else if (!step_reassert_holds(op, reply, &step_item(op)->args.rows_before)) {
        err_set(err, ERR_SQL, "it moved the version rows or left its transaction itself");
        err_hint(err, "Remove what writes alembic_version or schema pgtide.");
        batch_fail(op);
    } else if (!batch_position_stands(op, &reply->results[batch_of(op)->at_waiting + 1])) {
        batch_fail(op);
    } else if (op->session->cancelled) {
        err_set(err, ERR_INTERRUPTED, "interrupted; the batch was rolled back: %s",
                position_text(op));
        batch_fail(op);
    } else {
        add_facts(op, reply);
        batch_of(op)->waiting = (uint32_t)pg_u64(&reply->results[batch_of(op)->at_waiting], 0, 0);
        step_commit(op, on_committed);
    }
}

static void write_position(StepOp *op)
{
    ShardBatch *backfill = batch_of(op);
    PgBatch batch = pg_batch(op->session->arena);
    const BatchPosition *position = &backfill->position;
    backfill->next = (BatchPosition){
        .last = backfill->upper.count > 0 ? backfill->upper : position->last,
        .done = position->done + backfill->passed,
        .changed = position->changed + backfill->affected,
        .batches = position->batches + (backfill->passed > 0),
    };
    units_of(op)->run.at_end = SIZE_MAX;
    step_add_own_settings(op, &batch, &units_of(op)->run);
    backfill->at_waiting = batch.count;
    step_add(op, &batch, batch_sql_waiting, 1, &op->session->version_table);
    batch_add_position(op, &batch, &backfill->next, backfill->final);
    step_add_reassert(op, &batch);
    shard_send(op->session, &batch, on_position, op);
}

/* --- 2: the statement ------------------------------------------------------------------------- */

/* What `until` repeats must come to an end. */
static bool converges(StepOp *op)
{
    const ShardBatch *backfill = batch_of(op);
    const BatchPosition *position = &backfill->position;
    Error *err = &op->session->error;
    uint64_t batches_max = backfill->batch->options->batches_max;
    uint64_t rows_max = UNTIL_FACTOR * backfill->total + UNTIL_ROWS_LEAST;
    if (is_ranges(backfill) || backfill->final)
        return true;
    if (batches_max > 0 && position->batches >= batches_max)
        err_set(err, ERR_STATE, "%" PRIu64 " batches, and it still changes rows",
                position->batches);
    else if (batches_max == 0 && position->changed > rows_max)
        err_set(err, ERR_STATE,
                "it has changed %" PRIu64 " rows of a table of about %" PRIu64
                " and does not come to an end",
                position->changed, backfill->total);
    else
        return true;
    err_hint(err, "It must not find again the rows that it has changed. If more batches are right, "
                  "say how many: `batches=N`.");
    return false;
}

static void on_ran(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    ShardSession *session = op->session;
    ShardBatch *backfill = batch_of(op);
    if (step_reopen(op, reply))
        return;
    if (reply->error != NULL) {
        const Statement *failed = units_failed_setting(op, reply);
        step_describe(op, reply, failed != NULL ? failed : &backfill->statement);
        if (!reply->lost && is_contention(&session->error)) {
            wait_for_locks(op);
            return;
        }
        if (backfill->upper.count > 0)
            err_wrap(&session->error, "keys up to %.60s",
                     strlist_join(session->arena, &backfill->upper, ", "));
        batch_fail(op);
        return;
    }
    backfill->affected = pg_affected(&reply->results[reply->count - 2]);
    if (!is_ranges(backfill)) {
        take_start(op, reply);
        backfill->passed = backfill->affected;
        backfill->final = backfill->affected == 0;
    }
    if (converges(op))
        write_position(op);
    else
        batch_fail(op);
}

static void add_statement(StepOp *op, PgBatch *batch)
{
    shard_statement_add(batch, &batch_of(op)->statement);
    pg_batch_add(batch, "SET CONSTRAINTS ALL IMMEDIATE");
}

static void run_range(StepOp *op)
{
    ShardSession *session = op->session;
    ShardBatch *backfill = batch_of(op);
    const char *const *from = batch_literals(op, &backfill->position.last);
    const char *const *to = batch_literals(op, &backfill->upper);
    if (from == NULL || to == NULL) {
        err_set(&session->error, ERR_STATE, "a key of the table is not valid UTF-8");
        batch_fail(op);
        return;
    }
    const BatchRange range = {
        .columns = backfill->columns,
        .column_count = backfill->readers.count,
        .operators = backfill->operators,
        .from = backfill->position.last.count == 0 ? NULL : from,
        .to = to,
    };
    PgBatch batch = pg_batch(session->arena);
    backfill->statement =
        batch_statement(session->arena, backfill->batch,
                        batch_condition(session->arena, backfill->batch->alias, &range));
    units_of(op)->at_sent = SIZE_MAX; /* no settings in this one */
    add_statement(op, &batch);
    shard_send(session, &batch, on_ran, op);
}

static void run_again(StepOp *op)
{
    ShardSession *session = op->session;
    ShardBatch *backfill = batch_of(op);
    PgBatch batch = pg_batch(session->arena);
    backfill->statement = batch_statement(session->arena, backfill->batch,
                                          arena_printf(session->arena, "%" PRIu32, backfill->rows));
    units_add_author(op, &batch);
    add_statement(op, &batch);
    shard_send(session, &batch, on_ran, op);
}

/* --- 1: the range of keys --------------------------------------------------------------------- */

static void on_range(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    ShardBatch *backfill = batch_of(op);
    if (step_reopen(op, reply))
        return;
    const Statement *setting = reply->error == NULL ? NULL : units_failed_setting(op, reply);
    if (setting != NULL) {
        step_describe(op, reply, setting);
        batch_fail(op);
        return;
    }
    if (reply->error != NULL) {
        fail_reply(op, reply);
        return;
    }
    take_start(op, reply);
    const PgResult *range = &reply->results[reply->count - 1];
    if (pg_rows(range) == 1) {
        backfill->passed = pg_u64(range, 0, 0);
        if (!batch_read_key(op, range, 1, &backfill->upper)) {
            batch_fail(op);
            return;
        }
    }
    backfill->final = backfill->passed < backfill->rows;
    if (backfill->passed == 0)
        write_position(op);
    else
        run_range(op);
}

/* The next keys up to the bound, of which the last ends the batch. */
static const char *range_sql(const StepOp *op)
{
    const ShardBatch *backfill = batch_of(op);
    Arena *arena = op->session->arena;
    const char *const *from = batch_literals(op, &backfill->position.last);
    const char *const *to = batch_literals(op, &backfill->bound);
    if (from == NULL || to == NULL)
        return NULL;
    const BatchRange range = {
        .columns = backfill->columns,
        .column_count = backfill->readers.count,
        .operators = backfill->operators,
        .from = backfill->position.last.count == 0 ? NULL : from,
        .to = to,
    };
    AUTO_STR Str names = {0};
    AUTO_STR Str back = {0};
    AUTO_STR Str texts = {0};
    for (size_t i = 0; i < range.column_count; i++) {
        const char *comma = i == 0 ? "" : ", ";
        str_printf(&names, "%s%s", comma, range.columns[i].name);
        str_printf(&back, "%s%s DESC", comma, range.columns[i].name);
        str_printf(&texts, "%s%s", comma, backfill->readers.items[i]);
    }
    return arena_printf(arena,
                        "WITH pgtide_keys AS (SELECT %s FROM %s WHERE %s ORDER BY %s LIMIT %" PRIu32
                        ") SELECT (SELECT pg_catalog.count(*) FROM pgtide_keys), ARRAY[%s]"
                        " FROM pgtide_keys ORDER BY %s LIMIT 1",
                        str_text(&names), backfill->table, batch_condition(arena, NULL, &range),
                        str_text(&names), backfill->rows, str_text(&texts), str_text(&back));
}

static void find_range(StepOp *op)
{
    ShardSession *session = op->session;
    const char *sql = range_sql(op);
    if (sql == NULL) {
        err_set(&session->error, ERR_STATE, "a key of the table is not valid UTF-8");
        batch_fail(op);
        return;
    }
    PgBatch batch = pg_batch(session->arena);
    units_add_author(op, &batch);
    pg_batch_add(&batch, sql);
    shard_send(session, &batch, on_range, op);
}

static void run_batch(StepOp *op)
{
    ShardBatch *backfill = batch_of(op);
    op->result.rows = op->stand.rows = backfill->stand;
    backfill->upper = (StrList){0};
    backfill->passed = backfill->affected = 0;
    backfill->final = false;
    if (!is_ranges(backfill)) {
        run_again(op);
    } else if (backfill->bound.count == 0) {
        backfill->final = true; /* the table was empty */
        write_position(op);
    } else {
        find_range(op);
    }
}

/* --- one after the other ---------------------------------------------------------------------- */

/* A backfill of hours keeps nothing of the batches behind it but its position. */
static void forget_batch(StepOp *op)
{
    ShardSession *session = op->session;
    ShardBatch *backfill = batch_of(op);
    AUTO_ARENA Arena *kept = arena_new();
    StrList *last = &backfill->position.last;
    StrList copy = strlist_copy(kept, last);
    arena_rewind(session->arena, backfill->mark);
    *last = strlist_copy(session->arena, &copy);
    op->result.rows = op->stand.rows = backfill->stand;
}

bool batch_must_stop(StepOp *op)
{
    const ShardSession *session = op->session;
    if (!session->stop_soon && !session->cancelled)
        return false;
    stop(op);
    return true;
}

void batch_run(StepOp *op)
{
    ShardSession *session = op->session;
    ShardBatch *backfill = batch_of(op);
    uv_update_time(session->loop);
    backfill->begun_ms = uv_now(session->loop);
    backfill->stuck_from_ms += backfill->begun_ms - backfill->gated_ms;
    backfill->gated_ms = 0;
    op->refused = judge_failure;
    step_open(op, run_batch);
}

void batch_next(StepOp *op)
{
    forget_batch(op);
    batch_tell(op);
    if (!batch_must_stop(op))
        batch_gate(op);
}
