#include "adopting.h"

#include "named_limits.h"

#include <stdlib.h>
#include <string.h>

enum {
    ADOPTING_MAX = 2000, /* a request is one shard; people ask in loops */
    RESEND_MS = 2000,
    GIVE_UP_MS = 60000,
    FORGET_MS = 10 * 60000, /* answered, and perhaps asked for again */
};

typedef struct Item {
    Arena *arena;
    Adoption adoption; /* in the arena */
    ByteSpan request;
    uint64_t after_seq;
    uint64_t added_ms;
    uint64_t sent_ms; /* 0 = not yet */
    bool done;
    Error error; /* code OK: it was adopted */
    Uuid uuid;
    char *name; /* in the arena: as the shard is shown */
} Item;

struct Adopting {
    Coordinator *coordinator;
    Item *items;
    size_t count;
    size_t capacity;
};

Adopting *adopting_new(Coordinator *coordinator)
{
    Adopting *adopting = xcalloc(1, sizeof *adopting);
    adopting->coordinator = coordinator;
    return adopting;
}

void adopting_free(Adopting *adopting)
{
    if (adopting == NULL)
        return;
    for (size_t i = 0; i < adopting->count; i++)
        arena_free(adopting->items[i].arena);
    free(adopting->items);
    free(adopting);
}

static Item *find(const Adopting *adopting, const Uuid *id)
{
    for (size_t i = 0; i < adopting->count; i++)
        if (uuid_equal(&adopting->items[i].adoption.id, id))
            return &adopting->items[i];
    return NULL;
}

bool adopting_has(const Adopting *adopting, const Uuid *request_id)
{
    return find(adopting, request_id) != NULL;
}

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

/* --- under way -------------------------------------------------------------------------------- */

static void forget_old(Adopting *adopting)
{
    uint64_t now_ms = adopting->coordinator->now_ms;
    size_t kept = 0;
    for (size_t i = 0; i < adopting->count; i++) {
        if (now_ms - adopting->items[i].added_ms > FORGET_MS)
            arena_free(adopting->items[i].arena);
        else
            adopting->items[kept++] = adopting->items[i];
    }
    adopting->count = kept;
}

ErrCode adopting_add(Adopting *adopting, const Adoption *adoption, ByteSpan request,
                     uint64_t after_seq, Error *err)
{
    forget_old(adopting);
    if (adopting->count == ADOPTING_MAX)
        return err_set(err, ERR_BUSY, "more than %d adoptions at once", ADOPTING_MAX);
    if (adopting->count == adopting->capacity) {
        adopting->capacity = adopting->capacity == 0 ? 16 : adopting->capacity * 2;
        adopting->items = xrealloc(adopting->items, adopting->capacity * sizeof *adopting->items);
    }
    Arena *arena = arena_new();
    Item *item = &adopting->items[adopting->count++];
    *item = (Item){
        .arena = arena,
        .adoption = *adoption,
        .request = {arena_memdup(arena, request.bytes, request.length), request.length},
        .after_seq = after_seq,
        .added_ms = adopting->coordinator->now_ms,
    };
    item->adoption.who = arena_strdup(arena, adoption->who);
    item->adoption.agent = arena_strdup(arena, adoption->agent);
    item->adoption.cluster = arena_strdup(arena, adoption->cluster);
    item->adoption.database = arena_strdup(arena, adoption->database);
    item->adoption.schema = arena_strdup(arena, adoption->schema);
    item->adoption.former_schema = arena_strdup(arena, adoption->former_schema);
    item->adoption.reason = arena_strdup(arena, adoption->reason);
    return ERR_OK;
}

void adopting_tick(Adopting *adopting, uint64_t persisted)
{
    Coordinator *coordinator = adopting->coordinator;
    for (size_t i = 0; i < adopting->count; i++) {
        Item *item = &adopting->items[i];
        bool due = item->sent_ms == 0 || coordinator->now_ms - item->sent_ms >= RESEND_MS;
        if (item->done || item->after_seq > persisted || !due ||
            coordinator->now_ms - item->added_ms > GIVE_UP_MS)
            continue;
        item->sent_ms = coordinator->now_ms;
        Command command = {.kind = COMMAND_ADOPT, .adopt = {item->request, item->adoption.id}};
        if (coordinator->sink.send != NULL)
            coordinator->sink.send(coordinator->sink.context, item->adoption.agent, &command);
    }
}

/* The name's former shard is gone, unless something lists it still. */
static void remember(Adopting *adopting, const Item *item)
{
    Coordinator *coordinator = adopting->coordinator;
    const Adoption *adoption = &item->adoption;
    const KnownShard *former = shard_memory_find_name(coordinator->memory, adoption->cluster,
                                                      adoption->database, adoption->schema);
    KnownShard shards[2];
    ShardsKnown known = {.shards = shards,
                         .who = adoption->who,
                         .reason = adoption->reason,
                         .at_unix_ms = coordinator->unix_ms};
    AUTO_ARENA Arena *arena = arena_new();
    if (former != NULL && !uuid_equal(&former->uuid, &item->uuid) &&
        inventory_find(coordinator->inventory, &former->uuid) == NULL) {
        KnownShard *gone = &shards[known.count++];
        *gone = *former; /* its texts are the memory's, which is about to change */
        gone->cluster = arena_strdup(arena, former->cluster);
        gone->database = arena_strdup(arena, former->database);
        gone->schema = arena_strdup(arena, former->schema);
        gone->forgotten = true;
    }
    shards[known.count++] = (KnownShard){
        .uuid = item->uuid,
        .cluster = adoption->cluster,
        .database = adoption->database,
        .schema = adoption->schema,
        .system_identifier = adoption->system_identifier,
        .database_oid = adoption->database_oid,
        .schema_oid = adoption->schema_oid,
    };
    coordinator_remember(coordinator, &known);
}

void adopting_report(Adopting *adopting, const char *agent, const AdoptDone *done)
{
    Item *item = find(adopting, &done->request_id);
    if (item == NULL || item->done || strcmp(item->adoption.agent, agent) != 0)
        return;
    item->done = true;
    if (done->code[0] == '\0' && !uuid_equal(&done->uuid, &item->adoption.uuid))
        err_set(&item->error, ERR_PROTOCOL, "agent %s answers for another shard", agent);
    if (item->error.code != ERR_OK)
        return;
    if (done->code[0] != '\0') {
        ErrCode code = err_code_from_name(done->code);
        err_set(&item->error, code == ERR_OK ? ERR_INTERNAL : code, "%s", done->message);
        err_detail(&item->error, "agent %s", agent);
        if (done->hint[0] != '\0')
            err_hint(&item->error, "%s", done->hint);
        return;
    }
    item->uuid = done->uuid;
    remember(adopting, item);
}

bool adopting_answer(Adopting *adopting, const Uuid *request_id, Str *out, ErrCode *ret_code,
                     Error *err)
{
    const Item *item = find(adopting, request_id);
    *ret_code = ERR_OK;
    if (item == NULL) {
        *ret_code = err_set(err, ERR_UNKNOWN, "what came of the adoption is not remembered");
        return true;
    }
    if (!item->done && adopting->coordinator->now_ms - item->added_ms <= GIVE_UP_MS)
        return false;
    if (!item->done) {
        *ret_code = err_set(err, ERR_UNKNOWN, "agent %s has not answered", item->adoption.agent);
        err_hint(err, "`pgtide fleet shards` tells what the shard is; asking again is safe.");
        return true;
    }
    if (item->error.code != ERR_OK) {
        *err = item->error;
        *ret_code = err->code;
        return true;
    }
    AUTO_ARENA Arena *arena = arena_new();
    char uuid[UUID_TEXT_SIZE];
    uuid_format(&item->uuid, uuid);
    JsonWriter json = json_writer(out);
    json_object_begin(&json);
    json_field_string(&json, "shard",
                      shard_display_name(arena, item->adoption.cluster, item->adoption.database,
                                         item->adoption.schema));
    json_field_string(&json, "uuid", uuid);
    json_field_string(&json, "agent", item->adoption.agent);
    json_object_end(&json);
    return true;
}
