#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tool_version.h"

static void versions_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t version;
    } cases[] = {
        {"pg_dump (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)", 150014},
        {"pg_dump (PostgreSQL) 17beta1", 170000},
        {"pg_restore (PostgreSQL) 9.6.24", 90006},
        {"v1.1.1", 10001},
        {"18.", 180000},
        {"123456789.1", 12340000},
        {"no number", 0},
        {"", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(tool_version_parse(cases[i].text), cases[i].version);
}

static void an_older_one_does_not_serve(void **state)
{
    (void)state;
    Error err;
    assert_int_equal(tool_version_check("pg_dump", 150014, 150003, ERR_BACKUP, &err), ERR_OK);
    assert_int_equal(tool_version_check("pg_dump", 180000, 130023, ERR_BACKUP, &err), ERR_OK);
    assert_int_equal(tool_version_check("pg_dump", 150014, 160001, ERR_STATE, &err), ERR_STATE);
    assert_string_equal(err.message, "pg_dump 15 is older than the server, 16");
    assert_string_equal(err.hint, "Install postgresql-client-16, or a newer one.");
    assert_int_equal(tool_version_check("pg_restore", 0, 160001, ERR_BACKUP, &err), ERR_BACKUP);
    assert_string_equal(err.message, "there is no pg_restore");
}

static void a_newer_pg_restore_says_too_much(void **state)
{
    (void)state;
    Error err;
    assert_int_equal(tool_version_check_restore(160001, 130023, ERR_BACKUP, &err), ERR_OK);
    assert_int_equal(tool_version_check_restore(180001, 170002, ERR_BACKUP, &err), ERR_OK);
    assert_int_equal(tool_version_check_restore(150001, 160001, ERR_BACKUP, &err), ERR_BACKUP);
    assert_int_equal(tool_version_check_restore(170001, 160001, ERR_BACKUP, &err), ERR_BACKUP);
    assert_string_equal(
        err.message, "pg_restore 17 can't restore into PostgreSQL 16: it sets a parameter of 17");
    assert_string_equal(err.hint, "Install postgresql-client-16.");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_are_read),
        cmocka_unit_test(an_older_one_does_not_serve),
        cmocka_unit_test(a_newer_pg_restore_says_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
