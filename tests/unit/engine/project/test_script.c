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
                       "-- lock-budget: 2s\n"
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
    assert_int_equal(script->lock_budget_ms, 2000);
    assert_int_equal(script->upgrade.statements.count, 2);
    assert_int_equal(script->upgrade.first_line, 13);
    assert_int_equal(script->upgrade.statements.items[1].line, 14);
    assert_string_equal(script->downgrade.statements.items[0].text,
                        "ALTER TABLE users DROP COLUMN bio");
    assert_int_equal(script->verify.statements.items[0].line, 18);
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
    assert_int_equal(script->lock_budget_ms, 0);
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
    Script *script = parse(arena, HEAD "-- +upgrade\n-- a -- +verify\nSELECT 1; -- +nothing\n"
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
    refused(HEAD "-- +upgrade\n-- +batched key=id\nUPDATE t SET a = 1;\n-- +downgrade\n", 3,
            "batched");
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
    refused(HEAD "-- lock-budget: soon\n" BODY, 2, "soon");
    refused(HEAD "-- lock-budget: 1h\n" BODY, 2, "1h");
    refused(HEAD "-- lock-timeout: 99999999999999999999d\n" BODY, 2, "duration");
    refused(HEAD "-- labels: a@b\n" BODY, 2, "a@b");
    refused(HEAD "SELECT 1;\n" BODY, 2, "before the first marker");
    refused("", 1, "revision");
    refused("-- revision: 007 add\n" BODY, 1, "007 add");
    refused("-- revision: \n" BODY, 1, "revision");
}

static void test_a_condition_is_a_fingerprint(void **state)
{
    (void)state;
#define F1 "f1:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define EMPTY_WAY_BACK "-- +upgrade\nSELECT 1;\n-- +downgrade\n-- nothing\n"
    AUTO_ARENA Arena *arena = arena_new();
    Script *script = parse(arena, HEAD "-- when-fingerprint: " F1 "\n" EMPTY_WAY_BACK);
    assert_string_equal(script->when_fingerprint, F1);
    assert_null(parse(arena, HEAD BODY)->when_fingerprint);
    script = parse(arena, HEAD "-- when-fingerprint: " F1 "\n-- irreversible: a repair\n"
                               "-- +upgrade\nSELECT 1;\n");
    assert_string_equal(script->when_fingerprint, F1);
    refused(HEAD "-- when-fingerprint: f2:00\n" EMPTY_WAY_BACK, 2, "must be a fingerprint");
    refused(HEAD "-- when-fingerprint: " F1 "00\n" EMPTY_WAY_BACK, 2, "must be a fingerprint");
    refused(HEAD "-- when-fingerprint:\n" EMPTY_WAY_BACK, 2, "must be a fingerprint");
    refused(HEAD "-- when-fingerprint: " F1 "\n" BODY, 2, "behind `-- +downgrade`");
    refused(HEAD "-- when-fingerprint: " F1 "\n-- transaction: none\n" EMPTY_WAY_BACK, 2,
            "'transaction: none'");
}

static void test_directions_are_said_aloud(void **state)
{
    (void)state;
    refused(HEAD "-- +upgrade\nSELECT 1;\n", 3, "downgrade");
    refused(HEAD "-- +downgrade\nSELECT 1;\n", 3, "upgrade");
    refused(HEAD "-- irreversible: data is gone\n" BODY, 5, "irreversible");
    refused(HEAD "-- irreversible:\n-- +upgrade\nSELECT 1;\n", 2, "irreversible");
    AUTO_ARENA Arena *arena = arena_new();
    refused(HEAD "-- phase: shrink\n" BODY, 2, "'expand' or 'contract'");
    assert_int_equal(parse(arena, HEAD "-- phase: contract\n" BODY)->phase, SCRIPT_PHASE_CONTRACT);
    assert_int_equal(parse(arena, HEAD BODY)->phase, SCRIPT_PHASE_NONE);
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

static void test_blocks(void **state)
{
    (void)state;
#define NONE HEAD "-- transaction: none\n-- +upgrade\n"
#define DOWN "-- +downgrade\n"
    AUTO_ARENA Arena *arena = arena_new();
    Script *script = parse(arena, NONE "SELECT 1;\nBEGIN;\nSELECT 2;\nCOMMIT;\nVACUUM;\nSTART "
                                       "TRANSACTION;\nEND WORK;\n" DOWN);
    assert_int_equal(script->upgrade.statements.count, 7);
    assert_string_equal(script->upgrade.statements.items[1].text, "BEGIN");
    static const char *const other[] = {
        "ROLLBACK",
        "SAVEPOINT a",
        "PREPARE TRANSACTION 'x'",
        "COMMIT AND CHAIN",
        "COMMIT PREPARED 'x'",
        "BEGIN ISOLATION LEVEL SERIALIZABLE",
        "START TRANSACTION READ ONLY",
        "START",
    };
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        refused(arena_printf(arena, NONE "%s;\n" DOWN, other[i]), 4, "can't be used");
        refused(arena_printf(arena, NONE "BEGIN;\n%s;\nCOMMIT;\n" DOWN, other[i]), 5, "");
    }
    refused(NONE "SELECT 1;\nBEGIN;\nSELECT 2;\n" DOWN, 5, "no COMMIT");
    refused(NONE "BEGIN;\nSELECT 1;\nBEGIN;\nCOMMIT;\nCOMMIT;\n" DOWN, 6, "line 4");
    refused(NONE "SELECT 1;\nCOMMIT;\n" DOWN, 5, "without a BEGIN");
    refused(NONE "BEGIN;\nCREATE INDEX CONCURRENTLY i ON t (a);\nCOMMIT;\n" DOWN, 5,
            "inside a transaction");
    refused(NONE "BEGIN;\nSELECT 1;\nVACUUM;\nCOMMIT;\n" DOWN, 6, "inside a transaction");
    refused(NONE DOWN "-- +verify\nBEGIN;\nCOMMIT;\n", 6, "can't be used");
    refused(NONE DOWN "-- +verify\nVACUUM;\n", 6, "inside a transaction");
}

static void test_annotations(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Script *script =
        parse(arena, NONE "SELECT 1;\n"
                          "-- +rerunnable\n"
                          "-- a remark, and a blank line\n"
                          "\n"
                          "VACUUM; SELECT 2;\n"
                          "-- +probe SELECT count(*) = 1\n"
                          "--   FROM t -- of many\n"
                          "--   WHERE a = ';'\n"
                          "-- no more of it\n"
                          "-- +rerunnable\r\n"
                          "CALL p();\n"
                          "COPY t FROM STDIN;\n"
                          "-- +probe is a row here\n"
                          "\\.\n" DOWN "-- +probe SELECT true;\nSELECT '\n-- +rerunnable\n'\n");
    const Statement *up = script->upgrade.statements.items;
    const Statement *down = script->downgrade.statements.items;
    assert_int_equal(script->upgrade.statements.count, 5);
    assert_true(!up[0].rerunnable && up[0].probe == NULL);
    assert_true(up[1].rerunnable && up[1].probe == NULL);
    assert_true(!up[2].rerunnable && up[2].probe == NULL);
    assert_true(up[3].rerunnable);
    assert_string_equal(up[3].probe, "SELECT count(*) = 1\n   FROM t -- of many\n   WHERE a = ';'");
    assert_true(!up[4].rerunnable && up[4].probe == NULL);
    assert_true(up[4].copy_data != NULL);
    assert_string_equal(down[0].probe, "SELECT true");
    assert_false(down[0].rerunnable);
}

static void test_annotations_that_are_wrong(void **state)
{
    (void)state;
    refused(HEAD "-- +upgrade\n-- +rerunnable\nSELECT 1;\n" DOWN, 3, "transaction: none");
    refused(HEAD "-- +upgrade\n-- +probe SELECT 1\nSELECT 1;\n" DOWN, 3, "transaction: none");
    refused(NONE "SELECT 1;\n-- +rerunnable\n\n" DOWN, 5, "no statement follows");
    refused(NONE "-- +probe SELECT 1\n" DOWN "SELECT 1;\n", 4, "no statement follows");
    refused(NONE "SELECT 1\n-- +rerunnable\n;" DOWN, 5, "inside of a statement");
    refused(NONE "SELECT (1,\n-- +probe SELECT 1\n2);\n" DOWN, 5, "inside of a statement");
    refused(NONE "-- +rerunnable\n-- +rerunnable\nVACUUM;\n" DOWN, 5, "twice");
    refused(NONE "-- +probe SELECT 1\n-- +probe SELECT 1\nVACUUM;\n" DOWN, 5, "twice");
    refused(NONE "-- +probe\nVACUUM;\n" DOWN, 4, "one SELECT");
    refused(NONE "-- +probe DELETE FROM t\nVACUUM;\n" DOWN, 4, "one SELECT");
    refused(NONE "-- +probe SELECT 1; SELECT 2\nVACUUM;\n" DOWN, 4, "one SELECT");
    refused(NONE "\n-- +probe SELECT 'a\nVACUUM;\n" DOWN, 5, "not closed");
    refused(NONE "-- +rerunnable twice\nVACUUM;\n" DOWN, 4, "rerunnable twice");
    refused(NONE "-- +probes SELECT 1\nVACUUM;\n" DOWN, 4, "probes");
    refused(NONE DOWN "-- +verify\n-- +rerunnable\nSELECT 1;\n", 6, "only in");
    refused("-- +probe SELECT 1\n" NONE DOWN, 1, "only in");
    refused(NONE "BEGIN;\n-- +rerunnable\nSELECT 1;\nCOMMIT;\n" DOWN, 6, "of a block");
}

/* Nobody who writes one has a comment in mind. */
static void test_markers_aside(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    refused(NONE "VACUUM; -- +rerunnable\n" DOWN, 4, "does not begin its line");
    refused(NONE "SELECT 1,\n2 -- +batch key=id\n;\n" DOWN, 5, "'-- +batch' does not begin");
    refused(HEAD "-- +upgrade\nSELECT 1;\n -- +downgrade\nSELECT 2;\n" DOWN, 4, "'-- +downgrade'");
    refused(HEAD "-- +upgrade\n" DOWN "SELECT 1 --+ignore rule: why", 4, "'-- +ignore'");
    refused(HEAD "-- +upgrade\nSELECT 'it''s -- +batch', $$--\n$$; /* -- */ -- +verify\n" DOWN, 4,
            "'-- +verify'");
    refused(HEAD "-- +upgrade\nSELECT '-- +batch'; -- +probe SELECT 1\n" DOWN, 3, "'-- +probe'");
    assert_int_equal(parse(arena, HEAD "-- +upgrade\n"
                                       "-- as it was -- +batch\n"
                                       "SELECT 'a -- +batch', $$\n -- +verify\n$$; --- +batch\n"
                                       "SELECT 1; -- of -- +ignore nothing\n"
                                       "/* a\n -- +downgrade */\n"
                                       "SELECT 2; -- +batches, -- +5\n"
                                       "COPY t FROM STDIN;\n"
                                       "a -- +batch\n"
                                       "\\.\n" DOWN)
                         ->upgrade.statements.count,
                     4);
}

static Script *parse_file(Arena *arena, const char *file, const char *text)
{
    Script *script = NULL;
    Error err;
    if (parse_as(arena, file, text, &script, &err) != ERR_OK)
        fail_msg("%s:%d: %s", err.file, err.line, err.message);
    return script;
}

static void refused_file(const char *file, const char *text, int line, const char *word)
{
    AUTO_ARENA Arena *arena = arena_new();
    Script *script = NULL;
    Error err;
    assert_int_equal(parse_as(arena, file, text, &script, &err), ERR_SCRIPT);
    if (strstr(err.message, word) == NULL)
        fail_msg("'%s' is not in '%s'", word, err.message);
    assert_int_equal(err.line, line);
    assert_null(script);
}

static void test_ignores(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Script *script = parse(arena, HEAD "-- +ignore json-column: it is only kept\n"
                                       "-- +upgrade\n"
                                       "-- +ignore set-not-null:  small: it is\r\n"
                                       "SELECT 1;\n"
                                       "SELECT '\n-- +ignore a: b\n'; SELECT 3;\n"
                                       "-- +downgrade\n"
                                       "-- +ignore drop-index: nobody\n\n/* why */ SELECT 2;\n");
    assert_int_equal(script->ignore_count, 3);
    assert_string_equal(script->ignores[0].rule, "json-column");
    assert_int_equal(script->ignores[0].line, 2);
    assert_int_equal(script->ignores[0].statement_line, 0);
    assert_string_equal(script->ignores[1].rule, "set-not-null");
    assert_string_equal(script->ignores[1].reason, "small: it is");
    assert_int_equal(script->ignores[1].statement_line, 5);
    assert_int_equal(script->ignores[2].statement_line, 12);
    assert_int_equal(script->ignores[2].statement_column, 11);

    Script *plain = parse(arena, HEAD "-- +upgrade\nSELECT 1;\nSELECT '\n-- +ignore a: b\n';"
                                      " SELECT 3;\n-- +downgrade\nSELECT 2;\n");
    assert_string_equal(plain->token_digest, script->token_digest);
    assert_int_equal(plain->ignore_count, 0);

    script = parse(arena, NONE "BEGIN;\n-- +ignore a: b\nSELECT 1;\nCOMMIT;\n" DOWN);
    assert_int_equal(script->ignore_count, 1);
    assert_int_equal(script->ignores[0].statement_line, 6);

    refused(HEAD "-- +upgrade\n-- +ignore set-not-null\nSELECT 1;\n" DOWN, 3, "a reason");
    refused(HEAD "-- +upgrade\n-- +ignore set-not-null: \nSELECT 1;\n" DOWN, 3, "a reason");
    refused(HEAD "-- +upgrade\n-- +ignore : why\nSELECT 1;\n" DOWN, 3, "a reason");
    refused(HEAD "-- +upgrade\nSELECT 1;\n-- +ignore a: b\n" DOWN, 4, "no statement follows");
    refused(HEAD BODY "-- +verify\n-- +ignore a: b\nSELECT 1;\n", 7, "only in");
}

static void test_repeatables(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Script *script =
        parse_file(arena, "v/R_active_users.sql",
                   "-- repeatable: active_users\n-- +upgrade\nCREATE OR REPLACE VIEW v "
                   "AS SELECT 1;\n-- +verify\nSELECT true;\n");
    assert_int_equal(script->kind, SCRIPT_REPEATABLE);
    assert_string_equal(script->id, "R:active_users");
    assert_int_equal(script->verify.statements.count, 1);
    assert_int_equal(parse(arena, HEAD BODY)->kind, SCRIPT_REVISION);
#define REPEATABLE "-- repeatable: a\n"
    const char *file = "v/R_a.sql";
    refused_file(file, REPEATABLE "-- revises: b\n-- +upgrade\n", 2, "revises");
    refused_file(file, REPEATABLE "-- depends-on: b\n-- +upgrade\n", 2, "depends-on");
    refused_file(file, REPEATABLE "-- labels: b\n-- +upgrade\n", 2, "labels");
    refused_file(file, REPEATABLE "-- phase: expand\n-- +upgrade\n", 2, "phase");
    refused_file(file, REPEATABLE "-- irreversible: b\n-- +upgrade\n", 2, "irreversible");
    refused_file(file, REPEATABLE "-- +upgrade\n-- +downgrade\n", 3, "downgrade");
    refused_file(file, REPEATABLE "-- +verify\n", 2, "upgrade");
    refused_file(file, REPEATABLE "-- revision: a\n-- +upgrade\n", 2, "both");
    refused_file(file, "-- repeatable:\n-- +upgrade\n", 1, "revision");
    refused_file(file, "-- repeatable: R:a\n-- +upgrade\n", 1, "R:a");
    refused_file("v/a.sql", REPEATABLE "-- +upgrade\n", 1, "R_a.sql");
    refused_file("v/R_a_b.sql", REPEATABLE "-- +upgrade\n", 1, "R_a.sql");
    refused_file("v/R_a", REPEATABLE "-- +upgrade\n", 1, "R_a.sql");
    const char *longest = arena_printf(arena, "%0254d", 0);
    refused_file(arena_printf(arena, "v/R_%s.sql", longest),
                 arena_printf(arena, "-- repeatable: %s\n-- +upgrade\n", longest), 1, "can't be");
}

static void test_baselines(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Script *script = parse_file(arena, "v/baseline_008_x.sql",
                                "-- baseline: 008_x\n-- +upgrade\nCREATE TABLE t ();\n");
    assert_int_equal(script->kind, SCRIPT_BASELINE);
    assert_string_equal(script->id, "008_x");
    refused_file("v/008_x.sql", "-- baseline: 008_x\n-- +upgrade\n", 1, "baseline_008_x.sql");
    refused_file("v/baseline_1.sql", "\n-- baseline: 1\n-- revises: a\n-- +upgrade\n", 3,
                 "revises");
    refused_file("v/baseline_1.sql", "-- baseline: 1\n-- +upgrade\n-- +downgrade\n", 3,
                 "downgrade");
    refused_file("v/baseline_1.sql", "-- repeatable: 1\n-- baseline: 1\n-- +upgrade\n", 2, "both");
}

static void test_origin_and_placeholders(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Script *script = parse(arena, HEAD "-- origin: goose 20200101 a\n"
                                       "-- placeholders: owner, size = 10 MB , _e=,x1=a=b\n" BODY);
    assert_string_equal(script->origin, "goose 20200101 a");
    assert_int_equal(script->placeholder_count, 4);
    const Placeholder *list = script->placeholders;
    assert_string_equal(list[0].name, "owner");
    assert_null(list[0].fallback);
    assert_string_equal(list[1].name, "size");
    assert_string_equal(list[1].fallback, "10 MB");
    assert_string_equal(list[2].name, "_e");
    assert_string_equal(list[2].fallback, "");
    assert_string_equal(list[3].fallback, "a=b");
    script = parse(arena, HEAD "-- placeholders:\n" BODY);
    assert_int_equal(script->placeholder_count, 0);
    assert_string_equal(script->origin, "");
    refused(HEAD "-- origin: goose\n" BODY, 2, "origin");
    refused(HEAD "-- origin:\n" BODY, 2, "origin");
    refused(HEAD "-- placeholders: 1a\n" BODY, 2, "1a");
    refused(HEAD "-- placeholders: a-b\n" BODY, 2, "a-b");
    refused(HEAD "-- placeholders: \xc3\xa9\n" BODY, 2, "placeholder");
    refused(HEAD "-- placeholders: a, =b\n" BODY, 2, "placeholder");
    refused(HEAD "-- placeholders: a, b, a=1\n" BODY, 2, "'a' stands twice");
}

static void test_columns(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int line;
        int column;
    } places[] = {
        {HEAD "--  revsies: 001\n" BODY, 2, 5},
        {HEAD "-- revises: a,  a-b\n" BODY, 2, 17},
        {HEAD "-- lock-timeout:  soon\n" BODY, 2, 19},
        {HEAD "-- placeholders: a, 1\n" BODY, 2, 21},
        {HEAD "\t SELECT 1;\n" BODY, 2, 3},
        {HEAD "-- +upgrade\nSELECT 1; COMMIT;\n-- +downgrade\n", 3, 11},
        {HEAD "-- +upgrade\nSELECT 'é'; \\gexec\n-- +downgrade\n", 3, 13},
        {NONE "SELECT 1; ROLLBACK;\n" DOWN, 4, 11},
    };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        AUTO_ARENA Arena *arena = arena_new();
        Script *script = NULL;
        Error err;
        assert_int_equal(parse_as(arena, FILE_NAME, places[i].text, &script, &err), ERR_SCRIPT);
        assert_int_equal(err.line, places[i].line);
        assert_int_equal(err.column, places[i].column);
        assert_true(err.source[0] != '\0');
    }
}

/* Rows that look like anything else stay rows, and the sections behind them are found. */
static void test_copy_in_sections(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Script *script = parse(arena, HEAD "-- +upgrade\nCOPY t FROM STDIN;\nit's\n-- +downgrade\n"
                                       "\\.\nSELECT 1;\n-- +downgrade\nSELECT 2;\n");
    assert_int_equal(script->upgrade.statements.count, 2);
    assert_int_equal(script->upgrade.statements.items[0].copy_length, 19);
    assert_int_equal(script->downgrade.statements.items[0].line, 9);
    refused(HEAD "-- +upgrade\nCOPY t FROM STDIN;\n1\n-- +downgrade\nSELECT 2;\n", 3, "do not end");
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
        cmocka_unit_test(test_a_condition_is_a_fingerprint),
        cmocka_unit_test(test_directions_are_said_aloud),
        cmocka_unit_test(test_statements_are_checked),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_annotations),
        cmocka_unit_test(test_annotations_that_are_wrong),
        cmocka_unit_test(test_markers_aside),
        cmocka_unit_test(test_ignores),
        cmocka_unit_test(test_repeatables),
        cmocka_unit_test(test_baselines),
        cmocka_unit_test(test_origin_and_placeholders),
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_copy_in_sections),
        cmocka_unit_test(test_file_names),
        cmocka_unit_test(test_bytes_that_are_no_text),
        cmocka_unit_test(test_loading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
