/* A gate before the wave: what its looks do to the rollout. */
#include "rollout_world.h"

enum { INTERVAL_MS = 1000, ATTEMPTS = 3 };

static GatePlan gate = {.name = "g",
                        .when = GATE_BEFORE,
                        .text = "statements",
                        .success = "",
                        .failure = "",
                        .interval_ms = INTERVAL_MS,
                        .attempts = ATTEMPTS,
                        .timeout_ms = 1000};

static void start(World *world, GateKind kind)
{
    world_plan(world, 1, 1, 0);
    gate.kind = kind;
    world->header.gates = &gate;
    world->header.gate_count = 1;
    world_start(world);
}

/* The answer to the look that was asked for last; the interval goes by. */
static void looked(World *world, uint64_t token, GateVerdict verdict)
{
    RolloutGateEvent found = {.token = token, .verdict = verdict, .message = "app uses it"};
    assert_int_equal(world_give(world, (RolloutEvent){.kind = ROLLOUT_EVENT_GATE, .gate = found}),
                     ERR_OK);
    world->now_ms += INTERVAL_MS;
    assert_int_equal(world_give(world, (RolloutEvent){.kind = ROLLOUT_EVENT_TICK}), ERR_OK);
}

static void test_failed_is_the_end(void **state)
{
    (void)state;
    World world;
    start(&world, GATE_KIND_SQL);
    looked(&world, 1, GATE_FAILED);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_HALTED);
    world_free(&world);
}

static void test_who_still_uses_it_may_stop(void **state)
{
    (void)state;
    World world;
    start(&world, GATE_KIND_COMPAT);
    looked(&world, 1, GATE_FAILED);
    looked(&world, 2, GATE_FAILED);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_RUNNING);
    world_hush(&world);
    looked(&world, 3, GATE_SUCCEEDED);
    world_told(&world, "persist gate-passed; persist wave-opened; persist dispatched 0; run a: 0");
    world_free(&world);
}

static void test_who_does_not_stop_stops_it(void **state)
{
    (void)state;
    World world;
    start(&world, GATE_KIND_COMPAT);
    looked(&world, 1, GATE_FAILED);
    looked(&world, 2, GATE_ERROR); /* counts as well */
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_RUNNING);
    looked(&world, 3, GATE_FAILED);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_HALTED);
    world_free(&world);
}

static void test_errors_end_as_inconclusive(void **state)
{
    (void)state;
    World world;
    start(&world, GATE_KIND_COMPAT);
    looked(&world, 1, GATE_ERROR);
    looked(&world, 2, GATE_ERROR);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_RUNNING);
    looked(&world, 3, GATE_ERROR);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_PAUSED);
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failed_is_the_end),
        cmocka_unit_test(test_who_still_uses_it_may_stop),
        cmocka_unit_test(test_who_does_not_stop_stops_it),
        cmocka_unit_test(test_errors_end_as_inconclusive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
