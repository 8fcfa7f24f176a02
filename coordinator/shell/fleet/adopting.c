#include "adopting.h"

#include "relay.h"

#include <jansson.h>
#include <string.h>

/* --- whether it makes sense ------------------------------------------------------------------- */

static const FleetShard *find_listed(const Coordinator *coordinator, const Adoption *adoption)
{
    FleetInventory *inventory = coordinator->inventory;
    for (size_t i = 0; i < inventory_shard_count(inventory); i++) {
        const FleetShard *shard = inventory_shard_at(inventory, i);
        if (strcmp(shard->agent, adoption->agent) == 0 &&
            strcmp(shard->cluster, adoption->cluster) == 0 &&
            strcmp(shard->database, adoption->database) == 0 &&
            strcmp(shard->schema, adoption->schema) == 0)
            return shard;
    }
    return NULL;
}

static ErrCode check_free(const Coordinator *coordinator, const Uuid *uuid, Error *err)
{
    uint32_t index;
    const RolloutEntry *holder = rollouts_holder(coordinator->rollouts, uuid, &index);
    if (holder == NULL || !rollout_entry_is_open(holder))
        return ERR_OK;
    err_set(err, ERR_STATE, "rollout %s has the shard", holder->header.name);
    err_hint(err, "Wait until it is over, or skip the shard there.");
    return ERR_STATE;
}

/* A shard that is there keeps its identity for itself. */
static ErrCode check_unique(const Coordinator *coordinator, const FleetShard *shard,
                            const Uuid *uuid, Error *err)
{
    FleetInventory *inventory = coordinator->inventory;
    for (size_t i = 0; i < inventory_shard_count(inventory); i++) {
        const FleetShard *other = inventory_shard_at(inventory, i);
        bool left_over = !other->reachable && strcmp(other->cluster, shard->cluster) == 0 &&
                         strcmp(other->agent, shard->agent) == 0;
        if (other == shard || other->standby || left_over || !uuid_equal(&other->uuid, uuid))
            continue;
        err_set(err, ERR_STATE, "%s is that shard", other->name);
        err_hint(err, "Adopt this one --as-new, or take one of them out of its agent's "
                      "configuration.");
        return ERR_STATE;
    }
    return ERR_OK;
}

ErrCode adopting_check(const Coordinator *coordinator, const Adoption *adoption, Error *err)
{
    const FleetShard *shard = find_listed(coordinator, adoption);
    const RosterAgent *agent = roster_find(coordinator->roster, adoption->agent);
    if (shard == NULL)
        return err_set(err, ERR_NOT_FOUND, "agent %s lists no such shard now", adoption->agent);
    if (agent == NULL || !agent->connected || !shard->reachable)
        return err_set(err, ERR_BUSY, "%s is unreachable", shard->name);
    if (shard->standby)
        return err_set(err, ERR_STATE, "%s is a standby's copy: adopt it on the primary",
                       shard->name);
    if (shard->pooled)
        return err_set(err, ERR_POOLED_CONNECTION, "%s is reached through a pooler", shard->name);
    Uuid row = shard->adopted ? shard->uuid : (Uuid){{0}};
    bool renamed_schema = adoption->former_schema[0] != '\0';
    if (shard->system_identifier != adoption->system_identifier ||
        shard->database_oid != adoption->database_oid ||
        shard->schema_oid != adoption->schema_oid ||
        (!renamed_schema && !uuid_equal(&row, &adoption->row_uuid)))
        return err_set(err, ERR_STALE, "%s is not as it was seen any more", shard->name);
    ErrCode code = check_free(coordinator, &shard->uuid, err);
    if (code == ERR_OK)
        code = check_free(coordinator, &adoption->uuid, err);
    if (code == ERR_OK)
        code = check_unique(coordinator, shard, &adoption->uuid, err);
    return code;
}

/* --- what came of it -------------------------------------------------------------------------- */

/* The name's former shard is gone, unless something lists it still. */
static void remember(Coordinator *coordinator, const Adoption *adoption)
{
    const KnownShard *former = shard_memory_find_name(coordinator->memory, adoption->cluster,
                                                      adoption->database, adoption->schema);
    KnownShard shards[2];
    ShardsKnown known = {.shards = shards,
                         .who = adoption->who,
                         .reason = adoption->reason,
                         .at_unix_ms = coordinator->unix_ms};
    AUTO_ARENA Arena *arena = arena_new();
    if (former != NULL && !uuid_equal(&former->uuid, &adoption->uuid) &&
        inventory_find(coordinator->inventory, &former->uuid) == NULL) {
        KnownShard *gone = &shards[known.count++];
        *gone = *former; /* its texts are the memory's, which is about to change */
        gone->cluster = arena_strdup(arena, former->cluster);
        gone->database = arena_strdup(arena, former->database);
        gone->schema = arena_strdup(arena, former->schema);
        gone->forgotten = true;
    }
    shards[known.count++] = (KnownShard){
        .uuid = adoption->uuid,
        .cluster = adoption->cluster,
        .database = adoption->database,
        .schema = adoption->schema,
        .system_identifier = adoption->system_identifier,
        .database_oid = adoption->database_oid,
        .schema_oid = adoption->schema_oid,
    };
    coordinator_remember(coordinator, &known);
}

static ErrCode on_adopted(Coordinator *coordinator, const void *about, const TaskDone *done,
                          Error *err)
{
    const Adoption *adoption = about;
    Uuid uuid;
    json_t *result = json_loads(done->json, JSON_REJECT_DUPLICATES, NULL);
    const char *text = json_string_value(json_object_get(result, "uuid"));
    bool right = text != NULL && uuid_parse(text, &uuid) && uuid_equal(&uuid, &adoption->uuid);
    json_decref(result);
    if (!right)
        return err_set(err, ERR_PROTOCOL, "agent %s answers for another shard", adoption->agent);
    if (coordinator_is_read_only(coordinator))
        return err_set(err, ERR_STATE, "it is done, but this coordinator may not take note of it");
    remember(coordinator, adoption);
    return ERR_OK;
}

/* An adoption that was done is told by what is known from then on. */
static void on_ended(Coordinator *coordinator, const void *about, const TaskDone *done)
{
    const Adoption *adoption = about;
    TaskEnded ended = {
        .request_id = adoption->id,
        .kind = TASK_KIND_ADOPT,
        .who = adoption->who,
        .agent = adoption->agent,
        .cluster = adoption->cluster,
        .database = adoption->database,
        .schema = adoption->schema,
        .shard = adoption->uuid,
    };
    if (done->code[0] != '\0')
        coordinator_note_end(coordinator, &ended, done);
}

void adopting_follow(Coordinator *coordinator, const Adoption *adoption)
{
    Arena *arena = relay_arena(coordinator->relay, &adoption->id);
    Adoption *kept = arena_memdup(arena, adoption, sizeof *adoption);
    kept->who = arena_strdup(arena, adoption->who);
    kept->agent = arena_strdup(arena, adoption->agent);
    kept->cluster = arena_strdup(arena, adoption->cluster);
    kept->database = arena_strdup(arena, adoption->database);
    kept->schema = arena_strdup(arena, adoption->schema);
    kept->former_schema = arena_strdup(arena, adoption->former_schema);
    kept->reason = arena_strdup(arena, adoption->reason);
    relay_follow(coordinator->relay, &adoption->id, on_adopted, on_ended, kept);
}
