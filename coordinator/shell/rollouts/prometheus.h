/*
 * What a Prometheus server's answer to an instant query says to a gate's conditions. No I/O.
 */
#pragma once

#include "arena.h"
#include "gate.h"
#include "plan.h"

#include <stddef.h>

/* The body of POST /api/v1/query. Lives in `arena`. */
const char *prometheus_form(Arena *arena, const char *query, uint32_t timeout_ms);

/* `status` and `body` as the server answered. Every sample must hold for success; no sample, or
 * one that is NaN, is inconclusive, as is one that is neither a success nor a failure where the
 * gate says both. The message lives in `arena`. */
GateVerdict prometheus_judge(Arena *arena, const GatePlan *gate, int status, const char *body,
                             size_t length, const char **ret_message);
