#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pace.h"

static const PaceLimits limits = {.target_ms = 200, .rows_min = 1, .rows_max = 100000};

static void test_one_step(void **state)
{
    (void)state;
    static const struct {
        uint32_t rows;
        uint64_t took_ms;
        uint32_t next;
    } cases[] = {
        {1000, 200, 1000},                      /* right */
        {1000, 190, 1000},                      /* within a tenth */
        {1000, 220, 1000},   {1000, 170, 1170}, /* in proportion */
        {1000, 300, 660},    {1000, 20, 1200},  /* at most a fifth more */
        {1000, 0, 1200},     {1000, 9000, 500}, /* at most half */
        {1, 20, 2},                             /* one row can grow */
        {1, 9000, 1},                           /* and is the least */
        {100000, 1, 100000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(pace_rows(&limits, cases[i].rows, cases[i].took_ms), cases[i].next);
}

static void test_fixed(void **state)
{
    (void)state;
    const PaceLimits fixed = {.rows_min = 1, .rows_max = 100000};
    assert_int_equal(pace_rows(&fixed, 1000, 1), 1000);
    assert_int_equal(pace_rows(&fixed, 1000, 100000), 1000);
    assert_int_equal(pace_rows_after_failure(&fixed, 1000), 1000);
    assert_int_equal(pace_rows_after_failure(&limits, 1000), 500);
    assert_int_equal(pace_rows_after_failure(&limits, 1), 1);
}

static uint64_t random_next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Whatever a row costs, and wherever it begins, batches soon take about the target, and stay there
 * although single ones take up to half again as long. */
static void test_settles(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15);
        uint64_t row_us = 5 + random_next(&random) % 2000;
        uint32_t rows = 1 + (uint32_t)(random_next(&random) % limits.rows_max);
        for (int batch = 0; batch < 150; batch++) {
            uint64_t noise = batch < 75 ? 100 : 100 + random_next(&random) % 51;
            rows = pace_rows(&limits, rows, rows * row_us * noise / 100 / 1000);
            assert_in_range(rows, limits.rows_min, limits.rows_max);
            if (batch < 75)
                continue;
            uint64_t usual_ms = rows * row_us / 1000;
            assert_in_range(usual_ms, 95, 250);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_step),
        cmocka_unit_test(test_fixed),
        cmocka_unit_test(test_settles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
