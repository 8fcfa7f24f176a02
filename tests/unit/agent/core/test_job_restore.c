/* A job that puts a backup in the place of its shard: whatever is cut off, it learns from the shard
 * which database is in place. */
#include "job_fixture.h"

static JobSpec restore_spec(Fixture *f)
{
    JobSpec spec = forward_spec(f);
    spec.kind = JOB_RESTORE;
    spec.direction = DIRECTION_RESTORE;
    spec.steps = NULL;
    spec.step_count = 0;
    spec.plan_rows_before = rows_of(f, "r4");
    spec.plan_rows_after = rows_of(f, "r1");
    return spec;
}

static void tell_claimed_elsewhere(Fixture *f, const char *rows)
{
    JobEvent event = {.kind = JOB_EVENT_CLAIMED};
    event.claimed = (JobClaimed){.fence = 6,
                                 .rows = rows_of(f, rows),
                                 .history = f->history,
                                 .history_count = f->history_count,
                                 .elsewhere = true};
    assert_int_equal(give(f, event), ERR_OK);
}

static void run_to_swap(Fixture *f)
{
    run_to_step(f, "r4");
    assert_effect(f, JOB_EFFECT_RESTORE);
    assert_no_effect(f, JOB_EFFECT_SWAP);
    tell(f, JOB_EVENT_RESTORED);
    const JobEffect *swap = effect_of(f, JOB_EFFECT_SWAP);
    assert_non_null(swap);
    assert_int_equal(swap->step.direction, DIRECTION_RESTORE);
    assert_int_equal(swap->step.number, 0);
}

static void add_restore_row(Fixture *f)
{
    add_history(f, 1, DIRECTION_RESTORE, "", "r4", "r1");
}

static void it_is_done_when_the_new_database_says_so(void **state)
{
    Fixture *f = *state;
    make_job(f, restore_spec(f));
    run_to_swap(f);
    assert_int_equal(report_of(f)->phase, PHASE_SWAP);
    tell(f, JOB_EVENT_SWAPPED);
    assert_effect(f, JOB_EFFECT_CLOSE);
    assert_effect(f, JOB_EFFECT_CONNECT);
    assert_int_equal(report_of(f)->outcome, OUTCOME_UNSPECIFIED); /* the server has said it */
    assert_true(job_is_in_doubt(f->job));
    tell(f, JOB_EVENT_CONNECTED);
    add_restore_row(f);
    tell_claimed_elsewhere(f, "r1");
    assert_ended(f, OUTCOME_SUCCEEDED);
    assert_int_equal(report_of(f)->steps_done, 1);
}

static void a_lost_swap_that_happened_is_not_repeated(void **state)
{
    Fixture *f = *state;
    make_job(f, restore_spec(f));
    run_to_swap(f);
    tell_failed(f, JOB_EVENT_RESTORE_FAILED, JOB_FAILURE_UNKNOWN, ERR_UNKNOWN, true);
    assert_int_equal(report_of(f)->outcome, OUTCOME_UNKNOWN);
    pass_pause(f);
    tell(f, JOB_EVENT_CONNECTED);
    add_restore_row(f);
    tell_claimed_elsewhere(f, "r1");
    assert_no_effect(f, JOB_EFFECT_RESTORE);
    assert_ended(f, OUTCOME_SUCCEEDED);
}

static void a_lost_swap_that_did_not_happen_is_tried_again_from_the_backup(void **state)
{
    Fixture *f = *state;
    make_job(f, restore_spec(f));
    run_to_swap(f);
    tell(f, JOB_EVENT_LOST);
    assert_true(job_is_in_doubt(f->job));
    pass_pause(f);
    tell(f, JOB_EVENT_CONNECTED);
    tell_claimed(f, "r4");
    assert_false(job_is_in_doubt(f->job));
    assert_no_effect(f, JOB_EFFECT_SWAP);
    tell(f, JOB_EVENT_RECORDED);
    assert_effect(f, JOB_EFFECT_RESTORE);
}

static void a_former_life_is_read_first(void **state)
{
    Fixture *f = *state;
    JobSpec spec = restore_spec(f);
    spec.in_doubt = true;
    make_job(f, spec);
    run_to_claim(f);
    add_restore_row(f);
    tell_claimed_elsewhere(f, "r1");
    assert_ended(f, OUTCOME_SUCCEEDED);
}

static void another_database_is_not_taken_for_a_restored_one(void **state)
{
    Fixture *f = *state;
    make_job(f, restore_spec(f));
    run_to_claim(f);
    tell_claimed_elsewhere(f, "r4");
    assert_ended(f, OUTCOME_REFUSED);
}

static void a_shard_that_was_moved_is_overtaken(void **state)
{
    Fixture *f = *state;
    make_job(f, restore_spec(f));
    run_to_claim(f);
    tell_claimed(f, "r3");
    assert_ended(f, OUTCOME_OVERTAKEN);
}

static void a_refusal_ends_it_and_what_was_restored_goes(void **state)
{
    Fixture *f = *state;
    make_job(f, restore_spec(f));
    run_to_swap(f);
    tell_failed(f, JOB_EVENT_RESTORE_FAILED, JOB_FAILURE_FINAL, ERR_REFUSED, false);
    assert_effect(f, JOB_EFFECT_CLOSE);
    assert_effect(f, JOB_EFFECT_LEDGER_CLOSED);
    assert_ended(f, OUTCOME_REFUSED);
}

static void a_damaged_backup_is_a_failure(void **state)
{
    Fixture *f = *state;
    make_job(f, restore_spec(f));
    run_to_step(f, "r4");
    tell_failed(f, JOB_EVENT_RESTORE_FAILED, JOB_FAILURE_FINAL, ERR_DIGEST_MISMATCH, false);
    assert_ended(f, OUTCOME_FAILED);
}

static void a_claim_that_is_lost_meanwhile_starts_over(void **state)
{
    Fixture *f = *state;
    make_job(f, restore_spec(f));
    run_to_step(f, "r4");
    tell(f, JOB_EVENT_LOST);
    assert_effect(f, JOB_EFFECT_CLOSE); /* what was being restored goes too */
    assert_false(job_is_in_doubt(f->job));
    pass_pause(f);
    assert_effect(f, JOB_EFFECT_CONNECT);
}

static void it_gives_up_after_its_attempts(void **state)
{
    Fixture *f = *state;
    make_job(f, restore_spec(f));
    run_to_step(f, "r4");
    for (int i = 1; i < JOB_RESTORE_ATTEMPTS; i++) {
        tell_failed(f, JOB_EVENT_RESTORE_FAILED, JOB_FAILURE_RETRY, ERR_CONNECT, false);
        pass_pause(f);
        tell(f, JOB_EVENT_CONNECTED);
        tell_claimed(f, "r4");
        tell(f, JOB_EVENT_RECORDED);
        assert_effect(f, JOB_EFFECT_RESTORE);
    }
    tell_failed(f, JOB_EVENT_RESTORE_FAILED, JOB_FAILURE_RETRY, ERR_CONNECT, false);
    assert_ended(f, OUTCOME_FAILED);
}

static void a_stop_ends_the_restoring_but_not_the_swap(void **state)
{
    Fixture *f = *state;
    make_job(f, restore_spec(f));
    run_to_step(f, "r4");
    tell(f, JOB_EVENT_STOP);
    assert_effect(f, JOB_EFFECT_CLOSE);
    assert_ended(f, OUTCOME_STOPPED);
    make_job(f, restore_spec(f));
    run_to_swap(f);
    tell(f, JOB_EVENT_STOP);
    assert_false(job_is_done(f->job));
    tell(f, JOB_EVENT_SWAPPED);
    tell(f, JOB_EVENT_CONNECTED);
    add_restore_row(f);
    tell_claimed_elsewhere(f, "r1");
    assert_ended(f, OUTCOME_SUCCEEDED);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(it_is_done_when_the_new_database_says_so),
        T(a_lost_swap_that_happened_is_not_repeated),
        T(a_lost_swap_that_did_not_happen_is_tried_again_from_the_backup),
        T(a_former_life_is_read_first),
        T(another_database_is_not_taken_for_a_restored_one),
        T(a_shard_that_was_moved_is_overtaken),
        T(a_refusal_ends_it_and_what_was_restored_goes),
        T(a_damaged_backup_is_a_failure),
        T(a_claim_that_is_lost_meanwhile_starts_over),
        T(it_gives_up_after_its_attempts),
        T(a_stop_ends_the_restoring_but_not_the_swap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
