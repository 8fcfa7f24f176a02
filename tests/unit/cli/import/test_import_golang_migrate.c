#include "import_folder.h"

static Import take(Folder *folder)
{
    return take_as("golang-migrate", folder);
}

static void test_nothing_there(void **state)
{
    check_nothing_there("golang-migrate", *state);
}

static void test_versions_are_numbers(void **state)
{
    Folder *folder = *state;
    put(folder, "migrations/10_last.up.sql", "SELECT 10;");
    put(folder, "migrations/002_add_B-c.up.sql", "SELECT 2;");
    put(folder, "migrations/2_add.down.sql", "SELECT -2;");
    put(folder, "migrations/20240102030405_x.up.sql", "-- no-transaction\nSELECT 1;");
    put(folder, "migrations/notes.sql", "no version");
    put(folder, "migrations/3_x.sql", "no direction");
    assert_true(import_tool("golang-migrate")->recognise(folder->arena, folder->path));
    Import import = take(folder);
    assert_int_equal(import.count, 3);
    assert_int_equal(import.note_count, 0);
    const ImportedRevision *first = item_at(&import, 0);
    assert_string_equal(first->id, "002");
    assert_string_equal(first->origin_key, "2");
    assert_string_equal(first->message, "add B c");
    assert_string_equal(first->up, "SELECT 2;");
    assert_string_equal(first->down, "SELECT -2;");
    assert_string_equal(first->created, "");
    assert_string_equal(item_at(&import, 1)->id, "10");
    assert_null(item_at(&import, 1)->down);
    assert_string_equal(item_at(&import, 2)->created, "2024-01-02 03:04:05 UTC");
    assert_true(item_at(&import, 2)->no_transaction);
}

static void test_a_version_twice_is_left_out(void **state)
{
    Folder *folder = *state;
    put(folder, "1_a.up.sql", "SELECT 1;");
    put(folder, "01_b.up.sql", "SELECT 2;");
    put(folder, "2_c.up.sql", "SELECT 3;");
    put(folder, "99999999999999999999_d.up.sql", "SELECT 4;");
    Import import = take(folder);
    assert_int_equal(import.count, 1);
    assert_string_equal(item_at(&import, 0)->id, "2");
    assert_int_equal(problems(&import), 2);
    assert_true(note_with(&import, "a second file for version")->problem);
    assert_true(note_with(&import, "larger than")->problem);
}

static void test_down_without_up_does_nothing_up(void **state)
{
    Folder *folder = *state;
    put(folder, "1_a.up.sql", "SELECT 1;");
    put(folder, "2_b.down.sql", "SELECT 2;");
    Import import = take(folder);
    assert_int_equal(import.count, 2);
    assert_string_equal(item_at(&import, 1)->up, "");
    assert_string_equal(item_at(&import, 1)->down, "SELECT 2;");
    assert_false(note_with(&import, "has no up file")->problem);
}

static void test_bytes_of_a_file(void **state)
{
    Folder *folder = *state;
    put(folder, "1_a.up.sql", "\xEF\xBB\xBFSELECT 1;\r\nSELECT 2;\r\n");
    put(folder, "2_b.up.sql", "SELECT 1;\nSELECT '\xE9';\n");
    Import import = take(folder);
    assert_int_equal(import.count, 1);
    assert_string_equal(item_at(&import, 0)->up, "SELECT 1;\nSELECT 2;\n");
    note_with(&import, "byte order mark");
    note_with(&import, "carriage returns");
    const ImportNote *note = note_with(&import, "not UTF-8");
    assert_true(note->problem);
    assert_int_equal(note->line, 2);
    assert_true(str_ends_with(note->file, "2_b.up.sql"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_there, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_versions_are_numbers, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_a_version_twice_is_left_out, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(test_down_without_up_does_nothing_up, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(test_bytes_of_a_file, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
