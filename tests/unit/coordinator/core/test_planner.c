#include "planner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

enum { COUNT = 50 };

typedef struct Fixture {
    Arena *arena;
    ShardCandidate candidates[COUNT];
    PlannerWave waves[4];
    PlannerRequest request;
    PlannerResult result;
    Error error;
} Fixture;

static Label canary_label = {"canary", "true"};

/* 50 shards, the bigger the later; numbers 3 and 7 are canaries. */
static void setup(Fixture *fixture)
{
    memset(fixture, 0, sizeof *fixture);
    fixture->arena = arena_new();
    for (uint32_t i = 0; i < COUNT; i++) {
        ShardCandidate *candidate = &fixture->candidates[i];
        candidate->reachable = true;
        candidate->size_bytes = 1000 + i / 2;
        candidate->shard.uuid.bytes[0] = (uint8_t)i;
        candidate->shard.cluster = "c";
        candidate->shard.database = arena_printf(fixture->arena, "d%u", i);
        candidate->shard.schema = "";
        strlist_add(fixture->arena, &candidate->shard.steps, "one");
        if (i == 3 || i == 7)
            candidate->shard.labels = (LabelList){&canary_label, 1};
    }
    fixture->request = (PlannerRequest){
        .candidates = fixture->candidates, .candidate_count = COUNT, .waves = fixture->waves};
}

static void teardown(Fixture *fixture)
{
    arena_free(fixture->arena);
}

static ErrCode plan(Fixture *fixture)
{
    return planner_plan(&fixture->request, fixture->arena, &fixture->result, &fixture->error);
}

static unsigned number_at(const Fixture *fixture, size_t index)
{
    return fixture->result.shards[index].uuid.bytes[0];
}

static void test_one_wave_when_none_is_asked_for(void **state)
{
    (void)state;
    Fixture fixture;
    setup(&fixture);
    assert_int_equal(plan(&fixture), ERR_OK);
    assert_int_equal(fixture.result.wave_count, 1);
    assert_string_equal(fixture.result.waves[0].name, "rest");
    assert_int_equal(fixture.result.shard_count, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(number_at(&fixture, i), i);
        assert_int_equal(fixture.result.shards[i].index, i);
        assert_int_equal(fixture.result.shards[i].wave, 0);
    }
    teardown(&fixture);
}

static void test_waves(void **state)
{
    (void)state;
    Fixture fixture;
    setup(&fixture);
    fixture.waves[0] = (PlannerWave){.name = "canary",
                                     .kind = PLANNER_WAVE_LABELS,
                                     .labels = {&canary_label, 1},
                                     .bake_ms = 5000};
    fixture.waves[1] = (PlannerWave){.kind = PLANNER_WAVE_COUNT, .amount = 3};
    fixture.waves[2] = (PlannerWave){.kind = PLANNER_WAVE_PERCENT, .amount = 25};
    fixture.waves[3] = (PlannerWave){.kind = PLANNER_WAVE_REST};
    fixture.request.wave_count = 4;
    fixture.request.budget_wave = (PlannerBudget){.percent = true, .value = 10};
    fixture.request.budget_fleet = (PlannerBudget){.percent = true, .value = 10};
    fixture.request.concurrency.fleet = 4;
    assert_int_equal(plan(&fixture), ERR_OK);
    const PlannerResult *result = &fixture.result;
    assert_int_equal(result->wave_count, 4);
    static const uint32_t counts[] = {2, 3, 12, 33}; /* 25% of all 50, rounded down */
    static const uint32_t budgets[] = {0, 0, 1, 3};
    static const uint32_t worst[] = {2, 3, 5, 7};
    uint32_t index = 0;
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(result->waves[i].shard_count, counts[i]);
        assert_int_equal(result->waves[i].budget, budgets[i]);
        assert_int_equal(result->worst_case_wave[i], worst[i]);
        for (uint32_t j = 0; j < counts[i]; j++, index++) {
            assert_int_equal(result->shards[index].index, index);
            assert_int_equal(result->shards[index].wave, i);
        }
    }
    assert_int_equal(number_at(&fixture, 0), 3);
    assert_int_equal(number_at(&fixture, 1), 7);
    assert_int_equal(number_at(&fixture, 2), 0);
    assert_int_equal(number_at(&fixture, 5), 4);
    assert_string_equal(result->waves[0].name, "canary");
    assert_int_equal(result->waves[0].bake_ms, 5000);
    assert_string_equal(result->waves[1].name, "wave-2");
    assert_int_equal(result->budget_fleet, 5); /* 10% of 50: the 6th stops */
    assert_int_equal(result->worst_case_fleet, 9);
    teardown(&fixture);
}

static void test_a_small_percentage_is_one_shard(void **state)
{
    (void)state;
    Fixture fixture;
    setup(&fixture);
    fixture.waves[0] = (PlannerWave){.kind = PLANNER_WAVE_PERCENT, .amount = 1};
    fixture.waves[1] = (PlannerWave){.kind = PLANNER_WAVE_REST};
    fixture.request.wave_count = 2;
    assert_int_equal(plan(&fixture), ERR_OK);
    assert_int_equal(fixture.result.waves[0].shard_count, 1);
    assert_int_equal(fixture.result.waves[1].shard_count, 49);
    teardown(&fixture);
}

static void test_waves_with_nobody_left_are_left_out(void **state)
{
    (void)state;
    Fixture fixture;
    setup(&fixture);
    fixture.waves[0] = (PlannerWave){.kind = PLANNER_WAVE_COUNT, .amount = 100};
    fixture.waves[1] = (PlannerWave){.kind = PLANNER_WAVE_REST};
    fixture.request.wave_count = 2;
    assert_int_equal(plan(&fixture), ERR_OK);
    assert_int_equal(fixture.result.wave_count, 1);
    assert_int_equal(fixture.result.waves[0].shard_count, COUNT);
    teardown(&fixture);
}

/* Ansible's serial: [1, 5, "20%"]. */
static void test_the_last_size_repeats(void **state)
{
    (void)state;
    Fixture fixture;
    setup(&fixture);
    fixture.waves[0] = (PlannerWave){.name = "1", .kind = PLANNER_WAVE_COUNT, .amount = 1};
    fixture.waves[1] = (PlannerWave){.kind = PLANNER_WAVE_COUNT, .amount = 5};
    fixture.waves[2] =
        (PlannerWave){.name = "20%", .kind = PLANNER_WAVE_PERCENT, .amount = 20, .bake_ms = 70};
    fixture.request.wave_count = 3;
    assert_int_equal(plan(&fixture), ERR_OK);
    static const uint32_t counts[] = {1, 5, 10, 10, 10, 10, 4};
    static const char *const names[] = {"1", "wave-2", "20%", "20%-2", "20%-3", "20%-4", "20%-5"};
    assert_int_equal(fixture.result.wave_count, 7);
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(fixture.result.waves[i].shard_count, counts[i]);
        assert_string_equal(fixture.result.waves[i].name, names[i]);
        assert_int_equal(fixture.result.waves[i].bake_ms, i < 2 ? 0 : 70);
    }
    assert_int_equal(fixture.result.shards[COUNT - 1].wave, 6);

    fixture.waves[0] = (PlannerWave){.kind = PLANNER_WAVE_PERCENT, .amount = 1};
    fixture.request.wave_count = 1;
    assert_int_equal(plan(&fixture), ERR_OK); /* 1% of 50: one in each */
    assert_int_equal(fixture.result.wave_count, COUNT);
    assert_string_equal(fixture.result.waves[COUNT - 1].name, "wave-50");
    teardown(&fixture);
}

static void test_so_many_with_labels(void **state)
{
    (void)state;
    Fixture fixture;
    setup(&fixture);
    fixture.waves[0] =
        (PlannerWave){.kind = PLANNER_WAVE_LABELS, .labels = {&canary_label, 1}, .amount = 1};
    fixture.waves[1] = (PlannerWave){.kind = PLANNER_WAVE_REST};
    fixture.request.wave_count = 2;
    assert_int_equal(plan(&fixture), ERR_OK);
    assert_int_equal(fixture.result.waves[0].shard_count, 1);
    assert_int_equal(number_at(&fixture, 0), 3);
    assert_int_equal(fixture.result.waves[1].shard_count, COUNT - 1);
    teardown(&fixture);
}

static void test_order(void **state)
{
    (void)state;
    Fixture fixture;
    setup(&fixture);
    for (uint32_t i = 0; i < COUNT; i++)
        fixture.candidates[i].size_bytes = 1000 - i / 2;
    fixture.request.order = PLANNER_ORDER_SMALLEST_FIRST;
    assert_int_equal(plan(&fixture), ERR_OK);
    assert_int_equal(number_at(&fixture, 0), 48); /* equals stay in their order */
    assert_int_equal(number_at(&fixture, 1), 49);
    assert_int_equal(number_at(&fixture, 49), 1);

    fixture.request.order = PLANNER_ORDER_RANDOM;
    fixture.request.seed = 7;
    assert_int_equal(plan(&fixture), ERR_OK);
    unsigned first[COUNT];
    unsigned seen[COUNT] = {0};
    unsigned moved = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        first[i] = number_at(&fixture, i);
        seen[first[i]]++;
        moved += first[i] != i;
    }
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(seen[i], 1);
    assert_true(moved > COUNT / 2);
    assert_int_equal(plan(&fixture), ERR_OK);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(number_at(&fixture, i), first[i]); /* the seed decides */
    fixture.request.seed = 8;
    assert_int_equal(plan(&fixture), ERR_OK);
    unsigned same = 0;
    for (uint32_t i = 0; i < COUNT; i++)
        same += number_at(&fixture, i) == first[i];
    assert_true(same < COUNT / 2);
    teardown(&fixture);
}

static void test_shards_at_the_target_are_counted_and_left_out(void **state)
{
    (void)state;
    Fixture fixture;
    setup(&fixture);
    for (uint32_t i = 0; i < 10; i++)
        fixture.candidates[i].shard.steps.count = 0;
    fixture.candidates[0].quarantined = true; /* nothing would be done to it */
    assert_int_equal(plan(&fixture), ERR_OK);
    assert_int_equal(fixture.result.already_there, 10);
    assert_int_equal(fixture.result.shard_count, 40);
    assert_int_equal(number_at(&fixture, 0), 10);
    teardown(&fixture);
}

static void test_quarantined_and_unreachable(void **state)
{
    (void)state;
    Fixture fixture;
    setup(&fixture);
    fixture.candidates[1].quarantined = true;
    assert_int_equal(plan(&fixture), ERR_REFUSED);
    assert_string_equal(fixture.error.message, "c/d1 is quarantined");
    fixture.request.leave_out_quarantined = true;
    fixture.candidates[2].reachable = false;
    fixture.candidates[2].shard.schema = "s";
    assert_int_equal(plan(&fixture), ERR_REFUSED);
    assert_string_equal(fixture.error.message, "c/d2/s is unreachable");
    fixture.request.leave_out_unreachable = true;
    assert_int_equal(plan(&fixture), ERR_OK);
    assert_int_equal(fixture.result.left_out, 2);
    assert_int_equal(fixture.result.shard_count, 48);
    teardown(&fixture);
}

static void test_what_is_refused(void **state)
{
    (void)state;
    Fixture fixture;
    setup(&fixture);
    fixture.request.candidate_count = 0;
    assert_int_equal(plan(&fixture), ERR_EMPTY_SELECTION);
    fixture.request.candidate_count = COUNT;
    fixture.waves[0] = (PlannerWave){.kind = PLANNER_WAVE_LABELS, .labels = {&canary_label, 1}};
    fixture.request.wave_count = 1;
    assert_int_equal(plan(&fixture), ERR_CONFIG);
    assert_string_equal(fixture.error.message, "48 of 50 shards are in no wave");
    fixture.waves[0] = (PlannerWave){.kind = PLANNER_WAVE_REST};
    fixture.waves[1] = (PlannerWave){.kind = PLANNER_WAVE_COUNT, .amount = 1};
    fixture.request.wave_count = 2;
    assert_int_equal(plan(&fixture), ERR_CONFIG);
    assert_string_equal(fixture.error.message, "wave 2 comes after `rest`, which leaves nothing");
    fixture.request.wave_count = 1;
    static Label nobody = {"canary", "no"};
    fixture.waves[0] = (PlannerWave){.kind = PLANNER_WAVE_LABELS, .labels = {&nobody, 1}};
    assert_int_equal(plan(&fixture), ERR_CONFIG);
    const PlannerWave bad[] = {{.kind = PLANNER_WAVE_UNSPECIFIED},
                               {.kind = PLANNER_WAVE_LABELS},
                               {.kind = PLANNER_WAVE_COUNT},
                               {.kind = PLANNER_WAVE_PERCENT},
                               {.kind = PLANNER_WAVE_PERCENT, .amount = 101}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fixture.waves[0] = bad[i];
        assert_int_equal(plan(&fixture), ERR_CONFIG);
    }
    fixture.request.wave_count = 0;
    fixture.request.budget_wave = (PlannerBudget){.percent = true, .value = 101};
    assert_int_equal(plan(&fixture), ERR_CONFIG);
    fixture.request.budget_wave = (PlannerBudget){0};
    for (uint32_t i = 0; i < COUNT; i++)
        fixture.candidates[i].shard.steps.count = 0;
    assert_int_equal(plan(&fixture), ERR_EMPTY_SELECTION);
    teardown(&fixture);
}

static void test_label_caps_narrow_the_worst_case(void **state)
{
    (void)state;
    Fixture fixture;
    Label volumes[COUNT];
    setup(&fixture);
    for (uint32_t i = 0; i < COUNT; i++) {
        volumes[i] = (Label){"volume", i % 2 == 0 ? "even" : "odd"};
        fixture.candidates[i].shard.labels = (LabelList){&volumes[i], i < 48}; /* two have none */
    }
    fixture.request.budget_fleet = (PlannerBudget){.value = 1};
    fixture.request.concurrency.labels[0] = (LabelCap){"volume", 3};
    fixture.request.concurrency.label_count = 1;
    assert_int_equal(plan(&fixture), ERR_OK);
    assert_int_equal(fixture.result.worst_case_fleet, 1 + 3 + 3 + 2);
    fixture.request.concurrency.fleet = 4;
    assert_int_equal(plan(&fixture), ERR_OK);
    assert_int_equal(fixture.result.worst_case_fleet, 1 + 4);
    teardown(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_wave_when_none_is_asked_for),
        cmocka_unit_test(test_waves),
        cmocka_unit_test(test_label_caps_narrow_the_worst_case),
        cmocka_unit_test(test_a_small_percentage_is_one_shard),
        cmocka_unit_test(test_waves_with_nobody_left_are_left_out),
        cmocka_unit_test(test_the_last_size_repeats),
        cmocka_unit_test(test_so_many_with_labels),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_shards_at_the_target_are_counted_and_left_out),
        cmocka_unit_test(test_quarantined_and_unreachable),
        cmocka_unit_test(test_what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
