/*
 * The journal read as events (coordinator/core/fleet_event.h), a page at a time.
 */
#pragma once

#include "coordinator.h"
#include "fleet_event.h"

enum {
    EVENT_PAGE_MAX = 200,
    EVENT_PAGE_RECORDS_MAX = 1000,          /* looked at for a page; the writer waits meanwhile */
    EVENT_PAGE_BYTES_MAX = 4 * 1024 * 1024, /* of memory, about */
};

typedef struct EventFilter {
    const StrList *types; /* patterns; NULL = all */
    const char *rollout;  /* name or id; NULL or '' = all */
} EventFilter;

typedef struct EventPage {
    FleetEvent items[EVENT_PAGE_MAX]; /* what they point to lives in the arena or in rollouts */
    size_t count;
    uint64_t next; /* all records up to here have been looked at: where the next page begins */
    bool more;     /* there are records after that */
} EventPage;

/* Of the durable records after `after`; at most `max` events. */
ErrCode event_log_read(const Coordinator *coordinator, uint64_t after, const EventFilter *filter,
                       size_t max, Arena *arena, EventPage *page, Error *err) MUST_CHECK;
/* One event by its number. ERR_NOT_FOUND: that record makes none. */
ErrCode event_log_find(const Coordinator *coordinator, uint64_t seq, Arena *arena,
                       FleetEvent *ret_event, Error *err) MUST_CHECK;
/* "rollout.*, shard.failed" into patterns. ERR_USAGE: one that no event can match. */
ErrCode event_patterns_parse(Arena *arena, const char *text, StrList *ret_patterns,
                             Error *err) MUST_CHECK;
ErrCode event_pattern_check(const char *pattern, Error *err) MUST_CHECK;
