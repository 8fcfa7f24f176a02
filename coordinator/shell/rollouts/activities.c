#include "activities.h"

#include <stdlib.h>

enum { ACTIVITIES_TOLD = 20 };

typedef struct ActivityItem {
    Arena *arena;
    Activity activity; /* in the arena */
} ActivityItem;

static void item_free(void *value)
{
    ActivityItem *item = value;
    if (item == NULL)
        return;
    arena_free(item->arena);
    free(item);
}

void activities_free(Activities *activities)
{
    slots_free(&activities->shards, item_free);
}

void activities_take(Activities *activities, const JobReport *report)
{
    if (report->activity.kind == ACTIVITY_UNSPECIFIED || report->phase == PHASE_DONE) {
        item_free(slots_take(&activities->shards, report->index));
        return;
    }
    Slot *slot = slots_put(&activities->shards, report->index);
    ActivityItem *item = slot->value;
    if (item == NULL) {
        slot->value = item = xcalloc(1, sizeof *item);
        item->arena = arena_new();
    }
    arena_reset(item->arena);
    item->activity = activity_copy(item->arena, &report->activity);
}

const Activity *activities_find(const Activities *activities, uint32_t index)
{
    const ActivityItem *item = slots_find(&activities->shards, index);
    return item != NULL ? &item->activity : NULL;
}

/* --- as JSON ---------------------------------------------------------------------------------- */

static void write_blocker(const Activity *activity, JsonWriter *json)
{
    const Blocker *blocker = &activity->blocker;
    if (!activity->has_blocker) {
        json_field_null(json, "blocker");
        return;
    }
    json_field_object(json, "blocker");
    json_field_uint(json, "pid", blocker->pid);
    json_field_string(json, "user", blocker->user);
    json_field_string(json, "application", blocker->application);
    json_field_string(json, "query_class", blocker->query_class);
    json_field_uint(json, "since_ms", blocker->since_ms);
    json_object_end(json);
}

static void write_fields(const Activity *activity, JsonWriter *json)
{
    AUTO_ARENA Arena *arena = arena_new();
    json_field_string(json, "kind", activity_kind_name(activity->kind));
    json_field_string(json, "text", activity_text(arena, activity));
    json_field_string(json, "what", activity->what);
    json_field_uint(json, "unit", activity->unit);
    json_field_uint(json, "unit_count", activity->unit_count);
    json_field_uint(json, "done", activity->done);
    json_field_uint(json, "total", activity->total);
    json_field_uint(json, "percent", activity->percent);
    json_field_uint(json, "rate_per_s", activity->rate_per_s);
    json_field_uint(json, "eta_ms", activity->eta_ms);
    json_field_string(json, "held_back", activity->held_back);
    json_field_uint(json, "waiting_behind", activity->waiting_behind);
    write_blocker(activity, json);
}

void activity_write(const Activity *activity, JsonWriter *json)
{
    if (activity == NULL) {
        json_field_null(json, "activity");
        return;
    }
    json_field_object(json, "activity");
    write_fields(activity, json);
    json_object_end(json);
}

void activities_write(const Activities *activities, const Rollout *core, JsonWriter *json)
{
    AUTO_ARENA Arena *arena = arena_new();
    size_t told = 0;
    size_t untold = 0;
    json_field_array(json, "activities");
    for (size_t i = 0; i < activities->shards.count; i++) {
        const Slot *slot = &activities->shards.items[i];
        const ActivityItem *item = slot->value;
        RolloutShardView view;
        rollout_shard(core, slot->index, &view);
        if (!view.in_flight)
            continue;
        if (told == ACTIVITIES_TOLD) {
            untold++;
            continue;
        }
        told++;
        const PlanShard *plan = view.plan;
        json_object_begin(json);
        json_field_string(json, "shard",
                          shard_display_name(arena, plan->cluster, plan->database, plan->schema));
        json_field_string(json, "revision", view.revision);
        write_fields(&item->activity, json);
        json_object_end(json);
    }
    json_array_end(json);
    json_field_uint(json, "activities_untold", untold);
}
