#include "schema_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_list(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    StrList list = schema_list(arena, "a numeric(10, 2), \"b, c\" text, 'it''s, so', d");
    assert_int_equal(list.count, 4);
    assert_string_equal(list.items[0], "a numeric(10, 2)");
    assert_string_equal(list.items[1], "\"b, c\" text");
    assert_string_equal(list.items[2], "'it''s, so'");
    assert_string_equal(list.items[3], "d");
    assert_int_equal(schema_list(arena, NULL).count, 0);
    assert_int_equal(schema_list(arena, "").count, 0);
    assert_int_equal(schema_list(arena, "'never ended, so").count, 1);
}

static void test_keys(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    assert_string_equal(schema_list_key(arena, "fillfactor=70"), "fillfactor");
    assert_string_equal(schema_list_key(arena, "host 'a'"), "host");
    assert_string_equal(schema_list_key(arena, "\"a \"\"b\" text"), "\"a \"\"b\"");
    StrList list = schema_list(arena, "a=1, ab=2");
    assert_string_equal(schema_list_find(arena, &list, "ab"), "ab=2");
    assert_null(schema_list_find(arena, &list, "b"));
}

static void test_lines(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    StrList lines = schema_lines(arena, "one\n\nthree\n");
    assert_int_equal(lines.count, 3);
    assert_string_equal(lines.items[2], "three");
    lines = schema_lines(arena, "CLUSTER ON \"a\nb\"\nIS 'it''s\n'");
    assert_int_equal(lines.count, 2);
    assert_string_equal(lines.items[0], "CLUSTER ON \"a\nb\"");
    assert_string_equal(lines.items[1], "IS 'it''s\n'");
    assert_int_equal(schema_lines(arena, NULL).count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
