#include "uuid_map.h"

#include "arena.h"
#include "digest.h"

#include <stdlib.h>
#include <string.h>

typedef struct Slot {
    Uuid uuid;
    uint64_t value;
    bool used;
} Slot;

struct UuidMap {
    Slot *slots;
    size_t capacity; /* a power of two, at most half full */
    size_t count;
    uint64_t key[2];
};

enum { FIRST_CAPACITY = 64 };

UuidMap *uuid_map_new(void)
{
    UuidMap *map = xcalloc(1, sizeof *map);
    map->slots = xcalloc(FIRST_CAPACITY, sizeof *map->slots);
    map->capacity = FIRST_CAPACITY;
    if (!secure_random(map->key, sizeof map->key))
        abort(); /* a machine without random numbers can't keep strangers out either */
    return map;
}

void uuid_map_free(UuidMap *map)
{
    if (map == NULL)
        return;
    free(map->slots);
    free(map);
}

void uuid_map_clear(UuidMap *map)
{
    memset(map->slots, 0, map->capacity * sizeof *map->slots);
    map->count = 0;
}

static uint64_t mix(uint64_t x)
{
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    return x ^ x >> 32;
}

/* The slot that holds the uuid, or the free one where it belongs. */
static Slot *slot_of(const UuidMap *map, const Uuid *uuid)
{
    uint64_t half[2];
    memcpy(half, uuid->bytes, sizeof half);
    uint64_t hash = mix(mix(half[0] ^ map->key[0]) ^ half[1] ^ map->key[1]);
    size_t mask = map->capacity - 1;
    size_t at = (size_t)hash & mask;
    while (map->slots[at].used && !uuid_equal(&map->slots[at].uuid, uuid))
        at = (at + 1) & mask;
    return &map->slots[at];
}

static void grow(UuidMap *map)
{
    Slot *old = map->slots;
    size_t old_capacity = map->capacity;
    map->capacity *= 2;
    map->slots = xcalloc(map->capacity, sizeof *map->slots);
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].used)
            *slot_of(map, &old[i].uuid) = old[i];
    }
    free(old);
}

void uuid_map_put(UuidMap *map, const Uuid *uuid, uint64_t value)
{
    Slot *slot = slot_of(map, uuid);
    if (!slot->used) {
        if ((map->count + 1) * 2 > map->capacity) {
            grow(map);
            slot = slot_of(map, uuid);
        }
        map->count++;
    }
    *slot = (Slot){*uuid, value, true};
}

bool uuid_map_get(const UuidMap *map, const Uuid *uuid, uint64_t *ret_value)
{
    const Slot *slot = slot_of(map, uuid);
    if (!slot->used)
        return false;
    *ret_value = slot->value;
    return true;
}

size_t uuid_map_count(const UuidMap *map)
{
    return map->count;
}
