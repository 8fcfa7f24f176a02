/*
 * How a listed shard stands (shard_standing.h), from what the coordinator has heard of it.
 */
#pragma once

#include "coordinator.h"
#include "select.h"
#include "shard_standing.h"

ShardBarrier standing_barrier(const Coordinator *coordinator, const FleetShard *shard);
/* Of a shard that is known and not listed: GONE when its cluster was listed without it, UNLISTED
 * while nobody has listed the cluster. */
ShardBarrier standing_missing(const Coordinator *coordinator, const KnownShard *known);
/* Its agent's listing is older than `inventory-limit`. */
bool standing_is_stale(const Coordinator *coordinator, uint64_t listed_ms);
SelectTarget standing_select_target(const Coordinator *coordinator, const FleetShard *shard);
/* Of one that nobody lists: labels and rows are not known. Borrows both. */
SelectTarget standing_select_missing(const KnownShard *known, const char *name);

/* For people: "quarantined by alice: ...", "a standby: ...". `shard` NULL: UNLISTED. Lives in
 * `arena`. */
const char *standing_reason(const Coordinator *coordinator, Arena *arena, const FleetShard *shard,
                            ShardBarrier barrier);

/* Selected shards whose barrier is passing. */
enum { PASSING_NAMES_MAX = 10 };

typedef struct PassingShards {
    size_t count;
    ShardBarrier first;
    StrList names; /* the first PASSING_NAMES_MAX: "NAME is stale" */
} PassingShards;

void passing_add(Arena *arena, PassingShards *passing, ShardBarrier barrier, const char *name);
/* ERR_REFUSED names them; ERR_OK when there are none. */
ErrCode passing_refuse(const PassingShards *passing, Error *err) MUST_CHECK;
