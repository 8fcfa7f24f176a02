/*
 * What a look at a gate finds. Several looks together say what the worst of them says: one that
 * failed stops a rollout, whatever the others could not tell; and one that could not be answered is
 * never taken for a success.
 */
#pragma once

#include <stdbool.h>

/* On the wire. */
typedef enum GateVerdict {
    GATE_UNSPECIFIED,
    GATE_SUCCEEDED,    /* go on */
    GATE_FAILED,       /* stop; the policy acts */
    GATE_INCONCLUSIVE, /* pause: a person looks */
    GATE_ERROR,        /* the provider could not say; asked again, then inconclusive */
    GATE_VERDICT_COUNT
} GateVerdict;

const char *gate_verdict_name(GateVerdict verdict); /* "succeeded" */
/* Failed before error before inconclusive before succeeded before unspecified. */
bool gate_verdict_is_worse(GateVerdict verdict, GateVerdict than);
