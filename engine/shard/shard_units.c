#include "shard_units.h"

#include "digest.h"
#include "shard_units_queries.h"

#include <string.h>

ShardUnits *units_of(const StepOp *op)
{
    return op->units;
}

UnitRun *units_run(const StepOp *op)
{
    const ShardUnits *units = units_of(op);
    return &units->runs[units->at];
}

static const Script *script_of(const StepOp *op)
{
    return step_item(op)->script.script;
}

/* --- what is told ----------------------------------------------------------------------------- */

/* Counted in the file; 0 for one that is no longer in it. */
static uint32_t unit_number(const ShardUnits *units)
{
    return units->at < units->orphan_count ? 0 : (uint32_t)(units->at - units->orphan_count + 1);
}

void units_report(StepOp *op, const char *state)
{
    const ShardUnits *units = units_of(op);
    const StepArgs *args = &step_item(op)->args;
    const UnitRun *run = units_run(op);
    UnitProgress progress = {
        .unit = unit_number(units),
        .count = (uint32_t)units->list.count,
        .what = run->unit.what,
        .state = state,
    };
    if (run->unit.kind == UNIT_BATCH && units->batch != NULL)
        batch_progress(op, &progress);
    if (!run->orphan)
        shard_watch_unit(op->session, progress.unit, progress.count);
    if (args->unit_cb != NULL && !run->orphan)
        args->unit_cb(op->session, &progress, args->unit_data);
}

static void describe_end(StepOp *op)
{
    const ShardUnits *units = units_of(op);
    Error *err = &op->session->error;
    AUTO_STR Str hint = {0};
    if (err->hint[0] != '\0')
        str_printf(&hint, "%s ", err->hint);
    if (units->at >= units->run_count) {
        str_append(&hint, "What its units did stays.");
    } else if (units_run(op)->unit.kind == UNIT_BATCH && units_run(op)->row != NULL) {
        str_append(&hint, "Its batches stay; the same command goes on with the next one.");
    } else if (unit_number(units) > 1) {
        str_printf(&hint, "What came before it stays; the same command goes on with unit %u.",
                   unit_number(units));
    } else {
        str_append(&hint, "The same command begins there again.");
    }
    err_hint(err, "%s", str_text(&hint));
}

/* Which unit it was, and how to go on. */
static void describe_failure(StepOp *op)
{
    const ShardUnits *units = units_of(op);
    Error *err = &op->session->error;
    if (units->at < units->run_count) {
        const UnitRun *run = units_run(op);
        if (run->orphan)
            err_wrap(err, "an earlier attempt (%s)", run->unit.what);
        else
            err_wrap(err, "unit %u of %zu (%s)", unit_number(units), units->list.count,
                     run->unit.what);
        if (err->line == 0 && !run->orphan)
            statement_place_error(err, script_of(op)->file, run->unit.place, 0);
    }
    describe_end(op);
}

void units_fail_reply(StepOp *op, const PgReply *reply, const Statement *statement)
{
    Error *err = &op->session->error;
    if (statement != NULL)
        step_describe(op, reply, statement);
    else
        shard_reply_error(op->session, reply);
    if (err->code == ERR_INTERRUPTED)
        err_set(err, ERR_INTERRUPTED, "interrupted");
    else if (err->code == ERR_TIMEOUT)
        err_set(err, ERR_TIMEOUT, "not done before its deadline");
    step_fail(op);
}

/* --- parts of batches ------------------------------------------------------------------------- */

void units_add_author(StepOp *op, PgBatch *batch)
{
    ShardUnits *units = units_of(op);
    step_add_author_settings(op, batch, &units->run);
    units->at_sent = batch->count;
    size_t count = units->at < units->run_count ? units_run(op)->unit.setting_count
                                                : units->list.settings.count;
    StatementList settings = {.items = units->list.settings.items, .count = count};
    step_add_statements(batch, &settings);
}

const Statement *units_failed_setting(const StepOp *op, const PgReply *reply)
{
    const ShardUnits *units = units_of(op);
    size_t count = units->at < units->run_count ? units_run(op)->unit.setting_count
                                                : units->list.settings.count;
    bool is_one = reply->failed >= units->at_sent && reply->failed < units->at_sent + count;
    return is_one ? &units->list.settings.items[reply->failed - units->at_sent] : NULL;
}

void units_add_reset(StepOp *op, PgBatch *batch)
{
    pg_batch_add(batch, "RESET SESSION AUTHORIZATION");
    pg_batch_add(batch, "RESET ROLE");
    shard_reset_add(op->session, batch);
}

static void add_insert(StepOp *op, PgBatch *batch, bool finished)
{
    ShardSession *session = op->session;
    const ShardUnits *units = units_of(op);
    const StepItem *item = step_item(op);
    const Unit *unit = &units_run(op)->unit;
    char digest[DIGEST_HEX_SIZE];
    digest_hex(&unit->digest, digest);
    bool outside = unit->kind != UNIT_TRANSACTION && unit->kind != UNIT_BATCH;
    const char *params[] = {
        shard_schema(session),
        item->operation,
        unit_kind_name(unit->kind),
        arena_strdup(session->arena, digest),
        finished ? "t" : "f",
        item->args.revision,
        item->direction,
        unit->what,
        outside ? unit->statements.items[0].text : NULL,
        outside ? unit->statements.items[0].probe : NULL,
        unit->kind == UNIT_CATALOG ? units->facts : NULL,
    };
    step_add(op, batch, units_sql_insert, 11, params);
}

void units_add_row(StepOp *op, PgBatch *batch, bool finished)
{
    const ShardUnits *units = units_of(op);
    const UnitRun *run = units_run(op);
    if (run->row == NULL) {
        add_insert(op, batch, finished);
        return;
    }
    /* What was noted before the first attempt stays true; a table may have been made anew. */
    bool renew =
        !finished && run->unit.kind == UNIT_CATALOG && run->unit.probe->form == PROBE_CREATE_INDEX;
    const char *params[] = {shard_schema(op->session), step_item(op)->operation, run->row->unit,
                            finished ? "t" : "f", renew ? units->facts : NULL};
    step_add(op, batch, units_sql_update, 5, params);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void on_cleared(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    if (step_reopen(op, reply))
        return;
    if (reply->error != NULL) {
        units_fail_reply(op, reply, NULL);
        return;
    }
    step_item(op)->script.verify = NULL; /* it has had its turn */
    step_record(op);
}

static void clear(StepOp *op)
{
    PgBatch batch = pg_batch(op->session->arena);
    const char *params[] = {shard_schema(op->session), step_item(op)->operation};
    step_add(op, &batch, units_sql_clear, 2, params);
    shard_send(op->session, &batch, on_cleared, op);
}

static void on_verified(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    const ShardUnits *units = units_of(op);
    const StatementList *verify = step_item(op)->script.verify;
    size_t at_verify = units->at_sent + units->list.settings.count;
    Error *err = &op->session->error;
    if (reply->error != NULL) {
        bool is_verify = reply->failed >= at_verify && reply->failed < at_verify + verify->count;
        const Statement *failed =
            is_verify ? &verify->items[reply->failed - at_verify] : units_failed_setting(op, reply);
        if (failed != NULL)
            step_describe(op, reply, failed);
        else
            shard_reply_error(op->session, reply);
        if (is_verify && err->code == ERR_SQL)
            err->code = ERR_VERIFY;
        step_fail(op);
        return;
    }
    const PgResult *last = &reply->results[at_verify + verify->count - 1];
    if (!pg_is_false(last)) {
        step_open(op, clear);
        return;
    }
    err_set(err, ERR_VERIFY, "the +verify section says false");
    statement_place_error(err, script_of(op)->file, &verify->items[verify->count - 1], 0);
    step_fail(op);
}

/* The effects are there for all to see: +verify only looks. */
static void verify(StepOp *op)
{
    const StatementList *statements = step_item(op)->script.verify;
    if (statements == NULL) {
        step_open(op, clear);
        return;
    }
    PgBatch batch = pg_batch(op->session->arena);
    pg_batch_add(&batch, "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY");
    units_add_author(op, &batch);
    step_add_statements(&batch, statements);
    pg_batch_add(&batch, "ROLLBACK");
    shard_send(op->session, &batch, on_verified, op);
}

/* --- a unit in a transaction ------------------------------------------------------------------ */

static void on_settings_left(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    if (reply->error != NULL) {
        units_fail_reply(op, reply, NULL);
        return;
    }
    units_report(op, "done");
    units_of(op)->at++;
    units_next(op);
}

static void leave_settings(StepOp *op)
{
    PgBatch batch = pg_batch(op->session->arena);
    units_add_reset(op, &batch);
    shard_send(op->session, &batch, on_settings_left, op);
}

static bool is_about_transactions(const Error *err)
{
    return strcmp(err->sqlstate, "2D000") == 0 || strcmp(err->sqlstate, "25001") == 0;
}

static void fail_transaction(StepOp *op, const PgReply *reply)
{
    const ShardUnits *units = units_of(op);
    const Statement *setting = units_failed_setting(op, reply);
    const Statement *failed = facts_run_statement(&units->run, reply->failed);
    failed = setting != NULL ? setting : failed;
    step_take_facts(op, reply, &units->run);
    step_describe(op, reply, failed);
    if (is_about_transactions(&op->session->error))
        err_hint(&op->session->error,
                 "Put `-- +rerunnable` or `-- +probe SELECT ...` before it: then it runs outside a "
                 "transaction.");
    step_fail(op);
}

static void on_transaction(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    Error *err = &op->session->error;
    if (step_reopen(op, reply))
        return;
    if (reply->error != NULL) {
        fail_transaction(op, reply);
        return;
    }
    step_take_facts(op, reply, &units_of(op)->run);
    if (!step_reassert_holds(op, reply, &step_item(op)->args.rows_before)) {
        err_set(err, ERR_SQL, "it moved the version rows or left its transaction itself");
        err_hint(err, "Remove what writes alembic_version or schema pgtide.");
    } else if (op->session->cancelled) {
        err_set(err, ERR_INTERRUPTED, "interrupted; it was rolled back");
    }
    if (err->code != ERR_OK)
        step_fail(op);
    else
        step_commit(op, leave_settings);
}

static void run_in_transaction(StepOp *op)
{
    PgBatch batch = pg_batch(op->session->arena);
    units_report(op, "started");
    units_add_author(op, &batch);
    step_add_measured(op, &batch, &units_run(op)->unit.statements, &units_of(op)->run);
    pg_batch_add(&batch, "SET CONSTRAINTS ALL IMMEDIATE");
    step_add_own_settings(op, &batch, &units_of(op)->run);
    units_add_row(op, &batch, true);
    step_add_reassert(op, &batch);
    shard_send(op->session, &batch, on_transaction, op);
}

/* --- one after the other ---------------------------------------------------------------------- */

void units_next(StepOp *op)
{
    ShardUnits *units = units_of(op);
    for (; units->at < units->run_count; units->at++) {
        const UnitRun *run = units_run(op);
        if (run->row == NULL || !run->row->finished)
            break;
        units_report(op, "already-done");
    }
    units->state = PROBE_STATE_UNSPECIFIED;
    units->batch = NULL;
    units->after = false;
    err_clear(&units->outcome);
    units->rounds = units->waits = 0;
    units->begun = units->piece_waits = false;
    units->piece = NULL;
    if (units->stop || op->session->cancelled) {
        err_set(&op->session->error, ERR_INTERRUPTED, "interrupted before %s",
                units->at == units->run_count ? "the step was recorded" : "it was begun");
        step_fail(op);
    } else if (units->at == units->run_count) {
        verify(op);
    } else if (units_run(op)->unit.kind == UNIT_TRANSACTION) {
        step_open(op, run_in_transaction);
    } else if (units_run(op)->unit.kind == UNIT_BATCH) {
        batch_begin(op);
    } else {
        units_run_outside(op);
    }
}

/* --- what an earlier attempt left ------------------------------------------------------------- */

static const char *text_or_null(const StepOp *op, const PgResult *result, size_t row, int column)
{
    return pg_is_null(result, row, column)
               ? NULL
               : arena_strdup(op->session->arena, pg_text(result, row, column));
}

static void read_rows(StepOp *op, const PgResult *result)
{
    ShardUnits *units = units_of(op);
    units->row_count = pg_rows(result);
    units->rows = ARENA_ARRAY(op->session->arena, ProgressRow, units->row_count + 1);
    for (size_t i = 0; i < units->row_count; i++)
        units->rows[i] = (ProgressRow){
            .unit = text_or_null(op, result, i, 0),
            .kind = text_or_null(op, result, i, 1),
            .digest = arena_strdup(op->session->arena, pg_text(result, i, 2)),
            .finished = pg_bool(result, i, 3),
            .what = arena_strdup(op->session->arena, pg_text(result, i, 4)),
            .statement = text_or_null(op, result, i, 5),
            .probe = text_or_null(op, result, i, 6),
            .facts = text_or_null(op, result, i, 7),
            .pid = text_or_null(op, result, i, 8),
            .started = text_or_null(op, result, i, 9),
        };
}

/* One that was begun can only go on as a backfill. */
static bool is_backfill(const ProgressRow *row)
{
    return row->kind != NULL && strcmp(row->kind, unit_kind_name(UNIT_BATCH)) == 0;
}

/* A row of the same statement; of two the one that says more. */
static ProgressRow *match(ShardUnits *units, const Unit *unit)
{
    char digest[DIGEST_HEX_SIZE];
    digest_hex(&unit->digest, digest);
    ProgressRow *found = NULL;
    for (size_t i = 0; i < units->row_count; i++) {
        ProgressRow *row = &units->rows[i];
        bool half = is_backfill(row) && !row->finished && unit->kind != UNIT_BATCH;
        bool same = !row->matched && !half && strcmp(row->digest, digest) == 0;
        if (same && (found == NULL || (row->finished && !found->finished)))
            found = row;
    }
    if (found != NULL)
        found->matched = true;
    return found;
}

/* A statement that was begun and is no longer in the file, as the unit that it was. */
static bool make_orphan(StepOp *op, ProgressRow *row, UnitRun *ret_run)
{
    Arena *arena = op->session->arena;
    if (row->statement == NULL || strcmp(row->kind, unit_kind_name(UNIT_RERUNNABLE)) == 0)
        return false;
    Statement *statement = ARENA_NEW(arena, Statement);
    *statement = (Statement){
        .text = row->statement,
        .first_keyword = "",
        .second_keyword = "",
        .probe = row->probe,
    };
    UnitRun run = {.row = row, .orphan = true};
    run.unit = (Unit){
        .kind = row->probe != NULL ? UNIT_PROBED : UNIT_CATALOG,
        .statements = {.items = statement, .count = 1},
        .what = row->what,
    };
    Error ignored;
    if (run.unit.kind == UNIT_CATALOG &&
        (probe_parse(arena, "", statement, &run.unit.probe, &ignored) != ERR_OK ||
         run.unit.probe == NULL || run.unit.probe->form == PROBE_AGAIN))
        return false;
    *ret_run = run;
    return true;
}

static ErrCode refuse_gone(const StepOp *op, const ProgressRow *row)
{
    Error *err = &op->session->error;
    err_set(err, ERR_STATE, "\"%.120s\" has %s on this shard and is no longer in %s", row->what,
            row->finished ? "run" : "begun", script_of(op)->file);
    err_hint(err, "%s",
             row->finished ? "Put it back as it was. What came after it may be changed."
                           : "Put it back as it was. Where it may begin again from the first row, "
                             "put `-- +rerunnable` before it too.");
    return ERR_STATE;
}

/* What has run must still be in the file: else nobody could say what the shard is. */
static ErrCode make_runs(StepOp *op)
{
    ShardUnits *units = units_of(op);
    Arena *arena = op->session->arena;
    UnitRun *files = ARENA_ARRAY(arena, UnitRun, units->list.count + 1);
    for (size_t i = 0; i < units->list.count; i++) {
        const Unit *unit = &units->list.items[i];
        files[i] = (UnitRun){.unit = *unit, .row = match(units, unit)};
        units->begins_again =
            units->begins_again || (unit->kind == UNIT_BATCH && unit->place->rerunnable);
    }
    units->runs = ARENA_ARRAY(arena, UnitRun, units->list.count + units->row_count + 1);
    for (size_t i = 0; i < units->row_count; i++) {
        ProgressRow *row = &units->rows[i];
        if (row->matched)
            continue;
        if (row->finished || (is_backfill(row) && !units->begins_again))
            return refuse_gone(op, row);
        units->orphan_count += make_orphan(op, row, &units->runs[units->orphan_count]);
    }
    memcpy(units->runs + units->orphan_count, files, units->list.count * sizeof *files);
    units->run_count = units->orphan_count + units->list.count;
    return ERR_OK;
}

static void on_taken_over(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    if (step_reopen(op, reply))
        return;
    if (reply->error != NULL) {
        step_fail_reply(op, reply);
        return;
    }
    read_rows(op, &reply->results[2]);
    if (make_runs(op) != ERR_OK) {
        step_fail(op);
        return;
    }
    op->failing = describe_failure;
    step_commit(op, units_next);
}

static void take_over(StepOp *op)
{
    const StepItem *item = step_item(op);
    bool up = item->args.direction == DIRECTION_UPGRADE;
    PgBatch batch = pg_batch(op->session->arena);
    const char *params[] = {
        shard_schema(op->session),
        item->operation,
        item->args.revision,
        item->direction,
        direction_name(up ? DIRECTION_DOWNGRADE : DIRECTION_UPGRADE),
    };
    step_add(op, &batch, units_sql_forget_void, 5, params);
    step_add(op, &batch, units_sql_take_over, 4, params);
    step_add(op, &batch, units_sql_read, 2, params);
    shard_send(op->session, &batch, on_taken_over, op);
}

void step_units(StepOp *op)
{
    ShardSession *session = op->session;
    const StepItem *item = step_item(op);
    ShardUnits *units = ARENA_NEW(session->arena, ShardUnits);
    op->units = units;
    Error err;
    if (session->error.code == ERR_OK &&
        units_make(session->arena, item->script.script->file, item->script.author, &units->list,
                   &err) != ERR_OK)
        session->error = err;
    step_begin(op, take_over);
}
