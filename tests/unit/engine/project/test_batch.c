#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "batch.h"
#include "script.h"
#include "units.h"

#include <string.h>

#define HEAD "-- revision: 001_x\n-- irreversible: test\n-- transaction: none\n"
#define MARK "/*+batch*/ true"

static ErrCode make(Arena *arena, const char *annotation, const char *sql, UnitList *ret,
                    Error *err)
{
    Script *script;
    const char *text =
        arena_printf(arena, HEAD "-- +upgrade\n-- +batch %s\n%s;\n", annotation, sql);
    ErrCode code = script_parse(arena, "versions/001_x.sql", (const uint8_t *)text, strlen(text),
                                &script, err);
    return code == ERR_OK ? units_make(arena, script->file, &script->upgrade.statements, ret, err)
                          : code;
}

static const Batch *made(Arena *arena, const char *annotation, const char *sql)
{
    UnitList list = {0};
    Error err;
    if (make(arena, annotation, sql, &list, &err) != ERR_OK)
        fail_msg("%s | %s: %s", annotation, sql, err.message);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.items[0].kind, UNIT_BATCH);
    return list.items[0].batch;
}

static void test_options(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    const Batch *batch = made(
        arena, "key=a,\"B c\"  table=App.messages alias=\"m\"\"x\" size=10 target=2s pause=50ms",
        "UPDATE app.messages \"m\"\"x\" SET n = 1 WHERE " MARK);
    const BatchOptions *options = batch->options;
    assert_int_equal(options->form, BATCH_RANGES);
    assert_string_equal(strlist_join(arena, &options->key, "|"), "a|B c");
    assert_string_equal(strlist_join(arena, &options->table, "|"), "app|messages");
    assert_string_equal(batch->alias, "\"m\"\"x\"");
    assert_int_equal(options->size, 10);
    assert_int_equal(options->target_ms, 2000);
    assert_int_equal(options->pause_ms, 50);
    assert_int_equal(
        made(arena, "key=id table=t target=none", "DELETE FROM t WHERE " MARK)->options->target_ms,
        0);
    assert_int_equal(made(arena, "key=id table=t", "DELETE FROM t WHERE " MARK)->options->target_ms,
                     -1);
}

static void test_the_table_is_found(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"UPDATE t SET n = 1 WHERE " MARK, "\"t\""},
        {"UPDATE only app.t AS x SET n = 1 WHERE " MARK, "\"x\""},
        {"DELETE FROM u USING t m WHERE u.id = m.id AND " MARK, "\"m\""},
        {"INSERT INTO u SELECT * FROM t JOIN v USING (id) WHERE " MARK, "\"t\""},
        {"WITH gone AS (DELETE FROM t g WHERE " MARK
         " RETURNING *) INSERT INTO old SELECT * FROM gone",
         "\"g\""},
        {"INSERT INTO u SELECT 1 WHERE EXISTS (SELECT FROM (SELECT * FROM t WHERE " MARK ") s)",
         "\"t\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO_ARENA Arena *arena = arena_new();
        assert_string_equal(made(arena, "key=id table=t", cases[i][0])->alias, cases[i][1]);
    }
}

static void refused(const char *annotation, const char *sql, const char *word)
{
    AUTO_ARENA Arena *arena = arena_new();
    UnitList list = {0};
    Error err;
    ErrCode code = make(arena, annotation, sql, &list, &err);
    if (code != ERR_SCRIPT || strstr(err.message, word) == NULL)
        fail_msg("%s | %s: not refused for %s, but: %s", annotation, sql, word,
                 code == ERR_OK ? "taken" : err.message);
    assert_in_range(err.line, 5, 6);
    assert_true(err.hint[0] != '\0' || strstr(err.message, "twice") != NULL);
}

static void test_refusals(void **state)
{
    (void)state;
    const char *good = "UPDATE t SET n = 1 WHERE " MARK;
    const char *again = "UPDATE t SET n = 1 WHERE id IN (SELECT id FROM t LIMIT 5)";
    refused("key=id", good, "needs table=");
    refused("table=t", good, "needs key=");
    refused("", good, "needs key=");
    refused("key=id table=t key=id", good, "twice");
    refused("key=id,id table=t", good, "key=id,id");
    refused("key=1d table=t", good, "key=1d");
    refused("key=\"id table=t", good, "can't be read");
    refused("key= table=t", good, "key=");
    refused("key table=t", good, "key=");
    refused("key=id table=a.b.t", good, "table=a.b.t");
    refused("key=id table=t size=0", good, "size=0");
    refused("key=id table=t size=10000001", good, "size=");
    refused("key=id table=t size=ten", good, "size=");
    refused("key=id table=t target=soon", good, "target=soon");
    refused("key=id table=t colour=red", good, "no 'colour'");
    refused("key=id table=t batches=5", good, "until=no-rows");
    refused("key=id table=t until=no-rows", good, "not both");
    refused("until=done", again, "until=done");
    refused("until=no-rows size=10", again, "LIMIT is its size");
    refused("until=no-rows", "UPDATE t SET n = 1 WHERE id IN (SELECT id FROM t LIMIT /*+batch*/ x)",
            "before the number");
    refused("until=no-rows", "UPDATE t SET n = 1 WHERE " MARK, "before the number");
    refused("key=id table=t", "UPDATE t SET n = 1 WHERE id > 0", "no /*+batch*/");
    refused("key=id table=t", "UPDATE t SET n = 1 WHERE '/*+batch*/ true' <> ''", "no /*+batch*/");
    refused("key=id table=t", "UPDATE t SET n = 1 WHERE " MARK " AND " MARK, "more than one");
    refused("key=id table=t", "UPDATE t SET n = 1 WHERE /*+batch*/ false", "before true");
    refused("key=id table=t", "SELECT * FROM t WHERE " MARK, "UPDATE, DELETE or INSERT");
    refused("key=id table=t", "UPDATE u SET n = 1 WHERE " MARK, "not in the statement");
    refused("key=id table=t", "UPDATE t SET n = o.n FROM t o WHERE o.id = t.id AND " MARK,
            "t and o");
    refused("key=id table=t", "UPDATE t SET n = WHERE " MARK, "can't be read");
    refused("key=a,id table=t", "UPDATE t SET n = 1, id = id + 10 WHERE " MARK, "changes id");
    refused("key=id table=t alias=o", "UPDATE t SET id = 1 FROM t o WHERE " MARK, "changes id");
    refused("key=id table=v alias=x", "UPDATE t x SET id = 1 WHERE " MARK, "changes id");
}

static void test_conditions(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    static const BatchColumn columns[] = {{"a", "integer"}, {"\"B\"", "text"}};
    static const char *const from[] = {"'1'", "'x'"};
    static const char *const to[] = {"'2'", "E'\\\\'"};
    BatchRange range = {
        .columns = columns, .column_count = 2, .operators = "pg_catalog", .from = from, .to = to};
    assert_string_equal(
        batch_condition(arena, "\"m\"", &range),
        "((\"m\".a, \"m\".\"B\") OPERATOR(pg_catalog.>) ('1'::integer, 'x'::text) AND "
        "(\"m\".a, \"m\".\"B\") OPERATOR(pg_catalog.<=) ('2'::integer, E'\\\\'::text))");
    range.from = NULL;
    range.column_count = 1;
    assert_string_equal(batch_condition(arena, NULL, &range),
                        "((a) OPERATOR(pg_catalog.<=) ('2'::integer))");
}

/* A place behind the mark, as the server counts it, is found in the file. */
static void test_places(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    const Batch *batch =
        made(arena, "key=id table=t", "UPDATE t SET n = 1 WHERE " MARK " AND oops = 1");
    Statement sent = batch_statement(arena, batch, "(id > 5 AND id <= 7)");
    assert_string_equal(sent.text, "UPDATE t SET n = 1 WHERE (id > 5 AND id <= 7) AND oops = 1");
    Error err;
    err_set(&err, ERR_SQL, "column oops");
    statement_place_error(&err, "f", &sent, (int)(strstr(sent.text, "oops") - sent.text) + 1);
    assert_int_equal(err.line, 6);
    assert_int_equal(err.column, (int)strlen("UPDATE t SET n = 1 WHERE " MARK " AND ") + 1);

    batch = made(arena, "until=no-rows",
                 "DELETE FROM t WHERE id IN (SELECT id FROM t LIMIT /*+batch*/ 500)");
    assert_int_equal(batch->size, 500);
    assert_string_equal(strlist_join(arena, &batch->table, "."), "t");
    assert_string_equal(batch_statement(arena, batch, "7").text,
                        "DELETE FROM t WHERE id IN (SELECT id FROM t LIMIT 7)");
}

/* Where the annotation may not stand. */
static void test_places_of_the_annotation(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "-- revision: 001_x\n-- irreversible: t\n-- +upgrade\n-- +batch key=id table=t\n"
        "UPDATE t SET n = 1 WHERE " MARK ";\n",
        HEAD "-- +upgrade\nBEGIN;\n-- +batch key=id table=t\nUPDATE t SET n = 1 WHERE " MARK
             ";\nCOMMIT;\n",
        HEAD "-- +upgrade\nSELECT 1;\n-- +verify\n-- +batch key=id table=t\nSELECT 1;\n",
        HEAD "-- +upgrade\nSELECT 1;\n-- +batch key=id table=t\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        AUTO_ARENA Arena *arena = arena_new();
        Script *script;
        Error err;
        assert_int_equal(script_parse(arena, "001_x.sql", (const uint8_t *)texts[i],
                                      strlen(texts[i]), &script, &err),
                         ERR_SCRIPT);
        assert_non_null(strstr(err.message, "+batch"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options),  cmocka_unit_test(test_the_table_is_found),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_places),   cmocka_unit_test(test_places_of_the_annotation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
