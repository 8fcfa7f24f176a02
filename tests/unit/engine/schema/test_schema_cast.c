#include "schema_cast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

typedef struct Case {
    const char *from;
    const char *to;
} Case;

static void check(const Case *cases, size_t count, bool assigns, bool keeps)
{
    for (size_t i = 0; i < count; i++) {
        SchemaCast cast = schema_cast(cases[i].from, cases[i].to);
        if (cast.assigns != assigns || cast.keeps != keeps)
            fail_msg("%s to %s", cases[i].from, cases[i].to);
    }
}

#define CHECK(cases, assigns, keeps) check(cases, sizeof(cases) / sizeof(cases)[0], assigns, keeps)

static void test_refused_or_kept(void **state)
{
    (void)state;
    static const Case cases[] = {
        {"text", "character varying(3)"},
        {"character varying(5)", "character varying(3)"},
        {"character varying(3)", "character varying(5)"},
        {"character varying(3)", "text"},
        {"character(3)", "character varying"},
        {"character varying(5)[]", "character varying(3)[]"},
        {"text", "text"},
        {"bit(5)", "bit(3)"},
        {"bit varying(5)", "bit varying(3)"},
        {"bit(5)", "bit varying(3)"},
        {"numeric(10,2)", "numeric"},
        {"numeric(10,2)", "numeric(12,2)"},
        {"numeric(10,2)", "numeric(10,4)"},
        {"numeric(10,-2)", "numeric(10,0)"},
        {"timestamp(3) without time zone", "timestamp(6) without time zone"},
        {"timestamp(3) without time zone", "timestamp without time zone"},
        {"timestamp without time zone", "timestamp(6) without time zone"},
        {"time(0) without time zone", "time(3) without time zone"},
        {"interval(3)", "interval"},
        {"public.geometry(Point,4326)", "public.geometry"},
    };
    CHECK(cases, true, true);
}

static void test_kept_by_a_cast(void **state)
{
    (void)state;
    static const Case cases[] = {
        {"integer", "bigint"},
        {"bigint", "smallint"},
        {"integer", "numeric"},
        {"integer", "numeric(12,2)"},
        {"integer", "double precision"},
        {"integer[]", "bigint[]"},
        {"real", "double precision"},
        {"date", "timestamp without time zone"},
        {"date", "timestamp(0) with time zone"},
        {"timestamp without time zone", "timestamp with time zone"},
        {"timestamp(3) with time zone", "timestamp(3) without time zone"},
        {"cidr", "inet"},
        {"json", "jsonb"},
        {"public.mood", "text"},
        {"integer", "character varying"},
        {"integer[]", "text"},
        {"boolean", "integer"},
    };
    CHECK(cases, false, true);
}

static void test_lost(void **state)
{
    (void)state;
    static const Case by_cast[] = {
        {"integer", "character varying(3)"},
        {"integer", "boolean"},
        {"integer", "numeric(3,-2)"},
        {"bigint", "double precision"},
        {"integer", "real"},
        {"double precision", "real"},
        {"double precision", "integer"},
        {"double precision", "numeric"},
        {"numeric", "integer"},
        {"timestamp without time zone", "date"},
        {"timestamp without time zone", "time without time zone"},
        {"timestamp without time zone", "timestamp(3) with time zone"},
        {"inet", "cidr"},
        {"bytea", "integer"},
        {"text", "\"char\""},
        {"text", "name"},
        {"text", "public.mood"},
        {"text", "integer"},
    };
    CHECK(by_cast, false, false);
    static const Case by_assignment[] = {
        {"numeric", "numeric(10,2)"},
        {"numeric(10,2)", "numeric(10,1)"},
        {"numeric(10,2)", "numeric(10,0)"},
        {"timestamp(6) without time zone", "timestamp(3) without time zone"},
        {"time without time zone", "time(0) without time zone"},
        {"interval", "interval(0)"},
        {"numeric(10,2)[]", "numeric(10,0)[]"},
        {"public.geometry(Point,4326)", "public.geometry(Point,3857)"},
    };
    CHECK(by_assignment, true, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused_or_kept),
        cmocka_unit_test(test_kept_by_a_cast),
        cmocka_unit_test(test_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
