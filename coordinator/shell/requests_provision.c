/* New tenants: where they are to be made, and by whose plan; the cluster's agent makes them. */
#include "named_limits.h"
#include "requests_asked.h"

#include <string.h>

static ErrCode find_cluster(const Asked *asked, const char *name, const FleetCluster **ret_cluster,
                            Error *err)
{
    FleetInventory *inventory = asked->coordinator->inventory;
    for (size_t i = 0; i < inventory_cluster_count(inventory); i++) {
        const FleetCluster *cluster = inventory_cluster_at(inventory, i);
        if (strcmp(cluster->info.name, name) == 0) {
            *ret_cluster = cluster;
            return ERR_OK;
        }
    }
    err_set(err, ERR_NOT_FOUND, "no agent has a cluster named %.63s", name);
    err_hint(err, "`pgtide fleet clusters` lists them.");
    return ERR_NOT_FOUND;
}

/* The fleet's target is what a rollout has brought the others to: one that has succeeded. */
static ErrCode find_plan(const Asked *asked, RolloutEntry **ret_entry, Error *err)
{
    Digest digest;
    ErrCode code =
        proto_digest(&asked->request->provision->plan_digest, "plan digest", &digest, err);
    if (code != ERR_OK)
        return code;
    RolloutEntry *entry = rollouts_find_digest(asked->coordinator->rollouts, &digest);
    if (entry == NULL)
        return err_set(err, ERR_NOT_FOUND, "no rollout has the digest that was signed");
    RolloutState state = rollout_entry_state(entry);
    if (state != ROLLOUT_SUCCEEDED)
        return err_set(err, ERR_STATE, "rollout %s is %s: tenants are born where one has succeeded",
                       entry->header.name, rollout_state_name(state));
    if (entry->header.direction != DIRECTION_UPGRADE)
        return err_set(err, ERR_STATE, "rollout %s led down", entry->header.name);
    *ret_entry = entry;
    return ERR_OK;
}

ErrCode handle_provision(Asked *asked, Error *err)
{
    Coordinator *coordinator = asked->coordinator;
    const Pgtide__V1__Provision *in = asked->request->provision;
    const FleetCluster *cluster;
    const char *name;
    RolloutEntry *entry;
    ErrCode code = proto_name(in->cluster, "cluster", &name, err);
    if (code == ERR_OK)
        code = find_cluster(asked, name, &cluster, err);
    if (code == ERR_OK)
        code = find_plan(asked, &entry, err);
    if (code == ERR_OK && coordinator->braked)
        code =
            err_set(err, ERR_STATE, "the fleet's brake is on: %.150s", coordinator->brake_reason);
    if (code == ERR_OK)
        code = rollout_start_prepare(coordinator, entry, err);
    if (code != ERR_OK)
        return code;
    StrList agents = {0};
    strlist_add(asked->arena, &agents, cluster->agent);
    PlanRef plan = {
        .rollout_id = entry->header.rollout_id,
        .dossier_digest = entry->dossier,
        .bundle_digest = entry->header.bundle_digest,
        .bundle_blob_digest = entry->bundle_blob,
    };
    return asked_relay(asked, &agents, &plan, LIMIT_TASK_MS, err);
}
