/*
 * Everything a rollout can do to the world, as a list that the shell executes in its order.
 *
 * PERSIST BEFORE SEND is the core's law, not the shell's: a SEND is only in the list of a step
 * that has seen PERSISTED for the record that allows it. The shell needs no order between lists.
 */
#pragma once

#include "rollout_record.h"

typedef enum RolloutEffectKind {
    ROLLOUT_EFFECT_UNSPECIFIED,
    ROLLOUT_EFFECT_PERSIST,  /* record: append it, then give PERSISTED with its number */
    ROLLOUT_EFFECT_SEND_RUN, /* run: an order per shard; generation, direction and attempt are those
                                of rollout_shard() now. Dropped when the agent can't be reached: the
                                core sends again */
    ROLLOUT_EFFECT_SEND_STOP, /* stop */
    ROLLOUT_EFFECT_TIMER,     /* at_ms: give TICK then; replaces the former timer; 0 = none */
    ROLLOUT_EFFECT_GATE,      /* gate: look at it once, then give GATE */
    ROLLOUT_EFFECT_CHANGED,   /* a view changed: what it shows is durable */
    ROLLOUT_EFFECT_COUNT
} RolloutEffectKind;

typedef struct RolloutSendRun {
    uint32_t agent;
    const uint32_t *shards; /* plan indices; at most LIMIT_SHARD_ORDERS_PER_COMMAND */
    size_t shard_count;
} RolloutSendRun;

typedef struct RolloutSendStop {
    uint32_t agent;
    const char *reason;
} RolloutSendStop;

typedef struct RolloutLookAtGate {
    uint32_t gate; /* of the header */
    uint32_t wave; /* that is about to open, is at work, or has baked */
    uint32_t when; /* GATE_BEFORE, GATE_DURING or GATE_AFTER */
    uint64_t token;
} RolloutLookAtGate;

typedef struct RolloutEffect {
    RolloutEffectKind kind;
    union {
        const RolloutRecord *record;
        RolloutSendRun run;
        RolloutSendStop stop;
        RolloutLookAtGate gate;
        uint64_t at_ms;
    };
} RolloutEffect;

/* `RolloutEffects effects = {.arena = arena};` before each step. */
typedef struct RolloutEffects {
    Arena *arena; /* borrowed; everything the effects point to is here or in the event */
    RolloutEffect *items;
    size_t count;
    size_t capacity;
} RolloutEffects;
