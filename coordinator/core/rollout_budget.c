/*
 * Failures counted where they are allowed: in the wave, in the fleet, and in each group of shards
 * that share a host or a label's value.
 */
#include "rollout_state.h"

#include <stdlib.h>

static const char *group_name(const PlanShard *shard, const ScopeBudget *budget)
{
    if (budget->label[0] == '\0')
        return shard->host;
    return label_value(&shard->labels, budget->label);
}

static void scope_make(Rollout *r, RolloutScope *scope, const ScopeBudget *budget)
{
    scope->budget = budget;
    scope->names = names_new();
    scope->group_of = xcalloc(r->shard_count, sizeof *scope->group_of);
    for (uint32_t i = 0; i < r->shard_count; i++) {
        const char *name = group_name(&r->plan[i], budget);
        scope->group_of[i] = name == NULL ? NAMES_NONE : names_add(scope->names, name, "");
    }
    scope->groups = xcalloc(names_count(scope->names) + 1, sizeof *scope->groups);
    for (uint32_t i = 0; i < r->shard_count; i++) {
        if (scope->group_of[i] != NAMES_NONE)
            scope->groups[scope->group_of[i]].planned++; /* its size, for a moment */
    }
    for (uint32_t i = 0; i < names_count(scope->names); i++) {
        ScopeGroup *group = &scope->groups[i];
        uint64_t size = group->planned;
        group->planned = budget->percent ? (uint32_t)(size * budget->value / 100) : budget->value;
        group->allowed = group->planned;
        scope->limit = group->planned > scope->limit ? group->planned : scope->limit;
    }
}

uint32_t rollout_scope_planned(const Rollout *r, uint32_t index)
{
    const RolloutScope *scope = &r->scopes[index];
    uint32_t planned = 0;
    for (uint32_t i = 0; i < names_count(scope->names); i++)
        planned = scope->groups[i].planned > planned ? scope->groups[i].planned : planned;
    return planned;
}

void rollout_scope_limit(Rollout *r, uint32_t index, uint32_t limit)
{
    RolloutScope *scope = &r->scopes[index];
    scope->limit = limit;
    scope->over = 0;
    for (uint32_t i = 0; i < names_count(scope->names); i++) {
        ScopeGroup *group = &scope->groups[i];
        group->allowed = group->planned < limit ? group->planned : limit;
        scope->over += group->failures > group->allowed;
    }
}

void rollout_scopes_make(Rollout *r)
{
    r->scope_count = (uint32_t)r->header->budget_count;
    r->scopes = xcalloc(r->scope_count + 1, sizeof *r->scopes);
    for (uint32_t i = 0; i < r->scope_count; i++)
        scope_make(r, &r->scopes[i], &r->header->budgets[i]);
}

void rollout_scopes_free(Rollout *r)
{
    for (uint32_t i = 0; r->scopes != NULL && i < r->scope_count; i++) {
        names_free(r->scopes[i].names);
        free(r->scopes[i].group_of);
        free(r->scopes[i].groups);
    }
    free(r->scopes);
}

static ScopeGroup *group_of(const Rollout *r, uint32_t scope, uint32_t shard)
{
    uint32_t group = r->scopes[scope].group_of[shard];
    return group == NAMES_NONE ? NULL : &r->scopes[scope].groups[group];
}

void rollout_scopes_count_failure(Rollout *r, uint32_t shard, bool failed)
{
    for (uint32_t i = 0; i < r->scope_count; i++) {
        ScopeGroup *group = group_of(r, i, shard);
        if (group == NULL)
            continue;
        bool over = group->failures > group->allowed;
        group->failures += failed ? 1u : -1u;
        bool now = group->failures > group->allowed;
        r->scopes[i].over += now - over;
    }
}

void rollout_scopes_count_flying(Rollout *r, uint32_t shard, uint32_t change)
{
    for (uint32_t i = 0; i < r->scope_count; i++) {
        ScopeGroup *group = group_of(r, i, shard);
        if (group != NULL)
            group->flying += change;
    }
}

bool rollout_scopes_have_room(const Rollout *r, uint32_t shard)
{
    for (uint32_t i = 0; i < r->scope_count; i++) {
        const ScopeGroup *group = group_of(r, i, shard);
        if (group != NULL && group->failures > 0 &&
            (group->failures > group->allowed || group->flying > group->allowed - group->failures))
            return false;
    }
    return true;
}

static const char *scope_reason(const RolloutScope *scope, Arena *arena)
{
    uint32_t i = 0;
    while (scope->groups[i].failures <= scope->groups[i].allowed)
        i++;
    const char *key = scope->budget->label;
    return arena_printf(arena, "%u failed where %s is %s, its budget is %u",
                        scope->groups[i].failures, key[0] == '\0' ? "the host" : key,
                        names_first(scope->names, i), scope->groups[i].allowed);
}

const char *rollout_budget_exceeded(const Rollout *r, Arena *arena)
{
    const WavePlan *plan = &r->header->waves[r->wave];
    uint32_t failures = r->waves[r->wave].failures;
    uint32_t budget = rollout_wave_budget(r, r->wave);
    if (failures > budget)
        return arena_printf(arena, "%u failed in wave %s, its budget is %u", failures, plan->name,
                            budget);
    if (r->failures > r->limits.budget_fleet)
        return arena_printf(arena, "%u failed, the fleet's budget is %u", r->failures,
                            r->limits.budget_fleet);
    for (uint32_t i = 0; i < r->scope_count; i++) {
        if (r->scopes[i].over > 0)
            return scope_reason(&r->scopes[i], arena);
    }
    return NULL;
}
