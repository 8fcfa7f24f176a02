#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "probe.h"

#include <string.h>

static const Probe *parse(Arena *arena, const char *sql)
{
    StatementList list;
    const Probe *probe = NULL;
    Error err;
    if (sql_split(arena, "a.sql", sql, strlen(sql), 1, &list, &err) != ERR_OK ||
        probe_parse(arena, "a.sql", &list.items[0], &probe, &err) != ERR_OK)
        fail_msg("%s: %s", sql, err.message);
    return probe;
}

typedef struct Case {
    const char *sql;
    ProbeForm form;
    const char *relation; /* parts joined by / */
    const char *other;    /* partition, or name */
    bool missing_ok;
} Case;

static void test_forms(void **state)
{
    (void)state;
    static const Case cases[] = {
        {"CREATE INDEX CONCURRENTLY i ON t (a)", PROBE_CREATE_INDEX, "t", "i", false},
        {"create unique index concurrently if not exists \"I\"\"x\" on only s.\"T t\" (a)",
         PROBE_CREATE_INDEX, "s/T t", "I\"x", false},
        {"DROP INDEX CONCURRENTLY s.i", PROBE_DROP_INDEX, "s/i", "", false},
        {"DROP INDEX CONCURRENTLY IF EXISTS \"I\" RESTRICT", PROBE_DROP_INDEX, "I", "", true},
        {"REINDEX INDEX CONCURRENTLY i", PROBE_REINDEX_INDEX, "i", "", false},
        {"REINDEX (CONCURRENTLY, VERBOSE) INDEX s.i", PROBE_REINDEX_INDEX, "s/i", "", false},
        {"REINDEX (VERBOSE, CONCURRENTLY true) TABLE t", PROBE_REINDEX_TABLE, "t", "", false},
        {"REINDEX TABLE CONCURRENTLY s.t", PROBE_REINDEX_TABLE, "s/t", "", false},
        {"ALTER TABLE p DETACH PARTITION s.c CONCURRENTLY", PROBE_DETACH_PARTITION, "p", "s/c",
         false},
        {"ALTER TABLE IF EXISTS p DETACH PARTITION c CONCURRENTLY", PROBE_DETACH_PARTITION, "p",
         "c", true},
        {"CREATE DATABASE \"D\" TEMPLATE x", PROBE_CREATE_DATABASE, "", "D", false},
        {"DROP DATABASE IF EXISTS d WITH (FORCE)", PROBE_DROP_DATABASE, "", "d", true},
        {"CREATE TABLESPACE s LOCATION '/x'", PROBE_CREATE_TABLESPACE, "", "s", false},
        {"DROP TABLESPACE IF EXISTS s", PROBE_DROP_TABLESPACE, "", "s", true},
        {"ALTER SYSTEM SET work_mem = '1MB'", PROBE_AGAIN, "", "", false},
        {"ALTER DATABASE d SET TABLESPACE s", PROBE_AGAIN, "", "", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO_ARENA Arena *arena = arena_new();
        const Case *wanted = &cases[i];
        const Probe *probe = parse(arena, wanted->sql);
        if (probe == NULL || probe->form != wanted->form)
            fail_msg("not known: %s", wanted->sql);
        assert_string_equal(strlist_join(arena, &probe->relation, "/"), wanted->relation);
        bool detach = probe->form == PROBE_DETACH_PARTITION;
        assert_string_equal(detach ? strlist_join(arena, &probe->partition, "/") : probe->name,
                            wanted->other);
        assert_int_equal(probe->missing_ok, wanted->missing_ok);
        assert_int_equal(probe_query(probe->form) == NULL, probe->form == PROBE_AGAIN);
        assert_non_null(probe->what);
    }
}

static void test_others(void **state)
{
    (void)state;
    static const char *const others[] = {
        "CREATE INDEX i ON t (a)",
        "DROP INDEX i",
        "DROP TABLE t",
        "REINDEX TABLE t",
        "REINDEX (CONCURRENTLY false) TABLE t",
        "REINDEX (CONCURRENTLY 0) INDEX i",
        "REINDEX SCHEMA CONCURRENTLY s",
        "REINDEX DATABASE CONCURRENTLY d",
        "ALTER TABLE p DETACH PARTITION c",
        "ALTER TABLE p DETACH PARTITION c FINALIZE",
        "ALTER TYPE t ADD VALUE 'x'",
        "VACUUM",
        "CALL p()",
        "THIS IS not SQL",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        AUTO_ARENA Arena *arena = arena_new();
        if (parse(arena, others[i]) != NULL)
            fail_msg("known: %s", others[i]);
    }
}

/* On the partitioned table alone: everything behind the name. */
static void test_roots(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    const Probe *probe = parse(
        arena, "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS \"A b\" ON s.t USING btree (a DESC, "
               "lower(b)) INCLUDE (c) WITH (fillfactor=70) WHERE a > 1");
    assert_true(probe->is_unique);
    assert_string_equal(probe->root_tail,
                        " ON ONLY s.t USING btree (a DESC, lower(b)) INCLUDE (c) WITH "
                        "(fillfactor=70) WHERE a > 1");
    assert_null(strstr(probe->twin, "ONLY"));
    assert_null(parse(arena, "CREATE INDEX CONCURRENTLY i ON ONLY t (a)")->root_tail);
}

/* The index, everything that makes its definition kept, on a table of the same name in pg_temp. */
static void test_twins(void **state)
{
    (void)state;
    static const char *const twins[][2] = {
        {"CREATE INDEX CONCURRENTLY i ON t (a)",
         "CREATE INDEX pgtide_twin ON pg_temp.t USING btree (a)"},
        {"CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS \"I\" ON ONLY s.\"T\" USING btree "
         "(a DESC NULLS LAST, lower(b) COLLATE \"C\" text_pattern_ops) INCLUDE (c, \"D\") "
         "NULLS NOT DISTINCT WITH (fillfactor = 70) TABLESPACE fast WHERE a > 0 AND b IS NOT NULL",
         "CREATE UNIQUE INDEX pgtide_twin ON pg_temp.\"T\" USING btree (a DESC NULLS LAST, lower(b)"
         "COLLATE \"C\" text_pattern_ops) INCLUDE (c, \"D\") NULLS NOT DISTINCT WITH "
         "(fillfactor=70) TABLESPACE fast WHERE a > 0 AND b IS NOT NULL"},
        {"CREATE INDEX CONCURRENTLY i ON d.s.t USING gin ((j -> 'x') jsonb_path_ops)",
         "CREATE INDEX pgtide_twin ON pg_temp.t USING gin ((j -> 'x') jsonb_path_ops)"},
    };
    for (size_t i = 0; i < sizeof twins / sizeof *twins; i++) {
        AUTO_ARENA Arena *arena = arena_new();
        const Probe *probe = parse(arena, twins[i][0]);
        assert_non_null(probe->twin);
        assert_string_equal(probe->twin, twins[i][1]);
        assert_int_equal(probe->has_tablespace, i == 1);
    }
}

static void test_names_of_states(void **state)
{
    (void)state;
    assert_int_equal(probe_state_from_name("absent"), PROBE_STATE_ABSENT);
    assert_int_equal(probe_state_from_name("there"), PROBE_STATE_THERE);
    assert_int_equal(probe_state_from_name("same"), PROBE_STATE_SAME);
    assert_int_equal(probe_state_from_name("leftover"), PROBE_STATE_LEFTOVER);
    assert_int_equal(probe_state_from_name("partitioned"), PROBE_STATE_PARTITIONED);
    assert_int_equal(probe_state_from_name("refused"), PROBE_STATE_REFUSED);
    assert_int_equal(probe_state_from_name("else"), PROBE_STATE_UNSPECIFIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),           cmocka_unit_test(test_others),
        cmocka_unit_test(test_roots),           cmocka_unit_test(test_twins),
        cmocka_unit_test(test_names_of_states),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
