#include "slots.h"

#include "arena.h"

#include <stdlib.h>
#include <string.h>

/* Where the shard's slot is, or would be. */
static size_t place_of(const Slots *slots, uint32_t index)
{
    size_t low = 0;
    size_t high = slots->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (slots->items[middle].index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const Slots *slots, size_t place, uint32_t index)
{
    return place < slots->count && slots->items[place].index == index;
}

Slot *slots_put(Slots *slots, uint32_t index)
{
    size_t place = place_of(slots, index);
    if (is_at(slots, place, index))
        return &slots->items[place];
    if (slots->count == slots->capacity) {
        slots->capacity = slots->capacity == 0 ? 16 : slots->capacity * 2;
        slots->items = xrealloc(slots->items, slots->capacity * sizeof *slots->items);
    }
    memmove(&slots->items[place + 1], &slots->items[place],
            (slots->count - place) * sizeof *slots->items);
    slots->count++;
    slots->items[place] = (Slot){.index = index};
    return &slots->items[place];
}

void *slots_find(const Slots *slots, uint32_t index)
{
    size_t place = place_of(slots, index);
    return is_at(slots, place, index) ? slots->items[place].value : NULL;
}

void *slots_take(Slots *slots, uint32_t index)
{
    size_t place = place_of(slots, index);
    if (!is_at(slots, place, index))
        return NULL;
    void *value = slots->items[place].value;
    slots->count--;
    memmove(&slots->items[place], &slots->items[place + 1],
            (slots->count - place) * sizeof *slots->items);
    return value;
}

void slots_free(Slots *slots, void (*free_value)(void *value))
{
    for (size_t i = 0; i < slots->count; i++)
        free_value(slots->items[i].value);
    free(slots->items);
    *slots = (Slots){0};
}
