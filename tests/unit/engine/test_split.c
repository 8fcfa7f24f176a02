#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "split.h"

#include "named_limits.h"

#include <string.h>

static ErrCode split(Arena *arena, const char *sql, StatementList *list, Error *err)
{
    return sql_split(arena, "versions/001_x.sql", sql, strlen(sql), 10, list, err);
}

static StatementList split_ok(Arena *arena, const char *sql)
{
    StatementList list = {0};
    Error err;
    if (split(arena, sql, &list, &err) != ERR_OK)
        fail_msg("line %d: %s", err.line, err.message);
    return list;
}

static void expect(const char *sql, size_t count, const char *const *texts, const int *lines)
{
    AUTO_ARENA Arena *arena = arena_new();
    StatementList list = split_ok(arena, sql);
    assert_int_equal(list.count, count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(list.items[i].text, texts[i]);
        assert_int_equal(list.items[i].line, lines[i]);
    }
}

static void refused(const char *sql, int line, const char *word)
{
    AUTO_ARENA Arena *arena = arena_new();
    StatementList list = {.count = 77};
    Error err;
    assert_int_equal(split(arena, sql, &list, &err), ERR_SCRIPT);
    if (strstr(err.message, word) == NULL)
        fail_msg("'%s' is not in '%s'", word, err.message);
    assert_int_equal(err.line, line);
    assert_string_equal(err.file, "versions/001_x.sql");
    assert_int_equal(list.count, 77); /* untouched */
}

static void test_statements_have_text_and_line(void **state)
{
    (void)state;
    expect("SELECT 1;\nSELECT\n  2 ;SELECT 3", 3,
           (const char *const[]){"SELECT 1", "SELECT\n  2", "SELECT 3"}, (const int[]){10, 11, 12});
    expect("\n\n-- a remark; with a semicolon\n/* and /* nested; */ one; */ SELECT 1;\n", 1,
           (const char *const[]){"SELECT 1"}, (const int[]){13});
    expect("SELECT 1 -- remark; here\n  , 2;", 1,
           (const char *const[]){"SELECT 1 -- remark; here\n  , 2"}, (const int[]){10});
    expect("SELECT 1;\r\nSELECT 2;\r\n", 2, (const char *const[]){"SELECT 1", "SELECT 2"},
           (const int[]){10, 11});
}

static void test_nothing_is_no_statement(void **state)
{
    (void)state;
    static const char *const empty[] = {
        "", " \n\t\r\n", ";", ";;;\n;", "-- only a remark", "/* only */", "/* a */; -- b\n;/* c */",
    };
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++)
        expect(empty[i], 0, NULL, NULL);
}

static void test_semicolons_inside_of_a_statement(void **state)
{
    (void)state;
    static const char *const whole[] = {
        "SELECT 'a;b''c;d'",
        "SELECT \"a;b\"",
        "SELECT E'a\\';b'",
        "SELECT $$a;b$$",
        "SELECT $x$a;$$;$y$;b$x$",
        "SELECT $\xc3\xa4$a;b$\xc3\xa4$",
        "SELECT (1;2)",
        "SELECT /* a;b /* c;d */ e; */ 1",
        "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END",
        ("CREATE OR REPLACE FUNCTION f(a int) RETURNS int LANGUAGE SQL BEGIN ATOMIC SELECT "
         "CASE WHEN a > 0 THEN 1 ELSE 2 END; END"),
        "SELECT U&'a;b', B'1;0'",
        "SELECT 'one'\n  ';two'",
        "DO $do$ BEGIN PERFORM 1; EXECUTE $in$x;y$in$; END $do$",
    };
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++) {
        AUTO_STR Str sql = {0};
        str_printf(&sql, "%s;\nSELECT 9", whole[i]);
        AUTO_ARENA Arena *arena = arena_new();
        StatementList list = split_ok(arena, str_text(&sql));
        assert_int_equal(list.count, 2);
        assert_string_equal(list.items[0].text, whole[i]);
        assert_string_equal(list.items[1].text, "SELECT 9");
    }
}

static void test_what_is_not_closed(void **state)
{
    (void)state;
    refused("SELECT 1;\nSELECT 'abc;\n", 11, "quoted string");
    refused("SELECT 1;\n\nSELECT \"abc;\n", 12, "quoted identifier");
    refused("SELECT $a$ abc; $$\n", 10, "dollar");
    refused("SELECT 1;\n/* abc /* */ ;\n", 11, "comment");
    refused("SELECT 1;\nSELECT (1;\nSELECT 2;", 11, "parenthesis");
}

static void test_psql_is_not_sql(void **state)
{
    (void)state;
    refused("SELECT 1;\n\\i other.sql\n", 11, "\\i");
    refused("\\set ON_ERROR_STOP on\nSELECT 1;", 10, "\\set");
    refused("SELECT 1 \\gexec\n", 10, "\\gexec");
    refused("-- remark \\x\nSELECT 1;\n  \\copy t from x\n", 12, "\\copy");
    /* psql would send both as one query: neither may pass unseen */
    refused("SELECT 1\\; SELECT 2;\nDROP TABLE t;", 10, "\\;");
    refused("SELECT 1;\nSELECT 'a' \\; COMMIT;", 11, "\\;");
    AUTO_ARENA Arena *arena = arena_new();
    assert_int_equal(split_ok(arena, "SELECT '\\i', E'\\\\', $$\\x$$, \"\\y\"; -- \\z").count, 1);
}

static void test_psql_variables_stay_as_they_are(void **state)
{
    (void)state;
    expect("SELECT a[1:n], :x, :'y', b::int;SELECT 2", 2,
           (const char *const[]){"SELECT a[1:n], :x, :'y', b::int", "SELECT 2"},
           (const int[]){10, 10});
}

static void test_copy_needs_its_client(void **state)
{
    (void)state;
    refused("SELECT 1;\nCOPY t FROM STDIN;\n1\tx\n\\.\n", 11, "FROM STDIN");
    refused("copy t (a, b) from stdin with (format csv);", 10, "FROM STDIN");
    refused("COPY t FROM /* file */ stdin", 10, "FROM STDIN");
    static const char *const fine[] = {
        "COPY t FROM '/tmp/stdin'",
        "COPY t (stdin) FROM '/tmp/x'",
        "COPY \"stdin\" FROM '/tmp/from'",
        "COPY t FROM PROGRAM 'cat stdin'",
        "COPY (SELECT 1 FROM stdin) TO '/tmp/x'",
    };
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
        AUTO_ARENA Arena *arena = arena_new();
        assert_int_equal(split_ok(arena, fine[i]).count, 1);
    }
}

static void test_keywords(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    StatementList list = split_ok(arena, "create /* x */ -- y\n table t(a int); (SELECT 1); "
                                         "\"select\"; with_x 1; $1");
    static const char *const words[][2] = {
        {"CREATE", "TABLE"}, {"", ""}, {"", ""}, {"WITH_X", ""}, {"", ""}};
    assert_int_equal(list.count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(list.items[i].first_keyword, words[i][0]);
        if (words[i][0][0] != '\0')
            assert_string_equal(list.items[i].second_keyword, words[i][1]);
    }
}

static Statement one(Arena *arena, const char *sql)
{
    StatementList list = split_ok(arena, sql);
    assert_int_equal(list.count, 1);
    return list.items[0];
}

static void test_transaction_control(void **state)
{
    (void)state;
    static const char *const control[] = {
        "begin",
        "COMMIT WORK",
        "end",
        "Rollback TO x",
        "ABORT",
        "savepoint a",
        "RELEASE a",
        "START TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "/**/ commit",
        "PREPARE TRANSACTION 'x'",
        "COMMIT PREPARED 'x'",
        "-- x\nCOMMIT AND CHAIN",
    };
    static const char *const other[] = {
        "PREPARE p AS SELECT 1", "SELECT 'COMMIT'", "CREATE TABLE commit (a int)", "\"commit\"",
        "SET LOCAL x = 1",       "LOCK TABLE t",
    };
    AUTO_ARENA Arena *arena = arena_new();
    for (size_t i = 0; i < sizeof control / sizeof control[0]; i++) {
        Statement statement = one(arena, control[i]);
        if (!statement_is_transaction_control(&statement))
            fail_msg("not seen: %s", control[i]);
    }
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        Statement statement = one(arena, other[i]);
        if (statement_is_transaction_control(&statement))
            fail_msg("wrongly seen: %s", other[i]);
    }
}

static void test_what_a_transaction_block_refuses(void **state)
{
    (void)state;
    static const char *const outside[] = {
        "CREATE INDEX CONCURRENTLY i ON t (a)",
        "create unique index concurrently if not exists i on t (a)",
        "CREATE INDEX CONCURRENTLY ON t (a)",
        "DROP INDEX CONCURRENTLY i",
        "REINDEX TABLE CONCURRENTLY t",
        "REINDEX (VERBOSE, CONCURRENTLY) INDEX i",
        "REINDEX DATABASE d",
        "REINDEX (VERBOSE) SCHEMA s",
        "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
        "VACUUM FULL t",
        "ALTER SYSTEM SET work_mem = '1GB'",
        "CREATE DATABASE d",
        "DROP DATABASE d",
        "ALTER DATABASE d SET TABLESPACE s",
        "CREATE TABLESPACE s LOCATION '/x'",
        "DROP TABLESPACE s",
        "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p",
        "DROP SUBSCRIPTION s",
        "CLUSTER",
        "DISCARD ALL",
    };
    static const char *const inside[] = {
        "CREATE INDEX i ON t (a) WHERE note = 'CONCURRENTLY'",
        "CREATE INDEX i ON t (a) /* CONCURRENTLY */",
        "CREATE INDEX \"CONCURRENTLY\" ON t (a)",
        "CREATE TABLE t (concurrently int)",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
        "ALTER TABLE t ADD COLUMN concurrently int",
        "ALTER TABLE t DETACH PARTITION p",
        "COMMENT ON INDEX i IS 'made CONCURRENTLY'",
        "DROP INDEX i",
        "REINDEX TABLE t",
        "REINDEX INDEX i",
        "ALTER DATABASE d SET work_mem = '1MB'",
        "CLUSTER t USING i",
        "DISCARD TEMP",
        "DROP TABLE database",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN /* VACUUM */ END $$",
    };
    AUTO_ARENA Arena *arena = arena_new();
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
        Statement statement = one(arena, outside[i]);
        if (!statement_needs_no_transaction(&statement))
            fail_msg("not seen: %s", outside[i]);
    }
    for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++) {
        Statement statement = one(arena, inside[i]);
        if (statement_needs_no_transaction(&statement))
            fail_msg("wrongly seen: %s", inside[i]);
    }
}

static void test_a_large_section(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    AUTO_STR Str sql = {0};
    for (int i = 0; i < LIMIT_STATEMENTS_PER_SECTION; i++)
        str_printf(&sql, "INSERT INTO t VALUES (%d, 'some text; for row %d');\n", i, i);
    StatementList list = split_ok(arena, str_text(&sql));
    assert_int_equal(list.count, LIMIT_STATEMENTS_PER_SECTION);
    assert_int_equal(list.items[list.count - 1].line, 10 + LIMIT_STATEMENTS_PER_SECTION - 1);
    str_append(&sql, "SELECT 1;");
    Error err;
    assert_int_equal(split(arena, str_text(&sql), &list, &err), ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statements_have_text_and_line),
        cmocka_unit_test(test_nothing_is_no_statement),
        cmocka_unit_test(test_semicolons_inside_of_a_statement),
        cmocka_unit_test(test_what_is_not_closed),
        cmocka_unit_test(test_psql_is_not_sql),
        cmocka_unit_test(test_psql_variables_stay_as_they_are),
        cmocka_unit_test(test_copy_needs_its_client),
        cmocka_unit_test(test_keywords),
        cmocka_unit_test(test_transaction_control),
        cmocka_unit_test(test_what_a_transaction_block_refuses),
        cmocka_unit_test(test_a_large_section),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
