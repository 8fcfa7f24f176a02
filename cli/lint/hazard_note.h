/*
 * What is said of a revision that would hold an application up, before it runs. Only notes: which
 * tables are large or busy is not known here.
 */
#pragma once

#include "command.h"
#include "plan.h"
#include "script.h"
#include "trust.h"

/* One line for the revision's upgrade; NULL when there is nothing to say. */
const char *hazard_note(Arena *arena, const Script *script);
/* A note for each revision among the shards' steps. */
void hazard_notes_plan(CommandContext *context, const Trust *trust, const uint8_t *bundle,
                       size_t length, const PlanShard *shards, size_t count);
