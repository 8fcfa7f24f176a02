/* Failures, budgets, doubt, and what is taken back, told as stories. */
#include "rollout_world.h"

static void test_a_failure_within_the_budget_is_left_behind(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 2, 1, 0);
    world.waves[0].budget = 1;
    world_start(&world);
    world_hush(&world);
    world_end(&world, 0, OUTCOME_FAILED, 1);
    world_told(&world, "persist shard-ended 0");
    world_end(&world, 1, OUTCOME_SUCCEEDED, 2);
    world_end(&world, 2, OUTCOME_SUCCEEDED, 2);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_SUCCEEDED);
    assert_string_equal(rollout_reason(world.rollout),
                        "1 of 3 failed and were left behind, within the budget");
    RolloutShardView view;
    rollout_shard(world.rollout, 0, &view);
    assert_int_equal(view.state, SHARD_FAILED);
    assert_string_equal(view.code, "SQL");
    assert_string_equal(view.message, "no such table");
    assert_int_equal(view.steps_done, 1);
    world_free(&world);
}

/* Its budget says how many may be refused before it stops trying; those are not where they should
 * be, and somebody has to look at them. */
static void test_what_could_not_go_back_halts_at_the_end(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 2, 1, 0);
    world.waves[0].budget = 1;
    world.header.direction = DIRECTION_RESTORE;
    world_start(&world);
    world_end(&world, 0, OUTCOME_REFUSED, 0);
    world_end(&world, 1, OUTCOME_SUCCEEDED, 1);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_RUNNING);
    world_hush(&world);
    world_end(&world, 2, OUTCOME_SUCCEEDED, 1);
    world_told(&world, "persist shard-ended 2; persist wave-done; persist stop-decided");
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_HALTED);
    assert_string_equal(rollout_reason(world.rollout), "1 of 3 could not be restored");
    assert_false(rollout_is_stopping(world.rollout));
    assert_int_equal(world_command(&world, ROLLOUT_EVENT_ABORT), ERR_OK);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_ABORTED);
    world_free(&world);
}

static void test_a_rollback_plan_halts_so_too(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 2, 0);
    world.waves[0].budget = 1;
    world.header.direction = DIRECTION_DOWNGRADE;
    world.header.rollback_of.bytes[0] = 9;
    world_start(&world);
    world_end(&world, 0, OUTCOME_OVERTAKEN, 0);
    world_end(&world, 1, OUTCOME_SUCCEEDED, 2);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_HALTED);
    assert_string_equal(rollout_reason(world.rollout), "1 of 2 could not be rolled back");
    world_free(&world);
}

static void test_budget_exceeded_and_policy_pause(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 4, 0);
    world.header.policy.concurrency.fleet = 2;
    world_start(&world);
    world_hush(&world);
    world_end(&world, 0, OUTCOME_FAILED, 0);
    world_told(&world, "persist shard-ended 0; persist stop-decided; stop a");
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_HALTED);
    assert_string_equal(rollout_reason(world.rollout), "1 failed in wave w0, its budget is 0");
    assert_true(rollout_is_stopping(world.rollout));
    world_end(&world, 1, OUTCOME_STOPPED, 1);
    world_told(&world, "persist shard-ended 1");
    assert_false(rollout_is_stopping(world.rollout));
    assert_int_equal(world_command(&world, ROLLOUT_EVENT_RESUME), ERR_STATE);
    world_agent(&world, "a", true);
    world_wait(&world, 100000);
    world_told(&world, ""); /* no forward dispatch ever again */
    assert_int_equal(world_command(&world, ROLLOUT_EVENT_ABORT), ERR_OK);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_ABORTED);
    world_free(&world);
}

static void test_the_fleets_budget_spans_waves(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 2, 2, 0);
    world.waves[0].budget = world.waves[1].budget = 2;
    world.header.policy.budget_fleet = 1;
    world_start(&world);
    world_end(&world, 0, OUTCOME_FAILED, 0);
    world_end(&world, 1, OUTCOME_SUCCEEDED, 2);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_RUNNING);
    world_end(&world, 2, OUTCOME_FAILED, 0);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_HALTED);
    assert_string_equal(rollout_reason(world.rollout), "2 failed, the fleet's budget is 1");
    world_free(&world);
}

static void test_a_hosts_budget(void **state)
{
    (void)state;
    World world;
    ScopeBudget budget = {"", false, 1};
    world_plan(&world, 2, 8, 0); /* even shards on host ha, odd ones on hb */
    world.waves[0].budget = 8;
    world.header.budgets = &budget;
    world.header.budget_count = 1;
    world_start(&world);
    world_end(&world, 0, OUTCOME_FAILED, 0);
    world_end(&world, 1, OUTCOME_FAILED, 0);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_RUNNING);
    world_end(&world, 2, OUTCOME_FAILED, 0);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_HALTED);
    assert_string_equal(rollout_reason(world.rollout),
                        "2 failed where the host is ha, its budget is 1");
    world_free(&world);
}

static void test_a_labels_budget_narrows_and_stops(void **state)
{
    (void)state;
    World world;
    Label labels[] = {{"tier", "free"}, {"tier", "pro"}};
    ScopeBudget budget = {"tier", true, 34}; /* of three each: one */
    world_plan(&world, 1, 7, 0);
    for (uint32_t i = 0; i < 6; i++) /* the seventh has no tier */
        world.shards[i].labels = (LabelList){&labels[i % 2], 1};
    world.waves[0].budget = 7;
    world.header.policy.concurrency.fleet = 1;
    world.header.budgets = &budget;
    world.header.budget_count = 1;
    world_start(&world);
    world_end(&world, 0, OUTCOME_FAILED, 0);
    world_end(&world, 1, OUTCOME_SUCCEEDED, 2);
    world_hush(&world);
    world_end(&world, 2, OUTCOME_FAILED, 0);
    assert_string_equal(rollout_reason(world.rollout),
                        "2 failed where tier is free, its budget is 1");
    world_free(&world);
}

static void test_concurrency_narrows_after_the_first_failure(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 12, 0);
    world.waves[0].budget = 3;
    world.header.policy.concurrency.fleet = 6;
    world_start(&world);
    world_hush(&world);
    world_end(&world, 0, OUTCOME_FAILED, 0);
    world_told(&world, "persist shard-ended 0"); /* 5 in flight; at most 3 from now on */
    world_end(&world, 1, OUTCOME_SUCCEEDED, 2);
    world_end(&world, 2, OUTCOME_SUCCEEDED, 2);
    world_told(&world, "persist shard-ended 1; persist shard-ended 2");
    world_end(&world, 3, OUTCOME_SUCCEEDED, 2);
    world_told(&world, "persist shard-ended 3; persist dispatched 6; run a: 6");
    world_end(&world, 4, OUTCOME_FAILED, 0); /* at most 2 */
    world_end(&world, 5, OUTCOME_SUCCEEDED, 2);
    world_told(&world, "persist shard-ended 4; persist shard-ended 5; persist dispatched 7; "
                       "run a: 7");
    world_end(&world, 6, OUTCOME_FAILED, 0); /* one at a time */
    world_told(&world, "persist shard-ended 6");
    world_end(&world, 7, OUTCOME_SUCCEEDED, 2);
    world_told(&world, "persist shard-ended 7; persist dispatched 8; run a: 8");
    world_free(&world);
}

static void test_rollback_wave(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 1, 5, 0);
    world.header.policy.on_failure = ON_FAILURE_ROLLBACK_WAVE;
    world.header.policy.concurrency.fleet = 4;
    world_start(&world);
    world_end(&world, 0, OUTCOME_SUCCEEDED, 2); /* the canary keeps the new revision */
    world_end(&world, 1, OUTCOME_SUCCEEDED, 2);
    world_hush(&world);
    world_end(&world, 2, OUTCOME_FAILED, 0); /* nothing done there */
    world_told(&world, "persist shard-ended 2; persist stop-decided; stop a");
    world_end(&world, 3, OUTCOME_STOPPED, 1);
    world_told(&world, "persist shard-ended 3");
    world_end(&world, 4, OUTCOME_FAILED, 1);
    world_hush(&world);
    world_end(&world, 5, OUTCOME_STOPPED, 0);
    world_told(&world, "persist shard-ended 5; persist take-back 1 3 4; "
                       "persist state rolling-back; persist dispatched 1 3 4; run a: 1 3 4");
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_ROLLING_BACK);
    RolloutShardView view;
    rollout_shard(world.rollout, 1, &view);
    assert_int_equal(view.generation, 2);
    assert_int_equal(view.attempt, 1);
    assert_int_equal(view.direction, DIRECTION_DOWNGRADE);
    world_end(&world, 1, OUTCOME_SUCCEEDED, 2);
    world_end(&world, 3, OUTCOME_STOPPED, 0); /* agents may stop for their own reasons */
    world_hush(&world);
    world_end(&world, 4, OUTCOME_SUCCEEDED, 1);
    world_end(&world, 3, OUTCOME_SUCCEEDED, 1);
    world_told(&world, "persist shard-ended 4; persist shard-ended 3; persist state rolled-back");
    rollout_shard(world.rollout, 1, &view);
    assert_true(view.rolled_back);
    assert_int_equal(view.state, SHARD_PENDING);
    rollout_shard(world.rollout, 0, &view);
    assert_false(view.rolled_back);
    assert_int_equal(view.state, SHARD_CURRENT);
    RolloutCounts counts;
    rollout_counts(world.rollout, &counts);
    assert_int_equal(counts.rolled_back, 3);
    world_free(&world);
}

static void test_rollback_rollout_takes_all_waves_back(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 1, 1, 1, 0);
    world.header.policy.on_failure = ON_FAILURE_ROLLBACK_ROLLOUT;
    world_start(&world);
    world_end(&world, 0, OUTCOME_SUCCEEDED, 2);
    world_hush(&world);
    world_end(&world, 1, OUTCOME_FAILED, 1);
    world_told(&world, "persist shard-ended 1; persist stop-decided; persist take-back 0 1; "
                       "persist state rolling-back; persist dispatched 0 1; run a: 0 1");
    world_free(&world);
}

static void test_one_that_can_not_be_rolled_back(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 3, 0);
    world.header.policy.on_failure = ON_FAILURE_ROLLBACK_WAVE;
    world_start(&world);
    world_end(&world, 0, OUTCOME_SUCCEEDED, 2);
    world_end(&world, 1, OUTCOME_SUCCEEDED, 2);
    world_end(&world, 2, OUTCOME_FAILED, 0);
    world_end(&world, 0, OUTCOME_FAILED, 0);
    assert_int_equal(world_shard_state(&world, 0), SHARD_ROLLBACK_FAILED);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_ROLLING_BACK); /* the others go on */
    world_end(&world, 1, OUTCOME_SUCCEEDED, 2);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_HALTED);
    assert_string_equal(rollout_reason(world.rollout),
                        "1 failed in wave w0, its budget is 0; 1 could not be rolled back");
    assert_false(rollout_is_stopping(world.rollout));
    world_free(&world);
}

static void test_the_policys_time_to_roll_back_has_passed(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 1, 1, 0);
    world.waves[0].bake_ms = 50000;
    world.header.policy.on_failure = ON_FAILURE_ROLLBACK_ROLLOUT;
    world.header.policy.rollback_until_ms = 40000;
    world_start(&world);
    world_end(&world, 0, OUTCOME_SUCCEEDED, 2);
    world_wait(&world, 50000);
    world_hush(&world);
    world_end(&world, 1, OUTCOME_FAILED, 1);
    world_told(&world, "persist shard-ended 1; persist stop-decided; persist take-back 1; "
                       "persist state rolling-back; persist dispatched 1; run a: 1");
    world_end(&world, 1, OUTCOME_SUCCEEDED, 1);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_HALTED);
    world_free(&world);
}

static void test_each_failed_shard_is_taken_back(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 3, 0);
    world.waves[0].budget = 2;
    world.header.policy.on_shard_failure = ON_SHARD_FAILURE_ROLLBACK;
    world_start(&world);
    world_hush(&world);
    world_end(&world, 0, OUTCOME_FAILED, 1);
    world_told(&world, "persist shard-ended 0; persist take-back 0; persist dispatched 0; "
                       "run a: 0");
    world_end(&world, 1, OUTCOME_FAILED, 0); /* nothing to take back */
    world_told(&world, "persist shard-ended 1");
    world_end(&world, 2, OUTCOME_SUCCEEDED, 2);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_RUNNING); /* waits for 0 */
    world_end(&world, 0, OUTCOME_SUCCEEDED, 1);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_SUCCEEDED);
    RolloutCounts counts;
    rollout_counts(world.rollout, &counts);
    assert_int_equal(counts.failures, 2); /* taken back is not undone */
    assert_int_equal(counts.rolled_back, 1);
    world_free(&world);
}

static void test_each_failed_shard_is_taken_back_also_when_halted(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 2, 0);
    world.header.policy.on_shard_failure = ON_SHARD_FAILURE_ROLLBACK;
    world_start(&world);
    world_hush(&world);
    world_end(&world, 0, OUTCOME_FAILED, 1);
    world_told(&world, "persist shard-ended 0; persist take-back 0; persist stop-decided; stop a");
    world_end(&world, 1, OUTCOME_STOPPED, 1);
    world_told(&world, "persist shard-ended 1; persist dispatched 0; run a: 0");
    world_end(&world, 0, OUTCOME_SUCCEEDED, 1);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_HALTED);
    world_free(&world);
}

static void test_unknown_waits_and_then_counts(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 2, 1, 0);
    world.waves[0].budget = 1;
    world.header.policy.unknown_deadline_ms = 30000;
    world_start(&world);
    world_hush(&world);
    world_say(&world, world_report(&world, 0, PHASE_PROBING, OUTCOME_UNKNOWN, 1));
    world_told(&world, "persist shard-unknown 0");
    assert_int_equal(world_shard_state(&world, 0), SHARD_UNKNOWN);
    for (int second = 0; second < 29; second++) {
        world_wait(&world, 1000);
        world_progress(&world, 1, PHASE_STEP);
        world_say(&world, world_report(&world, 0, PHASE_PROBING, OUTCOME_UNKNOWN, 1));
    }
    world_end(&world, 1, OUTCOME_SUCCEEDED, 2);
    world_told(&world, "persist shard-ended 1");
    world_wait(&world, 2000);
    world_told(&world, "persist shard-overdue 0");
    RolloutCounts counts;
    rollout_counts(world.rollout, &counts);
    assert_int_equal(counts.failures, 1);
    assert_int_equal(rollout_wave(world.rollout), 0); /* it is not skipped: the wave waits */
    world_progress(&world, 0, PHASE_STEP);
    world_told(&world, "persist shard-known 0");
    rollout_counts(world.rollout, &counts);
    assert_int_equal(counts.failures, 0);
    world_end(&world, 0, OUTCOME_SUCCEEDED, 2);
    assert_int_equal(rollout_wave(world.rollout), 1);
    world_free(&world);
}

static void test_a_silent_agents_shards_count_and_are_rolled_back_when_read(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 2, 4, 0);
    world.header.policy.on_failure = ON_FAILURE_ROLLBACK_WAVE;
    world.header.policy.unknown_deadline_ms = 30000;
    world_start(&world);
    world_end(&world, 1, OUTCOME_SUCCEEDED, 2);
    world_end(&world, 3, OUTCOME_SUCCEEDED, 2);
    world_agent(&world, "a", false);
    world_hush(&world);
    world_wait(&world, 29000);
    world_told(&world, "");
    world_wait(&world, 1000);
    world_told(&world, "persist shard-overdue 0 2; persist stop-decided; persist take-back 1 3; "
                       "persist state rolling-back; persist dispatched 1 3; run b: 1 3");
    world_end(&world, 1, OUTCOME_SUCCEEDED, 2);
    world_end(&world, 3, OUTCOME_SUCCEEDED, 2);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_ROLLING_BACK);
    world_hush(&world);
    world_agent(&world, "a", true); /* they are asked for, and told to go no further */
    world_told(&world, "persist resent 0 2; run a: 0 2; stop a");
    world_end(&world, 0, OUTCOME_STOPPED, 1);
    world_told(&world, "persist shard-ended 0; persist take-back 0; persist dispatched 0; "
                       "run a: 0");
    world_end(&world, 0, OUTCOME_SUCCEEDED, 1);
    world_hush(&world);
    world_end(&world, 2, OUTCOME_FAILED, 0);
    world_told(&world, "persist shard-ended 2; persist take-back 2; persist dispatched 2; "
                       "run a: 2"); /* it may have failed to read what the lost agent did */
    world_end(&world, 2, OUTCOME_SUCCEEDED, 0);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_ROLLED_BACK);
    world_free(&world);
}

static void test_a_shard_nobody_can_read_ends_as_rollback_failed(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 2, 2, 0);
    world.header.policy.on_failure = ON_FAILURE_ROLLBACK_WAVE;
    world.header.policy.unknown_deadline_ms = 30000;
    world_start(&world);
    world_end(&world, 1, OUTCOME_SUCCEEDED, 2);
    world_agent(&world, "a", false);
    world_wait(&world, 30000);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_ROLLING_BACK);
    world_agent(&world, "b", false); /* with shard 1 on its way back */
    world_wait(&world, 31000);
    assert_int_equal(world_shard_state(&world, 0), SHARD_ROLLBACK_FAILED);
    assert_int_equal(world_shard_state(&world, 1), SHARD_ROLLBACK_FAILED);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_HALTED);
    assert_string_equal(rollout_reason(world.rollout),
                        "1 failed in wave w0, its budget is 0; 2 could not be rolled back");
    world_free(&world);
}

static void test_a_shard_lost_with_its_agent_is_taken_back_though_nothing_is_known(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 2, 0);
    world.header.policy.on_failure = ON_FAILURE_ROLLBACK_WAVE;
    world_start(&world);
    world_agent(&world, "a", true); /* a new boot, both in flight */
    world_end(&world, 0, OUTCOME_FAILED, 0);
    world_hush(&world);
    world_end(&world, 1, OUTCOME_STOPPED, 0);
    world_told(&world, "persist shard-ended 1; persist take-back 0 1; "
                       "persist state rolling-back; persist dispatched 0 1; run a: 0 1");
    world_free(&world);
}

static void test_a_diverged_shard_is_reported_not_moved(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 2, 0);
    world.header.policy.on_failure = ON_FAILURE_ROLLBACK_WAVE;
    world_start(&world);
    world_end(&world, 0, OUTCOME_SUCCEEDED, 2);
    world_hush(&world);
    world_end(&world, 1, OUTCOME_DIVERGED, 1);
    world_told(&world, "persist shard-ended 1; persist stop-decided; persist take-back 0; "
                       "persist state rolling-back; persist dispatched 0; run a: 0");
    world_end(&world, 0, OUTCOME_SUCCEEDED, 2);
    assert_int_equal(world_shard_state(&world, 1), SHARD_DIVERGED);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_HALTED);
    world_free(&world);
}

static void test_abort_while_rolling_back(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 3, 0);
    world.header.policy.on_failure = ON_FAILURE_ROLLBACK_WAVE;
    world.header.policy.concurrency.fleet = 1;
    world_start(&world);
    world_end(&world, 0, OUTCOME_SUCCEEDED, 2);
    world_end(&world, 1, OUTCOME_FAILED, 1);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_ROLLING_BACK);
    assert_int_equal(world_command(&world, ROLLOUT_EVENT_PAUSE), ERR_STATE);
    world_hush(&world);
    assert_int_equal(world_command(&world, ROLLOUT_EVENT_ABORT), ERR_OK);
    world_told(&world, "persist abort-decided; stop a");
    world_end(&world, 0, OUTCOME_STOPPED, 1);
    world_told(&world, "persist shard-ended 0; persist state aborted");
    world_free(&world);
}

static void test_abort_does_not_wait_for_what_nobody_can_read(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 1, 0);
    world.waves[0].budget = 1;
    world.header.policy.unknown_deadline_ms = 30000;
    world_start(&world);
    world_agent(&world, "a", false);
    assert_int_equal(world_command(&world, ROLLOUT_EVENT_ABORT), ERR_OK);
    world_wait(&world, 29000);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_HALTED);
    world_wait(&world, 2000);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_ABORTED);
    assert_string_equal(rollout_reason(world.rollout), "why; 1 in doubt, not read yet");
    world_free(&world);
}

static void test_a_downgrade_plan_is_the_same_machine(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 2, 0);
    world.header.direction = DIRECTION_DOWNGRADE;
    world.waves[0].budget = 1;
    world_start(&world);
    RolloutShardView view;
    rollout_shard(world.rollout, 0, &view);
    assert_int_equal(view.direction, DIRECTION_DOWNGRADE);
    assert_int_equal(view.generation, 1);
    world_end(&world, 0, OUTCOME_SUCCEEDED, 2);
    assert_int_equal(world_shard_state(&world, 0), SHARD_CURRENT);
    world_end(&world, 1, OUTCOME_ROLLBACK_FAILED, 0);
    assert_int_equal(world_shard_state(&world, 1), SHARD_ROLLBACK_FAILED);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_SUCCEEDED);
    world_free(&world);
}

static void test_a_restart_between_taking_back_and_rolling_back(void **state)
{
    (void)state;
    for (size_t cut = 0; cut < 2; cut++) {
        World world;
        world_plan(&world, 1, 2, 0);
        world.header.policy.on_failure = ON_FAILURE_ROLLBACK_WAVE;
        world_start(&world);
        world_end(&world, 0, OUTCOME_SUCCEEDED, 2);
        world.slow_disk = true;
        world_end(&world, 1, OUTCOME_FAILED, 1);
        size_t count = 0;
        while (world.records[count].kind != ROLLOUT_RECORD_STOP_DECIDED)
            count++;
        world.record_count = count + 1 + cut; /* the stop, and then what is taken back */
        world.slow_disk = false;
        world_restart(&world);
        world_agent(&world, "a", true);
        assert_int_equal(rollout_state(world.rollout), ROLLOUT_ROLLING_BACK);
        world_end(&world, 0, OUTCOME_SUCCEEDED, 2);
        world_end(&world, 1, OUTCOME_SUCCEEDED, 1);
        assert_int_equal(rollout_state(world.rollout), ROLLOUT_ROLLED_BACK);
        world_free(&world);
    }
}

/* The crash kept a shard's end and lost what followed from it. */
static void test_a_restart_between_an_end_and_taking_back(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 1, 1, 0);
    world.waves[0].budget = 1;
    world.header.policy.on_shard_failure = ON_SHARD_FAILURE_ROLLBACK;
    world_start(&world);
    world.slow_disk = true;
    world_end(&world, 0, OUTCOME_FAILED, 1);
    while (world.records[world.record_count - 1].kind != ROLLOUT_RECORD_SHARD_ENDED)
        world.record_count--;
    world.slow_disk = false;
    world_hush(&world);
    world_restart(&world);
    world_told(&world, "persist take-back 0");
    world_agent(&world, "a", true);
    world_told(&world, "persist dispatched 0; run a: 0");
    world_free(&world);
}

static void test_a_backup_is_not_forgotten_by_a_later_job(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 1, 0);
    world_start(&world);
    JobReport report = world_report(&world, 0, PHASE_DONE, OUTCOME_STOPPED, 1);
    report.has_backup = true;
    report.backup = (BackupInfo){.path = "x.dump", .size_bytes = 7};
    world_say(&world, report);
    world_end(&world, 0, OUTCOME_SUCCEEDED, 2);
    RolloutShardView view;
    rollout_shard(world.rollout, 0, &view);
    assert_non_null(view.backup);
    assert_string_equal(view.backup->path, "x.dump");
    assert_int_equal(view.outcome, OUTCOME_SUCCEEDED);
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_failure_within_the_budget_is_left_behind),
        cmocka_unit_test(test_what_could_not_go_back_halts_at_the_end),
        cmocka_unit_test(test_a_rollback_plan_halts_so_too),
        cmocka_unit_test(test_budget_exceeded_and_policy_pause),
        cmocka_unit_test(test_the_fleets_budget_spans_waves),
        cmocka_unit_test(test_a_hosts_budget),
        cmocka_unit_test(test_a_labels_budget_narrows_and_stops),
        cmocka_unit_test(test_concurrency_narrows_after_the_first_failure),
        cmocka_unit_test(test_rollback_wave),
        cmocka_unit_test(test_rollback_rollout_takes_all_waves_back),
        cmocka_unit_test(test_one_that_can_not_be_rolled_back),
        cmocka_unit_test(test_the_policys_time_to_roll_back_has_passed),
        cmocka_unit_test(test_each_failed_shard_is_taken_back),
        cmocka_unit_test(test_each_failed_shard_is_taken_back_also_when_halted),
        cmocka_unit_test(test_unknown_waits_and_then_counts),
        cmocka_unit_test(test_a_silent_agents_shards_count_and_are_rolled_back_when_read),
        cmocka_unit_test(test_a_shard_nobody_can_read_ends_as_rollback_failed),
        cmocka_unit_test(test_a_shard_lost_with_its_agent_is_taken_back_though_nothing_is_known),
        cmocka_unit_test(test_a_diverged_shard_is_reported_not_moved),
        cmocka_unit_test(test_abort_while_rolling_back),
        cmocka_unit_test(test_abort_does_not_wait_for_what_nobody_can_read),
        cmocka_unit_test(test_a_downgrade_plan_is_the_same_machine),
        cmocka_unit_test(test_a_restart_between_taking_back_and_rolling_back),
        cmocka_unit_test(test_a_restart_between_an_end_and_taking_back),
        cmocka_unit_test(test_a_backup_is_not_forgotten_by_a_later_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
