#include "job_fixture.h"

/* --- every event in every state --------------------------------------------------------------- */

static void to_idle(Fixture *f)
{
    make_job(f, forward_spec(f));
}

static void to_connecting(Fixture *f)
{
    to_idle(f);
    tell(f, JOB_EVENT_START);
}

static void to_claiming(Fixture *f)
{
    to_idle(f);
    run_to_claim(f);
}

static void to_recording(Fixture *f)
{
    to_claiming(f);
    tell_claimed(f, "r1");
}

static void to_backing_up(Fixture *f)
{
    JobSpec spec = forward_spec(f);
    spec.backup_wanted = true;
    make_job(f, spec);
    run_to_step(f, "r1");
}

static void to_stepping(Fixture *f)
{
    to_recording(f);
    tell(f, JOB_EVENT_RECORDED);
}

static void to_restoring(Fixture *f)
{
    JobSpec spec = forward_spec(f);
    spec.kind = JOB_RESTORE;
    spec.direction = DIRECTION_RESTORE;
    make_job(f, spec);
    run_to_step(f, "r1");
}

static void to_swapping(Fixture *f)
{
    to_restoring(f);
    tell(f, JOB_EVENT_RESTORED);
}

static void to_waiting(Fixture *f)
{
    to_stepping(f);
    tell_failed(f, JOB_EVENT_STEP_FAILED, JOB_FAILURE_RETRY, ERR_LOCK_TIMEOUT, false);
}

static void to_queued(Fixture *f)
{
    JobSpec spec = forward_spec(f);
    spec.lock_attempts = 30;
    make_job(f, spec);
    run_to_step(f, "r1");
    for (int i = 0; i < JOB_TRIES_IN_A_ROW; i++) {
        tell_failed(f, JOB_EVENT_STEP_FAILED, JOB_FAILURE_RETRY, ERR_LOCK_TIMEOUT, false);
        pass_pause(f);
    }
}

static void to_done(Fixture *f)
{
    to_stepping(f);
    tell_failed(f, JOB_EVENT_STEP_FAILED, JOB_FAILURE_FINAL, ERR_SQL, false);
}

static void (*const ways[JOB_STATE_COUNT])(Fixture *) = {
    [JOB_IDLE] = to_idle,
    [JOB_CONNECTING] = to_connecting,
    [JOB_CLAIMING] = to_claiming,
    [JOB_RECORDING] = to_recording,
    [JOB_BACKING_UP] = to_backing_up,
    [JOB_STEPPING] = to_stepping,
    [JOB_RESTORING] = to_restoring,
    [JOB_SWAPPING] = to_swapping,
    [JOB_WAITING] = to_waiting,
    [JOB_QUEUED] = to_queued,
    [JOB_DONE] = to_done,
};

#define BIT(kind) (1u << (kind))
#define ALWAYS (BIT(JOB_EVENT_STOP) | BIT(JOB_EVENT_TIMER) | BIT(JOB_EVENT_QUERY))

/* What is possible; all else is an answer to a question that was not asked. */
static const unsigned possible[JOB_STATE_COUNT] = {
    [JOB_IDLE] = ALWAYS | BIT(JOB_EVENT_START),
    [JOB_CONNECTING] =
        ALWAYS | BIT(JOB_EVENT_CONNECTED) | BIT(JOB_EVENT_CONNECT_FAILED) | BIT(JOB_EVENT_LOST),
    [JOB_CLAIMING] =
        ALWAYS | BIT(JOB_EVENT_CLAIMED) | BIT(JOB_EVENT_CLAIM_FAILED) | BIT(JOB_EVENT_LOST),
    [JOB_RECORDING] = ALWAYS | BIT(JOB_EVENT_RECORDED) | BIT(JOB_EVENT_LOST),
    [JOB_BACKING_UP] =
        ALWAYS | BIT(JOB_EVENT_BACKUP_DONE) | BIT(JOB_EVENT_BACKUP_FAILED) | BIT(JOB_EVENT_LOST),
    [JOB_STEPPING] =
        ALWAYS | BIT(JOB_EVENT_STEP_DONE) | BIT(JOB_EVENT_STEP_FAILED) | BIT(JOB_EVENT_LOST),
    [JOB_RESTORING] =
        ALWAYS | BIT(JOB_EVENT_RESTORED) | BIT(JOB_EVENT_RESTORE_FAILED) | BIT(JOB_EVENT_LOST),
    [JOB_SWAPPING] =
        ALWAYS | BIT(JOB_EVENT_SWAPPED) | BIT(JOB_EVENT_RESTORE_FAILED) | BIT(JOB_EVENT_LOST),
    [JOB_WAITING] = ALWAYS | BIT(JOB_EVENT_LOST),
    [JOB_QUEUED] = ALWAYS | BIT(JOB_EVENT_START),
    [JOB_DONE] = ALWAYS,
};

static JobEvent any_event(Fixture *f, JobEventKind kind)
{
    static Error error;
    err_set(&error, ERR_SQL, "made up");
    JobEvent event = {.kind = kind};
    if (kind == JOB_EVENT_CLAIMED)
        event.claimed.rows = rows_of(f, "r1");
    else if (kind == JOB_EVENT_BACKUP_DONE)
        event.backup.path = "x.dump";
    else if (kind == JOB_EVENT_STEP_DONE)
        event.step_done.rows = rows_of(f, "r2");
    else
        event.failed = (JobFailure){.failure_class = JOB_FAILURE_FINAL, .error = &error};
    return event;
}

static void every_event_in_every_state(void **state)
{
    Fixture *f = *state;
    for (JobState at = 0; at < JOB_STATE_COUNT; at++) {
        for (JobEventKind kind = 0; kind < JOB_EVENT_COUNT; kind++) {
            ways[at](f);
            assert_string_equal(job_state_name(job_state(f->job)), job_state_name(at));
            ErrCode code = give(f, any_event(f, kind));
            bool expected = (possible[at] & BIT(kind)) != 0;
            if ((code == ERR_OK) != expected)
                fail_msg("%s in %s", job_event_name(kind), job_state_name(at));
            if (!expected) {
                assert_int_equal(code, ERR_STATE);
                assert_int_equal(job_state(f->job), at);
                assert_int_equal(f->effects.count, 0);
            }
        }
    }
}

/* --- forward ---------------------------------------------------------------------------------- */

static void runs_all_steps(void **state)
{
    Fixture *f = *state;
    make_job(f, forward_spec(f));
    run_to_step(f, "r1");
    assert_step(f, 0, "r2");
    assert_int_equal(report_of(f)->phase, PHASE_STEP);
    assert_string_equal(report_of(f)->revision, "r2");
    tell_step_done(f, "r2");
    assert_step(f, 1, "r3");
    assert_int_equal(report_of(f)->steps_done, 1);
    tell_step_done(f, "r3");
    f->now_ms += 250;
    tell_step_done(f, "r4");
    assert_ended(f, OUTCOME_SUCCEEDED);
    const JobReport *report = report_of(f);
    assert_int_equal(report->steps_done, 3);
    assert_int_equal(report->steps_total, 3);
    assert_int_equal(report->duration_ms, 250);
    assert_int_equal(report->index, 7);
    assert_string_equal(report->revision, "");
    assert_string_equal(report->rows.items[0], "r4");
    assert_effect(f, JOB_EFFECT_CLOSE);
    assert_effect(f, JOB_EFFECT_LEDGER_CLOSED);
}

/* The backend a step runs on is in the ledger before that step, and only then. */
static void records_before_the_first_step(void **state)
{
    Fixture *f = *state;
    make_job(f, forward_spec(f));
    run_to_claim(f);
    tell_claimed(f, "r1");
    assert_effect(f, JOB_EFFECT_LEDGER_OPENED);
    assert_no_effect(f, JOB_EFFECT_STEP);
    tell(f, JOB_EVENT_RECORDED);
    assert_effect(f, JOB_EFFECT_STEP);
}

static void goes_on_after_done_steps(void **state)
{
    Fixture *f = *state;
    JobSpec spec = forward_spec(f);
    spec.attempt = 2;
    spec.backup_wanted = true; /* only before the first step */
    make_job(f, spec);
    add_history(f, 1, DIRECTION_UPGRADE, "r2", "r1", "r2");
    run_to_step(f, "r2");
    assert_step(f, 1, "r3");
    assert_int_equal(report_of(f)->steps_done, 1);
}

static void a_repeated_order_changes_nothing(void **state)
{
    Fixture *f = *state;
    make_job(f, forward_spec(f));
    add_history(f, 1, DIRECTION_UPGRADE, "r2", "r1", "r2");
    add_history(f, 1, DIRECTION_UPGRADE, "r3", "r2", "r3");
    add_history(f, 1, DIRECTION_UPGRADE, "r4", "r3", "r4");
    run_to_claim(f);
    tell_claimed(f, "r4");
    assert_ended(f, OUTCOME_SUCCEEDED);
    assert_int_equal(report_of(f)->steps_done, 3);
    assert_no_effect(f, JOB_EFFECT_LEDGER_OPENED);
}

static void a_failed_step_ends_the_job(void **state)
{
    Fixture *f = *state;
    make_job(f, forward_spec(f));
    run_to_step(f, "r1");
    tell_step_done(f, "r2");
    Error error;
    err_set(&error, ERR_SQL, "relation \"x\" does not exist");
    err_sqlstate(&error, "42P01");
    err_at(&error, "r3.sql", 12);
    JobEvent event = {.kind = JOB_EVENT_STEP_FAILED};
    event.failed = (JobFailure){.failure_class = JOB_FAILURE_FINAL, .error = &error};
    assert_int_equal(give(f, event), ERR_OK);
    assert_ended(f, OUTCOME_FAILED);
    const JobReport *report = report_of(f);
    assert_int_equal(report->steps_done, 1);
    assert_string_equal(report->revision, "r3");
    assert_string_equal(report->code, "SQL");
    assert_string_equal(report->sqlstate, "42P01");
    assert_int_equal(report->line, 12);
    assert_string_equal(report->rows.items[0], "r2");
    assert_effect(f, JOB_EFFECT_LEDGER_CLOSED);
}

static void rows_after_a_step_are_believed_only_if_they_are_its_rows(void **state)
{
    Fixture *f = *state;
    make_job(f, forward_spec(f));
    run_to_step(f, "r1");
    tell_step_done(f, "r9");
    assert_ended(f, OUTCOME_DIVERGED);
}

static void refusals_are_told_as_refusals(void **state)
{
    Fixture *f = *state;
    static const ErrCode codes[] = {ERR_CLONE, ERR_STALE, ERR_FLEET_MANAGED, ERR_POOLED_CONNECTION,
                                    ERR_UNTRUSTED_LEDGER};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        make_job(f, forward_spec(f));
        run_to_claim(f);
        tell_failed(f, JOB_EVENT_CLAIM_FAILED, JOB_FAILURE_FINAL, codes[i], true);
        assert_ended(f, OUTCOME_REFUSED);
        assert_string_equal(report_of(f)->code, err_code_name(codes[i]));
    }
    make_job(f, forward_spec(f));
    run_to_step(f, "r1");
    tell_failed(f, JOB_EVENT_STEP_FAILED, JOB_FAILURE_FINAL, ERR_OVERTAKEN, false);
    assert_ended(f, OUTCOME_OVERTAKEN);
}

/* --- backups ---------------------------------------------------------------------------------- */

static void backs_up_before_the_first_step(void **state)
{
    Fixture *f = *state;
    to_backing_up(f);
    assert_effect(f, JOB_EFFECT_BACKUP);
    assert_no_effect(f, JOB_EFFECT_STEP);
    JobEvent event = {.kind = JOB_EVENT_BACKUP_DONE};
    event.backup = (BackupInfo){.path = "a/b.dump", .size_bytes = 12};
    assert_int_equal(give(f, event), ERR_OK);
    assert_step(f, 0, "r2");
    assert_true(report_of(f)->has_backup);
    assert_string_equal(report_of(f)->backup.path, "a/b.dump");
}

static void a_failed_backup_runs_no_step(void **state)
{
    Fixture *f = *state;
    to_backing_up(f);
    tell_failed(f, JOB_EVENT_BACKUP_FAILED, JOB_FAILURE_FINAL, ERR_BACKUP, false);
    assert_ended(f, OUTCOME_FAILED);
    assert_int_equal(report_of(f)->steps_done, 0);
}

static void a_backup_is_taken_once(void **state)
{
    Fixture *f = *state;
    JobSpec spec = forward_spec(f);
    spec.backup_wanted = true;
    spec.has_backup = true;
    spec.backup = (BackupInfo){.path = "old.dump"};
    make_job(f, spec);
    run_to_step(f, "r1");
    assert_step(f, 0, "r2");
    assert_string_equal(report_of(f)->backup.path, "old.dump");
}

static void a_session_lost_during_the_backup_is_made_anew(void **state)
{
    Fixture *f = *state;
    to_backing_up(f);
    tell(f, JOB_EVENT_LOST);
    assert_int_equal(job_state(f->job), JOB_BACKING_UP);
    JobEvent event = {.kind = JOB_EVENT_BACKUP_DONE};
    event.backup = (BackupInfo){.path = "a/b.dump"};
    assert_int_equal(give(f, event), ERR_OK);
    assert_effect(f, JOB_EFFECT_CONNECT);
    tell(f, JOB_EVENT_CONNECTED);
    tell_claimed(f, "r1");
    tell(f, JOB_EVENT_RECORDED);
    assert_step(f, 0, "r2"); /* not backed up again */
}

/* --- retries ---------------------------------------------------------------------------------- */

static void lock_timeouts_are_tried_again_on_the_same_session(void **state)
{
    Fixture *f = *state;
    make_job(f, forward_spec(f));
    run_to_step(f, "r1");
    for (int i = 0; i < 2; i++) {
        tell_failed(f, JOB_EVENT_STEP_FAILED, JOB_FAILURE_RETRY, ERR_LOCK_TIMEOUT, false);
        assert_int_equal(report_of(f)->phase, PHASE_WAITING);
        assert_no_effect(f, JOB_EFFECT_CLOSE);
        pass_pause(f);
        assert_step(f, 0, "r2");
    }
    tell_failed(f, JOB_EVENT_STEP_FAILED, JOB_FAILURE_RETRY, ERR_LOCK_TIMEOUT, false);
    assert_ended(f, OUTCOME_FAILED);
    assert_string_equal(report_of(f)->code, "LOCK_TIMEOUT");
}

static void a_lock_that_is_not_to_be_had_lets_others_go_first(void **state)
{
    Fixture *f = *state;
    JobSpec spec = forward_spec(f);
    spec.lock_attempts = 30;
    make_job(f, spec);
    run_to_step(f, "r1");
    for (int i = 0; i < JOB_TRIES_IN_A_ROW - 1; i++) {
        tell_failed(f, JOB_EVENT_STEP_FAILED, JOB_FAILURE_RETRY, ERR_LOCK_TIMEOUT, false);
        assert_false(job_stands_back(f->job));
        pass_pause(f);
    }
    tell_failed(f, JOB_EVENT_STEP_FAILED, JOB_FAILURE_RETRY, ERR_LOCK_TIMEOUT, false);
    assert_effect(f, JOB_EFFECT_CLOSE);
    assert_true(job_stands_back(f->job));
    assert_int_equal(report_of(f)->phase, PHASE_WAITING);
    assert_string_equal(report_of(f)->revision, "r2");
    uint64_t pause = effect_of(f, JOB_EFFECT_TIMER)->at_ms - f->now_ms;
    assert_in_range(pause, JOB_STAND_BACK_MS / 2, JOB_STAND_BACK_MS);
    pass_pause(f);
    assert_effect(f, JOB_EFFECT_QUEUE);
    assert_int_equal(job_state(f->job), JOB_QUEUED);
    tell(f, JOB_EVENT_START);
    assert_false(job_stands_back(f->job));
    assert_effect(f, JOB_EFFECT_CONNECT);
    tell(f, JOB_EVENT_CONNECTED);
    tell_claimed(f, "r1");
    tell(f, JOB_EVENT_RECORDED);
    assert_step(f, 0, "r2");
    tell_step_done(f, "r2");
    assert_step(f, 1, "r3"); /* and its tries begin anew */
    tell_failed(f, JOB_EVENT_STEP_FAILED, JOB_FAILURE_RETRY, ERR_LOCK_TIMEOUT, false);
    assert_no_effect(f, JOB_EFFECT_CLOSE);
}

static void one_that_stands_back_may_be_stopped(void **state)
{
    Fixture *f = *state;
    to_queued(f);
    tell(f, JOB_EVENT_STOP);
    assert_ended(f, OUTCOME_STOPPED);
    assert_effect(f, JOB_EFFECT_LEDGER_CLOSED);
}

/* However long it waits, it ends, and says how often it has tried. */
static void a_lock_that_is_never_to_be_had_is_a_failure_in_the_end(void **state)
{
    Fixture *f = *state;
    JobSpec spec = forward_spec(f);
    spec.lock_attempts = 30;
    make_job(f, spec);
    run_to_step(f, "r1");
    uint32_t tries = 0;
    while (!job_is_done(f->job)) {
        tell_failed(f, JOB_EVENT_STEP_FAILED, JOB_FAILURE_RETRY, ERR_LOCK_TIMEOUT, false);
        tries++;
        if (job_is_done(f->job))
            break;
        pass_pause(f);
        if (job_state(f->job) != JOB_QUEUED)
            continue;
        tell(f, JOB_EVENT_START);
        tell(f, JOB_EVENT_CONNECTED);
        tell_claimed(f, "r1");
        tell(f, JOB_EVENT_RECORDED);
    }
    assert_int_equal(tries, 30);
    assert_ended(f, OUTCOME_FAILED);
    assert_non_null(strstr(report_of(f)->message, "given up after 30 tries: "));
}

static void what_stalls_others_each_time_is_given_up_soon(void **state)
{
    Fixture *f = *state;
    JobSpec spec = forward_spec(f);
    spec.lock_attempts = 30;
    make_job(f, spec);
    run_to_step(f, "r1");
    for (int i = 0; i < JOB_OVER_BUDGET_TRIES - 1; i++) {
        tell_failed(f, JOB_EVENT_STEP_FAILED, JOB_FAILURE_RETRY, ERR_LOCK_BUDGET, false);
        pass_pause(f);
        assert_step(f, 0, "r2");
    }
    tell_failed(f, JOB_EVENT_STEP_FAILED, JOB_FAILURE_RETRY, ERR_LOCK_BUDGET, false);
    assert_ended(f, OUTCOME_FAILED);
    assert_string_equal(report_of(f)->code, "LOCK_BUDGET");
}

static void attempts_are_counted_per_step(void **state)
{
    Fixture *f = *state;
    make_job(f, forward_spec(f));
    run_to_step(f, "r1");
    static const char *const after[] = {"r2", "r3", "r4"};
    for (int step = 0; step < 3; step++) {
        for (int i = 0; i < 2; i++) {
            tell_failed(f, JOB_EVENT_STEP_FAILED, JOB_FAILURE_RETRY, ERR_LOCK_TIMEOUT, false);
            pass_pause(f);
        }
        tell_step_done(f, after[step]);
    }
    assert_ended(f, OUTCOME_SUCCEEDED);
}

static void a_connection_lost_before_commit_is_made_anew(void **state)
{
    Fixture *f = *state;
    make_job(f, forward_spec(f));
    run_to_step(f, "r1");
    tell_failed(f, JOB_EVENT_STEP_FAILED, JOB_FAILURE_RETRY, ERR_CONNECT, true);
    assert_effect(f, JOB_EFFECT_CLOSE);
    assert_false(job_is_in_doubt(f->job));
    pass_pause(f);
    assert_effect(f, JOB_EFFECT_CONNECT);
    tell(f, JOB_EVENT_CONNECTED);
    tell_claimed(f, "r1");
    assert_effect(f, JOB_EFFECT_LEDGER_OPENED); /* another backend */
    tell(f, JOB_EVENT_RECORDED);
    assert_step(f, 0, "r2");
}

static void connecting_gives_up_after_its_attempts(void **state)
{
    Fixture *f = *state;
    make_job(f, forward_spec(f));
    tell(f, JOB_EVENT_START);
    tell_failed(f, JOB_EVENT_CONNECT_FAILED, JOB_FAILURE_RETRY, ERR_CONNECT, true);
    pass_pause(f);
    tell_failed(f, JOB_EVENT_CONNECT_FAILED, JOB_FAILURE_RETRY, ERR_CONNECT, true);
    assert_ended(f, OUTCOME_UNREACHABLE);
    make_job(f, forward_spec(f));
    tell(f, JOB_EVENT_START);
    tell_failed(f, JOB_EVENT_CONNECT_FAILED, JOB_FAILURE_FINAL, ERR_AUTH, true);
    assert_ended(f, OUTCOME_UNREACHABLE);
}

/* "unreachable" promises that nothing was done. */
static void unreachable_after_a_step_is_a_failure(void **state)
{
    Fixture *f = *state;
    make_job(f, forward_spec(f));
    run_to_step(f, "r1");
    tell_step_done(f, "r2");
    tell_failed(f, JOB_EVENT_STEP_FAILED, JOB_FAILURE_RETRY, ERR_CONNECT, true);
    pass_pause(f);
    tell_failed(f, JOB_EVENT_CONNECT_FAILED, JOB_FAILURE_RETRY, ERR_CONNECT, true);
    pass_pause(f);
    tell_failed(f, JOB_EVENT_CONNECT_FAILED, JOB_FAILURE_RETRY, ERR_CONNECT, true);
    assert_ended(f, OUTCOME_FAILED);
    assert_int_equal(report_of(f)->steps_done, 1);
    assert_no_effect(f, JOB_EFFECT_LEDGER_CLOSED); /* its backend may still be there */
}

static void claims_are_tried_again(void **state)
{
    Fixture *f = *state;
    make_job(f, forward_spec(f));
    run_to_claim(f);
    tell_failed(f, JOB_EVENT_CLAIM_FAILED, JOB_FAILURE_RETRY, ERR_LOCK_TIMEOUT, false);
    pass_pause(f);
    assert_effect(f, JOB_EFFECT_CLAIM);
    tell_failed(f, JOB_EVENT_CLAIM_FAILED, JOB_FAILURE_RETRY, ERR_CONNECT, true);
    assert_effect(f, JOB_EFFECT_CLOSE);
    pass_pause(f);
    assert_effect(f, JOB_EFFECT_CONNECT);
    tell(f, JOB_EVENT_CONNECTED);
    tell_failed(f, JOB_EVENT_CLAIM_FAILED, JOB_FAILURE_RETRY, ERR_LOCK_TIMEOUT, false);
    assert_ended(f, OUTCOME_FAILED);
}

static void pauses_grow_and_differ_by_seed(void **state)
{
    Fixture *f = *state;
    uint64_t pauses[2][8];
    for (uint64_t seed = 0; seed < 2; seed++) {
        JobSpec spec = forward_spec(f);
        spec.seed = seed;
        spec.lock_attempts = 100;
        make_job(f, spec);
        run_to_step(f, "r1");
        for (int i = 0; i < 8; i++) {
            tell_failed(f, JOB_EVENT_STEP_FAILED, JOB_FAILURE_RETRY, ERR_BUSY, false);
            pauses[seed][i] = effect_of(f, JOB_EFFECT_TIMER)->at_ms - f->now_ms;
            assert_true(pauses[seed][i] >= JOB_RETRY_WAIT_MS / 2);
            assert_true(pauses[seed][i] <= JOB_RETRY_WAIT_MS_MAX);
            pass_pause(f);
        }
        assert_true(pauses[seed][7] >= JOB_RETRY_WAIT_MS_MAX / 2);
    }
    assert_memory_not_equal(pauses[0], pauses[1], sizeof pauses[0]);
}

static void an_early_timer_is_set_again(void **state)
{
    Fixture *f = *state;
    to_waiting(f);
    uint64_t at = effect_of(f, JOB_EFFECT_TIMER)->at_ms;
    tell(f, JOB_EVENT_TIMER);
    assert_int_equal(job_state(f->job), JOB_WAITING);
    assert_int_equal(effect_of(f, JOB_EFFECT_TIMER)->at_ms, at);
}

/* --- unknown ---------------------------------------------------------------------------------- */

static void make_doubt(Fixture *f)
{
    make_job(f, forward_spec(f));
    run_to_step(f, "r1");
    tell_failed(f, JOB_EVENT_STEP_FAILED, JOB_FAILURE_UNKNOWN, ERR_UNKNOWN, true);
    assert_true(job_is_in_doubt(f->job));
    assert_effect(f, JOB_EFFECT_CLOSE);
    assert_int_equal(report_of(f)->outcome, OUTCOME_UNKNOWN);
    assert_int_equal(report_of(f)->phase, PHASE_PROBING);
}

static void doubt_is_ended_by_reading_applied(void **state)
{
    Fixture *f = *state;
    make_doubt(f);
    pass_pause(f);
    assert_effect(f, JOB_EFFECT_CONNECT);
    tell(f, JOB_EVENT_CONNECTED);
    assert_effect(f, JOB_EFFECT_CLAIM);
    assert_int_equal(report_of(f)->outcome, OUTCOME_UNKNOWN);
    add_history(f, 1, DIRECTION_UPGRADE, "r2", "r1", "r2");
    tell_claimed(f, "r2");
    assert_false(job_is_in_doubt(f->job));
    tell(f, JOB_EVENT_RECORDED);
    assert_step(f, 1, "r3"); /* not again */
}

static void doubt_is_ended_by_reading_not_applied(void **state)
{
    Fixture *f = *state;
    make_doubt(f);
    pass_pause(f);
    tell(f, JOB_EVENT_CONNECTED);
    tell_claimed(f, "r1");
    tell(f, JOB_EVENT_RECORDED);
    assert_step(f, 0, "r2");
}

static void doubt_never_gives_up(void **state)
{
    Fixture *f = *state;
    make_doubt(f);
    for (int i = 0; i < 50; i++) {
        pass_pause(f);
        assert_effect(f, JOB_EFFECT_CONNECT);
        assert_no_effect(f, JOB_EFFECT_STEP);
        if (i % 2 == 0) {
            tell_failed(f, JOB_EVENT_CONNECT_FAILED, JOB_FAILURE_FINAL, ERR_AUTH, true);
        } else {
            tell(f, JOB_EVENT_CONNECTED);
            tell_failed(f, JOB_EVENT_CLAIM_FAILED, JOB_FAILURE_FINAL, ERR_CLONE, true);
        }
        assert_int_equal(report_of(f)->outcome, OUTCOME_UNKNOWN);
        assert_true(effect_of(f, JOB_EFFECT_TIMER)->at_ms - f->now_ms <= JOB_PROBE_WAIT_MS_MAX);
    }
    pass_pause(f);
    tell(f, JOB_EVENT_CONNECTED);
    tell_claimed(f, "r1");
    assert_false(job_is_in_doubt(f->job));
}

static void a_stop_does_not_end_doubt(void **state)
{
    Fixture *f = *state;
    make_doubt(f);
    uint64_t at = effect_of(f, JOB_EFFECT_TIMER)->at_ms;
    tell(f, JOB_EVENT_STOP);
    assert_int_equal(job_state(f->job), JOB_WAITING);
    f->now_ms = at;
    tell(f, JOB_EVENT_TIMER);
    tell(f, JOB_EVENT_CONNECTED);
    add_history(f, 1, DIRECTION_UPGRADE, "r2", "r1", "r2");
    tell_claimed(f, "r2");
    assert_ended(f, OUTCOME_STOPPED);
    assert_int_equal(report_of(f)->steps_done, 1);
    assert_effect(f, JOB_EFFECT_LEDGER_CLOSED);
}

static void a_lost_step_is_in_doubt(void **state)
{
    Fixture *f = *state;
    make_job(f, forward_spec(f));
    run_to_step(f, "r1");
    tell(f, JOB_EVENT_LOST);
    assert_true(job_is_in_doubt(f->job));
    assert_string_equal(report_of(f)->code, "UNKNOWN");
}

static void doubt_that_comes_back_each_time_ends_by_the_attempts(void **state)
{
    Fixture *f = *state;
    make_doubt(f);
    for (int i = 1; i < 3; i++) {
        pass_pause(f);
        tell(f, JOB_EVENT_CONNECTED);
        tell_claimed(f, "r1");
        tell(f, JOB_EVENT_RECORDED);
        assert_step(f, 0, "r2");
        tell(f, JOB_EVENT_LOST);
    }
    pass_pause(f);
    tell(f, JOB_EVENT_CONNECTED);
    tell_claimed(f, "r1");
    assert_ended(f, OUTCOME_FAILED);
}

/* A restarted agent whose ledger names an open job must not say "unreachable: nothing done". */
static void doubt_from_a_former_life_is_read_first(void **state)
{
    Fixture *f = *state;
    JobSpec spec = forward_spec(f);
    spec.in_doubt = true;
    make_job(f, spec);
    tell(f, JOB_EVENT_STOP);
    assert_int_equal(job_state(f->job), JOB_IDLE);
    tell(f, JOB_EVENT_START);
    for (int i = 0; i < 10; i++) {
        tell_failed(f, JOB_EVENT_CONNECT_FAILED, JOB_FAILURE_RETRY, ERR_CONNECT, true);
        assert_int_equal(report_of(f)->outcome, OUTCOME_UNKNOWN);
        pass_pause(f);
    }
    tell(f, JOB_EVENT_CONNECTED);
    tell_claimed(f, "r1");
    assert_ended(f, OUTCOME_STOPPED);
    assert_effect(f, JOB_EFFECT_LEDGER_CLOSED);
}

/* --- stop ------------------------------------------------------------------------------------- */

static void stop_finishes_the_step_in_hand(void **state)
{
    Fixture *f = *state;
    make_job(f, forward_spec(f));
    run_to_step(f, "r1");
    tell(f, JOB_EVENT_STOP);
    assert_int_equal(job_state(f->job), JOB_STEPPING);
    assert_no_effect(f, JOB_EFFECT_CLOSE);
    tell_step_done(f, "r2");
    assert_ended(f, OUTCOME_STOPPED);
    assert_no_effect(f, JOB_EFFECT_STEP);
    assert_int_equal(report_of(f)->steps_done, 1);
}

static void stop_at_the_last_step_succeeds(void **state)
{
    Fixture *f = *state;
    make_job(f, forward_spec(f));
    run_to_step(f, "r1");
    tell_step_done(f, "r2");
    tell_step_done(f, "r3");
    tell(f, JOB_EVENT_STOP);
    tell_step_done(f, "r4");
    assert_ended(f, OUTCOME_SUCCEEDED);
}

static void stop_starts_nothing_from_any_state(void **state)
{
    Fixture *f = *state;
    to_idle(f);
    tell(f, JOB_EVENT_STOP);
    assert_ended(f, OUTCOME_STOPPED);
    assert_no_effect(f, JOB_EFFECT_CLOSE);

    to_connecting(f);
    tell(f, JOB_EVENT_STOP);
    tell_failed(f, JOB_EVENT_CONNECT_FAILED, JOB_FAILURE_RETRY, ERR_CONNECT, true);
    assert_ended(f, OUTCOME_STOPPED);

    to_claiming(f);
    tell(f, JOB_EVENT_STOP);
    tell_claimed(f, "r1");
    assert_ended(f, OUTCOME_STOPPED);
    assert_int_equal(report_of(f)->rows.count, 1);

    to_recording(f);
    tell(f, JOB_EVENT_STOP);
    tell(f, JOB_EVENT_RECORDED);
    assert_ended(f, OUTCOME_STOPPED);
    assert_effect(f, JOB_EFFECT_LEDGER_CLOSED);

    to_backing_up(f);
    tell(f, JOB_EVENT_STOP);
    assert_ended(f, OUTCOME_STOPPED);
    assert_effect(f, JOB_EFFECT_CLOSE); /* ends the dump */

    to_waiting(f);
    tell(f, JOB_EVENT_STOP);
    assert_ended(f, OUTCOME_STOPPED);

    to_stepping(f);
    tell(f, JOB_EVENT_STOP);
    tell_failed(f, JOB_EVENT_STEP_FAILED, JOB_FAILURE_RETRY, ERR_INTERRUPTED, false);
    assert_ended(f, OUTCOME_STOPPED);
}

static void a_query_tells_and_changes_nothing(void **state)
{
    Fixture *f = *state;
    for (JobState at = 0; at < JOB_STATE_COUNT; at++) {
        ways[at](f);
        tell(f, JOB_EVENT_QUERY);
        assert_int_equal(job_state(f->job), at);
        assert_int_equal(f->effects.count, 1);
        assert_int_equal(report_of(f)->generation, 1);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(every_event_in_every_state),
        T(runs_all_steps),
        T(records_before_the_first_step),
        T(goes_on_after_done_steps),
        T(a_repeated_order_changes_nothing),
        T(a_failed_step_ends_the_job),
        T(rows_after_a_step_are_believed_only_if_they_are_its_rows),
        T(refusals_are_told_as_refusals),
        T(backs_up_before_the_first_step),
        T(a_failed_backup_runs_no_step),
        T(a_backup_is_taken_once),
        T(a_session_lost_during_the_backup_is_made_anew),
        T(lock_timeouts_are_tried_again_on_the_same_session),
        T(a_lock_that_is_not_to_be_had_lets_others_go_first),
        T(one_that_stands_back_may_be_stopped),
        T(a_lock_that_is_never_to_be_had_is_a_failure_in_the_end),
        T(what_stalls_others_each_time_is_given_up_soon),
        T(attempts_are_counted_per_step),
        T(a_connection_lost_before_commit_is_made_anew),
        T(connecting_gives_up_after_its_attempts),
        T(unreachable_after_a_step_is_a_failure),
        T(claims_are_tried_again),
        T(pauses_grow_and_differ_by_seed),
        T(an_early_timer_is_set_again),
        T(doubt_is_ended_by_reading_applied),
        T(doubt_is_ended_by_reading_not_applied),
        T(doubt_never_gives_up),
        T(a_stop_does_not_end_doubt),
        T(a_lost_step_is_in_doubt),
        T(doubt_that_comes_back_each_time_ends_by_the_attempts),
        T(doubt_from_a_former_life_is_read_first),
        T(stop_finishes_the_step_in_hand),
        T(stop_at_the_last_step_succeeds),
        T(stop_starts_nothing_from_any_state),
        T(a_query_tells_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
