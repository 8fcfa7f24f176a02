/*
 * The agent as a process: opens everything, joins the parts, runs the loop until it is told to
 * stop.
 */
#pragma once

#include "settings.h"

typedef struct Agent Agent;

/* Opens state, keys and the line; nothing runs yet. Borrows the settings. Returns owned. */
ErrCode agent_open(const AgentSettings *settings, Agent **ret_agent, Error *err) MUST_CHECK;
/* Until SIGTERM or SIGINT: the steps in hand are finished, none is started, ends are reported. A
 * second signal interrupts the steps in hand, a third leaves. Returns the exit status. */
int agent_run(Agent *agent);
void agent_free(Agent *agent); /* NULL-safe */

/* Reads the settings' keys, trust and clusters and says on stdout what it found. */
ErrCode agent_check(const AgentSettings *settings, Error *err) MUST_CHECK;
