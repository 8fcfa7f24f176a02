#include "job.h"

#include "backoff.h"
#include "invariant.h"
#include "job_position.h"
#include "job_state.h"

#include <stdlib.h>
#include <string.h>

static StrList copy_rows(Arena *arena, const StrList *rows)
{
    return strlist_copy(arena, rows);
}

static JobStep *copy_steps(Arena *arena, const JobStep *steps, size_t count)
{
    JobStep *copy = ARENA_ARRAY(arena, JobStep, count + 1);
    for (size_t i = 0; i < count; i++)
        copy[i] = (JobStep){
            .revision = arena_strdup(arena, steps[i].revision),
            .rows_before = copy_rows(arena, &steps[i].rows_before),
            .rows_after = copy_rows(arena, &steps[i].rows_after),
        };
    return copy;
}

Job *job_new(const JobSpec *spec)
{
    Job *job = xcalloc(1, sizeof(*job));
    job->arena = arena_new();
    job->claim_arena = arena_new();
    job->spec = *spec;
    job->spec.plan_rows_before = copy_rows(job->arena, &spec->plan_rows_before);
    job->spec.plan_rows_after = copy_rows(job->arena, &spec->plan_rows_after);
    job->spec.steps = copy_steps(job->arena, spec->steps, spec->step_count);
    job->spec.backup.path =
        arena_strdup(job->arena, spec->backup.path == NULL ? "" : spec->backup.path);
    if (job->spec.lock_attempts == 0)
        job->spec.lock_attempts = 1;
    if (job->spec.connect_attempts == 0)
        job->spec.connect_attempts = JOB_CONNECT_ATTEMPTS;
    if (spec->kind == JOB_FORWARD) {
        job->steps = copy_steps(job->claim_arena, spec->steps, spec->step_count);
        job->step_count = spec->step_count;
    }
    job->state = JOB_IDLE;
    job->phase = PHASE_ACCEPTED;
    job->in_doubt = spec->in_doubt;
    job->ledger_open = spec->in_doubt;
    job->left_behind = spec->in_doubt;
    job->has_backup = spec->has_backup;
    job->backup = job->spec.backup;
    job->random = spec->seed ^ UINT64_C(0x9e3779b97f4a7c15);
    return job;
}

void job_free(Job *job)
{
    if (job == NULL)
        return;
    arena_free(job->arena);
    arena_free(job->claim_arena);
    free(job);
}

/* --- effects ---------------------------------------------------------------------------------- */

static JobEffect *add(JobEffects *effects, JobEffectKind kind)
{
    if (effects->count == effects->capacity) {
        size_t grown = effects->capacity == 0 ? 8 : effects->capacity * 2;
        effects->items = arena_grow(effects->arena, effects->items, effects->count, grown,
                                    sizeof(*effects->items));
        effects->capacity = grown;
    }
    JobEffect *effect = &effects->items[effects->count++];
    *effect = (JobEffect){.kind = kind};
    return effect;
}

static void add_report(const Job *job, uint64_t now_ms, JobEffects *effects)
{
    JobReport *report = ARENA_NEW(effects->arena, JobReport);
    job_report(job, now_ms, report);
    add(effects, JOB_EFFECT_REPORT)->report = report;
}

static void close_session(Job *job, JobEffects *effects)
{
    if (job->has_session)
        add(effects, JOB_EFFECT_CLOSE);
    job->has_session = false;
}

static void keep_rows(Job *job, const StrList *rows)
{
    if (rows != NULL && !strlist_equal(rows, &job->rows))
        job->rows = copy_rows(job->arena, rows);
}

static void keep_failure(Job *job, const JobFailure *failed)
{
    if (failed->error != NULL)
        job->failure = *failed->error;
    if (failed->error == NULL || failed->error->code == ERR_OK)
        err_set(&job->failure, ERR_INTERNAL, "a failure without an error");
    keep_rows(job, failed->rows);
}

/* --- moves ------------------------------------------------------------------------------------ */

/* `doing` is what a job does there; while in doubt all it does is to read. */
static void move(Job *job, JobState state, JobPhase doing)
{
    INVARIANT(I30, job->state != JOB_DONE);
    job->state = state;
    job->phase = job->in_doubt && !job->confirming ? PHASE_PROBING : doing;
}

static void finish(Job *job, const JobEvent *event, JobEffects *effects, JobOutcome outcome)
{
    INVARIANT(I31, !job->in_doubt);
    if (job->spec.kind == JOB_TAKE_BACK && outcome == OUTCOME_FAILED)
        outcome = OUTCOME_ROLLBACK_FAILED;
    close_session(job, effects);
    if (job->ledger_open && !job->left_behind) {
        add(effects, JOB_EFFECT_LEDGER_CLOSED);
        job->ledger_open = false;
    }
    if (outcome == OUTCOME_SUCCEEDED || outcome == OUTCOME_STOPPED)
        err_clear(&job->failure);
    move(job, JOB_DONE, PHASE_DONE);
    job->outcome = outcome;
    job->ended_ms = event->now_ms;
    add_report(job, event->now_ms, effects);
}

static void finish_with(Job *job, const JobEvent *event, JobEffects *effects, JobOutcome outcome,
                        const Error *error)
{
    job->failure = *error;
    finish(job, event, effects, outcome);
}

static void connect_now(Job *job, const JobEvent *event, JobEffects *effects)
{
    move(job, JOB_CONNECTING, PHASE_CONNECTING);
    add_report(job, event->now_ms, effects);
    add(effects, JOB_EFFECT_CONNECT);
}

static void claim_now(Job *job, const JobEvent *event, JobEffects *effects)
{
    move(job, JOB_CLAIMING, PHASE_CLAIMING);
    add_report(job, event->now_ms, effects);
    add(effects, JOB_EFFECT_CLAIM);
}

static void step_now(Job *job, const JobEvent *event, JobEffects *effects)
{
    const JobStep *step = &job->steps[job->done];
    INVARIANT(I32, job->has_session && job->ledger_open && !job->in_doubt && !job->stopping);
    INVARIANT(I33, strlist_equal(&step->rows_before, &job->rows));
    move(job, JOB_STEPPING, PHASE_STEP);
    add_report(job, event->now_ms, effects);
    add(effects, JOB_EFFECT_STEP)->step = (JobStepEffect){
        .number = (uint32_t)job->done,
        .revision = step->revision,
        .direction = job->spec.direction,
        .rows_before = step->rows_before,
        .rows_after = step->rows_after,
    };
}

/* Beside the shard: nothing of it changes yet. */
static void restore_now(Job *job, const JobEvent *event, JobEffects *effects)
{
    job->restored = false;
    move(job, JOB_RESTORING, PHASE_RESTORE);
    add_report(job, event->now_ms, effects);
    add(effects, JOB_EFFECT_RESTORE);
}

static void swap_now(Job *job, const JobEvent *event, JobEffects *effects)
{
    const JobStep *step = &job->steps[job->done];
    INVARIANT(I34, job->has_session && job->ledger_open && !job->in_doubt && !job->stopping &&
                       job->restored);
    INVARIANT(I33, strlist_equal(&step->rows_before, &job->rows));
    move(job, JOB_SWAPPING, PHASE_SWAP);
    add_report(job, event->now_ms, effects);
    add(effects, JOB_EFFECT_SWAP)->step = (JobStepEffect){
        .number = (uint32_t)job->done,
        .revision = step->revision,
        .direction = job->spec.direction,
        .rows_before = step->rows_before,
        .rows_after = step->rows_after,
    };
}

static void pause_then(Job *job, const JobEvent *event, JobEffects *effects, JobState resume,
                       uint64_t pause_ms)
{
    job->resume = resume;
    job->timer_ms = event->now_ms + pause_ms;
    move(job, JOB_WAITING, PHASE_WAITING);
    add_report(job, event->now_ms, effects);
    add(effects, JOB_EFFECT_TIMER)->at_ms = job->timer_ms;
}

static void wait_then(Job *job, const JobEvent *event, JobEffects *effects, JobState resume,
                      uint32_t tries)
{
    uint64_t limit = job->in_doubt ? JOB_PROBE_WAIT_MS_MAX : JOB_RETRY_WAIT_MS_MAX;
    pause_then(job, event, effects, resume,
               backoff_ms(JOB_RETRY_WAIT_MS, limit, tries, &job->random));
}

static bool is_about_locks(const Job *job)
{
    return job->failure.code == ERR_LOCK_TIMEOUT || job->failure.code == ERR_LOCK_BUDGET;
}

/* After a few tries to get a lock in a row others have their turn first; otherwise false. */
static bool stand_back(Job *job, const JobEvent *event, JobEffects *effects, uint32_t tries)
{
    if (!is_about_locks(job) || tries % JOB_TRIES_IN_A_ROW != 0)
        return false;
    close_session(job, effects);
    pause_then(job, event, effects, JOB_QUEUED,
               backoff_ms(JOB_STAND_BACK_MS, JOB_STAND_BACK_MS_MAX, tries / JOB_TRIES_IN_A_ROW,
                          &job->random));
    return true;
}

static void queue_up(Job *job, JobEffects *effects)
{
    INVARIANT(I35, !job->has_session && !job->in_doubt);
    move(job, JOB_QUEUED, PHASE_WAITING);
    add(effects, JOB_EFFECT_QUEUE);
}

static void probe_later(Job *job, const JobEvent *event, JobEffects *effects)
{
    job->confirming = false;
    close_session(job, effects);
    if (job->probe_tries < UINT32_MAX)
        job->probe_tries++;
    wait_then(job, event, effects, JOB_CONNECTING, job->probe_tries);
}

static void enter_doubt(Job *job, const JobEvent *event, JobEffects *effects)
{
    job->in_doubt = true;
    job->left_behind = true;
    job->probe_tries = 0;
    probe_later(job, event, effects);
}

/* --- what a failure means --------------------------------------------------------------------- */

static JobOutcome outcome_of(ErrCode code)
{
    switch (code) {
    case ERR_OVERTAKEN:
        return OUTCOME_OVERTAKEN;
    case ERR_DIVERGED:
        return OUTCOME_DIVERGED;
    case ERR_CLONE:
    case ERR_STALE:
    case ERR_STATE:
    case ERR_FENCED:
    case ERR_FLEET_MANAGED:
    case ERR_UNTRUSTED_LEDGER:
    case ERR_POOLED_CONNECTION:
    case ERR_REFUSED:
    case ERR_NOT_FOUND:
        return OUTCOME_REFUSED;
    default:
        return OUTCOME_FAILED;
    }
}

/* Of a job that could not get at its shard; `unreachable` promises that it did nothing. */
static JobOutcome outcome_of_no_session(const Job *job)
{
    JobOutcome outcome = outcome_of(job->failure.code);
    bool transport = job->failure.code == ERR_CONNECT || job->failure.code == ERR_AUTH ||
                     job->failure.code == ERR_TIMEOUT;
    if (outcome == OUTCOME_FAILED && transport && job->done == 0 && !job->left_behind)
        return OUTCOME_UNREACHABLE;
    return outcome;
}

/* --- handlers --------------------------------------------------------------------------------- */

typedef void Handler(Job *job, const JobEvent *event, JobEffects *effects);

static void pass(Job *job, const JobEvent *event, JobEffects *effects)
{
    (void)job;
    (void)event;
    (void)effects;
}

static void on_query(Job *job, const JobEvent *event, JobEffects *effects)
{
    add_report(job, event->now_ms, effects);
}

static void refuse_take_back(Job *job, const JobEvent *event, JobEffects *effects)
{
    Error error;
    err_set(&error, ERR_REFUSED, "the plan's policy does not let its steps be taken back");
    err_hint(&error, "Make a rollback plan with `pgtide rollout rollback`.");
    finish_with(job, event, effects, OUTCOME_REFUSED, &error);
}

static void on_start(Job *job, const JobEvent *event, JobEffects *effects)
{
    job->started = true;
    job->started_ms = event->now_ms;
    if (job->spec.kind == JOB_TAKE_BACK && !job->spec.take_back_allowed && !job->in_doubt)
        refuse_take_back(job, event, effects);
    else
        connect_now(job, event, effects);
}

static void on_stop_idle(Job *job, const JobEvent *event, JobEffects *effects)
{
    job->stopping = true;
    if (!job->in_doubt)
        finish(job, event, effects, OUTCOME_STOPPED);
}

/* Where an answer is on its way that tells how the shard stands: that is waited for. */
static void on_stop_busy(Job *job, const JobEvent *event, JobEffects *effects)
{
    (void)event;
    (void)effects;
    job->stopping = true;
}

static void on_stop_between(Job *job, const JobEvent *event, JobEffects *effects)
{
    job->stopping = true;
    if (job->in_doubt)
        return;
    if (job->state == JOB_BACKING_UP)
        job->has_session = true; /* CLOSE ends the backup too */
    finish(job, event, effects, OUTCOME_STOPPED);
}

static void on_connected(Job *job, const JobEvent *event, JobEffects *effects)
{
    job->has_session = true;
    job->connect_tries = 0;
    claim_now(job, event, effects);
}

static void on_connect_failed(Job *job, const JobEvent *event, JobEffects *effects)
{
    bool final = event->failed.failure_class == JOB_FAILURE_FINAL;
    keep_failure(job, &event->failed);
    job->has_session = true; /* a session that failed is closed too */
    job->connect_tries++;
    if (job->in_doubt) {
        probe_later(job, event, effects);
    } else if (job->stopping) {
        finish(job, event, effects, OUTCOME_STOPPED);
    } else if (final || job->connect_tries >= job->spec.connect_attempts) {
        finish(job, event, effects, outcome_of_no_session(job));
    } else {
        close_session(job, effects);
        wait_then(job, event, effects, JOB_CONNECTING, job->connect_tries);
    }
}

static void on_claim_failed(Job *job, const JobEvent *event, JobEffects *effects)
{
    bool final = event->failed.failure_class == JOB_FAILURE_FINAL;
    bool dead = event->failed.session_dead || event->failed.failure_class == JOB_FAILURE_UNKNOWN;
    keep_failure(job, &event->failed);
    job->claim_tries++;
    if (job->in_doubt) {
        probe_later(job, event, effects);
    } else if (job->stopping) {
        finish(job, event, effects, OUTCOME_STOPPED);
    } else if (final || job->claim_tries >= job->spec.lock_attempts) {
        finish(job, event, effects, outcome_of_no_session(job));
    } else if (!stand_back(job, event, effects, job->claim_tries)) {
        if (dead)
            close_session(job, effects);
        wait_then(job, event, effects, dead ? JOB_CONNECTING : JOB_CLAIMING, job->claim_tries);
    }
}

static JobEvent lost_event(const JobEvent *event, Error *error, JobFailureClass failure_class)
{
    err_set(error, ERR_CONNECT, "the connection was lost");
    JobEvent made = *event;
    made.failed =
        (JobFailure){.failure_class = failure_class, .session_dead = true, .error = error};
    return made;
}

static void on_lost_connecting(Job *job, const JobEvent *event, JobEffects *effects)
{
    Error error;
    JobEvent made = lost_event(event, &error, JOB_FAILURE_RETRY);
    on_connect_failed(job, &made, effects);
}

static void on_lost_claim(Job *job, const JobEvent *event, JobEffects *effects)
{
    Error error;
    JobEvent made = lost_event(event, &error, JOB_FAILURE_RETRY);
    on_claim_failed(job, &made, effects);
}

static void on_lost_waiting(Job *job, const JobEvent *event, JobEffects *effects)
{
    (void)event;
    close_session(job, effects);
    job->resume = JOB_CONNECTING;
}

/* The dump has a connection of its own and goes on. */
static void on_lost_backup(Job *job, const JobEvent *event, JobEffects *effects)
{
    (void)event;
    (void)effects;
    job->has_session = false;
}

static uint32_t tries_allowed(const Job *job)
{
    return job->spec.kind == JOB_RESTORE ? JOB_RESTORE_ATTEMPTS : job->spec.lock_attempts;
}

static void take_position(Job *job, const JobPosition *position)
{
    arena_reset(job->claim_arena);
    job->steps = copy_steps(job->claim_arena, position->steps, position->step_count);
    job->step_count = position->step_count;
    job->done = position->done;
}

static void on_claimed(Job *job, const JobEvent *event, JobEffects *effects)
{
    AUTO_ARENA Arena *scratch = arena_new();
    JobPosition position;
    job_position_find(scratch, &job->spec, &event->claimed, event->unix_ms, &position);
    take_position(job, &position);
    job->restored = false;
    keep_rows(job, &event->claimed.rows);
    bool was_in_doubt = job->in_doubt;
    job->in_doubt = false;
    job->confirming = false;
    job->left_behind = false;
    job->claim_tries = 0;
    if (position.verdict != OUTCOME_UNSPECIFIED) {
        finish_with(job, event, effects, position.verdict, &position.err);
    } else if (job->done == job->step_count) {
        finish(job, event, effects, OUTCOME_SUCCEEDED);
    } else if (job->stopping) {
        finish(job, event, effects, OUTCOME_STOPPED);
    } else if (job->spec.kind == JOB_TAKE_BACK && !job->spec.take_back_allowed) {
        refuse_take_back(job, event, effects);
    } else if (was_in_doubt && job->step_tries >= tries_allowed(job)) {
        err_set(&job->failure, ERR_CONNECT,
                "the connection was lost around the commit each time; the step is not applied");
        finish(job, event, effects, OUTCOME_FAILED);
    } else {
        err_clear(&job->failure);
        job->ledger_open = true;
        move(job, JOB_RECORDING, PHASE_CLAIMING);
        add(effects, JOB_EFFECT_LEDGER_OPENED);
    }
}

static bool wants_backup(const Job *job)
{
    return job->spec.backup_wanted && !job->has_backup && job->spec.generation == 1 &&
           job->done == 0;
}

static void on_recorded(Job *job, const JobEvent *event, JobEffects *effects)
{
    if (job->stopping) {
        finish(job, event, effects, OUTCOME_STOPPED);
    } else if (job->spec.kind == JOB_RESTORE) {
        restore_now(job, event, effects);
    } else if (wants_backup(job)) {
        move(job, JOB_BACKING_UP, PHASE_BACKUP);
        add_report(job, event->now_ms, effects);
        add(effects, JOB_EFFECT_BACKUP);
    } else {
        step_now(job, event, effects);
    }
}

static void on_backup_done(Job *job, const JobEvent *event, JobEffects *effects)
{
    job->has_backup = true;
    job->backup = event->backup;
    job->backup.path = arena_strdup(job->arena, event->backup.path);
    if (job->has_session)
        step_now(job, event, effects);
    else
        connect_now(job, event, effects);
}

static void on_backup_failed(Job *job, const JobEvent *event, JobEffects *effects)
{
    keep_failure(job, &event->failed);
    finish(job, event, effects, OUTCOME_FAILED);
}

static void on_step_done(Job *job, const JobEvent *event, JobEffects *effects)
{
    const JobStep *step = &job->steps[job->done];
    keep_rows(job, &event->step_done.rows);
    if (!strlist_equal(&step->rows_after, &job->rows)) {
        err_set(&job->failure, ERR_DIVERGED, "the step was committed, but its rows are not there");
        finish(job, event, effects, OUTCOME_DIVERGED);
        return;
    }
    err_clear(&job->failure);
    job->done++;
    job->step_tries = job->over_budget = 0;
    if (job->done == job->step_count)
        finish(job, event, effects, OUTCOME_SUCCEEDED);
    else if (job->stopping)
        finish(job, event, effects, OUTCOME_STOPPED);
    else
        step_now(job, event, effects);
}

static bool has_tried_enough(const Job *job)
{
    return job->step_tries >= job->spec.lock_attempts || job->over_budget >= JOB_OVER_BUDGET_TRIES;
}

static void on_step_failed(Job *job, const JobEvent *event, JobEffects *effects)
{
    const JobFailure *failed = &event->failed;
    keep_failure(job, failed);
    job->step_tries++;
    job->over_budget += job->failure.code == ERR_LOCK_BUDGET;
    if (failed->failure_class == JOB_FAILURE_UNKNOWN) {
        enter_doubt(job, event, effects);
        return;
    }
    job->left_behind = failed->session_dead;
    if (failed->failure_class == JOB_FAILURE_FINAL) {
        finish(job, event, effects, outcome_of(job->failure.code));
    } else if (job->stopping) {
        finish(job, event, effects, OUTCOME_STOPPED);
    } else if (has_tried_enough(job)) {
        if (job->step_tries > 1)
            err_wrap(&job->failure, "given up after %u tries", job->step_tries);
        finish(job, event, effects, OUTCOME_FAILED);
    } else if (!stand_back(job, event, effects, job->step_tries)) {
        bool as_before = strlist_equal(&job->rows, &job->steps[job->done].rows_before);
        if (failed->session_dead)
            close_session(job, effects);
        wait_then(job, event, effects,
                  failed->session_dead ? JOB_CONNECTING
                  : as_before          ? JOB_STEPPING
                                       : JOB_CLAIMING,
                  job->step_tries);
    }
}

static void on_lost_step(Job *job, const JobEvent *event, JobEffects *effects)
{
    Error error;
    JobEvent made = lost_event(event, &error, JOB_FAILURE_UNKNOWN);
    error.code = ERR_UNKNOWN;
    on_step_failed(job, &made, effects);
}

static void on_restored(Job *job, const JobEvent *event, JobEffects *effects)
{
    job->restored = true;
    swap_now(job, event, effects);
}

/* The answer says that it was committed; what the next claim reads is what is believed. */
static void on_swapped(Job *job, const JobEvent *event, JobEffects *effects)
{
    job->restored = false;
    job->in_doubt = true;
    job->confirming = true;
    job->left_behind = true;
    job->probe_tries = 0;
    close_session(job, effects);
    connect_now(job, event, effects);
}

static void on_restore_failed(Job *job, const JobEvent *event, JobEffects *effects)
{
    const JobFailure *failed = &event->failed;
    keep_failure(job, failed);
    job->restored = false;
    job->step_tries++;
    if (failed->failure_class == JOB_FAILURE_UNKNOWN) {
        enter_doubt(job, event, effects);
    } else if (failed->failure_class == JOB_FAILURE_FINAL) {
        finish(job, event, effects, outcome_of(job->failure.code));
    } else if (job->stopping) {
        finish(job, event, effects, OUTCOME_STOPPED);
    } else if (job->step_tries >= tries_allowed(job)) {
        finish(job, event, effects, OUTCOME_FAILED);
    } else {
        close_session(job, effects);
        wait_then(job, event, effects, JOB_CONNECTING, job->step_tries);
    }
}

/* The claim has gone, so others may: what was restored is of a shard as it was. */
static void on_lost_restore(Job *job, const JobEvent *event, JobEffects *effects)
{
    Error error;
    JobEvent made = lost_event(event, &error, JOB_FAILURE_RETRY);
    on_restore_failed(job, &made, effects);
}

static void on_lost_swap(Job *job, const JobEvent *event, JobEffects *effects)
{
    Error error;
    JobEvent made = lost_event(event, &error, JOB_FAILURE_UNKNOWN);
    error.code = ERR_UNKNOWN;
    on_restore_failed(job, &made, effects);
}

static void on_timer(Job *job, const JobEvent *event, JobEffects *effects)
{
    if (event->now_ms < job->timer_ms) {
        add(effects, JOB_EFFECT_TIMER)->at_ms = job->timer_ms;
        return;
    }
    if (job->resume == JOB_QUEUED)
        queue_up(job, effects);
    else if (job->resume == JOB_CONNECTING)
        connect_now(job, event, effects);
    else if (job->resume == JOB_CLAIMING)
        claim_now(job, event, effects);
    else
        step_now(job, event, effects);
}

/* Nothing in a row: not possible there, since what it answers has not been asked. */
static Handler *const handlers[JOB_STATE_COUNT][JOB_EVENT_COUNT] = {
    [JOB_IDLE] =
        {
            [JOB_EVENT_START] = on_start,
            [JOB_EVENT_STOP] = on_stop_idle,
        },
    [JOB_CONNECTING] =
        {
            [JOB_EVENT_CONNECTED] = on_connected,
            [JOB_EVENT_CONNECT_FAILED] = on_connect_failed,
            [JOB_EVENT_LOST] = on_lost_connecting,
            [JOB_EVENT_STOP] = on_stop_busy,
        },
    [JOB_CLAIMING] =
        {
            [JOB_EVENT_CLAIMED] = on_claimed,
            [JOB_EVENT_CLAIM_FAILED] = on_claim_failed,
            [JOB_EVENT_LOST] = on_lost_claim,
            [JOB_EVENT_STOP] = on_stop_busy,
        },
    [JOB_RECORDING] =
        {
            [JOB_EVENT_RECORDED] = on_recorded,
            [JOB_EVENT_LOST] = on_lost_claim,
            [JOB_EVENT_STOP] = on_stop_busy,
        },
    [JOB_BACKING_UP] =
        {
            [JOB_EVENT_BACKUP_DONE] = on_backup_done,
            [JOB_EVENT_BACKUP_FAILED] = on_backup_failed,
            [JOB_EVENT_LOST] = on_lost_backup,
            [JOB_EVENT_STOP] = on_stop_between,
        },
    [JOB_STEPPING] =
        {
            [JOB_EVENT_STEP_DONE] = on_step_done,
            [JOB_EVENT_STEP_FAILED] = on_step_failed,
            [JOB_EVENT_LOST] = on_lost_step,
            [JOB_EVENT_STOP] = on_stop_busy,
        },
    [JOB_RESTORING] =
        {
            [JOB_EVENT_RESTORED] = on_restored,
            [JOB_EVENT_RESTORE_FAILED] = on_restore_failed,
            [JOB_EVENT_LOST] = on_lost_restore,
            [JOB_EVENT_STOP] = on_stop_between,
        },
    [JOB_SWAPPING] =
        {
            [JOB_EVENT_SWAPPED] = on_swapped,
            [JOB_EVENT_RESTORE_FAILED] = on_restore_failed,
            [JOB_EVENT_LOST] = on_lost_swap,
            [JOB_EVENT_STOP] = on_stop_busy,
        },
    [JOB_WAITING] =
        {
            [JOB_EVENT_TIMER] = on_timer,
            [JOB_EVENT_LOST] = on_lost_waiting,
            [JOB_EVENT_STOP] = on_stop_between,
        },
    [JOB_QUEUED] =
        {
            [JOB_EVENT_START] = connect_now,
            [JOB_EVENT_STOP] = on_stop_between,
        },
    [JOB_DONE] =
        {
            [JOB_EVENT_STOP] = pass,
        },
};

static Handler *find_handler(JobState state, JobEventKind kind)
{
    if (kind == JOB_EVENT_QUERY)
        return on_query;
    if (kind == JOB_EVENT_TIMER && state != JOB_WAITING)
        return pass; /* one that was on its way when it was no longer needed */
    if ((unsigned)kind >= JOB_EVENT_COUNT)
        return NULL;
    return handlers[state][kind];
}

ErrCode job_step(Job *job, const JobEvent *event, JobEffects *effects, Error *err)
{
    Handler *handler = find_handler(job->state, event->kind);
    if (handler == NULL)
        return err_set(err, ERR_STATE, "event '%s' is not possible while a job is %s",
                       job_event_name(event->kind), job_state_name(job->state));
    handler(job, event, effects);
    return ERR_OK;
}
