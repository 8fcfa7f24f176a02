/*
 * The body of a transactional step, in the transaction that shard_step.c opened and will commit:
 * author statements and what they put off (SET CONSTRAINTS ALL IMMEDIATE); +verify in a savepoint;
 * version rows; history row; SET CONSTRAINTS ALL IMMEDIATE; fence, rows and transaction id once
 * more. One batch an item; everything in its answers is checked before anything else is sent.
 *
 * An item after another in the same transaction finds what it would find in one of its own:
 * settings as the session has them, and its deferred constraints deferred, which SET CONSTRAINTS
 * ALL IMMEDIATE has ended for the one before.
 */
#include "shard_queries.h"
#include "shard_step.h"

#include <string.h>

/* --- the parts -------------------------------------------------------------------------------- */

void step_add_author_settings(StepOp *op, PgBatch *batch, FactsRun *run)
{
    ShardSession *session = op->session;
    const StepItem *item = step_item(op);
    const Script *script = item->script.script;
    session->strangers = session->strangers || op->prepares;
    uint64_t lock_ms = script->lock_timeout_ms >= 0 ? (uint64_t)script->lock_timeout_ms
                                                    : item->args.lock_timeout_ms;
    uint64_t statement_ms = script->statement_timeout_ms >= 0
                                ? (uint64_t)script->statement_timeout_ms
                                : item->args.statement_timeout_ms;
    const char *enter[] = {
        shard_script_path(session->arena, session->conn, &session->target, session->path),
        shard_ms_param(session, lock_ms),
        shard_ms_param(session, statement_ms),
    };
    *run = (FactsRun){.at_start = batch->count, .start_column = 5, .at_end = SIZE_MAX};
    run->sent_ms = uv_now(session->loop);
    step_add(op, batch, shard_sql_enter_author_mark, 3, enter);
}

void step_add_own_settings(StepOp *op, PgBatch *batch, FactsRun *run)
{
    pg_batch_add(batch, "RESET SESSION AUTHORIZATION");
    pg_batch_add(batch, "RESET ROLE");
    if (run->at_end == SIZE_MAX)
        run->at_end = batch->count;
    step_add(op, batch, shard_sql_leave_author_mark, 0, NULL);
}

void step_add_statements(PgBatch *batch, const StatementList *statements)
{
    for (size_t i = 0; i < statements->count; i++)
        shard_statement_add(batch, &statements->items[i]);
}

/* What an item that is not the first has instead of a preamble. */
static void add_succession(StepOp *op, PgBatch *batch)
{
    shard_discard_add(op->session, batch);
    shard_reset_add(op->session, batch);
    step_add_enter(op, step_item(op), batch);
    step_item(op)->at_fence = step_add_fence(op, step_item(op), batch);
    if (op->deferred != NULL)
        pg_batch_add(batch, op->deferred);
}

static void add_author(StepOp *op, PgBatch *batch)
{
    StepItem *item = step_item(op);
    step_add_author_settings(op, batch, &item->run);
    step_add_measured(op, batch, item->script.author, &item->run);
    /* What was put off until the end runs as the revision would have it: with its path and role. */
    pg_batch_add(batch, "SET CONSTRAINTS ALL IMMEDIATE");
    if (item->script.verify != NULL) {
        item->run.at_end = batch->count;
        step_add(op, batch, shard_sql_mark, 0, NULL);
        pg_batch_add(batch, "SAVEPOINT pgtide_verify");
        item->at_verify = batch->count;
        step_add_statements(batch, item->script.verify);
        pg_batch_add(batch, "ROLLBACK TO SAVEPOINT pgtide_verify");
    }
    step_add_own_settings(op, batch, &item->run);
}

static void add_version_rows(StepOp *op, PgBatch *batch)
{
    ShardSession *session = op->session;
    StepItem *item = step_item(op);
    if (item->gone.count == 1 && item->come.count == 1) {
        const char *move[] = {item->gone.items[0], item->come.items[0]};
        step_add(op, batch, shard_query(session, shard_sql_version_update), 2, move);
        item->at_gone = item->at_come = batch->count - 1;
        return;
    }
    if (item->gone.count > 0) {
        const char *gone = pg_array_format(session->arena, &item->gone);
        step_add(op, batch, shard_query(session, shard_sql_version_delete), 1, &gone);
        item->at_gone = batch->count - 1;
    }
    if (item->come.count > 0) {
        const char *come = pg_array_format(session->arena, &item->come);
        step_add(op, batch, shard_query(session, shard_sql_version_insert), 1, &come);
        item->at_come = batch->count - 1;
    }
}

static void add_history(StepOp *op, PgBatch *batch)
{
    ShardSession *session = op->session;
    StepItem *item = step_item(op);
    const Script *script = item->script.script;
    char digest[DIGEST_HEX_SIZE] = "";
    if (script != NULL)
        digest_hex(&script->source_sha256, digest);
    const char *params[] = {
        shard_schema(session),
        item->operation,
        item->args.rollout,
        shard_u64_param(session, item->args.generation),
        shard_u64_param(session, item->args.attempt),
        item->args.revision,
        item->direction,
        item->rows_before,
        item->rows_after,
        script == NULL ? NULL : arena_strdup(session->arena, digest),
        script == NULL ? NULL : script->token_digest,
        item->args.who,
        item->message,
    };
    step_add(op, batch, shard_sql_history_insert, 13, params);
    item->at_history = batch->count - 1;
}

void step_add_reassert(StepOp *op, PgBatch *batch)
{
    ShardSession *session = op->session;
    StepItem *item = step_item(op);
    const char *params[] = {shard_schema(session), item->operation,
                            shard_u64_param(session, op->items[0].args.fence),
                            shard_u64_param(session, op->items[0].args.epoch), op->fleet};
    step_add(op, batch, shard_query(session, shard_sql_reassert), 5, params);
    item->at_reassert = batch->count - 1;
}

bool step_reassert_holds(StepOp *op, const PgReply *reply, const StrList *rows)
{
    const PgResult *last = &reply->results[step_item(op)->at_reassert];
    StrList now = {0};
    return pg_u64(last, 0, 0) == 1 && shard_rows_parse(op->session, pg_text(last, 0, 1), &now) &&
           strlist_equal(&now, rows) && strcmp(pg_text(last, 0, 2), op->stand.xid) == 0;
}

/* --- answers ---------------------------------------------------------------------------------- */

/* The statement of `list`, sent from `at` on, that failed; NULL = none of them. */
static const Statement *find_failed(const StatementList *list, size_t at, size_t failed)
{
    bool is_one = list != NULL && failed >= at && failed < at + list->count;
    return is_one ? &list->items[failed - at] : NULL;
}

void step_describe(StepOp *op, const PgReply *reply, const Statement *statement)
{
    Error *err = &op->session->error;
    shard_reply_error(op->session, reply);
    if (!reply->lost && statement != NULL)
        shard_statement_place(err, step_item(op)->script.script->file, statement, reply);
    else if (!reply->lost && err->code == ERR_SQL)
        err_wrap(err, "after the revision's statements");
}

static void fail_body(StepOp *op, const PgReply *reply)
{
    const StepItem *item = step_item(op);
    const Statement *author = facts_run_statement(&item->run, reply->failed);
    const Statement *verify = find_failed(item->script.verify, item->at_verify, reply->failed);
    step_take_facts(op, reply, &item->run);
    step_describe(op, reply, author == NULL ? verify : author);
    Error *err = &op->session->error;
    if (verify != NULL && err->code == ERR_SQL)
        err->code = ERR_VERIFY;
    if (op->count > 1 && strcmp(err->sqlstate, "55P04") == 0)
        err_hint(err, "A new value of an enum can be used once it is committed: run these steps in "
                      "transactions of their own.");
    step_fail(op);
}

static bool counts_hold(const StepItem *item, const PgReply *reply)
{
    if (item->at_fence != SIZE_MAX && pg_affected(&reply->results[item->at_fence]) != 1)
        return false;
    if (item->gone.count > 0 && pg_affected(&reply->results[item->at_gone]) != item->gone.count)
        return false;
    if (item->come.count > 0 && pg_affected(&reply->results[item->at_come]) != item->come.count)
        return false;
    return pg_affected(&reply->results[item->at_history]) == 1;
}

static bool verify_is_false(const StepItem *item, const PgReply *reply)
{
    bool was_sent = item->script.verify != NULL && item->at_verify != SIZE_MAX;
    size_t count = was_sent ? item->script.verify->count : 0;
    return count > 0 && pg_is_false(&reply->results[item->at_verify + count - 1]);
}

static ErrCode check_body(StepOp *op, const PgReply *reply)
{
    const StepItem *item = step_item(op);
    Error *err = &op->session->error;
    if (verify_is_false(item, reply)) {
        const StatementList *verify = item->script.verify;
        err_set(err, ERR_VERIFY, "the +verify section says false");
        statement_place_error(err, item->script.script->file, &verify->items[verify->count - 1], 0);
    } else if (!counts_hold(item, reply) ||
               !step_reassert_holds(op, reply, &item->args.rows_after)) {
        err_set(err, ERR_SQL, "the revision moved the version rows or left its transaction itself");
        err_hint(err, "Remove what writes alembic_version or schema pgtide.");
    } else if (op->session->cancelled) {
        err_set(err, ERR_INTERRUPTED, "interrupted; the transaction was rolled back");
    }
    return err->code;
}

static void take_deferred(StepOp *op, const PgReply *reply)
{
    size_t at = step_item(op)->at_deferred;
    const char *names = at == SIZE_MAX ? "" : pg_text(&reply->results[at], 0, 0);
    op->deferred = *names == '\0'
                       ? NULL
                       : arena_printf(op->session->arena, "SET CONSTRAINTS %s DEFERRED", names);
}

static void go_on(StepOp *op)
{
    if (op->done < op->count)
        step_body_if_needed(op);
    else if (op->rehearse)
        step_fail(op); /* without an error: all of it would have been committed */
    else
        step_commit(op, step_read_after);
}

static void on_item_done(StepOp *op)
{
    op->done++;
    go_on(op);
}

static void on_body(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    if (step_reopen(op, reply))
        return;
    if (reply->error != NULL) {
        fail_body(op, reply);
    } else if (check_body(op, reply) != ERR_OK) {
        step_fail(op);
    } else {
        take_deferred(op, reply);
        step_take_facts(op, reply, &step_item(op)->run);
        step_keep_facts(op, on_item_done);
    }
}

/* --- sending ---------------------------------------------------------------------------------- */

static void send_body(StepOp *op, bool with_author)
{
    PgBatch batch = pg_batch(op->session->arena);
    StepItem *item = step_item(op);
    item->run = (FactsRun){0};
    item->at_verify = item->at_fence = item->at_deferred = SIZE_MAX;
    if (op->done > 0)
        add_succession(op, &batch);
    if (with_author)
        add_author(op, &batch);
    add_version_rows(op, &batch);
    add_history(op, &batch);
    pg_batch_add(&batch, "SET CONSTRAINTS ALL IMMEDIATE");
    step_add_reassert(op, &batch);
    if (op->done + 1 < op->count) {
        item->at_deferred = batch.count;
        pg_batch_add(&batch, shard_sql_deferred);
    }
    shard_send(op->session, &batch, on_body, op);
}

void step_body(StepOp *op)
{
    send_body(op, true);
}

void step_record(StepOp *op)
{
    send_body(op, false);
}
