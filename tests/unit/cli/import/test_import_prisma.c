#include "import_folder.h"

static Import take(Folder *folder)
{
    return take_as("prisma", folder);
}

static void test_nothing_there(void **state)
{
    check_nothing_there("prisma", *state);
}

static void test_directories(void **state)
{
    Folder *folder = *state;
    put(folder, "prisma/migrations/20240102000000_add_b-c/migration.sql", "SELECT 2;");
    put(folder, "prisma/migrations/0_init/migration.sql", "SELECT 1;");
    put(folder, "prisma/migrations/20240103000000_gone/readme", "");
    put(folder, "prisma/migrations/migration_lock.toml", "# kept\nprovider = \"postgresql\"\n");
    assert_true(import_tool("prisma")->recognise(folder->arena, folder->path));
    Import import = take(folder);
    assert_int_equal(import.count, 2);
    const ImportedRevision *first = item_at(&import, 0);
    assert_string_equal(first->id, "0_init");
    assert_string_equal(first->origin_key, "0_init");
    assert_string_equal(first->message, "init");
    assert_null(first->down);
    assert_non_null(first->irreversible);
    const ImportedRevision *second = item_at(&import, 1);
    assert_string_equal(second->id, "20240102000000_add_b_c");
    assert_string_equal(second->origin_key, "20240102000000_add_b-c");
    assert_string_equal(second->created, "2024-01-02 00:00:00 UTC");
    assert_int_equal(problems(&import), 1);
    note_with(&import, "has no migration.sql");
}

static void test_other_databases(void **state)
{
    Folder *folder = *state;
    put(folder, "migrations/1_init/migration.sql", "SELECT 1;");
    put(folder, "migrations/migration_lock.toml", "provider = \"mysql\"\n");
    Import import = importing(folder, folder->path);
    Error err = {0};
    assert_int_equal(import_tool("prisma")->read(&import, &err), ERR_CONFIG);
    assert_int_equal(err.line, 1);
    assert_non_null(strstr(err.message, "mysql"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_there, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_directories, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_other_databases, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
