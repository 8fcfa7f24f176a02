#include "gate_judge.h"

#include <string.h>

GateVerdict gate_judge_sql(size_t rows, size_t columns, const char *const *values,
                           const char **ret_message)
{
    *ret_message = "the query is true";
    if (columns != 1 || rows > 1) {
        *ret_message = "the query must answer with one row of one boolean column";
        return GATE_ERROR;
    }
    if (rows == 0) {
        *ret_message = "the query gives no row";
        return GATE_INCONCLUSIVE;
    }
    if (values[0] == NULL) {
        *ret_message = "the query is NULL";
        return GATE_INCONCLUSIVE;
    }
    if (strcmp(values[0], "t") == 0)
        return GATE_SUCCEEDED;
    if (strcmp(values[0], "f") == 0) {
        *ret_message = "the query is false";
        return GATE_FAILED;
    }
    *ret_message = "the query's answer is not a boolean";
    return GATE_ERROR;
}

GateVerdict gate_judge_lag(Arena *arena, const GateReplica *replicas, size_t count,
                           uint64_t gone_ms, uint64_t limit_ms, const char **ret_message)
{
    const GateReplica *behind = NULL;
    const GateReplica *slot = NULL;
    for (size_t i = count; i-- > 0;) {
        if (replicas[i].is_slot)
            slot = &replicas[i];
        else if (!replicas[i].has_replayed)
            behind = &replicas[i];
    }
    *ret_message = "";
    if (behind != NULL && gone_ms < limit_ms)
        return GATE_UNSPECIFIED;
    if (behind != NULL) {
        *ret_message =
            arena_printf(arena, "replica %s is more than %llu ms behind (%s bytes)", behind->name,
                         (unsigned long long)gone_ms, behind->behind_bytes);
        return GATE_FAILED;
    }
    if (slot != NULL) {
        *ret_message = arena_printf(arena, "no replica is connected to its slot %s", slot->name);
        return GATE_INCONCLUSIVE;
    }
    *ret_message = count == 0
                       ? "it has no replicas"
                       : arena_printf(arena, "%zu replica%s at most %llu ms behind", count,
                                      count == 1 ? " is" : "s are", (unsigned long long)gone_ms);
    return GATE_SUCCEEDED;
}

GateVerdict gate_judge_load(Arena *arena, const GatePlan *gate, uint64_t active, uint64_t waiting,
                            const char **ret_message)
{
    unsigned long long active_now = active;
    unsigned long long waiting_now = waiting;
    if (active > gate->limit) {
        *ret_message = arena_printf(arena, "%llu sessions are active, at most %llu may be",
                                    active_now, (unsigned long long)gate->limit);
        return GATE_FAILED;
    }
    if (waiting > gate->waiting_max) {
        *ret_message = arena_printf(arena, "%llu sessions wait for locks, at most %llu may",
                                    waiting_now, (unsigned long long)gate->waiting_max);
        return GATE_FAILED;
    }
    *ret_message = arena_printf(arena, "%llu sessions are active, %llu wait for locks", active_now,
                                waiting_now);
    return GATE_SUCCEEDED;
}
