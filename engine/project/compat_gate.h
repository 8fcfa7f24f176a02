/*
 * What a gate that looks at who uses what steps take away may say.
 */
#pragma once

#include "plan.h"

typedef enum CompatGateDepth {
    COMPAT_GATE_UNKNOWN,
    COMPAT_GATE_OBJECTS,    /* views, functions and the like */
    COMPAT_GATE_STATEMENTS, /* and statements that are called meanwhile */
    COMPAT_GATE_STRICT      /* what only may use it, and what can't be told, is inconclusive */
} CompatGateDepth;

CompatGateDepth compat_gate_depth(const GatePlan *gate);
/* ERR_CONFIG: its text is none of them, or it is not looked at before waves only, when there is
 * still something to use. */
ErrCode compat_gate_check(const GatePlan *gate, Error *err) MUST_CHECK;
