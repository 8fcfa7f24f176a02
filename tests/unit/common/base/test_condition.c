#include "condition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

static bool holds(const char *text, double result)
{
    Condition condition;
    Error err;
    assert_int_equal(condition_parse(text, &condition, &err), ERR_OK);
    return condition_holds(&condition, result);
}

static void refuses(const char *text, const char *message)
{
    Condition condition = {.count = 77};
    Error err;
    assert_int_equal(condition_parse(text, &condition, &err), ERR_CONFIG);
    assert_string_equal(err.message, message);
    assert_int_equal(condition.count, 77);
}

static void compares(void **state)
{
    (void)state;
    assert_true(holds("result < 0.01", 0.009));
    assert_false(holds("result < 0.01", 0.01));
    assert_true(holds("result<=1e-2", 0.01));
    assert_true(holds("result > -5", -4));
    assert_true(holds("result >= 5", 5));
    assert_false(holds("result >= 5", 4.99));
    assert_true(holds("result == 0", 0));
    assert_false(holds("result == 0", 1));
    assert_true(holds(" result != 0 ", 1));
    assert_true(holds("result < 5", -INFINITY));
    assert_false(holds("result < 5", INFINITY));
}

static void and_binds_closer_than_or(void **state)
{
    (void)state;
    assert_true(holds("result >= 1 and result < 5", 1));
    assert_false(holds("result >= 1 and result < 5", 5));
    assert_false(holds("result >= 1 and result < 5", 0));
    static const char text[] = "result == 0 or result > 10 and result < 20";
    assert_true(holds(text, 0));
    assert_true(holds(text, 15));
    assert_false(holds(text, 5));
    assert_false(holds(text, 25));
    assert_true(holds("result > 10 and result < 20 or result == 0", 0));
    assert_true(holds("result > 10 and result < 20 or result == 0", 15));
}

static void nothing_holds_of_nan(void **state)
{
    (void)state;
    assert_false(holds("result < 1", NAN));
    assert_false(holds("result != 1", NAN));
    assert_false(holds("result == 1 or result != 1", NAN));
}

static void says_what_was_expected_and_where(void **state)
{
    (void)state;
    refuses("", "expected `result` at character 1 of ''");
    refuses("results < 1", "expected `result` at character 1 of 'results < 1'");
    refuses("result = 1", "expected one of < <= > >= == != at character 8 of 'result = 1'");
    refuses("result <", "expected a number at character 9 of 'result <'");
    refuses("result < nan", "expected a number at character 10 of 'result < nan'");
    refuses("result < inf", "expected a number at character 10 of 'result < inf'");
    refuses("result < 0x10", "expected a number at character 10 of 'result < 0x10'");
    refuses("result < 1ms", "expected a number at character 10 of 'result < 1ms'");
    refuses("result < 1 & result > 0",
            "expected `and`, `or` or the end at character 12 of 'result < 1 & result > 0'");
    refuses("result < 1 and", "expected `result` at character 15 of 'result < 1 and'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares),
        cmocka_unit_test(and_binds_closer_than_or),
        cmocka_unit_test(nothing_holds_of_nan),
        cmocka_unit_test(says_what_was_expected_and_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
