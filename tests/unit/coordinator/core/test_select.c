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
                             {"old", "false"}, {"in", "x"},      {"empty", ""},
                             {"version", "2"}};
    static const char *rows[] = {"007_a", "008_x"};
    LabelList list = {labels, sizeof labels / sizeof *labels};
    StrList row_list = {.items = rows, .count = 2};
    SelectTarget target = {
        .name = "c1/shop",
        .host = "h1",
        .cluster = "c1",
        .database = "shop",
        .schema = "",
        .agent = "a1",
        .role = "primary",
        .state = SHARD_CURRENT,
        .rows = &row_list,
        .server_version = 150014,
        .size_bytes = 10 * 1024 * 1024,
        .labels = &list,
    };
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
        {"name = c1/shop and agent = a1 and role = primary", true},
        {"role = standby", false},
        {"state = current and state != unreachable and state not in (failed, unknown)", true},
        {"state in (new, pending)", false},
        {"rows = 008_x and rows = 007_a", true},
        {"rows = 006_b", false},
        {"rows != 006_b", true},
        {"rows in (006_b, 007_a)", true},
        {"rows", true},
        {"version >= 15 and size < 10GiB and rows = 008_x", true},
        {"version = 15 and version = 15.14 and version in (14, 15)", true},
        {"version = 15.13", false},
        {"version > 15", false},
        {"version > 15.13", true},
        {"version <= 15", true},
        {"version < 15.14", false},
        {"version < 16 and version != 16", true},
        {"size = 10MiB and size <= 10MiB and size >= 10MiB", true},
        {"size > 10MiB", false},
        {"size < 10485761", true},
        {"size > 1TiB", false},
        {"label.version = 2 and 'version' = 2", true},
        {"label.size", false},
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
        {"tier < 3", "selection, column 6: only version and size can be compared with <"},
        {"name >= x", "selection, column 6: only version and size can be compared with >="},
        {"version > old", "selection, column 11: expected a version (15 or 15.4), found old"},
        {"version > 15.", "selection, column 11: expected a version (15 or 15.4), found 15."},
        {"canary and size < 10GB", "selection, column 19: expected a size (500MiB, 10GiB), "
                                   "found 10GB"},
        {"size < 99999999999999999999",
         "selection, column 8: expected a size (500MiB, 10GiB), found 99999999999999999999"},
        {"state in (new, runing)",
         "selection, column 16: expected a state (new, current, pending, running, failed, unknown, "
         "diverged, rollback-failed, quarantined, unreachable), found runing"},
        {"role = master", "selection, column 8: expected primary or standby, found master"},
        {"version >", "selection, column 10: expected a value, found the end"},
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
