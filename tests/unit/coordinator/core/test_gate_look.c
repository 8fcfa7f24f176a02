/*
 * What is asked of agents for one look, page by page, and what their answers say together.
 */
#include "gate_look.h"
#include "named_limits.h"
#include "rollout_world.h"

static GatePlan gate = {.name = "g",
                        .kind = GATE_KIND_SQL,
                        .when = GATE_WHEN_ALL,
                        .text = "",
                        .success = "",
                        .interval_ms = 1000,
                        .attempts = 3,
                        .timeout_ms = 1000};

static GateLook *look_at(World *world, GateKind kind, uint32_t wave, uint32_t when)
{
    gate.kind = kind;
    world->header.gates = &gate;
    world->header.gate_count = 1;
    if (world->rollout == NULL)
        world_make(world);
    GateLook *look =
        gate_look_new(world->rollout, &(RolloutLookAtGate){.wave = wave, .when = when});
    for (uint32_t i = 0; i < 4; i++)
        gate_look_agent(look, i, true);
    return look;
}

/* "a0: 0 3; b0: 1" */
static const char *pages(World *world, GateLook *look)
{
    Str text = {0};
    GatePage page;
    while (gate_look_next(look, &page)) {
        str_printf(&text, "%s%s%u:", text.length > 0 ? "; " : "",
                   rollout_agent_name(world->rollout, page.agent), page.page);
        for (size_t i = 0; i < page.count; i++)
            str_printf(&text, " %u", page.shards[i]);
    }
    const char *copy = arena_strdup(world->arena, str_text(&text));
    str_free(&text);
    return copy;
}

static void asks_each_agent_for_its_shards_of_the_wave(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 3, 5, 4, 0);
    GateLook *look = look_at(&world, GATE_KIND_SQL, 0, GATE_BEFORE);
    assert_string_equal(pages(&world, look), "a0: 0 3; b0: 1 4; c0: 2");
    gate_look_free(look);
    look = look_at(&world, GATE_KIND_SQL, 1, GATE_BEFORE);
    assert_string_equal(pages(&world, look), "a0: 6; b0: 7; c0: 5 8");
    assert_false(gate_look_is_over(look));
    gate_look_free(look);
    look = look_at(&world, GATE_KIND_COMPAT, 1, GATE_BEFORE);
    assert_string_equal(pages(&world, look), "a0: 6; b0: 7; c0: 5 8");
    gate_look_free(look);
    look = look_at(&world, GATE_KIND_LAG, 0, GATE_BEFORE); /* one shard stands for its server */
    assert_string_equal(pages(&world, look), "a0: 0; b0: 1; c0: 2");
    gate_look_free(look);
    world_free(&world);
}

static void what_was_not_migrated_is_not_asked(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 2, 4, 0);
    GateLook *look = look_at(&world, GATE_KIND_SQL, 0, GATE_DURING);
    assert_string_equal(pages(&world, look), "");
    assert_true(gate_look_is_over(look));
    assert_int_equal(gate_look_verdict(look), GATE_SUCCEEDED);
    gate_look_free(look);
    look = look_at(&world, GATE_KIND_SQL, 0, GATE_AFTER); /* nobody can say that it is well */
    assert_int_equal(gate_look_verdict(look), GATE_INCONCLUSIVE);
    gate_look_free(look);
    world_free(&world);
}

static void the_worst_answer_counts(void **state)
{
    (void)state;
    static const struct {
        GateVerdict a, b, together;
    } cases[] = {
        {GATE_SUCCEEDED, GATE_SUCCEEDED, GATE_SUCCEEDED},
        {GATE_SUCCEEDED, GATE_INCONCLUSIVE, GATE_INCONCLUSIVE},
        {GATE_ERROR, GATE_INCONCLUSIVE, GATE_ERROR},
        {GATE_ERROR, GATE_FAILED, GATE_FAILED},
        {GATE_INCONCLUSIVE, GATE_FAILED, GATE_FAILED},
        {GATE_ERROR, GATE_SUCCEEDED, GATE_ERROR},
    };
    World world;
    world_plan(&world, 2, 4, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        GateLook *look = look_at(&world, GATE_KIND_SQL, 0, GATE_BEFORE);
        pages(&world, look);
        gate_look_answer(look, 0, 0, cases[i].a, "of a");
        assert_false(gate_look_is_over(look));
        gate_look_answer(look, 1, 0, cases[i].b, "of b");
        assert_true(gate_look_is_over(look));
        assert_int_equal(gate_look_verdict(look), cases[i].together);
        if (cases[i].together != GATE_SUCCEEDED)
            assert_string_equal(gate_look_message(look),
                                cases[i].together == cases[i].a ? "of a" : "of b");
        gate_look_free(look);
    }
    world_free(&world);
}

static void a_failure_ends_it_at_once(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 2, 4, 0);
    GateLook *look = look_at(&world, GATE_KIND_SQL, 0, GATE_BEFORE);
    pages(&world, look);
    gate_look_answer(look, 0, 0, GATE_FAILED, "of a");
    assert_true(gate_look_is_over(look));
    assert_string_equal(pages(&world, look), "");
    gate_look_free(look);
    world_free(&world);
}

static void silence_is_an_error(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 2, 4, 0);
    GateLook *look = look_at(&world, GATE_KIND_SQL, 0, GATE_BEFORE);
    gate_look_agent(look, 1, false);
    assert_string_equal(pages(&world, look), "a0: 0 2");
    gate_look_answer(look, 0, 0, GATE_SUCCEEDED, "fine");
    assert_false(gate_look_is_over(look));
    gate_look_expire(look);
    assert_true(gate_look_is_over(look));
    assert_int_equal(gate_look_verdict(look), GATE_ERROR);
    assert_string_equal(gate_look_message(look), "agent b is not connected");
    gate_look_free(look);
    world_free(&world);
}

static void one_that_comes_back_is_asked_again_and_old_answers_count_for_nothing(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 2, 0);
    GateLook *look = look_at(&world, GATE_KIND_SQL, 0, GATE_BEFORE);
    assert_string_equal(pages(&world, look), "a0: 0 1");
    gate_look_agent(look, 0, false);
    gate_look_answer(look, 0, 0, GATE_SUCCEEDED, "from another life");
    assert_string_equal(pages(&world, look), "");
    gate_look_agent(look, 0, true);
    assert_string_equal(pages(&world, look), "a1: 0 1");
    gate_look_answer(look, 0, 0, GATE_SUCCEEDED, "from another life");
    gate_look_answer(look, 7, 1, GATE_SUCCEEDED, "of nobody");
    assert_false(gate_look_is_over(look));
    gate_look_answer(look, 0, 1, GATE_SUCCEEDED, "fine");
    assert_true(gate_look_is_over(look));
    gate_look_answer(look, 0, 1, GATE_FAILED, "twice");
    assert_int_equal(gate_look_verdict(look), GATE_SUCCEEDED);
    gate_look_free(look);
    world_free(&world);
}

static void pages_that_are_too_large_are_cut(void **state)
{
    (void)state;
    World world;
    GatePage page;
    world_plan(&world, 1, 5, 0);
    GateLook *look = look_at(&world, GATE_KIND_SQL, 0, GATE_BEFORE);
    assert_true(gate_look_next(look, &page));
    assert_int_equal(page.count, 5);
    gate_look_cut(look, page.agent, 2);
    assert_false(gate_look_next(look, &page));
    gate_look_answer(look, 0, 0, GATE_SUCCEEDED, "fine");
    assert_string_equal(pages(&world, look), "a1: 2 3 4");
    gate_look_answer(look, 0, 1, GATE_SUCCEEDED, "fine");
    assert_true(gate_look_is_over(look));
    gate_look_free(look);
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_each_agent_for_its_shards_of_the_wave),
        cmocka_unit_test(what_was_not_migrated_is_not_asked),
        cmocka_unit_test(the_worst_answer_counts),
        cmocka_unit_test(a_failure_ends_it_at_once),
        cmocka_unit_test(silence_is_an_error),
        cmocka_unit_test(one_that_comes_back_is_asked_again_and_old_answers_count_for_nothing),
        cmocka_unit_test(pages_that_are_too_large_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
