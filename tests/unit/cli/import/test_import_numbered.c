#include "import_folder.h"

static Import take(Folder *folder)
{
    return take_as("numbered", folder);
}

static void test_nothing_there(void **state)
{
    check_nothing_there("numbered", *state);
}

static void test_natural_order(void **state)
{
    Folder *folder = *state;
    put(folder, "10-last.sql", "SELECT 10;");
    put(folder, "2_b10.sql", "SELECT 22;");
    put(folder, "002_b9.sql", "SELECT 21;");
    put(folder, "V1.SQL", "SELECT 1;");
    put(folder, "3.up.sql", "SELECT 3;");
    put(folder, "3.down.sql", "SELECT -3;");
    put(folder, "10-last-undo.sql", "SELECT -10;");
    put(folder, "2_b10_rollback.sql", "-- no-transaction\nSELECT -22;");
    put(folder, "seed.sql", "SELECT 0;");
    put(folder, "4x.sql", "SELECT 0;");
    assert_true(import_tool("numbered")->recognise(folder->arena, folder->path));
    Import import = take(folder);
    static const char *const ids[] = {"V1", "002_b9", "2_b10", "3", "10_last"};
    assert_int_equal(import.count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(item_at(&import, i)->id, ids[i]);
    assert_string_equal(item_at(&import, 2)->down, "-- no-transaction\nSELECT -22;");
    assert_true(item_at(&import, 2)->down_no_transaction);
    assert_false(item_at(&import, 2)->no_transaction);
    assert_string_equal(item_at(&import, 3)->up, "SELECT 3;");
    assert_string_equal(item_at(&import, 3)->down, "SELECT -3;");
    assert_string_equal(item_at(&import, 4)->origin_key, "10-last");
    assert_string_equal(item_at(&import, 4)->down, "SELECT -10;");
    assert_int_equal(problems(&import), 0);
    assert_int_equal(import.note_count, 2); /* seed.sql, 4x.sql */
}

static void test_undo_of_nothing(void **state)
{
    Folder *folder = *state;
    put(folder, "1_a.sql", "SELECT 1;");
    put(folder, "1_a.up.sql", "SELECT 1;");
    put(folder, "2_b_undo.sql", "SELECT 2;");
    Import import = take(folder);
    assert_int_equal(import.count, 0);
    assert_int_equal(problems(&import), 2);
    note_with(&import, "does the same as");
    note_with(&import, "would undo");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_there, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_natural_order, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_undo_of_nothing, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
