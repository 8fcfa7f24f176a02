#include "import_folder.h"

#include "import_sql.h"

typedef struct Tidied {
    Import import;
    ImportedRevision *item;
    bool ok;
} Tidied;

static Tidied tidied(Folder *folder, const char *up, const char *down, bool no_transaction)
{
    Tidied out = {.import = importing(folder, "")};
    ImportedRevision *item = import_add(&out.import);
    item->file = "x.sql";
    item->up = up;
    item->down = down;
    item->no_transaction = item->down_no_transaction = no_transaction;
    out.ok = import_tidy(&out.import, item);
    out.item = item;
    return out;
}

/* One transaction, with this text. */
static void stays_one(Folder *folder, const char *sql, const char *expected)
{
    Tidied got = tidied(folder, sql, NULL, false);
    assert_true(got.ok);
    assert_string_equal(got.item->up, expected);
    assert_false(got.item->no_transaction);
}

static void becomes_units(Folder *folder, const char *sql, const char *expected)
{
    Tidied got = tidied(folder, sql, NULL, false);
    assert_true(got.ok);
    assert_string_equal(got.item->up, expected);
    assert_true(got.item->no_transaction);
}

static void is_problem(Folder *folder, const char *sql, int line, const char *text)
{
    Tidied got = tidied(folder, sql, NULL, false);
    assert_false(got.ok);
    const ImportNote *note = note_with(&got.import, text);
    assert_true(note->problem);
    assert_int_equal(note->line, line);
    assert_string_equal(note->file, "x.sql");
}

static void test_what_needs_nothing_stays(void **state)
{
    Folder *folder = *state;
    static const char sql[] = "-- a remark; BEGIN;\nCREATE TABLE a (t text DEFAULT 'COMMIT;');\n"
                              "DO $$ BEGIN PERFORM 1; END $$;\nSELECT 1 -- no semicolon";
    Tidied got = tidied(folder, sql, "", false);
    assert_true(got.ok);
    assert_string_equal(got.item->up, sql);
    assert_string_equal(got.item->down, "");
    assert_int_equal(got.import.note_count, 0);
    assert_false(got.item->no_transaction);
}

static void test_outer_pair_goes(void **state)
{
    Folder *folder = *state;
    stays_one(folder, "BEGIN;\nSELECT 1;\nCOMMIT;\n", "SELECT 1;\n");
    stays_one(folder, "/* one */ START TRANSACTION;\n  SELECT 1;\n  END; -- over\n",
              "/* one */ \n  SELECT 1;\n  -- over\n");
    stays_one(folder, "SET lock_timeout = 0;\nBEGIN WORK; SELECT 1; COMMIT WORK;\nSELECT 2;",
              "SET lock_timeout = 0;\nSELECT 1; \nSELECT 2;");
    stays_one(folder, "SELECT 1;\nCOMMIT;", "SELECT 1;\n");
    Tidied got =
        tidied(folder, "begin isolation level serializable;\nSELECT 1;\ncommit;\n", NULL, false);
    assert_string_equal(got.item->up, "SELECT 1;\n");
    assert_int_equal(note_with(&got.import, "modes of BEGIN")->line, 1);
    assert_int_equal(note_with(&got.import, "one transaction")->line, 1);
}

static void test_several_transactions_are_blocks(void **state)
{
    Folder *folder = *state;
    becomes_units(folder, "BEGIN;\nSELECT 1;\nSELECT 2;\nCOMMIT;\nBEGIN;\nSELECT 3;\nCOMMIT;\n",
                  "BEGIN;\nSELECT 1;\nSELECT 2;\nCOMMIT;\nSELECT 3;\n");
    Tidied got =
        tidied(folder, "SELECT 1;\nSELECT 2;\n", "BEGIN;\nSELECT 3;\nCOMMIT;\nSELECT 4;\n", true);
    assert_string_equal(got.item->up, "SELECT 1;\nSELECT 2;\n");
    assert_string_equal(got.item->down, "SELECT 3;\nSELECT 4;\n");
    assert_true(got.item->no_transaction);
    got = tidied(folder, "BEGIN;\nSELECT 1;\nCOMMIT;\n", NULL, true);
    assert_false(got.item->no_transaction); /* nothing is outside of it */
}

static void test_what_takes_back_is_a_problem(void **state)
{
    Folder *folder = *state;
    is_problem(folder, "SELECT 1;\n\nROLLBACK;\n", 3, "takes back");
    is_problem(folder, "SAVEPOINT a;\nSELECT 1;\nROLLBACK TO a;\n", 3, "takes back");
    is_problem(folder, "PREPARE TRANSACTION 'x';", 1, "PREPARE TRANSACTION");
    stays_one(folder, "SAVEPOINT a;\nSELECT 1;\nRELEASE a;\n", "SELECT 1;\n");
}

static void test_what_needs_no_transaction(void **state)
{
    Folder *folder = *state;
    becomes_units(folder, "CREATE INDEX CONCURRENTLY i ON t (a);\n",
                  "CREATE INDEX CONCURRENTLY i ON t (a);\n");
    becomes_units(folder,
                  "SET statement_timeout = 0;\nSELECT 1; SELECT 2;\nVACUUM t;\nSELECT 3; SELECT 4",
                  "SET statement_timeout = 0;\nBEGIN;\nSELECT 1; SELECT 2;\nCOMMIT;\n"
                  "-- +rerunnable\nVACUUM t;\nBEGIN;\nSELECT 3; SELECT 4;\nCOMMIT;");
    becomes_units(folder, "SELECT 1; REINDEX SCHEMA s;",
                  "SELECT 1; \n-- +rerunnable\nREINDEX SCHEMA s;");
    becomes_units(folder, "DO $$ BEGIN UPDATE t SET a = 1; COMMIT; END $$;",
                  "-- +rerunnable\nDO $$ BEGIN UPDATE t SET a = 1; COMMIT; END $$;");
    stays_one(folder, "DISCARD ALL;\nSELECT 1;\n", "SELECT 1;\n");
    is_problem(folder, "SELECT 1;\nCREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p;", 2,
               "subscription");
    becomes_units(folder, "VACUUM t;\nSELECT 1;\nSELECT 2 -- two;",
                  "-- +rerunnable\nVACUUM t;\nBEGIN;\nSELECT 1;\nSELECT 2 -- two;\n;\nCOMMIT;");
    Tidied got = tidied(folder, "CREATE INDEX CONCURRENTLY i ON t (a);",
                        "DROP TABLE a;\nDROP TABLE b;\n", false);
    assert_string_equal(got.item->down, "BEGIN;\nDROP TABLE a;\nDROP TABLE b;\nCOMMIT;\n");
}

static void test_new_enum_values(void **state)
{
    Folder *folder = *state;
    becomes_units(folder,
                  "ALTER TYPE m ADD VALUE IF NOT EXISTS 'x' BEFORE 'a';\nSELECT 1;\n"
                  "INSERT INTO t VALUES ('x');\nSELECT 2;\n",
                  "BEGIN;\nALTER TYPE m ADD VALUE IF NOT EXISTS 'x' BEFORE 'a';\nSELECT 1;\n"
                  "COMMIT;\nBEGIN;\nINSERT INTO t VALUES ('x');\nSELECT 2;\nCOMMIT;\n");
    becomes_units(folder, "BEGIN;\nALTER TYPE m ADD VALUE 'x';\nCOMMIT;\nSELECT 'x'::m;\n",
                  "ALTER TYPE m ADD VALUE 'x';\nSELECT 'x'::m;\n");
    stays_one(folder, "ALTER TYPE m ADD VALUE 'x';\nSELECT 'a'::m;\n",
              "ALTER TYPE m ADD VALUE 'x';\nSELECT 'a'::m;\n");
    static const char made[] = "CREATE TYPE \"s\".m AS ENUM ('a');\nALTER TYPE m ADD VALUE 'x';\n"
                               "SELECT 'x'::m;\n";
    stays_one(folder, made, made);
}

static void test_psql_commands(void **state)
{
    Folder *folder = *state;
    Tidied got = tidied(folder, "\\set ON_ERROR_STOP on\n\\echo it's here\nSELECT 1;\n\\timing\n",
                        NULL, false);
    assert_true(got.ok);
    assert_string_equal(got.item->up, "SELECT 1;\n");
    assert_int_equal(note_with(&got.import, "psql commands")->line, 1);
    stays_one(folder, "SELECT 1;\n\\q\n\n", "SELECT 1;\n\n");
    is_problem(folder, "\\q\nSELECT 1;\n", 1, "\\q");
    is_problem(folder, "SELECT 1;\n\\i other.sql\n", 2, "includes another file");
    is_problem(folder, "\\set n 5\nSELECT :n;", 1, "psql variable");
    is_problem(folder, "\\copy t FROM 'x'\n", 1, "COPY ... FROM STDIN");
    is_problem(folder, "SELECT 1 \\gexec\n", 1, "psql command");
    is_problem(folder, "\n\\c other\n", 2, "another database");
    is_problem(folder, "SELECT 1;\nSELECT 'open;\n", 2, "not closed");
}

static void test_what_looks_like_ours(void **state)
{
    Folder *folder = *state;
    stays_one(folder, "-- +upgrade\n-- revision: x\nSELECT '\n-- +downgrade\n';\n--  +rerunnable\n",
              " -- +upgrade\n-- revision: x\nSELECT '\n-- +downgrade\n';\n --  +rerunnable\n");
    static const char rows[] = "COPY t FROM stdin;\n-- +upgrade\n\\.\nSELECT 1;\n";
    stays_one(folder, rows, rows);
}

static void test_rows_of_copy_are_in_a_block(void **state)
{
    Folder *folder = *state;
    becomes_units(
        folder, "SELECT 1;\nCOPY t FROM stdin;\n1\n\\.\nVACUUM t;\n",
        "BEGIN;\nSELECT 1;\nCOPY t FROM stdin;\n1\n\\.\nCOMMIT;\n-- +rerunnable\nVACUUM t;\n");
}

static void test_verify_only_looks(void **state)
{
    Folder *folder = *state;
    Import import = importing(folder, "");
    ImportedRevision *item = import_add(&import);
    item->verify = "BEGIN;\nSELECT 1 FROM a;\nROLLBACK;\n";
    assert_true(import_tidy(&import, item));
    assert_string_equal(item->verify, "SELECT 1 FROM a;\n");
    assert_int_equal(import.note_count, 0);
    item->verify = "VACUUM a;";
    assert_true(import_tidy(&import, item));
    assert_null(item->verify);
    assert_false(note_with(&import, "verify script")->problem);
}

/* What it looks at must be committed first, when it is a new value of an enum. */
static void test_verify_of_an_enum(void **state)
{
    Folder *folder = *state;
    Import import = importing(folder, "");
    ImportedRevision *item = import_add(&import);
    item->up = "BEGIN;\nALTER TYPE mood ADD VALUE 'glad';\nCOMMIT;\n";
    item->verify = "SELECT 'glad'::mood;";
    assert_true(import_tidy(&import, item));
    assert_true(item->no_transaction);
    assert_string_equal(item->verify, "SELECT 'glad'::mood;");
    assert_non_null(note_with(&import, "which its verify script may need"));
    item->no_transaction = false;
    item->up = "CREATE TYPE mood AS ENUM ();\nALTER TYPE mood ADD VALUE 'glad';\n";
    assert_true(import_tidy(&import, item));
    assert_false(item->no_transaction);
}

static void test_lines_are_those_of_the_file(void **state)
{
    Folder *folder = *state;
    Import import = importing(folder, "");
    ImportedRevision *item = import_add(&import);
    item->file = "up.sql";
    item->up = "SELECT 1;\n";
    item->up_line = 5;
    item->down = "SELECT 2;\nROLLBACK;";
    item->down_file = "down.sql";
    item->down_line = 40;
    assert_false(import_tidy(&import, item));
    const ImportNote *note = note_with(&import, "takes back");
    assert_string_equal(note->file, "down.sql");
    assert_int_equal(note->line, 41);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_needs_nothing_stays, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_outer_pair_goes, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_several_transactions_are_blocks, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(test_what_takes_back_is_a_problem, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(test_what_needs_no_transaction, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_new_enum_values, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_psql_commands, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_what_looks_like_ours, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_rows_of_copy_are_in_a_block, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(test_verify_only_looks, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_verify_of_an_enum, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_lines_are_those_of_the_file, folder_make,
                                        folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
