#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "trace.h"

#include <libpq-fe.h>
#include <string.h>

/* A result as a server would have sent it; rows of `columns` texts, "" is NULL. */
static PGresult *answer(const char *const *cells, int rows, int columns)
{
    static char name[] = "c";
    PGresAttDesc attributes[8];
    memset(attributes, 0, sizeof attributes);
    for (int i = 0; i < columns; i++)
        attributes[i].name = name;
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_true(PQsetResultAttrs(result, columns, attributes));
    for (int row = 0; row < rows; row++) {
        for (int i = 0; i < columns; i++) {
            const char *cell = cells[row * columns + i];
            char copy[64] = "";
            strncat(copy, cell, sizeof copy - 1);
            assert_true(PQsetvalue(result, row, i, copy, *cell == '\0' ? -1 : (int)strlen(cell)));
        }
    }
    return result;
}

static const char *const relations[] = {
    "10", "public.t",   "t",       "r",
    "",   "110",        "1000000", /* name, bare, kind, table, file, size */
    "11", "public.t_k", "t_k",     "i",
    "10", "111",        "", /* its index */
    "20", "other.t",    "t",       "r",
    "",   "120",        "5000", /* the same bare name */
    "30", "public.o",   "o",       "r",
    "",   "130",        "0",
};

static void begin(Trace *trace)
{
    PGresult *snapshot = answer(relations, 4, 7);
    PgResult result = {.handle = snapshot};
    Error err;
    assert_int_equal(trace_begin(trace, &result, &err), ERR_OK);
    PQclear(snapshot);
}

static void run(Trace *trace, const char *text, const char *keyword, const char *const *notices,
                const char *const *locks, int lock_rows, uint64_t duration_ms)
{
    Statement statement = {.text = text, .line = 3, .first_keyword = keyword};
    trace_statement(trace, "007_x", &statement);
    for (; *notices != NULL; notices++)
        trace_notice(trace, "DEBUG", *notices);
    PGresult *look = answer(locks, lock_rows, 3);
    PgResult result = {.handle = look};
    trace_take(trace, &(StatementFacts){.duration_ms = duration_ms}, &result);
    PQclear(look);
}

static uint64_t hundred_times(const char *table, void *data)
{
    (void)data;
    return strcmp(table, "public.t") == 0 ? 100000000 : 0;
}

static const char *const nothing[] = {NULL};

static void test_messages_are_read(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Trace trace = {.arena = arena};
    begin(&trace);
    const char *const notices[] = {
        "rewriting table \"t\"",
        "building index \"t_k\" on table \"t\" serially",
        "building index \"pg_toast_10_index\" on table \"pg_toast_10\" serially",
        "verifying table \"new\"",
        "rehashing catalog cache id 1",
        "rewriting table \"t",
        NULL,
    };
    const char *const locks[] = {"10", "AccessExclusiveLock", "210", "20", "RowShareLock", "120"};
    run(&trace, "ALTER TABLE t ALTER x TYPE bigint", "ALTER", notices, locks, 2, 40);
    const TracedStatement *item = &trace.items[0];
    assert_int_equal(item->trace_class, TRACE_REWRITE);
    assert_int_equal(item->rewritten.count, 1);
    assert_string_equal(item->rewritten.items[0], "public.t"); /* that is locked more */
    assert_int_equal(item->built.count, 1);
    assert_string_equal(item->built_on.items[0], "public.t");
    assert_int_equal(item->scanned.count, 0);
    assert_int_equal(item->cost.line, 3);
    assert_int_equal(item->bytes, 1000000);
}

static void test_only_debug_of_the_statement_counts(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Trace trace = {.arena = arena};
    begin(&trace);
    trace_notice(&trace, "DEBUG", "rewriting table \"t\""); /* of none */
    Statement statement = {.text = "SELECT 1", .first_keyword = "SELECT"};
    trace_statement(&trace, "007_x", &statement);
    trace_notice(&trace, "NOTICE", "rewriting table \"t\"");
    trace_take(&trace, &(StatementFacts){0}, NULL);
    trace_notice(&trace, "DEBUG", "rewriting table \"t\"");
    assert_int_equal(trace.items[0].trace_class, TRACE_INSTANT);
    assert_int_equal(trace.items[0].rewritten.count, 0);
}

static void test_locks_are_told_once_and_held_to_the_end(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Trace trace = {.arena = arena};
    begin(&trace);
    const char *const first[] = {"30", "AccessExclusiveLock", "130", "11", "ShareLock", "111"};
    const char *const second[] = {"30", "AccessExclusiveLock", "130", "10", "ShareLock", "110",
                                  "10", "RowExclusiveLock",    "110"};
    const char *const scan[] = {"verifying table \"t\"", NULL};
    run(&trace, "ALTER TABLE o ADD z int", "ALTER", nothing, first, 2, 10);
    run(&trace, "SELECT f()", "SELECT", scan, second, 3, 30);
    begin(&trace);
    run(&trace, "ALTER TABLE o ADD z2 int", "ALTER", nothing, first, 1, 5);
    trace_finish(&trace, hundred_times, NULL);
    assert_int_equal(trace.items[0].lock_count, 1); /* the index's is nobody's business */
    assert_string_equal(trace.items[0].locks[0].relation, "public.o");
    assert_int_equal(trace.items[0].locks[0].held_ms, 40);
    assert_int_equal(trace.items[0].held.count, 0);
    assert_int_equal(trace.items[1].lock_count, 1);
    assert_string_equal(trace.items[1].locks[0].mode, "SHARE");
    assert_int_equal(trace.items[1].locks[0].held_ms, 30);
    assert_string_equal(trace.items[1].held.items[0], "public.o");
    assert_int_equal(trace.items[2].locks[0].held_ms, 5); /* another transaction */
    assert_int_equal(trace.items[2].held.count, 0);
}

static void test_estimates(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Trace trace = {.arena = arena};
    begin(&trace);
    const char *const scan[] = {"verifying table \"t\"", NULL};
    const char *const locks[] = {"10", "AccessExclusiveLock", "110"};
    run(&trace, "ALTER TABLE t ALTER a SET NOT NULL", "ALTER", scan, locks, 1, 1);
    run(&trace, "ALTER TABLE t ADD z int", "ALTER", nothing, locks, 1, 2);
    trace_finish(&trace, hundred_times, NULL);
    assert_int_equal(trace.items[0].real_bytes, 100000000);
    assert_int_equal(trace.items[0].estimate_ms, 666); /* 150 MB/s */
    assert_int_equal(trace.items[0].locks[0].held_estimate_ms, 668);
    assert_int_equal(trace.items[1].estimate_ms, 2);
}

static void test_a_measured_rate_counts(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Trace trace = {.arena = arena};
    begin(&trace);
    trace.relations[0].bytes = 10000000;
    const char *const scan[] = {"verifying table \"t\"", NULL};
    const char *const locks[] = {"10", "AccessExclusiveLock", "110"};
    run(&trace, "ALTER TABLE t ALTER a SET NOT NULL", "ALTER", scan, locks, 1, 100);
    trace_finish(&trace, hundred_times, NULL);
    assert_int_equal(trace.items[0].estimate_ms, 1000);
}

static void test_filenodes_tell_what_no_message_does(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Trace trace = {.arena = arena};
    begin(&trace);
    const char *const locks[] = {"10", "AccessExclusiveLock", "210",
                                 "11", "AccessExclusiveLock", "211"};
    const char *const gone[] = {"30", "AccessExclusiveLock", ""};
    run(&trace, "CLUSTER t USING t_k", "CLUSTER", nothing, locks, 2, 1);
    run(&trace, "SELECT 1", "SELECT", nothing, locks, 2, 1);
    run(&trace, "DROP TABLE o", "DROP", nothing, gone, 1, 1);
    begin(&trace);
    run(&trace, "TRUNCATE t", "TRUNCATE", nothing, locks, 2, 1);
    assert_int_equal(trace.items[0].trace_class, TRACE_REWRITE);
    assert_string_equal(trace.items[0].built.items[0], "t_k");
    for (size_t i = 1; i < 4; i++)
        assert_int_equal(trace.items[i].trace_class, TRACE_INSTANT);
}

static void test_rows_are_of_tables_that_are_named_and_locked(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Trace trace = {.arena = arena};
    begin(&trace);
    const char *const locks[] = {"10", "RowExclusiveLock", "110", "30", "RowShareLock", "130"};
    run(&trace, "UPDATE t SET a = 1 FROM o", "UPDATE", nothing, locks, 2, 1);
    run(&trace, "WITH x AS (SELECT * FROM o) SELECT * FROM x", "WITH", nothing, locks, 2, 1);
    assert_int_equal(trace.items[0].trace_class, TRACE_ROWS);
    assert_int_equal(trace.items[0].changed.count, 1);
    assert_string_equal(trace.items[0].changed.items[0], "public.t");
    assert_int_equal(trace.items[1].changed.count, 0); /* "SELECT" names no t */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_are_read),
        cmocka_unit_test(test_only_debug_of_the_statement_counts),
        cmocka_unit_test(test_locks_are_told_once_and_held_to_the_end),
        cmocka_unit_test(test_estimates),
        cmocka_unit_test(test_a_measured_rate_counts),
        cmocka_unit_test(test_filenodes_tell_what_no_message_does),
        cmocka_unit_test(test_rows_are_of_tables_that_are_named_and_locked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
