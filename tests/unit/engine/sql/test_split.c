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
        "SELECT $a$ $b$;$a$ $a",
        "SELECT U&'\\0061;' UESCAPE '!', U&\"a;\", N'b;', X'1F', e'\\';'",
        "SELECT a::int, b[1:2], c[:x], d ->> ';' <@ e -- ;\n + 1",
        "SELECT '\xF0\x9F\x90\x98;' AS \"\xE8\xB1\xA1;\", \xC3\xA9t\xC3\xA9",
        "CREATE PROCEDURE p() BEGIN ATOMIC INSERT INTO t VALUES (1); IF; END",
        "CREATE RULE r AS ON UPDATE TO v DO INSTEAD (UPDATE a SET x = 1; DELETE FROM b)",
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

/* `rows` NULL: the statement has none. */
static void copies(const char *sql, const char *text, const char *rows)
{
    AUTO_ARENA Arena *arena = arena_new();
    StatementList list = split_ok(arena, arena_printf(arena, "SELECT 1;\n%s\nSELECT 9", sql));
    assert_int_equal(list.count, 3);
    assert_string_equal(list.items[1].text, text);
    assert_string_equal(list.items[2].text, "SELECT 9");
    if (rows == NULL) {
        assert_null(list.items[1].copy_data);
        return;
    }
    assert_non_null(list.items[1].copy_data);
    assert_int_equal(list.items[1].copy_length, strlen(rows));
    assert_memory_equal(list.items[1].copy_data, rows, strlen(rows));
}

static void test_copy_with_its_rows(void **state)
{
    (void)state;
    copies("COPY t FROM STDIN;\n1\tx\n2\t\\N\n\\.", "COPY t FROM STDIN", "1\tx\n2\t\\N\n");
    copies("COPY t FROM STDIN;\n\\.", "COPY t FROM STDIN", "");
    copies("COPY t FROM STDIN; -- the rows\n1\n\\.", "COPY t FROM STDIN", "1\n");
    copies("copy t (a, b)\n from stdin with (format csv)\n;\n1,\"x;\n-- y\"\n\n\\.",
           "copy t (a, b)\n from stdin with (format csv)", "1,\"x;\n-- y\"\n\n");
    /* nothing in rows is SQL, psql's, or the mark when it is not alone on its line */
    copies("COPY t FROM STDIN;\nit's; /* $$ \"\n\\i x\n \\.\n\\. \n\\.x\nx\\.\n\\.",
           "COPY t FROM STDIN", "it's; /* $$ \"\n\\i x\n \\.\n\\. \n\\.x\nx\\.\n");
    /* line ends are sent as they are */
    copies("COPY t FROM STDIN;\r\n1\r\n2\r\n\\.\r", "COPY t FROM STDIN", "1\r\n2\r\n");
    copies("COPY t FROM STDIN;\n1\r\n\\.", "COPY t FROM STDIN", "1\r\n");
    copies("/* a */ COPY t /* b */ FROM -- c\n STDIN;\n1\n\\.", "COPY t /* b */ FROM -- c\n STDIN",
           "1\n");
    copies("COPY t FROM '/tmp/stdin';", "COPY t FROM '/tmp/stdin'", NULL);
    copies("COPY t (stdin) FROM '/tmp/x';", "COPY t (stdin) FROM '/tmp/x'", NULL);
    copies("COPY \"stdin\" FROM '/tmp/from';", "COPY \"stdin\" FROM '/tmp/from'", NULL);
    copies("COPY t FROM PROGRAM 'cat stdin';", "COPY t FROM PROGRAM 'cat stdin'", NULL);
    copies("COPY (SELECT 1 FROM stdin) TO '/x';", "COPY (SELECT 1 FROM stdin) TO '/x'", NULL);
    copies("SELECT 'COPY t FROM STDIN;\n\\.\n';", "SELECT 'COPY t FROM STDIN;\n\\.\n'", NULL);
    copies("SELECT $$\n\\.\n$$, /*\n\\.\n*/ E'\n\\.\n\\'';",
           "SELECT $$\n\\.\n$$, /*\n\\.\n*/ E'\n\\.\n\\''", NULL);
}

static void test_many_copies(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    AUTO_STR Str sql = {0};
    enum { COUNT = LIMIT_STATEMENTS_PER_SECTION };
    for (int i = 0; i < COUNT; i++)
        str_printf(&sql, "COPY t FROM STDIN;\n%d\tit's\n\\.\n", i);
    StatementList list = split_ok(arena, str_text(&sql));
    assert_int_equal(list.count, COUNT);
    for (int i = 0; i < COUNT; i++) {
        const char *rows = arena_printf(arena, "%d\tit's\n", i);
        assert_int_equal(list.items[i].line, 10 + 3 * i);
        assert_int_equal(list.items[i].copy_length, strlen(rows));
        assert_memory_equal(list.items[i].copy_data, rows, strlen(rows));
    }
}

static void test_copy_that_is_wrong(void **state)
{
    (void)state;
    refused("SELECT 1;\nCOPY t FROM STDIN;\n1\tx\n\\.x\n", 11, "do not end");
    refused("SELECT 1;\nCOPY t FROM STDIN;", 11, "do not end");
    refused("SELECT 1;\n\n COPY t FROM STDIN", 12, "do not end");
    refused("COPY t FROM STDIN; SELECT 2;\n1\n\\.\n", 10, "last on its line");
    refused("COPY t FROM STDIN; COPY u FROM STDIN;\n1\n\\.\n2\n\\.\n", 10, "last on its line");
    refused("COPY t FROM STDIN (FORMAT binary);\n1\n\\.\n", 10, "binary");
    refused("SELECT 1;\n\\.\nSELECT 2;", 11, "\\.");
    refused("COPY t FROM STDIN\n\\.\n", 11, "\\.");
    refused("COPY t FROM STDIN;\n1\n\\.\n\\.\n", 13, "\\.");
}

static void test_strings_end_where_the_server_says(void **state)
{
    (void)state;
    static const char *const off[] = {
        "SET standard_conforming_strings = off",
        "set local Standard_Conforming_Strings to 'off'",
        "SET SESSION standard_conforming_strings = /* on */ false",
        "SET standard_conforming_strings = 0",
    };
    static const char *const on[] = {
        "SET standard_conforming_strings = on", "SET standard_conforming_strings TO 'ON'",
        "SET standard_conforming_strings=true", "SET LOCAL standard_conforming_strings TO DEFAULT",
        "SHOW standard_conforming_strings",     "SET escape_string_warning = off",
    };
    AUTO_ARENA Arena *arena = arena_new();
    for (size_t i = 0; i < sizeof off / sizeof off[0]; i++)
        refused(off[i], 10, "standard_conforming_strings");
    for (size_t i = 0; i < sizeof on / sizeof on[0]; i++)
        assert_int_equal(split_ok(arena, on[i]).count, 1);
}

static void placed(const char *sql, size_t index, int position, int line, int column,
                   const char *source)
{
    AUTO_ARENA Arena *arena = arena_new();
    StatementList list = split_ok(arena, sql);
    assert_true(list.count > index);
    Error err;
    err_set(&err, ERR_SQL, "failed");
    statement_place_error(&err, "versions/001_x.sql", &list.items[index], position);
    assert_string_equal(err.file, "versions/001_x.sql");
    assert_int_equal(err.line, line);
    assert_int_equal(err.column, column);
    assert_string_equal(err.source, source);
}

static void test_places(void **state)
{
    (void)state;
    const char *sql = "SELECT 1; /* é */ SELECT 'é'\n, x\r\n\t, y ; SELECT 3";
    placed(sql, 0, 0, 10, 1, "SELECT 1; /* é */ SELECT 'é'");
    placed(sql, 1, 0, 10, 19, "SELECT 1; /* é */ SELECT 'é'");
    placed(sql, 1, 1, 10, 19, "SELECT 1; /* é */ SELECT 'é'");
    placed(sql, 1, 10, 10, 28, "SELECT 1; /* é */ SELECT 'é'");
    placed(sql, 1, 12, 11, 1, ", x"); /* é is one character */
    placed(sql, 1, 14, 11, 3, ", x");
    placed(sql, 1, 20, 12, 4, "\t, y ; SELECT 3");
    placed(sql, 1, 1000, 12, 5, "\t, y ; SELECT 3");
    placed(sql, 2, 8, 12, 15, "\t, y ; SELECT 3");
    AUTO_ARENA Arena *arena = arena_new();
    StatementList list;
    Error err;
    assert_int_equal(split(arena, "SELECT 1;\n  SELECT é \\gexec", &list, &err), ERR_SCRIPT);
    assert_int_equal(err.line, 11);
    assert_int_equal(err.column, 12);
    assert_string_equal(err.source, "  SELECT é \\gexec");
}

static void test_places_in_rows(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    StatementList list =
        split_ok(arena, "SELECT 1; COPY t\nFROM STDIN;\n1\t2\nthree\r\n\\.\nSELECT 1;");
    static const struct {
        uint32_t row;
        int line;
        const char *source;
    } places[] = {{1, 12, "1\t2"}, {2, 13, "three"}, {3, 14, "\\."}, {1000, 14, "\\."}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        Error err;
        err_set(&err, ERR_SQL, "wrong");
        statement_place_row(&err, "versions/001_x.sql", &list.items[1], places[i].row);
        assert_int_equal(err.line, places[i].line);
        assert_string_equal(err.source, places[i].source);
    }
}

static void test_pieces(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool in_text;
        bool in_statement;
    } places[] = {
        {"", false, false},
        {"SELECT 1;\n", false, false},
        {"SELECT 1\n", false, true},
        {"-- remark\n", false, false},
        {"/* remark */\n", false, false},
        {"/* open\n", true, false},
        {"SELECT '\n", true, true},
        {"COPY t FROM STDIN;\n", true, false},
        {"COPY t FROM STDIN;\n'\n", true, false},
        {"COPY t FROM STDIN;\n'\n\\.\n", false, false},
        {"COPY t FROM STDIN;\n'\n\\.\n$$\n", true, true},
        {"COPY t FROM STDIN\n", false, true},
        {"SELECT '\n\\.\n';\n", false, false},
    };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        const char *text = places[i].text;
        SqlLines *whole = sql_lines_new();
        SqlLines *lines = sql_lines_new();
        sql_lines_feed(whole, text, strlen(text));
        for (const char *at = text; *at != '\0'; at += strcspn(at, "\n") + 1)
            sql_lines_feed(lines, at, strcspn(at, "\n") + 1);
        assert_int_equal(sql_lines_in_text(whole), places[i].in_text);
        assert_int_equal(sql_lines_in_text(lines), places[i].in_text);
        assert_int_equal(sql_lines_in_statement(lines) && !sql_lines_in_text(lines),
                         places[i].in_statement && !places[i].in_text);
        sql_lines_reset(lines);
        assert_false(sql_lines_in_text(lines));
        sql_lines_free(whole);
        sql_lines_free(lines);
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
        cmocka_unit_test(test_copy_with_its_rows),
        cmocka_unit_test(test_many_copies),
        cmocka_unit_test(test_copy_that_is_wrong),
        cmocka_unit_test(test_strings_end_where_the_server_says),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_places_in_rows),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_keywords),
        cmocka_unit_test(test_transaction_control),
        cmocka_unit_test(test_what_a_transaction_block_refuses),
        cmocka_unit_test(test_a_large_section),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
