#include "job_fixture.h"

#include "job_position.h"

static JobPosition find(Fixture *f, const JobSpec *spec, const char *rows)
{
    JobClaimed claimed = {
        .rows = rows_of(f, rows), .history = f->history, .history_count = f->history_count};
    JobPosition position;
    job_position_find(f->arena, spec, &claimed, f->unix_ms, &position);
    return position;
}

static void add_upgrades(Fixture *f)
{
    add_history(f, 1, DIRECTION_UPGRADE, "r2", "r1", "r2");
    add_history(f, 1, DIRECTION_UPGRADE, "r3", "r2", "r3");
    add_history(f, 1, DIRECTION_UPGRADE, "r4", "r3", "r4");
}

#define assert_verdict(position, expected)                                                         \
    assert_string_equal(outcome_name((position).verdict), outcome_name(expected))

/* --- forward ---------------------------------------------------------------------------------- */

static void forward_counts_its_own_history_only(void **state)
{
    Fixture *f = *state;
    JobSpec spec = forward_spec(f);
    add_history(f, 1, DIRECTION_UPGRADE, "r2", "r1", "r2");
    f->history[0].rollout = OTHER_ROLLOUT;
    add_history(f, 1, DIRECTION_UPGRADE, "r2", "r1", "r2");
    f->history[1].succeeded = false;
    add_history(f, 3, DIRECTION_UPGRADE, "r2", "r1", "r2");
    add_history(f, 1, DIRECTION_DOWNGRADE, "r2", "r2", "r1");
    JobPosition position = find(f, &spec, "r1");
    assert_verdict(position, OUTCOME_UNSPECIFIED);
    assert_int_equal(position.done, 0);
}

/* The row alone is not enough, and neither are the rows. */
static void already_done_needs_history_and_rows(void **state)
{
    Fixture *f = *state;
    JobSpec spec = forward_spec(f);
    JobPosition position = find(f, &spec, "r2");
    assert_verdict(position, OUTCOME_OVERTAKEN);
    assert_int_equal(position.err.code, ERR_OVERTAKEN);
    add_history(f, 1, DIRECTION_UPGRADE, "r2", "r1", "r2");
    position = find(f, &spec, "r1");
    assert_verdict(position, OUTCOME_OVERTAKEN);
    position = find(f, &spec, "r2");
    assert_verdict(position, OUTCOME_UNSPECIFIED);
    assert_int_equal(position.done, 1);
}

static void several_rows_are_compared_as_a_set_in_order(void **state)
{
    Fixture *f = *state;
    JobSpec spec = forward_spec(f);
    JobStep steps[] = {step_of(f, "m", "a,b", "m")};
    spec.steps = steps;
    spec.step_count = 1;
    assert_verdict(find(f, &spec, "a,b"), OUTCOME_UNSPECIFIED);
    assert_verdict(find(f, &spec, "a"), OUTCOME_OVERTAKEN);
    assert_verdict(find(f, &spec, "a,b,c"), OUTCOME_OVERTAKEN);
    assert_verdict(find(f, &spec, ""), OUTCOME_OVERTAKEN);
}

static void history_that_is_not_the_plans_diverges(void **state)
{
    Fixture *f = *state;
    JobSpec spec = forward_spec(f);
    add_history(f, 1, DIRECTION_UPGRADE, "r3", "r2", "r3");
    assert_verdict(find(f, &spec, "r3"), OUTCOME_DIVERGED);
    f->history_count = 0;
    add_history(f, 1, DIRECTION_UPGRADE, "r2", "r1", "x2");
    assert_verdict(find(f, &spec, "x2"), OUTCOME_DIVERGED);
    f->history_count = 0;
    add_upgrades(f);
    add_history(f, 1, DIRECTION_UPGRADE, "r5", "r4", "r5");
    assert_verdict(find(f, &spec, "r5"), OUTCOME_DIVERGED);
}

static void a_plan_can_go_down(void **state)
{
    Fixture *f = *state;
    JobSpec spec = forward_spec(f);
    JobStep steps[] = {step_of(f, "r4", "r4", "r3"), step_of(f, "r3", "r3", "r2")};
    spec.direction = DIRECTION_DOWNGRADE;
    spec.steps = steps;
    spec.step_count = 2;
    add_history(f, 1, DIRECTION_DOWNGRADE, "r4", "r4", "r3");
    JobPosition position = find(f, &spec, "r3");
    assert_verdict(position, OUTCOME_UNSPECIFIED);
    assert_int_equal(position.done, 1);
}

/* --- taking back ------------------------------------------------------------------------------ */

static void takes_back_newest_first(void **state)
{
    Fixture *f = *state;
    JobSpec spec = take_back_spec(f);
    add_upgrades(f);
    JobPosition position = find(f, &spec, "r4");
    assert_verdict(position, OUTCOME_UNSPECIFIED);
    assert_int_equal(position.step_count, 3);
    assert_string_equal(position.steps[0].revision, "r4");
    assert_string_equal(position.steps[0].rows_after.items[0], "r3");
    assert_string_equal(position.steps[2].revision, "r2");
    assert_string_equal(position.steps[2].rows_after.items[0], "r1");
}

static void takes_back_only_what_was_done(void **state)
{
    Fixture *f = *state;
    JobSpec spec = take_back_spec(f);
    add_history(f, 1, DIRECTION_UPGRADE, "r2", "r1", "r2");
    add_history(f, 1, DIRECTION_UPGRADE, "r3", "r2", "r3");
    f->history[1].succeeded = false;
    JobPosition position = find(f, &spec, "r2");
    assert_verdict(position, OUTCOME_UNSPECIFIED);
    assert_int_equal(position.step_count, 1);
    assert_string_equal(position.steps[0].revision, "r2");
}

static void nothing_to_take_back_is_done(void **state)
{
    Fixture *f = *state;
    JobSpec spec = take_back_spec(f);
    JobPosition position = find(f, &spec, "r1");
    assert_verdict(position, OUTCOME_UNSPECIFIED);
    assert_int_equal(position.step_count, 0);
}

static void goes_on_taking_back(void **state)
{
    Fixture *f = *state;
    JobSpec spec = take_back_spec(f);
    add_upgrades(f);
    add_history(f, 2, DIRECTION_DOWNGRADE, "r4", "r4", "r3");
    JobPosition position = find(f, &spec, "r3");
    assert_verdict(position, OUTCOME_UNSPECIFIED);
    assert_int_equal(position.done, 1);
    assert_int_equal(position.step_count, 3);
}

static void takes_back_the_generation_before(void **state)
{
    Fixture *f = *state;
    JobSpec spec = take_back_spec(f);
    spec.generation = 4;
    add_upgrades(f);
    add_history(f, 2, DIRECTION_DOWNGRADE, "r4", "r4", "r3");
    add_history(f, 2, DIRECTION_DOWNGRADE, "r3", "r3", "r2");
    add_history(f, 2, DIRECTION_DOWNGRADE, "r2", "r2", "r1");
    add_history(f, 3, DIRECTION_UPGRADE, "r2", "r1", "r2");
    JobPosition position = find(f, &spec, "r2");
    assert_verdict(position, OUTCOME_UNSPECIFIED);
    assert_int_equal(position.step_count, 1);
}

static void what_moved_since_is_not_taken_back(void **state)
{
    Fixture *f = *state;
    JobSpec spec = take_back_spec(f);
    add_upgrades(f);
    assert_verdict(find(f, &spec, "r5"), OUTCOME_OVERTAKEN);
    assert_verdict(find(f, &spec, "r3"), OUTCOME_OVERTAKEN); /* downgraded by something else */
}

static void only_back_to_the_plans_rows(void **state)
{
    Fixture *f = *state;
    JobSpec spec = take_back_spec(f);
    add_history(f, 1, DIRECTION_UPGRADE, "r3", "r2", "r3");
    assert_verdict(find(f, &spec, "r3"), OUTCOME_DIVERGED);
}

static void time_for_taking_back_runs_out(void **state)
{
    Fixture *f = *state;
    JobSpec spec = take_back_spec(f);
    spec.take_back_within_ms = 5000;
    add_upgrades(f); /* the first started at 1000001 */
    f->unix_ms = 1005001;
    assert_verdict(find(f, &spec, "r4"), OUTCOME_UNSPECIFIED);
    f->unix_ms = 1005002;
    JobPosition position = find(f, &spec, "r4");
    assert_verdict(position, OUTCOME_REFUSED);
    assert_int_equal(position.err.code, ERR_REFUSED);
    add_history(f, 2, DIRECTION_DOWNGRADE, "r4", "r4", "r3"); /* begun: finished */
    assert_verdict(find(f, &spec, "r3"), OUTCOME_UNSPECIFIED);
}

static void a_downgrade_plan_is_taken_back_by_upgrades(void **state)
{
    Fixture *f = *state;
    JobSpec spec = take_back_spec(f);
    spec.direction = DIRECTION_UPGRADE;
    spec.plan_rows_before = rows_of(f, "r4");
    add_history(f, 1, DIRECTION_DOWNGRADE, "r4", "r4", "r3");
    JobPosition position = find(f, &spec, "r3");
    assert_verdict(position, OUTCOME_UNSPECIFIED);
    assert_int_equal(position.step_count, 1);
    assert_string_equal(position.steps[0].rows_after.items[0], "r4");
}

/* --- taking back another rollout -------------------------------------------------------------- */

static JobSpec rollback_plan_spec(Fixture *f, JobStep steps[3])
{
    JobSpec spec = take_back_spec(f);
    steps[0] = step_of(f, "r4", "r4", "r3");
    steps[1] = step_of(f, "r3", "r3", "r2");
    steps[2] = step_of(f, "r2", "r2", "r1");
    spec.generation = 1;
    spec.source_rollout = OTHER_ROLLOUT;
    spec.plan_rows_before = rows_of(f, "r4");
    spec.plan_rows_after = rows_of(f, "r1");
    spec.steps = steps;
    spec.step_count = 3;
    return spec;
}

static void takes_back_another_rollout_as_approved(void **state)
{
    Fixture *f = *state;
    JobStep steps[3];
    JobSpec spec = rollback_plan_spec(f, steps);
    add_upgrades(f);
    for (size_t i = 0; i < 3; i++)
        f->history[i].rollout = OTHER_ROLLOUT;
    JobPosition position = find(f, &spec, "r4");
    assert_verdict(position, OUTCOME_UNSPECIFIED);
    assert_int_equal(position.step_count, 3);
    add_history(f, 1, DIRECTION_DOWNGRADE, "r4", "r4", "r3"); /* by this rollout */
    position = find(f, &spec, "r3");
    assert_verdict(position, OUTCOME_UNSPECIFIED);
    assert_int_equal(position.done, 1);
}

static void another_list_than_the_approved_is_refused(void **state)
{
    Fixture *f = *state;
    JobStep steps[3];
    JobSpec spec = rollback_plan_spec(f, steps);
    add_upgrades(f);
    for (size_t i = 0; i < 3; i++)
        f->history[i].rollout = OTHER_ROLLOUT;
    f->history[0].succeeded = false;
    assert_verdict(find(f, &spec, "r4"), OUTCOME_OVERTAKEN);
    f->history_count = 0; /* nothing of it, yet not at the rows it leads to */
    assert_verdict(find(f, &spec, "r4"), OUTCOME_OVERTAKEN);
    assert_verdict(find(f, &spec, "r1"), OUTCOME_UNSPECIFIED);
}

/* --- the job around it ------------------------------------------------------------------------ */

static void a_failing_downgrade_is_rollback_failed(void **state)
{
    Fixture *f = *state;
    make_job(f, take_back_spec(f));
    add_upgrades(f);
    run_to_step(f, "r4");
    assert_step(f, 0, "r4");
    assert_int_equal(effect_of(f, JOB_EFFECT_STEP)->step.direction, DIRECTION_DOWNGRADE);
    tell_failed(f, JOB_EVENT_STEP_FAILED, JOB_FAILURE_FINAL, ERR_SQL, false);
    assert_ended(f, OUTCOME_ROLLBACK_FAILED);
}

static void takes_all_back(void **state)
{
    Fixture *f = *state;
    JobSpec spec = take_back_spec(f);
    spec.backup_wanted = true; /* of the first generation only */
    make_job(f, spec);
    add_upgrades(f);
    run_to_step(f, "r4");
    assert_step(f, 0, "r4");
    tell_step_done(f, "r3");
    assert_step(f, 1, "r3");
    tell_step_done(f, "r2");
    assert_step(f, 2, "r2");
    tell_step_done(f, "r1");
    assert_ended(f, OUTCOME_SUCCEEDED);
    assert_int_equal(report_of(f)->steps_done, 3);
}

/* What a server makes up must not bring down the agent of other servers' shards too. */
static void history_with_a_gap_is_not_taken_back(void **state)
{
    Fixture *f = *state;
    make_job(f, take_back_spec(f));
    add_history(f, 1, DIRECTION_UPGRADE, "r2", "r1", "r2");
    add_history(f, 1, DIRECTION_UPGRADE, "r3", "x9", "r3");
    run_to_claim(f);
    tell_claimed(f, "r3");
    assert_ended(f, OUTCOME_DIVERGED);
    assert_no_effect(f, JOB_EFFECT_STEP);
}

static void taking_nothing_back_succeeds(void **state)
{
    Fixture *f = *state;
    make_job(f, take_back_spec(f));
    run_to_claim(f);
    tell_claimed(f, "r1");
    assert_ended(f, OUTCOME_SUCCEEDED);
    assert_int_equal(report_of(f)->steps_total, 0);
}

static void what_policy_does_not_allow_is_refused(void **state)
{
    Fixture *f = *state;
    JobSpec spec = take_back_spec(f);
    spec.take_back_allowed = false;
    make_job(f, spec);
    tell(f, JOB_EVENT_START);
    assert_ended(f, OUTCOME_REFUSED);
    assert_no_effect(f, JOB_EFFECT_CONNECT);
    spec.in_doubt = true; /* read all the same, then refused */
    make_job(f, spec);
    add_upgrades(f);
    run_to_claim(f);
    tell_claimed(f, "r4");
    assert_ended(f, OUTCOME_REFUSED);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(forward_counts_its_own_history_only),
        T(already_done_needs_history_and_rows),
        T(several_rows_are_compared_as_a_set_in_order),
        T(history_that_is_not_the_plans_diverges),
        T(a_plan_can_go_down),
        T(takes_back_newest_first),
        T(takes_back_only_what_was_done),
        T(nothing_to_take_back_is_done),
        T(goes_on_taking_back),
        T(takes_back_the_generation_before),
        T(what_moved_since_is_not_taken_back),
        T(only_back_to_the_plans_rows),
        T(time_for_taking_back_runs_out),
        T(a_downgrade_plan_is_taken_back_by_upgrades),
        T(takes_back_another_rollout_as_approved),
        T(another_list_than_the_approved_is_refused),
        T(a_failing_downgrade_is_rollback_failed),
        T(takes_all_back),
        T(history_with_a_gap_is_not_taken_back),
        T(taking_nothing_back_succeeds),
        T(what_policy_does_not_allow_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
