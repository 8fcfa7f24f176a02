#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rehearsal.h"

static RehearsedStep steps[] = {
    {.revision = "001_a", .work = "instant", .estimate_ms = 5, .reads_stopped_ms = 5},
    {.revision = "002_b",
     .work = "rewrite",
     .estimate_ms = 1000,
     .reads_stopped_ms = 800,
     .writes_stopped_ms = 800},
    {.revision = "003_c", .work = "build", .estimate_ms = 100, .writes_stopped_ms = 100},
};
static const RehearsalPlan rehearsal = {
    .size_bytes = 1000, .made_unix_ms = 1, .steps = steps, .step_count = 3};

static StrList list(Arena *arena, const char *a, const char *b)
{
    StrList out = {0};
    strlist_add(arena, &out, a);
    strlist_add(arena, &out, b);
    return out;
}

static RehearsedStep scaled(const RehearsalPlan *plan, const StrList *names, uint64_t size_bytes)
{
    AUTO_ARENA Arena *arena = arena_new();
    RehearsalPlan picked = rehearsal_pick(arena, plan, names);
    return rehearsal_scale(&picked, size_bytes);
}

static void test_what_grows_goes_as_the_size(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    StrList both = list(arena, "001_a", "002_b");
    RehearsedStep sum = scaled(&rehearsal, &both, 10000);
    assert_int_equal(sum.estimate_ms, 10005);
    assert_int_equal(sum.reads_stopped_ms, 8000);
    assert_int_equal(sum.writes_stopped_ms, 8000);
    both = list(arena, "002_b", "003_c");
    sum = scaled(&rehearsal, &both, 100);
    assert_int_equal(sum.estimate_ms, 110);
    assert_int_equal(sum.writes_stopped_ms, 80); /* the longer of the two */
}

static void test_an_unknown_size_changes_nothing(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    StrList both = list(arena, "002_b", "009_unknown");
    assert_int_equal(scaled(&rehearsal, &both, 0).estimate_ms, 1000);
    RehearsalPlan without = rehearsal;
    without.size_bytes = 0;
    assert_int_equal(scaled(&without, &both, 10000).estimate_ms, 1000);
}

static void test_figures_of_an_author_stay_counts(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    RehearsedStep large[] = {
        {.revision = "001_a", .work = "rewrite", .estimate_ms = UINT64_MAX},
        {.revision = "002_b",
         .work = "instant",
         .estimate_ms = UINT64_MAX,
         .reads_stopped_ms = UINT64_MAX,
         .writes_stopped_ms = UINT64_MAX},
    };
    RehearsalPlan plan = {.size_bytes = 1, .made_unix_ms = 1, .steps = large, .step_count = 2};
    StrList both = list(arena, "001_a", "002_b");
    RehearsedStep sum = scaled(&plan, &both, UINT64_MAX);
    assert_true(sum.estimate_ms == REHEARSAL_MS_MAX);
    assert_true(sum.reads_stopped_ms == REHEARSAL_MS_MAX);
    assert_true(sum.writes_stopped_ms == REHEARSAL_MS_MAX);
}

static void test_steps_are_picked_in_any_order(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    StrList names = list(arena, "003_c", "009_unknown");
    strlist_add(arena, &names, "001_a");
    RehearsalPlan picked = rehearsal_pick(arena, &rehearsal, &names);
    assert_int_equal(picked.step_count, 2);
    assert_string_equal(picked.steps[0].revision, "003_c");
    assert_string_equal(picked.steps[1].revision, "001_a");
    RehearsalPlan none = {0};
    assert_int_equal(rehearsal_pick(arena, &none, &names).step_count, 0);
}

static void test_steps_are_found(void **state)
{
    (void)state;
    assert_string_equal(rehearsal_find(&rehearsal, "003_c")->work, "build");
    assert_null(rehearsal_find(&rehearsal, "004_d"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_grows_goes_as_the_size),
        cmocka_unit_test(test_an_unknown_size_changes_nothing),
        cmocka_unit_test(test_figures_of_an_author_stay_counts),
        cmocka_unit_test(test_steps_are_picked_in_any_order),
        cmocka_unit_test(test_steps_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
