#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shard_script.h"

#include <string.h>

static Script *parse(Arena *arena, const char *text)
{
    Script *script;
    Error err;
    ErrCode code = script_parse(arena, "versions/001_x.sql", (const uint8_t *)text, strlen(text),
                                &script, &err);
    if (code != ERR_OK)
        fail_msg("%s", err.message);
    return script;
}

static ErrCode choose(const char *text, Direction direction, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    return shard_step_check(parse(arena, text), direction, true, err);
}

#define HEAD "-- revision: 001_x\n"

static void test_plain_sections(void **state)
{
    (void)state;
    Error err;
    const char *text = HEAD "-- +upgrade\nSELECT 1;\n-- +downgrade\nSELECT 2;\n";
    assert_int_equal(choose(text, DIRECTION_UPGRADE, &err), ERR_OK);
    assert_int_equal(choose(text, DIRECTION_DOWNGRADE, &err), ERR_OK);
}

/* A script as a reader that checks nothing would give it. */
static Script unchecked(Arena *arena, const char *upgrade, const char *verify)
{
    Script script = {.file = "versions/001_x.sql", .id = "001_x", .transactional = true};
    Error err;
    assert_int_equal(sql_split(arena, script.file, upgrade, strlen(upgrade), 3,
                               &script.upgrade.statements, &err),
                     ERR_OK);
    assert_int_equal(
        sql_split(arena, script.file, verify, strlen(verify), 9, &script.verify.statements, &err),
        ERR_OK);
    script.verify.present = *verify != '\0';
    return script;
}

static void test_refusals_name_the_line(void **state)
{
    (void)state;
    static const char *const bad[] = {"COMMIT",
                                      "ROLLBACK",
                                      "SAVEPOINT a",
                                      "VACUUM",
                                      "CREATE INDEX CONCURRENTLY i ON t (a)",
                                      "COPY t TO STDOUT"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        AUTO_ARENA Arena *arena = arena_new();
        Error err;
        Script script = unchecked(arena, arena_printf(arena, "SELECT 1;\n%s;\n", bad[i]), "");
        assert_int_equal(shard_step_check(&script, DIRECTION_UPGRADE, true, &err), ERR_SCRIPT);
        assert_int_equal(err.line, 4);
        assert_string_equal(err.file, "versions/001_x.sql");
        assert_int_equal(shard_step_check(&script, DIRECTION_DOWNGRADE, true, &err), ERR_OK);
    }
}

static void test_rows_belong_to_their_copy(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Error err;
    Script script = unchecked(arena, "COPY t FROM STDIN;\nTO STDOUT\n\\.\nSELECT 1;", "");
    assert_int_equal(shard_step_check(&script, DIRECTION_UPGRADE, true, &err), ERR_OK);
    PgBatch batch = pg_batch(arena);
    for (size_t i = 0; i < script.upgrade.statements.count; i++)
        shard_statement_add(&batch, &script.upgrade.statements.items[i]);
    assert_int_equal(batch.count, 2);
    assert_int_equal(batch.items[0].copy_length, 10);
    assert_memory_equal(batch.items[0].copy_data, "TO STDOUT\n", 10);
    assert_null(batch.items[1].copy_data);
}

static void test_verify_is_checked_when_it_runs(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Error err;
    Script script = unchecked(arena, "SELECT 1;", "ROLLBACK;");
    assert_int_equal(shard_step_check(&script, DIRECTION_UPGRADE, true, &err), ERR_SCRIPT);
    assert_int_equal(err.line, 9);
    assert_int_equal(shard_step_check(&script, DIRECTION_UPGRADE, false, &err), ERR_OK);
}

/* As units (units.h), but not with COPY to the client. */
static void test_transaction_none(void **state)
{
    (void)state;
    static const char *const bad[] = {"VACUUM", "COPY t TO STDOUT", "COMMIT"};
    AUTO_ARENA Arena *arena = arena_new();
    Error err;
    Script script = unchecked(arena, "\nCREATE INDEX CONCURRENTLY i ON t (a);", "SELECT 1;");
    script.transactional = false;
    assert_int_equal(shard_step_check(&script, DIRECTION_UPGRADE, true, &err), ERR_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        script = unchecked(arena, arena_printf(arena, "SELECT 1;\n%s;\n", bad[i]), "");
        script.transactional = false;
        assert_int_equal(shard_step_check(&script, DIRECTION_UPGRADE, true, &err), ERR_SCRIPT);
        assert_int_equal(err.line, 4);
    }
    script = unchecked(arena, "SELECT 1;", "VACUUM;");
    script.transactional = false;
    assert_int_equal(shard_step_check(&script, DIRECTION_UPGRADE, true, &err), ERR_SCRIPT);
    assert_int_equal(err.line, 9);
}

static void test_irreversible_says_why(void **state)
{
    (void)state;
    Error err;
    const char *text = HEAD "-- irreversible: the data is gone\n\n-- +upgrade\nSELECT 1;\n";
    assert_int_equal(choose(text, DIRECTION_UPGRADE, &err), ERR_OK);
    assert_int_equal(choose(text, DIRECTION_DOWNGRADE, &err), ERR_SCRIPT);
    assert_non_null(strstr(err.message, "the data is gone"));
}

static void test_path_of_a_whole_database(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    ShardTarget target = {.schema = ""};
    assert_string_equal(shard_script_path(arena, NULL, &target, "\"$user\", public"),
                        "\"$user\", public, pg_temp");
    assert_string_equal(shard_script_path(arena, NULL, &target, ""), "pg_temp");
    assert_string_equal(shard_script_path(arena, NULL, &target, "a, pg_temp"), "a, pg_temp");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_sections),
        cmocka_unit_test(test_refusals_name_the_line),
        cmocka_unit_test(test_rows_belong_to_their_copy),
        cmocka_unit_test(test_verify_is_checked_when_it_runs),
        cmocka_unit_test(test_transaction_none),
        cmocka_unit_test(test_irreversible_says_why),
        cmocka_unit_test(test_path_of_a_whole_database),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
