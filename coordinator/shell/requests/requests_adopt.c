/*
 * What operators say about which database is which shard: adopting, and forgetting.
 */
#include "adopting.h"
#include "requests_asked.h"

#include "named_limits.h"

#include <string.h>

enum { ADOPT_WAIT_MS = 60000 };

ErrCode handle_adopt(Asked *asked, Error *err)
{
    Coordinator *coordinator = asked->coordinator;
    Adoption adoption;
    ErrCode code = adoption_decode(asked->request->adopt, &adoption, err);
    if (code != ERR_OK)
        return code;
    adoption.id = asked->id;
    adoption.who = asked->signer->key.name;
    code = adopting_check(coordinator, &adoption, err);
    if (code != ERR_OK)
        return code;
    StrList agents = {0};
    strlist_add(asked->arena, &agents, adoption.agent);
    code = asked_relay(asked, &agents, NULL, ADOPT_WAIT_MS, err);
    if (code == ERR_OK)
        adopting_follow(coordinator, &adoption);
    return code;
}

/* --- forgetting ------------------------------------------------------------------------------- */

static const KnownShard *find_known(const Coordinator *coordinator, const char *text)
{
    Uuid uuid;
    AUTO_ARENA Arena *arena = arena_new();
    const ShardMemory *memory = coordinator->memory;
    if (uuid_parse(text, &uuid))
        return shard_memory_find(memory, &uuid);
    const KnownShard *found = NULL;
    for (size_t i = 0; i < shard_memory_count(memory); i++) {
        const KnownShard *known = shard_memory_at(memory, i);
        if (known != NULL &&
            strcmp(shard_display_name(arena, known->cluster, known->database, known->schema),
                   text) == 0 &&
            (found == NULL || inventory_find(coordinator->inventory, &known->uuid) == NULL))
            found = known;
    }
    return found;
}

static ErrCode check_forget(const Coordinator *coordinator, const char *text,
                            const KnownShard **ret_known, Error *err)
{
    const KnownShard *known = find_known(coordinator, text);
    if (known == NULL) {
        err_set(err, ERR_NOT_FOUND, "the fleet knows no shard %.200s", text);
        err_hint(err, "`pgtide fleet shards` shows at its end what is known and not listed.");
        return ERR_NOT_FOUND;
    }
    const FleetShard *listed = inventory_find(coordinator->inventory, &known->uuid);
    if (listed != NULL) {
        err_set(err, ERR_STATE, "%s is listed by agent %s", listed->name, listed->agent);
        err_hint(err, "Take it out of the agent's configuration or discovery first; its database "
                      "keeps its rows.");
        return ERR_STATE;
    }
    uint32_t index;
    const RolloutEntry *holder = rollouts_holder(coordinator->rollouts, &known->uuid, &index);
    if (holder != NULL && rollout_entry_is_open(holder))
        return err_set(err, ERR_STATE, "rollout %s has the shard and is not over",
                       holder->header.name);
    *ret_known = known;
    return ERR_OK;
}

ErrCode control_forget(Asked *asked, const char *reason, Error *err)
{
    Coordinator *coordinator = asked->coordinator;
    const Pgtide__V1__ControlFleet *in = asked->request->control_fleet;
    ShardsKnown known = {
        .who = asked->signer->key.name, .reason = reason, .at_unix_ms = coordinator->unix_ms};
    if (!operator_role_covers(asked->signer->role, OPERATOR_ROLE_ADMIN)) {
        err_set(err, ERR_REFUSED, "%s may not make the fleet forget shards",
                asked->signer->key.name);
        err_detail(err, "it needs role admin, the trust file gives %s",
                   operator_role_name(asked->signer->role));
        return ERR_REFUSED;
    }
    ErrCode code = proto_count(in->n_shards, LIMIT_SHARDS_PER_REQUEST, "shards", err);
    if (code == ERR_OK && in->n_shards == 0)
        code = err_set(err, ERR_USAGE, "which shards?");
    known.shards = ARENA_ARRAY(asked->arena, KnownShard, in->n_shards + 1);
    for (size_t i = 0; code == ERR_OK && i < in->n_shards; i++) {
        const KnownShard *shard;
        code = check_forget(coordinator, in->shards[i], &shard, err);
        if (code != ERR_OK)
            break;
        KnownShard *gone = &known.shards[known.count++];
        *gone = *shard; /* its texts are the memory's, which is about to change */
        gone->cluster = arena_strdup(asked->arena, shard->cluster);
        gone->database = arena_strdup(asked->arena, shard->database);
        gone->schema = arena_strdup(asked->arena, shard->schema);
        gone->forgotten = true;
    }
    if (code == ERR_OK)
        code = asked_mark_done(asked, err);
    if (code != ERR_OK)
        return code;
    coordinator_remember(coordinator, &known);
    JsonWriter json = json_writer(&asked->json);
    json_object_begin(&json);
    json_field_array(&json, "shards");
    for (size_t i = 0; i < known.count; i++) {
        json_object_begin(&json);
        json_field_uuid(&json, "uuid", &known.shards[i].uuid);
        json_field_bool(&json, "forgotten", true);
        json_object_end(&json);
    }
    json_array_end(&json);
    json_object_end(&json);
    return ERR_OK;
}
