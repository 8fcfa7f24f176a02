#include "rollout_state.h"

#include <string.h>

uint32_t rollout_agent_count(const Rollout *rollout)
{
    return names_count(rollout->agent_names);
}

const char *rollout_agent_name(const Rollout *rollout, uint32_t agent)
{
    return names_first(rollout->agent_names, agent);
}

uint32_t rollout_agent_find(const Rollout *rollout, const char *agent_name)
{
    return names_find(rollout->agent_names, agent_name, "");
}

RolloutState rollout_state(const Rollout *rollout)
{
    return rollout->shown_state;
}

const char *rollout_reason(const Rollout *rollout)
{
    return rollout->shown_reason;
}

const char *rollout_who(const Rollout *rollout)
{
    return rollout->shown_who;
}

bool rollout_is_stopping(const Rollout *rollout)
{
    if (rollout_state_is_terminal(rollout->shown_state))
        return false;
    bool draining = rollout->in_flight > 0 && rollout_is_draining(rollout);
    bool policy_due =
        rollout->state != ROLLOUT_HALTED ||
        (rollout->header->policy.on_failure != ON_FAILURE_PAUSE && !rollout->policy_done);
    return draining || (rollout->shown_state == ROLLOUT_HALTED && policy_due);
}

bool rollout_is_braked(const Rollout *rollout)
{
    return rollout->braked;
}

RolloutWindow rollout_window(const Rollout *rollout)
{
    return rollout->window;
}

Concurrency rollout_concurrency(const Rollout *rollout)
{
    return rollout->concurrency;
}

uint32_t rollout_budget_fleet(const Rollout *rollout)
{
    return rollout->limits.budget_fleet;
}

uint32_t rollout_budget_scope(const Rollout *rollout, uint32_t budget)
{
    return rollout->scopes[budget].limit;
}

uint32_t rollout_wave(const Rollout *rollout)
{
    return rollout->wave;
}

bool rollout_is_durable(const Rollout *rollout)
{
    return rollout->durable == rollout->decided;
}

uint64_t rollout_record_count(const Rollout *rollout)
{
    return rollout->decided;
}

static void add_wave(const RolloutWave *wave, RolloutCounts *counts)
{
    counts->total += wave->count;
    for (int state = 0; state < SHARD_STATE_COUNT; state++)
        counts->by_state[state] += wave->by_state[state];
    counts->in_flight += wave->in_flight;
    counts->failures += wave->failures;
    counts->rolled_back += wave->rolled_back;
    counts->skipped += wave->skipped;
}

void rollout_counts(const Rollout *rollout, RolloutCounts *out)
{
    *out = (RolloutCounts){0};
    for (uint32_t i = 0; i < rollout->wave_count; i++)
        add_wave(&rollout->waves[i], out);
}

void rollout_wave_view(const Rollout *rollout, uint32_t wave, RolloutWaveView *out)
{
    const RolloutWave *from = &rollout->waves[wave];
    *out = (RolloutWaveView){.plan = &rollout->header->waves[wave],
                             .state = from->state,
                             .bake_until_ms = from->bake_until_ms};
    add_wave(from, &out->counts);
}

void rollout_gate(const Rollout *rollout, uint32_t index, RolloutGateView *out)
{
    const RolloutGate *gate = &rollout->gates[index];
    *out = (RolloutGateView){.plan = &rollout->header->gates[index],
                             .asked = gate->asked,
                             .verdict = gate->found,
                             .message = gate->message,
                             .looked_unix_ms = gate->found_unix_ms,
                             .looked_wave = gate->found_wave,
                             .errors = gate->errors,
                             .looks = gate->looks,
                             .waits = rollout->shown_state == ROLLOUT_PAUSED &&
                                      rollout->waits_gate == index + 1};
}

static const char *text_or_empty(const char *text)
{
    return text == NULL ? "" : text;
}

void rollout_shard(const Rollout *rollout, uint32_t index, RolloutShardView *out)
{
    static const ShardDetail no_detail = {0};
    const RolloutShard *shard = &rollout->shards[index];
    const ShardDetail *detail = shard->detail != NULL ? shard->detail : &no_detail;
    *out = (RolloutShardView){
        .plan = &rollout->plan[index],
        .agent = shard->agent,
        .state = (ShardState)shard->state,
        .generation = shard->generation,
        .direction = (Direction)shard->direction,
        .attempt = shard->attempt,
        .in_flight = shard->in_flight,
        .overdue = shard->overdue,
        .rolled_back = shard->rolled_back,
        .skipped = shard->skipped,
        .phase = (JobPhase)shard->phase,
        .outcome = (JobOutcome)shard->outcome,
        .steps_done = shard->steps_done,
        .revision = text_or_empty(shard->in_flight ? shard->revision : detail->revision),
        .code = text_or_empty(detail->code),
        .sqlstate = text_or_empty(detail->sqlstate),
        .message = text_or_empty(detail->message),
        .backup = detail->has_backup ? &detail->backup : NULL,
        .duration_ms = detail->duration_ms,
        .rows = &detail->rows,
    };
}
