#include "table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void figures_are_told_in_their_largest_unit(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    assert_string_equal(about_size(arena, 0), "0 B");
    assert_string_equal(about_size(arena, 1023), "1023 B");
    assert_string_equal(about_size(arena, 1024), "1.0 KiB");
    assert_string_equal(about_size(arena, UINT64_C(7) << 39), "3.5 TiB");
    assert_string_equal(about_size(arena, UINT64_C(1) << 60), "1048576.0 TiB");
    assert_string_equal(about_time(arena, 0), "0 ms");
    assert_string_equal(about_time(arena, 999), "999 ms");
    assert_string_equal(about_time(arena, 1000), "1.0 s");
    assert_string_equal(about_time(arena, 60 * 1000), "1 min");
    assert_string_equal(about_time(arena, 90 * 60 * 1000), "1.5 h");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_are_told_in_their_largest_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
