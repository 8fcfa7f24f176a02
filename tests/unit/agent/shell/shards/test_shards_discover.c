#include "shards_discover.h"

#include "named_limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static void parses(const char *text, const char *expected)
{
    AUTO_ARENA Arena *arena = arena_new();
    AUTO_STR Str found = {0};
    LabelList labels;
    Error err;
    assert_int_equal(shard_labels_parse(arena, text, &labels, &err), ERR_OK);
    for (size_t i = 0; i < labels.count; i++)
        str_printf(&found, "%s=%s;", labels.items[i].key, labels.items[i].value);
    assert_string_equal(str_text(&found), expected);
}

static void refuses(const char *text)
{
    AUTO_ARENA Arena *arena = arena_new();
    LabelList labels = {.count = 77};
    Error err;
    assert_int_not_equal(shard_labels_parse(arena, text, &labels, &err), ERR_OK);
    assert_int_equal(labels.count, 77);
}

static void labels_are_json_or_pairs(void **state)
{
    (void)state;
    parses("", "");
    parses("  ", "");
    parses("tier=free", "tier=free;");
    parses("tier=free, region=eu", "tier=free;region=eu;");
    parses("tier=free region=eu\n", "tier=free;region=eu;");
    parses("a=b=c", "a=b=c;");
    parses("a=", "a=;");
    parses("{}", "");
    parses(" {\"tier\": \"free\", \"note\": \"a b, c\"}", "tier=free;note=a b, c;");
}

static void other_labels_are_refused(void **state)
{
    (void)state;
    refuses("tier");
    refuses("=free");
    refuses("{\"tier\": 1}");
    refuses("{\"tier\": \"a\", \"tier\": \"b\"}");
    refuses("{\"tier\"");
    refuses("{\"\": \"x\"}");
    char text[LIMIT_LABELS * 8 + 64];
    size_t length = 0;
    for (int i = 0; i <= LIMIT_LABELS; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "k%d=v ", i);
    refuses(text);
    char value[LIMIT_LABEL_BYTES + 8] = "k=";
    memset(value + 2, 'x', LIMIT_LABEL_BYTES + 1);
    refuses(value);
}

static void names_are_sorted_and_told_once(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    ShardNameList list = {.arena = arena};
    Label first[] = {{"from", "file"}}, second[] = {{"from", "query"}};
    Error err;
    assert_int_equal(shard_names_add(&list, "b", "", (LabelList){first, 1}, &err), ERR_OK);
    assert_int_equal(shard_names_add(&list, "a", "y", (LabelList){0}, &err), ERR_OK);
    assert_int_equal(shard_names_add(&list, "a", "x", (LabelList){0}, &err), ERR_OK);
    assert_int_equal(shard_names_add(&list, "b", "", (LabelList){second, 1}, &err), ERR_OK);
    ShardNames names = shard_names_finish(&list);
    assert_int_equal(names.count, 3);
    assert_string_equal(names.items[0].schema, "x");
    assert_string_equal(names.items[1].schema, "y");
    assert_string_equal(names.items[2].database, "b");
    assert_string_equal(names.items[2].labels.items[0].value, "file");
}

static void wrong_names_are_refused(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    ShardNameList list = {.arena = arena};
    char longest[LIMIT_NAME_BYTES + 2];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    Error err;
    assert_int_equal(shard_names_add(&list, "", "", (LabelList){0}, &err), ERR_CONFIG);
    assert_int_equal(shard_names_add(&list, longest, "", (LabelList){0}, &err), ERR_CONFIG);
    assert_int_equal(shard_names_add(&list, "a", longest, (LabelList){0}, &err), ERR_CONFIG);
    assert_int_equal(list.count, 0);
}

static void json_names_shards(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    ShardNameList list = {.arena = arena};
    Error err;
    static const char text[] = "[{\"database\": \"b\"},"
                               " {\"labels\": {\"tier\": \"pro\"}, \"schema\": \"s\","
                               "  \"database\": \"a\"}]\n";
    assert_int_equal(shard_names_add_json(&list, text, strlen(text), &err), ERR_OK);
    assert_int_equal(shard_names_add_json(&list, "[]", 2, &err), ERR_OK);
    ShardNames names = shard_names_finish(&list);
    assert_int_equal(names.count, 2);
    assert_string_equal(names.items[0].database, "a");
    assert_string_equal(names.items[0].schema, "s");
    assert_string_equal(names.items[0].labels.items[0].value, "pro");
    assert_string_equal(names.items[1].schema, "");
}

static void other_json_is_refused_by_element(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"{\"database\": \"a\"}", "not a JSON array"},
        {"[{\"database\": \"a\"}, 7]", "element 2: not an object"},
        {"[{\"schema\": \"a\"}]", "element 1: 'database' is missing"},
        {"[{\"database\": 5}]", "element 1: 'database' is not a text"},
        {"[{\"database\": \"a\", \"scheme\": \"s\"}]", "element 1: unknown key 'scheme'"},
        {"[{\"database\": \"a\", \"labels\": [\"x\"]}]", "element 1: 'labels' is not an object"},
        {"[{\"database\": \"a\", \"labels\": {\"tier\": 1}}]",
         "element 1: the value of label 'tier' is not a text"},
        {"[{\"database\": \"\"}]", "element 1: '' is not the name of a database"},
        {"[{\"database\": \"a\\u0000b\"}]",
         "line 1 is not JSON: \\u0000 is not allowed without JSON_ALLOW_NUL near '\"a\\u0000b\"'"},
        {"[{\"database\": \"a\"},\n oops]", "line 2 is not JSON: invalid token near 'oops'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO_ARENA Arena *arena = arena_new();
        ShardNameList list = {.arena = arena};
        Error err;
        assert_int_equal(shard_names_add_json(&list, cases[i].text, strlen(cases[i].text), &err),
                         ERR_CONFIG);
        assert_string_equal(err.message, cases[i].message);
        assert_int_equal(list.count, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_names_shards),
        cmocka_unit_test(other_json_is_refused_by_element),
        cmocka_unit_test(labels_are_json_or_pairs),
        cmocka_unit_test(other_labels_are_refused),
        cmocka_unit_test(names_are_sorted_and_told_once),
        cmocka_unit_test(wrong_names_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
