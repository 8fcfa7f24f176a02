#include "import_folder.h"

static ErrCode take(Import *import, Error *err)
{
    return import_tool("flyway")->read(import, err);
}

static void option(Folder *folder, Import *import, const char *text)
{
    strlist_add(folder->arena, &import->options, text);
}

static void test_order_undo_and_names(void **state)
{
    Folder *folder = *state;
    Error err;
    put(folder, "V1_10__ten.sql", "SELECT 10;");
    put(folder, "V1.2__two_words-here.sql", "SELECT 2;");
    put(folder, "V2__.sql", "SELECT 20;");
    put(folder, "nested/deep/V001__first.sql", "SELECT 1;");
    put(folder, "V20240102030405__late.sql", "SELECT 5;");
    put(folder, "U1.2__two.sql", "SELECT -2;");
    put(folder, "U7__gone.sql", "SELECT -7;");
    put(folder, "README.md", "");
    put(folder, "Vx__what.sql", "");
    put(folder, "beforeMigrate.sql", "");
    put(folder, "afterEachMigrate__log.sql", "");
    put(folder, "V3__Code.java", "");
    Import import = importing(folder, folder->path);
    assert_int_equal(take(&import, &err), ERR_OK);
    assert_int_equal(import.count, 5);
    static const char *const ids[] = {"001", "1.2", "1.10", "2", "20240102030405"};
    static const char *const keys[] = {"1", "1.2", "1.10", "2", "20240102030405"};
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(item_at(&import, i)->id, ids[i]);
        assert_string_equal(item_at(&import, i)->origin_key, keys[i]);
    }
    assert_string_equal(item_at(&import, 1)->message, "two words here");
    assert_string_equal(item_at(&import, 1)->down, "SELECT -2;");
    assert_string_equal(item_at(&import, 1)->down_file, in(folder, "U1.2__two.sql"));
    assert_null(item_at(&import, 0)->down);
    assert_string_equal(item_at(&import, 0)->irreversible, "Flyway has no undo migration for it");
    assert_string_equal(item_at(&import, 4)->created, "2024-01-02 03:04:05 UTC");
    assert_string_equal(note_with(&import, "which is not there")->file, in(folder, "U7__gone.sql"));
    assert_string_equal(note_with(&import, "none of Flyway's names")->file,
                        in(folder, "Vx__what.sql"));
    assert_int_equal(problems(&import), 1);
    assert_string_equal(note_with(&import, "in Java")->file, in(folder, "V3__Code.java"));
    size_t callbacks = 0;
    for (size_t i = 0; i < import.note_count; i++)
        callbacks += strstr(import.notes[i].text, "a callback") != NULL;
    assert_int_equal(callbacks, 2);
}

static void test_repeatables_and_baselines(void **state)
{
    Folder *folder = *state;
    Error err;
    put(folder, "sql/V1__one.sql", "SELECT 1;");
    put(folder, "sql/V3__three.sql", "SELECT 3;");
    put(folder, "sql/R__the_views.sql", "SELECT 0;");
    put(folder, "sql/B3.0__all.sql", "SELECT 123;");
    put(folder, "sql/B2__some.sql", "SELECT 12;");
    Import import = importing(folder, folder->path);
    assert_int_equal(take(&import, &err), ERR_OK);
    assert_int_equal(import.count, 5);
    assert_int_equal(item_at(&import, 2)->kind, SCRIPT_REPEATABLE);
    assert_string_equal(item_at(&import, 2)->id, "the_views");
    assert_int_equal(item_at(&import, 3)->kind, SCRIPT_BASELINE);
    assert_string_equal(item_at(&import, 3)->id, "1");
    assert_non_null(note_with(&import, "stands for all up to 1"));
    assert_int_equal(item_at(&import, 4)->kind, SCRIPT_BASELINE);
    assert_string_equal(item_at(&import, 4)->id, "3");
    assert_string_equal(item_at(&import, 4)->origin_key, "B 3");
}

static void test_baseline_without_what_it_stands_for(void **state)
{
    Folder *folder = *state;
    Error err;
    put(folder, "B5__all.sql", "SELECT 5;");
    put(folder, "V6__next.sql", "SELECT 6;");
    Import import = importing(folder, folder->path);
    assert_int_equal(take(&import, &err), ERR_OK);
    assert_int_equal(import.count, 2);
    assert_int_equal(item_at(&import, 0)->kind, SCRIPT_REVISION);
    assert_string_equal(item_at(&import, 0)->id, "5");
    assert_string_equal(item_at(&import, 0)->origin_key, "5");
    assert_string_equal(item_at(&import, 1)->id, "6");
    assert_non_null(note_with(&import, "the baseline is the first revision"));
}

static void test_placeholders(void **state)
{
    Folder *folder = *state;
    Error err;
    put(folder, "flyway.conf",
        "# a remark\nflyway.locations = filesystem:db\\\n  ,filesystem:gone\n"
        "flyway.placeholders.Owner=app\nflyway.url: jdbc:x\n");
    put(folder, "db/V1__one.sql", "ALTER TABLE a OWNER TO ${owner};\nSELECT '${owner}';");
    put(folder, "db/V2__two.sql", "SELECT 1;\nSELECT '${other}';");
    put(folder, "db/V3__three.sql", "SELECT '${other}';");
    put(folder, "db/V3__three.sql.conf", "placeholderReplacement=false\n");
    put(folder, "db/V4__four.sql", "-- flyway:executeInTransaction=false\nVACUUM;");
    put(folder, "db/V5__five.sql", "VACUUM;");
    put(folder, "db/V5__five.sql.conf", "executeInTransaction=false\nshouldExecute=${x}==1\n");
    Import import = importing(folder, folder->path);
    assert_int_equal(take(&import, &err), ERR_OK);
    assert_int_equal(import.count, 4);
    assert_string_equal(item_at(&import, 0)->up, "ALTER TABLE a OWNER TO app;\nSELECT 'app';");
    assert_string_equal(item_at(&import, 1)->up, "SELECT '${other}';");
    assert_true(item_at(&import, 2)->no_transaction);
    assert_true(item_at(&import, 3)->no_transaction);
    assert_false(item_at(&import, 1)->no_transaction);
    const ImportNote *note = note_with(&import, "the placeholder 'other' has no value");
    assert_true(note->problem);
    assert_int_equal(note->line, 2);
    assert_true(note_with(&import, "the location 'filesystem:gone' is not there")->problem);

    import = importing(folder, folder->path);
    option(folder, &import, "placeholder=other=a=b");
    option(folder, &import, "placeholder=OWNER=me");
    option(folder, &import, "locations=db");
    assert_int_equal(take(&import, &err), ERR_OK);
    assert_int_equal(import.count, 5);
    assert_string_equal(item_at(&import, 0)->up, "ALTER TABLE a OWNER TO me;\nSELECT 'me';");
    assert_string_equal(item_at(&import, 1)->up, "SELECT 1;\nSELECT 'a=b';");
    assert_int_equal(problems(&import), 1);
    assert_string_equal(note_with(&import, "shouldExecute")->file,
                        in(folder, "db/V5__five.sql.conf"));
}

static void test_toml_and_other_names(void **state)
{
    Folder *folder = *state;
    Error err;
    put(folder, "flyway.toml",
        "[environments.default]\nurl = \"jdbc:x\"\n\n[flyway]\nlocations = [\"filesystem:a\",\n"
        "  'filesystem:b'] # both\nsqlMigrationPrefix = \"Ver\"\nsqlMigrationSeparator = '-'\n"
        "sqlMigrationSuffixes = [\".pg\", \".sql\"]\nplaceholderPrefix = \"<<\"\n"
        "placeholderSuffix = \">>\"\n[flyway.placeholders]\nname = \"it \\\"is\\\"\"\n");
    put(folder, "a/Ver1-one.pg", "SELECT '<<name>> ${name}';");
    put(folder, "b/Ver2-two.sql", "SELECT 2;");
    put(folder, "b/V3__three.sql", "SELECT 3;");
    put(folder, "b/Ver4-four.txt", "SELECT 4;");
    Import import = importing(folder, folder->path);
    assert_int_equal(take(&import, &err), ERR_OK);
    assert_int_equal(import.count, 2);
    assert_string_equal(item_at(&import, 0)->message, "one");
    assert_string_equal(item_at(&import, 0)->up, "SELECT 'it \"is\" ${name}';");
    assert_string_equal(item_at(&import, 1)->id, "2");
    assert_non_null(note_with(&import, "none of Flyway's names"));

    put(folder, "flyway.toml", "[flyway]\nlocations = [\"a\"\n\nx = {}\n");
    import = importing(folder, folder->path);
    assert_int_equal(take(&import, &err), ERR_CONFIG);
    assert_int_equal(err.line, 2);
    put(folder, "flyway.toml", "[flyway]\nsqlMigrationSeparator = \"\"\n");
    import = importing(folder, folder->path);
    assert_int_equal(take(&import, &err), ERR_CONFIG);
}

static void test_versions_twice(void **state)
{
    Folder *folder = *state;
    Error err;
    put(folder, "a/V1.0__one.sql", "SELECT 1;");
    put(folder, "b/V1__other.sql", "SELECT 2;");
    Import import = importing(folder, folder->path);
    assert_int_equal(take(&import, &err), ERR_OK);
    assert_int_equal(import.count, 1);
    assert_true(note_with(&import, "which Flyway refuses")->problem);
}

static void test_recognise(void **state)
{
    Folder *folder = *state;
    const ImportTool *tool = import_tool("flyway");
    Error err;
    put(folder, "none/1__a.sql", "");
    put(folder, "maven/src/main/resources/db/migration/V1__a.sql", "");
    put(folder, "maven/src/main/java/db/migration/V2__Code.java", "");
    put(folder, "conf/flyway.toml", "");
    assert_false(tool->recognise(folder->arena, in(folder, "none")));
    assert_true(tool->recognise(folder->arena, in(folder, "maven")));
    assert_true(tool->recognise(folder->arena, in(folder, "conf")));
    Import import = importing(folder, in(folder, "maven"));
    assert_int_equal(take(&import, &err), ERR_OK);
    assert_int_equal(import.count, 1);
    assert_int_equal(problems(&import), 1);
    import = importing(folder, in(folder, "none"));
    assert_int_equal(take(&import, &err), ERR_NOT_FOUND);
}

static void test_keys_compare(void **state)
{
    (void)state;
    int (*compare)(const char *, const char *) = import_tool("flyway")->key_compare;
    assert_true(compare("1.2", "1.10") < 0);
    assert_true(compare("1", "1.0.0") == 0);
    assert_true(compare("01.002", "1.2") == 0);
    assert_true(compare("2", "1.9.9") > 0);
    assert_true(compare("1", "1.0.1") < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order_undo_and_names, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_repeatables_and_baselines, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_baseline_without_what_it_stands_for, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(test_placeholders, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_toml_and_other_names, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_versions_twice, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_recognise, folder_make, folder_remove),
        cmocka_unit_test(test_keys_compare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
