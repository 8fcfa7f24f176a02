#include "identity.h"

#include "uuid_map.h"

#include <stdlib.h>
#include <string.h>

/* Those that say they are one shard. */
typedef struct Claimants {
    size_t count;
    size_t at_home; /* of them: found where the row says */
    FleetShard *one_at_home;
    const FleetShard *first;
} Claimants;

typedef struct Judge {
    ShardMemory *memory;
    Arena *arena;
    UuidMap *by_uuid; /* index in `claimants` */
    Claimants *claimants;
    size_t claimant_count;
} Judge;

static void blame(FleetShard *shard, ShardFault fault, const char *text)
{
    shard->fault = fault;
    shard->fault_text = text;
}

static const char *uuid_text(Judge *judge, const Uuid *uuid)
{
    char *text = arena_alloc(judge->arena, UUID_TEXT_SIZE);
    uuid_format(uuid, text);
    return text;
}

static const char *name_of(Judge *judge, const KnownShard *known)
{
    return shard_display_name(judge->arena, known->cluster, known->database, known->schema);
}

static bool same_name(const FleetShard *shard, const KnownShard *known)
{
    return strcmp(shard->database, known->database) == 0 &&
           strcmp(shard->schema, known->schema) == 0;
}

static bool same_place(const FleetShard *shard, const KnownShard *known)
{
    return shard->system_identifier == known->system_identifier &&
           shard->database_oid == known->database_oid && shard->schema_oid == known->schema_oid;
}

/* --- several that say they are one ------------------------------------------------------------ */

/* A name that its own server does not know any more, while the shard is found there under another:
 * what is kept of it from before is no second shard. */
static bool is_left_over(const FleetShard *shard, const Claimants *claimants)
{
    return !shard->reachable && claimants->count > 0 && claimants->first->reachable &&
           strcmp(claimants->first->cluster, shard->cluster) == 0 &&
           strcmp(claimants->first->agent, shard->agent) == 0;
}

static void count_claimant(Judge *judge, FleetShard *shard)
{
    uint64_t index;
    if (!uuid_map_get(judge->by_uuid, &shard->uuid, &index)) {
        index = judge->claimant_count++;
        uuid_map_put(judge->by_uuid, &shard->uuid, index);
    }
    Claimants *claimants = &judge->claimants[index];
    if (is_left_over(shard, claimants))
        return;
    if (claimants->count++ == 0)
        claimants->first = shard;
    if (shard->identity_mismatch)
        return;
    claimants->at_home++;
    claimants->one_at_home = shard;
}

static void count_claimants(Judge *judge, FleetShard **shards, size_t count)
{
    for (int reachable = 1; reachable >= 0; reachable--)
        for (size_t i = 0; i < count; i++)
            if (!shards[i]->standby && shards[i]->reachable == (reachable == 1))
                count_claimant(judge, shards[i]);
}

/* Which shard was here, or was called so, before. */
static void note_former(Judge *judge, FleetShard *shard, const KnownShard *known)
{
    shard->former_name = name_of(judge, known);
    shard->former_uuid = known->uuid;
}

static void blame_clone(Judge *judge, FleetShard *shard, const FleetShard *original)
{
    shard->former_name = original->name;
    blame(shard, SHARD_FAULT_CLONE,
          arena_printf(judge->arena, "a clone of %s: its row is that shard's", original->name));
}

static void judge_claimants(Judge *judge, FleetShard *shard, const Claimants *claimants)
{
    if (claimants->at_home == 1 && shard->identity_mismatch)
        blame_clone(judge, shard, claimants->one_at_home);
    else if (claimants->at_home > 1 || shard->identity_mismatch)
        blame(shard, SHARD_FAULT_TWICE,
              arena_printf(judge->arena,
                           "%zu databases say they are shard %s, and none can be told from the "
                           "others: clones, or one that is listed twice",
                           claimants->count, uuid_text(judge, &shard->uuid)));
}

/* --- one by itself ---------------------------------------------------------------------------- */

static void judge_moved_row(Judge *judge, FleetShard *shard)
{
    if (shard->origin_present)
        blame(shard, SHARD_FAULT_CLONE,
              arena_printf(judge->arena,
                           "a clone: its row is that of the %s with oid %u, which is there too",
                           shard->row_database_oid != shard->database_oid ? "database" : "schema",
                           shard->row_database_oid != shard->database_oid ? shard->row_database_oid
                                                                          : shard->row_schema_oid));
    else
        blame(shard, SHARD_FAULT_IDENTITY,
              arena_printf(judge->arena,
                           "a restore or a clone: it was adopted at server %llu, database oid %u, "
                           "schema oid %u, and is at %llu, %u, %u",
                           (unsigned long long)shard->row_system_identifier,
                           shard->row_database_oid, shard->row_schema_oid,
                           (unsigned long long)shard->system_identifier, shard->database_oid,
                           shard->schema_oid));
}

static void judge_adopted(Judge *judge, FleetShard *shard)
{
    const KnownShard *known = shard_memory_find(judge->memory, &shard->uuid);
    if (known != NULL) {
        if (!same_place(shard, known) || same_name(shard, known))
            return;
        note_former(judge, shard, known);
        blame(shard, SHARD_FAULT_RENAMED,
              arena_printf(judge->arena, "renamed: it was %s", shard->former_name));
        return;
    }
    const KnownShard *former =
        shard_memory_find_name(judge->memory, shard->cluster, shard->database, shard->schema);
    if (former == NULL)
        return;
    note_former(judge, shard, former);
    blame(shard, SHARD_FAULT_RECREATED,
          arena_printf(judge->arena, "another shard had this name: %s",
                       uuid_text(judge, &former->uuid)));
}

static void judge_new(Judge *judge, FleetShard *shard)
{
    const KnownShard *known = shard_memory_find_place(judge->memory, shard->system_identifier,
                                                      shard->database_oid, shard->schema_oid);
    if (known != NULL && !same_name(shard, known)) {
        note_former(judge, shard, known);
        shard->former_schema = arena_strdup(judge->arena, known->schema);
        blame(shard, SHARD_FAULT_RENAMED,
              arena_printf(judge->arena, "renamed: it was %s", shard->former_name));
        return;
    }
    known = shard_memory_find_name(judge->memory, shard->cluster, shard->database, shard->schema);
    if (known != NULL)
        note_former(judge, shard, known);
    if (known != NULL && same_place(shard, known))
        blame(shard, SHARD_FAULT_RECREATED,
              arena_printf(judge->arena, "it was shard %s, and its row in pgtide.shard is gone",
                           uuid_text(judge, &known->uuid)));
    else if (known != NULL)
        blame(shard, SHARD_FAULT_RECREATED,
              arena_printf(judge->arena,
                           "recreated: shard %s had this name, at oid %u; this is another database "
                           "or schema",
                           uuid_text(judge, &known->uuid), known->database_oid));
}

static void judge_one(Judge *judge, FleetShard *shard)
{
    uint64_t index;
    if (shard->foreign) {
        blame(shard, SHARD_FAULT_FOREIGN, "belongs to another fleet");
        return;
    }
    if (uuid_map_get(judge->by_uuid, &shard->uuid, &index) && judge->claimants[index].count > 1)
        judge_claimants(judge, shard, &judge->claimants[index]);
    else if (shard->identity_mismatch)
        judge_moved_row(judge, shard);
    else if (judge->memory != NULL && shard->database_oid != 0 && shard->adopted)
        judge_adopted(judge, shard);
    else if (judge->memory != NULL && shard->database_oid != 0)
        judge_new(judge, shard);
}

void identity_judge(FleetShard **shards, size_t count, ShardMemory *memory, Arena *arena)
{
    Judge judge = {
        .memory = memory,
        .arena = arena,
        .by_uuid = uuid_map_new(),
        .claimants = xcalloc(count + 1, sizeof *judge.claimants),
    };
    count_claimants(&judge, shards, count);
    for (size_t i = 0; i < count; i++) {
        shards[i]->fault = SHARD_FAULT_NONE;
        shards[i]->fault_text = "";
        shards[i]->former_name = shards[i]->former_schema = NULL;
        shards[i]->former_uuid = (Uuid){{0}};
        if (!shards[i]->standby)
            judge_one(&judge, shards[i]);
    }
    uuid_map_free(judge.by_uuid);
    free(judge.claimants);
}

bool identity_is_known(const FleetShard *shard, const ShardMemory *memory, KnownShard *ret_known)
{
    const KnownShard *known = shard_memory_find(memory, &shard->uuid);
    if (known != NULL && same_place(shard, known) && same_name(shard, known) &&
        strcmp(shard->cluster, known->cluster) == 0)
        return true;
    *ret_known = (KnownShard){
        .uuid = shard->uuid,
        .cluster = shard->cluster,
        .database = shard->database,
        .schema = shard->schema,
        .system_identifier = shard->system_identifier,
        .database_oid = shard->database_oid,
        .schema_oid = shard->schema_oid,
    };
    return false;
}
