#include "backup_size.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define GIB (UINT64_C(1) << 30)

static void without_a_former_one_by_what_was_measured(void **state)
{
    (void)state;
    assert_int_equal(backup_size_estimate(10 * GIB, 0, NULL), 10 * GIB);
    assert_int_equal(backup_size_estimate(10 * GIB, 1, NULL), 6 * GIB);
    assert_int_equal(backup_size_estimate(0, 1, NULL), 0);
    assert_int_equal(backup_size_estimate(99, 1, NULL), 59);
}

static void by_what_the_former_one_took(void **state)
{
    (void)state;
    BackupMeasure former = {.database_bytes = 4 * GIB, .size_bytes = GIB, .compress = 1};
    assert_int_equal(backup_size_estimate(8 * GIB, 6, &former), 2 * GIB + GIB / 2);
    assert_int_equal(backup_size_estimate(8 * GIB, 0, &former), 8 * GIB); /* not compressed alike */
    former.database_bytes = 0;
    assert_int_equal(backup_size_estimate(10 * GIB, 1, &former), 6 * GIB);
}

static void large_numbers_do_not_wrap(void **state)
{
    (void)state;
    BackupMeasure former = {.database_bytes = 1, .size_bytes = UINT64_MAX, .compress = 1};
    assert_true(backup_size_estimate(UINT64_MAX, 0, NULL) >= UINT64_MAX - 200);
    assert_true(backup_size_estimate(UINT64_MAX, 1, NULL) > UINT64_MAX / 2);
    assert_true(backup_size_estimate(UINT64_MAX, 1, &former) > UINT64_MAX / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_former_one_by_what_was_measured),
        cmocka_unit_test(by_what_the_former_one_took),
        cmocka_unit_test(large_numbers_do_not_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
