/* One shard: how it stands, and the rollouts that have it or have left it out. */
#include "coordinator.h"
#include "standing.h"
#include "view.h"

#include <string.h>

enum { ROLLOUTS_TOLD = 20 };

ErrCode view_find_shard(const Coordinator *coordinator, const char *name,
                        const FleetShard **ret_shard, Error *err)
{
    FleetInventory *inventory = coordinator->inventory;
    Uuid uuid;
    bool is_uuid = uuid_parse(name, &uuid);
    for (size_t i = 0; i < inventory_shard_count(inventory); i++) {
        const FleetShard *shard = inventory_shard_at(inventory, i);
        if (is_uuid ? uuid_equal(&shard->uuid, &uuid) : strcmp(shard->name, name) == 0) {
            *ret_shard = shard;
            return ERR_OK;
        }
    }
    err_set(err, ERR_NOT_FOUND, "no agent lists a shard %.200s", name);
    err_hint(err, "`pgtide fleet shards` lists them, and what is known and not listed.");
    return ERR_NOT_FOUND;
}

/* Known from before; of those that had one name, the last. NULL when it never was here, or is
 * forgotten. */
static const KnownShard *find_known(const Coordinator *coordinator, const char *name)
{
    AUTO_ARENA Arena *arena = arena_new();
    const KnownShard *found = NULL;
    Uuid uuid;
    bool is_uuid = uuid_parse(name, &uuid);
    for (size_t i = 0; i < shard_memory_count(coordinator->memory); i++) {
        const KnownShard *known = shard_memory_at(coordinator->memory, i);
        if (known == NULL)
            continue;
        arena_reset(arena);
        if (is_uuid
                ? uuid_equal(&known->uuid, &uuid)
                : strcmp(shard_display_name(arena, known->cluster, known->database, known->schema),
                         name) == 0)
            found = known;
    }
    return found;
}

static FleetShard unlisted(Arena *arena, const KnownShard *known)
{
    return (FleetShard){
        .uuid = known->uuid,
        .name = shard_display_name(arena, known->cluster, known->database, known->schema),
        .agent = "",
        .host = "",
        .cluster = known->cluster,
        .database = known->database,
        .schema = known->schema,
        .system_identifier = known->system_identifier,
        .database_oid = known->database_oid,
        .schema_oid = known->schema_oid,
        .fault_text = "",
        .message = "",
    };
}

/* Its place in the plan; SIZE_MAX = it is not in it. */
static size_t place_of(const RolloutEntry *entry, const Uuid *shard)
{
    for (size_t i = 0; i < entry->header.shard_count; i++) {
        if (uuid_equal(&entry->shards[i].uuid, shard))
            return i;
    }
    return SIZE_MAX;
}

static const char *left_out(const RolloutEntry *entry, const char *name)
{
    const PlanNotes *notes = &entry->header.notes;
    for (size_t i = 0; i < notes->left_out_named; i++) {
        if (strcmp(notes->left_out[i].shard, name) == 0)
            return notes->left_out[i].reason;
    }
    return "";
}

static void write_rollout(const RolloutEntry *entry, const FleetShard *shard, Arena *arena,
                          JsonWriter *json)
{
    const PlanHeader *header = &entry->header;
    size_t place = place_of(entry, &shard->uuid);
    json_object_begin(json);
    json_field_string(json, "rollout", header->name);
    json_field_uuid(json, "id", &header->rollout_id);
    json_field_string(json, "rollout_state", rollout_state_name(rollout_entry_state(entry)));
    json_field_string(json, "rollout_reason", entry->started ? rollout_reason(entry->core) : "");
    json_field_time(json, "started", entry->started_unix_ms);
    json_field_time(json, "finished", entry->finished_unix_ms);
    json_field_string(json, "bundle", header->bundle_name);
    json_field_string(json, "target", header->target);
    json_field_bool(json, "in_it", place != SIZE_MAX);
    json_field_string(json, "left_out", place == SIZE_MAX ? left_out(entry, shard->name) : "");
    json_key(json, "shard");
    if (place == SIZE_MAX)
        json_none(json);
    else
        view_rollout_shard(entry, (uint32_t)place, arena, json);
    json_object_end(json);
}

ErrCode view_shard(const Coordinator *coordinator, const ViewRequest *request, Arena *arena,
                   JsonWriter *json, Error *err)
{
    const FleetShard *shard;
    FleetShard from_memory;
    ShardBarrier barrier;
    const KnownShard *known = NULL;
    ErrCode code = view_find_shard(coordinator, request->shard, &shard, err);
    if (code == ERR_NOT_FOUND)
        known = find_known(coordinator, request->shard);
    if (code != ERR_OK && known == NULL)
        return code;
    if (known != NULL) {
        err_clear(err);
        from_memory = unlisted(arena, known);
        shard = &from_memory;
        barrier = standing_missing(coordinator, known);
    } else {
        barrier = standing_barrier(coordinator, shard);
    }
    AUTO_ARENA Arena *scratch = arena_new();
    json_key(json, "shard");
    view_shard_listed(coordinator, shard, json);
    json_field_string(
        json, "reason",
        barrier == SHARD_BARRIER_NONE ? "" : standing_reason(coordinator, arena, shard, barrier));
    json_field_array(json, "rollouts");
    size_t count = rollouts_count(coordinator->rollouts), told = 0;
    for (; count > 0 && told < ROLLOUTS_TOLD; count--, told++)
        write_rollout(rollouts_at(coordinator->rollouts, count - 1), shard, scratch, json);
    json_array_end(json);
    return ERR_OK;
}
