/*
 * The planner: from an inventory, wave specs and an order to the frozen list of shards in wave
 * order. Pure; the caller has read the inventory, matched the selection and resolved each shard's
 * steps against the bundle.
 */
#pragma once

#include "plan.h"

/* One selected shard. */
typedef struct ShardCandidate {
    PlanShard shard; /* uuid, names, rows and steps filled in; index and wave are set here */
    uint64_t size_bytes;
    uint32_t server_version; /* major; 0 = not known */
    bool quarantined;
    bool reachable;
} ShardCandidate;

typedef enum PlannerWaveKind {
    PLANNER_WAVE_UNSPECIFIED,
    PLANNER_WAVE_LABELS,   /* shards with all these labels that no earlier wave has: `amount` of
                              them, 0 = all */
    PLANNER_WAVE_COUNT,    /* that many; the last entry repeats until nothing is left */
    PLANNER_WAVE_PERCENT,  /* of all the plan's shards, rounded down, at least 1; repeats too */
    PLANNER_WAVE_COVERAGE, /* that many, chosen so that they show what the others are like */
    PLANNER_WAVE_REST
} PlannerWaveKind;

typedef struct PlannerWave {
    const char *name; /* NULL: "wave-N", counted from 1 */
    PlannerWaveKind kind;
    LabelList labels; /* kind LABELS */
    uint32_t amount;  /* kinds LABELS, COUNT, PERCENT and COVERAGE */
    uint32_t bake_ms;
} PlannerWave;

typedef enum PlannerOrder {
    PLANNER_ORDER_INVENTORY, /* as the candidates were given */
    PLANNER_ORDER_RANDOM,    /* by seed: the same seed gives the same order */
    PLANNER_ORDER_SMALLEST_FIRST
} PlannerOrder;

/* Failures allowed. 10% of 50 shards are 5: the 6th stops. 0 stops at the first. */
typedef struct PlannerBudget {
    bool percent;
    uint32_t value;
} PlannerBudget;

typedef struct PlannerRequest {
    const ShardCandidate *candidates;
    size_t candidate_count;
    const PlannerWave *waves; /* none: one wave, "rest" */
    size_t wave_count;
    PlannerOrder order;
    uint64_t seed;              /* of order RANDOM and waves of kind COVERAGE */
    PlannerBudget budget_wave;  /* percent: of the wave's shards */
    PlannerBudget budget_fleet; /* percent: of the plan's shards */
    Concurrency concurrency;
    /* Plan without the unreachable and the quarantined instead of refusing. */
    bool leave_out_unreachable;
    bool leave_out_quarantined;
} PlannerRequest;

typedef struct PlannerResult {
    PlanShard *shards; /* in wave order, index and wave set; texts are borrowed */
    size_t shard_count;
    WavePlan *waves; /* shard_count, bake and budget resolved; empty waves are left out */
    size_t wave_count;
    uint32_t budget_fleet;
    uint32_t already_there; /* candidates without a step to do; not in the plan */
    uint32_t left_out;      /* quarantined or unreachable, when asked for */
    /* The most shards that can fail before it stands still: budget plus jobs in flight. */
    uint32_t *worst_case_wave; /* per wave */
    uint32_t worst_case_fleet;
} PlannerResult;

/* ERR_EMPTY_SELECTION: no candidate, or none with a step to do. ERR_REFUSED: a candidate is
 * quarantined or unreachable. ERR_CONFIG: waves that leave shards out, or a spec out of range.
 * Everything in the result lives in `arena` or is borrowed from the candidates. */
MUST_CHECK ErrCode planner_plan(const PlannerRequest *request, Arena *arena,
                                PlannerResult *ret_result, Error *err);
