/*
 * The progress deadline, and its clock that stands still while there is a reason to wait; caps on
 * jobs that share a label's value.
 */
#include "rollout_world.h"

static void begin(World *world, uint32_t deadline_ms)
{
    world_plan(world, 1, 2, 1, 0);
    world->header.policy.concurrency.fleet = 1;
    world->header.policy.unknown_deadline_ms = 24 * 3600 * 1000;
    world->header.policy.progress_deadline_ms = deadline_ms;
    world_start(world);
    world_hush(world);
}

static void it_stops_when_nothing_gets_on(void **state)
{
    (void)state;
    World world;
    begin(&world, 60000);
    world_wait(&world, 59000);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_RUNNING);
    world_wait(&world, 2000);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_HALTED);
    assert_string_equal(rollout_reason(world.rollout), "no shard of wave w0 has got on for 60 s");
    world_free(&world);
}

static void what_gets_on_begins_the_clock_anew(void **state)
{
    (void)state;
    World world;
    begin(&world, 60000);
    world_wait(&world, 50000);
    world_progress(&world, 0, PHASE_CLAIMING);
    world_wait(&world, 50000);
    world_progress(&world, 0, PHASE_STEP);
    world_wait(&world, 50000);
    world_say(&world, world_report(&world, 0, PHASE_STEP, OUTCOME_UNSPECIFIED, 1));
    world_wait(&world, 50000);
    world_end(&world, 0, OUTCOME_SUCCEEDED, 2);
    world_wait(&world, 50000);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_RUNNING);
    world_wait(&world, 11000);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_HALTED);
    world_free(&world);
}

static void trying_again_and_again_is_no_progress(void **state)
{
    (void)state;
    World world;
    begin(&world, 60000);
    for (int i = 0; i < 7; i++) {
        world_progress(&world, 0, PHASE_STEP);
        world_wait(&world, 5000);
        world_progress(&world, 0, PHASE_WAITING);
        world_wait(&world, 5000);
    }
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_HALTED);
    world_free(&world);
}

static void it_stands_still_while_there_is_a_reason(void **state)
{
    (void)state;
    World world;
    begin(&world, 60000);
    world_wait(&world, 50000);
    assert_int_equal(world_command(&world, ROLLOUT_EVENT_PAUSE), ERR_OK);
    world_wait(&world, 3600000);
    assert_int_equal(world_command(&world, ROLLOUT_EVENT_RESUME), ERR_OK);
    world_wait(&world, 50000);
    world_give(&world, (RolloutEvent){.kind = ROLLOUT_EVENT_BRAKE, .brake = true});
    world_wait(&world, 3600000);
    world_give(&world, (RolloutEvent){.kind = ROLLOUT_EVENT_BRAKE, .brake = false});
    world_wait(&world, 50000);
    world_give(&world,
               (RolloutEvent){.kind = ROLLOUT_EVENT_WINDOW, .window = ROLLOUT_WINDOW_CUTOFF});
    world_wait(&world, 3600000);
    world_give(&world, (RolloutEvent){.kind = ROLLOUT_EVENT_WINDOW, .window = ROLLOUT_WINDOW_OPEN});
    world_wait(&world, 50000);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_RUNNING);
    world_wait(&world, 11000);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_HALTED);
    world_free(&world);
}

static void baking_is_no_standstill(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 1, 1, 0);
    world.waves[0].bake_ms = 3600000;
    world.header.policy.progress_deadline_ms = 60000;
    world.header.policy.unknown_deadline_ms = 24 * 3600 * 1000;
    world_start(&world);
    world_end(&world, 0, OUTCOME_SUCCEEDED, 2);
    world_wait(&world, 3599000);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_RUNNING);
    world_wait(&world, 50000);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_RUNNING);
    world_wait(&world, 20000);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_HALTED);
    world_free(&world);
}

static void without_a_deadline_it_waits_for_ever(void **state)
{
    (void)state;
    World world;
    begin(&world, 0);
    world_wait(&world, 3600000);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_RUNNING);
    world_free(&world);
}

/* --- caps ------------------------------------------------------------------------------------- */

static void make_capped(World *world, Label *labels)
{
    static const char *const volumes[] = {"v0", "v0", "v1", "v0", NULL, NULL};
    world_plan(world, 1, 6, 0);
    for (uint32_t i = 0; i < 6; i++) {
        labels[i] = (Label){"volume", volumes[i]};
        world->shards[i].labels = (LabelList){&labels[i], volumes[i] != NULL};
    }
    world->header.policy.concurrency.labels[0] = (LabelCap){"volume", 2};
    world->header.policy.concurrency.label_count = 1;
}

static ErrCode set_cap(World *world, uint32_t value)
{
    RolloutSetting setting = rollout_setting_find(world->rollout, "concurrency.labels.volume");
    assert_int_equal(setting, ROLLOUT_SETTING_LABELS);
    return world_give(
        world, (RolloutEvent){
                   .kind = ROLLOUT_EVENT_SET,
                   .command = {.who = "ann", .reason = "", .setting = setting, .value = value}});
}

static void no_more_at_once_where_a_label_has_one_value(void **state)
{
    (void)state;
    World world;
    Label labels[6];
    make_capped(&world, labels);
    world_start(&world);
    world_told(&world, "persist started; persist wave-opened; persist dispatched 0 1 2 4 5; "
                       "run a: 0 1 2 4 5");
    world_end(&world, 4, OUTCOME_SUCCEEDED, 2); /* makes no room */
    world_told(&world, "persist shard-ended 4");
    world_end(&world, 1, OUTCOME_SUCCEEDED, 2);
    world_told(&world, "persist shard-ended 1; persist dispatched 3; run a: 3");
    world_free(&world);
}

static void a_cap_is_set_down_and_no_higher_than_planned(void **state)
{
    (void)state;
    World world;
    Label labels[6];
    make_capped(&world, labels);
    world_start(&world);
    assert_int_equal(rollout_setting_find(world.rollout, "concurrency.labels.tier"),
                     ROLLOUT_SETTING_UNSPECIFIED);
    assert_int_equal(set_cap(&world, 3), ERR_REFUSED);
    assert_int_equal(set_cap(&world, 0), ERR_REFUSED);
    assert_int_equal(set_cap(&world, 1), ERR_OK);
    world_hush(&world);
    world_end(&world, 0, OUTCOME_SUCCEEDED, 2);
    world_told(&world, "persist shard-ended 0"); /* one is still at work there */
    world_end(&world, 1, OUTCOME_SUCCEEDED, 2);
    world_told(&world, "persist shard-ended 1; persist dispatched 3; run a: 3");
    assert_int_equal(rollout_concurrency(world.rollout).labels[0].cap, 1);
    world_restart(&world);
    assert_int_equal(rollout_concurrency(world.rollout).labels[0].cap, 1);
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_stops_when_nothing_gets_on),
        cmocka_unit_test(what_gets_on_begins_the_clock_anew),
        cmocka_unit_test(trying_again_and_again_is_no_progress),
        cmocka_unit_test(it_stands_still_while_there_is_a_reason),
        cmocka_unit_test(baking_is_no_standstill),
        cmocka_unit_test(without_a_deadline_it_waits_for_ever),
        cmocka_unit_test(no_more_at_once_where_a_label_has_one_value),
        cmocka_unit_test(a_cap_is_set_down_and_no_higher_than_planned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
