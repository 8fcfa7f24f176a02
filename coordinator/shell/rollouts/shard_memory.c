#include "shard_memory.h"

#include "digest.h"
#include "uuid_map.h"

#include <stdlib.h>
#include <string.h>

struct ShardMemory {
    KnownShard *items; /* texts owned */
    size_t count;
    size_t capacity;
    UuidMap *by_uuid;
    UuidMap *by_name;  /* by a digest of it */
    UuidMap *by_place; /* schemas only, likewise */
    bool moved;        /* something was renamed or forgotten: the two maps are made anew */
};

ShardMemory *shard_memory_new(void)
{
    ShardMemory *memory = xcalloc(1, sizeof *memory);
    memory->by_uuid = uuid_map_new();
    memory->by_name = uuid_map_new();
    memory->by_place = uuid_map_new();
    return memory;
}

static void free_texts(KnownShard *item)
{
    free((char *)(uintptr_t)item->cluster);
    free((char *)(uintptr_t)item->database);
    free((char *)(uintptr_t)item->schema);
}

void shard_memory_free(ShardMemory *memory)
{
    if (memory == NULL)
        return;
    for (size_t i = 0; i < memory->count; i++)
        free_texts(&memory->items[i]);
    free(memory->items);
    uuid_map_free(memory->by_uuid);
    uuid_map_free(memory->by_name);
    uuid_map_free(memory->by_place);
    free(memory);
}

/* --- keys ------------------------------------------------------------------------------------- */

static Uuid key_of(const Str *text)
{
    Digest digest = sha256_bytes(text->data, text->length);
    Uuid key;
    memcpy(key.bytes, digest.bytes, sizeof key.bytes);
    return key;
}

static Uuid name_key(const char *cluster, const char *database, const char *schema)
{
    AUTO_STR Str text = {0};
    str_append_bytes(&text, cluster, strlen(cluster) + 1); /* with the NUL: no two are alike */
    str_append_bytes(&text, database, strlen(database) + 1);
    str_append_bytes(&text, schema, strlen(schema) + 1);
    return key_of(&text);
}

static Uuid place_key(uint64_t system_identifier, uint32_t database_oid, uint32_t schema_oid)
{
    AUTO_STR Str text = {0};
    str_printf(&text, "%llu/%u/%u", (unsigned long long)system_identifier, database_oid,
               schema_oid);
    return key_of(&text);
}

static void put_keys(ShardMemory *memory, size_t index)
{
    const KnownShard *item = &memory->items[index];
    Uuid name = name_key(item->cluster, item->database, item->schema);
    uuid_map_put(memory->by_name, &name, index);
    if (item->schema_oid == 0)
        return;
    Uuid place = place_key(item->system_identifier, item->database_oid, item->schema_oid);
    uuid_map_put(memory->by_place, &place, index);
}

static void renew_keys(ShardMemory *memory)
{
    if (!memory->moved)
        return;
    memory->moved = false;
    uuid_map_clear(memory->by_name);
    uuid_map_clear(memory->by_place);
    for (size_t i = 0; i < memory->count; i++) {
        if (!memory->items[i].forgotten)
            put_keys(memory, i);
    }
}

/* --- the fold --------------------------------------------------------------------------------- */

static size_t place_of(ShardMemory *memory, const Uuid *uuid, bool *ret_new)
{
    uint64_t index;
    *ret_new = !uuid_map_get(memory->by_uuid, uuid, &index);
    if (!*ret_new)
        return index;
    if (memory->count == memory->capacity) {
        memory->capacity = memory->capacity == 0 ? 64 : memory->capacity * 2;
        memory->items = xrealloc(memory->items, memory->capacity * sizeof *memory->items);
    }
    uuid_map_put(memory->by_uuid, uuid, memory->count);
    return memory->count++;
}

void shard_memory_apply(ShardMemory *memory, const ShardsKnown *known)
{
    for (size_t i = 0; i < known->count; i++) {
        const KnownShard *shard = &known->shards[i];
        bool is_new;
        size_t index = place_of(memory, &shard->uuid, &is_new);
        KnownShard *item = &memory->items[index];
        if (!is_new)
            free_texts(item);
        *item = *shard;
        item->cluster = xstrdup(shard->cluster);
        item->database = xstrdup(shard->database);
        item->schema = xstrdup(shard->schema);
        memory->moved = memory->moved || !is_new || item->forgotten;
        if (!memory->moved)
            put_keys(memory, index);
    }
}

/* --- questions -------------------------------------------------------------------------------- */

static const KnownShard *known_at(const ShardMemory *memory, size_t index)
{
    return memory->items[index].forgotten ? NULL : &memory->items[index];
}

const KnownShard *shard_memory_find(const ShardMemory *memory, const Uuid *uuid)
{
    uint64_t index;
    return uuid_map_get(memory->by_uuid, uuid, &index) ? known_at(memory, index) : NULL;
}

const KnownShard *shard_memory_find_name(ShardMemory *memory, const char *cluster,
                                         const char *database, const char *schema)
{
    uint64_t index;
    Uuid key = name_key(cluster, database, schema);
    renew_keys(memory);
    return uuid_map_get(memory->by_name, &key, &index) ? known_at(memory, index) : NULL;
}

const KnownShard *shard_memory_find_place(ShardMemory *memory, uint64_t system_identifier,
                                          uint32_t database_oid, uint32_t schema_oid)
{
    uint64_t index;
    Uuid key = place_key(system_identifier, database_oid, schema_oid);
    if (schema_oid == 0)
        return NULL;
    renew_keys(memory);
    return uuid_map_get(memory->by_place, &key, &index) ? known_at(memory, index) : NULL;
}

size_t shard_memory_count(const ShardMemory *memory)
{
    return memory->count;
}

const KnownShard *shard_memory_at(const ShardMemory *memory, size_t index)
{
    return known_at(memory, index);
}
