/*
 * One rollout: which shards run when, when it stops, and what is taken back. Pure: it is told what
 * happened (rollout_event.h) and answers with what to do (rollout_effect.h); it has no clock, no
 * I/O and no memory of its own making beyond its plan's size.
 *
 * Life of an object: rollout_new, then rollout_replay for each journalled record in order, then
 * rollout_recover once (also with no records), then rollout_step for ever.
 */
#pragma once

#include "plan.h"
#include "rollout_effect.h"
#include "rollout_event.h"

typedef struct Rollout Rollout;

enum {
    ROLLOUT_TICK_MS = 1000,    /* how often jobs in flight are looked at */
    ROLLOUT_RESEND_MS = 15000, /* a job not heard of for so long is sent again */
    ROLLOUT_STOP_RESEND_MS = 5000,
    ROLLOUT_UNKNOWN_DEADLINE_MS = 10 * 60 * 1000, /* where the policy says 0 */
    ROLLOUT_AGENT_NONE = 0xffffffff,
    ROLLOUT_GATE_MESSAGE_SIZE = 512,
};

/* A rollout in state `approved`. Borrows header and shards (in plan order), which must outlive it.
 * ERR_PROTOCOL when they are not a plan (index, wave, counts, directions). */
MUST_CHECK ErrCode rollout_new(const PlanHeader *header, const PlanShard *shards,
                               size_t shard_count, Rollout **ret_rollout, Error *err);
void rollout_free(Rollout *rollout); /* NULL-safe */

/* The rollout's agents as small numbers, in the order the plan first names them. */
uint32_t rollout_agent_count(const Rollout *rollout);
const char *rollout_agent_name(const Rollout *rollout, uint32_t agent);      /* borrows */
uint32_t rollout_agent_find(const Rollout *rollout, const char *agent_name); /* or ..._NONE */

/* One event. Commands that make no sense now: ERR_STATE, nothing changed, no effects. Every other
 * event succeeds; late, duplicate and stale ones do nothing. */
MUST_CHECK ErrCode rollout_step(Rollout *rollout, const RolloutEvent *event,
                                RolloutEffects *effects, Error *err);

/* What a record about one shard says when it was decided by this report. Borrows its texts. */
RolloutShardRecord rollout_shard_record(const JobReport *report);

/* Applies a journalled record. ERR_JOURNAL when it can't follow the ones before it. */
MUST_CHECK ErrCode rollout_replay(Rollout *rollout, const RolloutRecord *record, Error *err);
/* Before rollout_recover, and by BRAKE events later: whether the fleet's brake is on. */
void rollout_set_brake(Rollout *rollout, bool braked);
/* The same for its windows and WINDOW events. */
void rollout_set_window(Rollout *rollout, RolloutWindow window);
/* After the last rollout_replay: every agent counts as down until AGENT_UP, what is in flight is
 * sent again then, a bake goes on with what is left of it. */
void rollout_recover(Rollout *rollout, uint64_t now_ms, uint64_t unix_ms, RolloutEffects *effects);

/* --- view: what is decided. All of it is durable when rollout_is_durable(). --------------------
 */

typedef enum WaveState { WAVE_WAITING, WAVE_OPEN, WAVE_BAKING, WAVE_DONE } WaveState;

typedef struct RolloutCounts {
    uint32_t total;
    uint32_t by_state[SHARD_STATE_COUNT]; /* each shard in exactly one; sums to total */
    uint32_t in_flight;
    uint32_t failures; /* what counts against the budget */
    uint32_t rolled_back;
    uint32_t skipped;
} RolloutCounts;

typedef struct RolloutWaveView {
    const WavePlan *plan;
    WaveState state;
    RolloutCounts counts;
    uint64_t bake_until_ms; /* monotonic; only while baking */
} RolloutWaveView;

typedef struct RolloutShardView {
    const PlanShard *plan;
    uint32_t agent;
    ShardState state;
    uint32_t generation; /* 0 = never dispatched */
    Direction direction;
    uint32_t attempt;
    bool in_flight;
    bool overdue;     /* in doubt past the deadline */
    bool rolled_back; /* taken back: stands at the plan's rows_before */
    bool skipped;     /* left out by an operator; `message` says why */
    JobPhase phase;
    JobOutcome outcome; /* of the last job that ended */
    uint32_t steps_done;
    const char *revision; /* '' rather than NULL, all texts */
    const char *code;
    const char *sqlstate;
    const char *message;
    const BackupInfo *backup; /* NULL = none reported */
    uint64_t duration_ms;     /* of the last job that ended */
    const StrList *rows;      /* as its agent last read them when a job ended; may be empty */
} RolloutShardView;

/* A gate, as this process has seen it: looks are not in the journal, only what came of them. */
typedef struct RolloutGateView {
    const GatePlan *plan;
    bool asked;          /* a look is under way */
    GateVerdict verdict; /* of the last look; UNSPECIFIED = none yet */
    const char *message; /* of the last look */
    uint64_t looked_unix_ms;
    uint32_t looked_wave;  /* from 0 */
    uint32_t errors;       /* in a row */
    const uint32_t *looks; /* by verdict */
    bool waits;            /* the rollout is paused for it */
} RolloutGateView;

RolloutState rollout_state(const Rollout *rollout);
const char *rollout_reason(const Rollout *rollout); /* why it is in that state; '' = no reason */
const char *rollout_who(const Rollout *rollout);    /* '' = the rollout itself */
bool rollout_is_stopping(const Rollout *rollout);   /* jobs in flight, or its policy, come first */
bool rollout_is_braked(const Rollout *rollout);
RolloutWindow rollout_window(const Rollout *rollout);
Concurrency rollout_concurrency(const Rollout *rollout); /* the plan's caps as set since */
uint32_t rollout_budget_fleet(const Rollout *rollout);   /* likewise */
uint32_t rollout_budget_scope(const Rollout *rollout, uint32_t budget); /* of any one group */
uint32_t rollout_wave_budget(const Rollout *rollout, uint32_t wave);
uint32_t rollout_wave_bake_ms(const Rollout *rollout, uint32_t wave);
/* "concurrency.fleet", "budget.labels.tier"; UNSPECIFIED for no such setting of this plan. */
RolloutSetting rollout_setting_find(const Rollout *rollout, const char *name);
const char *rollout_setting_name(Arena *arena, const Rollout *rollout, RolloutSetting setting);
/* As people write it: a bake with its unit. */
const char *rollout_setting_value(Arena *arena, RolloutSetting setting, uint32_t value);
uint32_t rollout_wave(const Rollout *rollout);   /* the one opened last; 0 before that */
bool rollout_is_durable(const Rollout *rollout); /* every decision so far is durable */
uint64_t rollout_record_count(const Rollout *rollout);
void rollout_counts(const Rollout *rollout, RolloutCounts *out);
void rollout_wave_view(const Rollout *rollout, uint32_t wave, RolloutWaveView *out);
void rollout_gate(const Rollout *rollout, uint32_t gate, RolloutGateView *out);
void rollout_shard(const Rollout *rollout, uint32_t index, RolloutShardView *out);
