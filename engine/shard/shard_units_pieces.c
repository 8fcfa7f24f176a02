/*
 * CREATE INDEX CONCURRENTLY on a partitioned table, which the server does not do: the index is made
 * on the table alone (it is not valid then), CONCURRENTLY on each partition, and each of those is
 * attached; the last one makes it valid. What is there tells what comes next, so an attempt that
 * was cut off is gone on with wherever it ended.
 */
#include "shard_units.h"

#include "shard_queries.h"

#include <string.h>

/* Answers of probe_piece_sql. */
enum { PIECE_SQL, PIECE_WAITS, PIECE_DONE, PIECE_TOTAL, PIECE_REFUSAL };

static void on_piece(StepOp *op)
{
    ShardUnits *units = units_of(op);
    units->after = true;
    units->outcome = units->sql_error;
    if (units->outcome.code == ERR_OK) {
        units_look(op);
        return;
    }
    err_wrap(&units->outcome, "%.200s", units->piece);
    units_fail_statement(op);
}

static void run_piece(StepOp *op, const char *sql, bool waits)
{
    ShardUnits *units = units_of(op);
    if (units->stop || op->session->cancelled) {
        err_set(&op->session->error, ERR_INTERRUPTED, "interrupted between two partitions");
        step_fail(op);
        return;
    }
    if (units->piece != NULL && strcmp(units->piece, sql) == 0) {
        err_set(&op->session->error, ERR_STATE, "it ended without an error and changed nothing: %s",
                sql);
        step_fail(op);
        return;
    }
    units->piece = sql;
    units->piece_waits = waits;
    units_run_alone(op, sql, units_deadline_ms(op), on_piece);
}

static void run_root(StepOp *op)
{
    const Probe *probe = units_run(op)->unit.probe;
    ShardSession *session = op->session;
    const char *name = pg_identifier(session->conn, session->arena, probe->name);
    if (name == NULL || probe->root_tail == NULL) {
        err_set(&session->error, ERR_SCRIPT,
                "an index on a partitioned table can't be written this way");
        err_hint(&session->error,
                 "CREATE INDEX ... ON ONLY it, CONCURRENTLY on each partition, then "
                 "ALTER INDEX ... ATTACH PARTITION.");
        step_fail(op);
        return;
    }
    run_piece(op,
              arena_printf(session->arena, "CREATE %sINDEX %s%s", probe->is_unique ? "UNIQUE " : "",
                           name, probe->root_tail),
              true);
}

static void tell(StepOp *op, uint64_t done, uint64_t total)
{
    const StepArgs *args = &step_item(op)->args;
    const UnitRun *run = units_run(op);
    Activity activity = {
        .kind = ACTIVITY_BUILD,
        .what = run->unit.what,
        .unit = (uint32_t)(units_of(op)->at - units_of(op)->orphan_count + 1),
        .unit_count = (uint32_t)units_of(op)->list.count,
        .done = done,
        .total = total,
        .percent = total == 0 ? 0 : (uint32_t)(done * 100 / total),
        .held_back = "",
    };
    activity.blocker.user = activity.blocker.application = activity.blocker.query_class = "";
    if (args->activity_cb != NULL)
        args->activity_cb(op->session, &activity, args->activity_data);
}

static void on_asked(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    ShardSession *session = op->session;
    if (reply->error != NULL) {
        units_fail_reply(op, reply, units_failed_setting(op, reply));
        return;
    }
    const PgResult *answer = &reply->results[reply->count - 2];
    if (pg_rows(answer) == 0) {
        run_root(op);
    } else if (!pg_is_null(answer, 0, PIECE_REFUSAL)) {
        err_set(&session->error, ERR_STATE, "%s", pg_text(answer, 0, PIECE_REFUSAL));
        step_fail(op);
    } else if (pg_is_null(answer, 0, PIECE_SQL)) {
        err_set(&session->error, ERR_STATE,
                "each partition has its index, and the whole is still not valid");
        step_fail(op);
    } else {
        tell(op, pg_u64(answer, 0, PIECE_DONE), pg_u64(answer, 0, PIECE_TOTAL));
        run_piece(op, arena_strdup(session->arena, pg_text(answer, 0, PIECE_SQL)),
                  pg_bool(answer, 0, PIECE_WAITS));
    }
}

static void ask(StepOp *op)
{
    ShardSession *session = op->session;
    const Probe *probe = units_run(op)->unit.probe;
    PgBatch batch = pg_batch(session->arena);
    pg_batch_add(&batch, "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY");
    units_add_author(op, &batch);
    const char *find[] = {pg_array_format(session->arena, &probe->relation), NULL};
    pg_batch_add_params(&batch, probe_find_sql, 2, find);
    pg_batch_add_params(&batch, shard_sql_leave_author, 0, NULL);
    pg_batch_add_params(&batch, probe_piece_sql, 1, &probe->name);
    pg_batch_add(&batch, "ROLLBACK");
    shard_send(session, &batch, on_asked, op);
}

static void refuse_orphan(StepOp *op)
{
    Error *err = &op->session->error;
    err_set(err, ERR_STATE,
            "an earlier attempt has begun it and it is no longer in the file; on a partitioned "
            "table what is there can't be dropped without locking all of it");
    err_hint(err, "Put the statement back, or drop the index yourself.");
    step_fail(op);
}

void units_build_pieces(StepOp *op)
{
    ShardUnits *units = units_of(op);
    if (units_run(op)->orphan)
        refuse_orphan(op);
    else if (!units->begun)
        step_open(op, units_note_begun);
    else
        ask(op);
}
