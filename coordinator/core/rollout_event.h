/*
 * Everything that can happen to a rollout. The shell makes one of these of each operator request,
 * report, agent coming or going, durable journal record and timer, and hands it to rollout_step().
 *
 * An event borrows what it points to: it must live until the step returns.
 */
#pragma once

#include "gate.h"
#include "message.h"

typedef enum RolloutEventKind {
    ROLLOUT_EVENT_UNSPECIFIED,
    ROLLOUT_EVENT_START,      /* command: an operator's word */
    ROLLOUT_EVENT_PAUSE,      /* command */
    ROLLOUT_EVENT_RESUME,     /* command */
    ROLLOUT_EVENT_ABORT,      /* command */
    ROLLOUT_EVENT_RETRY,      /* command, with shards: failed or skipped ones are wanted again; none
                                 named = every failed one */
    ROLLOUT_EVENT_SKIP,       /* command, with shards: pending ones are left out */
    ROLLOUT_EVENT_SET,        /* command, with setting and value */
    ROLLOUT_EVENT_BRAKE,      /* brake: the fleet's brake was put on or taken off */
    ROLLOUT_EVENT_GATE,       /* gate: what a look at a gate has found */
    ROLLOUT_EVENT_WINDOW,     /* window: its windows together have opened, or close */
    ROLLOUT_EVENT_AGENT_UP,   /* agent: it can be reached, with a boot nonce that is new or again
                                 after   AGENT_DOWN; what was in flight on it is sent again */
    ROLLOUT_EVENT_AGENT_DOWN, /* agent: no report for the silence deadline, or said goodbye */
    ROLLOUT_EVENT_JOB,        /* job: progress (no outcome), an end, or "unknown" */
    ROLLOUT_EVENT_PERSISTED,  /* persisted: this record and all before it are durable */
    ROLLOUT_EVENT_TICK,       /* the time asked for by TIMER has come */
    ROLLOUT_EVENT_COUNT
} RolloutEventKind;

/* What an operator may change while it runs; on disk, never reused. */
typedef enum RolloutSetting {
    ROLLOUT_SETTING_UNSPECIFIED = 0,
    ROLLOUT_SETTING_CONCURRENCY_FLEET = 1,
    ROLLOUT_SETTING_CONCURRENCY_HOST = 2,
    ROLLOUT_SETTING_CONCURRENCY_CLUSTER = 3,
    ROLLOUT_SETTING_CONCURRENCY_DATABASE = 4,
    ROLLOUT_SETTING_BUDGET_FLEET = 5,
    ROLLOUT_SETTING_BUDGET_WAVE = 6,
    ROLLOUT_SETTING_BAKE = 7, /* in ms */
    ROLLOUT_SETTING_COUNT,
    ROLLOUT_SETTING_LABELS = 100,  /* and above: of the plan's label caps, in their order */
    ROLLOUT_SETTING_BUDGETS = 200, /* likewise: of its budgets per host and label */
} RolloutSetting;

/* The answer to an EFFECT_GATE. */
typedef struct RolloutGateEvent {
    uint32_t gate;
    uint64_t token; /* the effect's: an answer to an older look does nothing */
    GateVerdict verdict;
    const char *message;
} RolloutGateEvent;

/* Where the plan's windows stand; the shell has the calendar. */
typedef enum RolloutWindow {
    ROLLOUT_WINDOW_OPEN,   /* forward jobs may start */
    ROLLOUT_WINDOW_CUTOFF, /* none starts, those in flight go on */
    ROLLOUT_WINDOW_CLOSED, /* those in flight finish their step */
} RolloutWindow;

typedef struct RolloutCommand {
    const char *who;        /* operator's name or key id */
    const char *reason;     /* may be '' */
    const uint32_t *shards; /* plan indices; RETRY and SKIP */
    size_t shard_count;
    RolloutSetting setting; /* SET */
    uint32_t value;
} RolloutCommand;

/* The shell passes only reports of the agent's current boot, each once and in their sequence. */
typedef struct RolloutJobEvent {
    uint32_t agent; /* who says so; a report about another agent's shard is ignored */
    const JobReport *report;
} RolloutJobEvent;

typedef struct RolloutEvent {
    RolloutEventKind kind;
    uint64_t now_ms;  /* monotonic; all decisions use this one */
    uint64_t unix_ms; /* wall clock; goes into records, and bridges a restart of the coordinator */
    union {
        RolloutCommand command;
        bool brake;
        RolloutWindow window;
        RolloutGateEvent gate;
        uint32_t agent; /* rollout_agent_find() */
        RolloutJobEvent job;
        uint64_t persisted; /* RolloutRecord.number */
    };
} RolloutEvent;
