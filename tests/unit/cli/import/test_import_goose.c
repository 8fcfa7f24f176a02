#include "import_folder.h"

static Import take(Folder *folder)
{
    return take_as("goose", folder);
}

static void test_nothing_there(void **state)
{
    check_nothing_there("goose", *state);
}

static void test_sections(void **state)
{
    Folder *folder = *state;
    put(folder, "00001_a_b.sql",
        "-- a remark\n\n-- +goose Up\nSELECT 1;\n\n-- +goose Down\nSELECT 2;\n");
    put(folder, "00010_c.sql", "--   +GOOSE   no transaction  \n-- +goose UP\nVACUUM;\n");
    put(folder, "20240102030405_d.sql", "-- +goose Up\n-- +goose Down\n");
    put(folder, "00002.sql", "no name");
    put(folder, "notes.sql", "no version");
    assert_true(import_tool("goose")->recognise(folder->arena, folder->path));
    Import import = take(folder);
    assert_int_equal(import.count, 3);
    assert_int_equal(import.note_count, 0);
    const ImportedRevision *first = item_at(&import, 0);
    assert_string_equal(first->id, "00001");
    assert_string_equal(first->origin_key, "1");
    assert_string_equal(first->message, "a b");
    assert_string_equal(first->up, "SELECT 1;\n\n");
    assert_int_equal(first->up_line, 4);
    assert_string_equal(first->down, "SELECT 2;\n");
    assert_int_equal(first->down_line, 7);
    assert_false(first->no_transaction);
    const ImportedRevision *second = item_at(&import, 1);
    assert_true(second->no_transaction && second->down_no_transaction);
    assert_null(second->down);
    assert_non_null(strstr(second->irreversible, "no Down section"));
    assert_string_equal(item_at(&import, 2)->down, "");
}

static void test_statement_without_semicolon(void **state)
{
    Folder *folder = *state;
    put(folder, "1_a.sql",
        "-- +goose Up\n-- +goose StatementBegin\nSELECT 1\n-- +goose StatementEnd\n"
        "-- +goose StatementBegin\nSELECT 2; -- two\n-- +goose StatementEnd\nSELECT 3;\n");
    Import import = take(folder);
    assert_string_equal(item_at(&import, 0)->up,
                        "\nSELECT 1\n;\n\nSELECT 2; -- two\n\nSELECT 3;\n");
}

static void refused(Folder *folder, const char *text, int line, const char *word)
{
    put(folder, "2_bad.sql", text);
    Import import = take(folder);
    assert_int_equal(import.count, 1);
    const ImportNote *note = note_with(&import, word);
    assert_true(note->problem);
    assert_int_equal(note->line, line);
}

static void test_wrong_annotations(void **state)
{
    Folder *folder = *state;
    put(folder, "1_good.sql", "-- +goose Up\nSELECT 1;\n");
    refused(folder, "SELECT 1;\n-- +goose Up\n", 1, "SQL before");
    refused(folder, "-- +goose Up\n-- +goose Up\n", 2, "second '-- +goose Up'");
    refused(folder, "-- +goose Down\n", 1, "does not follow");
    refused(folder, "-- +goose Up\n-- +goose StatementEnd\n", 2, "without StatementBegin");
    refused(folder, "-- +goose Up\n-- +goose StatementBegin\nSELECT 1;", 2, "has no StatementEnd");
    refused(folder, "-- +goose Up\n-- +goose Upp\n", 2, "not known");
    refused(folder, "-- nothing\n", 0, "no '-- +goose Up'");
    refused(folder, "-- +goose ENVSUB ON\n-- +goose Up\nSELECT $1, $$a$$;\nSELECT '${NAME}';\n", 4,
            "environment");
}

static void test_what_only_goose_runs(void **state)
{
    Folder *folder = *state;
    put(folder, "1_good.sql", "-- +goose Up\nSELECT 1;\n");
    put(folder, "2_code.go", "package migrations");
    put(folder, "2_code_test.go", "package migrations");
    put(folder, "01_again.sql", "-- +goose Up\nSELECT 1;\n");
    put(folder, "0_zero.sql", "-- +goose Up\nSELECT 1;\n");
    Import import = take(folder);
    assert_int_equal(import.count, 1);
    assert_int_equal(problems(&import), 3);
    assert_true(str_ends_with(note_with(&import, "written in Go")->file, "2_code.go"));
    note_with(&import, "a second file");
    note_with(&import, "version 0 is not");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_there, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_sections, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_statement_without_semicolon, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(test_wrong_annotations, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_what_only_goose_runs, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
