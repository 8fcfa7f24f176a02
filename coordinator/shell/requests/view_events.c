#include "view_events.h"

#include "shard_memory.h"

void view_event_id(const Coordinator *coordinator, uint64_t seq, char out[VIEW_EVENT_ID_SIZE])
{
    char fleet[UUID_TEXT_SIZE];
    uuid_format(trust_fleet_id(coordinator->trust), fleet);
    snprintf(out, VIEW_EVENT_ID_SIZE, "pgtide_%s_%llu", fleet, (unsigned long long)seq);
}

/* Of the fleet, by what the journal knows of it, so that a restart changes nothing; one that it
 * does not know is called as its agent lists it now, or by its uuid. */
static const char *fleet_shard_name(const Coordinator *coordinator, const Uuid *uuid, Arena *arena)
{
    char text[UUID_TEXT_SIZE];
    const KnownShard *known = shard_memory_find(coordinator->memory, uuid);
    if (known != NULL)
        return shard_display_name(arena, known->cluster, known->database, known->schema);
    const FleetShard *shard = inventory_find(coordinator->inventory, uuid);
    uuid_format(uuid, text);
    return shard != NULL ? shard->name : arena_strdup(arena, text);
}

static const PlanShard *planned(const FleetEvent *event, size_t i)
{
    uint32_t index = event->shards[i].index;
    return index < event->rollout->shard_count ? &event->plan[index] : NULL;
}

const char *view_event_shard(const Coordinator *coordinator, const FleetEvent *event, Arena *arena)
{
    if (!uuid_is_nil(&event->shard))
        return fleet_shard_name(coordinator, &event->shard, arena);
    if (event->named_count == 1)
        return event->named[0].name;
    const PlanShard *shard = event->shard_count == 1 ? planned(event, 0) : NULL;
    if (shard == NULL)
        return NULL;
    return shard_display_name(arena, shard->cluster, shard->database, shard->schema);
}

static void write_shard(JsonWriter *json, const char *name, const Uuid *uuid)
{
    json_object_begin(json);
    json_field_string(json, "name", name);
    json_field_uuid(json, "uuid", uuid);
    json_object_end(json);
}

static void write_shards(const Coordinator *coordinator, const FleetEvent *event, Arena *arena,
                         JsonWriter *json)
{
    bool outside = !uuid_is_nil(&event->shard);
    json_field_string(json, "shard", view_event_shard(coordinator, event, arena));
    json_field_array(json, "shards");
    if (outside)
        write_shard(json, fleet_shard_name(coordinator, &event->shard, arena), &event->shard);
    for (size_t i = 0; i < event->named_count && i < VIEW_EVENT_SHARDS_MAX; i++)
        write_shard(json, event->named[i].name, &event->named[i].uuid);
    for (size_t i = 0; i < event->shard_count && i < VIEW_EVENT_SHARDS_MAX; i++) {
        const PlanShard *shard = planned(event, i);
        if (shard != NULL)
            write_shard(json,
                        shard_display_name(arena, shard->cluster, shard->database, shard->schema),
                        &shard->uuid);
    }
    json_array_end(json);
    json_field_uint(json, "shard_count", outside ? 1 : event->named_count + event->shard_count);
    const RolloutShardRecord *job = event->shard_count == 1 ? event->shards : NULL;
    json_field_string(json, "direction",
                      job != NULL && job->direction != DIRECTION_UNSPECIFIED
                          ? direction_name(job->direction)
                          : NULL);
    json_field_string(json, "revision", job != NULL && job->revision != NULL ? job->revision : "");
}

void view_event(const Coordinator *coordinator, const FleetEvent *event, Arena *arena,
                JsonWriter *json)
{
    char id[VIEW_EVENT_ID_SIZE];
    view_event_id(coordinator, event->seq, id);
    json_object_begin(json);
    json_field_string(json, "id", id);
    json_field_uint(json, "seq", event->seq);
    json_field_string(json, "type", fleet_event_type_name(event->type));
    json_field_time(json, "at", event->at_unix_ms);
    json_field_uuid(json, "fleet", trust_fleet_id(coordinator->trust));
    if (event->rollout != NULL) {
        json_field_object(json, "rollout");
        json_field_uuid(json, "id", &event->rollout->rollout_id);
        json_field_string(json, "name", event->rollout->name);
        json_object_end(json);
    } else {
        json_field_null(json, "rollout");
    }
    if (event->has_wave && event->wave < event->rollout->wave_count) {
        json_field_object(json, "wave");
        json_field_uint(json, "number", event->wave + 1);
        json_field_string(json, "name", event->rollout->waves[event->wave].name);
        json_object_end(json);
    } else {
        json_field_null(json, "wave");
    }
    write_shards(coordinator, event, arena, json);
    json_field_string(json, "gate", event->gate);
    json_field_string(json, "agent", event->agent);
    json_field_string(json, "who", event->who);
    json_field_string(json, "message", event->message);
    json_field_string(json, "code", event->code);
    json_field_string(json, "sqlstate", event->sqlstate);
    json_object_end(json);
}

ErrCode view_events(const Coordinator *coordinator, const ViewRequest *request, Arena *arena,
                    JsonWriter *json, Error *err)
{
    StrList types = {0};
    ErrCode code = event_patterns_parse(arena, request->types, &types, err);
    if (code != ERR_OK)
        return code;
    EventFilter filter = {&types, request->rollout};
    EventPage *page = ARENA_NEW(arena, EventPage);
    code = event_log_read(coordinator, request->since, &filter, EVENT_PAGE_MAX, arena, page, err);
    if (code != ERR_OK)
        return code;
    json_field_array(json, "events");
    for (size_t i = 0; i < page->count; i++)
        view_event(coordinator, &page->items[i], arena, json);
    json_array_end(json);
    json_field_uint(json, "next", page->next);
    json_field_bool(json, "more", page->more);
    return ERR_OK;
}
