/*
 * Everything that can happen to a rollout. The shell makes one of these of each operator request,
 * report, agent coming or going, durable journal record and timer, and hands it to rollout_step().
 *
 * An event borrows what it points to: it must live until the step returns.
 */
#pragma once

#include "message.h"

typedef enum RolloutEventKind {
    ROLLOUT_EVENT_UNSPECIFIED,
    ROLLOUT_EVENT_START,      /* command: an operator's word */
    ROLLOUT_EVENT_PAUSE,      /* command */
    ROLLOUT_EVENT_RESUME,     /* command */
    ROLLOUT_EVENT_ABORT,      /* command */
    ROLLOUT_EVENT_AGENT_UP,   /* agent: it can be reached, with a boot nonce that is new or again
                                 after   AGENT_DOWN; what was in flight on it is sent again */
    ROLLOUT_EVENT_AGENT_DOWN, /* agent: no report for the silence deadline, or said goodbye */
    ROLLOUT_EVENT_JOB,        /* job: progress (no outcome), an end, or "unknown" */
    ROLLOUT_EVENT_PERSISTED,  /* persisted: this record and all before it are durable */
    ROLLOUT_EVENT_TICK,       /* the time asked for by TIMER has come */
    ROLLOUT_EVENT_COUNT
} RolloutEventKind;

typedef struct RolloutCommand {
    const char *who;    /* operator's name or key id */
    const char *reason; /* may be '' */
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
        uint32_t agent; /* rollout_agent_find() */
        RolloutJobEvent job;
        uint64_t persisted; /* RolloutRecord.number */
    };
} RolloutEvent;
