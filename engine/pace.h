/*
 * How large the next batch of a backfill should be. Pure: no clock, no I/O.
 */
#pragma once

#include <stdint.h>

typedef struct PaceLimits {
    uint64_t target_ms; /* how long a batch should take; 0 = its size stays */
    uint32_t rows_min;
    uint32_t rows_max;
} PaceLimits;

/* Rows of the batch after one of `rows` that took `duration_ms`: as it was within a tenth of the
 * target, else more or fewer in proportion, at most a fifth more or half as many. */
uint32_t pace_rows(const PaceLimits *limits, uint32_t rows, uint64_t duration_ms);
/* After one that could not be done: half as many. */
uint32_t pace_rows_after_failure(const PaceLimits *limits, uint32_t rows);
