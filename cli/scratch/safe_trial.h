/*
 * Safe statements on a scratch database at head: each file is run twice, and the second run must
 * change nothing. What pgtide would ask the catalogs must then say that nothing is missing.
 */
#pragma once

#include "safe.h"
#include "trial.h"

typedef struct SafeResult {
    const char *file;
    Error error;            /* of a statement that failed; ERR_OK: see `difference` */
    bool second_run;        /* where it failed */
    const char *difference; /* what the second run changed; '' = nothing */
    const char *missing;    /* what would be run again at each start; '' = nothing */
    uint64_t duration_ms;
    bool failed;
} SafeResult;

/* Files in the order of `list`. Errors are of the scratch database. */
ErrCode safe_trial_run(Trial *trial, Arena *arena, const SafeList *list, SafeResult **ret_results,
                       size_t *ret_count, Error *err) MUST_CHECK;
