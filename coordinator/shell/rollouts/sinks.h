/*
 * Where events are sent: webhooks and commands of the coordinator's configuration. Each sink is a
 * cursor on the journal: it reads the next event, tries it, and tells delivery.h what came of it.
 * What it reads, one waits for, or fails at holds up nothing else.
 */
#pragma once

#include "delivery.h"
#include "json.h"

#include <uv.h>

typedef struct Coordinator Coordinator;
typedef struct Sinks Sinks;

Sinks *sinks_new(Coordinator *coordinator); /* borrows; returns owned */
/* Ends what is under way; it goes out again after the next start. NULL-safe. */
void sinks_free(Sinks *sinks);

/* The fold of SINK_POSITION and SINK_LETTER, also of sinks that are configured no more. */
void sinks_take(Sinks *sinks, const DeliveryRecord *record);
/* Reads the secrets of the configuration's webhooks. */
ErrCode sinks_check(const Coordinator *coordinator, Error *err) MUST_CHECK;
/* After the replay, with the journal's writer running. */
ErrCode sinks_start(Sinks *sinks, uv_loop_t *loop, Error *err) MUST_CHECK;

void sinks_tick(Sinks *sinks);
uint64_t sinks_next_timer(const Sinks *sinks); /* monotonic; 0 = none */
/* Before the journal is closed: where they stand goes there, and nothing runs any more. */
void sinks_stop(Sinks *sinks);

/* An operator wants the dead events of a sink tried again; how many those are. ERR_NOT_FOUND: no
 * sink is called so. ERR_STATE: it has none. */
ErrCode sinks_retry(Sinks *sinks, const char *name, const char *who, size_t *ret_count,
                    Error *err) MUST_CHECK;
/* `name` of a configured sink. */
ErrCode sinks_find(const Sinks *sinks, const char *name, Error *err) MUST_CHECK;

/* view_events.h says what they write: the `sinks` of kind FLEET, the `result` of kind EVENTS with
 * `dead`. */
void sinks_render(const Sinks *sinks, JsonWriter *json);
ErrCode sinks_render_dead(const Sinks *sinks, uint64_t since, Arena *arena, JsonWriter *json,
                          Error *err) MUST_CHECK;
