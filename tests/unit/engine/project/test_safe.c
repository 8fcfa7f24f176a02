#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "safe.h"

#include <string.h>

static ErrCode read_text(Arena *arena, const char *sql, SafeList *list, Error *err)
{
    SafeFile file = {"010_x.sql", (const uint8_t *)sql, strlen(sql)};
    SafeFiles files = {&file, 1};
    return safe_list_read(arena, "safe", &files, list, err);
}

static SafeList read_ok(Arena *arena, const char *sql)
{
    SafeList list = {0};
    Error err;
    if (read_text(arena, sql, &list, &err) != ERR_OK)
        fail_msg("%s: line %d: %s", sql, err.line, err.message);
    return list;
}

typedef struct Form {
    const char *sql;
    const char *what;
    const char *relation;
    size_t questions; /* 0: run each time */
    bool removes;
} Form;

static void test_forms_that_are_asked(void **state)
{
    (void)state;
    static const Form forms[] = {
        {"ALTER TABLE users ADD COLUMN IF NOT EXISTS bio text", "column users.bio", "\"users\"", 1,
         false},
        {"alter table if exists App.Users add if not exists \"Bio\" text", "column app.users.Bio",
         "\"app\".\"users\"", 1, false},
        {"ALTER TABLE a ADD COLUMN IF NOT EXISTS x int, ADD COLUMN IF NOT EXISTS y int",
         "column a.x, column a.y", "\"a\"", 2, false},
        {"ALTER TABLE a DROP COLUMN IF EXISTS x", "column a.x", "\"a\"", 1, true},
        {"ALTER TABLE a DROP CONSTRAINT IF EXISTS x", "constraint a.x", "\"a\"", 1, true},
        {"ALTER TABLE a ALTER COLUMN x SET NOT NULL", "NOT NULL of a.x", "\"a\"", 1, false},
        {"ALTER TABLE a ALTER COLUMN x DROP NOT NULL", "NOT NULL of a.x", "\"a\"", 1, true},
        {"ALTER TABLE a ALTER x DROP IDENTITY IF EXISTS", "identity of a.x", "\"a\"", 1, true},
        {"ALTER TABLE a VALIDATE CONSTRAINT c", "validation of a.c", "\"a\"", 1, false},
        {"ALTER TABLE a ENABLE ROW LEVEL SECURITY", "row security of a.enabled", "\"a\"", 1, false},
        {"ALTER TABLE IF EXISTS a RENAME TO b", "relation a", "\"a\"", 1, true},
        {"ALTER TABLE IF EXISTS a SET SCHEMA s", "relation a", "\"a\"", 1, true},
        {"CREATE TABLE IF NOT EXISTS a (id int)", "relation a", "", 1, false},
        {"CREATE TABLE IF NOT EXISTS s.a AS SELECT 1", "relation s.a", "", 1, false},
        {"CREATE SEQUENCE IF NOT EXISTS q", "relation q", "", 1, false},
        {"CREATE MATERIALIZED VIEW IF NOT EXISTS m AS SELECT 1", "relation m", "", 1, false},
        {"CREATE FOREIGN TABLE IF NOT EXISTS f (a int) SERVER x", "relation f", "", 1, false},
        {"CREATE UNIQUE INDEX IF NOT EXISTS i ON s.a (x)", "index i on s.a", "\"s\".\"a\"", 1,
         false},
        {"CREATE SCHEMA IF NOT EXISTS s", "schema s", "", 1, false},
        {"CREATE EXTENSION IF NOT EXISTS pg_trgm", "extension pg_trgm", "", 1, false},
        {"CREATE SERVER IF NOT EXISTS f FOREIGN DATA WRAPPER w", "server f", "", 1, false},
        {"CREATE STATISTICS IF NOT EXISTS s ON a, b FROM t", "statistics s", "", 1, false},
        {"CREATE COLLATION IF NOT EXISTS c FROM \"C\"", "collation c", "", 1, false},
        {"ALTER TYPE mood ADD VALUE IF NOT EXISTS 'fine'", "value fine of mood", "", 1, false},
        {"DROP TABLE IF EXISTS a, s.b CASCADE", "relation a, relation s.b", "\"s\".\"b\"", 2, true},
        {"DROP VIEW IF EXISTS v", "relation v", "\"v\"", 1, true},
        {"DROP INDEX IF EXISTS i", "relation i", "\"i\"", 1, true},
        {"DROP SCHEMA IF EXISTS s", "schema s", "", 1, true},
        {"DROP EXTENSION IF EXISTS e", "extension e", "", 1, true},
        {"DROP TYPE IF EXISTS s.t", "type s.t", "", 1, true},
        {"DROP DOMAIN IF EXISTS d", "type d", "", 1, true},
        {"DROP FUNCTION IF EXISTS f(int, text[])", "function f", "", 1, true},
        {"DROP TRIGGER IF EXISTS t ON s.a", "trigger s.a.t", "\"s\".\"a\"", 1, true},
        {"DROP POLICY IF EXISTS p ON a", "policy a.p", "\"a\"", 1, true},
        {"DROP RULE IF EXISTS r ON a", "rule a.r", "\"a\"", 1, true},
        {"CREATE OR REPLACE FUNCTION f(a int, b text) RETURNS int LANGUAGE sql STABLE AS $$ "
         "SELECT 1 $$",
         "function f", "", 1, false},
        {"CREATE OR REPLACE PROCEDURE p() LANGUAGE plpgsql AS 'BEGIN END'", "procedure p", "", 1,
         false},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        AUTO_ARENA Arena *arena = arena_new();
        SafeList list = read_ok(arena, forms[i].sql);
        assert_int_equal(list.count, 1);
        assert_string_equal(list.items[0].what, forms[i].what);
        assert_string_equal(list.items[0].relation, forms[i].relation);
        assert_int_equal(list.items[0].asked, forms[i].questions > 0);
        assert_int_equal(list.items[0].removes, forms[i].removes);
        assert_int_equal(list.question_count, forms[i].questions);
    }
}

static void test_forms_that_run_each_time(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "CREATE OR REPLACE VIEW v AS SELECT 1",
        "CREATE OR REPLACE FUNCTION f(a int DEFAULT 1) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql SET x.y = '1' AS 'SELECT 1'",
        "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END",
        "CREATE OR REPLACE FUNCTION f(OUT a int) LANGUAGE sql AS 'SELECT 1'",
        "CREATE TEMP TABLE IF NOT EXISTS x (a int)",
        "ALTER TABLE a ADD COLUMN IF NOT EXISTS x int, ALTER COLUMN y SET DEFAULT 1",
        "ALTER TABLE a ALTER COLUMN y SET DEFAULT 1",
        "INSERT INTO a VALUES (1) ON CONFLICT DO NOTHING",
        "DO $$ BEGIN END $$",
        "GRANT SELECT ON a TO PUBLIC",
        "COMMENT ON TABLE a IS 'x'",
        "DROP OPERATOR IF EXISTS === (int, int)",
        "MERGE INTO nonsense of another version",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        AUTO_ARENA Arena *arena = arena_new();
        SafeList list = read_ok(arena, texts[i]);
        if (list.items[0].asked || list.question_count != 0)
            fail_msg("asked: %s", texts[i]);
        assert_true(list.items[0].what[0] != '\0');
    }
}

static void test_what_cannot_run_twice_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "CREATE TABLE a (id int)",
        "CREATE INDEX i ON a (id)",
        "CREATE SEQUENCE q",
        "CREATE SCHEMA s",
        "CREATE EXTENSION e",
        "CREATE VIEW v AS SELECT 1",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TRIGGER t BEFORE INSERT ON a EXECUTE FUNCTION f()",
        "CREATE RULE r AS ON INSERT TO a DO NOTHING",
        "CREATE TYPE t AS ENUM ('a')",
        "CREATE DOMAIN d AS int",
        "CREATE POLICY p ON a",
        "CREATE ROLE r",
        "DROP TABLE a",
        "DROP FUNCTION f",
        "DROP ROLE r",
        "TRUNCATE a",
        "COPY a TO '/tmp/x'",
        "ALTER TABLE a ADD COLUMN b int",
        "ALTER TABLE a ADD COLUMN IF NOT EXISTS b int, DROP COLUMN c",
        "ALTER TABLE a DROP COLUMN b",
        "ALTER TABLE a DROP CONSTRAINT b",
        "ALTER TABLE a ADD CONSTRAINT c CHECK (true)",
        "ALTER TABLE a ALTER COLUMN b TYPE text",
        "ALTER TABLE a RENAME TO b",
        "ALTER TABLE IF EXISTS a RENAME COLUMN b TO c",
        "ALTER TABLE a ATTACH PARTITION b DEFAULT",
        "ALTER TYPE t ADD VALUE 'x'",
        "ALTER TYPE t RENAME VALUE 'x' TO 'y'",
        "SET lock_timeout = 0",
        "RESET ALL",
        "BEGIN",
        "COMMIT",
        "VACUUM a",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON a (id)",
        "CREATE DATABASE d",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        AUTO_ARENA Arena *arena = arena_new();
        const char *sql = arena_printf(arena, "-- a remark\nSELECT 1;\n%s;\n", texts[i]);
        SafeList list = {.count = 77};
        Error err = {0};
        if (read_text(arena, sql, &list, &err) != ERR_SCRIPT)
            fail_msg("not refused: %s", texts[i]);
        assert_string_equal(err.file, "safe/010_x.sql");
        assert_int_equal(err.line, 3);
        assert_true(err.hint[0] != '\0');
        assert_int_equal(list.count, 77); /* untouched */
    }
}

static void test_question_quotes_what_it_is_given(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    SafeList list = read_ok(arena, "CREATE TABLE IF NOT EXISTS \"it's \\ a\"\"b\" (id int)");
    StatementList question = safe_question(arena, &list, "o'ne");
    assert_int_equal(question.count, 1);
    assert_non_null(strstr(question.items[0].text, "E'it''s \\\\ a\"b'"));
    assert_non_null(strstr(question.items[0].text, "E'o''ne'"));
}

static void test_answers(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    SafeList list = read_ok(arena, "DROP TABLE IF EXISTS a, b;\nSELECT 1;\n"
                                   "CREATE INDEX IF NOT EXISTS i ON a (x);\n"
                                   "CREATE SCHEMA IF NOT EXISTS s;");
    assert_int_equal(list.question_count, 4);
    static const char *const values[] = {"-", "p", "+", "t", "0", "t",
                                         "0", "f", "2", "i", "3", "t"};
    SafeAnswer answer = {0};
    assert_true(safe_answer_read(arena, &list, values, 6, 2, &answer));
    assert_int_equal(answer.states[0], SAFE_MISSING);
    assert_int_equal(answer.states[1], SAFE_UNASKED);
    assert_int_equal(answer.states[2], SAFE_INVALID);
    assert_int_equal(answer.states[3], SAFE_PRESENT);
    assert_int_equal(answer.missing, 1);
    assert_false(answer.in_recovery);
    assert_true(answer.has_schema);
    assert_false(safe_answer_read(arena, &list, values, 5, 2, &answer));
    static const char *const beyond[] = {"-", "p", "+", "t", "9", "t",
                                         "0", "f", "2", "i", "3", "t"};
    assert_false(safe_answer_read(arena, &list, beyond, 6, 2, &answer));
    static const char *const null[] = {"-", "p", "+", "t", "0", NULL, "0", "f", "2", "i", "3", "t"};
    assert_false(safe_answer_read(arena, &list, null, 6, 2, &answer));
}

static void test_files_are_checked(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    SafeFiles files;
    SafeList list;
    Error err;
    assert_int_equal(safe_files_load(arena, "/nonexistent/safe", &files, &err), ERR_NOT_FOUND);
    assert_int_equal(read_text(arena, "SELECT '\xff'", &list, &err), ERR_SCRIPT);
    assert_int_equal(read_ok(arena, "-- nothing\n;").count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms_that_are_asked),
        cmocka_unit_test(test_forms_that_run_each_time),
        cmocka_unit_test(test_what_cannot_run_twice_is_refused),
        cmocka_unit_test(test_question_quotes_what_it_is_given),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_files_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
