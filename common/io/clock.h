/*
 * The two clocks, and the text forms of times, durations and sizes.
 *
 * For shells and mains only: a core is told the time. The monotonic clock measures, the wall clock
 * names days and is never compared across hosts for less than LIMIT_CLOCK_SKEW_MS.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

uint64_t clock_monotonic_ms(void);
uint64_t clock_unix_ms(void);

enum {
    TIME_TEXT_SIZE = 32,     /* 2026-11-23T10:00:00.123Z and NUL, room for far years */
    DURATION_TEXT_SIZE = 24, /* 18446744073709551615ms and NUL */
    SIZE_TEXT_SIZE = 24,
};

/* What duration_parse() and size_parse() take, for messages. */
#define DURATION_FORMS "a duration such as 500ms, 30s, 5m, 2h or 7d"
#define SIZE_FORMS "a size such as 64KiB, 10MiB or 2GiB"

void time_format_rfc3339(uint64_t unix_ms, char out[TIME_TEXT_SIZE]); /* UTC, milliseconds */
bool time_parse_rfc3339(const char *text, uint64_t *ret_unix_ms);     /* Z or an offset */

/* A whole number and its unit: ms, s, m, h, d. "0" needs no unit. */
bool duration_parse(const char *text, uint64_t *ret_ms);
/* Exact, in the largest unit that divides it: duration_parse() reads it back. */
void duration_format(uint64_t ms, char out[DURATION_TEXT_SIZE]);

/* A whole number and B, KiB, MiB, GiB or TiB; without a unit, bytes. */
bool size_parse(const char *text, uint64_t *ret_bytes);
void size_format(uint64_t bytes, char out[SIZE_TEXT_SIZE]); /* exact; size_parse() reads it back */
