#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "facts.h"
#include "str.h"

static StatementFacts fact(const char *what, uint64_t duration_ms)
{
    return (StatementFacts){.revision = "r", .what = what, .duration_ms = duration_ms};
}

static FactList made(Arena *arena)
{
    FactList list = {0};
    const uint64_t durations[] = {5, 90, 1, 40, 7, 2, 90, 3, 11};
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};
    for (size_t i = 0; i < sizeof durations / sizeof durations[0]; i++) {
        StatementFacts item = fact(names[i], durations[i]);
        facts_add(arena, &list, &item);
    }
    return list;
}

static const char *names_of(Arena *arena, const FactList *list)
{
    StrList names = {0};
    for (size_t i = 0; i < list->count; i++)
        strlist_add(arena, &names, list->items[i].what);
    return strlist_join(arena, &names, "");
}

static void test_the_longest_are_kept_in_their_order(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    FactList list = made(arena);
    facts_keep_longest(&list, 20);
    assert_string_equal(names_of(arena, &list), "abcdefghi");
    facts_keep_longest(&list, 4);
    assert_string_equal(names_of(arena, &list), "bdgi");
    facts_keep_longest(&list, 0);
    assert_int_equal(list.count, 0);
}

static void test_what_failed_is_kept_before_all(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    FactList list = made(arena);
    list.items[2].failed = true;
    facts_keep_longest(&list, 2);
    assert_string_equal(names_of(arena, &list), "bc");
}

static void test_the_longest(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    FactList list = {0};
    assert_null(facts_longest(&list));
    list = made(arena);
    assert_string_equal(facts_longest(&list)->what, "b");
}

static void test_a_copy_stands_alone(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Arena *other = arena_new();
    FactList list = made(other);
    list.items[0].rows = 7;
    FactList copy = facts_clone(arena, &list);
    arena_free(other);
    assert_string_equal(names_of(arena, &copy), "abcdefghi");
    assert_int_equal(copy.items[0].rows, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_longest_are_kept_in_their_order),
        cmocka_unit_test(test_what_failed_is_kept_before_all),
        cmocka_unit_test(test_the_longest),
        cmocka_unit_test(test_a_copy_stands_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
