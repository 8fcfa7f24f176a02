#include "import_folder.h"

static ErrCode take(Import *import, Error *err)
{
    return import_tool("sqitch")->read(import, err);
}

static void script(Folder *folder, const char *name)
{
    static const char *const kinds[] = {"deploy", "revert", "verify"};
    for (size_t i = 0; i < 3; i++)
        put(folder, arena_printf(folder->arena, "%s/%s.sql", kinds[i], name),
            arena_printf(folder->arena, "%s %s;", kinds[i], name));
}

static const char *joined(Folder *folder, const StrList *list)
{
    return strlist_join(folder->arena, list, ",");
}

static const char plan[] = "%syntax-version=1.0.0\n"
                           "%project=flipr\n"
                           "%uri=https://example.com/flipr\n"
                           "\n"
                           "# a remark\n"
                           "appschema 2012-07-16T17:25:07Z Ann <a@example.com> # Adds the schema\n"
                           "users [appschema] 2012-07-16T17:26:07Z Ann <a@example.com>\n"
                           "@v1.0-dev 2012-07-17T00:00:00Z Ann <a@example.com> # a tag\n"
                           "@beta 2012-07-17T00:00:01Z Ann <a@example.com>\n"
                           "lists/all [users@beta other:thing !old-lists] 2012-07-18T00:00:00Z Bo "
                           "<b@example.com> # two\\nlines\n"
                           "@users 2012-07-19T00:00:00Z Bo <b@example.com>\n"
                           "+ users [users@beta] 2012-07-20T00:00:00Z Bo <b@example.com> # again\n";

static void test_plan(void **state)
{
    Folder *folder = *state;
    Error err;
    put(folder, "sqitch.plan", plan);
    script(folder, "appschema");
    script(folder, "users@beta");
    script(folder, "users");
    put(folder, "deploy/lists/all.sql", "deploy lists;");
    Import import = importing(folder, folder->path);
    assert_int_equal(take(&import, &err), ERR_OK);
    assert_int_equal(import.count, 4);
    static const char *const ids[] = {"appschema", "users", "lists_all", "users_2"};
    static const char *const keys[] = {"flipr:appschema", "flipr:users", "flipr:lists/all",
                                       "flipr:users#2"};
    static const char *const messages[] = {"Adds the schema", "users", "two lines", "again"};
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(item_at(&import, i)->id, ids[i]);
        assert_string_equal(item_at(&import, i)->origin_key, keys[i]);
        assert_string_equal(item_at(&import, i)->message, messages[i]);
        assert_int_equal(item_at(&import, i)->depends_on.count, 0);
    }
    assert_string_equal(item_at(&import, 0)->created, "2012-07-16 17:25:07 UTC");
    assert_string_equal(item_at(&import, 1)->up, "deploy users@beta;");
    assert_string_equal(item_at(&import, 1)->down, "revert users@beta;");
    assert_string_equal(item_at(&import, 1)->verify, "verify users@beta;");
    assert_string_equal(joined(folder, &item_at(&import, 1)->labels), "v1.0_dev,beta");
    assert_string_equal(item_at(&import, 3)->up, "deploy users;");
    assert_string_equal(item_at(&import, 3)->down_file, in(folder, "revert/users.sql"));
    assert_null(item_at(&import, 2)->down);
    assert_null(item_at(&import, 2)->verify);
    assert_string_equal(item_at(&import, 2)->irreversible, "it has no revert script");
    assert_int_equal(problems(&import), 0);
    assert_int_equal(note_with(&import, "requires other:thing of another project")->line, 10);
    assert_int_equal(note_with(&import, "conflicts with old-lists")->line, 10);
    assert_non_null(note_with(&import, "the tag @users can't be a label"));
}

static void test_reworked_without_its_file(void **state)
{
    Folder *folder = *state;
    Error err;
    put(folder, "sqitch.plan", plan);
    script(folder, "appschema");
    script(folder, "users");
    script(folder, "lists/all");
    Import import = importing(folder, folder->path);
    assert_int_equal(take(&import, &err), ERR_OK);
    assert_int_equal(import.count, 3);
    const ImportNote *note = note_with(&import, "the change 'users' has no deploy script");
    assert_true(note->problem);
    assert_int_equal(note->line, 7);
}

static void test_settings(void **state)
{
    Folder *folder = *state;
    Error err;
    put(folder, "sqitch.conf",
        "[core]\n\tengine = sqlite ; not ours\n\ttop_dir = ignored\n\textension = \"pg\"\n"
        "[engine \"pg\"]\n\ttop_dir = db\n"
        "# [engine \"pg\"]\n\trevert_dir = undo\n"
        "[deploy \"variables\"]\n\tschema = app\n\tname = \"a, b\"\n\tunused = 1\n");
    put(folder, "db/sqitch.plan",
        "%project=p\n\nbase 2020-01-01T00:00:00Z A B <a@b.c>\n@head\none 2020-01-01T00:00:00Z A B "
        "<a@b.c>\r\n"
        "two 2020-01-01T00:00:00Z A B <a@b.c>\r\n");
    put(folder, "db/deploy/base.pg", "SELECT 1;");
    put(folder, "db/deploy/one.pg", "CREATE TABLE :\"schema\".a (b int DEFAULT '1'::int);");
    put(folder, "db/deploy/two.pg", "SELECT :'name', unused::text, :unusedtoo;");
    put(folder, "undo/one.pg", "DROP TABLE :schema.a;");
    Import import = importing(folder, folder->path);
    assert_int_equal(take(&import, &err), ERR_OK);
    assert_int_equal(import.count, 3);
    assert_string_equal(item_at(&import, 0)->id, "base_1"); /* no id: it has a meaning here */
    assert_string_equal(item_at(&import, 0)->origin_key, "p:base");
    assert_int_equal(item_at(&import, 0)->labels.count, 0);
    assert_string_equal(item_at(&import, 1)->file, in(folder, "db/deploy/one.pg"));
    assert_string_equal(item_at(&import, 1)->down_file, in(folder, "undo/one.pg"));
    assert_string_equal(joined(folder, &item_at(&import, 1)->placeholders), "schema=app");
    assert_string_equal(joined(folder, &item_at(&import, 2)->placeholders), "name");
    assert_non_null(note_with(&import, "names the engine sqlite"));
    assert_non_null(note_with(&import, "its value must be given"));

    import = importing(folder, folder->path);
    strlist_add(folder->arena, &import.options, "variable=unusedtoo=x");
    assert_int_equal(take(&import, &err), ERR_OK);
    assert_string_equal(joined(folder, &item_at(&import, 2)->placeholders), "name,unusedtoo=x");

    put(folder, "sqitch.conf", "[core]\n[engine \"pg\"\n");
    import = importing(folder, folder->path);
    assert_int_equal(take(&import, &err), ERR_CONFIG);
    assert_int_equal(err.line, 2);
}

static void test_what_is_no_plan(void **state)
{
    Folder *folder = *state;
    static const struct {
        const char *text;
        int line;
    } plans[] = {
        {"%project=p\none\n", 2},
        {"%project=p\none 2020-01-01 00:00:00 A <a@b.c>\n", 2},
        {"%project=p\none [two 2020-01-01T00:00:00Z A <a@b.c>\n", 2},
        {"%project=p\n@tag 2020-01-01T00:00:00Z A <a@b.c>\n", 2},
        {"%project=p\n\n- one 2020-01-01T00:00:00Z A <a@b.c>\n", 3},
        {"one 2020-01-01T00:00:00Z A <a@b.c>\n", 1},
    };
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        Error err;
        put(folder, "sqitch.plan", plans[i].text);
        Import import = importing(folder, folder->path);
        assert_int_equal(take(&import, &err), ERR_CONFIG);
        assert_int_equal(err.line, plans[i].line);
        assert_string_equal(err.file, in(folder, "sqitch.plan"));
    }
    Error err;
    put(folder, "empty/readme", "");
    Import import = importing(folder, in(folder, "empty"));
    assert_int_equal(take(&import, &err), ERR_NOT_FOUND);
    assert_false(import_tool("sqitch")->recognise(folder->arena, in(folder, "empty")));
    assert_true(import_tool("sqitch")->recognise(folder->arena, folder->path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_plan, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_reworked_without_its_file, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_settings, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_what_is_no_plan, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
