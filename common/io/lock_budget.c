#include "lock_budget.h"

#include "clock.h"
#include "named_limits.h"
#include "plan.h"

#include <string.h>

bool lock_budget_parse(const char *text, uint32_t *ret_ms)
{
    uint64_t ms;
    if (strcmp(text, "none") == 0) {
        *ret_ms = LOCK_BUDGET_NONE;
        return true;
    }
    if (!duration_parse(text, &ms) || ms < LIMIT_LOCK_BUDGET_MS_MIN || ms > LIMIT_LOCK_BUDGET_MS)
        return false;
    *ret_ms = (uint32_t)ms;
    return true;
}
