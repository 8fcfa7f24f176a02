#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "applied.h"

#include <string.h>

typedef struct World {
    Arena *arena;
    const ImportTool *tool;
    Script *scripts[32];
    size_t count;
    AppliedKeys keys;
    StrList present;
    bool purge;
    AppliedState state;
    Error err;
} World;

/* A revision with `origin: TOOL KEY`; key '' = made here. */
static void revision(World *world, const char *id, const char *revises, const char *key)
{
    const char *text = arena_printf(
        world->arena, "-- revision: %s\n-- revises: %s\n%s\n-- +upgrade\n-- +downgrade\n", id,
        revises,
        key[0] == '\0' ? ""
                       : arena_printf(world->arena, "-- origin: %s %s", world->tool->name, key));
    assert_int_equal(script_parse(world->arena, arena_printf(world->arena, "%s.sql", id),
                                  (const uint8_t *)text, strlen(text),
                                  &world->scripts[world->count++], &world->err),
                     ERR_OK);
}

static void keys(World *world, StrList *list, const char *text)
{
    char *rest = arena_strdup(world->arena, text);
    char *key;
    *list = (StrList){0};
    while ((key = strsep(&rest, " ")) != NULL) {
        if (key[0] != '\0')
            strlist_add(world->arena, list, key);
    }
}

static ErrCode solve(World *world, const char *applied)
{
    RevisionMap *map;
    keys(world, &world->keys.applied, applied);
    assert_int_equal(graph_build(world->arena, world->scripts, world->count, &map, &world->err),
                     ERR_OK);
    return applied_rows(world->arena, world->tool, map, &world->keys, &world->present, world->purge,
                        &world->state, &world->err);
}

static void gives(World *world, const char *applied, const char *rows, size_t count)
{
    assert_int_equal(solve(world, applied), ERR_OK);
    assert_string_equal(strlist_join(world->arena, &world->state.rows, " "), rows);
    assert_int_equal(world->state.count, count);
}

static void refuses(World *world, const char *applied, ErrCode code, const char *words)
{
    assert_int_equal(solve(world, applied), code);
    if (strstr(world->err.message, words) == NULL)
        fail_msg("'%s' is not in '%s'", words, world->err.message);
}

static World world_of(const char *tool)
{
    return (World){.arena = arena_new(), .tool = import_tool(tool)};
}

static void test_chain(void **state)
{
    (void)state;
    World world = world_of("goose");
    revision(&world, "0001", "", "1");
    revision(&world, "0002", "0001", "2");
    revision(&world, "0003", "0002", "3");
    revision(&world, "0004_ours", "0003", "");
    gives(&world, "", "", 0);
    gives(&world, "2 1", "0002", 2);
    gives(&world, "1 2 3", "0003", 3);
    refuses(&world, "3", ERR_STATE, "goose has applied 0003 without what it builds on: ");
    refuses(&world, "1 3", ERR_STATE, "builds on: 0002");
    refuses(&world, "1 7 8", ERR_STATE, "what no revision here is: 7, 8");
    refuses(&world, "11 12 13 14 15 16 17", ERR_STATE, "11, 12, 13, 14, 15 and 2 more");
    arena_free(world.arena);
}

static void test_what_the_shard_says_already(void **state)
{
    (void)state;
    World world = world_of("goose");
    revision(&world, "0001", "", "1");
    revision(&world, "0002", "0001", "2");
    revision(&world, "0003_ours", "0002", "");
    keys(&world, &world.present, "0001");
    gives(&world, "1 2", "0002", 2);
    keys(&world, &world.present, "0003_ours");
    refuses(&world, "1 2", ERR_STATE, "the shard stands at 0003_ours, where goose has never");
    keys(&world, &world.present, "0002");
    refuses(&world, "1", ERR_STATE, "the shard stands at 0002");
    world.purge = true;
    gives(&world, "1", "0001", 1);
    arena_free(world.arena);
}

static void test_newest_only(void **state)
{
    (void)state;
    World world = world_of("golang-migrate");
    revision(&world, "1", "", "1");
    revision(&world, "2", "1", "2");
    revision(&world, "3", "2", "3");
    gives(&world, "2", "2", 2);
    refuses(&world, "9", ERR_STATE, "what no revision here is: 9");
    keys(&world, &world.keys.half_done, "3");
    refuses(&world, "3", ERR_STATE, "broke off in the middle of 3");
    arena_free(world.arena);
}

static void test_all_up_to(void **state)
{
    (void)state;
    World world = world_of("flyway");
    revision(&world, "1", "", "1");
    revision(&world, "1.9", "1", "1.9");
    revision(&world, "1.10", "1.9", "1.10");
    revision(&world, "2", "1.10", "2");
    gives(&world, "<=1.9.5 1.10", "1.10", 3);
    gives(&world, "<=0.1", "", 0);
    gives(&world, "<=1.10", "1.10", 3);
    refuses(&world, "<=1.9 2", ERR_STATE, "builds on: 1.10");
    arena_free(world.arena);
}

static void test_graph_with_scopes(void **state)
{
    (void)state;
    World world = world_of("dag");
    revision(&world, "1", "", "frontend:1");
    revision(&world, "2", "1", "frontend:2");
    revision(&world, "3", "1", "frontend:3");
    revision(&world, "4", "2, 3", "frontend:4");
    gives(&world, "frontend:1 frontend:2 frontend:3 codeintel:1 codeintel:9", "2 3", 3);
    assert_string_equal(strlist_join(world.arena, &world.state.ignored, " "),
                        "codeintel:1 codeintel:9");
    gives(&world, "frontend:4 frontend:1 frontend:2 frontend:3", "4", 4);
    refuses(&world, "frontend:1 frontend:9", ERR_STATE, "frontend:9");
    keys(&world, &world.keys.half_done, "codeintel:9");
    gives(&world, "frontend:1", "1", 1);
    keys(&world, &world.keys.half_done, "codeintel:9 frontend:2");
    refuses(&world, "frontend:1", ERR_STATE, "in the middle of frontend:2");
    arena_free(world.arena);
}

static void test_alembic_with_other_ids(void **state)
{
    (void)state;
    World world = world_of("alembic");
    revision(&world, "a_b", "", "a b");
    revision(&world, "c", "a_b", "c");
    keys(&world, &world.present, "c");
    gives(&world, "c", "c", 2);
    strlist_add(world.arena, &world.keys.applied, "a b");
    RevisionMap *map;
    StrList spaced = {0};
    strlist_add(world.arena, &spaced, "a b");
    world.keys.applied = spaced;
    assert_int_equal(graph_build(world.arena, world.scripts, world.count, &map, &world.err),
                     ERR_OK);
    assert_int_equal(applied_rows(world.arena, world.tool, map, &world.keys, &spaced, false,
                                  &world.state, &world.err),
                     ERR_OK);
    assert_string_equal(strlist_join(world.arena, &world.state.rows, " "), "a_b");
    arena_free(world.arena);
}

static void test_nothing_imported(void **state)
{
    (void)state;
    World world = world_of("goose");
    revision(&world, "0001", "", "");
    refuses(&world, "1", ERR_NOT_FOUND, "no revision of this project was imported from goose");
    arena_free(world.arena);
}

static void test_statements(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    const ImportTool *tool = import_tool("dbmate");
    const char *sql;
    Error err;
    assert_int_equal(applied_statement(arena, tool, tool->applied_sql, "app.Versions", &sql, &err),
                     ERR_OK);
    assert_string_equal(sql, "SELECT version::text FROM \"app\".\"Versions\"");
    assert_int_equal(applied_statement(arena, tool, tool->applied_sql, NULL, &sql, &err), ERR_OK);
    assert_string_equal(sql, "SELECT version::text FROM schema_migrations");
    static const char *const wrong[] = {"", "a b", "a'b", "a.b.c", ".a", "a.", "a\"b", "a;b"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(applied_statement(arena, tool, "x", wrong[i], &sql, &err), ERR_USAGE);
    /* Each tool that keeps a table says its name as its statements have it. */
    for (const ImportTool *const *at = import_tools(); *at != NULL; at++) {
        if ((*at)->applied_sql == NULL)
            continue;
        assert_non_null(strstr((*at)->applied_sql, (*at)->table));
        assert_non_null(strstr((*at)->table_exists_sql, (*at)->table));
    }
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_what_the_shard_says_already),
        cmocka_unit_test(test_newest_only),
        cmocka_unit_test(test_all_up_to),
        cmocka_unit_test(test_graph_with_scopes),
        cmocka_unit_test(test_alembic_with_other_ids),
        cmocka_unit_test(test_nothing_imported),
        cmocka_unit_test(test_statements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
