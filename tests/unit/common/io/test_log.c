#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "log.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* 2026-11-23T10:00:00.123Z */
static const uint64_t at_ms = UINT64_C(1795428000123);

static void __attribute__((sentinel)) render(Str *out, LogFormat format, const Error *error, ...)
{
    va_list pairs;
    va_start(pairs, error);
    log_render(out, format, at_ms, LOG_WARN, "job.finished", error, pairs);
    va_end(pairs);
}

static void test_logfmt(void **state)
{
    (void)state;
    AUTO_STR Str out = {0};
    const char *absent = NULL;
    render(&out, LOG_LOGFMT, NULL, "shard", "c1/db", "steps", LOG_UINT(3), "skipped", absent,
           "delta", LOG_INT(-4), "text", "two words", "empty", "", "equals", "a=b", NULL);
    assert_string_equal(str_text(&out),
                        "ts=2026-11-23T10:00:00.123Z level=warn event=job.finished shard=c1/db "
                        "steps=3 delta=-4 text=\"two words\" empty=\"\" equals=\"a=b\"\n");
}

static void test_one_line_whatever_the_value(void **state)
{
    (void)state;
    AUTO_STR Str out = {0};
    render(&out, LOG_LOGFMT, NULL, "v", "a\nb\r\x1b[2J\xC2\x9B\"\\\xFF", NULL);
    const char *value = strstr(str_text(&out), "v=");
    assert_string_equal(value, "v=\"a\\nb\\u000d\\u001b[2J\\u009b\\\"\\\\\xEF\xBF\xBD\"\n");
    assert_ptr_equal(strchr(str_text(&out), '\n'), out.data + out.length - 1);
}

static void test_json_and_error_fields(void **state)
{
    (void)state;
    Error err;
    err_set(&err, ERR_SQL, "no such table");
    err_detail(&err, "line one\nline two");
    err_sqlstate(&err, "42P01");
    err_at(&err, "a.sql", 7);
    AUTO_STR Str out = {0};
    render(&out, LOG_JSON, &err, "shard", "x", NULL);
    assert_ptr_equal(strchr(str_text(&out), '\n'), out.data + out.length - 1);
    json_t *line = json_loadb(out.data, out.length, 0, NULL);
    assert_non_null(line);
    static const char *const expected[][2] = {
        {"ts", "2026-11-23T10:00:00.123Z"},
        {"level", "warn"},
        {"event", "job.finished"},
        {"code", "SQL"},
        {"message", "no such table"},
        {"detail", "line one\nline two"},
        {"sqlstate", "42P01"},
        {"file", "a.sql"},
        {"line", "7"},
        {"shard", "x"},
    };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_string_equal(json_string_value(json_object_get(line, expected[i][0])),
                            expected[i][1]);
    assert_null(json_object_get(line, "hint")); /* ERR_SQL has none */
    json_decref(line);
}

static void test_levels(void **state)
{
    (void)state;
    assert_false(log_is_on(LOG_DEBUG));
    assert_true(log_is_on(LOG_INFO));
    log_setup(LOG_LOGFMT, LOG_ERROR);
    assert_false(log_is_on(LOG_WARN));
    assert_true(log_is_on(LOG_ERROR));
    log_setup(LOG_LOGFMT, LOG_INFO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logfmt),
        cmocka_unit_test(test_one_line_whatever_the_value),
        cmocka_unit_test(test_json_and_error_fields),
        cmocka_unit_test(test_levels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
