#include "pace.h"

static uint32_t within(const PaceLimits *limits, uint64_t rows)
{
    if (rows < limits->rows_min)
        return limits->rows_min;
    return rows > limits->rows_max ? limits->rows_max : (uint32_t)rows;
}

/* Rounded up, so that even a batch of one row can grow. */
static uint64_t percent_of(uint32_t rows, uint64_t percent)
{
    return ((uint64_t)rows * percent + 99) / 100;
}

uint32_t pace_rows(const PaceLimits *limits, uint32_t rows, uint64_t duration_ms)
{
    enum { PERCENT_LEAST = 50, PERCENT_MOST = 120, DEAD_ZONE = 10 };
    if (limits->target_ms == 0)
        return within(limits, rows);
    if (duration_ms == 0)
        return within(limits, percent_of(rows, PERCENT_MOST));
    uint64_t percent = limits->target_ms * 100 / duration_ms;
    if (percent >= 100 - DEAD_ZONE && percent <= 100 + DEAD_ZONE)
        return within(limits, rows);
    if (percent > PERCENT_MOST)
        percent = PERCENT_MOST;
    if (percent < PERCENT_LEAST)
        percent = PERCENT_LEAST;
    return within(limits,
                  percent < 100 ? (uint64_t)rows * percent / 100 : percent_of(rows, percent));
}

uint32_t pace_rows_after_failure(const PaceLimits *limits, uint32_t rows)
{
    return limits->target_ms == 0 ? within(limits, rows) : within(limits, rows / 2);
}
