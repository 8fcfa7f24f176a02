#include "activity.h"

#include <stddef.h>

const char *activity_kind_name(ActivityKind kind)
{
    static const char *const names[ACTIVITY_KIND_COUNT] = {
        [ACTIVITY_UNSPECIFIED] = "",
        [ACTIVITY_LOCK_WAIT] = "lock-wait",
        [ACTIVITY_BUILD] = "build",
        [ACTIVITY_BACKFILL] = "backfill",
    };
    return (unsigned)kind < ACTIVITY_KIND_COUNT ? names[kind] : "";
}
