#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "graph.h"

#include <string.h>

/* Repeatables and baselines beside the graph, and what upgrades from no rows make of baselines. */

typedef struct Row {
    ScriptKind kind;
    const char *id;
    const char *revises; /* separated by spaces */
} Row;

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static StrList words(Arena *arena, const char *text)
{
    StrList list = {0};
    char *rest = text == NULL ? NULL : arena_strdup(arena, text);
    char *word;
    while ((word = strsep(&rest, " ")) != NULL) {
        if (word[0] != '\0')
            strlist_add(arena, &list, word);
    }
    return list;
}

static Script *script_of(Arena *arena, const Row *row, size_t index)
{
    static const char *const keys[] = {"revision", "repeatable", "baseline"};
    Script *script = ARENA_NEW(arena, Script);
    script->kind = row->kind;
    script->id = row->id;
    script->file = arena_printf(arena, "versions/file_%zu.sql", index);
    script->parents = words(arena, row->revises);
    script->bytes =
        (const uint8_t *)arena_printf(arena, "-- a remark\n-- %s: %s\n", keys[row->kind], row->id);
    script->length = strlen((const char *)script->bytes);
    return script;
}

static ErrCode build(Arena *arena, const Row *rows, size_t count, RevisionMap **map, Error *err)
{
    Script **scripts = ARENA_ARRAY(arena, Script *, count);
    for (size_t i = 0; i < count; i++)
        scripts[i] = script_of(arena, &rows[i], i);
    return graph_build(arena, scripts, count, map, err);
}

static RevisionMap *map_of(Arena *arena, const Row *rows, size_t count)
{
    RevisionMap *map = NULL;
    Error err;
    if (build(arena, rows, count, &map, &err) != ERR_OK)
        fail_msg("%s", err.message);
    return map;
}

/*  r1 - r2 -+- r3 - r4 -+- r6        other
 *           +- r5 ------+                     */
static const Row rows[] = {
    {SCRIPT_REVISION, "r1", NULL},       {SCRIPT_REVISION, "r2", "r1"},
    {SCRIPT_BASELINE, "r2", NULL},       {SCRIPT_REVISION, "r3", "r2"},
    {SCRIPT_BASELINE, "r4", NULL},       {SCRIPT_REVISION, "r4", "r3"},
    {SCRIPT_REVISION, "r5", "r2"},       {SCRIPT_REVISION, "r6", "r4 r5"},
    {SCRIPT_REVISION, "other", NULL},    {SCRIPT_REPEATABLE, "R:views", NULL},
    {SCRIPT_REPEATABLE, "R:funcs", NULL}};

/* "[b]" is b by its baseline. */
static void goes(const RevisionMap *map, const char *from, const char *target, const char *wanted)
{
    AUTO_ARENA Arena *arena = arena_new();
    StrList before = words(arena, from);
    GraphSteps steps;
    Error err;
    if (graph_upgrade(arena, map, &before, target, &steps, &err) != ERR_OK)
        fail_msg("%s", err.message);
    AUTO_STR Str found = {0};
    for (size_t i = 0; i < steps.count; i++) {
        const GraphStep *step = &steps.items[i];
        const Script *script;
        assert_int_equal(graph_step_script(map, step->revision, step->direction, &step->rows_before,
                                           &step->rows_after, &script, &err),
                         ERR_OK);
        assert_ptr_equal(script, step->script);
        bool baseline = step->script->kind == SCRIPT_BASELINE;
        str_printf(&found, baseline ? "[%s] " : "%s ", step->revision);
        assert_string_equal(step->revision, step->script->id);
    }
    str_printf(&found, "> %s", strlist_join(arena, &steps.rows_after, " "));
    assert_string_equal(str_text(&found), wanted);
}

static void test_kinds_are_kept_apart(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    const RevisionMap *map = map_of(arena, rows, COUNT(rows));
    assert_int_equal(graph_count(map), 7);
    assert_int_equal(graph_repeatable_count(map), 2);
    assert_string_equal(graph_repeatable_at(map, 0)->id, "R:funcs");
    assert_string_equal(graph_repeatable_at(map, 1)->id, "R:views");
    assert_null(graph_find(map, "R:views"));
    assert_int_equal(graph_find(map, "r2")->kind, SCRIPT_REVISION);
    assert_int_equal(graph_baseline(map, "r2")->kind, SCRIPT_BASELINE);
    assert_null(graph_baseline(map, "r3"));
    assert_null(graph_baseline(map, "nothing"));
}

static void test_a_baseline_stands_for_all_below_it(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    const RevisionMap *map = map_of(arena, rows, COUNT(rows));
    goes(map, "", "r1", "r1 > r1"); /* none is wholly within the target */
    goes(map, "", "r2", "[r2] > r2");
    goes(map, "", "r3", "[r2] r3 > r3");
    goes(map, "", "r4", "[r4] > r4");
    goes(map, "", "r5", "[r2] r5 > r5");
    goes(map, "", "r6", "[r4] r5 r6 > r6");
    goes(map, "", "other", "other > other");
    goes(map, "", "heads", "[r4] r5 r6 other > other r6");
    goes(map, "r1", "r6", "r2 r5 r3 r4 r6 > r6");
    goes(map, "other", "r2", "r1 r2 > other r2"); /* only an empty shard */
}

static void test_down_goes_by_the_revisions(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    const RevisionMap *map = map_of(arena, rows, COUNT(rows));
    StrList before = words(arena, "r4");
    GraphSteps steps;
    Error err;
    assert_int_equal(graph_downgrade(arena, map, &before, "base", &steps, &err), ERR_OK);
    assert_int_equal(steps.count, 4);
    for (size_t i = 0; i < steps.count; i++)
        assert_int_equal(steps.items[i].script->kind, SCRIPT_REVISION);
}

/* {r4} -> {} is no step that any one file's downgrade makes. */
static void test_a_baseline_is_not_taken_back_in_one_step(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    const RevisionMap *map = map_of(arena, rows, COUNT(rows));
    StrList none = {0};
    StrList r4 = words(arena, "r4");
    StrList r3 = words(arena, "r3");
    StrList r1 = words(arena, "r1");
    const Script *script = NULL;
    Error err;
    assert_int_equal(graph_step_script(map, "r4", DIRECTION_DOWNGRADE, &r4, &none, &script, &err),
                     ERR_REFUSED);
    assert_null(script);
    assert_int_equal(graph_step_script(map, "r4", DIRECTION_DOWNGRADE, &r4, &r3, &script, &err),
                     ERR_OK);
    assert_int_equal(script->kind, SCRIPT_REVISION);
    assert_int_equal(graph_step_script(map, "r1", DIRECTION_DOWNGRADE, &r1, &none, &script, &err),
                     ERR_OK);
    assert_int_equal(graph_step_script(map, "r9", DIRECTION_UPGRADE, &r1, &none, &script, &err),
                     ERR_REVISION_UNKNOWN);
}

static void fails(const Row *bad, size_t count, const char *message, const char *file)
{
    AUTO_ARENA Arena *arena = arena_new();
    RevisionMap *map = NULL;
    Error err;
    assert_int_equal(build(arena, bad, count, &map, &err), ERR_GRAPH);
    assert_string_equal(err.message, message);
    assert_string_equal(err.file, file);
    assert_int_equal(err.line, 2);
    assert_null(map);
}

static void test_what_is_wrong_beside_the_graph(void **state)
{
    (void)state;
    static const Row twice[] = {{SCRIPT_REPEATABLE, "R:v", NULL}, {SCRIPT_REPEATABLE, "R:v", NULL}};
    static const Row nowhere[] = {{SCRIPT_REVISION, "r1", NULL}, {SCRIPT_BASELINE, "r2", NULL}};
    static const Row two[] = {{SCRIPT_REVISION, "r1", NULL},
                              {SCRIPT_BASELINE, "r1", NULL},
                              {SCRIPT_BASELINE, "r1", NULL}};
    fails(twice, COUNT(twice), "two files are repeatable 'R:v'", "versions/file_1.sql");
    fails(nowhere, COUNT(nowhere), "a baseline stands for revision 'r2', which no file has",
          "versions/file_1.sql");
    fails(two, COUNT(two), "two files are the baseline of 'r1'", "versions/file_2.sql");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds_are_kept_apart),
        cmocka_unit_test(test_a_baseline_stands_for_all_below_it),
        cmocka_unit_test(test_down_goes_by_the_revisions),
        cmocka_unit_test(test_a_baseline_is_not_taken_back_in_one_step),
        cmocka_unit_test(test_what_is_wrong_beside_the_graph),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
