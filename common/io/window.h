/*
 * Windows: when a rollout may begin shards, in the local time of a zone, with its daylight saving.
 * Zones and their rules are ICU's.
 */
#pragma once

#include "plan.h"

#include "error.h"

typedef enum WindowState {
    WINDOW_OPEN,   /* shards may be begun */
    WINDOW_CUTOFF, /* it closes soon: no shard is begun, what runs goes on */
    WINDOW_CLOSED, /* jobs finish their step */
} WindowState;

typedef struct WindowLook {
    WindowState state;
    uint64_t changes_unix_ms; /* when it becomes another; 0 = not within eight days */
    uint64_t opens_unix_ms;   /* when it is open next (now, if it is); 0 = not within eight days */
} WindowLook;

const char *window_state_name(WindowState state);
bool window_zone_exists(const char *zone);
/* Where the windows together stand at `unix_ms`; without any, always open. Zones must exist
 * (ERR_CONFIG). */
ErrCode window_look(const WindowPlan *windows, size_t count, uint64_t unix_ms, WindowLook *ret_look,
                    Error *err) MUST_CHECK;
