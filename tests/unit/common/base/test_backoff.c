#include "backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void pauses_double_up_to_their_limit(void **state)
{
    (void)state;
    uint64_t random = 7;
    static const uint64_t full_ms[] = {250, 500, 1000, 2000, 4000, 5000, 5000};
    for (uint32_t round = 0; round < 100; round++) {
        for (uint32_t tries = 1; tries <= 7; tries++) {
            uint64_t pause = backoff_ms(250, 5000, tries, &random);
            assert_in_range(pause, full_ms[tries - 1] / 2, full_ms[tries - 1]);
        }
        assert_in_range(backoff_ms(250, 5000, UINT32_MAX, &random), 2500, 5000);
    }
}

static void those_who_failed_together_come_back_apart(void **state)
{
    (void)state;
    uint64_t one = 1;
    uint64_t other = 2;
    uint64_t none = 0; /* any seed will do */
    assert_int_not_equal(backoff_ms(250, 5000, 6, &one), backoff_ms(250, 5000, 6, &other));
    assert_in_range(backoff_ms(250, 5000, 1, &none), 125, 250);
    assert_int_not_equal(none, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pauses_double_up_to_their_limit),
        cmocka_unit_test(those_who_failed_together_come_back_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
