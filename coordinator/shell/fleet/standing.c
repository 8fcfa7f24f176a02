#include "standing.h"

#include <string.h>

/* --- the state that is shown ------------------------------------------------------------------ */

static StandingFacts facts_of(const Coordinator *coordinator, const FleetShard *shard)
{
    const Quarantined *quarantined = quarantine_find(coordinator->quarantine, &shard->uuid);
    const RosterAgent *agent = roster_find(coordinator->roster, shard->agent);
    return (StandingFacts){
        .quarantined_as = quarantined != NULL ? quarantined->state : SHARD_UNSPECIFIED,
        .has_fault = shard->fault != SHARD_FAULT_NONE,
        .agent_connected = agent != NULL && agent->connected,
        .reachable = shard->reachable,
        .stale = standing_is_stale(coordinator, shard->listed_ms),
        .standby = shard->standby,
        .pooled = shard->pooled,
        .adopted = shard->adopted,
        .rows = &shard->rows,
    };
}

ShardState coordinator_shard_state(const Coordinator *coordinator, const FleetShard *shard,
                                   const char **ret_message, const RolloutEntry **ret_open)
{
    uint32_t index = 0;
    const RolloutEntry *holder = rollouts_holder(coordinator->rollouts, &shard->uuid, &index);
    StandingFacts facts = facts_of(coordinator, shard);
    RolloutShardView view = {.message = ""};
    if (holder != NULL) {
        rollout_shard(holder->core, index, &view);
        facts.rollout_state = view.state;
        facts.rollout_open = rollout_entry_is_open(holder);
        facts.rollout_rows = view.rows;
    }
    if (ret_open != NULL)
        *ret_open = facts.rollout_open ? holder : NULL;
    Standing standing = standing_of(&facts);
    const char *const messages[STANDING_SOURCE_COUNT] = {
        [STANDING_FAULT] = shard->fault_text,
        [STANDING_AGENT_AWAY] = "its agent is not connected",
        [STANDING_NO_CONNECTION] = shard->message,
        [STANDING_STALE] = "its agent has not listed it for longer than 'inventory-limit'",
        [STANDING_STANDBY] = "a standby: its primary is migrated",
        [STANDING_ROLLOUT] = view.message,
        [STANDING_LISTING] = shard->message,
    };
    *ret_message = standing.source == STANDING_QUARANTINE
                       ? quarantine_find(coordinator->quarantine, &shard->uuid)->reason
                       : messages[standing.source];
    return standing.state;
}

/* --- plans ------------------------------------------------------------------------------------ */

bool standing_is_stale(const Coordinator *coordinator, uint64_t listed_ms)
{
    return coordinator->now_ms > listed_ms &&
           coordinator->now_ms - listed_ms > coordinator->settings.inventory_limit_ms;
}

ShardBarrier standing_barrier(const Coordinator *coordinator, const FleetShard *shard)
{
    StandingFacts facts = facts_of(coordinator, shard);
    return shard_barrier_of(&facts);
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
