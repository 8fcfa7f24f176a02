/*
 * Expand and contract: what a contract step takes away, every shard must have replaced before, and
 * a gate must say that nobody uses it any more.
 */
#pragma once

#include "coordinator.h"
#include "graph.h"

/* Fills contracts and expands of `contract` from the shards' steps, which are upgrades.
 * ERR_REFUSED: there are contract steps, and no gate is named. */
ErrCode phases_find(Arena *arena, const RevisionMap *map, const PlanShard *shards, size_t count,
                    ContractPlan *contract, Error *err) MUST_CHECK;

/* Whether every shard that must have expanded has, as far as the fleet is known: a shard that
 * nobody can tell of has not. Those without any revision have nothing to expand. ERR_REFUSED says
 * how many are missing, the first of them, and why. */
ErrCode phases_check(const Coordinator *coordinator, const RevisionMap *map,
                     const ContractPlan *contract, Error *err) MUST_CHECK;
/* The same for a plan whose bundle is stored as this blob. */
ErrCode phases_check_bundle(const Coordinator *coordinator, const Digest *bundle_blob,
                            const ContractPlan *contract, Error *err) MUST_CHECK;
