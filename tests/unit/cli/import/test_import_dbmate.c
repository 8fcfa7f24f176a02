#include "import_folder.h"

static Import take(Folder *folder)
{
    return take_as("dbmate", folder);
}

static void test_nothing_there(void **state)
{
    check_nothing_there("dbmate", *state);
}

static void test_blocks(void **state)
{
    Folder *folder = *state;
    put(folder, "db/migrations/20240101000000_a_b.sql",
        "-- a remark\n-- migrate:up\nSELECT 1;\n\n-- migrate:down transaction:false\nSELECT 2;\n");
    put(folder, "db/migrations/20240102000000_c.sql", "--migrate:up  transaction:false\nVACUUM;\n");
    put(folder, "db/migrations/readme.sql", "no version");
    assert_true(import_tool("dbmate")->recognise(folder->arena, folder->path));
    Import import = take(folder);
    assert_int_equal(import.count, 2);
    assert_int_equal(import.note_count, 0);
    const ImportedRevision *first = item_at(&import, 0);
    assert_string_equal(first->id, "20240101000000");
    assert_string_equal(first->origin_key, "20240101000000");
    assert_string_equal(first->message, "a b");
    assert_string_equal(first->created, "2024-01-01 00:00:00 UTC");
    assert_string_equal(first->up, "SELECT 1;\n\n");
    assert_int_equal(first->up_line, 3);
    assert_string_equal(first->down, "SELECT 2;\n");
    assert_int_equal(first->down_line, 6);
    assert_false(first->no_transaction);
    assert_true(first->down_no_transaction);
    assert_true(item_at(&import, 1)->no_transaction);
    assert_null(item_at(&import, 1)->down);
}

static void test_wrong_files(void **state)
{
    Folder *folder = *state;
    put(folder, "1_good.sql", "-- migrate:up\nSELECT 1;\n-- migrate:down\n");
    put(folder, "2_before.sql", "SELECT 1;\n-- migrate:up\n");
    put(folder, "3_order.sql", "-- migrate:down\n-- migrate:up\n");
    put(folder, "4_none.sql", "-- migrate:upp\n");
    Import import = take(folder);
    assert_int_equal(import.count, 1);
    assert_string_equal(item_at(&import, 0)->down, "");
    assert_int_equal(note_with(&import, "SQL before")->line, 1);
    assert_int_equal(note_with(&import, "before 'migrate:up'")->line, 1);
    note_with(&import, "no '-- migrate:up'");
    assert_int_equal(problems(&import), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_there, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_blocks, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_wrong_files, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
