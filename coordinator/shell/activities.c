#include "activities.h"

#include "ids.h"

#include <stdlib.h>
#include <string.h>

enum { ACTIVITIES_TOLD = 20 };

struct ActivityItem {
    uint32_t index;
    Arena *arena;
    Activity activity; /* in the arena */
};

/* Where the shard's item is, or would be. */
static size_t position(const Activities *activities, uint32_t index)
{
    size_t low = 0;
    size_t high = activities->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (activities->items[middle].index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const Activities *activities, size_t at, uint32_t index)
{
    return at < activities->count && activities->items[at].index == index;
}

static void remove_at(Activities *activities, size_t at)
{
    arena_free(activities->items[at].arena);
    activities->count--;
    memmove(&activities->items[at], &activities->items[at + 1],
            (activities->count - at) * sizeof *activities->items);
}

static void insert_at(Activities *activities, size_t at, uint32_t index)
{
    if (activities->count == activities->capacity) {
        activities->capacity = activities->capacity == 0 ? 16 : activities->capacity * 2;
        activities->items =
            xrealloc(activities->items, activities->capacity * sizeof *activities->items);
    }
    memmove(&activities->items[at + 1], &activities->items[at],
            (activities->count - at) * sizeof *activities->items);
    activities->count++;
    activities->items[at] = (ActivityItem){.index = index, .arena = arena_new()};
}

void activities_free(Activities *activities)
{
    while (activities->count > 0)
        remove_at(activities, activities->count - 1);
    free(activities->items);
    *activities = (Activities){0};
}

void activities_take(Activities *activities, const JobReport *report)
{
    size_t at = position(activities, report->index);
    bool found = is_at(activities, at, report->index);
    bool tells = report->activity.kind != ACTIVITY_UNSPECIFIED && report->phase != PHASE_DONE;
    if (found && !tells)
        remove_at(activities, at);
    if (!tells)
        return;
    if (!found)
        insert_at(activities, at, report->index);
    ActivityItem *item = &activities->items[at];
    arena_reset(item->arena);
    item->activity = activity_copy(item->arena, &report->activity);
}

const Activity *activities_find(const Activities *activities, uint32_t index)
{
    size_t at = position(activities, index);
    return is_at(activities, at, index) ? &activities->items[at].activity : NULL;
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
    for (size_t i = 0; i < activities->count; i++) {
        const ActivityItem *item = &activities->items[i];
        RolloutShardView view;
        rollout_shard(core, item->index, &view);
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
