#include "ensure.h"

#include <stdlib.h>
#include <string.h>

enum {
    ENSURE_ATTEMPTS = 5,
    ENSURE_LOCK_TIMEOUT_MS = 500,
    ENSURE_PAUSE_MS = 250, /* doubled after each attempt */
    ENSURE_QUESTION_DEADLINE_MS = 30000,
};

struct Ensure {
    Arena *arena;
    EnsureArgs args;
    ShardSession *session; /* borrows */
    uv_timer_t *pause;     /* its own allocation: it outlives us until the loop has closed it */
    EnsureCb *cb;
    void *data;
    StatementList question;
    StatementList one; /* the statement in hand, as a list */
    SafeAnswer answer;
    EnsureState *states;
    size_t at; /* the statement in hand */
    uint32_t attempt;
    EnsureResult result;
    Error error;
};

/* --- the end ---------------------------------------------------------------------------------- */

static void finish(Ensure *ensure, const Error *err)
{
    EnsureResult *result = &ensure->result;
    result->states = ensure->states;
    for (size_t i = 0; i < ensure->args.safe->count; i++) {
        result->present += ensure->states[i] == ENSURE_PRESENT;
        result->missing += ensure->states[i] == ENSURE_MISSING;
        result->done += ensure->states[i] == ENSURE_DONE;
        result->ran += ensure->states[i] == ENSURE_RAN;
    }
    ensure->cb(ensure, result, err, ensure->data);
}

static void fail(Ensure *ensure)
{
    finish(ensure, &ensure->error);
}

static void fail_statement(Ensure *ensure)
{
    ensure->states[ensure->at] = ENSURE_FAILED;
    fail(ensure);
}

static bool is_stopped(const Ensure *ensure)
{
    return ensure->args.stop != NULL && *ensure->args.stop != 0;
}

/* --- running what is missing ------------------------------------------------------------------ */

static const SafeStatement *in_hand(const Ensure *ensure)
{
    return &ensure->args.safe->items[ensure->at];
}

static void run_next(Ensure *ensure);

static void on_blockers(ShardSession *session, const ShardSqlResult *result, const Error *err,
                        void *data)
{
    (void)session;
    Ensure *ensure = data;
    if (err == NULL && result->row_count == 1 && result->values[0] != NULL)
        err_detail(&ensure->error, "%s", result->values[0]);
    fail_statement(ensure);
}

/* No attempt is left: says who holds the relation. */
static void ask_who_blocks(Ensure *ensure)
{
    const SafeStatement *safe = in_hand(ensure);
    if (safe->relation[0] == '\0' || !shard_is_alive(ensure->session)) {
        fail_statement(ensure);
        return;
    }
    ensure->question = safe_blockers(ensure->arena, safe);
    ShardSqlArgs args = {.statements = &ensure->question,
                         .file = safe->file,
                         .read_only = true,
                         .deadline_ms = ENSURE_QUESTION_DEADLINE_MS};
    shard_run_sql(ensure->session, &args, on_blockers, ensure);
}

/* Several instances of an application start at once: what another one just made shows itself as
 * one of these, and is there when we look again. */
static bool is_lost_race(const Error *err)
{
    static const char *const states[] = {"23505", "42P07", "42P06", "42710", "42701", "42723"};
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        if (strcmp(err->sqlstate, states[i]) == 0)
            return true;
    }
    return strcmp(err->sqlstate, "XX000") == 0 && strstr(err->message, "concurrently") != NULL;
}

static void run_statement(Ensure *ensure);

static void on_pause_over(uv_timer_t *timer)
{
    run_statement(timer->data);
}

static void on_ran(ShardSession *session, const ShardSqlResult *result, const Error *err,
                   void *data)
{
    (void)session;
    (void)result;
    Ensure *ensure = data;
    if (err == NULL) {
        bool asked = ensure->answer.states[ensure->at] == SAFE_MISSING;
        ensure->states[ensure->at] = asked ? ENSURE_DONE : ENSURE_RAN;
        ensure->at++;
        run_next(ensure);
        return;
    }
    ensure->error = *err;
    bool locked = err->code == ERR_LOCK_TIMEOUT || err->code == ERR_BUSY;
    bool raced = is_lost_race(err) && ensure->answer.states[ensure->at] == SAFE_MISSING;
    bool again = ensure->attempt < ensure->args.attempts && (locked || raced);
    if (again && !is_stopped(ensure) && shard_is_alive(ensure->session)) {
        uint64_t pause = (uint64_t)ENSURE_PAUSE_MS << (ensure->attempt - 1);
        ensure->result.retries++;
        uv_timer_start(ensure->pause, on_pause_over, raced ? 0 : pause, 0);
        return;
    }
    if (ensure->error.line == 0)
        err_at(&ensure->error, in_hand(ensure)->file, in_hand(ensure)->statement->line);
    if (err->code == ERR_LOCK_TIMEOUT && !is_stopped(ensure))
        ask_who_blocks(ensure);
    else
        fail_statement(ensure);
}

static void run_statement(Ensure *ensure)
{
    if (is_stopped(ensure)) {
        err_set(&ensure->error, ERR_INTERRUPTED, "interrupted; nothing more was started");
        fail(ensure);
        return;
    }
    const SafeStatement *safe = in_hand(ensure);
    ensure->attempt++;
    ensure->one = (StatementList){(Statement *)(uintptr_t)safe->statement, 1};
    ShardSqlArgs args = {.statements = &ensure->one,
                         .file = safe->file,
                         .lock_timeout_ms = ensure->args.lock_timeout_ms};
    shard_run_sql(ensure->session, &args, on_ran, ensure);
}

/* From `at` on: the next statement that is to be run. */
static void run_next(Ensure *ensure)
{
    const SafeState *states = ensure->answer.states;
    while (ensure->at < ensure->args.safe->count && states[ensure->at] == SAFE_PRESENT)
        ensure->at++;
    ensure->attempt = 0;
    if (ensure->at == ensure->args.safe->count)
        finish(ensure, NULL);
    else
        run_statement(ensure);
}

/* --- asking ----------------------------------------------------------------------------------- */

static ErrCode check_answer(Ensure *ensure)
{
    const SafeList *safe = ensure->args.safe;
    Error *err = &ensure->error;
    if (!ensure->answer.has_schema)
        return err_set(err, ERR_NOT_FOUND, "no schema %.200s in this database",
                       ensure->args.schema);
    for (size_t i = 0; i < safe->count; i++) {
        if (ensure->answer.states[i] != SAFE_INVALID)
            continue;
        ensure->states[i] = ENSURE_FAILED;
        err_set(err, ERR_STATE, "%s is there, but INVALID: queries do not use it",
                safe->items[i].what);
        err_at(err, safe->items[i].file, safe->items[i].statement->line);
        err_hint(err, "Drop it with DROP INDEX CONCURRENTLY and run this again.");
        return ERR_STATE;
    }
    if (ensure->answer.in_recovery && ensure->answer.missing > 0 && !ensure->args.check_only) {
        err_set(err, ERR_STATE, "%zu safe statement%s to run, but the server is a standby",
                ensure->answer.missing, ensure->answer.missing == 1 ? "" : "s");
        err_hint(err, "Run this on the primary; its changes reach the standby.");
        return ERR_STATE;
    }
    return ERR_OK;
}

static void note_states(Ensure *ensure)
{
    for (size_t i = 0; i < ensure->args.safe->count; i++) {
        if (ensure->answer.states[i] == SAFE_PRESENT)
            ensure->states[i] = ENSURE_PRESENT;
        else if (ensure->answer.states[i] == SAFE_MISSING && ensure->args.check_only)
            ensure->states[i] = ENSURE_MISSING;
    }
}

static void on_answer(ShardSession *session, const ShardSqlResult *result, const Error *err,
                      void *data)
{
    (void)session;
    Ensure *ensure = data;
    if (err != NULL) {
        ensure->error = *err;
        err_wrap(&ensure->error, "asking what is missing");
        fail(ensure);
        return;
    }
    if (!safe_answer_read(ensure->arena, ensure->args.safe, result->values, result->row_count,
                          result->column_count, &ensure->answer)) {
        err_set(&ensure->error, ERR_INTERNAL, "the catalogs answered something else than asked");
        fail(ensure);
        return;
    }
    ensure->result.asked = true;
    note_states(ensure);
    bool standby = ensure->answer.in_recovery;
    if (check_answer(ensure) != ERR_OK)
        fail(ensure);
    else if (ensure->args.check_only || standby)
        finish(ensure, NULL);
    else
        run_next(ensure);
}

/* --- life ------------------------------------------------------------------------------------- */

Ensure *ensure_start(uv_loop_t *loop, ShardSession *session, const EnsureArgs *args, EnsureCb *cb,
                     void *data)
{
    Ensure *ensure = xcalloc(1, sizeof *ensure);
    ensure->arena = arena_new();
    ensure->args = *args;
    if (ensure->args.attempts == 0)
        ensure->args.attempts = ENSURE_ATTEMPTS;
    if (ensure->args.lock_timeout_ms == 0)
        ensure->args.lock_timeout_ms = ENSURE_LOCK_TIMEOUT_MS;
    if (ensure->args.schema == NULL)
        ensure->args.schema = "";
    ensure->session = session;
    ensure->cb = cb;
    ensure->data = data;
    ensure->states = ARENA_ARRAY(ensure->arena, EnsureState, args->safe->count);
    ensure->pause = xcalloc(1, sizeof *ensure->pause);
    uv_timer_init(loop, ensure->pause);
    ensure->pause->data = ensure;
    ensure->question = safe_question(ensure->arena, args->safe, ensure->args.schema);
    ShardSqlArgs question = {.statements = &ensure->question,
                             .file = "",
                             .read_only = true,
                             .all_rows = true,
                             .deadline_ms = ENSURE_QUESTION_DEADLINE_MS};
    shard_run_sql(session, &question, on_answer, ensure);
    return ensure;
}

static void on_pause_closed(uv_handle_t *handle)
{
    free(handle);
}

void ensure_free(Ensure *ensure)
{
    if (ensure == NULL)
        return;
    uv_close((uv_handle_t *)ensure->pause, on_pause_closed);
    arena_free(ensure->arena);
    free(ensure);
}
