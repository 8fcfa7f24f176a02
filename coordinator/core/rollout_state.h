/*
 * What a rollout remembers. For the files of the rollout machine only; everybody else sees
 * rollout.h.
 */
#pragma once

#include "invariant.h"
#include "names.h"
#include "rollout.h"

/* What an agent said when a job ended. */
typedef struct ShardDetail {
    const char *revision;
    const char *code;
    const char *sqlstate;
    const char *message;
    bool has_backup;
    BackupInfo backup;
    uint64_t duration_ms;
    StrList rows;
} ShardDetail;

/*
 * A shard is forward while its direction is the plan's, and back once it is taken back. In an
 * opened wave it is wanted (waits to be dispatched), in flight (dispatched, and not ended), or
 * settled (neither).
 */
typedef struct RolloutShard {
    /* Changed by records only. */
    uint8_t state;     /* ShardState */
    uint8_t direction; /* Direction */
    uint8_t outcome;   /* JobOutcome of the last end */
    bool wanted : 1;
    bool in_flight : 1;
    bool back : 1;    /* is being, or was, taken back */
    bool changed : 1; /* this rollout has done a step there */
    bool unsure : 1;  /* ... or may have: an agent was lost with it, or could not tell */
    bool overdue : 1;
    bool failed : 1; /* counts against the budget */
    bool rolled_back : 1;
    bool skipped : 1; /* by an operator: pending, and not wanted */
    uint32_t generation;
    uint32_t attempt;
    uint64_t first_unix_ms; /* of its first dispatch */
    ShardDetail *detail;    /* NULL until a job has ended */

    /* Of the job in flight; lost with the process. */
    bool sent : 1; /* perhaps: what is in flight after a recovery counts as sent */
    bool known_to_probe : 1;
    uint8_t phase; /* JobPhase */
    uint32_t steps_done;
    const char *revision; /* a text of the plan, or NULL */
    uint32_t position;    /* in Rollout.flying */
    uint64_t heard_ms;    /* last sign of life, at first the dispatch */
    uint64_t sent_ms;
    uint32_t reached;    /* how far this attempt has been: grows */
    uint64_t probing_ms; /* since when its agent can't tell; only with known_to_probe */

    /* Fixed. */
    uint32_t agent;
    uint32_t host;
    uint32_t cluster;
    uint32_t database;
} RolloutShard;

typedef struct RolloutWave {
    WaveState state;
    uint32_t first; /* plan index of its first shard */
    uint32_t count;
    uint32_t unsettled;
    uint32_t failures;
    uint64_t baking_unix_ms;
    uint64_t bake_until_ms;
    uint32_t by_state[SHARD_STATE_COUNT];
    uint32_t in_flight;
    uint32_t rolled_back;
    uint32_t skipped;
} RolloutWave;

typedef struct RolloutAgent {
    bool up;
    bool stop_due; /* used while a list of stops is made */
    uint32_t in_flight;
} RolloutAgent;

/* A send that waits for its record to be durable. Numbers rise along the queue. The shard may have
 * ended and been dispatched anew meanwhile: that order waits for a record of its own. */
typedef struct DueSend {
    uint64_t after;
    uint32_t shard;
    uint32_t generation;
    uint32_t attempt;
} DueSend;

/* Shards that share a host, or a label's value. */
typedef struct ScopeGroup {
    uint32_t planned; /* failures that the plan allows */
    uint32_t allowed; /* ... as operators have set it since */
    uint32_t failures;
    uint32_t flying; /* forward jobs */
} ScopeGroup;

typedef struct RolloutScope {
    const ScopeBudget *budget;
    uint32_t limit;     /* of every group, beside what the plan allows it */
    Names *names;       /* of the groups */
    uint32_t *group_of; /* by shard; NAMES_NONE = in none */
    ScopeGroup *groups;
    uint32_t over; /* groups over their budget */
} RolloutScope;

/* A gate, as far as the wave it is about next. */
typedef struct RolloutGate {
    uint32_t passed_before; /* waves that it has let open: wave number + 1 of the last */
    uint32_t passed_after;  /* waves that it has let end */
    /* Of this process. */
    bool asked; /* a look is under way */
    uint32_t when;
    uint64_t token;
    uint32_t errors;     /* of its provider, in a row */
    uint64_t next_ms;    /* no look before */
    GateVerdict verdict; /* of the last look; errors may have become inconclusive */
    GateVerdict found;   /* ... as it was found */
    uint64_t found_unix_ms;
    uint32_t found_wave;
    uint32_t looks[GATE_VERDICT_COUNT]; /* as they were found */
    char message[ROLLOUT_GATE_MESSAGE_SIZE];
} RolloutGate;

/* Shards that share a value of a label with a cap. */
typedef struct RolloutCap {
    uint32_t *group_of; /* by shard; NAMES_NONE = it has no such label */
    uint32_t *load;     /* jobs in flight, by group */
} RolloutCap;

/* What operators have set since the plan: no wave may have more failures, none bakes shorter. */
typedef struct RolloutLimits {
    uint32_t budget_fleet;
    uint32_t budget_wave;
    uint32_t bake_ms;
} RolloutLimits;

struct Rollout {
    const PlanHeader *header;
    const PlanShard *plan;
    Arena *arena; /* texts of records; lives as long as the rollout */
    RolloutShard *shards;
    uint32_t shard_count;
    RolloutWave *waves;
    uint32_t wave_count;
    Names *agent_names;
    RolloutAgent *agents;
    uint32_t *host_load; /* jobs in flight */
    uint32_t *cluster_load;
    uint32_t *database_load;
    RolloutCap caps[LABEL_CAPS_MAX]; /* as header->policy.concurrency.labels */
    RolloutGate *gates;              /* as header->gates */
    uint32_t waits_gate; /* paused for this gate (+ 1) at that moment; 0 = by an operator */
    uint32_t waits_when;
    uint64_t gate_token;  /* of the last look asked for */
    RolloutScope *scopes; /* as header->budgets */
    uint32_t scope_count;

    /* Changed by records only. */
    RolloutState state;
    const char *who;
    const char *reason;
    Concurrency concurrency; /* the plan's caps, as operators have set them since */
    RolloutLimits limits;
    uint64_t state_number; /* of the record that set `state` */
    bool wave_opened;
    uint32_t wave;
    uint64_t wave_done_number; /* of the last WAVE_DONE record */
    bool stop_decided;
    bool aborting;
    bool policy_done; /* rolled back as far as it goes */
    uint32_t failures;
    uint32_t in_flight;
    uint32_t in_flight_back;
    uint32_t in_flight_overdue;
    uint32_t back_unsettled;
    uint32_t forward_wanted;
    uint64_t decided; /* number of the last record */

    /* Durability and what it lets out. */
    uint64_t durable;
    RolloutState shown_state; /* the last durable one */
    const char *shown_who;
    const char *shown_reason;
    DueSend *due;
    size_t due_head;
    size_t due_count;
    size_t due_capacity;
    uint64_t stop_after; /* stops may be sent when this record is durable */
    bool stop_due;
    uint64_t stop_sent_ms;

    /* Of this process. */
    bool braked;           /* by the fleet's brake: nothing starts, jobs finish their step */
    RolloutWindow window;  /* what forward jobs may do now; taking back knows no windows */
    uint32_t *flying;      /* shards in flight, in no order */
    uint32_t next_forward; /* no forward shard before this one is wanted */
    uint32_t next_back;
    uint64_t rolling_since_ms;
    uint64_t tick_at_ms;
    uint64_t timer_ms;    /* last TIMER asked for */
    bool progress_runs;   /* the clock of the progress deadline */
    uint64_t progress_ms; /* what it has counted since something got on */
    uint64_t progress_at_ms;
};

/* One step's surroundings. */
typedef struct RolloutStep {
    Rollout *rollout;
    uint64_t now_ms;
    uint64_t unix_ms;
    RolloutEffects *effects;
    bool changed;
} RolloutStep;

/* rollout_apply.c: the fold. ERR_JOURNAL when the record can't follow; then nothing changed. */
MUST_CHECK ErrCode rollout_apply(Rollout *rollout, const RolloutRecord *record, Error *err);

/* Failed or skipped, and nothing else is under way with it. */
bool rollout_can_retry(const Rollout *rollout, uint32_t index);
/* Not begun. */
bool rollout_can_skip(const Rollout *rollout, uint32_t index);

/* rollout_settings.c */
void rollout_settings_make(Rollout *rollout);
bool rollout_setting_exists(const Rollout *rollout, RolloutSetting setting);
/* What the approved plan allows; the setting exists. */
typedef struct SettingRange {
    uint32_t min;
    uint32_t max;
} SettingRange;
SettingRange rollout_setting_range(const Rollout *rollout, RolloutSetting setting);
void rollout_setting_apply(Rollout *rollout, RolloutSetting setting, uint32_t value);

/* rollout_control.c: what operators ask of a rollout that is at work. */
MUST_CHECK ErrCode rollout_on_retry(RolloutStep *step, const RolloutCommand *command, Error *err);
MUST_CHECK ErrCode rollout_on_skip(RolloutStep *step, const RolloutCommand *command, Error *err);
MUST_CHECK ErrCode rollout_on_set(RolloutStep *step, const RolloutCommand *command, Error *err);
void rollout_on_brake(RolloutStep *step, bool braked);
void rollout_on_window(RolloutStep *step, RolloutWindow window);

/* rollout_gate.c */
/* Whether all gates of that moment let the wave go on; asks those that have not said so. */
bool rollout_gates_pass(RolloutStep *step, uint32_t wave, uint32_t when);
/* Gates that are looked at while the wave is at work. */
void rollout_gates_watch(RolloutStep *step);
void rollout_on_gate(RolloutStep *step, const RolloutGateEvent *event);
/* After a pause: gates are asked afresh; those that wait for a person are passed by `who`. */
void rollout_gates_resume(RolloutStep *step, const RolloutCommand *command);
/* When the next look is due; 0 = none. */
uint64_t rollout_gates_timer(const Rollout *rollout, uint64_t now_ms);

/* rollout_budget.c */
void rollout_scopes_make(Rollout *rollout);
void rollout_scopes_free(Rollout *rollout);
/* The most that the plan allows in any group. */
uint32_t rollout_scope_planned(const Rollout *rollout, uint32_t scope);
/* No group may have more than `limit`, nor than the plan allows it. */
void rollout_scope_limit(Rollout *rollout, uint32_t scope, uint32_t limit);
void rollout_scopes_count_failure(Rollout *rollout, uint32_t shard, bool failed);
void rollout_scopes_count_flying(Rollout *rollout, uint32_t shard, uint32_t change);
/* Once something has failed in a group, no more at a time there than would spend its budget. */
bool rollout_scopes_have_room(const Rollout *rollout, uint32_t shard);
/* Why it has to stop: some budget has been exceeded; NULL = none. */
const char *rollout_budget_exceeded(const Rollout *rollout, Arena *arena);

/* rollout_caps.c */
void rollout_caps_make(Rollout *rollout);
void rollout_caps_free(Rollout *rollout);
void rollout_caps_count(Rollout *rollout, uint32_t shard, uint32_t change);
bool rollout_caps_have_room(const Rollout *rollout, uint32_t shard);

/* rollout_progress.c: the clock of the progress deadline. */
void rollout_progress_made(Rollout *rollout);
/* What has been reported of a job: whether it is further than this attempt has been. */
void rollout_progress_reported(Rollout *rollout, RolloutShard *shard);
/* Before an event is taken: the time since the last one counts, if the clock ran. */
void rollout_progress_count(Rollout *rollout, uint64_t now_ms);
/* After it: whether the clock runs on. */
void rollout_progress_look(Rollout *rollout);
/* NULL: it has not run out. */
const char *rollout_progress_exceeded(const Rollout *rollout, Arena *arena);
uint64_t rollout_progress_timer(const Rollout *rollout, uint64_t now_ms); /* 0 = none */

/* rollout_decide.c */
/* Decides one record: applies it and asks for it to be journalled. */
void rollout_decide(RolloutStep *step, RolloutRecord record);
/* The same for a list of shards, in records of a bounded size. */
void rollout_decide_shards(RolloutStep *step, RolloutRecordKind kind, const uint32_t *shards,
                           size_t count);
/* Everything that follows from the state as it is now. */
void rollout_advance(RolloutStep *step);
/* Deadlines and sends that got no answer. */
void rollout_look_at_flying(RolloutStep *step);
/* What a forward job's end asks for beyond its record. */
void rollout_after_end(RolloutStep *step, uint32_t index);
/* Jobs in flight get word to stop after their step; what was not sent yet is recalled. With
 * `forward_only` those that take back go on. */
void rollout_begin_drain(RolloutStep *step, bool forward_only);

/* rollout_send.c */
void rollout_effect_add(RolloutEffects *effects, RolloutEffect effect);
/* Sends this shard's order once record `after` is durable. */
void rollout_send_later(Rollout *rollout, uint32_t shard, uint64_t after);
void rollout_flush_sends(RolloutStep *step);
void rollout_set_timer(RolloutStep *step);

static inline uint32_t rollout_deadline_ms(const Rollout *rollout)
{
    uint32_t deadline_ms = rollout->header->policy.unknown_deadline_ms;
    return deadline_ms != 0 ? deadline_ms : ROLLOUT_UNKNOWN_DEADLINE_MS;
}

/* Forward jobs that may still be at work; those overdue are counted as failures already. */
static inline uint32_t rollout_forward_active(const Rollout *rollout)
{
    return rollout->in_flight - rollout->in_flight_back - rollout->in_flight_overdue;
}

static inline bool rollout_is_draining(const Rollout *rollout)
{
    if (rollout->state == ROLLOUT_PAUSED || rollout->aborting || rollout->braked)
        return true;
    return rollout->state == ROLLOUT_HALTED && !rollout->policy_done &&
           rollout_forward_active(rollout) > 0;
}
