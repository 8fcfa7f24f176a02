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

static void test_what_grows_goes_as_the_size(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    StrList both = list(arena, "001_a", "002_b");
    RehearsedStep sum = rehearsal_scale(&rehearsal, &both, 10000);
    assert_int_equal(sum.estimate_ms, 10005);
    assert_int_equal(sum.reads_stopped_ms, 8000);
    assert_int_equal(sum.writes_stopped_ms, 8000);
    both = list(arena, "002_b", "003_c");
    sum = rehearsal_scale(&rehearsal, &both, 100);
    assert_int_equal(sum.estimate_ms, 110);
    assert_int_equal(sum.writes_stopped_ms, 80); /* the longer of the two */
}

static void test_an_unknown_size_changes_nothing(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    StrList both = list(arena, "002_b", "009_unknown");
    assert_int_equal(rehearsal_scale(&rehearsal, &both, 0).estimate_ms, 1000);
    RehearsalPlan without = rehearsal;
    without.size_bytes = 0;
    assert_int_equal(rehearsal_scale(&without, &both, 10000).estimate_ms, 1000);
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
        cmocka_unit_test(test_steps_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
