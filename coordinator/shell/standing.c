#include "standing.h"

#include <string.h>

/* --- the state that is shown ------------------------------------------------------------------ */

/* What a rollout has left behind is shown until the shard is moved by something else. One that it
 * left diverged or halfway back is quarantined until a person releases it, who has looked: then the
 * rollout is believed no more. */
static bool rollout_still_tells(const RolloutEntry *entry, const RolloutShardView *view,
                                const FleetShard *shard)
{
    if (rollout_entry_is_open(entry))
        return true;
    switch (view->state) {
    case SHARD_FAILED:
    case SHARD_UNKNOWN:
        return view->rows->count == 0 || strlist_equal(view->rows, &shard->rows);
    default:
        return false;
    }
}

ShardState coordinator_shard_state(const Coordinator *coordinator, const FleetShard *shard,
                                   const char **ret_message, const RolloutEntry **ret_open)
{
    uint32_t index = 0;
    const RolloutEntry *holder = rollouts_holder(coordinator->rollouts, &shard->uuid, &index);
    const Quarantined *quarantined = quarantine_find(coordinator->quarantine, &shard->uuid);
    const RosterAgent *agent = roster_find(coordinator->roster, shard->agent);
    if (ret_open != NULL)
        *ret_open = holder != NULL && rollout_entry_is_open(holder) ? holder : NULL;
    *ret_message = "";
    if (quarantined != NULL) {
        *ret_message = quarantined->reason;
        return quarantined->state;
    }
    if (shard->fault != SHARD_FAULT_NONE) {
        *ret_message = shard->fault_text;
        return SHARD_QUARANTINED;
    }
    if (agent == NULL || !agent->connected || !shard->reachable) {
        *ret_message =
            agent == NULL || !agent->connected ? "its agent is not connected" : shard->message;
        return SHARD_UNREACHABLE;
    }
    if (standing_is_stale(coordinator, shard->listed_ms)) {
        *ret_message = "its agent has not listed it for longer than 'inventory-limit'";
        return SHARD_UNREACHABLE;
    }
    if (shard->standby) {
        *ret_message = "a standby: its primary is migrated";
        return shard->adopted || shard->rows.count > 0 ? SHARD_CURRENT : SHARD_NEW;
    }
    if (holder != NULL) {
        RolloutShardView view;
        rollout_shard(holder->core, index, &view);
        if (rollout_still_tells(holder, &view, shard)) {
            *ret_message = view.message;
            return view.state;
        }
    }
    *ret_message = shard->message;
    return !shard->adopted && shard->rows.count == 0 ? SHARD_NEW : SHARD_CURRENT;
}

/* --- plans ------------------------------------------------------------------------------------ */

static const char *const barrier_names[SHARD_BARRIER_COUNT] = {
    [SHARD_BARRIER_NONE] = "",
    [SHARD_BARRIER_QUARANTINED] = "quarantined",
    [SHARD_BARRIER_IDENTITY] = "identity",
    [SHARD_BARRIER_STANDBY] = "standby",
    [SHARD_BARRIER_POOLED] = "pooled",
    [SHARD_BARRIER_GONE] = "gone",
    [SHARD_BARRIER_UNREACHABLE] = "unreachable",
    [SHARD_BARRIER_STALE] = "stale",
    [SHARD_BARRIER_UNLISTED] = "unlisted",
};

const char *shard_barrier_name(ShardBarrier barrier)
{
    return barrier_names[barrier];
}

bool shard_barrier_is_passing(ShardBarrier barrier)
{
    return barrier >= SHARD_BARRIER_UNREACHABLE;
}

bool standing_is_stale(const Coordinator *coordinator, uint64_t listed_ms)
{
    return coordinator->now_ms > listed_ms &&
           coordinator->now_ms - listed_ms > coordinator->settings.inventory_limit_ms;
}

ShardBarrier standing_barrier(const Coordinator *coordinator, const FleetShard *shard)
{
    const RosterAgent *agent = roster_find(coordinator->roster, shard->agent);
    if (shard->standby)
        return SHARD_BARRIER_STANDBY;
    if (quarantine_find(coordinator->quarantine, &shard->uuid) != NULL)
        return SHARD_BARRIER_QUARANTINED;
    if (shard->fault != SHARD_FAULT_NONE)
        return SHARD_BARRIER_IDENTITY;
    if (shard->pooled)
        return SHARD_BARRIER_POOLED;
    if (agent == NULL || !agent->connected || !shard->reachable)
        return SHARD_BARRIER_UNREACHABLE;
    if (standing_is_stale(coordinator, shard->listed_ms))
        return SHARD_BARRIER_STALE;
    return SHARD_BARRIER_NONE;
}

ShardBarrier standing_missing(const Coordinator *coordinator, const KnownShard *known)
{
    for (size_t i = 0; i < inventory_cluster_count(coordinator->inventory); i++) {
        const FleetCluster *cluster = inventory_cluster_at(coordinator->inventory, i);
        if (strcmp(cluster->info.name, known->cluster) == 0)
            return SHARD_BARRIER_GONE;
    }
    return SHARD_BARRIER_UNLISTED;
}

SelectTarget standing_select_target(const Coordinator *coordinator, const FleetShard *shard)
{
    const char *message;
    return (SelectTarget){
        .name = shard->name,
        .host = shard->host,
        .cluster = shard->cluster,
        .database = shard->database,
        .schema = shard->schema,
        .agent = shard->agent,
        .role = shard->standby ? "standby" : "primary",
        .state = coordinator_shard_state(coordinator, shard, &message, NULL),
        .rows = &shard->rows,
        .server_version = shard->server_version,
        .size_bytes = shard->size_bytes,
        .labels = &shard->labels,
    };
}

SelectTarget standing_select_missing(const KnownShard *known, const char *name)
{
    static const LabelList no_labels;
    static const StrList no_rows;
    return (SelectTarget){
        .name = name,
        .host = "",
        .cluster = known->cluster,
        .database = known->database,
        .schema = known->schema,
        .agent = "",
        .role = "primary",
        .state = SHARD_UNREACHABLE,
        .rows = &no_rows,
        .labels = &no_labels,
    };
}

const char *standing_reason(const Coordinator *coordinator, Arena *arena, const FleetShard *shard,
                            ShardBarrier barrier)
{
    const Quarantined *quarantined;
    switch (barrier) {
    case SHARD_BARRIER_QUARANTINED:
        quarantined = quarantine_find(coordinator->quarantine, &shard->uuid);
        return arena_printf(arena, "%s: %s", shard_state_name(quarantined->state),
                            quarantined->reason);
    case SHARD_BARRIER_IDENTITY:
        return shard->fault_text;
    case SHARD_BARRIER_STANDBY:
        return "a standby: its primary is migrated";
    case SHARD_BARRIER_POOLED:
        return "reached through a pooler";
    case SHARD_BARRIER_GONE:
        return "gone: its cluster is listed without it";
    case SHARD_BARRIER_STALE:
        return "stale: listed longer ago than 'inventory-limit'";
    case SHARD_BARRIER_UNLISTED:
        return "no agent lists it now";
    default:
        return shard_barrier_name(barrier);
    }
}

void passing_add(Arena *arena, PassingShards *passing, ShardBarrier barrier, const char *name)
{
    if (passing->count++ == 0)
        passing->first = barrier;
    if (passing->names.count < PASSING_NAMES_MAX)
        strlist_add(arena, &passing->names,
                    arena_printf(arena, "%s is %s", name, shard_barrier_name(barrier)));
}

ErrCode passing_refuse(const PassingShards *passing, Error *err)
{
    if (passing->count == 0)
        return ERR_OK;
    AUTO_ARENA Arena *arena = arena_new();
    if (passing->count == 1)
        err_set(err, ERR_REFUSED, "%s", passing->names.items[0]);
    else
        err_set(err, ERR_REFUSED, "%s, and %zu more selected shards are not there now",
                passing->names.items[0], passing->count - 1);
    err_detail(err, "%s", strlist_join(arena, &passing->names, "; "));
    err_hint(err, passing->first == SHARD_BARRIER_UNLISTED
                      ? "Wait until its agent has reported (`pgtide fleet agents`)."
                      : "Wait for it, or leave it out: `and state != unreachable`.");
    return ERR_REFUSED;
}
