/*
 * What operators may set of a rollout at work. Never beyond what was approved: caps and budgets go
 * down, and up again to the plan's; a bake becomes longer, and shorter again down to the plan's.
 */
#include "rollout_state.h"

#include <string.h>

#define CAP_LABEL "concurrency.labels."
#define BUDGET_HOST "budget.host"
#define BUDGET_LABEL "budget.labels."

enum { BAKE_MAX_MS = 7 * 24 * 60 * 60 * 1000 }; /* as in a rollout's file */

static const char *const names[ROLLOUT_SETTING_COUNT] = {
    "",
    "concurrency.fleet",
    "concurrency.host",
    "concurrency.cluster",
    "concurrency.database",
    "budget.fleet",
    "budget.wave",
    "bake",
};

/* --- names ------------------------------------------------------------------------------------ */

static const char *scope_name(Arena *arena, const ScopeBudget *budget)
{
    return budget->label[0] == '\0' ? BUDGET_HOST
                                    : arena_printf(arena, BUDGET_LABEL "%s", budget->label);
}

static bool is_cap(const Rollout *r, uint32_t setting)
{
    return setting >= ROLLOUT_SETTING_LABELS &&
           setting - ROLLOUT_SETTING_LABELS < r->concurrency.label_count;
}

static bool is_scope(const Rollout *r, uint32_t setting)
{
    return setting >= ROLLOUT_SETTING_BUDGETS && setting - ROLLOUT_SETTING_BUDGETS < r->scope_count;
}

bool rollout_setting_exists(const Rollout *r, RolloutSetting setting)
{
    return (setting > ROLLOUT_SETTING_UNSPECIFIED && setting < ROLLOUT_SETTING_COUNT) ||
           is_cap(r, setting) || is_scope(r, setting);
}

RolloutSetting rollout_setting_find(const Rollout *r, const char *name)
{
    for (int i = 1; i < ROLLOUT_SETTING_COUNT; i++)
        if (strcmp(name, names[i]) == 0)
            return (RolloutSetting)i;
    for (uint32_t i = 0; i < r->concurrency.label_count; i++)
        if (str_starts_with(name, CAP_LABEL) &&
            strcmp(name + strlen(CAP_LABEL), r->concurrency.labels[i].label) == 0)
            return (RolloutSetting)(ROLLOUT_SETTING_LABELS + i);
    for (uint32_t i = 0; i < r->scope_count; i++) {
        const char *label = r->scopes[i].budget->label;
        bool same = label[0] == '\0' ? strcmp(name, BUDGET_HOST) == 0
                                     : str_starts_with(name, BUDGET_LABEL) &&
                                           strcmp(name + strlen(BUDGET_LABEL), label) == 0;
        if (same)
            return (RolloutSetting)(ROLLOUT_SETTING_BUDGETS + i);
    }
    return ROLLOUT_SETTING_UNSPECIFIED;
}

const char *rollout_setting_name(Arena *arena, const Rollout *r, RolloutSetting setting)
{
    if (is_cap(r, setting))
        return arena_printf(arena, CAP_LABEL "%s",
                            r->concurrency.labels[setting - ROLLOUT_SETTING_LABELS].label);
    if (is_scope(r, setting))
        return scope_name(arena, r->scopes[setting - ROLLOUT_SETTING_BUDGETS].budget);
    return rollout_setting_exists(r, setting) ? names[setting] : "";
}

const char *rollout_setting_value(Arena *arena, RolloutSetting setting, uint32_t value)
{
    if (setting != ROLLOUT_SETTING_BAKE)
        return arena_printf(arena, "%u", value);
    if (value > 0 && value % 3600000 == 0)
        return arena_printf(arena, "%uh", value / 3600000);
    if (value % 60000 == 0)
        return arena_printf(arena, "%um", value / 60000);
    return value % 1000 == 0 ? arena_printf(arena, "%us", value / 1000)
                             : arena_printf(arena, "%ums", value);
}

/* --- how far ---------------------------------------------------------------------------------- */

static uint32_t wave_budget_max(const Rollout *r)
{
    uint32_t max = 0;
    for (uint32_t i = 0; i < r->wave_count; i++)
        max = r->header->waves[i].budget > max ? r->header->waves[i].budget : max;
    return max;
}

/* The last wave does not bake. */
static uint32_t bake_min(const Rollout *r)
{
    uint32_t min = UINT32_MAX;
    for (uint32_t i = 0; i + 1 < r->wave_count; i++)
        min = r->header->waves[i].bake_ms < min ? r->header->waves[i].bake_ms : min;
    return min == UINT32_MAX ? 0 : min;
}

static SettingRange up_to(uint32_t min, uint32_t planned)
{
    return (SettingRange){min, planned == 0 && min > 0 ? UINT32_MAX : planned};
}

SettingRange rollout_setting_range(const Rollout *r, RolloutSetting setting)
{
    const Concurrency *caps = &r->header->policy.concurrency;
    switch (setting) {
    case ROLLOUT_SETTING_CONCURRENCY_FLEET:
        return up_to(1, caps->fleet);
    case ROLLOUT_SETTING_CONCURRENCY_HOST:
        return up_to(1, caps->host);
    case ROLLOUT_SETTING_CONCURRENCY_CLUSTER:
        return up_to(1, caps->cluster);
    case ROLLOUT_SETTING_CONCURRENCY_DATABASE:
        return up_to(1, caps->database);
    case ROLLOUT_SETTING_BUDGET_FLEET:
        return up_to(0, r->header->policy.budget_fleet);
    case ROLLOUT_SETTING_BUDGET_WAVE:
        return up_to(0, wave_budget_max(r));
    case ROLLOUT_SETTING_BAKE:
        return (SettingRange){bake_min(r), BAKE_MAX_MS};
    case ROLLOUT_SETTING_UNSPECIFIED:
    case ROLLOUT_SETTING_COUNT:
    case ROLLOUT_SETTING_LABELS:
    case ROLLOUT_SETTING_BUDGETS:
        break;
    }
    if (is_cap(r, setting))
        return up_to(1, caps->labels[setting - ROLLOUT_SETTING_LABELS].cap);
    return up_to(0, rollout_scope_planned(r, setting - ROLLOUT_SETTING_BUDGETS));
}

/* --- setting ---------------------------------------------------------------------------------- */

void rollout_settings_make(Rollout *r)
{
    r->concurrency = r->header->policy.concurrency;
    r->limits.budget_fleet = r->header->policy.budget_fleet;
    r->limits.budget_wave = wave_budget_max(r);
    r->limits.bake_ms = bake_min(r);
}

void rollout_setting_apply(Rollout *r, RolloutSetting setting, uint32_t value)
{
    uint32_t *const places[ROLLOUT_SETTING_COUNT] = {
        [ROLLOUT_SETTING_CONCURRENCY_FLEET] = &r->concurrency.fleet,
        [ROLLOUT_SETTING_CONCURRENCY_HOST] = &r->concurrency.host,
        [ROLLOUT_SETTING_CONCURRENCY_CLUSTER] = &r->concurrency.cluster,
        [ROLLOUT_SETTING_CONCURRENCY_DATABASE] = &r->concurrency.database,
        [ROLLOUT_SETTING_BUDGET_FLEET] = &r->limits.budget_fleet,
        [ROLLOUT_SETTING_BUDGET_WAVE] = &r->limits.budget_wave,
        [ROLLOUT_SETTING_BAKE] = &r->limits.bake_ms,
    };
    if (is_cap(r, setting))
        r->concurrency.labels[setting - ROLLOUT_SETTING_LABELS].cap = value;
    else if (is_scope(r, setting))
        rollout_scope_limit(r, setting - ROLLOUT_SETTING_BUDGETS, value);
    else
        *places[setting] = value;
}

uint32_t rollout_wave_budget(const Rollout *r, uint32_t wave)
{
    uint32_t planned = r->header->waves[wave].budget;
    return planned < r->limits.budget_wave ? planned : r->limits.budget_wave;
}

uint32_t rollout_wave_bake_ms(const Rollout *r, uint32_t wave)
{
    uint32_t planned = r->header->waves[wave].bake_ms;
    if (wave + 1 == r->wave_count)
        return planned;
    return planned > r->limits.bake_ms ? planned : r->limits.bake_ms;
}
