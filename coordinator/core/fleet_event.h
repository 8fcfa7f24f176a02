/*
 * What the coordinator tells the world outside: one event for each journal record that means
 * something to others. An event is derived from its record and never kept, so none is lost, none is
 * invented, and its number, the record's, is for ever. (What a rollout's core is told, and does, is
 * rollout_event.h's.)
 */
#pragma once

#include "plan.h"
#include "rollout_record.h"

typedef enum FleetEventType {
    FLEET_EVENT_NONE, /* the record tells nobody anything */
#define X(name, type, when) FLEET_EVENT_##name,
#include "fleet_events.def"
#undef X
    FLEET_EVENT_COUNT
} FleetEventType;

/* One outside of a rollout, by the name that it had then. */
typedef struct FleetEventShard {
    const char *name;
    Uuid uuid; /* nil = not known, or it has none yet */
} FleetEventShard;

/* Texts are never NULL where `type` is set; '' = it has none. All is borrowed. */
typedef struct FleetEvent {
    uint64_t seq; /* of the journal record */
    uint64_t at_unix_ms;
    FleetEventType type;
    const PlanHeader *rollout; /* NULL: of no rollout */
    bool has_wave;
    uint32_t wave;                    /* from 0 */
    const PlanShard *plan;            /* the rollout's shards, for the indexes in `shards` */
    const RolloutShardRecord *shards; /* those it is about */
    size_t shard_count;
    const char *who;     /* an operator's name; '' = nobody: the rollout itself */
    const char *message; /* a reason, or what an agent said */
    const char *code;    /* of a failure */
    const char *sqlstate;
    const char *gate;
    Uuid shard; /* one of the fleet, outside of a rollout, called as it is now; nil = none */
    const FleetEventShard *named; /* those of the fleet that the record names */
    size_t named_count;
    const char *agent; /* whose key it is about, or who was asked */
} FleetEvent;

const char *fleet_event_type_name(FleetEventType type); /* "rollout.started" */

/* An event type against a pattern: itself, or with '*' for anything, dots too. */
bool fleet_event_type_matches(FleetEventType type, const char *pattern);
/* Whether any type matches: a pattern that never can is a mistake. */
bool fleet_event_pattern_is_known(const char *pattern);
bool fleet_event_is_wanted(FleetEventType type, const StrList *patterns); /* none = all */

/* Of a rollout's record; false: it makes none. Messages are made in `arena`, the rest is borrowed
 * from all that is given. `setting`: what a SET sets, as NAME=VALUE. `seq` is left to the caller.
 */
bool fleet_event_of_record(Arena *arena, const RolloutRecord *record, const PlanHeader *header,
                           const PlanShard *plan, const char *setting, FleetEvent *ret_event);
