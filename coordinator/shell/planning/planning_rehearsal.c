/* Whether a plan's rehearsal is of this very bundle, and of all of its steps. */
#include "planning_parts.h"

static ErrCode check_steps(const RehearsalPlan *rehearsal, const PlannerResult *result, Error *err)
{
    const char *const *last = NULL; /* shards with the same rows share their list of steps */
    for (size_t i = 0; i < result->shard_count; i++) {
        const StrList *steps = &result->shards[i].steps;
        if ((const char *const *)steps->items == last)
            continue;
        last = (const char *const *)steps->items;
        for (size_t k = 0; k < steps->count; k++) {
            if (rehearsal_find(rehearsal, steps->items[k]) != NULL)
                continue;
            err_set(err, ERR_REFUSED, "revision %s is not in the rehearsal", steps->items[k]);
            err_hint(err,
                     "Rehearse on a database that stands where this fleet's lowest shard does.");
            return ERR_REFUSED;
        }
    }
    return ERR_OK;
}

ErrCode planning_check_rehearsal(const Planning *planning, Error *err)
{
    const PlanHeader *header = &planning->header;
    const RehearsalPlan *rehearsal = &header->rehearsal;
    bool has = rehearsal->made_unix_ms != 0;
    if (!has && header->policy.rehearsal_required) {
        err_set(err, ERR_REFUSED, "the rollout asks for a rehearsal, and the plan has none");
        err_hint(err, "Run `pgtide rehearse --bundle FILE -o FILE.rehearsal`, and plan with "
                      "--rehearsal FILE.rehearsal.");
        return ERR_REFUSED;
    }
    if (!has)
        return ERR_OK;
    if (header->direction != DIRECTION_UPGRADE)
        return err_set(err, ERR_REFUSED, "a rehearsal is of upgrades, and this plan leads down");
    if (!digest_equal(&rehearsal->bundle_digest, &header->bundle_digest))
        return err_set(err, ERR_REFUSED, "the rehearsal is of another bundle");
    return check_steps(rehearsal, &planning->result, err);
}
