#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "takes.h"

#include <string.h>

/* What it takes away, a line each; what is not missed is left out. */
static const char *taken(Arena *arena, const char *upgrade)
{
    Script *script;
    Error err;
    TakenList list = {0};
    StrList lines = {0};
    const char *text = arena_printf(arena,
                                    "-- revision: 001_x\n-- message: x\n\n-- +upgrade\n%s\n"
                                    "-- +downgrade\nSELECT 1;\n",
                                    upgrade);
    if (script_parse(arena, "001_x.sql", (const uint8_t *)text, strlen(text), &script, &err) !=
        ERR_OK)
        fail_msg("%s: line %d: %s", upgrade, err.line, err.message);
    assert_int_equal(takes_read(arena, script, &list, &err), ERR_OK);
    for (size_t i = 0; i < list.count; i++) {
        if (taken_is_missed(&list.items[i]) || list.items[i].kind == TAKEN_UNREADABLE)
            strlist_add(arena, &lines, taken_describe(arena, &list.items[i]));
    }
    return strlist_join(arena, &lines, "; ");
}

typedef struct Case {
    const char *upgrade;
    const char *taken;
} Case;

static void check(const Case *cases, size_t count)
{
    AUTO_ARENA Arena *arena = arena_new();
    for (size_t i = 0; i < count; i++)
        assert_string_equal(taken(arena, cases[i].upgrade), cases[i].taken);
}

static void what_statements_take(void **state)
{
    (void)state;
    static const Case cases[] = {
        {"ALTER TABLE a.users DROP COLUMN IF EXISTS email, DROP CONSTRAINT c;",
         "drops column a.users.email"},
        {"ALTER TABLE users ALTER age TYPE bigint;", "changes column users.age"},
        {"ALTER TABLE users RENAME email TO mail;", "renames column users.email to mail"},
        {"ALTER TABLE users RENAME TO people;", "renames table users to people"},
        {"ALTER VIEW v RENAME TO \"W\";", "renames view v to \"W\""},
        {"ALTER TABLE users SET SCHEMA old;", "renames table users to old.users"},
        {"DROP TABLE a, b.c CASCADE;", "drops table a; drops table b.c"},
        {"DROP MATERIALIZED VIEW m;", "drops materialized view m"},
        {"DROP FUNCTION f(int, text); DROP PROCEDURE p;", "drops function f; drops procedure p"},
        {"ALTER FUNCTION f(int) RENAME TO g;", "renames function f to g"},
        {"DROP TYPE t; DROP DOMAIN d;", "drops type t; drops domain d"},
        {"ALTER TYPE mood RENAME VALUE 'ok' TO 'fine';", "renames label 'ok' of mood to fine"},
        {"ALTER TYPE home DROP ATTRIBUTE zip, ALTER ATTRIBUTE no TYPE text;",
         "drops attribute home.zip; changes attribute home.no"},
        {"ALTER TYPE home RENAME ATTRIBUTE zip TO code;", "renames attribute home.zip to code"},
        {"DROP SCHEMA s; ALTER SCHEMA a RENAME TO b;", "drops schema s; renames schema a to b"},
        {"DROP SEQUENCE n;", "drops sequence n"},
        {"DROP INDEX i; DROP TRIGGER t ON a; DROP POLICY p ON a; GRANT SELECT ON a TO b;", ""},
        {"DO 'BEGIN END';", "may take something away: a DO block"},
        {"DROP OWNED BY a;", "may take something away: DROP OWNED"},
        {"DROP EXTENSION citext CASCADE;", "may take something away: DROP EXTENSION"},
        {"DROP EXTENSION citext;", "may take something away: DROP EXTENSION"},
        {"DROP CAST (int AS text) CASCADE; DROP CAST (int AS text);",
         "may take something away: DROP ... CASCADE"},
        {"DROP SERVER s CASCADE;", "may take something away: DROP ... CASCADE"},
        {"ALTER TABLE a FROBNICATE;",
         "may take something away: a statement that pgtide's parser does not know"},
    };
    check(cases, sizeof cases / sizeof *cases);
}

static void what_comes_back_is_not_gone(void **state)
{
    (void)state;
    static const Case cases[] = {
        {"CREATE TABLE n (a int); ALTER TABLE n DROP COLUMN a; DROP TABLE n;", ""},
        {"DROP VIEW v; CREATE VIEW v AS SELECT 1;", ""},
        {"DROP FUNCTION f(int); CREATE FUNCTION f(int, int) RETURNS int LANGUAGE sql AS 'SELECT "
         "1';",
         ""},
        {"ALTER TABLE t RENAME TO u; CREATE VIEW t AS SELECT * FROM u;", ""},
        {"ALTER TABLE t DROP COLUMN a; ALTER TABLE t ADD COLUMN a int;", "changes column t.a"},
        {"ALTER TABLE t DROP COLUMN a; ALTER TABLE t RENAME b TO a;",
         "changes column t.a; renames column t.b to a"},
        {"ALTER TABLE t ADD COLUMN a int; ALTER TABLE t DROP COLUMN a;", ""},
    };
    check(cases, sizeof cases / sizeof *cases);
}

/* The one that was there before is used by whoever used it. */
static void what_may_have_been_there_is_gone(void **state)
{
    (void)state;
    static const Case cases[] = {
        {"CREATE TABLE IF NOT EXISTS t (a int); ALTER TABLE t DROP COLUMN a; DROP TABLE t;",
         "drops column t.a; drops table t"},
        {"CREATE TABLE IF NOT EXISTS t AS SELECT 1 AS a; DROP TABLE t;", "drops table t"},
        {"ALTER TABLE t ADD COLUMN IF NOT EXISTS a int; ALTER TABLE t DROP COLUMN a;",
         "drops column t.a"},
        {"CREATE SEQUENCE IF NOT EXISTS s; DROP SEQUENCE s;", "drops sequence s"},
        {"CREATE SCHEMA IF NOT EXISTS s; DROP SCHEMA s;", "drops schema s"},
        {"CREATE OR REPLACE VIEW v AS SELECT 1; DROP VIEW v;", "drops view v"},
        {"CREATE OR REPLACE VIEW v AS SELECT 1;", ""},
        {"DROP TABLE t; CREATE TABLE IF NOT EXISTS t (a int); ALTER TABLE t DROP COLUMN a;", ""},
    };
    check(cases, sizeof cases / sizeof *cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_statements_take),
        cmocka_unit_test(what_comes_back_is_not_gone),
        cmocka_unit_test(what_may_have_been_there_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
