/*
 * The hooks of pgtide.yaml around a run and its revisions.
 */
#pragma once

#include "run.h"

/* What a command finds in its environment, as PGTIDE_DIRECTION and so on. */
typedef struct HookFacts {
    const char *direction; /* upgrade, downgrade */
    const char *revision;  /* '' around the whole run */
    const char *outcome;   /* succeeded, failed, unknown, interrupted; '' before */
    const char *database;
    const StrList *rows; /* where the shard stands */
} HookFacts;

/* Runs the hooks of a moment one after the other, then goes on with `next`. One that fails ends
 * the run with ERR_HOOK; the rest is left out. */
void run_hooks(Run *run, HookMoment moment, const HookFacts *facts, RunNext *next);
bool run_has_hooks(const Run *run, HookMoment moment); /* and they are wanted */
/* Ends the command that is at work; a second time, by force. */
void run_hooks_interrupt(Run *run);
