/*
 * What the answers to a look at a gate mean, on one shard or one server.
 */
#pragma once

#include "gate.h"
#include "plan.h"

/* Of a query that must answer with a single boolean. `values` are row by row, NULL = null; the
 * message is a literal. */
GateVerdict gate_judge_sql(size_t rows, size_t columns, const char *const *values,
                           const char **ret_message);

/* A replica of a server, or a slot that none is connected to. */
typedef struct GateReplica {
    const char *name;
    bool is_slot;
    bool has_replayed;        /* ... what the server had written when the look began */
    const char *behind_bytes; /* as the server says it; for people */
} GateReplica;

/* `gone_ms` after the look began. GATE_UNSPECIFIED: some have not replayed so far and have time
 * left, until `limit_ms`; ask again. The message lives in `arena`. */
GateVerdict gate_judge_lag(Arena *arena, const GateReplica *replicas, size_t count,
                           uint64_t gone_ms, uint64_t limit_ms, const char **ret_message);

/* Sessions of a server that are active and that wait for locks, against the gate's limits. */
GateVerdict gate_judge_load(Arena *arena, const GatePlan *gate, uint64_t active, uint64_t waiting,
                            const char **ret_message);
