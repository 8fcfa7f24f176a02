#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clock.h"

#include <string.h>

static void test_clocks_move_forward(void **state)
{
    (void)state;
    uint64_t before = clock_monotonic_ms();
    assert_true(clock_monotonic_ms() >= before);
    assert_true(clock_unix_ms() > UINT64_C(1700000000000)); /* after November 2023 */
}

static void test_rfc3339(void **state)
{
    (void)state;
    static const struct {
        uint64_t unix_ms;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {UINT64_C(1709210096007), "2024-02-29T12:34:56.007Z"},
        {UINT64_C(253402300799999), "9999-12-31T23:59:59.999Z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[TIME_TEXT_SIZE];
        time_format_rfc3339(cases[i].unix_ms, text);
        assert_string_equal(text, cases[i].text);
        uint64_t back = 1;
        assert_true(time_parse_rfc3339(text, &back));
        assert_true(back == cases[i].unix_ms);
    }
    char text[TIME_TEXT_SIZE];
    time_format_rfc3339(UINT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
}

static void test_rfc3339_offsets(void **state)
{
    (void)state;
    uint64_t ms = 0;
    assert_true(time_parse_rfc3339("2024-02-29T14:34:56.0071+02:00", &ms));
    assert_true(ms == UINT64_C(1709210096007));
    assert_true(time_parse_rfc3339("2024-02-29t07:04:56-05:30", &ms));
    assert_true(ms == UINT64_C(1709210096000));
}

static void test_rfc3339_refusals(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "2024-02-29",
        "2024-02-29T12:34:56",       /* no zone */
        "2023-02-29T12:34:56Z",      /* no such day */
        "2024-04-31T12:34:56Z",      /* no such day */
        "2024-00-10T12:34:56Z",      /* no such month */
        "2024-13-10T12:34:56Z",      /* no such month */
        "2024-02-00T12:34:56Z",      /* no such day */
        "2024-02-29T24:00:00Z",      /* no such hour */
        "2024-02-29T12:34:56.Z",     /* no fraction */
        "2024-02-29T12:34:56Zx",     /* more */
        "1969-12-31T23:59:59Z",      /* before the epoch */
        "1970-01-01T00:00:00+01:00", /* before the epoch */
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint64_t ms = 42;
        assert_false(time_parse_rfc3339(bad[i], &ms));
        assert_true(ms == 42);
    }
}

static void test_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms;
        const char *shown;
    } cases[] = {
        {"500ms", 500, "500ms"},  {"30s", 30000, "30s"},   {"5m", 300000, "5m"},
        {"2h", 7200000, "2h"},    {"7d", 604800000, "7d"}, {"0", 0, "0s"},
        {"0ms", 0, "0s"},         {"90s", 90000, "90s"},   {"1500ms", 1500, "1500ms"},
        {"60000ms", 60000, "1m"}, {"24h", 86400000, "1d"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t ms = 1;
        assert_true(duration_parse(cases[i].text, &ms));
        assert_true(ms == cases[i].ms);
        char text[DURATION_TEXT_SIZE];
        duration_format(ms, text);
        assert_string_equal(text, cases[i].shown);
    }
    char text[DURATION_TEXT_SIZE];
    duration_format(UINT64_MAX, text);
    assert_string_equal(text, "18446744073709551615ms");
    uint64_t back = 0;
    assert_true(duration_parse(text, &back) && back == UINT64_MAX);
}

static void test_duration_refusals(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "5",
                                      "s",
                                      "-5s",
                                      "+5s",
                                      "5 s",
                                      "5S",
                                      "5sec",
                                      "1.5h",
                                      "1h30m",
                                      " 5s",
                                      "5s ",
                                      "18446744073709551616ms",
                                      "999999999999999d"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint64_t ms = 42;
        assert_false(duration_parse(bad[i], &ms));
        assert_true(ms == 42);
    }
}

static void test_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
        const char *shown;
    } cases[] = {
        {"64KiB", 65536, "64KiB"},
        {"10MiB", 10485760, "10MiB"},
        {"2GiB", UINT64_C(2147483648), "2GiB"},
        {"1TiB", UINT64_C(1099511627776), "1TiB"},
        {"1024", 1024, "1KiB"},
        {"100B", 100, "100B"},
        {"0", 0, "0B"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t bytes = 1;
        assert_true(size_parse(cases[i].text, &bytes));
        assert_true(bytes == cases[i].bytes);
        char text[SIZE_TEXT_SIZE];
        size_format(bytes, text);
        assert_string_equal(text, cases[i].shown);
    }
    uint64_t bytes = 42;
    assert_false(size_parse("1MB", &bytes));
    assert_false(size_parse("1M", &bytes));
    assert_false(size_parse("MiB", &bytes));
    assert_false(size_parse("99999999999GiB", &bytes));
    assert_true(bytes == 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clocks_move_forward),
        cmocka_unit_test(test_rfc3339),
        cmocka_unit_test(test_rfc3339_offsets),
        cmocka_unit_test(test_rfc3339_refusals),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_duration_refusals),
        cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
