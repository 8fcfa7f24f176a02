/*
 * Baselines: what one would have to say, and whether it says the same as the revisions it stands
 * for.
 */
#pragma once

#include "revisions.h"
#include "trial.h"

/* A scratch database with the revisions up to `id`, one by one and without rows of ours.
 * Returns owned, for trial_close(). */
ErrCode baseline_reference(CommandContext *context, const Revisions *revisions, Scratch *scratch,
                           const char *id, Trial **ret_trial, Error *err) MUST_CHECK;
/* What another scratch database that came by the baseline has or lacks: a diff of schema and rows;
 * empty when they are the same. A baseline that fails is an error with its file and line. */
ErrCode baseline_compare(CommandContext *context, Scratch *scratch, Trial *reference,
                         const Script *baseline, Str *ret_difference, Error *err) MUST_CHECK;
/* pg_dump's SQL of the reference. */
ErrCode baseline_dump(CommandContext *context, Scratch *scratch, Trial *reference, bool unqualify,
                      const char **ret_sql, size_t *ret_statements, Error *err) MUST_CHECK;
