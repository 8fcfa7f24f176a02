/*
 * Events as JSON: in the view, in a webhook's body and on a command's standard input, the same
 * object. Every key is always there:
 *
 *   {"id":"pgtide_FLEET_SEQ","seq":12,"type":"shard.failed","at":TIME,"fleet":UUID,
 *    "rollout":{"id":UUID,"name":NAME}|null,"wave":{"number":1,"name":TEXT}|null,
 *    "shard":NAME|null,                        where it is about one
 *    "shards":[{"name","uuid"|null},...],"shard_count":1,      at most 100 named, all counted
 *    "direction":WORD|null,"revision":TEXT,    of one shard's job: what it did last or failed at
 *    "gate":TEXT,"agent":TEXT,"who":TEXT,"message":TEXT,"code":TEXT,"sqlstate":TEXT}
 */
#pragma once

#include "event_log.h"

enum {
    VIEW_EVENT_SHARDS_MAX = 100,
    VIEW_EVENT_ID_SIZE = 7 + UUID_TEXT_SIZE + 21,
};

void view_event(const Coordinator *coordinator, const FleetEvent *event, Arena *arena,
                JsonWriter *json);
/* The event's identity, the same over all deliveries. */
void view_event_id(const Coordinator *coordinator, uint64_t seq, char out[VIEW_EVENT_ID_SIZE]);
/* The name of the shard that it is about; NULL when there is none, or several. */
const char *view_event_shard(const Coordinator *coordinator, const FleetEvent *event, Arena *arena);
/* The `result` of kind EVENTS. */
ErrCode view_events(const Coordinator *coordinator, const ViewRequest *request, Arena *arena,
                    JsonWriter *json, Error *err) MUST_CHECK;
