/*
 * Who did what to a rollout, and what it decided by itself: what its records say in a person's
 * words. Part of an entry; the fold of the journal, as the entry is.
 */
#pragma once

#include "arena.h"
#include "plan.h"
#include "rollout.h"
#include "rollout_record.h"

typedef struct Deed {
    uint64_t at_unix_ms;
    const char *who; /* '' = the rollout itself */
    const char *what;
    const char *reason;
} Deed;

typedef struct RolloutLog {
    Deed *items; /* owned */
    size_t count;
    size_t capacity;
    uint64_t untold; /* beyond LIMIT_ROLLOUT_DEEDS */
} RolloutLog;

/* Takes up the record of this rollout if it is somebody's doing, or a turn of the rollout. Texts
 * are copied into `arena`, which must live as long as the log. */
void rollout_log_note(RolloutLog *log, Arena *arena, const Rollout *core, const PlanHeader *header,
                      const PlanShard *shards, const RolloutRecord *record);
void rollout_log_free(RolloutLog *log);
