/*
 * Gates: looks at the world that let a wave open, go on, or end. The shell looks, when asked by an
 * effect; here is decided what follows. A gate that has let a wave pass is a record; one that
 * failed is the stop's reason, one that can't say is the pause's.
 */
#include "rollout_state.h"

#include <string.h>

static bool is_about(const Rollout *r, uint32_t gate, uint32_t when)
{
    return (r->header->gates[gate].when & when) != 0;
}

static bool has_passed(const RolloutGate *gate, uint32_t wave, uint32_t when)
{
    return (when == GATE_BEFORE ? gate->passed_before : gate->passed_after) > wave;
}

static void look(RolloutStep *step, uint32_t index, uint32_t wave, uint32_t when)
{
    Rollout *r = step->rollout;
    RolloutGate *gate = &r->gates[index];
    if (gate->asked && gate->when == when)
        return;
    if (step->now_ms < gate->next_ms && gate->when == when)
        return;
    gate->asked = true;
    gate->when = when;
    gate->token = ++r->gate_token;
    rollout_effect_add(step->effects, (RolloutEffect){.kind = ROLLOUT_EFFECT_GATE,
                                                      .gate = {index, wave, when, gate->token}});
}

bool rollout_gates_pass(RolloutStep *step, uint32_t wave, uint32_t when)
{
    Rollout *r = step->rollout;
    bool passed = true;
    for (uint32_t i = 0; i < r->header->gate_count; i++) {
        if (!is_about(r, i, when) || has_passed(&r->gates[i], wave, when))
            continue;
        passed = false;
        if (!r->braked)
            look(step, i, wave, when);
    }
    return passed;
}

void rollout_gates_watch(RolloutStep *step)
{
    Rollout *r = step->rollout;
    const RolloutWave *wave = &r->waves[r->wave];
    bool at_work = r->state == ROLLOUT_RUNNING && r->wave_opened && !r->braked &&
                   (wave->state == WAVE_OPEN || wave->state == WAVE_BAKING);
    for (uint32_t i = 0; at_work && i < r->header->gate_count; i++) {
        bool other = r->gates[i].asked && r->gates[i].when != GATE_DURING;
        if (is_about(r, i, GATE_DURING) && !other)
            look(step, i, r->wave, GATE_DURING);
    }
}

static const char *reason_of(RolloutStep *step, uint32_t index, const char *verdict,
                             const char *message)
{
    return arena_printf(step->effects->arena, "gate '%s' %s%s%s",
                        step->rollout->header->gates[index].name, verdict,
                        message[0] != '\0' ? ": " : "", message);
}

static void decide_passed(RolloutStep *step, uint32_t index, uint32_t wave, uint32_t when,
                          const char *who, const char *message)
{
    rollout_decide(step, (RolloutRecord){.kind = ROLLOUT_RECORD_GATE_PASSED,
                                         .wave = wave,
                                         .who = who,
                                         .reason = message,
                                         .setting = when,
                                         .value = index});
}

/* The wave that gates of this moment are about now. */
static uint32_t wave_of(const Rollout *r, uint32_t when)
{
    return when == GATE_BEFORE && r->wave_opened ? r->wave + 1 : r->wave;
}

/* The record keeps which gate it waits for: a person may answer after a restart. */
static void pause_for(RolloutStep *step, uint32_t index, uint32_t when, const char *reason)
{
    Rollout *r = step->rollout;
    rollout_decide(step, (RolloutRecord){.kind = ROLLOUT_RECORD_STATE,
                                         .wave = r->wave,
                                         .state = ROLLOUT_PAUSED,
                                         .reason = reason,
                                         .setting = when,
                                         .value = index + 1});
    rollout_begin_drain(step, false);
}

static void stop_for(RolloutStep *step, const char *reason)
{
    Rollout *r = step->rollout;
    rollout_decide(step, (RolloutRecord){.kind = ROLLOUT_RECORD_STOP_DECIDED,
                                         .wave = r->wave,
                                         .state = ROLLOUT_HALTED,
                                         .reason = reason});
    rollout_begin_drain(step, false);
}

/* An error is tried again; too many in a row say as little as an inconclusive look. Who still uses
 * what is taken away may stop: that is asked again as often, and then it stands. */
static GateVerdict count_misses(RolloutGate *gate, const GatePlan *plan, GateVerdict verdict)
{
    bool again =
        verdict == GATE_ERROR || (verdict == GATE_FAILED && plan->kind == GATE_KIND_COMPAT);
    gate->errors = again ? gate->errors + 1 : 0;
    if (!again)
        return verdict;
    if (gate->errors < plan->attempts)
        return GATE_ERROR;
    return verdict == GATE_ERROR ? GATE_INCONCLUSIVE : verdict;
}

static void keep_found(RolloutStep *step, RolloutGate *gate, const RolloutGateEvent *event,
                       uint32_t wave)
{
    size_t length = event->message == NULL ? 0 : strlen(event->message);
    if (length >= sizeof gate->message)
        length = sizeof gate->message - 1;
    memcpy(gate->message, event->message == NULL ? "" : event->message, length);
    gate->message[length] = '\0';
    gate->found = event->verdict;
    gate->found_unix_ms = step->unix_ms;
    gate->found_wave = wave;
    gate->looks[event->verdict]++;
}

void rollout_on_gate(RolloutStep *step, const RolloutGateEvent *event)
{
    Rollout *r = step->rollout;
    if (event->gate >= r->header->gate_count || event->verdict <= GATE_UNSPECIFIED ||
        event->verdict >= GATE_VERDICT_COUNT)
        return;
    RolloutGate *gate = &r->gates[event->gate];
    const GatePlan *plan = &r->header->gates[event->gate];
    if (!gate->asked || gate->token != event->token)
        return;
    gate->asked = false;
    gate->next_ms = step->now_ms + plan->interval_ms;
    keep_found(step, gate, event, wave_of(r, gate->when));
    gate->verdict = count_misses(gate, plan, event->verdict);
    step->changed = true;
    if (r->state != ROLLOUT_RUNNING)
        return; /* it is asked again when the rollout goes on */
    bool waits = gate->when == GATE_DURING || !has_passed(gate, wave_of(r, gate->when), gate->when);
    if (!waits)
        return;
    if (gate->verdict == GATE_SUCCEEDED && gate->when != GATE_DURING) {
        decide_passed(step, event->gate, wave_of(r, gate->when), gate->when, "", gate->message);
        gate->next_ms = 0; /* the next wave's look comes at once */
    }
    if (gate->verdict == GATE_FAILED)
        stop_for(step, reason_of(step, event->gate, "failed", gate->message));
    else if (gate->verdict == GATE_INCONCLUSIVE)
        pause_for(
            step, event->gate, gate->when,
            reason_of(step, event->gate,
                      plan->kind == GATE_KIND_PERSON ? "waits for a person" : "is inconclusive",
                      gate->message));
}

void rollout_gates_resume(RolloutStep *step, const RolloutCommand *command)
{
    Rollout *r = step->rollout;
    if (r->waits_gate > 0 && r->waits_when != GATE_DURING) {
        uint32_t index = r->waits_gate - 1;
        uint32_t wave = wave_of(r, r->waits_when);
        if (r->header->gates[index].kind == GATE_KIND_PERSON &&
            !has_passed(&r->gates[index], wave, r->waits_when))
            decide_passed(step, index, wave, r->waits_when, command->who, command->reason);
    }
    for (uint32_t i = 0; i < r->header->gate_count; i++) {
        RolloutGate *gate = &r->gates[i];
        gate->asked = false;
        gate->errors = 0;
        gate->next_ms = 0;
        gate->verdict = GATE_UNSPECIFIED;
    }
}

uint64_t rollout_gates_timer(const Rollout *r, uint64_t now_ms)
{
    uint64_t next_ms = 0;
    for (uint32_t i = 0; r->state == ROLLOUT_RUNNING && i < r->header->gate_count; i++) {
        const RolloutGate *gate = &r->gates[i];
        bool again = gate->verdict == GATE_ERROR || gate->when == GATE_DURING;
        if (!gate->asked && again && gate->next_ms > now_ms &&
            (next_ms == 0 || gate->next_ms < next_ms))
            next_ms = gate->next_ms;
    }
    return next_ms;
}
