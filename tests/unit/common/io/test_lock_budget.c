#include "lock_budget.h"

#include "plan.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void a_budget_is_a_duration_or_none(void **state)
{
    (void)state;
    uint32_t ms = 0;
    assert_true(lock_budget_parse("2s", &ms));
    assert_int_equal(ms, 2000);
    assert_true(lock_budget_parse("100ms", &ms));
    assert_int_equal(ms, 100);
    assert_true(lock_budget_parse("10m", &ms));
    assert_int_equal(ms, 600000);
    assert_true(lock_budget_parse("none", &ms));
    assert_true(ms == LOCK_BUDGET_NONE);
}

static void others_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "99ms", "601s", "0s", "None", "2", "7d", "-1s"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        uint32_t ms = 7;
        assert_false(lock_budget_parse(texts[i], &ms));
        assert_int_equal(ms, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_budget_is_a_duration_or_none),
        cmocka_unit_test(others_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
