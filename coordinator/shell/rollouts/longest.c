#include "longest.h"

#include <stdlib.h>

typedef struct LongestItem {
    StatementFacts facts;
    char *revision; /* that `facts` borrows */
    char *what;
} LongestItem;

static void item_free(void *value)
{
    LongestItem *item = value;
    if (item == NULL)
        return;
    free(item->revision);
    free(item->what);
    free(item);
}

void longest_free(Longest *longest)
{
    slots_free(&longest->shards, item_free);
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
    LongestItem *item = xcalloc(1, sizeof *item);
    item->facts = *chosen;
    item->facts.revision = item->revision = xstrdup(chosen->revision);
    item->facts.what = item->what = xstrdup(chosen->what);
    Slot *slot = slots_put(&longest->shards, report->index);
    item_free(slot->value);
    slot->value = item;
}

void longest_write(const Longest *longest, uint32_t index, JsonWriter *json)
{
    const LongestItem *item = slots_find(&longest->shards, index);
    if (item == NULL) {
        json_field_null(json, "longest");
        return;
    }
    json_field_object(json, "longest");
    json_field_string(json, "revision", item->facts.revision);
    json_field_uint(json, "line", item->facts.line);
    json_field_string(json, "what", item->facts.what);
    json_field_uint(json, "duration_ms", item->facts.duration_ms);
    json_field_uint(json, "lock_wait_ms", item->facts.lock_wait_ms);
    json_field_uint(json, "wal_bytes", item->facts.wal_bytes);
    json_field_uint(json, "rows", item->facts.rows);
    json_field_bool(json, "failed", item->facts.failed);
    json_object_end(json);
}
