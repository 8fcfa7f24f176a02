#include "tally.h"

#include "named_limits.h"

#include <stdlib.h>
#include <string.h>

const char *run_outcome_name(RunOutcome outcome)
{
    static const char *const names[RUN_OUTCOME_COUNT] = {
        [RUN_NOT_STARTED] = "not started",
        [RUN_DONE] = "done",
        [RUN_NOTHING_TO_DO] = "nothing to do",
        [RUN_DIFFERENT] = "different",
        [RUN_FAILED] = "failed",
        [RUN_UNAVAILABLE] = "unavailable",
        [RUN_INTERRUPTED] = "interrupted",
        [RUN_UNKNOWN] = "unknown",
    };
    return names[outcome];
}

RunOutcome run_outcome_of(ErrCode code)
{
    if (code == ERR_OK)
        return RUN_DONE;
    if (code == ERR_UNKNOWN)
        return RUN_UNKNOWN;
    if (code == ERR_INTERRUPTED)
        return RUN_INTERRUPTED;
    if (code == ERR_DIFFERENCE)
        return RUN_DIFFERENT;
    return err_exit_status(code) == 6 ? RUN_UNAVAILABLE : RUN_FAILED;
}

/* Counts against --on-failure. */
static bool is_failure(RunOutcome outcome)
{
    return outcome == RUN_FAILED || outcome == RUN_UNAVAILABLE || outcome == RUN_UNKNOWN;
}

RunTally run_tally(size_t total)
{
    RunTally tally = {.total = total};
    tally.counts[RUN_NOT_STARTED] = total;
    return tally;
}

void run_tally_add(RunTally *tally, RunOutcome outcome)
{
    tally->counts[RUN_NOT_STARTED]--;
    tally->counts[outcome]++;
}

size_t run_tally_failures(const RunTally *tally)
{
    size_t failures = 0;
    for (RunOutcome outcome = RUN_NOT_STARTED; outcome < RUN_OUTCOME_COUNT; outcome++)
        failures += is_failure(outcome) ? tally->counts[outcome] : 0;
    return failures;
}

int run_tally_exit_status(const RunTally *tally, int signal)
{
    if (tally->counts[RUN_UNKNOWN] > 0)
        return 4;
    if (signal != 0 && tally->counts[RUN_DONE] + tally->counts[RUN_NOTHING_TO_DO] < tally->total)
        return 128 + signal;
    if (tally->counts[RUN_FAILED] > 0)
        return 1;
    if (tally->counts[RUN_UNAVAILABLE] > 0)
        return 6;
    return tally->counts[RUN_DIFFERENT] > 0 ? 3 : 0;
}

ErrCode failure_policy_parse(const char *text, FailurePolicy *ret_policy, Error *err)
{
    FailurePolicy policy = {0};
    if (text != NULL && strcmp(text, "continue") == 0) {
        policy.unlimited = true;
    } else if (text != NULL && strcmp(text, "stop") != 0) {
        size_t digits = strspn(text, "0123456789");
        policy.allowed = strtoull(text, NULL, 10);
        if (digits == 0 || digits > 9 || text[digits] != '\0' || policy.allowed > LIMIT_URLS) {
            err_set(err, ERR_USAGE, "--on-failure must be stop, continue or a number, not '%.80s'",
                    text);
            err_hint(err, "A number is how many databases may fail before no more are started.");
            return ERR_USAGE;
        }
    }
    *ret_policy = policy;
    return ERR_OK;
}

bool failure_policy_stops(const FailurePolicy *policy, const RunTally *tally)
{
    return !policy->unlimited && run_tally_failures(tally) > policy->allowed;
}
