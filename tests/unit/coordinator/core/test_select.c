#include "select.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static bool matches(const char *text)
{
    static Label labels[] = {{"tier", "free"}, {"region", "eu"}, {"canary", "true"},
                             {"old", "false"}, {"in", "x"},      {"empty", ""}};
    LabelList list = {labels, sizeof labels / sizeof *labels};
    SelectTarget target = {
        .host = "h1", .cluster = "c1", .database = "shop", .schema = "", .labels = &list};
    AUTO_ARENA Arena *arena = arena_new();
    const Selection *selection = NULL;
    Error error;
    ErrCode code = select_parse(text, arena, &selection, &error);
    if (code != ERR_OK)
        fail_msg("%s: %s", text, error.message);
    return select_matches(selection, &target);
}

static void test_what_matches(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool expected;
    } cases[] = {
        {"", true},
        {"  \n", true},
        {"tier = free", true},
        {"tier=pro", false},
        {"tier in (free, pro)", true},
        {"tier in (pro)", false},
        {"tier not in (pro, free)", false},
        {"tier != pro", true},
        {"canary", true},
        {"not canary", false},
        {"old", false},
        {"empty", false},
        {"nothing", false},
        {"nothing = x", false},
        {"nothing != x", true},
        {"nothing not in (x)", true},
        {"tier in (free, pro) and region = eu and region != us and not canary", false},
        {"tier in (free, pro) and region = eu and region != us and canary", true},
        {"tier = pro or region = eu", true},
        {"tier = pro and region = us or canary", true},
        {"tier = pro and (region = us or canary)", false},
        {"not (tier = pro or region = us)", true},
        {"not tier = pro and not region = us", true},
        {"not not canary", true},
        {"host = h1 and cluster = c1 and database = shop and schema = ''", true},
        {"database in (\"shop\", 'bar')", true},
        {"'in' = x", true},
        {"((((canary))))", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (matches(cases[i].text) != cases[i].expected)
            fail_msg("%s", cases[i].text);
}

static void test_what_is_refused_and_where(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"tier =", "selection, column 7: expected a value, found the end"},
        {"tier = and", "selection, column 8: expected a value, found and"},
        {"tier free", "selection, column 6: expected and, or, or the end, found free"},
        {"tier in free", "selection, column 9: expected ( after in, found free"},
        {"tier in (free", "selection, column 14: expected , or ), found the end"},
        {"tier in ()", "selection, column 10: expected a value, found )"},
        {"tier not free", "selection, column 10: expected in after not, found free"},
        {"(canary", "selection, column 8: expected ), found the end"},
        {"and", "selection, column 1: expected a key, not or (, found and"},
        {"a = 'x", "selection, column 5: expected a value, found a quote that is not closed"},
        {"a ! b", "selection, column 3: expected and, or, or the end, found !"},
    };
    AUTO_ARENA Arena *arena = arena_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const Selection *selection = NULL;
        Error error;
        assert_int_equal(select_parse(cases[i].text, arena, &selection, &error), ERR_USAGE);
        assert_string_equal(error.message, cases[i].message);
        assert_null(selection);
    }
}

static void test_limits(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    const Selection *selection = NULL;
    Error error;
    char text[5000];
    memset(text, '(', sizeof text);
    text[200] = '\0';
    assert_int_equal(select_parse(text, arena, &selection, &error), ERR_LIMIT);
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '\0';
    assert_int_equal(select_parse(text, arena, &selection, &error), ERR_LIMIT);
    assert_null(selection);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_matches),
        cmocka_unit_test(test_what_is_refused_and_where),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
