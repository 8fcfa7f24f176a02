#include "pace.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* --- sizes ------------------------------------------------------------------------------------ */

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

/* --- the server ------------------------------------------------------------------------------- */

enum {
    RATE_WINDOW_MS = 2000,
    HOLD_MS_MIN = 1000,
    RELEASE_PERCENT = 80,
    MIB = 1024 * 1024,
};

static bool is_unreplayed(const PaceSample *last, uint64_t wal_bytes)
{
    return last->has_replicas && wal_bytes > last->replay_bytes;
}

/* A replica may stand still for longer than samples are kept. */
static void note_behind(PaceSamples *samples, const PaceSample *gone)
{
    if (samples->is_behind)
        return;
    samples->is_behind = true;
    samples->behind_wal_bytes = gone->wal_bytes;
    samples->behind_since_ms = gone->at_ms;
}

void pace_sample_add(PaceSamples *samples, const PaceSample *sample)
{
    if (!is_unreplayed(sample, samples->behind_wal_bytes))
        samples->is_behind = false;
    if (samples->count == PACE_SAMPLES) {
        if (is_unreplayed(sample, samples->items[0].wal_bytes))
            note_behind(samples, &samples->items[0]);
        memmove(samples->items, samples->items + 1, (PACE_SAMPLES - 1) * sizeof *sample);
        samples->count--;
    }
    samples->items[samples->count++] = *sample;
}

static const PaceSample *last_sample(const PaceSamples *samples)
{
    return &samples->items[samples->count - 1];
}

uint64_t pace_lag_ms(const PaceSamples *samples)
{
    if (samples->count == 0)
        return 0;
    const PaceSample *last = last_sample(samples);
    if (!last->has_replicas || last->replay_bytes >= last->wal_bytes)
        return 0;
    size_t first = 0;
    while (samples->items[first].wal_bytes <= last->replay_bytes)
        first++;
    uint64_t since_ms = samples->is_behind ? samples->behind_since_ms : samples->items[first].at_ms;
    uint64_t seen_ms = last->at_ms - since_ms;
    return seen_ms > last->replay_lag_ms ? seen_ms : last->replay_lag_ms;
}

uint64_t pace_wal_rate(const PaceSamples *samples)
{
    if (samples->count < 2)
        return 0;
    const PaceSample *last = last_sample(samples);
    const PaceSample *from = last - 1;
    while (from > samples->items && last->at_ms - from->at_ms < RATE_WINDOW_MS)
        from--;
    uint64_t passed_ms = last->at_ms - from->at_ms;
    bool sane = passed_ms > 0 && last->wal_bytes > from->wal_bytes;
    return sane ? (last->wal_bytes - from->wal_bytes) * 1000 / passed_ms : 0;
}

/* Beyond its limit, or not yet well below the one that it went beyond. */
static bool judge(PaceHold *hold, PaceRule rule, uint64_t value, uint64_t limit)
{
    uint64_t release = limit / 100 * RELEASE_PERCENT + limit % 100 * RELEASE_PERCENT / 100;
    hold->is_over[rule] = limit > 0 && value > (hold->is_over[rule] ? release : limit);
    return hold->is_over[rule];
}

static bool find_reason(const PaceRules *rules, const PaceSamples *samples, PaceHold *hold,
                        char *reason, size_t size)
{
    const PaceSample *last = last_sample(samples);
    uint64_t lag_ms = pace_lag_ms(samples);
    uint64_t rate = pace_wal_rate(samples);
    bool lags = judge(hold, PACE_REPLICA_LAG, lag_ms, rules->replica_lag_ms);
    bool writes = judge(hold, PACE_WAL_RATE, rate, rules->wal_bytes_per_s);
    bool piles_up = judge(hold, PACE_ARCHIVE, last->archive_files, rules->archive_files);
    bool is_busy = judge(hold, PACE_SESSIONS, last->sessions, rules->sessions);
    if (lags)
        snprintf(reason, size, "replica lag %" PRIu64 ".%" PRIu64 " s", lag_ms / 1000,
                 lag_ms % 1000 / 100);
    else if (rules->replica_lag_ms > 0 && last->slots_at_risk > 0)
        snprintf(reason, size, "%" PRIu32 " replication slots about to lose their WAL",
                 last->slots_at_risk);
    else if (writes)
        snprintf(reason, size, "%" PRIu64 " MiB/s of WAL", rate / MIB);
    else if (piles_up)
        snprintf(reason, size, "%" PRIu64 " WAL files to archive", last->archive_files);
    else if (is_busy)
        snprintf(reason, size, "%" PRIu32 " sessions at work", last->sessions);
    else
        return false;
    return true;
}

bool pace_may_go(const PaceRules *rules, const PaceSamples *samples, PaceHold *hold, char *reason,
                 size_t reason_size)
{
    if (samples->count == 0) {
        snprintf(reason, reason_size, "the server has not been looked at yet");
        return false;
    }
    uint64_t now_ms = last_sample(samples)->at_ms;
    if (find_reason(rules, samples, hold, reason, reason_size)) {
        if (!hold->held)
            hold->since_ms = now_ms;
        hold->held = true;
        return false;
    }
    if (hold->held && now_ms - hold->since_ms < HOLD_MS_MIN)
        return false; /* for the reason that it was given */
    hold->held = false;
    return true;
}

bool pace_rules_are_empty(const PaceRules *rules)
{
    return rules->replica_lag_ms == 0 && rules->wal_bytes_per_s == 0 && rules->archive_files == 0 &&
           rules->sessions == 0;
}
