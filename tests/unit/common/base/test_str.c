#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "error.h"
#include "str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_grows_and_stays_terminated(void **state)
{
    (void)state;
    AUTO_STR Str str = {0};
    assert_string_equal(str_text(&str), "");
    AUTO_STR Str expected = {0};
    for (int i = 0; i < 1000; i++) {
        str_printf(&str, "%d,", i);
        char number[16];
        snprintf(number, sizeof number, "%d,", i);
        str_append(&expected, number);
    }
    assert_int_equal(str.length, expected.length);
    assert_string_equal(str_text(&str), str_text(&expected));
    assert_int_equal(strlen(str.data), str.length);
}

static void test_holds_nul_bytes(void **state)
{
    (void)state;
    AUTO_STR Str str = {0};
    str_append_bytes(&str, "a\0b", 3);
    str_append_char(&str, 'c');
    assert_int_equal(str.length, 4);
    assert_memory_equal(str.data, "a\0bc", 5);
}

static void test_clear_and_take(void **state)
{
    (void)state;
    AUTO_STR Str str = {0};
    str_append(&str, "old");
    str_clear(&str);
    assert_int_equal(str.length, 0);
    assert_string_equal(str_text(&str), "");
    str_append(&str, "new");
    char *owned = str_take(&str);
    assert_string_equal(owned, "new");
    assert_int_equal(str.length, 0);
    assert_string_equal(str_text(&str), "");
    free(owned);
    owned = str_take(&str);
    assert_string_equal(owned, "");
    free(owned);
}

static void test_list(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    StrList list = {0};
    char text[] = "b";
    strlist_add(arena, &list, text);
    text[0] = 'x'; /* the list has its own copy */
    for (int i = 0; i < 20; i++)
        strlist_add(arena, &list, i % 2 == 0 ? "c" : "a");
    assert_int_equal(list.count, 21);
    assert_true(strlist_has(&list, "b"));
    assert_false(strlist_has(&list, "x"));

    StrList copy = strlist_copy(arena, &list);
    assert_true(strlist_equal(&list, &copy));
    strlist_sort(&copy);
    assert_false(strlist_equal(&list, &copy));
    for (size_t i = 1; i < copy.count; i++)
        assert_true(strcmp(copy.items[i - 1], copy.items[i]) <= 0);

    StrList three = {0};
    assert_string_equal(strlist_join(arena, &three, ", "), "");
    strlist_add(arena, &three, "x");
    strlist_add(arena, &three, "");
    strlist_add(arena, &three, "z");
    assert_string_equal(strlist_join(arena, &three, ", "), "x, , z");
    const char **argv = strlist_argv(arena, &three);
    assert_string_equal(argv[2], "z");
    assert_null(argv[3]);
}

static void test_prefix_and_suffix(void **state)
{
    (void)state;
    assert_true(str_starts_with("abc", "ab"));
    assert_true(str_starts_with("abc", ""));
    assert_false(str_starts_with("ab", "abc"));
    assert_true(str_ends_with("abc", "bc"));
    assert_true(str_ends_with("abc", ""));
    assert_false(str_ends_with("bc", "abc"));
}

static void test_distance(void **state)
{
    (void)state;
    assert_int_equal(str_distance("", "", 9), 0);
    assert_int_equal(str_distance("kitten", "sitting", 9), 3);
    assert_int_equal(str_distance("abc", "", 9), 3);
    assert_int_equal(str_distance("abcdef", "uvwxyz", 2), 2);
    char longer[200];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(str_distance(longer, "a", 5), 5);
}

static void test_nearest(void **state)
{
    (void)state;
    const char *const words[] = {"upgrade", "downgrade", "current", "heads"};
    assert_string_equal(str_nearest("upgarde", words, 4), "upgrade");
    assert_string_equal(str_nearest("head", words, 4), "heads");
    assert_null(str_nearest("zzzzzz", words, 4));
    assert_null(str_nearest("upgrade", words, 0));
}

static void test_utf8(void **state)
{
    (void)state;
    static const char *const good[] = {
        "", "plain", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xF4\x8F\xBF\xBF"};
    static const char *const bad[] = {
        "\x80",             /* a tail byte alone */
        "\xC3",             /* cut off */
        "\xC0\xAF",         /* overlong slash */
        "\xE0\x80\xAF",     /* overlong, three bytes */
        "\xF0\x80\x80\xAF", /* overlong, four bytes */
        "\xED\xA0\x80",     /* surrogate */
        "\xF4\x90\x80\x80", /* beyond U+10FFFF */
        "\xF8\x88\x80\x80\x80",
        "a\xE2\x82",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(str_is_utf8(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(str_is_utf8(bad[i], strlen(bad[i])));
    assert_false(str_is_utf8("a\0b", 3));
}

static void test_mended_text(void **state)
{
    (void)state;
    static const struct {
        const char *from;
        const char *to;
    } texts[] = {
        {"", ""},
        {"plain", "plain"},
        {"caf\xc3\xa9", "caf\xc3\xa9"},
        {"cut \xe4\xbd", "cut "},
        {"cut \xe4\xbd within", "cut  within"},
        {"\xff\xfe", ""},
        {"a\xc3(b", "a(b"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char text[32];
        snprintf(text, sizeof text, "%s", texts[i].from);
        str_mend_utf8(text);
        assert_string_equal(text, texts[i].to);
        assert_true(str_is_utf8(text, strlen(text)));
    }
    Error err;
    err_set(&err, ERR_SQL, "key %.4s and more", "\xe4\xbd\xa0\xe5\xa5\xbd");
    assert_string_equal(err.message, "key \xe4\xbd\xa0 and more");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mended_text),
        cmocka_unit_test(test_grows_and_stays_terminated),
        cmocka_unit_test(test_holds_nul_bytes),
        cmocka_unit_test(test_clear_and_take),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_prefix_and_suffix),
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
