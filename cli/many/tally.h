/*
 * How the databases of one command ended, counted; when to start no more of them; what the command
 * as a whole exits with.
 */
#pragma once

#include "error.h"

typedef enum RunOutcome {
    RUN_NOT_STARTED,
    RUN_DONE,
    RUN_NOTHING_TO_DO,
    RUN_DIFFERENT,   /* what was asked about is not as it should be (exit status 3) */
    RUN_FAILED,      /* nothing half-done; it stands at its last completed step */
    RUN_UNAVAILABLE, /* unreachable or busy: safe to try again */
    RUN_INTERRUPTED, /* by a signal; rolled back */
    RUN_UNKNOWN,     /* must be read before anything else is done to it */
    RUN_OUTCOME_COUNT
} RunOutcome;

const char *run_outcome_name(RunOutcome outcome); /* "nothing to do" */
RunOutcome run_outcome_of(ErrCode code);          /* of a run that ended so; RUN_DONE for ERR_OK */

typedef struct RunTally {
    size_t total;
    size_t counts[RUN_OUTCOME_COUNT]; /* RUN_NOT_STARTED is counted down */
} RunTally;

RunTally run_tally(size_t total);
void run_tally_add(RunTally *tally, RunOutcome outcome);
size_t run_tally_failures(const RunTally *tally);
/* `signal` 0 = none came. 4 when any is unknown, then 128 + signal, then 1, 6, 3, 0. */
int run_tally_exit_status(const RunTally *tally, int signal);

/* --on-failure: how many failures are allowed before no more are started. */
typedef struct FailurePolicy {
    bool unlimited;
    uint64_t allowed;
} FailurePolicy;

/* "stop" (NULL too), "continue", or a number. ERR_USAGE. */
ErrCode failure_policy_parse(const char *text, FailurePolicy *ret_policy, Error *err) MUST_CHECK;
bool failure_policy_stops(const FailurePolicy *policy, const RunTally *tally);
