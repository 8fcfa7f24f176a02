#include "import_folder.h"

static ErrCode take(Import *import, Error *err)
{
    return import_tool("dag")->read(import, err);
}

static void migration(Folder *folder, const char *name, const char *metadata)
{
    const char *directory = arena_printf(folder->arena, "frontend/%s", name);
    put(folder, path_join(folder->arena, directory, "up.sql"),
        arena_printf(folder->arena, "SELECT 'up %s';", name));
    put(folder, path_join(folder->arena, directory, "down.sql"),
        arena_printf(folder->arena, "SELECT 'down %s';", name));
    put(folder, path_join(folder->arena, directory, "metadata.yaml"), metadata);
}

static const char *joined(Folder *folder, const StrList *list)
{
    return strlist_join(folder->arena, list, ",");
}

static void test_graph(void **state)
{
    Folder *folder = *state;
    Error err;
    migration(folder, "1000", "name: 'first of all'\n");
    migration(folder, "1001_left_one", "parents: [1000]\nprivileged: true\n");
    migration(folder, "1002_right", "parent: 1000\ncreateIndexConcurrently: true\n");
    migration(folder, "1003_both",
              "name: both\nparents:\n- 1001\n- 1002_right\n"
              "nonIdempotent: true\n");
    put(folder, "frontend/README/readme", "");
    put(folder, "frontend/squashed.sql", "");
    assert_int_equal(unlink(in(folder, "frontend/1001_left_one/down.sql")), 0);
    Import import = importing(folder, in(folder, "frontend"));
    assert_true(import_tool("dag")->recognise(folder->arena, import.path));
    assert_false(import_tool("diesel")->recognise(folder->arena, import.path));
    assert_int_equal(take(&import, &err), ERR_OK);
    assert_int_equal(import.count, 4);
    static const char *const ids[] = {"1000", "1001", "1002", "1003"};
    static const char *const parents[] = {"", "1000", "1000", "1001,1002"};
    static const char *const messages[] = {"first of all", "left one", "right", "both"};
    for (size_t i = 0; i < 4; i++) {
        const ImportedRevision *item = item_at(&import, i);
        assert_string_equal(item->id, ids[i]);
        assert_string_equal(item->origin_key, arena_printf(folder->arena, "frontend:%s", ids[i]));
        assert_string_equal(joined(folder, &item->parents), parents[i]);
        assert_string_equal(item->message, messages[i]);
        assert_int_equal(item->no_transaction, i == 2);
    }
    assert_string_equal(item_at(&import, 3)->up, "SELECT 'up 1003_both';");
    assert_string_equal(item_at(&import, 3)->down, "SELECT 'down 1003_both';");
    assert_null(item_at(&import, 1)->down);
    assert_string_equal(note_with(&import, "is privileged")->file,
                        in(folder, "frontend/1001_left_one/metadata.yaml"));
    assert_string_equal(note_with(&import, "has no up.sql")->file, in(folder, "frontend/README"));
    assert_int_equal(problems(&import), 0);
}

static void test_problems(void **state)
{
    Folder *folder = *state;
    Error err;
    migration(folder, "1001_squashed", "parents: [1000]\n");
    migration(folder, "1002_bad", "parents: [1001\n");
    migration(folder, "1003_typo", "name: x\nparants: [1001]\n");
    migration(folder, "1004_kind", "name: x\nprivileged: maybe\n");
    Import import = importing(folder, in(folder, "frontend"));
    assert_int_equal(take(&import, &err), ERR_OK);
    assert_int_equal(import.count, 1);
    assert_int_equal(item_at(&import, 0)->parents.count, 0);
    assert_int_equal(problems(&import), 4);
    assert_non_null(note_with(&import, "its parent 1000 is not there"));
    assert_int_equal(note_with(&import, "parants")->line, 2);
    assert_int_equal(note_with(&import, "privileged")->line, 2);

    import = importing(folder, folder->path);
    assert_int_equal(take(&import, &err), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_graph, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_problems, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
