#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "placeholder.h"

#include "named_limits.h"

#include <string.h>

#define FILE_NAME "versions/001_x.sql"

static Script *parse(Arena *arena, const char *text)
{
    Script *script = NULL;
    Error err;
    if (script_parse(arena, FILE_NAME, (const uint8_t *)text, strlen(text), &script, &err) !=
        ERR_OK)
        fail_msg("%s:%d: %s", err.file, err.line, err.message);
    return script;
}

/* A revision with `header` and the upgrade `sql`, which begins in line 5. */
static Script *revision(Arena *arena, const char *header, const char *sql)
{
    return parse(arena, arena_printf(arena,
                                     "-- revision: 001_x\n%s\n\n-- +upgrade\n%s\n"
                                     "-- +downgrade\n",
                                     header, sql));
}

static ErrCode bind(Arena *arena, const Script *script, const char *const *values, size_t count,
                    const Script **bound, Error *err)
{
    StrList list = {0};
    for (size_t i = 0; i < count; i++)
        strlist_add(arena, &list, values[i]);
    return script_bind(arena, script, &list, bound, err);
}

/* One placeholder x with one value, in one statement. */
static void becomes(const char *sql, const char *value, const char *wanted)
{
    AUTO_ARENA Arena *arena = arena_new();
    const Script *script = revision(arena, "-- placeholders: x", sql);
    const Script *bound = NULL;
    Error err;
    const char *values[] = {arena_printf(arena, "x=%s", value)};
    if (bind(arena, script, values, 1, &bound, &err) != ERR_OK)
        fail_msg("%s for [%s] with [%s]", err.message, sql, value);
    assert_int_equal(bound->upgrade.statements.count, 1);
    assert_string_equal(bound->upgrade.statements.items[0].text, wanted);
    assert_string_equal(script->upgrade.statements.items[0].text, sql); /* untouched */
    assert_string_equal(bound->token_digest, script->token_digest);
}

static void refused(const char *sql, const char *value)
{
    AUTO_ARENA Arena *arena = arena_new();
    const Script *script = revision(arena, "-- placeholders: x", sql);
    const Script *bound = NULL;
    Error err;
    const char *values[] = {arena_printf(arena, "x=%s", value)};
    if (bind(arena, script, values, 1, &bound, &err) != ERR_SCRIPT)
        fail_msg("taken: [%s] with [%s]", sql, value);
    assert_string_equal(err.file, FILE_NAME);
    assert_int_equal(err.line, 5);
    assert_null(bound);
}

static void test_the_three_forms(void **state)
{
    (void)state;
    becomes("SELECT :x, :'x', :\"x\"", "a", "SELECT a, 'a', \"a\"");
    becomes("GRANT SELECT ON t TO :\"x\"", "we\"ird; --", "GRANT SELECT ON t TO \"we\"\"ird; --\"");
    becomes("SELECT :'x'", "it's; DROP TABLE t; --", "SELECT 'it''s; DROP TABLE t; --'");
    becomes("SELECT :'x'", "a\\'b", "SELECT  E'a\\\\''b'");
    becomes("SELECT 1+:'x'", "\\", "SELECT 1+ E'\\\\'");
    becomes("SELECT :\"x\"", "a\\b", "SELECT \"a\\b\"");
    becomes("SELECT :'x', :\"x\"", "", "SELECT '', \"\"");
    becomes("SELECT :'x'", "a=b\nc\xc3\xa9", "SELECT 'a=b\nc\xc3\xa9'");
    becomes("SELECT :x", "1 + (2)", "SELECT 1 + (2)");
    becomes(":x TABLE t ()", "CREATE", "CREATE TABLE t ()");
    becomes("SELECT 1 :x", "", "SELECT 1 ");
    becomes("SELECT a[1:x], :x::int, a:x", "2", "SELECT a[12], 2::int, a2"); /* as psql has it */
}

static void test_what_stays(void **state)
{
    (void)state;
    static const char *const same[] = {
        "SELECT ':x', E':x', \":x\", $$:x$$, $a$:'x'$a$ /* :x */ -- :x",
        "SELECT a::x, b := 1, :y, :'y', :\"y\", :xy, :x_, :X",
        "SELECT a[:y], ': x' : x, :' x', :'x",
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $f$ BEGIN RETURN :x; END $f$",
    };
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        if (i != 2) /* it ends in an open quote: refused when it is read */
            becomes(same[i], "1", same[i]);
    }
    /* a value is no template */
    becomes("SELECT :x", ":x", "SELECT :x");
    becomes("SELECT :x, :'x'", ":'x'", "SELECT :'x', ':''x'''");
    AUTO_ARENA Arena *arena = arena_new();
    Script *script = revision(arena, "", "SELECT :x, :'y'");
    const Script *bound;
    assert_int_equal(bind(arena, script, (const char *[]){"x=1"}, 1, &bound, NULL), ERR_OK);
    assert_ptr_equal(bound, script);
}

/* Whatever a plain value is, one statement stays one statement of its kind. */
static void test_values_that_make_something_else(void **state)
{
    (void)state;
    refused("SELECT :x", "1; DROP TABLE t");
    refused("SELECT :x", "1;");
    refused("SELECT :x", "'");
    refused("SELECT :x", "$$");
    refused("SELECT (:x)", "1)); (SELECT ((2");
    refused("SELECT (:x)", "1 -- ");
    refused("SELECT :x", "\\gexec");
    refused("SELECT :x", "1\\; SELECT 2");
    refused("SELECT :x", ":{?x}");
    refused("SELECT :x", "/* open");
    refused(":x", "");
    refused(":x", "-- remark");
    refused(":x", "COMMIT");
    refused(":x", "  SELECT 1");
    refused("VACUUM_ :x", "1; VACUUM");
    refused("COPY t FROM :x", "STDIN");
    refused("CREATE INDEX :x i ON t (a)", "CONCURRENTLY");
    refused("SELECT :x'a\\'", "E"); /* the server would read E'a\' as open */
}

static void test_values_and_defaults(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Script *script = revision(arena, "-- placeholders: a, b=two, c=", "SELECT :'a', :'b', :'c'");
    const Script *bound = NULL;
    Error err;
    assert_int_equal(bind(arena, script, (const char *[]){"b=1"}, 1, &bound, &err), ERR_USAGE);
    assert_non_null(strstr(err.message, "'a'"));
    assert_non_null(strstr(err.hint, "-x a="));
    assert_string_equal(err.file, FILE_NAME);
    assert_int_equal(err.line, 2);
    assert_null(bound);
    const char *values[] = {"a=1", "a=3", "other=x"};
    assert_int_equal(bind(arena, script, values, 3, &bound, &err), ERR_OK);
    assert_string_equal(bound->upgrade.statements.items[0].text, "SELECT '3', 'two', ''");
    assert_int_equal(bind(arena, script, (const char *[]){"a"}, 1, &bound, &err), ERR_USAGE);
    assert_int_equal(bind(arena, script, (const char *[]){"=a"}, 1, &bound, &err), ERR_USAGE);
    assert_int_equal(bind(arena, script, (const char *[]){"a=\xff"}, 1, &bound, &err), ERR_USAGE);
    AUTO_STR Str longest = {0};
    str_append(&longest, "a=");
    for (int i = 0; i < LIMIT_PLACEHOLDER_VALUE_BYTES; i++)
        str_append_char(&longest, 'v');
    const char *text = str_text(&longest);
    assert_int_equal(bind(arena, script, &text, 1, &bound, &err), ERR_OK);
    str_append_char(&longest, 'v');
    text = str_text(&longest);
    assert_int_equal(bind(arena, script, &text, 1, &bound, &err), ERR_LIMIT);
    assert_null(strstr(err.message, "vvv"));
}

static void test_all_sections_and_probes(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Script *script = parse(arena, "-- revision: 001_x\n-- placeholders: x\n-- transaction: none\n"
                                  "-- +upgrade\n"
                                  "-- +probe SELECT :'x' = 'a'\n"
                                  "CALL p(:'x');\n"
                                  "COPY :x FROM STDIN;\n:x\n\\.\n"
                                  "-- +downgrade\nSELECT :x;\n"
                                  "-- +verify\nSELECT :\"x\";\n");
    const Script *bound;
    Error err;
    assert_int_equal(bind(arena, script, (const char *[]){"x=a"}, 1, &bound, &err), ERR_OK);
    const Statement *up = bound->upgrade.statements.items;
    assert_string_equal(up[0].probe, "SELECT 'a' = 'a'");
    assert_string_equal(up[0].text, "CALL p('a')");
    assert_string_equal(up[1].text, "COPY a FROM STDIN");
    assert_memory_equal(up[1].copy_data, ":x\n", up[1].copy_length); /* rows stay */
    assert_string_equal(bound->downgrade.statements.items[0].text, "SELECT a");
    assert_string_equal(bound->verify.statements.items[0].text, "SELECT \"a\"");
    assert_int_equal(bind(arena, script, (const char *[]){"x=a; b"}, 1, &bound, &err), ERR_SCRIPT);
}

static void test_keywords_are_read_anew(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Script *script = revision(arena, "-- placeholders: x, y", ":x :y t ()");
    const Script *bound;
    const char *values[] = {"x=create", "y=Table"};
    assert_int_equal(bind(arena, script, values, 2, &bound, NULL), ERR_OK);
    assert_string_equal(bound->upgrade.statements.items[0].first_keyword, "CREATE");
    assert_string_equal(bound->upgrade.statements.items[0].second_keyword, "TABLE");
}

static void test_places_are_those_of_the_file(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Script *script =
        revision(arena, "-- placeholders: x, y", "SELECT :'x', a,\n  :y, 'é', :'x', b;");
    const Script *bound;
    const char *values[] = {"x=one\ntwo\nthree", "y=é"};
    assert_int_equal(bind(arena, script, values, 2, &bound, NULL), ERR_OK);
    const Statement *statement = &bound->upgrade.statements.items[0];
    static const struct {
        const char *token;
        int line;
        int column;
    } places[] = {
        {"SELECT", 5, 1}, {"'one", 5, 8}, {"three", 5, 8}, {"a,", 5, 14},
        {"é", 6, 3},      {"'é'", 6, 7},  {"b", 6, 18},
    };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        const char *at = strstr(statement->text, places[i].token);
        int position = 1;
        for (const char *p = statement->text; p < at; p++)
            position += ((unsigned char)p[1] & 0xC0) != 0x80;
        Error err;
        err_set(&err, ERR_SQL, "failed");
        statement_place_error(&err, FILE_NAME, statement, position);
        if (err.line != places[i].line || err.column != places[i].column)
            fail_msg("%s: %d:%d", places[i].token, err.line, err.column);
    }
}

static void test_unknown_names(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    const Script *scripts[] = {revision(arena, "-- placeholders: a, b", ""),
                               revision(arena, "-- placeholders: c=1", "")};
    StrList assignments = {0};
    static const char *const given[] = {"a=1", "bb=2", "c=", "A=1", "bb=3"};
    for (size_t i = 0; i < sizeof given / sizeof given[0]; i++)
        strlist_add(arena, &assignments, given[i]);
    StrList unknown = placeholders_unknown(arena, scripts, 2, &assignments);
    assert_string_equal(strlist_join(arena, &unknown, ","), "bb,A");
    assert_int_equal(placeholders_unknown(arena, scripts, 2, &(StrList){0}).count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_three_forms),
        cmocka_unit_test(test_what_stays),
        cmocka_unit_test(test_values_that_make_something_else),
        cmocka_unit_test(test_values_and_defaults),
        cmocka_unit_test(test_all_sections_and_probes),
        cmocka_unit_test(test_keywords_are_read_anew),
        cmocka_unit_test(test_places_are_those_of_the_file),
        cmocka_unit_test(test_unknown_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
