/*
 * The pace of a backfill: how large its next batch should be, and whether its server can bear one
 * now. Pure: no clock, no I/O.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- sizes ------------------------------------------------------------------------------------ */

typedef struct PaceLimits {
    uint64_t target_ms; /* how long a batch should take; 0 = its size stays */
    uint32_t rows_min;
    uint32_t rows_max;
} PaceLimits;

/* Rows of the batch after one of `rows` that took `duration_ms`: as it was within a tenth of the
 * target, else more or fewer in proportion, at most a fifth more or half as many. */
uint32_t pace_rows(const PaceLimits *limits, uint32_t rows, uint64_t duration_ms);
/* After one that could not be done, or that others waited for: half as many. */
uint32_t pace_rows_after_failure(const PaceLimits *limits, uint32_t rows);

/* --- the server ------------------------------------------------------------------------------- */

enum { PACE_SAMPLES = 64 };

/* How a server is at one moment. */
typedef struct PaceSample {
    uint64_t at_ms;         /* by our clock */
    uint64_t wal_bytes;     /* written since it exists */
    bool has_replicas;      /* that tell how far they are */
    uint64_t replay_bytes;  /* of that, what the last of them has replayed */
    uint64_t replay_lag_ms; /* as the server reckons */
    uint64_t archive_files; /* complete, and not archived */
    uint32_t sessions;      /* at work */
    uint32_t slots_at_risk; /* replication slots that are about to lose their WAL */
} PaceSample;

/* The last ones, oldest first. */
typedef struct PaceSamples {
    PaceSample items[PACE_SAMPLES];
    size_t count;
    /* Of those that are gone, the first whose WAL the last replica has not replayed yet. */
    bool is_behind;
    uint64_t behind_wal_bytes;
    uint64_t behind_since_ms;
} PaceSamples;

/* Of what a backfill waits for; 0 = it does not. */
typedef struct PaceRules {
    uint64_t replica_lag_ms;
    uint64_t wal_bytes_per_s;
    uint64_t archive_files;
    uint32_t sessions;
} PaceRules;

typedef enum PaceRule {
    PACE_REPLICA_LAG,
    PACE_WAL_RATE,
    PACE_ARCHIVE,
    PACE_SESSIONS,
    PACE_RULE_COUNT,
} PaceRule;

/* Whether it waits now, and since when; which limits it has gone beyond and is not yet well below
 * again. */
typedef struct PaceHold {
    bool held;
    uint64_t since_ms;
    bool is_over[PACE_RULE_COUNT];
} PaceHold;

void pace_sample_add(PaceSamples *samples, const PaceSample *sample);
/* How far the last replica is behind. The server's own figure stands still with a replica that
 * does, so it is also measured by how long ago the WAL was written that it has not replayed. */
uint64_t pace_lag_ms(const PaceSamples *samples);
/* Over the last two seconds or so; 0 when there is but one sample. */
uint64_t pace_wal_rate(const PaceSamples *samples);
/* True when a batch may run. Else `reason` is why not, in a few words. What is held is let go when
 * a fifth below the limit that it went beyond, and not before a second: else it would go on and
 * off. */
bool pace_may_go(const PaceRules *rules, const PaceSamples *samples, PaceHold *hold, char *reason,
                 size_t reason_size);
bool pace_rules_are_empty(const PaceRules *rules);
