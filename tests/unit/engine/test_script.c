#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "script.h"

#include "digest.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_NAME "versions/007_add_user_bio.sql"
#define HEAD "-- revision: 007_add_user_bio\n"
#define BODY "-- +upgrade\nSELECT 1;\n-- +downgrade\nSELECT 2;\n"

static ErrCode parse_as(Arena *arena, const char *file, const char *text, Script **script,
                        Error *err)
{
    return script_parse(arena, file, (const uint8_t *)text, strlen(text), script, err);
}

static Script *parse(Arena *arena, const char *text)
{
    Script *script = NULL;
    Error err;
    if (parse_as(arena, FILE_NAME, text, &script, &err) != ERR_OK)
        fail_msg("%s:%d: %s", err.file, err.line, err.message);
    return script;
}

static void refused(const char *text, int line, const char *word)
{
    AUTO_ARENA Arena *arena = arena_new();
    Script *script = NULL;
    Error err;
    ErrCode code = parse_as(arena, FILE_NAME, text, &script, &err);
    if (code != ERR_SCRIPT)
        fail_msg("code %d for:\n%s", (int)code, text);
    if (strstr(err.message, word) == NULL)
        fail_msg("'%s' is not in '%s'", word, err.message);
    if (err.line != line)
        fail_msg("line %d instead of %d for:\n%s", err.line, line, text);
    assert_string_equal(err.file, FILE_NAME);
    assert_null(script);
}

static void test_a_whole_file(void **state)
{
    (void)state;
    const char *text = "-- revision: 007_add_user_bio\n"
                       "-- revises: 006_a, 005_b\n"
                       "-- depends-on: 004_c , other\n"
                       "-- labels: people\n"
                       "-- created: 2026-01-20 10:00:00 UTC\n"
                       "-- message: add user bio: the text\n"
                       "-- lock-timeout: 200ms\n"
                       "-- statement-timeout: 5m\n"
                       "-- a remark\n"
                       "\n"
                       "-- +upgrade\n"
                       "ALTER TABLE users ADD COLUMN bio text;\n"
                       "SELECT 1;\n"
                       "-- +downgrade\n"
                       "ALTER TABLE users DROP COLUMN bio;\n"
                       "-- +verify\n"
                       "SELECT bio FROM users LIMIT 0;\n";
    AUTO_ARENA Arena *arena = arena_new();
    Script *script = parse(arena, text);
    assert_string_equal(script->id, "007_add_user_bio");
    assert_string_equal(strlist_join(arena, &script->parents, "|"), "006_a|005_b");
    assert_string_equal(strlist_join(arena, &script->depends_on, "|"), "004_c|other");
    assert_string_equal(strlist_join(arena, &script->labels, "|"), "people");
    assert_string_equal(script->message, "add user bio: the text");
    assert_string_equal(script->created, "2026-01-20 10:00:00 UTC");
    assert_true(script->transactional);
    assert_null(script->irreversible);
    assert_int_equal(script->lock_timeout_ms, 200);
    assert_int_equal(script->statement_timeout_ms, 300000);
    assert_int_equal(script->upgrade.statements.count, 2);
    assert_int_equal(script->upgrade.first_line, 12);
    assert_int_equal(script->upgrade.statements.items[1].line, 13);
    assert_string_equal(script->downgrade.statements.items[0].text,
                        "ALTER TABLE users DROP COLUMN bio");
    assert_int_equal(script->verify.statements.items[0].line, 17);
    assert_int_equal(script->length, strlen(text));
    assert_memory_equal(script->bytes, text, strlen(text));
    Digest digest = sha256_bytes(text, strlen(text));
    assert_true(digest_equal(&digest, &script->source_sha256));
}

static void test_defaults(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Script *script = parse(arena, HEAD "-- revises:\n-- transaction: revision\n" BODY);
    assert_int_equal(script->parents.count, 0);
    assert_int_equal(script->lock_timeout_ms, -1);
    assert_int_equal(script->statement_timeout_ms, -1);
    assert_string_equal(script->message, "");
    assert_true(script->transactional);
    assert_false(script->verify.present);
    assert_string_equal(script->verify.sql, "");
}

static void test_windows_line_ends_and_a_mark(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Script *plain = parse(arena, HEAD "-- message: x\n" BODY);
    Script *script =
        parse(arena, "\xEF\xBB\xBF-- revision: 007_add_user_bio\r\n-- message: x\r\n-- +upgrade\r\n"
                     "SELECT 1;\r\n-- +downgrade\r\nSELECT 2;\r\n");
    assert_string_equal(script->id, "007_add_user_bio");
    assert_string_equal(script->message, "x");
    assert_int_equal(script->downgrade.statements.items[0].line, 6);
    assert_string_equal(script->token_digest, plain->token_digest);
    assert_false(digest_equal(&script->source_sha256, &plain->source_sha256));
}

/* A marker is text in quotes and comments, and behind anything else on its line. */
static void test_markers_that_are_text(void **state)
{
    (void)state;
    static const char *const openings[][2] = {
        {"SELECT '", "';"},
        {"SELECT \"", "\";"},
        {"SELECT E'\\'", "';"},
        {"SELECT e'a\\\\\\'", "';"},
        {"SELECT $$", "$$;"},
        {"SELECT $x$ $$ $y$", "$x$;"},
        {"/* a /* b */ ", "*/ SELECT 1;"},
        {"DO $do$ BEGIN EXECUTE '", "'; END $do$;"},
        {"SELECT 'it''s", "';"},
        {"SELECT U&'", "';"},
        {"-- it's a remark\nSELECT 1, '", "';"},
        {"SELECT 1; -- '\n--\n /* ' */ SELECT $a$", "$a$;"},
        {"SELECT a$b, '", "';"},
        {"SELECT 'a'\n'", "';"},
        {"SELECT E'a'\n'\\'", "';"},
        {"SELECT $1, '", "';"},
        {"SELECT 'a\\', '", "';"},
    };
    for (size_t i = 0; i < sizeof openings / sizeof openings[0]; i++) {
        AUTO_ARENA Arena *arena = arena_new();
        const char *sql =
            arena_printf(arena, "%s\n-- +downgrade\n%s\n", openings[i][0], openings[i][1]);
        const char *text =
            arena_printf(arena, "%s-- +upgrade\n%s-- +downgrade\nSELECT 2;\n", HEAD, sql);
        Script *script = NULL;
        Error err;
        if (parse_as(arena, FILE_NAME, text, &script, &err) != ERR_OK)
            fail_msg("line %d: %s in:\n%s", err.line, err.message, text);
        assert_string_equal(script->upgrade.sql, sql);
        assert_int_equal(script->downgrade.statements.count, 1);
    }
    AUTO_ARENA Arena *arena = arena_new();
    Script *script = parse(arena, HEAD "-- +upgrade\n -- +verify\nSELECT 1; -- +nothing\n"
                                       "--\n-- + no word\n-- +downgrade\n");
    assert_false(script->verify.present);
    assert_int_equal(script->upgrade.statements.count, 1);
}

static void test_markers_that_are_wrong(void **state)
{
    (void)state;
    refused(HEAD "-- +upgrade\nSELECT 1;\n-- +downgarde\n", 4, "downgarde");
    refused(HEAD "-- +up\n" BODY, 2, "up");
    refused(HEAD "-- +Upgrade\n-- +downgrade\n", 2, "Upgrade");
    refused(HEAD BODY "-- +upgrade\nSELECT 3;\n", 6, "twice");
    refused(HEAD "-- +upgrade now\n-- +downgrade\n", 2, "upgrade now");
    refused(HEAD "-- +upgrade\n-- +batch key=id\nUPDATE t SET a = 1;\n-- +downgrade\n", 3, "batch");
}

static void test_headers_that_are_wrong(void **state)
{
    (void)state;
    refused(BODY, 1, "revision");
    refused(HEAD "-- revsies: 001\n" BODY, 2, "revsies");
    refused(HEAD "-- revises: a-b\n" BODY, 2, "a-b");
    refused(HEAD "-- revises: a, a\n" BODY, 2, "twice");
    refused(HEAD "-- message: a\n-- message: b\n" BODY, 3, "message");
    refused(HEAD "-- transaction: maybe\n" BODY, 2, "maybe");
    refused(HEAD "-- lock-timeout: soon\n" BODY, 2, "soon");
    refused(HEAD "-- lock-timeout: 99999999999999999999d\n" BODY, 2, "duration");
    refused(HEAD "-- labels: a@b\n" BODY, 2, "a@b");
    refused(HEAD "SELECT 1;\n" BODY, 2, "before the first marker");
    refused("", 1, "revision");
    refused("-- revision: 007 add\n" BODY, 1, "007 add");
    refused("-- revision: \n" BODY, 1, "revision");
}

static void test_directions_are_said_aloud(void **state)
{
    (void)state;
    refused(HEAD "-- +upgrade\nSELECT 1;\n", 3, "downgrade");
    refused(HEAD "-- +downgrade\nSELECT 1;\n", 3, "upgrade");
    refused(HEAD "-- irreversible: data is gone\n" BODY, 5, "irreversible");
    refused(HEAD "-- irreversible:\n-- +upgrade\nSELECT 1;\n", 2, "irreversible");
    AUTO_ARENA Arena *arena = arena_new();
    Script *script = parse(arena, HEAD "-- irreversible: data is gone\n-- +upgrade\nSELECT 1;\n");
    assert_string_equal(script->irreversible, "data is gone");
    assert_false(script->downgrade.present);
    script = parse(arena, HEAD "-- +upgrade\n-- +downgrade\n"); /* a merge */
    assert_int_equal(script->upgrade.statements.count, 0);
}

static void test_statements_are_checked(void **state)
{
    (void)state;
    refused(HEAD "-- +upgrade\nSELECT 1;\nCOMMIT;\n-- +downgrade\n", 4, "COMMIT");
    refused(HEAD "-- +upgrade\n-- +downgrade\nSELECT 1;\n\nROLLBACK;", 6, "ROLLBACK");
    refused(HEAD "-- +upgrade\n-- +downgrade\n-- +verify\nSAVEPOINT a;", 5, "SAVEPOINT");
    refused(HEAD "-- +upgrade\nCREATE INDEX CONCURRENTLY i ON t (a);\n-- +downgrade\n", 3,
            "transaction");
    refused(HEAD "-- +upgrade\n\\connect x\n-- +downgrade\n", 3, "\\connect");
    refused(HEAD "-- +upgrade\nSELECT 'open;\n-- +downgrade\n", 3, "not closed");
    AUTO_ARENA Arena *arena = arena_new();
    Script *script = parse(arena, HEAD "-- transaction: none\n-- +upgrade\nCREATE INDEX "
                                       "CONCURRENTLY i ON t (a);\n-- +downgrade\n");
    assert_false(script->transactional);
}

static void test_file_names(void **state)
{
    (void)state;
    static const char *const good[] = {"007.sql", "007_x.sql", "/a/b/007_add bio.sql"};
    static const char *const bad[] = {"008.sql",   "007x.sql",  "007",      "007.sql.bak",
                                      "x_007.sql", "007-x.sql", "007/x.sql"};
    AUTO_ARENA Arena *arena = arena_new();
    Script *script = NULL;
    Error err;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(parse_as(arena, good[i], "-- revision: 007\n" BODY, &script, &err),
                         ERR_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (parse_as(arena, bad[i], "-- revision: 007\n" BODY, &script, &err) != ERR_SCRIPT)
            fail_msg("accepted: %s", bad[i]);
    }
}

static void test_bytes_that_are_no_text(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Script *script = NULL;
    Error err;
    static const char nul[] = HEAD "-- +upgrade\nSELECT 1;\0DROP TABLE t;\n-- +downgrade\n";
    assert_int_equal(
        script_parse(arena, FILE_NAME, (const uint8_t *)nul, sizeof nul - 1, &script, &err),
        ERR_SCRIPT);
    assert_int_equal(err.line, 3);
    refused(HEAD "-- +upgrade\nSELECT '\xff';\n-- +downgrade\n", 3, "UTF-8");
    refused(HEAD "-- message: a\x1b[2J\n" BODY, 2, "0x1b");
}

static void test_loading(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Script *script = NULL;
    Error err;
    assert_int_equal(script_load(arena, "/nonexistent/001.sql", &script, &err), ERR_NOT_FOUND);
    const char *path = PGTIDE_SOURCE_DIR "/migrations/example/versions/007_add_user_bio.sql";
    assert_int_equal(script_load(arena, path, &script, &err), ERR_OK);
    assert_string_equal(script->id, "007_add_user_bio");
    assert_string_equal(script->file, path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_file),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_windows_line_ends_and_a_mark),
        cmocka_unit_test(test_markers_that_are_text),
        cmocka_unit_test(test_markers_that_are_wrong),
        cmocka_unit_test(test_headers_that_are_wrong),
        cmocka_unit_test(test_directions_are_said_aloud),
        cmocka_unit_test(test_statements_are_checked),
        cmocka_unit_test(test_file_names),
        cmocka_unit_test(test_bytes_that_are_no_text),
        cmocka_unit_test(test_loading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
