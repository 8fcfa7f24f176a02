/*
 * Whether a listed database is the shard that it says it is. Compares what its pgtide.shard row
 * says with the place where it was found, with all the others that are listed, and with what the
 * fleet has known (shard_memory.h). What can't be told apart is at fault, and no plan has it until
 * a person says what it is (`fleet adopt`).
 */
#pragma once

#include "inventory.h"
#include "shard_memory.h"

/* `shards` as listed, standbys too: sets fault and fault_text. Texts live in `arena`; `memory` may
 * be NULL. */
void identity_judge(FleetShard **shards, size_t count, ShardMemory *memory, Arena *arena);
/* Whether the shard is where and what the fleet has known; false: `ret_known` is to be kept. Only
 * of those that are adopted and not at fault. Borrows from the shard. */
bool identity_is_known(const FleetShard *shard, const ShardMemory *memory, KnownShard *ret_known);
