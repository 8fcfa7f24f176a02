/* Shards whose schema is not as expected, in a plan that is being made. */
#include "drifting.h"
#include "named_limits.h"
#include "planning_parts.h"

bool planning_keeps_drifted(Planning *planning, const FleetShard *shard)
{
    PlanNotes *notes = &planning->header.notes;
    DriftJudgement judgement = drifting_judge(planning->coordinator, shard);
    if (judgement.verdict != DRIFT_DRIFTED)
        return true;
    if (planning->header.policy.drift == DRIFT_POLICY_LEAVE_OUT) {
        planning_leave_out(planning, shard->name,
                           drifting_reason(planning->arena, shard, &judgement));
        return false;
    }
    notes->drifted_count++;
    if (notes->drifted.count < LIMIT_PLAN_DRIFTED)
        strlist_add(planning->arena, &notes->drifted, arena_strdup(planning->arena, shard->name));
    return true;
}

ErrCode planning_check_drifted(const Planning *planning, Error *err)
{
    const PlanNotes *notes = &planning->header.notes;
    if (planning->header.policy.drift != DRIFT_POLICY_REFUSE || notes->drifted_count == 0)
        return ERR_OK;
    err_set(err, ERR_REFUSED, "%u of the selected shards %s drifted", notes->drifted_count,
            notes->drifted_count == 1 ? "has" : "have");
    err_detail(err, "%.400s", strlist_join(planning->arena, &notes->drifted, ", "));
    err_hint(err, "Look with `pgtide fleet drift`; repair or accept them, or plan with `drift: "
                  "leave-out`.");
    return ERR_REFUSED;
}
