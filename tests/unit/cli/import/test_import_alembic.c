#include "import_folder.h"

/* The interpreter is a shell script that answers with these lines, and says on stderr how it was
 * called; the real one is in tests/integration/single/test_import_alembic.sh. */
static void interpreter(Folder *folder, const char *answers, const char *tail)
{
    put(folder, "answers", answers);
    put(folder, "python",
        arena_printf(folder->arena, "#!/bin/sh\nshift 3\necho \"$PWD: $*\" >&2\ncat %s\n%s\n",
                     in(folder, "answers"), tail));
    assert_int_equal(chmod(in(folder, "python"), 0755), 0);
    put(folder, "project/alembic.ini", "[alembic]\nscript_location = alembic\n");
}

static Import reading(Folder *folder, const char *option)
{
    Import import = importing(folder, in(folder, "project"));
    strlist_add(folder->arena, &import.options,
                arena_printf(folder->arena, "python=%s", in(folder, "python")));
    if (option != NULL)
        strlist_add(folder->arena, &import.options, option);
    return import;
}

static ErrCode take(Import *import, Error *err)
{
    return import_tool("alembic")->read(import, err);
}

#define REVISION(id, down, depends, labels, up, down_sql)                                          \
    "{\"revision\": {\"id\": \"" id "\", \"file\": \"alembic/versions/" id                         \
    ".py\", \"down_revisions\": [" down "], \"depends_on\": [" depends "], \"labels\": [" labels   \
    "], \"message\": \"the " id "\", \"remarks\": \"\", \"created\": \"2024-01-02\", "             \
    "\"asks_offline\": false, \"up\": " up ", \"down\": " down_sql "}}\n"
#define SQL(text) "{\"sql\": \"" text "\", \"commits\": false, \"error\": null}"
#define COMMITS(text) "{\"sql\": \"" text "\", \"commits\": true, \"error\": null}"
#define FAILS(text, database, on_purpose)                                                          \
    "{\"sql\": \"" text "\", \"commits\": false, \"error\": {\"message\": \"why it's so\", "       \
    "\"line\": 12, \"database\": " database ", \"on_purpose\": " on_purpose "}}"
#define END                                                                                        \
    "{\"end\": {\"revisions\": 1, \"version_table\": \"\", \"version_table_schema\": \"\", "       \
    "\"dialect\": \"postgresql\", \"runs\": [\"\"]}}\n"

static void test_revisions(void **state)
{
    Folder *folder = *state;
    interpreter(
        folder,
        REVISION("aa11", "", "", "\"main\"", SQL("CREATE TABLE a (id int);"), SQL("DROP TABLE a;"))
            REVISION("bb22", "\"aa11\"", "", "", COMMITS("VACUUM;"), SQL(""))
                REVISION("cc33", "\"aa11\"", "\"bb2\", \"main\"", "", SQL("SELECT 1;"),
                         COMMITS("VACUUM;")) END,
        "");
    Import import = reading(folder, NULL);
    Error err;
    assert_int_equal(take(&import, &err), ERR_OK);
    assert_int_equal(import.count, 3);
    assert_int_equal(import.note_count, 0);
    const ImportedRevision *first = item_at(&import, 0);
    assert_string_equal(first->id, "aa11");
    assert_string_equal(first->origin_key, "aa11");
    assert_string_equal(first->file, in(folder, "project/alembic/versions/aa11.py"));
    assert_string_equal(first->message, "the aa11");
    assert_string_equal(first->created, "2024-01-02");
    assert_string_equal(first->up, "CREATE TABLE a (id int);");
    assert_string_equal(first->down, "DROP TABLE a;");
    assert_int_equal(first->parents.count, 0);
    assert_true(strlist_has(&first->labels, "main"));
    const ImportedRevision *second = item_at(&import, 1);
    assert_string_equal(strlist_join(folder->arena, &second->parents, ","), "aa11");
    assert_true(second->no_transaction);
    assert_false(second->down_no_transaction);
    assert_string_equal(second->down, "");
    const ImportedRevision *third = item_at(&import, 2);
    assert_string_equal(strlist_join(folder->arena, &third->depends_on, ","), "bb22,main");
    assert_false(third->no_transaction);
    assert_true(third->down_no_transaction);
}

static void test_what_was_not_rendered_fails(void **state)
{
    Folder *folder = *state;
    interpreter(folder,
                REVISION("aa11", "", "", "", FAILS("SELECT 1;\\n+upgrade", "true", "false"),
                         FAILS("", "true", "false")) REVISION("bb22", "\"aa11\"", "", "", SQL(""),
                                                              FAILS("", "false", "true"))
                    REVISION("cc33", "\"bb22\"", "", "", SQL(""), FAILS("", "false", "false")) END,
                "");
    Import import = reading(folder, NULL);
    Error err;
    assert_int_equal(take(&import, &err), ERR_OK);
    const ImportedRevision *first = item_at(&import, 0);
    assert_non_null(strstr(first->up, "RAISE EXCEPTION"));
    assert_non_null(strstr(first->up, "aa11.py:12 could not be rendered"));
    assert_non_null(strstr(first->up, "'why it''s so'"));
    assert_non_null(strstr(first->up, "-- SELECT 1;\n-- | +upgrade\n"));
    assert_null(first->down);
    assert_string_equal(first->irreversible, "why it's so");
    assert_int_equal(problems(&import), 2);
    assert_int_equal(note_with(&import, "upgrade() was not rendered")->line, 12);
    assert_int_equal(note_with(&import, "downgrade() was not rendered")->line, 12);
    /* A downgrade that refuses is the author's word; one that fails by itself is worth a note. */
    assert_string_equal(item_at(&import, 1)->irreversible, "why it's so");
    const ImportNote *note = note_with(&import, "downgrade() fails by itself");
    assert_string_equal(note->file, item_at(&import, 2)->file);
    assert_false(note->problem);
}

static void test_ids_that_are_not_legal_here(void **state)
{
    Folder *folder = *state;
    interpreter(folder,
                REVISION("a b", "", "", "\"two words\"", SQL(""), SQL(""))
                    REVISION("a_b", "\"a b\"", "", "", SQL(""), SQL(""))
                        REVISION("head", "\"a_b\"", "\"a b\"", "", SQL(""), SQL("")) END,
                "");
    Import import = reading(folder, NULL);
    Error err;
    assert_int_equal(take(&import, &err), ERR_OK);
    assert_string_equal(item_at(&import, 2)->id, "head_2");
    assert_string_equal(item_at(&import, 0)->id, "a_b_2");
    assert_string_equal(item_at(&import, 0)->origin_key, "a b");
    assert_true(strlist_has(&item_at(&import, 0)->labels, "two_words"));
    assert_string_equal(item_at(&import, 1)->id, "a_b");
    assert_string_equal(item_at(&import, 1)->parents.items[0], "a_b_2");
    assert_string_equal(item_at(&import, 2)->parents.items[0], "a_b");
    assert_string_equal(item_at(&import, 2)->depends_on.items[0], "a_b_2");
    assert_non_null(note_with(&import, "is called a_b_2 here"));
    assert_non_null(note_with(&import, "is called two_words here"));
}

static void test_remarks_and_what_env_says(void **state)
{
    Folder *folder = *state;
    interpreter(folder,
                "{\"revision\": {\"id\": \"aa11\", \"file\": \"a.py\", \"down_revisions\": [], "
                "\"depends_on\": [], \"labels\": [], \"message\": \"m\", \"remarks\": \"why\\n"
                "+upgrade of it\", \"created\": \"\", \"asks_offline\": true, "
                "\"up\": " SQL("SELECT 1;") ", \"down\": " SQL(
                    "") "}}\n"
                        "{\"end\": {\"revisions\": 1, \"version_table\": \"versions\", "
                        "\"version_table_schema\": \"app\", \"dialect\": \"sqlite\", "
                        "\"runs\": [\"engine='one'\", \"engine='two'\"]}}\n",
                "");
    Import import = reading(folder, NULL);
    Error err;
    assert_int_equal(take(&import, &err), ERR_OK);
    assert_string_equal(item_at(&import, 0)->up, "-- why\n-- | +upgrade of it\n\nSELECT 1;");
    assert_non_null(note_with(&import, "asks whether Alembic is offline"));
    assert_non_null(note_with(&import, "`version-table: versions`"));
    assert_non_null(note_with(&import, "--schema app"));
    assert_non_null(note_with(&import, "names sqlite"));
    assert_non_null(note_with(&import, "engine='one'; engine='two'"));
    assert_int_equal(problems(&import), 0);
}

static void test_failures(void **state)
{
    Folder *folder = *state;
    Error err;
    interpreter(folder,
                "{\"failed\": {\"message\": \"no module\", \"hint\": \"Install it.\", \"file\": "
                "\"/p/env.py\", \"line\": 3}}\n",
                "exit 1");
    Import import = reading(folder, NULL);
    assert_int_equal(take(&import, &err), ERR_CONFIG);
    assert_string_equal(err.message, "no module");
    assert_string_equal(err.hint, "Install it.");
    assert_string_equal(err.file, "/p/env.py");
    assert_int_equal(err.line, 3);

    interpreter(folder, "", "echo boom >&2; exit 3");
    import = reading(folder, NULL);
    assert_int_equal(take(&import, &err), ERR_CONFIG);
    assert_true(str_ends_with(err.message, "did not render the project (exit status 3)"));
    assert_true(str_ends_with(err.detail, "boom\n"));

    interpreter(folder, "", ""); /* broke off without an end */
    import = reading(folder, NULL);
    assert_int_equal(take(&import, &err), ERR_CONFIG);

    interpreter(folder, "hello\n", "");
    import = reading(folder, NULL);
    assert_int_equal(take(&import, &err), ERR_CONFIG);
    assert_string_equal(err.message, "the interpreter answered what can't be read: hello");

    import = reading(folder, "python=/no/such/python");
    assert_int_equal(take(&import, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.hint, "--option python=PATH"));

    import = reading(folder, "env=maybe");
    assert_int_equal(take(&import, &err), ERR_USAGE);
    import = reading(folder, "run=0");
    assert_int_equal(take(&import, &err), ERR_USAGE);
}

static void test_how_it_is_called(void **state)
{
    Folder *folder = *state;
    Error err;
    interpreter(folder, "", "exit 3");
    Import import = reading(folder, "x=a=b");
    strlist_add(folder->arena, &import.options, "section=other");
    assert_int_equal(take(&import, &err), ERR_CONFIG);
    assert_string_equal(
        err.detail, arena_printf(folder->arena, "%s/project: ini=alembic.ini x=a=b section=other\n",
                                 folder->path));
    import = reading(folder, NULL);
    import.path = in(folder, "project/alembic.ini");
    assert_int_equal(take(&import, &err), ERR_CONFIG);
    assert_string_equal(err.detail,
                        arena_printf(folder->arena, "%s/project: ini=alembic.ini\n", folder->path));
}

static void test_recognise(void **state)
{
    Folder *folder = *state;
    const ImportTool *tool = import_tool("alembic");
    Error err;
    put(folder, "none/versions/a.py", "");
    put(folder, "flask/migrations/alembic.ini", "[alembic]\n");
    put(folder, "bare/env.py", "");
    put(folder, "bare/versions/a.py", "");
    put(folder, "toml/pyproject.toml", "[tool.alembic]\nscript_location = 'a'\n");
    put(folder, "other/pyproject.toml", "[tool.black]\n");
    put(folder, "some.ini", "[loggers]\n");
    put(folder, "a.ini", "[alembic]\nscript_location = a\n");
    assert_false(tool->recognise(folder->arena, in(folder, "none")));
    assert_true(tool->recognise(folder->arena, in(folder, "flask")));
    assert_true(tool->recognise(folder->arena, in(folder, "bare")));
    assert_true(tool->recognise(folder->arena, in(folder, "toml")));
    assert_false(tool->recognise(folder->arena, in(folder, "other")));
    assert_false(tool->recognise(folder->arena, in(folder, "some.ini")));
    assert_true(tool->recognise(folder->arena, in(folder, "a.ini")));
    Import import = importing(folder, in(folder, "none"));
    assert_int_equal(take(&import, &err), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_revisions, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_what_was_not_rendered_fails, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(test_ids_that_are_not_legal_here, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(test_remarks_and_what_env_says, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_failures, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_how_it_is_called, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_recognise, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
