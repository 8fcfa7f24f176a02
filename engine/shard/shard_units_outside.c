#include "shard_units.h"

#include "named_limits.h"
#include "shard_queries.h"
#include "shard_units_queries.h"

#include <string.h>

enum {
    VERSION_WITH_CHECK_INTERVAL = 140000,
    CLEANUP_DEADLINE_MS = 10000, /* after a failure: what is left then is cleaned up next time */
    CLEANUP_ROUNDS_MAX = 4,
    ORPHAN_WAITS_MAX = 100, /* of 0.1 s */
};

static bool is_concurrent(const Unit *unit)
{
    return unit->kind == UNIT_CATALOG && probe_is_concurrent(unit->probe->form);
}

/* --- one statement alone ---------------------------------------------------------------------- */

/* Of the author's statement; what cleans up after it is ours. */
static void take_facts(StepOp *op, const PgReply *reply)
{
    const ShardUnits *units = units_of(op);
    const Unit *unit = &units_run(op)->unit;
    bool is_piece = units->sql == units->piece;
    if (!is_piece && units->sql != unit->statements.items[0].text)
        return;
    FactsMark now = facts_mark(&reply->results[0], 0);
    StatementFacts item = {
        .revision = step_item(op)->args.revision,
        .line = unit->place != NULL && unit->place->line > 0 ? (uint32_t)unit->place->line : 0,
        .what = is_piece ? statement_in_few_words(op->session->arena, units->sql) : unit->what,
        .statements = 1,
        .rows = units->changed,
        .lock_wait_ms = units->lock_wait_ms,
        .failed = units->sql_error.code != ERR_OK,
    };
    facts_between(&units->alone_from, &now, &item);
    facts_add(op->session->arena, &op->facts, &item);
}

static void on_left(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    if (reply->error != NULL) {
        units_fail_reply(op, reply, NULL);
        return;
    }
    take_facts(op, reply);
    units_of(op)->then(op);
}

/* Role and settings of the session are ours again. */
static void leave(StepOp *op)
{
    PgBatch batch = pg_batch(op->session->arena);
    pg_batch_add(&batch, shard_sql_mark);
    units_add_reset(op, &batch);
    shard_send(op->session, &batch, on_left, op);
}

static void on_alone(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    ShardUnits *units = units_of(op);
    ShardSession *session = op->session;
    if (reply->error != NULL && reply->lost) {
        units_fail_reply(op, reply, NULL);
        return;
    }
    size_t wait_count;
    const WatchWait *waits = shard_watch_waits(session, &wait_count);
    units->lock_wait_ms = facts_waited_ms(waits, wait_count, units->alone_from.at_s, 0);
    units->changed = reply->error != NULL ? 0 : pg_affected(&reply->results[0]);
    if (reply->error != NULL) {
        const Statement *statement = &units_run(op)->unit.statements.items[0];
        if (units->sql == statement->text)
            step_describe(op, reply, statement);
        else
            shard_reply_error(session, reply);
        units->sql_error = session->error;
        err_clear(&session->error);
    }
    /* A cancel has had its effect. What must be tidied up now must not end by it. */
    units->stop = units->stop || session->cancelled;
    session->cancelled = false;
    leave(op);
}

static void on_entered(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    ShardUnits *units = units_of(op);
    ShardSession *session = op->session;
    if (reply->error != NULL) {
        units_fail_reply(op, reply, units_failed_setting(op, reply));
        return;
    }
    units->alone_from = facts_mark(&reply->results[reply->count - 1], 0);
    uint64_t deadline_ms = session->deadline_ms;
    uint64_t alone_ms = uv_now(session->loop) + units->sql_deadline_ms;
    if (deadline_ms == 0 || alone_ms < deadline_ms)
        session->deadline_ms = alone_ms;
    PgBatch batch = pg_batch(session->arena);
    pg_batch_add_foreign(&batch, units->sql);
    shard_send(session, &batch, on_alone, op);
    session->deadline_ms = deadline_ms;
}

/*
 * Runs one statement outside a transaction, then goes on to `then`; its error is in
 * units->sql_error. One that waits for others by itself (CONCURRENTLY) has no timeouts of the
 * server's: they would fire for any old snapshot and leave debris. It holds nobody up but its like,
 * and ends at our own deadline.
 */
void units_run_alone(StepOp *op, const char *sql, uint32_t deadline_ms, StepNext *then)
{
    ShardUnits *units = units_of(op);
    ShardSession *session = op->session;
    const StepItem *item = step_item(op);
    const Script *script = item->script.script;
    const Unit *unit = &units_run(op)->unit;
    uint64_t lock_ms = script->lock_timeout_ms >= 0 ? (uint64_t)script->lock_timeout_ms
                                                    : item->args.lock_timeout_ms;
    const char *enter[] = {
        shard_script_path(session->arena, session->conn, &session->target, session->path),
        shard_ms_param(session, is_concurrent(unit) && !units->piece_waits ? 0 : lock_ms),
        "0",
    };
    units->sql = sql;
    units->sql_deadline_ms = deadline_ms;
    units->then = then;
    err_clear(&units->sql_error);
    PgBatch batch = pg_batch(session->arena);
    pg_batch_add_params(&batch, units_sql_enter, 3, enter);
    if (pg_server_version(session->conn) >= VERSION_WITH_CHECK_INTERVAL)
        pg_batch_add(&batch, "SET client_connection_check_interval = '1s'");
    units->at_sent = batch.count;
    StatementList settings = {.items = units->list.settings.items, .count = unit->setting_count};
    step_add_statements(&batch, &settings);
    pg_batch_add(&batch, shard_sql_mark);
    shard_send(session, &batch, on_entered, op);
}

/* The revision's word, or else the run's for what is no index build, or else a day. */
uint32_t units_deadline_ms(const StepOp *op)
{
    const StepItem *item = step_item(op);
    int64_t ms = item->script.script->statement_timeout_ms;
    if (ms < 0 && !is_concurrent(&units_run(op)->unit))
        ms = item->args.statement_timeout_ms;
    return ms <= 0 || ms > LIMIT_STATEMENT_ALONE_MS ? LIMIT_STATEMENT_ALONE_MS : (uint32_t)ms;
}

/* --- notes ------------------------------------------------------------------------------------ */

static void on_noted(PgConn *conn, const PgReply *reply, StepOp *op, StepNext *next)
{
    (void)conn;
    if (step_reopen(op, reply))
        return;
    if (reply->error != NULL) {
        units_fail_reply(op, reply, NULL);
        return;
    }
    UnitRun *run = units_run(op);
    if (pg_rows(&reply->results[0]) == 1 && run->row == NULL) {
        run->row = ARENA_NEW(op->session->arena, ProgressRow);
        run->row->unit = arena_strdup(op->session->arena, pg_text(&reply->results[0], 0, 0));
        run->row->facts = units_of(op)->facts;
    }
    if (step_reassert_holds(op, reply, &step_item(op)->args.rows_before)) {
        step_commit(op, next);
    } else {
        err_set(&op->session->error, ERR_FENCED, "the shard has moved meanwhile");
        step_fail(op);
    }
}

static void over(StepOp *op)
{
    ShardUnits *units = units_of(op);
    units_report(op, units->after ? units_run(op)->rebuilt ? "rebuilt" : "done" : "already-done");
    units->at++;
    units_next(op);
}

static void on_finished(PgConn *conn, const PgReply *reply, void *data)
{
    on_noted(conn, reply, data, over);
}

static void note_finished(StepOp *op)
{
    PgBatch batch = pg_batch(op->session->arena);
    units_add_row(op, &batch, true);
    step_add_reassert(op, &batch);
    shard_send(op->session, &batch, on_finished, op);
}

static void on_forgotten(PgConn *conn, const PgReply *reply, void *data)
{
    on_noted(conn, reply, data, over);
}

/* Of a statement that is no longer in the file and left nothing. */
static void note_forgotten(StepOp *op)
{
    PgBatch batch = pg_batch(op->session->arena);
    const char *params[] = {shard_schema(op->session), step_item(op)->operation,
                            units_run(op)->row->unit};
    step_add(op, &batch, units_sql_delete, 3, params);
    step_add_reassert(op, &batch);
    shard_send(op->session, &batch, on_forgotten, op);
}

/* --- the statement ---------------------------------------------------------------------------- */

void units_fail_statement(StepOp *op)
{
    ShardUnits *units = units_of(op);
    Error *err = &op->session->error;
    *err = units->outcome;
    if (err->code == ERR_INTERRUPTED)
        err_set(err, ERR_INTERRUPTED, "interrupted");
    else if (err->code == ERR_TIMEOUT)
        err_set(err, ERR_TIMEOUT, "not done before its deadline");
    if (units->state == PROBE_STATE_LEFTOVER)
        err_detail(err, "What it left is cleaned up by the next attempt.");
    else if (strcmp(err->sqlstate, "0A000") == 0 && units_run(op)->unit.kind == UNIT_CATALOG &&
             units_run(op)->unit.probe->form == PROBE_DROP_INDEX)
        err_hint(err, "The index of a partitioned table is dropped without CONCURRENTLY: that is "
                      "quick, but locks all partitions, so its lock timeout and retries count.");
    step_fail(op);
}

static void on_ran(StepOp *op)
{
    ShardUnits *units = units_of(op);
    units->after = true;
    units->outcome = units->sql_error;
    if (units_run(op)->unit.kind != UNIT_RERUNNABLE)
        units_look(op);
    else if (units->outcome.code != ERR_OK)
        units_fail_statement(op);
    else
        step_open(op, note_finished);
}

static void run_statement(StepOp *op)
{
    units_run_alone(op, units_run(op)->unit.statements.items[0].text, units_deadline_ms(op),
                    on_ran);
}

static void go_ahead(StepOp *op)
{
    units_of(op)->begun = true;
    if (units_of(op)->state == PROBE_STATE_PARTITIONED)
        units_build_pieces(op);
    else
        run_statement(op);
}

static void on_begun(PgConn *conn, const PgReply *reply, void *data)
{
    on_noted(conn, reply, data, go_ahead);
}

void units_note_begun(StepOp *op)
{
    units_report(op, "started");
    PgBatch batch = pg_batch(op->session->arena);
    units_add_row(op, &batch, false);
    step_add_reassert(op, &batch);
    shard_send(op->session, &batch, on_begun, op);
}

/* --- cleaning up ------------------------------------------------------------------------------ */

static void clean_up(StepOp *op);

static void on_cleaned(StepOp *op)
{
    ShardUnits *units = units_of(op);
    if (units->sql_error.code == ERR_OK) {
        units->cleaned++;
        clean_up(op);
    } else if (units->outcome.code != ERR_OK) {
        units_fail_statement(op);
    } else {
        op->session->error = units->sql_error;
        err_wrap(&op->session->error, "can't clean up after an earlier attempt");
        step_fail(op);
    }
}

/* The statements that clean up, one after the other, then another look. */
static void clean_up(StepOp *op)
{
    ShardUnits *units = units_of(op);
    if (units->cleaned == units->cleanup.count) {
        units_run(op)->rebuilt = true;
        units_look(op);
        return;
    }
    uint32_t deadline_ms = units->after ? CLEANUP_DEADLINE_MS : LIMIT_STATEMENT_ALONE_MS;
    units_run_alone(op, units->cleanup.items[units->cleaned], deadline_ms, on_cleaned);
}

/* --- deciding --------------------------------------------------------------------------------- */

static void refuse(StepOp *op, const char *detail)
{
    Error *err = &op->session->error;
    err_set(err, ERR_STATE, "%s", units_of(op)->message);
    err_detail(err, "%s", detail);
    err_hint(err, "Drop or rename it, or change the revision.");
    step_fail(op);
}

static void settle_orphan(StepOp *op, bool there)
{
    Error *err = &op->session->error;
    if (!there) {
        step_open(op, note_forgotten);
        return;
    }
    err_set(err, ERR_STATE, "it has run on this shard and is no longer in %s",
            step_item(op)->script.script->file);
    err_hint(err, "Put it back as it was.");
    step_fail(op);
}

/* The statement has run: with an error or without, what counts is what is there now. */
static void settle_after(StepOp *op, bool there)
{
    ShardUnits *units = units_of(op);
    if (there) {
        step_open(op, note_finished);
    } else if (units->outcome.code != ERR_OK) {
        units_fail_statement(op);
    } else {
        err_set(&op->session->error, ERR_STATE, "it ended without an error, but %s",
                units_run(op)->unit.kind == UNIT_PROBED ? "its +probe says that it has not happened"
                                                        : "the catalog does not show its effect");
        step_fail(op);
    }
}

static void settle(StepOp *op, bool there)
{
    if (units_run(op)->orphan)
        settle_orphan(op, there);
    else if (units_of(op)->after)
        settle_after(op, there);
    else
        step_open(op, there ? note_finished : units_note_begun);
}

/* --- comparing -------------------------------------------------------------------------------- */

static void on_compared(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    ShardUnits *units = units_of(op);
    Error *err = &op->session->error;
    if (reply->error != NULL) {
        shard_reply_error(op->session, reply);
        err_wrap(err, "an index of this name exists, and its definition can't be compared");
        step_fail(op);
        return;
    }
    const PgResult *answer = &reply->results[reply->count - 2];
    if (pg_bool(answer, 0, 0)) {
        settle(op, true);
    } else if (units_run(op)->orphan) {
        settle(op, false);
    } else {
        units->message = arena_printf(op->session->arena,
                                      "an index of this name exists with another definition");
        refuse(op, arena_printf(op->session->arena, "it has:   %s\nit needs: %s",
                                pg_text(answer, 0, 1), pg_text(answer, 0, 2)));
    }
}

/* The same index on an empty table of the same columns, for the server to write its definition. */
static void compare(StepOp *op)
{
    ShardSession *session = op->session;
    const ShardUnits *units = units_of(op);
    const Probe *probe = units_run(op)->unit.probe;
    AUTO_STR Str table = {0};
    const char *last = "";
    for (size_t i = 0; i < probe->relation.count; i++) {
        last = pg_identifier(session->conn, session->arena, probe->relation.items[i]);
        last = last == NULL ? "\"\"" : last;
        str_printf(&table, "%s%s", i == 0 ? "" : ".", last);
    }
    PgBatch batch = pg_batch(session->arena);
    pg_batch_add(&batch, "BEGIN ISOLATION LEVEL READ COMMITTED");
    units_add_author(op, &batch);
    pg_batch_add(&batch, arena_printf(session->arena, "CREATE TEMPORARY TABLE %s (LIKE %s)", last,
                                      str_text(&table)));
    pg_batch_add(&batch, probe->twin);
    step_add_own_settings(op, &batch, &units_of(op)->run);
    const char *params[] = {units->index, probe->has_tablespace ? "t" : "f"};
    pg_batch_add_params(&batch, probe_compare_sql, 2, params);
    pg_batch_add(&batch, "ROLLBACK");
    shard_send(session, &batch, on_compared, op);
}

/* --- looking ---------------------------------------------------------------------------------- */

static void act(StepOp *op)
{
    ShardUnits *units = units_of(op);
    const UnitRun *run = units_run(op);
    switch (units->state) {
    case PROBE_STATE_ABSENT:
    case PROBE_STATE_THERE:
        settle(op, units->state == PROBE_STATE_THERE);
        break;
    case PROBE_STATE_SAME:
        if (units->after)
            settle(op, true);
        else
            compare(op);
        break;
    case PROBE_STATE_PARTITIONED:
        if (run->orphan && units->index[0] == '\0')
            settle(op, false);
        else
            units_build_pieces(op);
        break;
    case PROBE_STATE_LEFTOVER:
        if (units->rounds++ < CLEANUP_ROUNDS_MAX) {
            units->cleaned = 0;
            clean_up(op);
            break;
        }
        err_set(&op->session->error, ERR_STATE, "what is left of it can't be cleaned up");
        step_fail(op);
        break;
    default:
        if (run->orphan)
            settle(op, false);
        else
            refuse(op, "");
    }
}

static void on_looked(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    ShardUnits *units = units_of(op);
    ShardSession *session = op->session;
    if (reply->unprepared) {
        op->plain = true;
        units_look(op);
        return;
    }
    if (reply->error != NULL) {
        units_fail_reply(op, reply, units_failed_setting(op, reply));
        return;
    }
    const PgResult *answer = &reply->results[reply->count - 2];
    units->state = probe_state_from_name(pg_text(answer, 0, 0));
    if (!units->after)
        units->facts =
            pg_is_null(answer, 0, 1) ? NULL : arena_strdup(session->arena, pg_text(answer, 0, 1));
    units->message = arena_strdup(session->arena, pg_text(answer, 0, 2));
    units->cleanup = (StrList){0};
    (void)pg_array_parse(session->arena, pg_text(answer, 0, 3), &units->cleanup);
    units->index = arena_strdup(session->arena, pg_text(answer, 0, 4));
    act(op);
}

static void look_at_catalog(StepOp *op)
{
    ShardSession *session = op->session;
    const UnitRun *run = units_run(op);
    const Probe *probe = run->unit.probe;
    PgBatch batch = pg_batch(session->arena);
    pg_batch_add(&batch, "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY");
    units_add_author(op, &batch);
    const char *find[] = {pg_array_format(session->arena, &probe->relation),
                          pg_array_format(session->arena, &probe->partition)};
    step_add(op, &batch, probe_find_sql, 2, find);
    step_add(op, &batch, shard_sql_leave_author, 0, NULL);
    const char *query[] = {probe->name, run->row == NULL ? NULL : run->row->facts,
                           probe->missing_ok ? "t" : "f"};
    step_add(op, &batch, probe_query(probe->form), 3, query);
    pg_batch_add(&batch, "ROLLBACK");
    shard_send(session, &batch, on_looked, op);
}

static void on_probed(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    Error *err = &op->session->error;
    if (reply->error != NULL) {
        const Statement *setting = units_failed_setting(op, reply);
        shard_reply_error(op->session, reply);
        if (setting == NULL)
            err_wrap(err, "its +probe");
        else
            statement_place_error(err, step_item(op)->script.script->file, setting, 0);
        step_fail(op);
        return;
    }
    const PgResult *answer = &reply->results[reply->count - 2];
    bool there = pg_rows(answer) == 1 && strcmp(pg_text(answer, 0, 0), "t") == 0;
    if (!there && !pg_is_false(answer)) {
        err_set(err, ERR_STATE, "its +probe must answer one boolean");
        step_fail(op);
        return;
    }
    settle(op, there);
}

static void ask_probe(StepOp *op)
{
    PgBatch batch = pg_batch(op->session->arena);
    pg_batch_add(&batch, "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY");
    units_add_author(op, &batch);
    pg_batch_add_foreign(&batch, units_run(op)->unit.statements.items[0].probe);
    pg_batch_add(&batch, "ROLLBACK");
    shard_send(op->session, &batch, on_probed, op);
}

void units_look(StepOp *op)
{
    switch (units_run(op)->unit.kind) {
    case UNIT_CATALOG:
        look_at_catalog(op);
        break;
    case UNIT_PROBED:
        ask_probe(op);
        break;
    default:
        step_open(op, units_note_begun);
    }
}

/* --- an orphaned backend ---------------------------------------------------------------------- */

static void on_ended(PgConn *conn, const PgReply *reply, void *data);

static void end_backend(StepOp *op)
{
    const ProgressRow *row = units_run(op)->row;
    PgBatch batch = pg_batch(op->session->arena);
    const char *params[] = {row->pid, row->started};
    pg_batch_add_params(&batch, units_sql_end_backend, 2, params);
    shard_send(op->session, &batch, on_ended, op);
}

static void on_ended(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    Error *err = &op->session->error;
    const char *pid = units_run(op)->row->pid;
    if (reply->error != NULL) {
        shard_reply_error(op->session, reply);
        err_wrap(err, "backend %s, which an earlier attempt left, can't be ended", pid);
        step_fail(op);
    } else if (pg_rows(&reply->results[0]) == 0) {
        units_look(op);
    } else if (++units_of(op)->waits < ORPHAN_WAITS_MAX) {
        end_backend(op);
    } else {
        err_set(err, ERR_BUSY, "backend %s of an earlier attempt is still at work", pid);
        step_fail(op);
    }
}

void units_run_outside(StepOp *op)
{
    const ProgressRow *row = units_run(op)->row;
    if (row != NULL && row->pid != NULL && row->started != NULL)
        end_backend(op);
    else
        units_look(op);
}
