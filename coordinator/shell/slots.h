/*
 * What is kept of a few of a rollout's shards: a pointer for each, by the shard's index in the
 * plan. Whoever puts one in frees it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct Slot {
    uint32_t index;
    void *value;
} Slot;

/* All zero = none. */
typedef struct Slots {
    Slot *items; /* by index */
    size_t count;
    size_t capacity;
} Slots;

/* The shard's own, made when it is new: with NULL in it. Borrows until the next call. */
Slot *slots_put(Slots *slots, uint32_t index);
/* NULL when there is none. */
void *slots_find(const Slots *slots, uint32_t index);
/* What was in it, which is the caller's again; NULL when there was none. */
void *slots_take(Slots *slots, uint32_t index);
/* Leaves it empty; each value is given to `free_value` first. */
void slots_free(Slots *slots, void (*free_value)(void *value));
