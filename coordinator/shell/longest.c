#include "longest.h"

#include <stdlib.h>
#include <string.h>

struct LongestItem {
    uint32_t index;
    StatementFacts facts;
    char *revision; /* that `facts` has */
    char *what;
};

/* Where the shard's item is, or would be. */
static size_t position(const Longest *longest, uint32_t index)
{
    size_t low = 0;
    size_t high = longest->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (longest->items[middle].index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const Longest *longest, size_t at, uint32_t index)
{
    return at < longest->count && longest->items[at].index == index;
}

static void clear(LongestItem *item)
{
    free(item->revision);
    free(item->what);
}

static void insert_at(Longest *longest, size_t at, uint32_t index)
{
    if (longest->count == longest->capacity) {
        longest->capacity = longest->capacity == 0 ? 16 : longest->capacity * 2;
        longest->items = xrealloc(longest->items, longest->capacity * sizeof *longest->items);
    }
    memmove(&longest->items[at + 1], &longest->items[at],
            (longest->count - at) * sizeof *longest->items);
    longest->count++;
    longest->items[at] = (LongestItem){.index = index};
}

void longest_free(Longest *longest)
{
    for (size_t i = 0; i < longest->count; i++)
        clear(&longest->items[i]);
    free(longest->items);
    *longest = (Longest){0};
}

static const StatementFacts *choose(const FactList *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].failed)
            return &list->items[i];
    }
    return facts_longest(list);
}

void longest_take(Longest *longest, const JobReport *report)
{
    const StatementFacts *chosen = choose(&report->facts);
    if (chosen == NULL)
        return;
    size_t at = position(longest, report->index);
    if (!is_at(longest, at, report->index))
        insert_at(longest, at, report->index);
    LongestItem *item = &longest->items[at];
    clear(item);
    item->facts = *chosen;
    item->revision = xstrdup(chosen->revision);
    item->what = xstrdup(chosen->what);
}

void longest_write(const Longest *longest, uint32_t index, JsonWriter *json)
{
    size_t at = position(longest, index);
    if (!is_at(longest, at, index)) {
        json_field_null(json, "longest");
        return;
    }
    const LongestItem *item = &longest->items[at];
    json_field_object(json, "longest");
    json_field_string(json, "revision", item->revision);
    json_field_uint(json, "line", item->facts.line);
    json_field_string(json, "what", item->what);
    json_field_uint(json, "duration_ms", item->facts.duration_ms);
    json_field_uint(json, "lock_wait_ms", item->facts.lock_wait_ms);
    json_field_uint(json, "wal_bytes", item->facts.wal_bytes);
    json_field_uint(json, "rows", item->facts.rows);
    json_field_bool(json, "failed", item->facts.failed);
    json_object_end(json);
}
