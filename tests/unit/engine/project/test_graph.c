#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "graph.h"

#include "named_limits.h"

#include <stdio.h>
#include <string.h>

/* A revision as the graph sees it: lists are separated by spaces, '' = none. */
typedef struct Row {
    const char *id;
    const char *revises;
    const char *depends_on;
    const char *labels;
} Row;

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

static Script *script_of(Arena *arena, const Row *row)
{
    Script *script = ARENA_NEW(arena, Script);
    script->id = row->id;
    script->file = arena_printf(arena, "versions/%s.sql", row->id);
    script->parents = words(arena, row->revises);
    script->depends_on = words(arena, row->depends_on);
    script->labels = words(arena, row->labels);
    script->bytes =
        (const uint8_t *)arena_printf(arena,
                                      "-- revision: %s\n-- revises: %s\n-- depends-on: x\n"
                                      "-- labels: x\n",
                                      row->id, row->revises == NULL ? "" : row->revises);
    script->length = strlen((const char *)script->bytes);
    return script;
}

static ErrCode build(Arena *arena, const Row *rows, size_t count, RevisionMap **map, Error *err)
{
    Script **scripts = ARENA_ARRAY(arena, Script *, count);
    for (size_t i = 0; i < count; i++)
        scripts[i] = script_of(arena, &rows[i]);
    return graph_build(arena, scripts, count, map, err);
}

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static RevisionMap *map_of(Arena *arena, const Row *rows, size_t count)
{
    RevisionMap *map = NULL;
    Error err;
    if (build(arena, rows, count, &map, &err) != ERR_OK)
        fail_msg("%s", err.message);
    return map;
}

static const char *joined(Arena *arena, const StrList *list)
{
    return strlist_join(arena, list, " ");
}

/* "b c > a" : steps in order, then the rows after. Checks what holds for all steps on the way. */
static const char *go(Arena *arena, const RevisionMap *map, bool up, const char *rows,
                      const char *target)
{
    StrList from = words(arena, rows);
    GraphSteps steps;
    Error err;
    ErrCode code = up ? graph_upgrade(arena, map, &from, target, &steps, &err)
                      : graph_downgrade(arena, map, &from, target, &steps, &err);
    if (code != ERR_OK)
        return arena_printf(arena, "%s: %s", err_code_name(code), err.message);
    StrList names = {0};
    for (size_t i = 0; i < steps.count; i++) {
        const GraphStep *step = &steps.items[i];
        strlist_add(arena, &names, step->revision);
        assert_string_equal(step->script->id, step->revision);
        assert_int_equal(step->direction, up ? DIRECTION_UPGRADE : DIRECTION_DOWNGRADE);
        assert_true(strlist_equal(&step->rows_after, i + 1 < steps.count
                                                         ? &steps.items[i + 1].rows_before
                                                         : &steps.rows_after));
        StrList sorted = strlist_copy(arena, &step->rows_after);
        strlist_sort(&sorted);
        assert_true(strlist_equal(&sorted, &step->rows_after));
    }
    return arena_printf(arena, "%s > %s", joined(arena, &names), joined(arena, &steps.rows_after));
}

static void goes(const RevisionMap *map, bool up, const char *rows, const char *target,
                 const char *wanted)
{
    AUTO_ARENA Arena *arena = arena_new();
    const char *found = go(arena, map, up, rows, target);
    if (strcmp(found, wanted) != 0)
        fail_msg("%s from [%s] to %s\n  gives  %s\n  wanted %s", up ? "upgrade" : "downgrade", rows,
                 target, found, wanted);
}

#define UP(rows, target, wanted) goes(map, true, rows, target, wanted)
#define DOWN(rows, target, wanted) goes(map, false, rows, target, wanted)

/*    a - b - c - d     */
static const Row line[] = {{.id = "d001", .revises = "c001"},
                           {.id = "a001"},
                           {.id = "c001", .revises = "b001"},
                           {.id = "b001", .revises = "a001"}};

/*    a -+- b1 - b2 -+- m - z
         +- c1 - c2 -+              */
static const Row diamond[] = {
    {.id = "a", .labels = "root"}, {.id = "b1", .revises = "a", .labels = "left"},
    {.id = "b2", .revises = "b1"}, {.id = "c1", .revises = "a", .labels = "right"},
    {.id = "c2", .revises = "c1"}, {.id = "m", .revises = "b2 c2"},
    {.id = "z", .revises = "m"},
};

/* the same before the merge */
static const Row forked[] = {
    {.id = "a"},
    {.id = "b1", .revises = "a", .labels = "left"},
    {.id = "b2", .revises = "b1"},
    {.id = "c1", .revises = "a", .labels = "right"},
    {.id = "c2", .revises = "c1"},
};

/* two lines; y2 also needs x1 */
static const Row dependent[] = {
    {.id = "x1", .labels = "store"},
    {.id = "x2", .revises = "x1"},
    {.id = "y1", .labels = "shop"},
    {.id = "y2", .revises = "y1", .depends_on = "x1"},
};

static void test_a_line(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    const RevisionMap *map = map_of(arena, line, COUNT(line));
    assert_int_equal(graph_count(map), 4);
    assert_string_equal(graph_script_at(map, 0)->id, "a001");
    assert_null(graph_find(map, "a"));
    UP("", "head", "a001 b001 c001 d001 > d001");
    UP("", "heads", "a001 b001 c001 d001 > d001");
    UP("b001", "head", "c001 d001 > d001");
    UP("d001", "head", " > d001");
    UP("c001", "b001", " > c001");
    UP("", "base", " > ");
    UP("", "+1", "a001 > a001");
    UP("a001", "+2", "b001 c001 > c001");
    UP("", "b+1", "a001 b001 c001 > c001");
    UP("", "d001-2", "a001 b001 > b001");
    UP("", "base+2", "a001 b001 > b001");
    UP("a001", "head-1", "b001 c001 > c001");
    UP("d001", "+1", "TARGET: relative revision +1 didn't produce 1 migrations");
    UP("a001", "+4", "TARGET: relative revision +4 didn't produce 4 migrations");
    UP("b001", "-1", "TARGET: relative revision -1 didn't produce 1 migrations");
    DOWN("d001", "-1", "d001 > c001");
    DOWN("d001", "base", "d001 c001 b001 a001 > ");
    DOWN("d001", "-4", "d001 c001 b001 a001 > ");
    DOWN("d001", "b001", "d001 c001 > b001");
    DOWN("b001", "b001", " > b001");
    DOWN("c001", "d001-2", "c001 > b001");
    DOWN("", "base", " > ");
    DOWN("d001", "-5", "TARGET: relative revision -5 didn't produce 5 migrations");
    DOWN("", "-1", "TARGET: relative revision -1 didn't produce 1 migrations");
    DOWN("d001", "+1", "TARGET: relative revision +1 didn't produce 1 migrations");
    DOWN("b001", "d001",
         "TARGET: destination d001 is not a valid downgrade target from current head(s)");
}

static void test_branches_and_merges(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    const RevisionMap *map = map_of(arena, diamond, COUNT(diamond));
    UP("", "head", "a c1 c2 b1 b2 m z > z");
    UP("b2", "m", "c1 c2 m > m");
    UP("b2 c2", "m", "m > m");
    UP("b1", "c1", "c1 > b1 c1");
    UP("b2 c1", "head", "c2 m z > z");
    UP("a", "+1", "TARGET: ambiguous walk: '+1' could go several ways");
    UP("a", "left@+1", "b1 > b1");
    UP("a", "right@+2", "c1 c2 > c2");
    UP("b1 c1", "+1", "TARGET: ambiguous upgrade from multiple current revisions");
    UP("b1 c1", "right@+1", "c2 > b1 c2");
    DOWN("z", "m", "z > m");
    DOWN("m", "b2", "m > b2 c2");
    DOWN("z", "-2", "TARGET: ambiguous walk: '-2' could go several ways");
    DOWN("z", "a", "z m b2 b1 c2 c1 > a");
    DOWN("b2 c2", "left@-1", "b2 > b1 c2");
    DOWN("b2 c2", "right@a", "c2 c1 > b2");
    DOWN("b2 c2", "base", "b2 b1 c2 c1 a > ");
    DOWN("b2 c2", "left@base", "b2 b1 c2 c1 a > "); /* the base is shared */
    assert_true(graph_marks(map, "m").merge_point);
    assert_false(graph_marks(map, "z").merge_point);
    assert_true(graph_marks(map, "a").branch_point);
    StrList children = graph_children(arena, map, "a");
    assert_string_equal(joined(arena, &children), "b1 c1");
}

static void test_several_rows_are_told(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    const RevisionMap *map = map_of(arena, forked, COUNT(forked));
    GraphSteps steps;
    Error err;
    StrList rows = words(arena, "b2 c2");
    assert_int_equal(graph_downgrade(arena, map, &rows, "-1", &steps, &err), ERR_OK);
    assert_int_equal(steps.count, 1);
    assert_string_equal(steps.items[0].revision, "b2");
    assert_non_null(strstr(steps.warning, "b2"));
    assert_int_equal(graph_downgrade(arena, map, &rows, "left@-1", &steps, &err), ERR_OK);
    assert_null(steps.warning);
}

static void test_several_heads(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    const RevisionMap *map = map_of(arena, forked, COUNT(forked));
    UP("", "head", "MULTIPLE_HEADS: multiple head revisions are present for given argument 'head'");
    UP("", "heads", "a c1 c2 b1 b2 > b2 c2");
    UP("", "left@head", "a b1 b2 > b2");
    UP("b2", "right@head", "c1 c2 > b2 c2");
    UP("", "c1@head", "a c1 c2 > c2");
    UP("", "a@head",
       "MULTIPLE_HEADS: multiple head revisions are present for given argument 'a@head'");
    StrList heads = graph_heads(arena, map);
    assert_string_equal(joined(arena, &heads), "b2 c2");
}

/* What something applied depends on has no row of its own, and gets it back. */
static void test_dependencies(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    const RevisionMap *map = map_of(arena, dependent, COUNT(dependent));
    UP("", "y2", "x1 y1 y2 > y2");
    UP("y1", "shop@head", "x1 y2 > y2");
    UP("y2", "x2", "x2 > x2 y2");
    UP("x1 y1", "y2", "y2 > y2");
    UP("x1", "heads", "y1 y2 x2 > x2 y2");
    DOWN("y2", "y1", "y2 > x1 y1");
    DOWN("x2 y2", "store@base", "x2 y2 x1 > y1"); /* who depends on it goes too */
    DOWN("y2", "store@-1", "y2 x1 > y1");
    DOWN("x2 y2", "x1", "x2 > y2");
}

/* Alembic 1.8.1 leaves overlapping rows here, or dies with KeyError. */
static void test_a_merge_with_an_ancestor_of_its_other_parent(void **state)
{
    (void)state;
    static const Row rows[] = {{.id = "a"},
                               {.id = "b", .revises = "a"},
                               {.id = "m", .revises = "b a"},
                               {.id = "h", .revises = "a"}};
    AUTO_ARENA Arena *arena = arena_new();
    const RevisionMap *map = map_of(arena, rows, COUNT(rows));
    UP("", "m", "a b m > m");
    DOWN("m", "b", "m > b");
    DOWN("h m", "b", "m > b h");
    UP("b h", "heads", "m > h m");
    DOWN("m", "-1", "TARGET: ambiguous walk: '-1' could go several ways");
    /* and rows that overlap already come right with the next step */
    UP("a b", "m", "m > m");
    DOWN("a b", "a", "b > a");
}

/* Counting by nothing is no way up or down; from a revision it is that revision, on its branch. */
static void test_counting_nothing(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    const RevisionMap *map = map_of(arena, forked, COUNT(forked));
    UP("a", "+0", "TARGET: relative revision +0 didn't produce 0 migrations");
    UP("a", "left@-0", "TARGET: relative revision -0 didn't produce 0 migrations");
    DOWN("b1", "-0", "TARGET: relative revision -0 didn't produce 0 migrations");
    UP("", "b1+0", "a b1 > b1");
    UP("", "left@c1+0", "REVISION_UNKNOWN: can't locate revision identified by 'left@c1+0'");
    UP("", "left@c1+1", "TARGET: relative revision +1 didn't produce 1 migrations");
    UP("", "base+0", " > ");
    UP("", "a-1", " > ");
}

/* Heads of a branch that build on one another are no set of targets. */
static void test_targets_that_overlap(void **state)
{
    (void)state;
    static const Row rows[] = {{.id = "a", .labels = "all"},
                               {.id = "b", .revises = "a"},
                               {.id = "c", .revises = "a", .depends_on = "b"}};
    AUTO_ARENA Arena *arena = arena_new();
    const RevisionMap *map = map_of(arena, rows, COUNT(rows));
    UP("", "heads", "a b c > c");
    UP("", "all@heads", "TARGET: requested revision c overlaps with other requested revisions b");
}

/* A branch that does not stand on the target has nothing to take back there. */
static void test_a_branch_beside_the_target(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    const RevisionMap *map = map_of(arena, forked, COUNT(forked));
    DOWN("b2 c2", "left@a", "b2 b1 > c2");
    static const Row rows[] = {{.id = "a"},
                               {.id = "b", .revises = "a"},
                               {.id = "c", .revises = "a"},
                               {.id = "x", .labels = "other"}};
    map = map_of(arena, rows, COUNT(rows));
    DOWN("b x", "other@a", "TARGET: 'other@a' is not a valid downgrade target from current heads");
    DOWN("a x", "other@a", "TARGET: 'other@a' is not a valid downgrade target from current heads");
}

static void test_identifiers(void **state)
{
    (void)state;
    static const Row rows[] = {{.id = "001_init", .labels = "main"},
                               {.id = "002_users", .revises = "001_init"},
                               {.id = "002_user.x", .revises = "002_users"},
                               {.id = "abc", .revises = "002_user.x", .labels = "mailer"}};
    AUTO_ARENA Arena *arena = arena_new();
    const RevisionMap *map = map_of(arena, rows, COUNT(rows));
    static const char *const found[][2] = {
        {"001_init", "001_init"},
        {"001", "001_init"},
        {"main", "001_init"},
        {"002_users", "002_users"},
        {"002_user.", "002_user.x"},
        {"mail", "abc"},
        {"head", "abc"},
        {"main@head", "abc"},
        {"mailer@002_users", "002_users"},
        {"maile", "abc"},
        {"-1", "002_user.x"},
        {"-2", "002_users"},
        {"001+1", "002_users"},
        {"abc-2", "002_users"},
        {"+1", "001_init"},
        {"head-1", "002_user.x"},
    };
    static const char *const lost[] = {
        "",
        "002",
        "002_user",
        "ma",
        "ab",
        "nothing",
        "@head",
        "main@",
        "a@b@c",
        "+",
        "abc-",
        "abc+x",
        "main@@1",
        "base",
        "abc+1",
        "001-1",
        "head-9",
        "001:abc",
        "+9999999999",
        "0 01",
        "'; DROP TABLE x",
        "nosuch@head",
    };
    for (size_t i = 0; i < COUNT(found); i++) {
        const char *id;
        Error err;
        if (graph_resolve_one(arena, map, found[i][0], &id, &err) != ERR_OK)
            fail_msg("%s: %s", found[i][0], err.message);
        assert_string_equal(id, found[i][1]);
    }
    for (size_t i = 0; i < COUNT(lost); i++) {
        const char *id = "untouched";
        Error err;
        ErrCode code = graph_resolve_one(arena, map, lost[i], &id, &err);
        if (code != ERR_REVISION_UNKNOWN && code != ERR_TARGET)
            fail_msg("'%s' gives %s", lost[i], id);
        assert_string_equal(id, "untouched");
    }
    UP("", "001_init:abc", "TARGET: range revision not allowed: '001_init:abc'");
    UP("nowhere", "head", "REVISION_UNKNOWN: can't locate revision identified by 'nowhere'");
    UP("", "002_usr", "REVISION_UNKNOWN: can't locate revision identified by '002_usr'");
    DOWN("nowhere", "base", "REVISION_UNKNOWN: can't locate revision identified by 'nowhere'");
}

/* Ids and labels are names alike: a beginning that two of them have is ambiguous. */
static void test_one_revision_by_two_names(void **state)
{
    (void)state;
    static const Row rows[] = {{.id = "shop_1", .labels = "shop_main"}, {.id = "x"}};
    AUTO_ARENA Arena *arena = arena_new();
    const RevisionMap *map = map_of(arena, rows, COUNT(rows));
    StrList none = {0};
    GraphSteps steps;
    Error err;
    assert_int_equal(graph_upgrade(arena, map, &none, "shop", &steps, &err), ERR_REVISION_UNKNOWN);
    assert_string_equal(err.detail, "several begin so: shop_1, shop_main");
    UP("", "shop_m", "shop_1 > shop_1");
}

static void test_nothing_at_all(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    const RevisionMap *map = map_of(arena, NULL, 0);
    UP("", "head", " > ");
    UP("", "heads", " > ");
    DOWN("", "base", " > ");
    UP("", "+1", "TARGET: relative revision +1 didn't produce 1 migrations");
    UP("", "x", "REVISION_UNKNOWN: can't locate revision identified by 'x'");
    const Script **scripts;
    size_t count;
    graph_newest_first(arena, map, &scripts, &count);
    assert_int_equal(count, 0);
}

static const char *stamp(Arena *arena, const RevisionMap *map, const char *rows,
                         const char *targets, bool purge)
{
    StrList from = words(arena, rows);
    StrList to = words(arena, targets);
    StrList after;
    Error err;
    if (graph_stamp(arena, map, &from, &to, purge, &after, &err) != ERR_OK)
        return err_code_name(err.code);
    return joined(arena, &after);
}

static void test_stamps(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    const RevisionMap *map = map_of(arena, diamond, COUNT(diamond));
    assert_string_equal(stamp(arena, map, "", "head", false), "z");
    assert_string_equal(stamp(arena, map, "z", "b1", false), "b1");
    assert_string_equal(stamp(arena, map, "b1 c1", "m", false), "m");
    assert_string_equal(stamp(arena, map, "b1", "c1", false), "b1 c1");
    assert_string_equal(stamp(arena, map, "b2 c1", "b1", false), "b1 c1");
    assert_string_equal(stamp(arena, map, "b2 c2", "base", false), "");
    assert_string_equal(stamp(arena, map, "", "b1 c1", false), "b1 c1");
    assert_string_equal(stamp(arena, map, "", "a b1", false), "TARGET");
    assert_string_equal(stamp(arena, map, "", "b1 b1", false), "b1");
    assert_string_equal(stamp(arena, map, "", "b1+1", false), "TARGET");
    assert_string_equal(stamp(arena, map, "gone", "z", false), "REVISION_UNKNOWN");
    assert_string_equal(stamp(arena, map, "gone b1", "c1", true), "c1");
    assert_string_equal(stamp(arena, map, "gone", "base", true), "");
    map = map_of(arena, dependent, COUNT(dependent));
    assert_string_equal(stamp(arena, map, "y2", "x1", false), "x1");
    assert_string_equal(stamp(arena, map, "x2 y1", "shop@base", false), "x2");
    assert_string_equal(stamp(arena, map, "x2 y1", "store@base", false), "y1");
    assert_string_equal(stamp(arena, map, "y2", "store@base", false), ""); /* it depends on store */
    assert_string_equal(stamp(arena, map, "", "heads", false), "x2 y2");
}

static void graph_refused(const Row *rows, size_t count, const char *file, int line_number,
                          const char *word)
{
    AUTO_ARENA Arena *arena = arena_new();
    RevisionMap *map = NULL;
    Error err;
    assert_int_equal(build(arena, rows, count, &map, &err), ERR_GRAPH);
    assert_null(map);
    if (strstr(err.message, word) == NULL)
        fail_msg("'%s' is not in '%s'", word, err.message);
    assert_string_equal(err.file, file);
    assert_int_equal(err.line, line_number);
    if (line_number > 0) {
        assert_int_equal(err.column, 4);
        assert_true(str_starts_with(err.source, "-- "));
    }
}

static void test_graphs_that_are_none(void **state)
{
    (void)state;
    static const Row missing[] = {{.id = "a"}, {.id = "b", .revises = "aa"}};
    static const Row missing_dependency[] = {{.id = "a", .depends_on = "label"}};
    static const Row twice[] = {{.id = "a"}, {.id = "b"}, {.id = "a"}};
    static const Row self[] = {{.id = "a", .revises = "a"}};
    static const Row self_dependency[] = {{.id = "a", .depends_on = "here", .labels = "here"}};
    static const Row pair[] = {{.id = "a", .revises = "b"}, {.id = "b", .revises = "a"}};
    /* reachable from a base and from a head: Alembic runs this one */
    static const Row inner[] = {{.id = "a"},
                                {.id = "b", .revises = "a d"},
                                {.id = "c", .revises = "b"},
                                {.id = "d", .revises = "c"},
                                {.id = "e", .revises = "d"}};
    static const Row mixed[] = {{.id = "a", .depends_on = "b"}, {.id = "b", .revises = "a"}};
    static const Row labels[] = {{.id = "a", .labels = "x"}, {.id = "b", .labels = "x"}};
    static const Row label_id[] = {{.id = "a"}, {.id = "b", .labels = "a"}};
    static const Row reserved[] = {{.id = "heads"}};
    static const Row reserved_label[] = {{.id = "a", .labels = "base"}};
    graph_refused(missing, 2, "versions/b.sql", 2, "'aa'");
    graph_refused(missing_dependency, 1, "versions/a.sql", 3, "'label'");
    graph_refused(twice, 3, "versions/a.sql", 1, "two files");
    graph_refused(self, 1, "versions/a.sql", 2, "itself");
    graph_refused(self_dependency, 1, "versions/a.sql", 3, "itself");
    graph_refused(pair, 2, "versions/a.sql", 2, "cycle in the revisions (a, b)");
    graph_refused(inner, 5, "versions/b.sql", 2, "cycle in the revisions (b, d, c)");
    graph_refused(mixed, 2, "versions/a.sql", 3, "cycle in the revisions (a, b)");
    graph_refused(labels, 2, "versions/b.sql", 4, "already used by a");
    graph_refused(label_id, 2, "versions/b.sql", 4, "a revision's id");
    graph_refused(reserved, 1, "versions/heads.sql", 1, "meaning of its own");
    graph_refused(reserved_label, 1, "versions/a.sql", 4, "reserved");
}

static void test_irreversible_is_said_before_anything_runs(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Script *scripts[] = {script_of(arena, &(Row){.id = "a"}),
                         script_of(arena, &(Row){.id = "b", .revises = "a"}),
                         script_of(arena, &(Row){.id = "c", .revises = "b"})};
    scripts[1]->irreversible = "the data is gone";
    RevisionMap *map;
    assert_int_equal(graph_build(arena, scripts, 3, &map, NULL), ERR_OK);
    DOWN("c", "b", "c > b");
    DOWN("c", "a", "TARGET: revision b can't be taken back");
    scripts[0]->irreversible = "so is this";
    DOWN("c", "base", "TARGET: revision b can't be taken back");
    StrList rows = words(arena, "c");
    GraphSteps steps;
    Error err;
    assert_int_equal(graph_downgrade(arena, map, &rows, "base", &steps, &err), ERR_TARGET);
    assert_string_equal(err.detail, "irreversible: the data is gone (so is 1 more on this way)");
    assert_string_equal(err.file, scripts[1]->file);
    UP("", "head", "a b c > c");
}

static void test_applied(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    const RevisionMap *map = map_of(arena, dependent, COUNT(dependent));
    StrList rows = words(arena, "y2");
    StrList applied;
    Error err;
    assert_int_equal(graph_applied(arena, map, &rows, &applied, &err), ERR_OK);
    assert_string_equal(joined(arena, &applied), "x1 y1 y2");
}

/* The order of the files does not matter. */
static void test_order_is_always_the_same(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Row turned[COUNT(diamond)];
    for (size_t i = 0; i < COUNT(diamond); i++)
        turned[i] = diamond[COUNT(diamond) - 1 - i];
    const RevisionMap *a = map_of(arena, diamond, COUNT(diamond));
    const RevisionMap *b = map_of(arena, turned, COUNT(diamond));
    assert_string_equal(go(arena, a, true, "", "head"), go(arena, b, true, "", "head"));
    assert_string_equal(go(arena, a, false, "z", "base"), go(arena, b, false, "z", "base"));
}

static void test_ten_thousand(void **state)
{
    (void)state;
    enum { REVISIONS = 10000 };
    AUTO_ARENA Arena *arena = arena_new();
    Row *rows = ARENA_ARRAY(arena, Row, REVISIONS);
    for (int i = 0; i < REVISIONS; i++) {
        rows[i].id = arena_printf(arena, "r%05d", i);
        /* a fork and a merge every ten */
        if (i % 10 == 9)
            rows[i].revises = arena_printf(arena, "r%05d r%05d", i - 1, i - 2);
        else if (i % 10 == 8)
            rows[i].revises = arena_printf(arena, "r%05d", i - 2);
        else if (i > 0)
            rows[i].revises = arena_printf(arena, "r%05d", i - 1);
    }
    const RevisionMap *map = map_of(arena, rows, REVISIONS);
    StrList none = {0};
    GraphSteps steps;
    Error err;
    assert_int_equal(graph_upgrade(arena, map, &none, "head", &steps, &err), ERR_OK);
    assert_int_equal(steps.count, REVISIONS);
    StrList head = steps.rows_after;
    assert_int_equal(graph_downgrade(arena, map, &head, "base", &steps, &err), ERR_OK);
    assert_int_equal(steps.count, REVISIONS);
    assert_int_equal(steps.rows_after.count, 0);
}

static void test_too_many_rows(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Row *rows = ARENA_ARRAY(arena, Row, LIMIT_ROWS + 1);
    for (int i = 0; i <= LIMIT_ROWS; i++)
        rows[i].id = arena_printf(arena, "r%05d", i);
    const RevisionMap *map = map_of(arena, rows, LIMIT_ROWS + 1);
    StrList none = {0};
    GraphSteps steps;
    Error err;
    assert_int_equal(graph_upgrade(arena, map, &none, "heads", &steps, &err), ERR_LIMIT);
    map = map_of(arena, rows, LIMIT_ROWS);
    assert_int_equal(graph_upgrade(arena, map, &none, "heads", &steps, &err), ERR_OK);
    assert_int_equal(steps.count, LIMIT_ROWS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line),
        cmocka_unit_test(test_branches_and_merges),
        cmocka_unit_test(test_several_rows_are_told),
        cmocka_unit_test(test_several_heads),
        cmocka_unit_test(test_dependencies),
        cmocka_unit_test(test_a_merge_with_an_ancestor_of_its_other_parent),
        cmocka_unit_test(test_counting_nothing),
        cmocka_unit_test(test_targets_that_overlap),
        cmocka_unit_test(test_a_branch_beside_the_target),
        cmocka_unit_test(test_identifiers),
        cmocka_unit_test(test_one_revision_by_two_names),
        cmocka_unit_test(test_nothing_at_all),
        cmocka_unit_test(test_stamps),
        cmocka_unit_test(test_graphs_that_are_none),
        cmocka_unit_test(test_irreversible_is_said_before_anything_runs),
        cmocka_unit_test(test_applied),
        cmocka_unit_test(test_order_is_always_the_same),
        cmocka_unit_test(test_ten_thousand),
        cmocka_unit_test(test_too_many_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
