/*
 * Looks at gates: the shell's half of coordinator/core/rollout_gate.c. A look is asked for by an
 * effect and answered by a GATE event, never inside the call. Looks under way end with the process;
 * the core asks again after a restart.
 */
#pragma once

#include "rollout_effect.h"
#include "rollouts.h"

#include <uv.h>

typedef struct Gates Gates;

/* Borrows. Returns owned. */
ErrCode gates_new(Coordinator *coordinator, uv_loop_t *loop, Gates **ret_gates,
                  Error *err) MUST_CHECK;
void gates_free(Gates *gates); /* NULL-safe; ends what is under way */
void gates_look(Gates *gates, const RolloutEntry *entry, const RolloutLookAtGate *look);
/* An agent's answer to a page of one. */
void gates_looked(Gates *gates, const char *agent, const Looked *looked);
/* An agent has come or gone. NULL-safe. */
void gates_agent(Gates *gates, const char *agent, bool there);
/* Gives the answers that have come; once a turn. */
void gates_take(Gates *gates);

/* Whether this coordinator can look at such a gate: its command is configured, its SQL is one
 * SELECT, its conditions can be read and there is a server to ask. ERR_CONFIG. */
ErrCode gates_check(const Coordinator *coordinator, const GatePlan *gate, Error *err) MUST_CHECK;
