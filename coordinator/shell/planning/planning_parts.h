/*
 * Inside of planning.c, planning_request.c, planning_rollback.c and planning_restore.c.
 */
#pragma once

#include "bundle.h"
#include "planning.h"
#include "standing.h"

/* A plan being made. */
typedef struct Planning {
    Coordinator *coordinator;
    Arena *arena;
    Bundle bundle;
    Digest bundle_blob;
    PlanHeader header; /* all but what follows from the shards */
    PlannerResult result;
    PassingShards passing;        /* selected, and not there now */
    const RestoreChoice *restore; /* of a plan that restores */
} Planning;

/* Into `out`, for a plan that takes the rollout's shard `index` back; or it is not wanted. */
typedef ErrCode PlanningTake(Planning *planning, const RolloutEntry *of, uint32_t index,
                             PlanShard *out, bool *ret_wanted, Error *err);

/* planning_request.c: the header, all but what follows from the shards; and the planner's waves,
 * order and budgets. */
/* planning_rehearsal.c. ERR_REFUSED: there must be one, or it is of something else. */
ErrCode planning_check_rehearsal(const Planning *planning, Error *err) MUST_CHECK;
ErrCode planning_read_header(Planning *planning, const Pgtide__V1__MakePlan *request,
                             const char *author, Error *err) MUST_CHECK;
ErrCode planning_read_waves(Planning *planning, const Pgtide__V1__MakePlan *request,
                            PlannerRequest *planner, Error *err) MUST_CHECK;

ErrCode planning_open_bundle(Planning *planning, const Digest *blob, Error *err) MUST_CHECK;
/* Told to the plan's author and approvers. */
void planning_leave_out(Planning *planning, const char *shard, const char *reason);
/* ERR_REFUSED with its reason. */
ErrCode planning_check_reversible(const Script *script, Error *err) MUST_CHECK;
/* planning_drift.c. Whether a shard with steps stays in the plan; what has drifted is noted. */
bool planning_keeps_drifted(Planning *planning, const FleetShard *shard);
/* ERR_REFUSED: some have, and the policy refuses that. */
ErrCode planning_check_drifted(const Planning *planning, Error *err) MUST_CHECK;
PlanShard planning_shard_of(const FleetShard *shard);
/* How many of the plan's steps the shard stands after; 0 when it was not changed, or by something
 * else too. */
ErrCode planning_steps_done(const Planning *planning, const RolloutEntry *of,
                            const PlanShard *shard, const StrList *rows_now, size_t *ret_steps,
                            Error *err) MUST_CHECK;
ErrCode planning_check_over(const RolloutEntry *of, Error *err) MUST_CHECK;
/* Waves in reverse: what was tried last goes first, the canary last. */
ErrCode planning_take_waves(Planning *planning, const RolloutEntry *of, PlanningTake *take,
                            Error *err) MUST_CHECK;
ErrCode planning_finish(Planning *planning, PlanSummary *ret_summary, Error *err) MUST_CHECK;
