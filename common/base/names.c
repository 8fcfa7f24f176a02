#include "names.h"

#include <stdlib.h>
#include <string.h>

typedef struct Name {
    const char *first;
    const char *second;
    uint32_t hash;
} Name;

struct Names {
    Name *items;
    uint32_t count;
    uint32_t capacity;
    uint32_t *slots; /* number + 1; 0 = free. Open addressing, a power of two, at most half full */
    uint32_t slot_count;
};

Names *names_new(void)
{
    Names *names = xcalloc(1, sizeof *names);
    names->slot_count = 16;
    names->slots = xcalloc(names->slot_count, sizeof *names->slots);
    return names;
}

void names_free(Names *names)
{
    if (names == NULL)
        return;
    free(names->items);
    free(names->slots);
    free(names);
}

static uint32_t pair_hash(const char *first, const char *second)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (const char *at = first; *at != '\0'; at++)
        hash = (hash ^ (unsigned char)*at) * 16777619u;
    hash = (hash ^ 0x1f) * 16777619u;
    for (const char *at = second; *at != '\0'; at++)
        hash = (hash ^ (unsigned char)*at) * 16777619u;
    return hash;
}

/* The slot that holds the pair, or the free one where it belongs. */
static uint32_t find_slot(const Names *names, const char *first, const char *second, uint32_t hash)
{
    uint32_t slot = hash & (names->slot_count - 1);
    while (names->slots[slot] != 0) {
        const Name *name = &names->items[names->slots[slot] - 1];
        if (name->hash == hash && strcmp(name->first, first) == 0 &&
            strcmp(name->second, second) == 0)
            return slot;
        slot = (slot + 1) & (names->slot_count - 1);
    }
    return slot;
}

static void grow(Names *names)
{
    names->slot_count *= 2;
    free(names->slots);
    names->slots = xcalloc(names->slot_count, sizeof *names->slots);
    for (uint32_t i = 0; i < names->count; i++) {
        uint32_t slot = names->items[i].hash & (names->slot_count - 1);
        while (names->slots[slot] != 0)
            slot = (slot + 1) & (names->slot_count - 1);
        names->slots[slot] = i + 1;
    }
}

uint32_t names_add(Names *names, const char *first, const char *second)
{
    uint32_t hash = pair_hash(first, second);
    uint32_t slot = find_slot(names, first, second, hash);
    if (names->slots[slot] != 0)
        return names->slots[slot] - 1;
    if (names->count == names->capacity) {
        names->capacity = names->capacity == 0 ? 8 : names->capacity * 2;
        names->items = xrealloc(names->items, names->capacity * sizeof *names->items);
    }
    names->items[names->count++] = (Name){first, second, hash};
    names->slots[slot] = names->count;
    if (names->count * 2 > names->slot_count)
        grow(names);
    return names->count - 1;
}

uint32_t names_find(const Names *names, const char *first, const char *second)
{
    uint32_t slot = find_slot(names, first, second, pair_hash(first, second));
    return names->slots[slot] == 0 ? NAMES_NONE : names->slots[slot] - 1;
}

uint32_t names_count(const Names *names)
{
    return names->count;
}

const char *names_first(const Names *names, uint32_t number)
{
    return names->items[number].first;
}
