#include "clock.h"

#include <ctype.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t read_clock(clockid_t id)
{
    struct timespec now;
    if (clock_gettime(id, &now) != 0)
        abort(); /* both clocks exist on every Linux */
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t clock_monotonic_ms(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_unix_ms(void)
{
    return read_clock(CLOCK_REALTIME);
}

/* Beyond the year 9999 RFC 3339 has no form. */
static const uint64_t rfc3339_ms_max = UINT64_C(253402300799999);

void time_format_rfc3339(uint64_t unix_ms, char out[TIME_TEXT_SIZE])
{
    if (unix_ms > rfc3339_ms_max)
        unix_ms = rfc3339_ms_max;
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    size_t length = strftime(out, TIME_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(out + length, TIME_TEXT_SIZE - length, ".%03uZ", (unsigned)(unix_ms % 1000));
}

/* Exactly `digits` decimal digits, as a number up to `max`. */
static bool take_digits(const char **at, int digits, int max, int *out)
{
    int value = 0;
    for (int i = 0; i < digits; i++) {
        if (!isdigit((unsigned char)(*at)[i]))
            return false;
        value = value * 10 + ((*at)[i] - '0');
    }
    *at += digits;
    *out = value;
    return value <= max;
}

static bool take_char(const char **at, const char *choices)
{
    if (**at == '\0' || strchr(choices, **at) == NULL)
        return false;
    (*at)++;
    return true;
}

static bool take_fraction(const char **at, uint64_t *ret_ms)
{
    uint64_t ms = 0;
    uint64_t weight = 100;
    if (!isdigit((unsigned char)**at))
        return false;
    for (; isdigit((unsigned char)**at); (*at)++) {
        ms += weight * (uint64_t)(**at - '0');
        weight /= 10;
    }
    *ret_ms = ms;
    return true;
}

static bool take_offset(const char **at, int64_t *ret_seconds)
{
    if (take_char(at, "Zz")) {
        *ret_seconds = 0;
        return true;
    }
    int sign = **at == '-' ? -1 : 1;
    int hours = 0;
    int minutes = 0;
    if (!take_char(at, "+-") || !take_digits(at, 2, 23, &hours) || !take_char(at, ":") ||
        !take_digits(at, 2, 59, &minutes))
        return false;
    *ret_seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

bool time_parse_rfc3339(const char *text, uint64_t *ret_unix_ms)
{
    struct tm parts = {0};
    int year = 0;
    int month = 0;
    uint64_t ms = 0;
    int64_t offset = 0;
    const char *at = text;
    if (!take_digits(&at, 4, 9999, &year) || !take_char(&at, "-") ||
        !take_digits(&at, 2, 12, &month) || !take_char(&at, "-") ||
        !take_digits(&at, 2, 31, &parts.tm_mday) || !take_char(&at, "Tt ") ||
        !take_digits(&at, 2, 23, &parts.tm_hour) || !take_char(&at, ":") ||
        !take_digits(&at, 2, 59, &parts.tm_min) || !take_char(&at, ":") ||
        !take_digits(&at, 2, 59, &parts.tm_sec))
        return false;
    if (take_char(&at, ".") && !take_fraction(&at, &ms))
        return false;
    if (!take_offset(&at, &offset) || *at != '\0' || year < 1970 || month < 1)
        return false;
    int day = parts.tm_mday;
    parts.tm_year = year - 1900;
    parts.tm_mon = month - 1;
    int64_t seconds = (int64_t)timegm(&parts) - offset;
    /* timegm turns 31 April into 1 May: such a day does not exist. */
    if (seconds < 0 || parts.tm_mday != day || day == 0)
        return false;
    *ret_unix_ms = (uint64_t)seconds * 1000 + ms;
    return true;
}

typedef struct Unit {
    const char *name;
    uint64_t factor;
} Unit;

static const Unit duration_units[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1},
};
static const Unit size_units[] = {
    {"TiB", UINT64_C(1) << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1},
};
enum { UNIT_COUNT = 5 };

/* Digits, then exactly one of the units (or nothing, where `bare` allows the number). */
static bool parse_quantity(const char *text, const Unit *units, bool bare, uint64_t *out)
{
    uint64_t number = 0;
    const char *at = text;
    if (!isdigit((unsigned char)*at))
        return false;
    for (; isdigit((unsigned char)*at); at++) {
        if (__builtin_mul_overflow(number, (uint64_t)10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number))
            return false;
    }
    uint64_t factor = 0;
    if (*at == '\0' && (bare || number == 0))
        factor = 1;
    for (int i = 0; i < UNIT_COUNT; i++) {
        if (strcmp(at, units[i].name) == 0)
            factor = units[i].factor;
    }
    return factor != 0 && !__builtin_mul_overflow(number, factor, out);
}

/* The largest unit that divides the value; 0 is in `zero_unit`. */
static void format_quantity(uint64_t value, const Unit *units, const char *zero_unit, char *out,
                            size_t size)
{
    if (value == 0) {
        snprintf(out, size, "0%s", zero_unit);
        return;
    }
    int i = 0;
    while (value % units[i].factor != 0)
        i++;
    snprintf(out, size, "%" PRIu64 "%s", value / units[i].factor, units[i].name);
}

bool duration_parse(const char *text, uint64_t *ret_ms)
{
    uint64_t ms;
    if (!parse_quantity(text, duration_units, /* bare= */ false, &ms))
        return false;
    *ret_ms = ms;
    return true;
}

void duration_format(uint64_t ms, char out[DURATION_TEXT_SIZE])
{
    format_quantity(ms, duration_units, "s", out, DURATION_TEXT_SIZE);
}

bool size_parse(const char *text, uint64_t *ret_bytes)
{
    uint64_t bytes;
    if (!parse_quantity(text, size_units, /* bare= */ true, &bytes))
        return false;
    *ret_bytes = bytes;
    return true;
}

void size_format(uint64_t bytes, char out[SIZE_TEXT_SIZE])
{
    format_quantity(bytes, size_units, "B", out, SIZE_TEXT_SIZE);
}
