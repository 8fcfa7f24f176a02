#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "graph.h"

#include <string.h>

/* Ranges of `history -r`, what `show` finds, and the marks of a listing. */

typedef struct Row {
    const char *id;
    const char *revises;
    const char *depends_on;
    const char *labels;
} Row;

/*  a1 -+- b1 - b2 -+- m1 - y1
 *      +- c1 - c2 -+              c2, x2 depend on b1; y1 depends on x2
 *  x1 - x2                        labels: b1 left, x1 shop  */
static const Row rows[] = {
    {.id = "a1"},
    {.id = "b1", .revises = "a1", .labels = "left"},
    {.id = "b2", .revises = "b1"},
    {.id = "c1", .revises = "a1"},
    {.id = "c2", .revises = "c1", .depends_on = "b1"},
    {.id = "m1", .revises = "b2 c2"},
    {.id = "x1", .labels = "shop"},
    {.id = "x2", .revises = "x1", .depends_on = "b1"},
    {.id = "y1", .revises = "m1", .depends_on = "x2"},
};

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

static RevisionMap *map_of(Arena *arena, const Row *from, size_t count)
{
    Script **scripts = ARENA_ARRAY(arena, Script *, count);
    RevisionMap *map = NULL;
    Error err;
    for (size_t i = 0; i < count; i++) {
        scripts[i] = ARENA_NEW(arena, Script);
        scripts[i]->id = scripts[i]->file = from[i].id;
        scripts[i]->bytes = (const uint8_t *)"";
        scripts[i]->parents = words(arena, from[i].revises);
        scripts[i]->depends_on = words(arena, from[i].depends_on);
        scripts[i]->labels = words(arena, from[i].labels);
    }
    if (graph_build(arena, scripts, count, &map, &err) != ERR_OK)
        fail_msg("%s", err.message);
    return map;
}

static RevisionMap *map_here(Arena *arena)
{
    return map_of(arena, rows, sizeof rows / sizeof rows[0]);
}

static const char *ids(Arena *arena, const Script *const *scripts, size_t count)
{
    StrList names = {0};
    for (size_t i = 0; i < count; i++)
        strlist_add(arena, &names, scripts[i]->id);
    return strlist_join(arena, &names, " ");
}

/* `current` NULL: no database was asked. */
static void shows(const RevisionMap *map, const char *current, const char *range,
                  const char *wanted)
{
    AUTO_ARENA Arena *arena = arena_new();
    StrList list = words(arena, current);
    const Script **scripts;
    size_t count;
    Error err;
    ErrCode code =
        graph_range(arena, map, current == NULL ? NULL : &list, range, &scripts, &count, &err);
    const char *found = code == ERR_OK
                            ? ids(arena, scripts, count)
                            : arena_printf(arena, "%s: %s", err_code_name(code), err.message);
    if (strcmp(found, wanted) != 0)
        fail_msg("%s\n  gives  %s\n  wanted %s", range, found, wanted);
}

static void test_both_ends_are_shown(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    const RevisionMap *map = map_here(arena);
    shows(map, NULL, ":", "y1 m1 b2 x2 x1 c2 c1 b1 a1");
    shows(map, NULL, "a1:c2", "c2 c1 b1 a1");
    shows(map, NULL, "c1:", "y1 m1 c2 c1");
    shows(map, NULL, ":c1", "c1 a1");
    shows(map, NULL, "c1:c1", "c1");
    shows(map, NULL, "base:a1", "a1");
    shows(map, NULL, "left:left@head", "y1 m1 b2 b1");
    shows(map, NULL, "heads:", "y1");
    shows(map, NULL, ":base", "");
}

static void test_counted_ends(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    const RevisionMap *map = map_here(arena);
    shows(map, NULL, "c1:+1", "c2 c1");
    shows(map, NULL, "c1:+9", "y1 m1 c2 c1"); /* to the tip */
    shows(map, NULL, "-1:", "y1 m1");         /* from the heads, not from the rows */
    shows(map, NULL, "c2-1:c2", "c2 c1");
    shows(map, NULL, "-2:", "TARGET: ambiguous walk: '-2' could go several ways");
    shows(map, NULL, "shop@-1:x2", "x2 x1");
    shows(map, "c1", "current:+1", "c2 c1");
}

static void test_what_current_means(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    const RevisionMap *map = map_here(arena);
    shows(map, "c2", "current:", "y1 m1 c2");
    shows(map, "c2", ":current", "c2 c1 b1 a1");
    shows(map, "", "current:a1", "a1"); /* nothing is applied: from base */
    shows(map, "", ":current", "");
    shows(map, NULL, "current:", "TARGET: 'current' needs the rows of a database");
    shows(map, NULL, ":current", "TARGET: 'current' needs the rows of a database");
    shows(map, "gone", "current:", "REVISION_UNKNOWN: can't locate revision identified by 'gone'");
}

static void test_ranges_that_are_none(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    const RevisionMap *map = map_here(arena);
    shows(map, NULL, "b2:c2",
          "TARGET: requested range b2:c2 does not refer to ancestor/descendant "
          "revisions along the same branch");
    shows(map, NULL, "c2:c1",
          "TARGET: requested range c2:c1 does not refer to ancestor/descendant "
          "revisions along the same branch");
    shows(map, NULL, "a1",
          "USAGE: history range requires [start]:[end], [start]:, or :[end], not 'a1'");
    shows(map, NULL, "a1:b1:c1",
          "USAGE: history range requires [start]:[end], [start]:, or :[end], not 'a1:b1:c1'");
    shows(map, NULL, ":head",
          "MULTIPLE_HEADS: multiple head revisions are present for given argument 'head'");
    shows(map, NULL, ":nowhere", "REVISION_UNKNOWN: can't locate revision identified by 'nowhere'");
}

/* b2 is shown although what declares its dependency is not in the range. */
static void test_a_dependency_that_another_declares(void **state)
{
    (void)state;
    static const Row declared[] = {{.id = "a"},
                                   {.id = "b", .revises = "a"},
                                   {.id = "c", .depends_on = "b"},
                                   {.id = "d", .revises = "a c", .depends_on = "b"}};
    AUTO_ARENA Arena *arena = arena_new();
    const RevisionMap *map = map_of(arena, declared, 4);
    shows(map, NULL, "a:", "d b a");
}

static void test_what_show_finds(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    const RevisionMap *map = map_here(arena);
    static const char *const found[][2] = {
        {"heads", "y1"}, {"left", "b1"}, {"-1", "m1"}, {"left@head", "y1"}, {"c1+1", "c2"},
    };
    for (size_t i = 0; i < sizeof found / sizeof found[0]; i++) {
        const Script **scripts;
        size_t count;
        Error err;
        assert_int_equal(graph_resolve(arena, map, found[i][0], &scripts, &count, &err), ERR_OK);
        assert_string_equal(ids(arena, scripts, count), found[i][1]);
    }
}

static void test_marks(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    const RevisionMap *map = map_here(arena);
    assert_true(graph_marks(map, "y1").head);
    assert_false(graph_marks(map, "y1").effective_head);
    assert_true(graph_marks(map, "x2").head);
    assert_true(graph_marks(map, "x2").effective_head);
    assert_false(graph_marks(map, "m1").head);
    assert_true(graph_marks(map, "m1").merge_point);
    assert_true(graph_marks(map, "a1").branch_point);
    assert_false(graph_marks(map, "nothing").head);
}

/* Up to all that builds on it; down to the next fork or merge. */
static void test_labels_spread(void **state)
{
    (void)state;
    static const Row spread[] = {{.id = "a"},
                                 {.id = "b", .revises = "a"},
                                 {.id = "c", .revises = "b"},
                                 {.id = "d", .revises = "c", .labels = "late"},
                                 {.id = "e", .revises = "d"},
                                 {.id = "f", .revises = "a"}};
    static const char *const wanted[][2] = {{"a", ""},     {"b", "late"}, {"c", "late"},
                                            {"d", "late"}, {"e", "late"}, {"f", ""}};
    AUTO_ARENA Arena *arena = arena_new();
    const RevisionMap *map = map_of(arena, spread, 6);
    for (size_t i = 0; i < 6; i++) {
        StrList labels = graph_branch_labels(arena, map, wanted[i][0]);
        assert_string_equal(strlist_join(arena, &labels, " "), wanted[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ends_are_shown),
        cmocka_unit_test(test_counted_ends),
        cmocka_unit_test(test_what_current_means),
        cmocka_unit_test(test_ranges_that_are_none),
        cmocka_unit_test(test_a_dependency_that_another_declares),
        cmocka_unit_test(test_what_show_finds),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_labels_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
