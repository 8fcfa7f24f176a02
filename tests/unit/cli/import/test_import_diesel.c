#include "import_folder.h"

static Import take(Folder *folder)
{
    return take_as("diesel", folder);
}

static void test_nothing_there(void **state)
{
    check_nothing_there("diesel", *state);
}

static void test_directories(void **state)
{
    Folder *folder = *state;
    put(folder, "migrations/2024-01-02-000000_add_b-c/up.sql", "SELECT 1;");
    put(folder, "migrations/2024-01-02-000000_add_b-c/down.sql", "SELECT 2;");
    put(folder, "migrations/2024-01-02-000000_add_b-c/metadata.toml",
        "# said\nrun_in_transaction = false\n");
    put(folder, "migrations/00000000000000_initial/up.sql", "SELECT 0;");
    put(folder, "migrations/00000000000000_initial/metadata.toml", "run_in_transaction = true\n");
    put(folder, "migrations/2024-01-03-000000_nothing/down.sql", "SELECT 2;");
    put(folder, "migrations/.keep", "");
    assert_true(import_tool("diesel")->recognise(folder->arena, folder->path));
    Import import = take(folder);
    assert_int_equal(import.count, 2);
    const ImportedRevision *first = item_at(&import, 0);
    assert_string_equal(first->id, "00000000000000");
    assert_string_equal(first->message, "initial");
    assert_null(first->down);
    assert_false(first->no_transaction);
    const ImportedRevision *second = item_at(&import, 1);
    assert_string_equal(second->id, "20240102000000");
    assert_string_equal(second->origin_key, "20240102000000");
    assert_string_equal(second->message, "add b c");
    assert_string_equal(second->created, "2024-01-02 00:00:00 UTC");
    assert_string_equal(second->down, "SELECT 2;");
    assert_true(second->no_transaction && second->down_no_transaction);
    assert_int_equal(problems(&import), 1);
    assert_true(str_ends_with(note_with(&import, "has no up.sql")->file, "_nothing"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_there, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_directories, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
