/* What a trace confirms, drops and adds; traces are made up here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lint.h"

#include <string.h>

enum { STATEMENTS_MAX = 4 };

/* A revision in a transaction, and the trace of its statements. */
typedef struct World {
    Arena *arena;
    Script *script;
    TracedStatement items[STATEMENTS_MAX];
    StrList known;
    LintTraced traced;
    LintFindings findings;
} World;

static World world(Arena *arena, const char *upgrade)
{
    World world = {.arena = arena};
    const char *text = arena_printf(
        arena, "-- revision: case\n-- +upgrade\n%s\n-- +downgrade\nSELECT 1;\n", upgrade);
    Error err;
    if (script_parse(arena, "case.sql", (const uint8_t *)text, strlen(text), &world.script, &err) !=
        ERR_OK)
        fail_msg("line %d: %s", err.line, err.message);
    const StatementList *list = &world.script->upgrade.statements;
    assert_true(list->count <= STATEMENTS_MAX);
    for (size_t i = 0; i < list->count; i++)
        world.items[i] =
            (TracedStatement){.cost = {.line = (uint32_t)list->items[i].line,
                                       .what = statement_in_few_words(arena, list->items[i].text)},
                              .transaction = 1};
    world.traced.count = list->count;
    strlist_add(arena, &world.known, "public.t");
    strlist_add(arena, &world.known, "public.o");
    strlist_add(arena, &world.known, "public.\"Odd\"");
    return world;
}

static void lock(World *world, size_t statement, const char *relation, int strength)
{
    TracedStatement *item = &world->items[statement];
    item->locks = ARENA_NEW(world->arena, TraceLock);
    item->locks[0] = (TraceLock){.relation = relation, .strength = strength};
    item->lock_count = 1;
}

static void look(World *world)
{
    world->traced.items = world->items;
    strlist_sort(&world->known);
    world->traced.known = &world->known;
    LintPart part = LINT_PART_DEFAULT;
    LintConfig config = lint_config_read(NULL, &part);
    lint_statements(world->arena, world->script, NULL, &world->findings);
    lint_trace(world->arena, world->script, &world->traced, 0, &world->findings);
    lint_finish(world->arena, world->script, &config, true, 0, &world->findings);
}

/* "rule line class", with commas between them. */
static const char *told(const World *world)
{
    AUTO_STR Str out = {0};
    for (size_t i = 0; i < world->findings.count; i++) {
        const LintFinding *finding = &world->findings.items[i];
        str_printf(&out, "%s%s %d %s", i == 0 ? "" : ", ", lint_rule_id(finding->rule),
                   finding->line, lint_class_name(finding->info.lint_class));
    }
    return arena_strdup(world->arena, str_text(&out));
}

static void test_confirmed_and_dropped(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    World w = world(arena, "ALTER TABLE t ALTER a TYPE text;\nALTER TABLE o ALTER a SET NOT NULL;");
    w.items[0].trace_class = TRACE_BUILD;
    strlist_add(arena, &w.items[0].built_on, "public.t");
    lock(&w, 0, "public.t", TRACE_STOPS_READS);
    look(&w);
    assert_string_equal(told(&w), "column-type 3 build");
    assert_true(w.findings.items[0].traced);
}

/* Taking away is no work that a trace could miss. */
static void test_what_needs_no_work_stays(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    World w = world(arena, "DROP INDEX i;\nUPDATE t SET a = 1;\n"
                           "ALTER DOMAIN d ADD CONSTRAINT c CHECK (VALUE > 0);");
    look(&w);
    assert_string_equal(told(&w), "drop-index-not-concurrent 3 instant, update-all 4 rows, "
                                  "domain-constraint 5 scan");
}

static void test_work_that_no_parser_sees(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    World w = world(arena, "SELECT one();\nSELECT two();\nSELECT three();\nSELECT four();");
    for (size_t i = 0; i < STATEMENTS_MAX; i++)
        w.items[i].trace_class = TRACE_SCAN;
    strlist_add(arena, &w.items[0].scanned, "public.t");
    lock(&w, 0, "public.t", TRACE_STOPS_WRITES - 1); /* as VALIDATE CONSTRAINT */
    strlist_add(arena, &w.items[1].scanned, "public.t");
    lock(&w, 1, "public.t", TRACE_STOPS_WRITES);
    strlist_add(arena, &w.items[2].scanned, "public.fresh");
    lock(&w, 2, "public.fresh", TRACE_STOPS_READS);
    w.items[3].alone = true;
    strlist_add(arena, &w.items[3].scanned, "public.t");
    lock(&w, 3, "public.t", TRACE_STOPS_READS);
    look(&w);
    assert_string_equal(told(&w), "other-table-locked 4 instant, reads-table 4 scan");
    assert_string_equal(w.findings.items[1].info.lock, "SHARE");
}

static void test_held_locks(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    World w = world(arena, "ALTER TABLE t ADD COLUMN x int;\nALTER TABLE o ADD COLUMN x int;\n"
                           "SELECT 1;\nUPDATE o SET x = 1 WHERE id < 5;");
    for (size_t i = 1; i < STATEMENTS_MAX; i++)
        strlist_add(arena, &w.items[i].held, "public.t");
    w.items[3].trace_class = TRACE_ROWS;
    look(&w);
    assert_string_equal(told(&w), "statement-under-lock 4 instant, work-under-lock 6 rows");
    assert_string_equal(w.findings.items[1].what, "works while public.t is locked");
}

/* Not those that the statement names, in whatever quotes; nor new ones. */
static void test_other_tables(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    World w =
        world(arena, "ALTER TABLE \"Odd\" ADD COLUMN x int;\nALTER TABLE T ADD COLUMN x int;\n"
                     "COMMENT ON TABLE r IS 'o';");
    lock(&w, 0, "public.\"Odd\"", TRACE_STOPS_READS);
    lock(&w, 1, "public.t", TRACE_STOPS_READS);
    lock(&w, 2, "public.o", TRACE_STOPS_READS);
    look(&w);
    assert_string_equal(told(&w), "other-table-locked 5 instant");
    assert_string_equal(w.findings.items[0].what, "locks public.o");
    assert_string_equal(w.findings.items[0].info.lock, "ACCESS EXCLUSIVE");
}

/* What the parser does not know the server did. */
static void test_unknown_syntax(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    const char *upgrade = "ALTER TABLE t ALTER COLUMN a SET EXPRESSION AS (b);";
    World w = world(arena, upgrade);
    w.items[0].trace_class = TRACE_REWRITE;
    strlist_add(arena, &w.items[0].rewritten, "public.t");
    lock(&w, 0, "public.t", TRACE_STOPS_READS);
    look(&w);
    assert_string_equal(told(&w), "rewrites-table 3 rewrite");
    World not_run = world(arena, upgrade);
    not_run.traced.count = 0;
    look(&not_run);
    assert_string_equal(told(&not_run), "unknown 3 none");
}

static void test_keys_and_failures(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    World w = world(arena, "SELECT 'references q';\nCREATE TABLE q (o_id int REFERENCES o);\n"
                           "SELECT wrong;");
    const LintKey key = {.table = "q", .what = "q_o_id_fkey, of q (o_id)"};
    Error failure = {0};
    err_set(&failure, ERR_SQL, "no such column");
    err_sqlstate(&failure, "42703");
    err_at(&failure, "case.sql", 5);
    w.traced.keys = &key;
    w.traced.key_count = 1;
    w.traced.failure = &failure;
    w.traced.count = 2;
    look(&w);
    assert_string_equal(told(&w), "foreign-key-without-index 4 none, statement-fails 5 none");
    assert_string_equal(w.findings.items[1].sqlstate, "42703");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_confirmed_and_dropped),
        cmocka_unit_test(test_what_needs_no_work_stays),
        cmocka_unit_test(test_work_that_no_parser_sees),
        cmocka_unit_test(test_held_locks),
        cmocka_unit_test(test_other_tables),
        cmocka_unit_test(test_unknown_syntax),
        cmocka_unit_test(test_keys_and_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
