/*
 * Makes plans: from a bundle, a target and the inventory to a frozen list of shards with their
 * steps, in waves. The plan's blob is stored, nothing else changes; it becomes a draft when its
 * author has signed it.
 */
#pragma once

#include "coordinator.h"
#include "planner.h"

#include "operator.pb-c.h"

/* What the author is told about the plan. Texts live in the arena or the coordinator. */
typedef struct PlanSummary {
    const PlanHeader *header;
    const PlanShard *shards; /* in plan order */
    Digest plan_blob;
    Digest plan_digest;
    Digest bundle_blob;
} PlanSummary;

ErrCode planning_make(Coordinator *coordinator, const Pgtide__V1__MakePlan *request,
                      const char *author, Arena *arena, PlanSummary *ret_summary,
                      Error *err) MUST_CHECK;
/* The inverse of a rollout, for the shards that it changed and nobody has moved since. */
ErrCode planning_make_rollback(Coordinator *coordinator, const RolloutEntry *of, const char *author,
                               Arena *arena, PlanSummary *ret_summary, Error *err) MUST_CHECK;
/* What may be restored, and how. */
typedef struct RestoreChoice {
    const FleetShard *only; /* NULL = every shard that the rollout has changed */
    bool accept_data_loss;
} RestoreChoice;

/* A plan that puts back the backups that a rollout has made of its shards. */
ErrCode planning_make_restore(Coordinator *coordinator, const RolloutEntry *of,
                              const RestoreChoice *choice, const char *author, Arena *arena,
                              PlanSummary *ret_summary, Error *err) MUST_CHECK;
/* Of one shard, by one backup (32 hex digits of its operation; '' = the newest). */
ErrCode planning_make_restore_one(Coordinator *coordinator, const char *shard,
                                  const char *operation, bool accept_data_loss, const char *author,
                                  Arena *arena, PlanSummary *ret_summary, Error *err) MUST_CHECK;
/* The bundle of a plan that this process has made; ERR_STATE: it must be made again. */
ErrCode planning_bundle_of(const Coordinator *coordinator, const Digest *plan_blob,
                           Digest *ret_bundle_blob, Error *err) MUST_CHECK;

/* view_plan.c */
void view_plan_summary(const PlanSummary *summary, JsonWriter *json);
