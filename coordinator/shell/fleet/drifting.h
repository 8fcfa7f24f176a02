/*
 * The fleet's schemas against what is expected of them: core/drift.h with the shards as their
 * agents list them.
 */
#pragma once

#include "drift.h"
#include "inventory.h"

typedef struct Coordinator Coordinator;
typedef struct PlanShard PlanShard;

/* Borrows the shard's texts. What can't be reached is not known, whatever was read before. */
DriftShard drifting_shard(const Coordinator *coordinator, const FleetShard *shard);
DriftJudgement drifting_judge(const Coordinator *coordinator, const FleetShard *shard);
/* "its schema is f1:0123456789ab..., and not f1:..., which is expected at its rows" */
const char *drifting_reason(Arena *arena, const FleetShard *shard, const DriftJudgement *judgement);
/* Whether a blob is the dump of an expectation. */
bool drifting_needs_blob(const Coordinator *coordinator, const Digest *blob);
