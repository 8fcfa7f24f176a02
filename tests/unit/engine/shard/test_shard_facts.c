#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shard_facts.h"

#include "named_limits.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

enum { ANSWERS_MAX = 400 };

static Statement statements[1000];
static StatementList list = {.items = statements};
static PgResult answers[ANSWERS_MAX];
static size_t answer_count;

static void add_mark(void *data, PgBatch *batch)
{
    (void)data;
    pg_batch_add(batch, "mark");
}

/* A mark in column `column`, or a command that changed one row. */
static void answer(const char *at, const char *wal, int column)
{
    static char name[] = "c";
    PGresAttDesc attributes[8];
    memset(attributes, 0, sizeof attributes);
    for (int i = 0; i < 8; i++)
        attributes[i].name = name;
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_true(PQsetResultAttrs(result, 8, attributes));
    char texts[2][32];
    (void)snprintf(texts[0], sizeof texts[0], "%s", at);
    (void)snprintf(texts[1], sizeof texts[1], "%s", wal);
    for (int i = 0; i < 2; i++)
        assert_true(PQsetvalue(result, 0, column + i, texts[i], (int)strlen(texts[i])));
    answers[answer_count++].handle = result;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < answer_count; i++)
        PQclear(answers[i].handle);
    answer_count = 0;
    return 0;
}

static void make(size_t count)
{
    list.count = count;
    for (size_t i = 0; i < count; i++)
        statements[i] = (Statement){.text = "UPDATE t", .line = (int)i + 1};
}

static void test_where_answers_are(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    static const size_t counts[] = {1, 2, LIMIT_FACT_MARKS, LIMIT_FACT_MARKS + 1, 999};
    for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++) {
        PgBatch batch = pg_batch(arena);
        FactsRun run = {0};
        make(counts[k]);
        pg_batch_add(&batch, "before");
        facts_run_add(&run, &batch, &list, add_mark, NULL);
        pg_batch_add(&batch, "behind");
        size_t seen = 0, marks = 0;
        assert_null(facts_run_statement(&run, 0));
        assert_null(facts_run_statement(&run, batch.count - 1));
        for (size_t i = 1; i + 1 < batch.count; i++) {
            bool is_mark = strcmp(batch.items[i].sql, "mark") == 0;
            marks += is_mark;
            seen += !is_mark;
            assert_ptr_equal(facts_run_statement(&run, i), &statements[seen - 1]);
        }
        assert_int_equal(seen, counts[k]);
        assert_true(marks < LIMIT_FACT_MARKS);
    }
}

/* enter, A, mark, B, constraints, leave */
static FactsRun two(Arena *arena)
{
    PgBatch batch = pg_batch(arena);
    FactsRun run = {.at_start = 0, .start_column = 5, .at_end = 5, .sent_ms = 1000};
    make(2);
    pg_batch_add(&batch, "enter");
    facts_run_add(&run, &batch, &list, add_mark, NULL);
    return run;
}

static void test_what_they_tell(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    FactsRun run = two(arena);
    answer("1764504303.250000", "0/FFFFFF00", 5);
    answer("", "", 0);
    answer("1764504303.270400", "1/10", 0);
    answer("", "", 0);
    answer("", "", 0);
    answer("1764504304.2704", "1/10", 0);
    const PgReply reply = {.results = answers, .count = answer_count};
    const WatchWait wait = {.since_s = 1764504303.5, .until_s = 1764504304.0};
    FactsRead read = {.revision = "r", .waits = &wait, .wait_count = 1, .arena = arena};
    FactList facts = {0};
    facts_run_read(&run, &reply, &read, &facts);
    assert_int_equal(facts.count, 2);
    assert_int_equal(facts.items[0].duration_ms, 20);
    assert_int_equal(facts.items[0].wal_bytes, 0x110);
    assert_int_equal(facts.items[0].lock_wait_ms, 0);
    assert_int_equal(facts.items[1].duration_ms, 1000);
    assert_int_equal(facts.items[1].wal_bytes, 0);
    assert_int_equal(facts.items[1].lock_wait_ms, 500);
    assert_int_equal(facts.items[1].line, 2);
    assert_true(facts_are_slow(&facts));
}

static void test_what_failed(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    FactsRun run = two(arena);
    Error error = {.code = ERR_SQL};
    answer("1764504303.250", "0/10", 5);
    answer("", "", 0);
    answer("1764504303.255", "0/20", 0);
    const PgReply reply = {.results = answers, .count = 3, .failed = 3, .error = &error};
    FactsRead read = {.revision = "r", .now_ms = 1100, .arena = arena};
    FactList facts = {0};
    facts_run_read(&run, &reply, &read, &facts);
    assert_int_equal(facts.count, 2);
    assert_false(facts.items[0].failed);
    assert_true(facts.items[1].failed);
    assert_int_equal(facts.items[1].duration_ms, 95); /* what is left of the batch's 100 ms */
    assert_string_equal(facts_format(arena, &facts),
                        "[{\"line\":1,\"what\":\"UPDATE t\",\"duration_ms\":5,\"lock_wait_ms\":0,"
                        "\"wal_bytes\":16,\"rows\":0},{\"line\":2,\"what\":\"UPDATE t\","
                        "\"duration_ms\":95,\"lock_wait_ms\":0,\"wal_bytes\":0,\"rows\":0,"
                        "\"failed\":true}]");
}

static void test_a_clock_that_is_put_back(void **state)
{
    (void)state;
    FactsMark from = {.at_s = 10, .wal = 100}, to = {.at_s = 9, .wal = 50};
    StatementFacts item = {0};
    facts_between(&from, &to, &item);
    assert_int_equal(item.duration_ms, 0);
    assert_int_equal(item.wal_bytes, 0);
}

static void test_waits(void **state)
{
    (void)state;
    const WatchWait waits[] = {{1.0, 2.0}, {3.0, 3.5}};
    assert_int_equal(facts_waited_ms(waits, 2, 0, 0), 1500);
    assert_int_equal(facts_waited_ms(waits, 2, 1.5, 3.25), 750);
    assert_int_equal(facts_waited_ms(waits, 2, 2.0, 3.0), 0);
    assert_int_equal(facts_waited_ms(waits, 0, 0, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where_answers_are),
        cmocka_unit_test_teardown(test_what_they_tell, teardown),
        cmocka_unit_test_teardown(test_what_failed, teardown),
        cmocka_unit_test(test_a_clock_that_is_put_back),
        cmocka_unit_test(test_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
