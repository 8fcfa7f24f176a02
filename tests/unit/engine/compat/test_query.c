#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "query.h"

static const Taken email = {
    .kind = TAKEN_COLUMN, .word = "column", .schema = "", .name = "users", .part = "email"};

static CompatFound found_in(Arena *arena, const char *schema)
{
    CompatFound found = {.name = "x", .kind = "x"};
    strlist_add(arena, &found.schemas, schema);
    strlist_add(arena, &found.rivals, "orders");
    strlist_add(arena, &found.children, "users_old");
    strlist_add(arena, &found.homes, "attic");
    strlist_add(arena, &found.sources, "all_users");
    return found;
}

typedef struct Case {
    const char *text;
    CompatSure sure;
} Case;

static void check(const Taken *taken, bool twins, const Case *cases, size_t count)
{
    AUTO_ARENA Arena *arena = arena_new();
    CompatFound found = found_in(arena, "public");
    found.twins = twins;
    for (size_t i = 0; i < count; i++) {
        const char *why = NULL;
        CompatSure sure = query_uses(query_read(arena, cases[i].text), taken, &found, &why);
        if (sure != cases[i].sure || (sure != COMPAT_NOT) != (why != NULL))
            fail_msg("%s: %s, not %s", cases[i].text, compat_sure_name(sure),
                     compat_sure_name(cases[i].sure));
    }
}

static void a_column_is_used(void **state)
{
    (void)state;
    static const Case cases[] = {
        {"SELECT email FROM users", COMPAT_USES},
        {"SELECT u.email FROM public.users u", COMPAT_USES},
        {"SELECT email FROM app.users", COMPAT_NOT},
        {"SELECT name FROM users WHERE email = $1", COMPAT_USES},
        {"SELECT id FROM users ORDER BY email", COMPAT_USES},
        {"SELECT id FROM users", COMPAT_NOT},
        {"SELECT email FROM people", COMPAT_NOT},
        {"SELECT count(*) FROM users", COMPAT_NOT},
        {"SELECT * FROM users", COMPAT_MAY},
        {"SELECT u.* FROM users u JOIN orders o ON o.buyer = u.id", COMPAT_MAY},
        {"SELECT o.* FROM users u JOIN orders o ON o.buyer = u.id", COMPAT_NOT},
        {"SELECT row_to_json(u) FROM users u", COMPAT_MAY},
        {"SELECT email FROM users u JOIN orders o ON o.buyer = u.id", COMPAT_MAY},
        {"SELECT email FROM users u JOIN things t ON t.buyer = u.id", COMPAT_USES},
        {"SELECT o.email FROM users u JOIN orders o ON o.buyer = u.id", COMPAT_NOT},
        {"SELECT id FROM users JOIN people USING (email)", COMPAT_USES},
        {"SELECT id FROM users NATURAL JOIN people", COMPAT_MAY},
        {"INSERT INTO users (id, email) VALUES ($1, $2)", COMPAT_USES},
        {"INSERT INTO users (id) VALUES ($1)", COMPAT_NOT},
        {"INSERT INTO users VALUES ($1, $2)", COMPAT_MAY},
        {"INSERT INTO users DEFAULT VALUES", COMPAT_NOT},
        {"INSERT INTO users (id) VALUES ($1) ON CONFLICT (email) DO NOTHING", COMPAT_USES},
        {"INSERT INTO users (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET email = $2",
         COMPAT_USES},
        {"UPDATE users SET email = $1 WHERE id = $2", COMPAT_USES},
        {"UPDATE users SET name = $1 WHERE id = $2", COMPAT_NOT},
        {"UPDATE orders SET email = $1 FROM users u WHERE u.id = buyer", COMPAT_NOT},
        {"DELETE FROM users WHERE email IS NULL", COMPAT_USES},
        {"MERGE INTO users u USING things t ON t.id = u.id WHEN MATCHED THEN UPDATE SET email = $1",
         COMPAT_USES},
        {"COPY users (id, email) FROM STDIN", COMPAT_USES},
        {"COPY users FROM STDIN", COMPAT_MAY},
        {"COPY users (id) FROM STDIN", COMPAT_NOT},
        {"WITH users AS (SELECT $1 AS email) SELECT email FROM users", COMPAT_MAY},
        {"CREATE TABLE copy AS SELECT email FROM users", COMPAT_USES},
        {"INSERT INTO users (id) VALUES ($1) ON CONFLICT ON CONSTRAINT k DO NOTHING", COMPAT_MAY},
        {"SELECT email FROM users_old", COMPAT_USES},
        {"SELECT email FROM attic.users_old o", COMPAT_USES},
        {"SELECT email FROM public.users_old", COMPAT_NOT},
        {"SELECT id FROM users_old", COMPAT_NOT},
        {"SELECT email FROM all_users()", COMPAT_MAY},
        {"SELECT a.* FROM all_users($1) a", COMPAT_MAY},
        {"SELECT (all_users()).email", COMPAT_MAY},
        {"SELECT id FROM all_users()", COMPAT_NOT},
        {"SELECT email FROM some_users()", COMPAT_NOT},
        {"CREATE TABLE copy (LIKE users)", COMPAT_MAY},
        {"CREATE TABLE child (b int) INHERITS (public.users)", COMPAT_MAY},
        {"CREATE TABLE part PARTITION OF users FOR VALUES IN (1)", COMPAT_NOT},
        {"CREATE TABLE users (email text)", COMPAT_NOT},
        {"LOCK TABLE users", COMPAT_NOT},
        {"ALTER TABLE users ADD CHECK (email <> '')", COMPAT_NOT},
        {"GRANT SELECT (email) ON users TO app", COMPAT_NOT},
        {"VACUUM users (email)", COMPAT_NOT},
        {"DO 'BEGIN PERFORM email FROM users; END'", COMPAT_UNKNOWN},
        {"SELECT email FROM users FROBNICATE BY x", COMPAT_UNKNOWN},
        {"SELECT name FROM users FROBNICATE BY x", COMPAT_NOT},
    };
    check(&email, false, cases, sizeof cases / sizeof *cases);
}

static void one_of_several_may_be(void **state)
{
    (void)state;
    static const Case cases[] = {
        {"SELECT email FROM users", COMPAT_MAY},
        {"SELECT email FROM public.users", COMPAT_USES},
    };
    check(&email, true, cases, sizeof cases / sizeof *cases);
}

static void other_things_are_used(void **state)
{
    (void)state;
    static const Taken table = {.kind = TAKEN_RELATION, .schema = "", .name = "users", .part = ""};
    static const Taken function = {.kind = TAKEN_FUNCTION, .schema = "", .name = "f", .part = ""};
    static const Taken type = {.kind = TAKEN_TYPE, .schema = "", .name = "mood", .part = ""};
    static const Taken schema = {.kind = TAKEN_SCHEMA, .schema = "", .name = "old", .part = ""};
    static const Case tables[] = {
        {"SELECT 1 FROM users", COMPAT_USES},
        {"TRUNCATE users", COMPAT_USES},
        {"LOCK TABLE users", COMPAT_USES},
        {"CREATE TABLE copy (LIKE users)", COMPAT_USES},
        {"CREATE TEMP TABLE child () INHERITS (users)", COMPAT_USES},
        {"CREATE TABLE part PARTITION OF users FOR VALUES IN (1)", COMPAT_USES},
        {"CREATE TABLE IF NOT EXISTS users (LIKE people)", COMPAT_NOT},
        {"CREATE TABLE users (id int)", COMPAT_NOT},
        {"SELECT users FROM people", COMPAT_NOT},
        {"DROP TABLE users", COMPAT_NOT},
    };
    static const Case functions[] = {
        {"SELECT f($1)", COMPAT_USES},         {"SELECT public.f()", COMPAT_USES},
        {"SELECT pg_catalog.f()", COMPAT_NOT}, {"CALL f($1)", COMPAT_USES},
        {"SELECT f FROM a", COMPAT_NOT},
    };
    static const Case types[] = {
        {"SELECT $1::mood", COMPAT_USES},
        {"SELECT mood FROM a", COMPAT_NOT},
    };
    static const Case schemas[] = {
        {"SELECT 1 FROM old.a", COMPAT_USES},
        {"SELECT old.f()", COMPAT_USES},
        {"SELECT 1 FROM old", COMPAT_NOT},
    };
    check(&table, false, tables, sizeof tables / sizeof *tables);
    check(&function, false, functions, sizeof functions / sizeof *functions);
    check(&type, false, types, sizeof types / sizeof *types);
    check(&schema, false, schemas, sizeof schemas / sizeof *schemas);
}

/* Which values are of a type a statement does not say. */
static void an_attribute_may_be_used(void **state)
{
    (void)state;
    static const Taken zip = {
        .kind = TAKEN_COLUMN, .word = "attribute", .schema = "", .name = "home", .part = "zip"};
    static const Case cases[] = {
        {"SELECT (u.home).zip FROM users u", COMPAT_MAY},
        {"SELECT (u.home).city FROM users u", COMPAT_NOT},
        {"SELECT zip FROM homes()", COMPAT_MAY},
        {"UPDATE users SET home.zip = $1", COMPAT_MAY},
        {"UPDATE users SET home.city = $1", COMPAT_NOT},
        {"SELECT ROW($1, $2)::home", COMPAT_MAY},
        {"DO 'BEGIN PERFORM (home).zip FROM users; END'", COMPAT_UNKNOWN},
    };
    check(&zip, false, cases, sizeof cases / sizeof *cases);
}

static void quoted_names_are_read(void **state)
{
    (void)state;
    static const Taken table = {.kind = TAKEN_RELATION, .schema = "", .name = "q\"t", .part = ""};
    static const Case cases[] = {
        {"SELECT 1 FROM \"q\"\"t\"", COMPAT_USES},
        {"DO 'BEGIN PERFORM 1 FROM \"q\"\"t\"; END'", COMPAT_UNKNOWN},
    };
    check(&table, false, cases, sizeof cases / sizeof *cases);
}

static void no_constant_is_shown(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    static const char *const hidden[] = {
        "SELECT 'secret' FROM users", "SELECT 42 FROM users",
        "SELECT $a$secret$a$",        "SELECT E'a', b'1'",
        "ALTER ROLE app PASSWORD $1", "SELECT FROM WHERE",
        "DO $$BEGIN END$$",           "CREATE USER a",
        "SELECT 1.5 /* secret */",    "SELECT U&'secret'",
    };
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        assert_null(query_shown(query_read(arena, hidden[i])));
    assert_string_equal(query_shown(query_read(arena, "SELECT a,\n b /* secret */ -- secret\n"
                                                      "FROM  users WHERE id=$1")),
                        "SELECT a, b FROM users WHERE id=$1");
}

static void bodies_are_searched(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    const char *why;
    static const char *const good[] = {
        "BEGIN SELECT email INTO x FROM users; END",
        "EXECUTE 'SELECT email FROM users'",
        "SELECT \"email\" FROM Users",
    };
    static const char *const bad[] = {
        "SELECT emails FROM users",
        "SELECT name FROM users -- email",
        "SELECT email FROM people",
        "SELECT 'emails' FROM users",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(body_uses(arena, good[i], &email, false, &why), COMPAT_BY_NAME);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(body_uses(arena, bad[i], &email, false, &why), COMPAT_NOT);
    assert_int_equal(body_uses(arena, "NEW.email := 1", &email, true, &why), COMPAT_BY_NAME);
    assert_int_equal(body_uses(arena, "NEW.email := 1", &email, false, &why), COMPAT_NOT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_column_is_used),         cmocka_unit_test(one_of_several_may_be),
        cmocka_unit_test(other_things_are_used),    cmocka_unit_test(no_constant_is_shown),
        cmocka_unit_test(an_attribute_may_be_used), cmocka_unit_test(quoted_names_are_read),
        cmocka_unit_test(bodies_are_searched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
