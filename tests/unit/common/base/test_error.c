#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "error.h"

#include <ctype.h>
#include <string.h>

static void test_set_clears_the_rest_and_puts_the_default_hint(void **state)
{
    (void)state;
    Error err;
    memset(&err, 'x', sizeof err);
    assert_int_equal(err_set(&err, ERR_BUSY, "lock of '%s'", "db1"), ERR_BUSY);
    assert_int_equal(err.code, ERR_BUSY);
    assert_string_equal(err.message, "lock of 'db1'");
    assert_string_equal(err.detail, "");
    assert_string_equal(err.hint, err_default_hint(ERR_BUSY));
    assert_string_equal(err.sqlstate, "");
    assert_string_equal(err.file, "");
    assert_int_equal(err.line, 0);
}

static void test_fields(void **state)
{
    (void)state;
    Error err;
    err_set(&err, ERR_SQL, "failed");
    err_detail(&err, "host %s", "h1");
    err_hint(&err, "Do %d things.", 2);
    err_sqlstate(&err, "42P01");
    err_at(&err, "a.sql", 7);
    assert_string_equal(err.detail, "host h1");
    assert_string_equal(err.hint, "Do 2 things.");
    assert_string_equal(err.sqlstate, "42P01");
    assert_string_equal(err.file, "a.sql");
    assert_int_equal(err.line, 7);
    err_sqlstate(&err, "42P01-and-more");
    assert_string_equal(err.sqlstate, "42P01");
    err_clear(&err);
    assert_int_equal(err.code, ERR_OK);
    assert_string_equal(err.message, "");
}

static void test_wrap_keeps_everything_else(void **state)
{
    (void)state;
    Error err;
    err_set(&err, ERR_IO, "disk full");
    err_detail(&err, "fact");
    err_at(&err, "f", 3);
    assert_int_equal(err_wrap(&err, "writing %s", "x"), ERR_IO);
    assert_string_equal(err.message, "writing x: disk full");
    assert_string_equal(err.detail, "fact");
    assert_int_equal(err.line, 3);
}

static void test_long_texts_are_cut(void **state)
{
    (void)state;
    char text[1000];
    memset(text, 'm', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    Error err;
    err_set(&err, ERR_IO, "%s", text);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    err_wrap(&err, "context");
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    assert_memory_equal(err.message, "context: mmm", 12);
    err_detail(&err, "%s", text);
    assert_int_equal(strlen(err.detail), sizeof err.detail - 1);
}

static void test_places(void **state)
{
    (void)state;
    const char *text = "first\n\tSELECT 'é', broken;\r\nlast";
    Error err;
    err_set(&err, ERR_SQL, "failed");
    err_place(&err, "a.sql", text, 10, strstr(text, "broken"));
    assert_string_equal(err.file, "a.sql");
    assert_int_equal(err.line, 11);
    assert_int_equal(err.column, 14); /* é is one character */
    assert_string_equal(err.source, "\tSELECT 'é', broken;");
    assert_int_equal(err.source_column, 14);
    err_place(&err, "a.sql", text, 10, text + strlen(text));
    assert_int_equal(err.line, 12);
    assert_int_equal(err.column, 5); /* behind the last character */
    assert_string_equal(err.source, "last");
    assert_int_equal(err.source_column, 5);
    err_at(&err, "b.sql", 3);
    assert_int_equal(err.column, 0);
    assert_string_equal(err.source, "");
}

/* Of a long line the part around the column is kept, cut between characters. */
static void test_long_lines_are_cut_around_the_place(void **state)
{
    (void)state;
    char line[4001];
    for (size_t i = 0; i < 2000; i++)
        memcpy(line + 2 * i, "é", 2);
    memcpy(line + 2000, "AB", 2); /* the 1001st and one more */
    line[4000] = '\0';
    Error err;
    err_set(&err, ERR_SQL, "failed");
    for (int column = 1; column <= 2002; column += 77) {
        err_source(&err, line, 4000, column);
        assert_true(strlen(err.source) < sizeof err.source);
        assert_int_equal(err.column, column);
        assert_true(((unsigned char)err.source[0] & 0xC0) != 0x80);
        size_t at = 0;
        for (int seen = 1; seen < err.source_column; seen++)
            at += (err.source[at] & 0x80) == 0 ? 1 : 2;
        assert_true(at <= strlen(err.source));
    }
    err_source(&err, line, 4000, 1001);
    const char *place = strstr(err.source, "AB");
    assert_non_null(place);
    assert_int_equal((place - err.source) / 2 + 1, err.source_column);
}

static void test_null_is_allowed(void **state)
{
    (void)state;
    static const char text[] = "xy";
    assert_int_equal(err_set(NULL, ERR_IO, "nobody listens"), ERR_IO);
    err_detail(NULL, "x");
    err_hint(NULL, "x");
    err_at(NULL, "x", 1);
    err_source(NULL, "x", 1, 1);
    err_place(NULL, text, text, 1, text + 1);
    err_sqlstate(NULL, "x");
    err_clear(NULL);
}

static void test_the_code_table(void **state)
{
    (void)state;
    for (int i = 0; i < ERR_COUNT; i++) {
        ErrCode code = (ErrCode)i;
        assert_int_equal(err_code_from_name(err_code_name(code)), code);
        assert_true(strlen(err_code_text(code)) > 0);
        int status = err_exit_status(code);
        bool documented = (status >= 0 && status <= 6) || status == 130 || status == 143;
        assert_true(documented);
        assert_int_equal(status == 0, code == ERR_OK);
        const char *hint = err_default_hint(code);
        if (hint[0] != '\0') {
            assert_true(isupper((unsigned char)hint[0]));
            assert_int_equal(hint[strlen(hint) - 1], '.');
        }
    }
    assert_int_equal(err_code_from_name("NO_SUCH"), ERR_INTERNAL);
    assert_int_equal(err_exit_status(ERR_UNKNOWN), 4);
    assert_int_equal(err_retry_class(ERR_UNKNOWN), RETRY_PROBE_FIRST);
    assert_int_equal(err_retry_class(ERR_LOCK_TIMEOUT), RETRY_SAFE);
    assert_int_equal(err_retry_class(ERR_SIGNATURE_INVALID), RETRY_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_clears_the_rest_and_puts_the_default_hint),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_wrap_keeps_everything_else),
        cmocka_unit_test(test_long_texts_are_cut),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_long_lines_are_cut_around_the_place),
        cmocka_unit_test(test_null_is_allowed),
        cmocka_unit_test(test_the_code_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
