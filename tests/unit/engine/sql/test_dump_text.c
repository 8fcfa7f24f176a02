#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dump_text.h"

#include <string.h>

static void expect(const char *dump, bool unqualify, const char *wanted)
{
    AUTO_ARENA Arena *arena = arena_new();
    DumpTextArgs args = {
        .text = dump, .length = strlen(dump), .owner = "me", .unqualify = unqualify};
    const char *sql;
    size_t count;
    Error err;
    if (dump_text_read(arena, &args, &sql, &count, &err) != ERR_OK)
        fail_msg("line %d: %s", err.line, err.message);
    assert_string_equal(sql, wanted);
}

static void test_what_is_left_out(void **state)
{
    (void)state;
    expect("--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\nSET statement_timeout = 0;\n"
           "SET default_tablespace = '';\nSET default_table_access_method = heap;\n"
           "SELECT pg_catalog.set_config('search_path', '', false);\n\n"
           "-- Name: t; Type: TABLE\nCREATE TABLE public.t (\n    id integer\n);\n\n"
           "ALTER TABLE public.t OWNER TO me;\nALTER TABLE public.t OWNER TO other;\n"
           "COMMENT ON EXTENSION x IS 'y';\nSELECT pg_catalog.setval('public.s', 1, false);\n"
           "SELECT pg_catalog.setval('public.s', 7, true);\n\\unrestrict abc\n",
           false,
           "CREATE TABLE public.t (\n    id integer\n);\n\n"
           "ALTER TABLE public.t OWNER TO other;\n\n"
           "SELECT pg_catalog.setval('public.s', 7, true);\n\n");
}

static void test_lines_of_authors_stay(void **state)
{
    (void)state;
    expect("CREATE FUNCTION public.f() RETURNS text LANGUAGE sql AS $$\n\\restrict is mine\n"
           "SELECT 'public.x' -- SET a;\n$$;\n\\unrestrict x\n",
           true,
           "SET LOCAL check_function_bodies = false;\n\n"
           "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$\n\\restrict is mine\n"
           "SELECT 'public.x' -- SET a;\n$$;\n\n");
}

static void test_names_follow_the_search_path(void **state)
{
    (void)state;
    expect("CREATE TABLE public.\"A b\" (id bigint DEFAULT nextval('public.a_seq'::regclass),\n"
           " c public.mood, d other.public.x, e text DEFAULT 'public.e');",
           true,
           "CREATE TABLE \"A b\" (id bigint DEFAULT nextval('a_seq'::regclass),\n"
           " c mood, d other.public.x, e text DEFAULT 'public.e');\n\n");
    expect("ALTER SEQUENCE public.s OWNED BY public.t.id;\n"
           "CREATE VIEW public.v AS SELECT t.id FROM public.t JOIN audit.public ON true;\n"
           "SELECT pg_catalog.setval('public.s', 3, true);\nGRANT USAGE ON SCHEMA public TO x;\n"
           "INSERT INTO public.t VALUES (1, 'public.y', '\xc3\xa4 public.');",
           true,
           "ALTER SEQUENCE s OWNED BY t.id;\n\n"
           "CREATE VIEW v AS SELECT t.id FROM t JOIN audit.public ON true;\n\n"
           "SELECT pg_catalog.setval('s', 3, true);\n\nGRANT USAGE ON SCHEMA public TO x;\n\n"
           "INSERT INTO t VALUES (1, 'public.y', '\xc3\xa4 public.');\n\n");
}

static void test_places_of_tables_stay_once_one_matters(void **state)
{
    (void)state;
    expect(
        "SET default_tablespace = '';\nCREATE TABLE a ();\nSET default_tablespace = fast;\n"
        "CREATE TABLE b ();\nSET row_security = off;",
        true,
        "SET default_tablespace = '';\n\nCREATE TABLE a ();\n\nSET default_tablespace = fast;\n\n"
        "CREATE TABLE b ();\n\n");
}

static void test_what_cannot_be_read_is_refused(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    DumpTextArgs args = {.text = "SELECT 1;\nSELECT 'open", .length = 22, .owner = "me"};
    const char *sql = "untouched";
    size_t count = 7;
    Error err;
    assert_int_equal(dump_text_read(arena, &args, &sql, &count, &err), ERR_SCRIPT);
    assert_string_equal(sql, "untouched");
    assert_int_equal(count, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_left_out),
        cmocka_unit_test(test_lines_of_authors_stay),
        cmocka_unit_test(test_names_follow_the_search_path),
        cmocka_unit_test(test_places_of_tables_stay_once_one_matters),
        cmocka_unit_test(test_what_cannot_be_read_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
