#include "looks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void one_boolean_is_a_verdict_and_nothing_else_is(void **state)
{
    (void)state;
    const char *yes[] = {"t", "t"};
    const char *no[] = {"f"};
    const char *null[] = {NULL};
    const char *number[] = {"1"};
    const char *message;
    assert_int_equal(look_judge_sql(1, 1, yes, &message), GATE_SUCCEEDED);
    assert_int_equal(look_judge_sql(1, 1, no, &message), GATE_FAILED);
    assert_string_equal(message, "the query is false");
    assert_int_equal(look_judge_sql(1, 1, null, &message), GATE_INCONCLUSIVE);
    assert_int_equal(look_judge_sql(0, 1, NULL, &message), GATE_INCONCLUSIVE);
    assert_int_equal(look_judge_sql(1, 1, number, &message), GATE_ERROR);
    assert_int_equal(look_judge_sql(2, 1, yes, &message), GATE_ERROR);
    assert_int_equal(look_judge_sql(1, 2, yes, &message), GATE_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_boolean_is_a_verdict_and_nothing_else_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
