#include "gate_sql.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void one_select_is_let_in(void **state)
{
    (void)state;
    Error err;
    static const char *const good[] = {
        "SELECT count(*) >= 0 FROM users",
        "select true;",
        "WITH a AS (SELECT 1) SELECT count(*) = 1 FROM a",
        "VALUES (true)",
        "TABLE ready",
        "SELECT true -- ; DROP TABLE users",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(gate_sql_check("g", good[i], &err), ERR_OK);
}

static void nothing_else_is(void **state)
{
    (void)state;
    Error err;
    static const char *const bad[] = {
        "",
        "SELECT true; SELECT true",
        "SELECT true; DROP TABLE users",
        "COMMIT",
        "DELETE FROM users",
        "SELECT 1 INTO copied",
        "COPY users TO PROGRAM 'true'",
        "SELECT FROM WHERE",
        "SET TRANSACTION READ WRITE",
        "EXPLAIN ANALYZE DELETE FROM users",
        "DO $$ BEGIN END $$",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(gate_sql_check("g", bad[i], &err), ERR_CONFIG);
    assert_int_equal(gate_sql_check("g", "SELECT FROM WHERE", &err), ERR_CONFIG);
    assert_string_equal(err.message, "gate 'g': its sql: syntax error at or near \"WHERE\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_select_is_let_in),
        cmocka_unit_test(nothing_else_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
