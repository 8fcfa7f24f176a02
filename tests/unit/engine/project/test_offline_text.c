#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "offline_text.h"

#include <string.h>

static StatementList split(Arena *arena, const char *sql)
{
    StatementList list = {0};
    Error err;
    if (sql_split(arena, "a.sql", sql, strlen(sql), 1, &list, &err) != ERR_OK)
        fail_msg("%s", err.message);
    return list;
}

static void test_values(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    assert_string_equal(offline_literal(arena, NULL), "NULL");
    assert_string_equal(offline_literal(arena, ""), "''");
    assert_string_equal(offline_literal(arena, "it's :x"), "'it''s :x'");
    assert_string_equal(offline_literal(arena, "a\\'b"), "E'a\\\\''b'");
    assert_string_equal(offline_identifier(arena, "a\"b\\"), "\"a\"\"b\\\"");
    StrList list = {0};
    assert_string_equal(offline_array(arena, &list), "ARRAY[]::pg_catalog.text[]");
    strlist_add(arena, &list, "a");
    strlist_add(arena, &list, "b'");
    assert_string_equal(offline_array(arena, &list), "ARRAY['a', 'b''']::pg_catalog.text[]");
    assert_string_equal(offline_remark(arena, "a\nDROP\tb\x7f"), "a?DROP?b?");
}

static void test_queries(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    const char *params[] = {"'a'", "$1", NULL, NULL, NULL, NULL, NULL, NULL, NULL, "ten"};
    assert_string_equal(offline_query(arena, "$1::x, $2 FROM %s, $10, $12 %I", params, 10),
                        "'a'::x, $1 FROM :pgtide_version, ten, NULL %I");
}

static void test_do_quotes_whatever_is_in_it(void **state)
{
    (void)state;
    AUTO_STR Str out = {0};
    offline_do(&out, "BEGIN END");
    assert_string_equal(str_text(&out), "DO $pgtide$\nBEGIN END\n$pgtide$;\n");
    str_clear(&out);
    offline_do(&out, "$pgtide$ $pgtide1$");
    assert_string_equal(str_text(&out), "DO $pgtide2$\n$pgtide$ $pgtide1$\n$pgtide2$;\n");
}

static void sent(const char *sql, const char *wanted)
{
    AUTO_ARENA Arena *arena = arena_new();
    AUTO_STR Str out = {0};
    StatementList list = split(arena, sql);
    assert_int_equal(list.count, 1);
    offline_statement(arena, &list.items[0], &out);
    assert_string_equal(str_text(&out), wanted);
}

static void test_statements(void **state)
{
    (void)state;
    sent("SELECT 1", "SELECT 1;\n");
    sent("SELECT a[1:n], :'x', :\"y\", ':z', b::int, $$:z$$ /* :z */",
         "SELECT a[1: n], : 'x', : \"y\", ':z', b::int, $$:z$$ /* :z */;\n");
    sent("SELECT 1 -- remark", "SELECT 1 -- remark\n;\n");
    sent("SELECT 1 -- remark\n, 2", "SELECT 1 -- remark\n, 2;\n");
    sent("COPY t FROM STDIN;\n:x\r\n\n\\.\n", "COPY t FROM STDIN;\n:x\r\n\n\\.\n");
    sent("COPY t FROM STDIN;\n\\.\n", "COPY t FROM STDIN;\n\\.\n");
}

/* Whether the last statement's answer is looked at. */
static bool is_asked(const char *sql)
{
    AUTO_ARENA Arena *arena = arena_new();
    AUTO_STR Str out = {0};
    Script script = {.id = "1", .file = "1.sql", .verify.statements = split(arena, sql)};
    offline_verify(arena, &script, &out);
    return strstr(str_text(&out), "EXECUTE") != NULL;
}

static void test_verify(void **state)
{
    (void)state;
    static const char *const asked[] = {
        "SELECT 1",
        "SELECT 1; SELECT 2",
        "((SELECT 1))",
        "VALUES (1)",
        "table t",
        "WITH a AS (INSERT INTO t VALUES (1) RETURNING x) SELECT * FROM a",
        "WITH RECURSIVE a (b) AS MATERIALIZED (SELECT 1), c AS (SELECT 2) TABLE c",
        "UPDATE t SET a = 1 RETURNING false",
        "WITH a AS (SELECT 1) DELETE FROM t RETURNING x",
        "SELECT (SELECT 1 AS into_)",
    };
    static const char *const plain[] = {
        "",
        "SELECT 1 INTO t",
        "WITH a AS (SELECT 1) SELECT * INTO t FROM a",
        "INSERT INTO t SELECT 1",
        "WITH a AS (SELECT 1) INSERT INTO t TABLE a",
        "WITH a AS (DELETE FROM t RETURNING x) INSERT INTO u TABLE a",
        "SET x = 1",
        "CALL p()",
        "SELECT 1; ANALYZE t",
        "CREATE VIEW v AS SELECT 1",
    };
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        if (!is_asked(asked[i]))
            fail_msg("not asked: %s", asked[i]);
    }
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        if (is_asked(plain[i]))
            fail_msg("asked: %s", plain[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_queries),
        cmocka_unit_test(test_do_quotes_whatever_is_in_it),
        cmocka_unit_test(test_statements),
        cmocka_unit_test(test_verify),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
