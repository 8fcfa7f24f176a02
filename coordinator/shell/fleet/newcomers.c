#include "newcomers.h"

#include "select.h"
#include "standing.h"
#include "uuid_map.h"

#include <string.h>

enum { TARGETS_MAX = 64 }; /* distinct rows that the plan leads to; most plans have one */

typedef struct Targets {
    const StrList *items[TARGETS_MAX];
    size_t count;
} Targets;

static bool is_there(const Targets *targets, const StrList *rows)
{
    for (size_t i = 0; i < targets->count; i++) {
        if (strlist_equal(targets->items[i], rows))
            return true;
    }
    return false;
}

static bool was_left_out(const PlanNotes *notes, const char *name)
{
    for (size_t i = 0; i < notes->left_out_named; i++) {
        if (strcmp(notes->left_out[i].shard, name) == 0)
            return true;
    }
    return false;
}

static UuidMap *plan_members(const RolloutEntry *entry, Targets *targets)
{
    UuidMap *members = uuid_map_new();
    for (uint32_t i = 0; i < entry->header.shard_count; i++) {
        const PlanShard *shard = &entry->shards[i];
        uuid_map_put(members, &shard->uuid, i);
        if (targets->count < TARGETS_MAX && !is_there(targets, &shard->rows_after))
            targets->items[targets->count++] = &shard->rows_after;
    }
    return members;
}

size_t newcomers_find(const Coordinator *coordinator, const RolloutEntry *entry, Arena *arena,
                      StrList *ret_names)
{
    const PlanNotes *notes = &entry->header.notes;
    const Selection *selection;
    StrList names = {0};
    Targets targets = {.count = 0};
    if (!uuid_is_nil(&entry->header.rollback_of) || notes->order[0] == '\0' ||
        select_parse(notes->select, arena, &selection, NULL) != ERR_OK)
        return 0;
    UuidMap *members = plan_members(entry, &targets);
    for (size_t i = 0; i < inventory_shard_count(coordinator->inventory); i++) {
        const FleetShard *shard = inventory_shard_at(coordinator->inventory, i);
        SelectTarget target = standing_select_target(coordinator, shard);
        uint64_t place;
        if (shard->reachable && select_matches(selection, &target) &&
            !uuid_map_get(members, &shard->uuid, &place) && !is_there(&targets, &shard->rows) &&
            !was_left_out(notes, shard->name))
            strlist_add(arena, &names, shard->name);
    }
    uuid_map_free(members);
    *ret_names = names;
    return names.count;
}
