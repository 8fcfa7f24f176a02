/*
 * Shards that no rollout touches until a person says so: an operator put them here, or a job left
 * them where neither their plan nor its inverse leads on. The fold of the journal's records.
 */
#pragma once

#include "plan.h"
#include "record_codec.h"

typedef struct Quarantined {
    Uuid shard;
    ShardState state; /* DIVERGED, ROLLBACK_FAILED; QUARANTINED by an operator */
    char *reason;     /* owned */
    Uuid rollout_id;  /* that left it so; nil for an operator */
} Quarantined;

typedef struct Quarantine Quarantine;

Quarantine *quarantine_new(void); /* returns owned */
void quarantine_free(Quarantine *quarantine);
/* Looks at one record of a rollout, in the journal's order. */
void quarantine_apply(Quarantine *quarantine, const PlanHeader *header, const PlanShard *shards,
                      const RolloutRecord *record);
/* An operator's word: the first reason stands until the shard is released. */
void quarantine_word(Quarantine *quarantine, const FleetWord *word);
const Quarantined *quarantine_find(const Quarantine *quarantine, const Uuid *shard); /* or NULL */
