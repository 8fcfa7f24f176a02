/* Retry, skip, set and the brake, as stories. */
#include "rollout_world.h"

static ErrCode control(World *world, RolloutEventKind kind, uint32_t shard)
{
    RolloutCommand command = {.who = "ann", .reason = "why", .shards = &shard, .shard_count = 1};
    return world_give(world, (RolloutEvent){.kind = kind, .command = command});
}

static ErrCode set(World *world, RolloutSetting setting, uint32_t value)
{
    RolloutCommand command = {.who = "ann", .reason = "", .setting = setting, .value = value};
    return world_give(world, (RolloutEvent){.kind = ROLLOUT_EVENT_SET, .command = command});
}

static void brake(World *world, bool on)
{
    assert_int_equal(world_give(world, (RolloutEvent){.kind = ROLLOUT_EVENT_BRAKE, .brake = on}),
                     ERR_OK);
}

static bool is_skipped(const World *world, uint32_t index)
{
    RolloutShardView view;
    rollout_shard(world->rollout, index, &view);
    return view.skipped;
}

static void test_a_failed_shard_is_tried_again(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 2, 0);
    world.waves[0].budget = 1;
    world_start(&world);
    world_end(&world, 0, OUTCOME_FAILED, 1);
    world_hush(&world);
    assert_int_equal(control(&world, ROLLOUT_EVENT_RETRY, 1), ERR_STATE); /* it is running */
    assert_int_equal(control(&world, ROLLOUT_EVENT_RETRY, 0), ERR_OK);
    world_told(&world, "persist retried 0; persist dispatched 0; run a: 0");
    RolloutCounts counts;
    rollout_counts(world.rollout, &counts);
    assert_int_equal(counts.failures, 0);
    world_end(&world, 0, OUTCOME_SUCCEEDED, 2);
    world_end(&world, 1, OUTCOME_SUCCEEDED, 2);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_SUCCEEDED);
    assert_int_equal(world_command(&world, ROLLOUT_EVENT_RETRY), ERR_STATE);
    world_free(&world);
}

static void test_retry_without_names_means_all_that_failed(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 3, 1, 0);
    world.waves[0].budget = 2;
    world_start(&world);
    assert_int_equal(world_command(&world, ROLLOUT_EVENT_RETRY), ERR_STATE); /* none has */
    world_end(&world, 0, OUTCOME_FAILED, 0);
    world_end(&world, 2, OUTCOME_UNREACHABLE, 0);
    world_hush(&world);
    assert_int_equal(world_command(&world, ROLLOUT_EVENT_RETRY), ERR_OK);
    world_told(&world, "persist retried 0 2; persist dispatched 0 2; run a: 0 2");
    world_free(&world);
}

/* A later wave may be at work: the next one waits until the retried shard has ended too. */
static void test_a_shard_of_an_earlier_wave_is_tried_again(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 1, 1, 1, 0);
    world.waves[0].budget = 1;
    world_start(&world);
    world_end(&world, 0, OUTCOME_FAILED, 0);
    world_hush(&world);
    assert_int_equal(control(&world, ROLLOUT_EVENT_RETRY, 0), ERR_OK);
    world_told(&world, "persist retried 0; persist dispatched 0; run a: 0");
    world_end(&world, 1, OUTCOME_SUCCEEDED, 2);
    world_told(&world, "persist shard-ended 1; persist wave-done");
    world_restart(&world);
    world_agent(&world, "a", true);
    world_hush(&world);
    world_end(&world, 0, OUTCOME_SUCCEEDED, 2);
    world_told(&world,
               "persist shard-ended 0; persist wave-opened; persist dispatched 2; run a: 2");
    world_free(&world);
}

static void test_a_baking_wave_bakes_anew_after_a_retry(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 1, 1, 0);
    world.waves[0].budget = 1;
    world.waves[0].bake_ms = 60000;
    world_start(&world);
    world_end(&world, 0, OUTCOME_FAILED, 0);
    world_wait(&world, 50000);
    world_hush(&world);
    assert_int_equal(control(&world, ROLLOUT_EVENT_RETRY, 0), ERR_OK);
    world_end(&world, 0, OUTCOME_SUCCEEDED, 2);
    world_told(&world, "persist retried 0; persist dispatched 0; run a: 0; persist shard-ended 0; "
                       "persist wave-baking");
    world_wait(&world, 59000);
    world_told(&world, "");
    world_wait(&world, 2000);
    world_told(&world, "persist wave-done; persist wave-opened; persist dispatched 1; run a: 1");
    world_free(&world);
}

static void test_what_was_taken_back_is_not_tried_again(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 2, 0);
    world.waves[0].budget = 1;
    world.header.policy.on_shard_failure = ON_SHARD_FAILURE_ROLLBACK;
    world_start(&world);
    world_end(&world, 0, OUTCOME_FAILED, 1);
    assert_int_equal(control(&world, ROLLOUT_EVENT_RETRY, 0), ERR_STATE);
    world_free(&world);
}

static void test_a_skipped_shard_is_left_out_until_it_is_named(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 1, 2, 0);
    world_start(&world);
    assert_int_equal(control(&world, ROLLOUT_EVENT_SKIP, 0), ERR_STATE); /* it has begun */
    assert_int_equal(control(&world, ROLLOUT_EVENT_SKIP, 9), ERR_NOT_FOUND);
    assert_int_equal(control(&world, ROLLOUT_EVENT_SKIP, 1), ERR_OK);
    assert_int_equal(control(&world, ROLLOUT_EVENT_SKIP, 1), ERR_STATE);
    world_restart(&world);
    world_agent(&world, "a", true);
    assert_true(is_skipped(&world, 1));
    world_hush(&world);
    world_end(&world, 0, OUTCOME_SUCCEEDED, 2);
    world_told(&world, "persist shard-ended 0; persist wave-done; persist wave-opened; "
                       "persist dispatched 2; run a: 2");
    assert_int_equal(control(&world, ROLLOUT_EVENT_RETRY, 1), ERR_OK);
    world_told(&world, "persist retried 1; persist dispatched 1; run a: 1");
    assert_false(is_skipped(&world, 1));
    world_free(&world);
}

static void test_a_wave_of_skipped_shards_is_done(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 1, 1, 0);
    world_start(&world);
    assert_int_equal(control(&world, ROLLOUT_EVENT_SKIP, 1), ERR_OK);
    world_end(&world, 0, OUTCOME_SUCCEEDED, 2);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_SUCCEEDED);
    assert_int_equal(world_shard_state(&world, 1), SHARD_PENDING);
    world_free(&world);
}

static void test_concurrency_is_set_within_the_plan(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 6, 0);
    world.header.policy.concurrency.fleet = 3;
    world_start(&world);
    assert_int_equal(set(&world, ROLLOUT_SETTING_CONCURRENCY_FLEET, 4), ERR_REFUSED);
    assert_int_equal(set(&world, ROLLOUT_SETTING_CONCURRENCY_FLEET, 0), ERR_REFUSED);
    assert_int_equal(set(&world, ROLLOUT_SETTING_UNSPECIFIED, 1), ERR_USAGE);
    assert_int_equal(set(&world, ROLLOUT_SETTING_CONCURRENCY_FLEET, 1), ERR_OK);
    assert_int_equal(set(&world, ROLLOUT_SETTING_CONCURRENCY_HOST, 50), ERR_OK); /* had no cap */
    world_restart(&world);
    world_agent(&world, "a", true);
    assert_int_equal(rollout_concurrency(world.rollout).fleet, 1);
    world_end(&world, 0, OUTCOME_SUCCEEDED, 2);
    world_end(&world, 1, OUTCOME_SUCCEEDED, 2);
    world_hush(&world);
    world_end(&world, 2, OUTCOME_SUCCEEDED, 2);
    world_told(&world, "persist shard-ended 2; persist dispatched 3; run a: 3");
    assert_int_equal(set(&world, ROLLOUT_SETTING_CONCURRENCY_FLEET, 3), ERR_OK);
    world_told(&world, "persist set; persist dispatched 4 5; run a: 4 5");
    world_free(&world);
}

static void test_a_budget_below_what_has_failed_stops_at_once(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 3, 3, 0);
    world.waves[0].budget = 2;
    world.waves[1].budget = 1;
    world.header.policy.budget_fleet = 3;
    world_start(&world);
    world_end(&world, 0, OUTCOME_FAILED, 1);
    assert_int_equal(set(&world, ROLLOUT_SETTING_BUDGET_FLEET, 4), ERR_REFUSED);
    assert_int_equal(set(&world, ROLLOUT_SETTING_BUDGET_WAVE, 3), ERR_REFUSED);
    assert_int_equal(set(&world, ROLLOUT_SETTING_BUDGET_FLEET, 1), ERR_OK);
    assert_int_equal(set(&world, ROLLOUT_SETTING_BUDGET_FLEET, 2), ERR_OK); /* up again */
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_RUNNING);
    assert_int_equal(set(&world, ROLLOUT_SETTING_BUDGET_WAVE, 1), ERR_OK);
    assert_int_equal(rollout_wave_budget(world.rollout, 0), 1);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_RUNNING); /* one has failed, one may */
    world_restart(&world);
    world_agent(&world, "a", true);
    assert_int_equal(rollout_wave_budget(world.rollout, 0), 1);
    assert_int_equal(rollout_budget_fleet(world.rollout), 2);
    assert_int_equal(set(&world, ROLLOUT_SETTING_BUDGET_WAVE, 0), ERR_OK);
    world_end(&world, 1, OUTCOME_STOPPED, 1);
    world_end(&world, 2, OUTCOME_STOPPED, 1);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_HALTED);
    assert_non_null(strstr(rollout_reason(world.rollout), "1 failed in wave w0, its budget is 0"));
    /* Raising it does not start it again. */
    assert_int_equal(set(&world, ROLLOUT_SETTING_BUDGET_WAVE, 2), ERR_OK);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_HALTED);
    world_free(&world);
}

static void test_the_budget_of_a_host_is_set(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 2, 4, 0);
    ScopeBudget budgets[] = {{.label = "", .value = 2}, {.label = "tier", .value = 1}};
    world.header.budgets = budgets;
    world.header.budget_count = 2;
    world.waves[0].budget = 4;
    world_start(&world);
    RolloutSetting host = rollout_setting_find(world.rollout, "budget.host");
    assert_int_equal(host, ROLLOUT_SETTING_BUDGETS);
    assert_int_equal(rollout_setting_find(world.rollout, "budget.labels.tier"), host + 1);
    assert_int_equal(rollout_setting_find(world.rollout, "budget.labels.region"),
                     ROLLOUT_SETTING_UNSPECIFIED);
    assert_int_equal(rollout_setting_find(world.rollout, "budget.labels."),
                     ROLLOUT_SETTING_UNSPECIFIED);
    assert_string_equal(rollout_setting_name(world.arena, world.rollout, host), "budget.host");
    assert_string_equal(rollout_setting_name(world.arena, world.rollout, host + 1),
                        "budget.labels.tier");
    world_end(&world, 0, OUTCOME_FAILED, 1);
    assert_int_equal(set(&world, host, 3), ERR_REFUSED);
    assert_int_equal(set(&world, host, 1), ERR_OK);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_RUNNING);
    assert_int_equal(rollout_budget_scope(world.rollout, 0), 1);
    assert_int_equal(set(&world, host, 0), ERR_OK);
    for (uint32_t i = 1; i < 4; i++)
        world_end(&world, i, OUTCOME_STOPPED, 1);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_HALTED);
    assert_non_null(strstr(rollout_reason(world.rollout), "the host is ha, its budget is 0"));
    world_free(&world);
}

static void test_a_bake_is_made_longer_and_never_shorter_than_planned(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 1, 1, 1, 0);
    world.waves[0].bake_ms = 60000;
    world.waves[1].bake_ms = 30000;
    world_start(&world);
    assert_int_equal(set(&world, ROLLOUT_SETTING_BAKE, 29999), ERR_REFUSED);
    assert_int_equal(set(&world, ROLLOUT_SETTING_BAKE, 45000), ERR_OK);
    assert_int_equal(rollout_wave_bake_ms(world.rollout, 0), 60000);
    assert_int_equal(rollout_wave_bake_ms(world.rollout, 1), 45000);
    assert_int_equal(rollout_wave_bake_ms(world.rollout, 2), 0); /* the last one does not bake */
    world_end(&world, 0, OUTCOME_SUCCEEDED, 2);
    RolloutWaveView view;
    rollout_wave_view(world.rollout, 0, &view);
    assert_int_equal(view.state, WAVE_BAKING);
    uint64_t until_ms = view.bake_until_ms;
    assert_int_equal(set(&world, ROLLOUT_SETTING_BAKE, 90000), ERR_OK);
    rollout_wave_view(world.rollout, 0, &view);
    assert_int_equal(view.bake_until_ms, until_ms + 30000);
    assert_int_equal(set(&world, ROLLOUT_SETTING_BAKE, 30000), ERR_OK);
    rollout_wave_view(world.rollout, 0, &view);
    assert_int_equal(view.bake_until_ms, until_ms);
    assert_string_equal(rollout_setting_value(world.arena, ROLLOUT_SETTING_BAKE, 30000), "30s");
    assert_string_equal(rollout_setting_value(world.arena, ROLLOUT_SETTING_BAKE, 600000), "10m");
    assert_string_equal(rollout_setting_value(world.arena, ROLLOUT_SETTING_BAKE, 1), "1ms");
    assert_string_equal(rollout_setting_value(world.arena, ROLLOUT_SETTING_BUDGET_WAVE, 60000),
                        "60000");
    world_free(&world);
}

static void test_the_brake_holds_and_lets_go(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 2, 0);
    world.header.policy.concurrency.fleet = 1;
    world_start(&world);
    world_hush(&world);
    brake(&world, true);
    world_told(&world, "stop a");
    world_end(&world, 0, OUTCOME_STOPPED, 1);
    world_told(&world, "persist shard-ended 0");
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_RUNNING);
    assert_int_equal(world_command(&world, ROLLOUT_EVENT_PAUSE), ERR_OK);
    assert_int_equal(world_command(&world, ROLLOUT_EVENT_RESUME), ERR_OK);
    world_told(&world, "persist state paused; persist state running");
    brake(&world, false);
    world_told(&world, "persist dispatched 0; run a: 0");
    world_free(&world);
}

static void test_the_brake_holds_a_rollback_too(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 1, 0);
    world.header.policy.on_failure = ON_FAILURE_ROLLBACK_WAVE;
    world_start(&world);
    brake(&world, true);
    world_end(&world, 0, OUTCOME_FAILED, 1);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_ROLLING_BACK);
    world_hush(&world);
    brake(&world, false);
    world_told(&world, "persist dispatched 0; run a: 0");
    world_end(&world, 0, OUTCOME_SUCCEEDED, 1);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_ROLLED_BACK);
    world_free(&world);
}

static void test_nothing_makes_a_stopped_rollout_go_on(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 2, 0);
    world_start(&world);
    world_end(&world, 0, OUTCOME_FAILED, 0);
    world_end(&world, 1, OUTCOME_STOPPED, 0);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_HALTED);
    uint64_t before = rollout_record_count(world.rollout);
    assert_int_equal(control(&world, ROLLOUT_EVENT_RETRY, 0), ERR_STATE);
    assert_int_equal(control(&world, ROLLOUT_EVENT_SKIP, 1), ERR_STATE);
    brake(&world, true);
    brake(&world, false);
    assert_int_equal(rollout_record_count(world.rollout), before);
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_failed_shard_is_tried_again),
        cmocka_unit_test(test_retry_without_names_means_all_that_failed),
        cmocka_unit_test(test_a_shard_of_an_earlier_wave_is_tried_again),
        cmocka_unit_test(test_a_baking_wave_bakes_anew_after_a_retry),
        cmocka_unit_test(test_what_was_taken_back_is_not_tried_again),
        cmocka_unit_test(test_a_skipped_shard_is_left_out_until_it_is_named),
        cmocka_unit_test(test_a_wave_of_skipped_shards_is_done),
        cmocka_unit_test(test_concurrency_is_set_within_the_plan),
        cmocka_unit_test(test_a_budget_below_what_has_failed_stops_at_once),
        cmocka_unit_test(test_the_budget_of_a_host_is_set),
        cmocka_unit_test(test_a_bake_is_made_longer_and_never_shorter_than_planned),
        cmocka_unit_test(test_the_brake_holds_and_lets_go),
        cmocka_unit_test(test_the_brake_holds_a_rollback_too),
        cmocka_unit_test(test_nothing_makes_a_stopped_rollout_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
