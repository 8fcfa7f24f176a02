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
/* The bundle of a plan that this process has made; ERR_STATE: it must be made again. */
ErrCode planning_bundle_of(const Coordinator *coordinator, const Digest *plan_blob,
                           Digest *ret_bundle_blob, Error *err) MUST_CHECK;

/* view_plan.c */
void view_plan_summary(const PlanSummary *summary, JsonWriter *json);
