/* New tenants: where they are to be made, and by whose plan; the cluster's agent makes them. */
#include "named_limits.h"
#include "relay.h"
#include "requests_asked.h"

#include <jansson.h>
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

/* --- what came of it -------------------------------------------------------------------------- */

static void on_ended(Coordinator *coordinator, const void *about, const TaskDone *done)
{
    TaskEnded ended = *(const TaskEnded *)about;
    json_t *result = json_loads(done->json, JSON_REJECT_DUPLICATES, NULL);
    const char *text = json_string_value(json_object_get(result, "uuid"));
    if (text == NULL || !uuid_parse(text, &ended.shard))
        ended.shard = (Uuid){{0}};
    json_decref(result);
    coordinator_note_end(coordinator, &ended, done);
}

static void follow(const Asked *asked, const char *agent, const Digest *plan)
{
    const Pgtide__V1__Provision *in = asked->request->provision;
    Relay *relay = asked->coordinator->relay;
    Arena *arena = relay_arena(relay, &asked->id);
    TaskEnded *ended = ARENA_NEW(arena, TaskEnded);
    *ended = (TaskEnded){
        .request_id = asked->id,
        .kind = TASK_KIND_PROVISION,
        .who = arena_strdup(arena, asked->signer->key.name),
        .agent = arena_strdup(arena, agent),
        .cluster = arena_strdup(arena, in->cluster),
        .database = arena_strdup(arena, in->database),
        .schema = arena_strdup(arena, in->schema),
        .has_plan = true,
        .plan = *plan,
    };
    relay_follow(relay, &asked->id, NULL, on_ended, ended);
}

static ErrCode read_place(const Asked *asked, const FleetCluster **ret_cluster, Error *err)
{
    const Pgtide__V1__Provision *in = asked->request->provision;
    const char *name;
    ErrCode code = proto_name(in->cluster, "cluster", &name, err);
    if (code == ERR_OK)
        code = proto_identifier(in->database, "database", false, &name, err);
    if (code == ERR_OK)
        code = proto_identifier(in->schema, "schema", true, &name, err);
    return code == ERR_OK ? find_cluster(asked, in->cluster, ret_cluster, err) : code;
}

ErrCode handle_provision(Asked *asked, Error *err)
{
    Coordinator *coordinator = asked->coordinator;
    const FleetCluster *cluster;
    RolloutEntry *entry;
    ErrCode code = read_place(asked, &cluster, err);
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
    code = asked_relay(asked, &agents, &plan, LIMIT_TASK_MS, err);
    if (code == ERR_OK)
        follow(asked, cluster->agent, &entry->plan_digest);
    return code;
}
