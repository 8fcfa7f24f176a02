#include "quarantine.h"

#include "uuid_map.h"

#include <stdlib.h>

struct Quarantine {
    Quarantined *items;
    size_t count;
    size_t capacity;
    UuidMap *by_shard;
};

Quarantine *quarantine_new(void)
{
    Quarantine *quarantine = xcalloc(1, sizeof *quarantine);
    quarantine->by_shard = uuid_map_new();
    return quarantine;
}

void quarantine_free(Quarantine *quarantine)
{
    if (quarantine == NULL)
        return;
    for (size_t i = 0; i < quarantine->count; i++)
        free(quarantine->items[i].reason);
    free(quarantine->items);
    uuid_map_free(quarantine->by_shard);
    free(quarantine);
}

static void add(Quarantine *quarantine, const Quarantined *item)
{
    if (quarantine->count == quarantine->capacity) {
        quarantine->capacity = quarantine->capacity == 0 ? 16 : quarantine->capacity * 2;
        quarantine->items =
            xrealloc(quarantine->items, quarantine->capacity * sizeof *quarantine->items);
    }
    uuid_map_put(quarantine->by_shard, &item->shard, quarantine->count);
    quarantine->items[quarantine->count++] = *item;
}

void quarantine_apply(Quarantine *quarantine, const PlanHeader *header, const PlanShard *shards,
                      const RolloutRecord *record)
{
    if (record->kind != ROLLOUT_RECORD_SHARD_ENDED)
        return;
    for (size_t i = 0; i < record->shard_count; i++) {
        const RolloutShardRecord *shard = &record->shards[i];
        bool diverged = shard->outcome == OUTCOME_DIVERGED;
        if (shard->index >= header->shard_count ||
            (!diverged && shard->outcome != OUTCOME_ROLLBACK_FAILED) ||
            quarantine_find(quarantine, &shards[shard->index].uuid) != NULL)
            continue; /* the first reason stands */
        AUTO_STR Str reason = {0};
        str_printf(&reason, "%s in rollout %s", diverged ? "diverged" : "a downgrade failed",
                   header->name);
        if (shard->message != NULL && shard->message[0] != '\0')
            str_printf(&reason, ": %s", shard->message);
        add(quarantine, &(Quarantined){
                            .shard = shards[shard->index].uuid,
                            .state = diverged ? SHARD_DIVERGED : SHARD_ROLLBACK_FAILED,
                            .reason = xstrdup(str_text(&reason)),
                            .rollout_id = header->rollout_id,
                        });
    }
}

static void remove_at(Quarantine *quarantine, size_t index)
{
    free(quarantine->items[index].reason);
    quarantine->items[index] = quarantine->items[--quarantine->count];
    uuid_map_clear(quarantine->by_shard);
    for (size_t i = 0; i < quarantine->count; i++)
        uuid_map_put(quarantine->by_shard, &quarantine->items[i].shard, i);
}

void quarantine_word(Quarantine *quarantine, const FleetWord *word)
{
    uint64_t index;
    bool there = uuid_map_get(quarantine->by_shard, &word->shard, &index);
    if (there && !word->on) {
        remove_at(quarantine, index);
    } else if (!there && word->on) {
        AUTO_STR Str reason = {0};
        str_printf(&reason, "quarantined by %s: %s", word->who, word->reason);
        add(quarantine, &(Quarantined){
                            .shard = word->shard,
                            .state = SHARD_QUARANTINED,
                            .reason = xstrdup(str_text(&reason)),
                        });
    }
}

const Quarantined *quarantine_find(const Quarantine *quarantine, const Uuid *shard)
{
    uint64_t index;
    return uuid_map_get(quarantine->by_shard, shard, &index) ? &quarantine->items[index] : NULL;
}
