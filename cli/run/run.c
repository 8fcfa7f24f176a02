/*
 * One database: connection, operations, interruption, and finding out what became of a step whose
 * connection was lost.
 */
#include "run.h"
#include "run_frame.h"
#include "run_hooks.h"

#include "backoff.h"
#include "digest.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    PROBE_ATTEMPTS = 6,
    PROBE_LOCK_TIMEOUT_MS = 5000,
    PROBE_PAUSE_MS = 200,
    PROBE_PAUSE_MS_MAX = 2000,
};

static void open_session(Run *run, ShardOpenCb *cb);
static void probe_connect(Run *run);
static void probe_give_up(Run *run);

/* --- life ------------------------------------------------------------------------------------- */

static void on_timer_closed(uv_handle_t *timer)
{
    Run *run = timer->data;
    arena_free(run->arena);
    free(run);
}

void run_end(Run *run)
{
    run->phase = RUN_OVER;
    if (run->error.code != ERR_OK)
        run->outcome = run_outcome_of(run->error.code);
    else if (run->has_failed_hook)
        run->outcome = RUN_FAILED;
    else if (run->outcome == RUN_NOT_STARTED)
        run->outcome = RUN_DONE;
    run_report_ended(run);
    shard_close(run->session);
    run->session = NULL;
    uv_close((uv_handle_t *)&run->timer, on_timer_closed);
    run_frame_ended(run);
}

void run_fail(Run *run, const Error *err)
{
    if (err != &run->error)
        run->error = *err;
    run->phase = RUN_IDLE;
    RunNext *failed = run->failed;
    run->failed = NULL;
    if (failed != NULL)
        failed(run);
    else
        run_end(run);
}

bool run_may_go_on(Run *run)
{
    if (run->frame->signals == 0)
        return true;
    Error err;
    err_set(&err, ERR_INTERRUPTED, "interrupted; nothing more was started");
    run_fail(run, &err);
    return false;
}

static void go_on(Run *run)
{
    RunNext *next = run->next;
    run->next = NULL;
    run->phase = RUN_IDLE;
    next(run);
}

/* What every operation's answer comes to. */
static void settle(Run *run, const Error *err)
{
    if (err != NULL)
        run_fail(run, err);
    else
        go_on(run);
}

static void on_notice(ShardSession *session, const char *severity, const char *message, void *data)
{
    (void)session;
    Run *run = data;
    run_note(run, "%s%s%s: %s", run->doing == NULL ? "" : run->doing,
             run->doing == NULL ? "" : ": ", severity, message);
}

static void open_session(Run *run, ShardOpenCb *cb)
{
    const RunSettings *settings = &run->frame->settings;
    const ShardTarget target = {
        .conninfo = run->entry->conninfo,
        .conninfo_count = run->entry->conninfo_count,
        .schema = run->entry->schema,
        .shared_schemas = settings->shared_schemas,
        .application_name = settings->application_name,
    };
    run->session = shard_open(&run->frame->loop, &target, cb, run);
    shard_on_notice(run->session, on_notice, run);
}

static void on_open(ShardSession *session, const Error *err, void *data)
{
    (void)session;
    settle(data, err);
}

Run *run_start(RunFrame *frame, const UrlEntry *entry)
{
    Run *run = xcalloc(1, sizeof *run);
    run->frame = frame;
    run->entry = entry;
    run->arena = arena_new();
    uv_timer_init(&frame->loop, &run->timer);
    run->timer.data = run;
    run->started_ms = uv_now(&frame->loop);
    run->random = uv_hrtime();
    run->phase = RUN_CONNECTING;
    run->next = frame->work->begin;
    open_session(run, on_open);
    return run;
}

/* --- interruption ----------------------------------------------------------------------------- */

static void drop_session(Run *run)
{
    shard_close(run->session);
    run->session = NULL;
}

/* A second signal while the server has not answered. */
static void give_up(Run *run)
{
    Error err;
    const RunInFlight *flight = &run->in_flight;
    bool was_stepping = run->phase == RUN_STEPPING;
    bool is_certain =
        !was_stepping || (flight->transactional && !shard_has_sent_commit(run->session));
    run->frame->given_up = true;
    drop_session(run);
    if (!is_certain) {
        run->rows_known = false;
        err_set(&err, ERR_UNKNOWN,
                "gave up waiting for the server: whether %s happened is not known",
                flight->revision);
    } else if (was_stepping) {
        err_set(&err, ERR_INTERRUPTED,
                "gave up waiting for the server: it was not told to commit %s, and rolls it back",
                flight->revision);
    } else {
        err_set(&err, ERR_INTERRUPTED, "gave up waiting for the server");
    }
    run_fail(run, &err);
}

void run_interrupt(Run *run)
{
    bool again = run->frame->signals > 1;
    Error err;
    switch (run->phase) {
    case RUN_CONNECTING:
        drop_session(run);
        err_set(&err, ERR_INTERRUPTED, "interrupted; nothing was started");
        run_fail(run, &err);
        return;
    case RUN_ASKING:
    case RUN_STEPPING:
        if (again)
            give_up(run);
        else if (!shard_stop_soon(run->session)) /* a backfill ends with its batch */
            shard_cancel(run->session);
        return;
    case RUN_WAITING:
        run_retry_interrupt(run);
        return;
    case RUN_COMMANDING:
        run_hooks_interrupt(run);
        return;
    case RUN_PROBING:
        probe_give_up(run);
        return;
    case RUN_IDLE:
    case RUN_OVER:
        return;
    }
}

/* --- reading and claiming --------------------------------------------------------------------- */

static void on_read(ShardSession *session, const DatabaseReading *reading, const Error *err,
                    void *data)
{
    (void)session;
    Run *run = data;
    run->reading = reading;
    if (reading != NULL) {
        run->rows = strlist_copy(run->arena, &reading->shards[0].rows);
        run->rows_known = !reading->shards[0].rows_unread;
    }
    settle(run, err);
}

void run_read(Run *run, const ReadArgs *args, RunNext *next)
{
    if (!run_may_go_on(run))
        return;
    run->phase = RUN_ASKING;
    run->next = next;
    shard_read(run->session, args, on_read, run);
}

static void take_claim(Run *run, const ClaimResult *claim)
{
    run->claim = claim;
    run->fence = claim->fence;
    run->epoch = claim->epoch;
    run->fleet_id = claim->fleet_id;
    run->rows = strlist_copy(run->arena, &claim->rows);
    run->rows_known = true;
    run->has_ahead = false;
}

static void on_claim(ShardSession *session, const ClaimResult *claim, const Error *err, void *data)
{
    (void)session;
    Run *run = data;
    if (claim != NULL) {
        take_claim(run, claim);
        if (claim->moved_outside)
            run_note(run, "another tool moved this shard since pgtide last did; it is at %s",
                     run_rows_text(run->arena, &run->rows));
        if (claim->widened_from != 0)
            run_note(run, "%s.alembic_version held ids of %u characters; it is wider now",
                     claim->version_schema, claim->widened_from);
    }
    settle(run, err);
}

void run_claim(Run *run, uint32_t id_width, RunNext *next)
{
    if (!run_may_go_on(run))
        return;
    const RunSettings *settings = &run->frame->settings;
    const ClaimArgs args = {
        .who = settings->who,
        .adopt = true,
        .unmanaged_reason = settings->unmanaged_reason,
        .lock_timeout_ms = settings->lock_timeout_ms,
        .run_lock_wait_ms = settings->wait_ms,
        .id_width = id_width,
        .rehearse = settings->dry_run,
    };
    run->phase = RUN_ASKING;
    run->next = next;
    run->doing = "waiting for other runs";
    shard_claim(run->session, &args, on_claim, run);
}

static void on_sql(ShardSession *session, const ShardSqlResult *result, const Error *err,
                   void *data)
{
    Run *run = data;
    (void)session;
    run->sql = result;
    settle(run, err);
}

void run_sql(Run *run, const ShardSqlArgs *args, RunNext *next)
{
    run->phase = RUN_ASKING;
    run->next = next;
    shard_run_sql(run->session, args, on_sql, run);
}

/* --- a lost connection ------------------------------------------------------------------------ */

/* Whether the operation has succeeded, in the history just claimed. */
static bool history_has(const ClaimResult *claim, const OperationId *operation)
{
    for (size_t i = 0; i < claim->history_count; i++) {
        const HistoryEntry *entry = &claim->history[i];
        if (entry->has_operation && strcmp(entry->outcome, "succeeded") == 0 &&
            memcmp(&entry->operation, operation, sizeof *operation) == 0)
            return true;
    }
    return false;
}

static void probe_give_up(Run *run)
{
    uv_timer_stop(&run->timer);
    drop_session(run);
    err_wrap(&run->error, "%s", run->in_flight.revision);
    run_fail(run, &run->error);
}

static void on_probe_timer(uv_timer_t *timer)
{
    probe_connect(timer->data);
}

static void probe_again(Run *run)
{
    RunInFlight *flight = &run->in_flight;
    if (++flight->attempts >= PROBE_ATTEMPTS || run->frame->signals > 0) {
        probe_give_up(run);
        return;
    }
    uint64_t pause_ms =
        backoff_ms(PROBE_PAUSE_MS, PROBE_PAUSE_MS_MAX, flight->attempts, &run->random);
    uv_timer_start(&run->timer, on_probe_timer, pause_ms, 0);
}

static void on_probe_claim(ShardSession *session, const ClaimResult *claim, const Error *err,
                           void *data)
{
    (void)session;
    Run *run = data;
    RunInFlight *flight = &run->in_flight;
    if (err != NULL) {
        probe_again(run);
        return;
    }
    take_claim(run, claim);
    if (history_has(claim, &flight->operation) && strlist_equal(&run->rows, &flight->rows_after)) {
        err_clear(&run->error);
        go_on(run);
        return;
    }
    err_set(&run->error, ERR_CONNECT, "connection lost; the step did not happen");
    err_hint(&run->error, "Run the same command again.");
    run_fail(run, &run->error);
}

static void on_probe_open(ShardSession *session, const Error *err, void *data)
{
    Run *run = data;
    if (err != NULL) {
        probe_again(run);
        return;
    }
    const RunSettings *settings = &run->frame->settings;
    const ClaimArgs args = {
        .who = settings->who,
        .unmanaged_reason = settings->unmanaged_reason,
        .orphan = run->in_flight.backend,
        .lock_timeout_ms = PROBE_LOCK_TIMEOUT_MS,
        .run_lock_wait_ms =
            settings->wait_ms > PROBE_LOCK_TIMEOUT_MS ? settings->wait_ms : PROBE_LOCK_TIMEOUT_MS,
    };
    shard_claim(session, &args, on_probe_claim, run);
}

static void probe_connect(Run *run)
{
    shard_close(run->session);
    open_session(run, on_probe_open);
}

/* The connection is gone: claims the shard anew to learn what happened. */
static void probe(Run *run, const Error *err)
{
    run->error = *err;
    run->phase = RUN_PROBING;
    run->in_flight.attempts = 0;
    run->rows_known = false;
    if (run->frame->signals > 0)
        probe_give_up(run);
    else
        probe_connect(run);
}

/* --- steps ------------------------------------------------------------------------------------ */

static void step_ended(Run *run, const StepResult *result, const Error *err)
{
    run->step = *result;
    run->activity[0] = '\0';
    run->has_ahead = run->has_ahead && err == NULL;
    if (err != NULL && !shard_is_alive(run->session)) {
        probe(run, err);
        return;
    }
    if (err == NULL) {
        run->rows = run->in_flight.rows_after;
        run->rows_known = true;
    } else if (err->code == ERR_UNKNOWN || err->code == ERR_DIVERGED ||
               err->code == ERR_OVERTAKEN) {
        run->rows_known = false;
    }
    if (err == NULL || !run_retry_later(run, err))
        settle(run, err);
}

static void on_step(ShardSession *session, const StepResult *result, const Error *err, void *data)
{
    (void)session;
    Run *run = data;
    run->steps_done = err == NULL ? 1 : 0;
    step_ended(run, result, err);
}

static void on_steps(ShardSession *session, const StepResult *result, size_t done, const Error *err,
                     void *data)
{
    (void)session;
    Run *run = data;
    run->steps_done = done;
    step_ended(run, result, err);
}

static void on_rehearsed(ShardSession *session, const StepResult *result, size_t done,
                         const Error *err, void *data)
{
    (void)session;
    Run *run = data;
    run->step = *result;
    run->steps_done = done;
    settle(run, err);
}

static void on_unit(ShardSession *session, const UnitProgress *progress, void *data)
{
    (void)session;
    Run *run = data;
    bool ended = progress->is_backfill && strcmp(progress->state, "done") == 0;
    if (ended)
        run_keep_backfill(run, progress);
    if (run->frame->many)
        return;
    AUTO_STR Str counts = {0};
    if (ended)
        str_printf(&counts, ", %" PRIu64 " rows in %" PRIu64 " batches", progress->rows,
                   progress->batches);
    run_say(run, "  %s %u of %u: %s %s%s", run->in_flight.revision, progress->unit, progress->count,
            progress->what, progress->state, str_text(&counts));
}

static void on_activity(ShardSession *session, const Activity *activity, void *data)
{
    (void)session;
    run_report_activity(data, activity);
}

static OperationId new_operation(void)
{
    OperationId operation;
    Uuid random = uuid_random();
    memcpy(operation.bytes, random.bytes, sizeof operation.bytes);
    return operation;
}

static StepArgs step_args(Run *run, const GraphStep *step)
{
    const RunSettings *settings = &run->frame->settings;
    return (StepArgs){
        .operation = new_operation(),
        .revision = step->revision,
        .direction = step->direction,
        .script = step->script,
        .rows_before = step->rows_before,
        .rows_after = step->rows_after,
        .fence = run->fence,
        .epoch = run->epoch,
        .fleet_id = run->fleet_id,
        .who = settings->who,
        .attempt = run->again.tries + 1,
        .lock_timeout_ms = settings->lock_timeout_ms,
        .lock_budget_ms = settings->lock_budget_ms,
        .run_verify = true,
        .message = settings->tag,
        .unit_cb = on_unit,
        .unit_data = run,
        .activity_cb = on_activity,
        .activity_data = run,
        .backfill = &run->frame->project.backfill,
        .paces = run->frame->paces,
    };
}

static void set_in_flight(Run *run, const char *revision, bool transactional,
                          const OperationId *operation, const StrList *rows_after)
{
    run->phase = RUN_STEPPING;
    run->activity_said_ms = uv_now(&run->frame->loop);
    run->in_flight = (RunInFlight){
        .revision = revision,
        .transactional = transactional,
        .operation = *operation,
        .rows_after = *rows_after,
        .backend = shard_backend(run->session),
    };
}

static void begin_step(Run *run)
{
    if (!run_may_go_on(run))
        return;
    const GraphStep *step = run->again.steps;
    const GraphStep *then = run->again.then;
    StepArgs args = run->has_ahead ? run->ahead : step_args(run, step);
    run->has_ahead = then != NULL;
    if (then != NULL) {
        run->ahead = step_args(run, then);
        args.then = &run->ahead;
    }
    set_in_flight(run, step->revision, step->script->transactional, &args.operation,
                  &step->rows_after);
    run->doing = arena_printf(run->arena, "%s %s", direction_name(step->direction), step->revision);
    shard_step(run->session, &args, on_step, run);
}

void run_step(Run *run, const GraphStep *step, const GraphStep *then, RunNext *next)
{
    run->next = next;
    run->again = (RunAgain){.begin = begin_step, .steps = step, .count = 1, .then = then};
    begin_step(run);
}

static void send_steps(Run *run, bool rehearse)
{
    const GraphStep *steps = run->again.steps;
    size_t count = run->again.count;
    StepArgs *items = ARENA_ARRAY(run->arena, StepArgs, count);
    for (size_t i = 0; i < count; i++)
        items[i] = step_args(run, &steps[i]);
    const GraphStep *last = &steps[count - 1];
    set_in_flight(run, last->revision, last->script->transactional, &items[count - 1].operation,
                  &last->rows_after);
    run->doing = arena_printf(run->arena, "%s %s", direction_name(last->direction), last->revision);
    const StepsArgs args = {.items = items, .count = count, .rehearse = rehearse};
    shard_steps(run->session, &args, rehearse ? on_rehearsed : on_steps, run);
}

static void begin_steps(Run *run)
{
    if (run_may_go_on(run))
        send_steps(run, false);
}

void run_steps(Run *run, const GraphStep *steps, size_t count, bool rehearse, RunNext *next)
{
    if (count == 1 && !rehearse) {
        run_step(run, steps, NULL, next);
        return;
    }
    run->next = next;
    run->again = (RunAgain){.begin = begin_steps, .steps = steps, .count = count};
    if (run_may_go_on(run))
        send_steps(run, rehearse);
}

static void begin_stamp(Run *run)
{
    if (!run_may_go_on(run))
        return;
    const RunSettings *settings = &run->frame->settings;
    const StampArgs args = {
        .operation = new_operation(),
        .rows_before = *run->again.before,
        .rows_after = *run->again.after,
        .fence = run->fence,
        .epoch = run->epoch,
        .fleet_id = run->fleet_id,
        .who = settings->who,
        .message = settings->tag != NULL ? settings->tag : settings->unmanaged_reason,
        .lock_timeout_ms = settings->lock_timeout_ms,
    };
    set_in_flight(run, "the stamp", true, &args.operation, run->again.after);
    run->doing = "stamp";
    shard_stamp(run->session, &args, on_step, run);
}

void run_stamp(Run *run, const StrList *before, const StrList *after, RunNext *next)
{
    run->next = next;
    run->again = (RunAgain){.begin = begin_stamp, .before = before, .after = after};
    begin_stamp(run);
}

/* --- getters ---------------------------------------------------------------------------------- */

CommandContext *run_context(const Run *run)
{
    return run->frame->context;
}

void *run_shared(const Run *run)
{
    return run->frame->work->shared;
}

const RunSettings *run_settings(const Run *run)
{
    return &run->frame->settings;
}

RevisionMap *run_map(const Run *run)
{
    return run->frame->map;
}

const Project *run_project(const Run *run)
{
    return run->frame->map == NULL ? NULL : &run->frame->project;
}

bool run_is_one_of_many(const Run *run)
{
    return run->frame->many;
}

const char *run_rows_text(Arena *arena, const StrList *rows)
{
    return rows->count == 0 ? "base" : strlist_join(arena, rows, ", ");
}
