#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clock.h"
#include "window.h"

#include <string.h>

enum { MON_THU = 0x0f, SUNDAY = 0x40 };

static uint64_t at(const char *text)
{
    uint64_t ms = 0;
    assert_true(time_parse_rfc3339(text, &ms));
    return ms;
}

static WindowLook look(const WindowPlan *windows, size_t count, const char *when)
{
    WindowLook found;
    Error err;
    assert_int_equal(window_look(windows, count, at(when), &found, &err), ERR_OK);
    return found;
}

static void test_without_windows_it_is_always_open(void **state)
{
    (void)state;
    WindowLook found = look(NULL, 0, "2026-11-23T12:00:00Z");
    assert_int_equal(found.state, WINDOW_OPEN);
    assert_int_equal(found.changes_unix_ms, 0);
}

static void test_days_hours_and_cutoff(void **state)
{
    (void)state;
    WindowPlan night = {MON_THU, 60, 300, "UTC", 30 * 60 * 1000}; /* 2026-11-23 is a Monday */
    WindowLook found = look(&night, 1, "2026-11-23T00:59:59.999Z");
    assert_int_equal(found.state, WINDOW_CLOSED);
    assert_int_equal(found.opens_unix_ms, at("2026-11-23T01:00:00Z"));
    found = look(&night, 1, "2026-11-23T01:00:00Z");
    assert_int_equal(found.state, WINDOW_OPEN);
    assert_int_equal(found.changes_unix_ms, at("2026-11-23T04:30:00Z"));
    assert_int_equal(look(&night, 1, "2026-11-23T04:30:00Z").state, WINDOW_CUTOFF);
    assert_int_equal(look(&night, 1, "2026-11-23T05:00:00Z").state, WINDOW_CLOSED);
    found = look(&night, 1, "2026-11-27T02:00:00Z"); /* a Friday */
    assert_int_equal(found.state, WINDOW_CLOSED);
    assert_int_equal(found.opens_unix_ms, at("2026-11-30T01:00:00Z"));
}

static void test_over_midnight_the_day_is_the_one_it_opens_on(void **state)
{
    (void)state;
    WindowPlan late = {SUNDAY, 22 * 60, 2 * 60, "UTC", 0};
    assert_int_equal(look(&late, 1, "2026-11-22T23:00:00Z").state, WINDOW_OPEN);
    assert_int_equal(look(&late, 1, "2026-11-23T01:59:00Z").state, WINDOW_OPEN);
    assert_int_equal(look(&late, 1, "2026-11-23T02:00:00Z").state, WINDOW_CLOSED);
    assert_int_equal(look(&late, 1, "2026-11-22T01:00:00Z").state, WINDOW_CLOSED);
}

static void test_the_zones_clock_and_its_daylight_saving(void **state)
{
    (void)state;
    WindowPlan berlin = {WINDOW_DAYS_ALL, 60, 5 * 60, "Europe/Berlin", 0};
    /* Winter: an hour ahead of UTC; summer: two. */
    assert_int_equal(look(&berlin, 1, "2026-01-10T00:00:00Z").state, WINDOW_OPEN);
    assert_int_equal(look(&berlin, 1, "2026-01-10T04:00:00Z").state, WINDOW_CLOSED);
    assert_int_equal(look(&berlin, 1, "2026-07-10T00:00:00Z").state, WINDOW_OPEN);
    assert_int_equal(look(&berlin, 1, "2026-07-10T03:00:00Z").state, WINDOW_CLOSED);
    /* On 2026-03-29 02:00 becomes 03:00: the window is an hour shorter. */
    WindowLook found = look(&berlin, 1, "2026-03-29T00:30:00Z");
    assert_int_equal(found.state, WINDOW_OPEN);
    assert_int_equal(found.changes_unix_ms, at("2026-03-29T03:00:00Z"));
    /* On 2026-10-25 03:00 becomes 02:00: an hour longer. */
    found = look(&berlin, 1, "2026-10-24T23:30:00Z");
    assert_int_equal(found.state, WINDOW_OPEN);
    assert_int_equal(found.changes_unix_ms, at("2026-10-25T04:00:00Z"));
}

static void test_windows_together(void **state)
{
    (void)state;
    WindowPlan two[] = {{WINDOW_DAYS_ALL, 60, 120, "UTC", 600000},
                        {WINDOW_DAYS_ALL, 115, 180, "UTC", 0}};
    WindowLook found = look(two, 2, "2026-11-23T01:30:00Z");
    assert_int_equal(found.changes_unix_ms, at("2026-11-23T01:50:00Z")); /* the first's cutoff */
    assert_int_equal(look(two, 2, "2026-11-23T01:52:00Z").state, WINDOW_CUTOFF);
    found = look(two, 2, "2026-11-23T01:56:00Z");
    assert_int_equal(found.state, WINDOW_OPEN);
    assert_int_equal(found.changes_unix_ms, at("2026-11-23T03:00:00Z"));
}

static void test_zones(void **state)
{
    (void)state;
    assert_true(window_zone_exists("UTC"));
    assert_true(window_zone_exists("Europe/Berlin"));
    assert_false(window_zone_exists("Europe/Nowhere"));
    assert_false(window_zone_exists(""));
    assert_false(window_zone_exists("Zürich"));
    WindowPlan wrong = {WINDOW_DAYS_ALL, 60, 120, "Mars/Olympus", 0};
    WindowLook found;
    Error err;
    assert_int_equal(window_look(&wrong, 1, 0, &found, &err), ERR_CONFIG);
    assert_non_null(strstr(err.message, "Mars/Olympus"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_windows_it_is_always_open),
        cmocka_unit_test(test_days_hours_and_cutoff),
        cmocka_unit_test(test_over_midnight_the_day_is_the_one_it_opens_on),
        cmocka_unit_test(test_the_zones_clock_and_its_daylight_saving),
        cmocka_unit_test(test_windows_together),
        cmocka_unit_test(test_zones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
