/*
 * What a plan says, as plain structs: the same fields as proto/plan.proto, checked and without
 * protobuf types, so that the pure cores can use them. plan_codec.h reads and writes their bytes.
 *
 * Texts are never NULL in a decoded value ('' when absent). Everything a struct points to lives in
 * the arena it was decoded or built in.
 */
#pragma once

#include "arena.h"
#include "backfill.h"
#include "ids.h"
#include "rehearsal.h"
#include "states.h"
#include "str.h"

#include <string.h>

typedef enum OnShardFailure {
    ON_SHARD_FAILURE_UNSPECIFIED,
    ON_SHARD_FAILURE_STAY,
    ON_SHARD_FAILURE_ROLLBACK,
    ON_SHARD_FAILURE_COUNT
} OnShardFailure;

typedef enum OnFailure {
    ON_FAILURE_UNSPECIFIED,
    ON_FAILURE_PAUSE,
    ON_FAILURE_ROLLBACK_WAVE,
    ON_FAILURE_ROLLBACK_ROLLOUT,
    ON_FAILURE_COUNT
} OnFailure;

typedef enum BackupMethod {
    BACKUP_METHOD_UNSPECIFIED,
    BACKUP_METHOD_NONE,
    BACKUP_METHOD_DUMP,
    BACKUP_METHOD_DIRECTORY, /* pg_dump, several tables at a time */
    BACKUP_METHOD_COMMAND,   /* one that the agent's configuration names */
    BACKUP_METHOD_COUNT
} BackupMethod;

/* none, dump, directory, command */
const char *backup_method_name(BackupMethod method);
BackupMethod backup_method_from_name(const char *name); /* unspecified when it is none of them */

typedef enum Verdict {
    VERDICT_UNSPECIFIED,
    VERDICT_APPROVED,
    VERDICT_REJECTED,
    VERDICT_COUNT
} Verdict;

typedef struct Label {
    const char *key;
    const char *value;
} Label;

typedef struct LabelList {
    Label *items;
    size_t count;
} LabelList;

/* NULL when there is no such label. */
static inline const char *label_value(const LabelList *labels, const char *key)
{
    for (size_t i = 0; i < labels->count; i++) {
        if (strcmp(labels->items[i].key, key) == 0)
            return labels->items[i].value;
    }
    return NULL;
}

typedef struct WavePlan {
    const char *name;
    uint32_t shard_count;
    uint32_t bake_ms;
    uint32_t budget; /* failures allowed in this wave */
} WavePlan;

enum { LABEL_CAPS_MAX = 8 };

/* At most so many jobs at work among shards that share a value of the label. */
typedef struct LabelCap {
    const char *label;
    uint32_t cap;
} LabelCap;

/* Caps on jobs at work at the same time; 0 = no cap of its own. */
typedef struct Concurrency {
    uint32_t fleet;
    uint32_t host;
    uint32_t cluster;
    uint32_t database;
    LabelCap labels[LABEL_CAPS_MAX];
    size_t label_count;
} Concurrency;

typedef struct BackupPolicy {
    BackupMethod method;
    uint32_t compress;
    bool verify;
    uint32_t keep;
    const char *command; /* '' unless that is the method */
    uint32_t jobs;       /* of a directory: tables dumped at the same time */
    bool encrypt;        /* to the agent's age recipients */
    bool restore_test;   /* restored into a scratch database before it counts */
} BackupPolicy;

/* How long others may wait behind a step, whether it waits for its lock or holds it. */
enum { LOCK_BUDGET_DEFAULT_MS = 1000 };
#define LOCK_BUDGET_NONE UINT32_MAX

/* What becomes of shards whose schema is not as expected. */
typedef enum DriftPolicy {
    DRIFT_POLICY_UNSPECIFIED, /* of a plan from before it: as TELL */
    DRIFT_POLICY_TELL,
    DRIFT_POLICY_LEAVE_OUT,
    DRIFT_POLICY_REFUSE,
    DRIFT_POLICY_COUNT
} DriftPolicy;

typedef struct Policy {
    Concurrency concurrency;
    uint32_t budget_fleet; /* failures allowed over the whole rollout */
    OnShardFailure on_shard_failure;
    OnFailure on_failure;
    BackupPolicy backup;
    uint32_t lock_timeout_ms;
    uint32_t lock_attempts;
    uint32_t statement_timeout_ms; /* 0 = none */
    uint32_t approvals;
    uint64_t
        rollback_until_ms; /* how long after a shard's first step the policy may roll it back */
    uint32_t unknown_deadline_ms;  /* a silent shard counts against the budget after this */
    uint32_t progress_deadline_ms; /* it stops when nothing gets on for so long; 0 = never */
    uint32_t lock_budget_ms;       /* 0 = LOCK_BUDGET_DEFAULT_MS; or LOCK_BUDGET_NONE */
    bool rehearsal_required;       /* no plan is made without a rehearsal of its bundle */
    DriftPolicy drift;
    BackfillPolicy backfill;
} Policy;

enum { WINDOW_DAYS_ALL = 0x7f, WINDOW_MINUTES = 24 * 60 };

/* When forward steps may start, in local time. `to` at or before `from` is on the next day. */
typedef struct WindowPlan {
    uint32_t days;        /* bit 0 = Monday; the day on which it opens */
    uint32_t from_minute; /* of the day */
    uint32_t to_minute;
    const char *zone;   /* of the tz database */
    uint32_t cutoff_ms; /* no shard is begun so long before it closes */
} WindowPlan;

/* Failures allowed among shards that share a host, or a label's value. */
typedef struct ScopeBudget {
    const char *label; /* '' = per host */
    bool percent;      /* of the plan's shards there, rounded down */
    uint32_t value;
} ScopeBudget;

typedef enum GateKind {
    GATE_KIND_UNSPECIFIED,
    GATE_KIND_SQL,        /* text on each migrated shard of the wave: true, false, or NULL */
    GATE_KIND_LAG,        /* replicas of the wave's servers: at most `limit` ms behind */
    GATE_KIND_LOAD,       /* sessions of its servers: `limit` active, `waiting_max` waiting;
                             UINT32_MAX = any */
    GATE_KIND_PROMETHEUS, /* text is a query; `success` and `failure` of its result */
    GATE_KIND_COMMAND,    /* text names a command of the coordinator's configuration */
    GATE_KIND_PERSON,     /* somebody resumes the rollout */
    GATE_KIND_DRIFT,      /* each migrated shard's schema is as expected at its rows, or accepted */
    GATE_KIND_COMPAT, /* nobody uses what a shard's steps take away: `text` says how it is looked
                         at, `limit` for how long, `ignore` whose statements do not count */
    GATE_KIND_COUNT
} GateKind;

enum { GATE_BEFORE = 1, GATE_DURING = 2, GATE_AFTER = 4, GATE_WHEN_ALL = 7 };

typedef struct GatePlan {
    const char *name;
    GateKind kind;
    uint32_t when; /* GATE_BEFORE a wave opens, DURING its work and bake, AFTER its bake */
    const char *text;
    const char *success; /* "result < 0.01"; '' = what is no failure */
    const char *failure; /* "result > 0.05"; '' = what is no success */
    uint64_t limit;
    uint64_t waiting_max;
    StrList ignore;
    uint32_t interval_ms; /* between two looks */
    uint32_t attempts;    /* errors of the provider in a row before it is inconclusive */
    uint32_t timeout_ms;  /* of one look */
} GatePlan;

/* A shard that was selected and is not in the plan. */
typedef struct LeftOut {
    const char *shard; /* as shown */
    const char *reason;
} LeftOut;

/* A revision that has no way back, and why. */
typedef struct Irreversible {
    const char *revision;
    const char *reason;
} Irreversible;

/* What the coordinator knew when it made the plan: for people, it decides nothing. */
typedef struct PlanNotes {
    const char *select; /* '' = every shard */
    const char *order;
    uint32_t already_there; /* selected, with nothing to do */
    uint32_t left_out_count;
    LeftOut *left_out; /* the first ones: at most LIMIT_PLAN_LEFT_OUT */
    size_t left_out_named;
    Irreversible *irreversible; /* of the revisions in the shards' steps */
    size_t irreversible_count;
    uint32_t drifted_count; /* in the plan, and their schema is not as expected */
    StrList drifted;        /* the first ones, as shown: at most LIMIT_PLAN_DRIFTED */
} PlanNotes;

/* A rollout of the same bundle that must have succeeded on every shard with all of the labels. */
/* That another fleet's rollout has succeeded, as the plan's author has verified offline. */
typedef struct RequiredEvidence {
    Digest sha256;       /* of the evidence file */
    Digest trust_sha256; /* of the trust file that it was held against */
    Uuid fleet_id;
    Uuid rollout_id;
    Digest bundle_digest;
    const char *target; /* as that plan's author wrote it */
} RequiredEvidence;

typedef struct Requirement {
    const char *rollout;        /* '' = any */
    LabelList labels;           /* none = the rollout's own shards are enough */
    RequiredEvidence *evidence; /* NULL = a rollout of this fleet */
} Requirement;

/* Of a plan with contract steps. */
typedef struct ContractPlan {
    const char *gate;   /* one of the gates: the old application is gone; '' = none is named */
    const char *shards; /* which must have expanded; '' = every shard of the fleet */
    StrList contracts;  /* none = the plan has no contract step; sorted */
    StrList expands;    /* sorted */
} ContractPlan;

typedef struct PlanHeader {
    Uuid fleet_id;
    Uuid rollout_id;
    const char *name;
    const char *author; /* key id */
    uint64_t created_unix_ms;
    uint64_t expires_unix_ms;
    Digest bundle_digest;
    const char *bundle_name;
    Direction direction;
    const char *target; /* as the author wrote it */
    Uuid rollback_of;   /* nil when this is not a rollback */
    uint32_t shard_count;
    Digest shards_root; /* Merkle root over the PlanShard records' bytes in plan order */
    WavePlan *waves;    /* shards are in wave order: the first wave's come first */
    size_t wave_count;
    Policy policy;
    WindowPlan *windows; /* none = always */
    size_t window_count;
    ScopeBudget *budgets; /* beside those of waves and fleet */
    size_t budget_count;
    GatePlan *gates;
    size_t gate_count;
    Requirement *requires; /* before the start */
    size_t require_count;
    ContractPlan contract;
    RehearsalPlan rehearsal;
    uint64_t seed;         /* of what chance has decided; 0 = nothing */
    bool accept_data_loss; /* direction restore: what was written since the backup may be lost */
    PlanNotes notes;
} PlanHeader;

/* The backup that a shard is restored from; it holds the shard at its rows_after. */
typedef struct RestoreFrom {
    const char *path; /* below the agent's backups; '' = not a restore */
    Digest sha256;
    uint64_t size_bytes;
} RestoreFrom;

/* One shard of a plan, frozen. */
typedef struct PlanShard {
    uint32_t index;
    uint32_t wave; /* from 0 */
    Uuid uuid;
    const char *agent;
    const char *host;
    const char *cluster;
    const char *database;
    const char *schema; /* '' = the whole database */
    uint64_t system_identifier;
    uint32_t database_oid;
    StrList rows_before; /* sorted */
    StrList steps;       /* revision ids in the order they run */
    StrList rows_after;  /* sorted */
    LabelList labels;
    RestoreFrom restore;
    /* For people; 0 = not known. */
    uint64_t size_bytes;
    uint64_t estimated_ms; /* backup and steps */
    uint64_t backup_bytes; /* what its backup may take */
} PlanShard;

static inline bool plan_shard_restores(const PlanShard *shard)
{
    return shard->restore.path != NULL && shard->restore.path[0] != '\0';
}

typedef struct Approval {
    Digest plan_digest;
    Verdict verdict;
    uint64_t created_unix_ms;
    uint64_t expires_unix_ms;
    const char *reason;
} Approval;

/* The words of files, JSON and tables. */
const char *on_shard_failure_name(OnShardFailure value);
const char *on_failure_name(OnFailure value);
const char *drift_policy_name(DriftPolicy value); /* tell, leave-out, refuse */
const char *gate_kind_name(GateKind kind);

/* "cluster/database[/schema]" as shards are shown; lives in `arena`. */
const char *shard_display_name(Arena *arena, const char *cluster, const char *database,
                               const char *schema);

/* The most jobs that the caps of the fleet and of labels let be at work at once on these shards. */
uint32_t plan_flying_max(const Concurrency *caps, const PlanShard *shards, size_t count);
/* The most of `count` shards that can fail before it stands still: the failures allowed and the
 * jobs in flight when they are exceeded. `flying`: the cap on those, 0 = none. */
uint32_t plan_worst_case(uint64_t budget, uint64_t flying, uint64_t count);
