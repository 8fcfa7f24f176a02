#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "script.h"
#include "units.h"

#include <string.h>

#define HEAD "-- revision: 001_x\n-- irreversible: test\n-- transaction: none\n-- +upgrade\n"
enum { FIRST_LINE = 5 };

static ErrCode make(Arena *arena, const char *sql, UnitList *ret, Error *err)
{
    Script *script;
    const char *text = arena_printf(arena, HEAD "%s", sql);
    ErrCode code = script_parse(arena, "versions/001_x.sql", (const uint8_t *)text, strlen(text),
                                &script, err);
    return code == ERR_OK ? units_make(arena, script->file, &script->upgrade.statements, ret, err)
                          : code;
}

static UnitList made(Arena *arena, const char *sql)
{
    UnitList list = {0};
    Error err;
    if (make(arena, sql, &list, &err) != ERR_OK)
        fail_msg("%s: %s", sql, err.message);
    return list;
}

static void test_kinds(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    UnitList list = made(arena, "CREATE TABLE a (b int);\n"
                                "CREATE INDEX CONCURRENTLY i ON a (b);\n"
                                "-- +rerunnable\nVACUUM a;\n"
                                "-- +probe SELECT true\nCALL p();\n"
                                "ALTER SYSTEM SET work_mem = '8MB';\n"
                                "CALL q();\n");
    static const UnitKind kinds[] = {UNIT_TRANSACTION, UNIT_CATALOG,    UNIT_RERUNNABLE,
                                     UNIT_PROBED,      UNIT_RERUNNABLE, UNIT_TRANSACTION};
    static const int lines[] = {0, 1, 3, 5, 6, 7};
    assert_int_equal(list.count, 6);
    for (size_t i = 0; i < list.count; i++) {
        assert_int_equal(list.items[i].kind, kinds[i]);
        assert_int_equal(list.items[i].place->line, FIRST_LINE + lines[i]);
        assert_int_equal(list.items[i].statements.count, 1);
    }
    assert_string_equal(list.items[1].what, "CREATE INDEX CONCURRENTLY i");
    assert_string_equal(list.items[1].probe->name, "i");
    assert_null(list.items[0].probe);
    assert_string_equal(list.items[2].what, "VACUUM a");
}

static void test_blocks(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    UnitList list = made(arena, "BEGIN;\nINSERT INTO a VALUES (1);\nSET LOCAL work_mem = '8MB';\n"
                                "INSERT INTO a VALUES (2);\nCOMMIT;\n"
                                "START TRANSACTION; SELECT 1; END;\nBEGIN; COMMIT;\n");
    assert_int_equal(list.count, 2);
    assert_int_equal(list.items[0].kind, UNIT_TRANSACTION);
    assert_int_equal(list.items[0].statements.count, 3);
    assert_int_equal(list.items[0].place->line, FIRST_LINE);
    assert_string_equal(list.items[0].what, "BEGIN; INSERT INTO a VALUES (1)");
    assert_string_equal(list.items[1].statements.items[0].text, "SELECT 1");
    assert_int_equal(list.settings.count, 0);
}

static void test_settings_hold_for_what_is_behind_them(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    UnitList list = made(arena, "SELECT 1; SET work_mem = '8MB'; SELECT 2; SET ROLE x;"
                                "RESET work_mem; SELECT 3;");
    assert_int_equal(list.count, 3);
    assert_int_equal(list.settings.count, 3);
    assert_int_equal(list.items[0].setting_count, 0);
    assert_int_equal(list.items[1].setting_count, 1);
    assert_int_equal(list.items[2].setting_count, 3);
    assert_string_equal(list.settings.items[1].text, "SET ROLE x");
}

static void test_nothing(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    assert_int_equal(made(arena, "-- nothing\n;").count, 0);
}

static void test_digests(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    UnitList list = made(arena, "select 1; SELECT /* one */ 1; SELECT 2; BEGIN; SELECT 1; COMMIT;"
                                "BEGIN; SELECT 1; SELECT 2; COMMIT; -- a remark\n"
                                "SELECT\n1;");
    assert_true(digest_equal(&list.items[0].digest, &list.items[1].digest));
    assert_false(digest_equal(&list.items[0].digest, &list.items[2].digest));
    assert_true(digest_equal(&list.items[0].digest, &list.items[3].digest));
    assert_false(digest_equal(&list.items[0].digest, &list.items[4].digest));
    assert_true(digest_equal(&list.items[0].digest, &list.items[5].digest));
}

static void test_what_is_cut(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    UnitList list = made(arena, "SELECT\n\t ééééééééééééééééééééééééééééééééé, now();\n"
                                "CREATE ROLE app PASSWORD 'secret';");
    const char *what = list.items[0].what;
    assert_true(str_starts_with(what, "SELECT é"));
    assert_true(str_ends_with(what, "é..."));
    assert_true(str_is_utf8(what, strlen(what)));
    assert_true(strlen(what) < 70);
    assert_string_equal(list.items[1].what, "CREATE ROLE app PASSWORD ...");
}

typedef struct Refusal {
    const char *sql;
    int line; /* counted from the section's first */
    const char *message;
} Refusal;

static void test_refusals_name_the_line(void **state)
{
    (void)state;
    static const Refusal refusals[] = {
        {"SELECT 1;\nVACUUM;", 1, "VACUUM statement can't run in a transaction"},
        {"REINDEX SCHEMA CONCURRENTLY s;", 0, "can't run in a transaction"},
        {"CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p;", 0, "can't run in a transaction"},
        {"\nCREATE INDEX CONCURRENTLY ON a (b);", 1, "needs a name"},
        {"-- +rerunnable\nCREATE INDEX CONCURRENTLY ON a (b);", 1, "needs a name"},
        {"DROP INDEX CONCURRENTLY a, b;", 0, "takes one index"},
        {"-- +rerunnable\nDROP INDEX CONCURRENTLY a;", 1, "takes no +probe or +rerunnable"},
        {"-- +probe SELECT 1\nALTER SYSTEM SET a = b;", 1, "takes no +probe or +rerunnable"},
        {"-- +rerunnable\n-- +probe SELECT true\nVACUUM;", 2, "both +probe and +rerunnable"},
        {"BEGIN;\nVACUUM; COMMIT;", 1, "inside"},
        {"BEGIN;\nBEGIN; COMMIT;", 1, "inside"},
        {"BEGIN;\nSAVEPOINT a; COMMIT;", 1, "SAVEPOINT"},
        {"SET LOCAL work_mem = '1MB';", 0, "SET LOCAL has no effect"},
        {"SET TRANSACTION READ ONLY;", 0, "SET TRANSACTION has no effect"},
        {"-- +rerunnable\nSET a.b = 1;", 1, "take no +probe"},
        {"DISCARD ALL;", 0, "DISCARD"},
        {"-- +rerunnable\nDISCARD ALL;", 1, "DISCARD"},
        {"-- +rerunnable\nCOPY a FROM STDIN;\n1\n\\.\n", 1, "COPY with its rows"},
    };
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        AUTO_ARENA Arena *arena = arena_new();
        UnitList list;
        Error err = {0};
        const Refusal *refusal = &refusals[i];
        if (make(arena, refusal->sql, &list, &err) != ERR_SCRIPT)
            fail_msg("accepted: %s", refusal->sql);
        if (strstr(err.message, refusal->message) == NULL)
            fail_msg("%s: %s", refusal->sql, err.message);
        assert_int_equal(err.line, FIRST_LINE + refusal->line);
        assert_string_equal(err.file, "versions/001_x.sql");
        assert_true(err.hint[0] != '\0');
    }
}

/* What the reader of files does not let through. */
static void test_other_blocks(void **state)
{
    (void)state;
    static const char *const bad[] = {"COMMIT", "ROLLBACK", "SAVEPOINT a", "BEGIN; SELECT 1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        AUTO_ARENA Arena *arena = arena_new();
        StatementList statements;
        UnitList list;
        Error err;
        assert_int_equal(sql_split(arena, "a.sql", bad[i], strlen(bad[i]), 1, &statements, &err),
                         ERR_OK);
        assert_int_equal(units_make(arena, "a.sql", &statements, &list, &err), ERR_SCRIPT);
        assert_int_equal(err.line, 1);
    }
    for (size_t i = 0; i < 2; i++) {
        AUTO_ARENA Arena *arena = arena_new();
        StatementList statements;
        UnitList list;
        Error err;
        const char *block = "BEGIN;\nSELECT 1;\nCOMMIT;";
        assert_int_equal(sql_split(arena, "a.sql", block, strlen(block), 1, &statements, &err),
                         ERR_OK);
        statements.items[i].rerunnable = true;
        assert_int_equal(units_make(arena, "a.sql", &statements, &list, &err), ERR_SCRIPT);
        assert_int_equal(err.line, 1 + i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_settings_hold_for_what_is_behind_them),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_digests),
        cmocka_unit_test(test_what_is_cut),
        cmocka_unit_test(test_refusals_name_the_line),
        cmocka_unit_test(test_other_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
