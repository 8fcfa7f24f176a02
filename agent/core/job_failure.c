#include "job_failure.h"

#include <string.h>

/* Resources of the server (class 53) are given back by others; what else is wrong stays wrong. */
static JobFailureClass by_sqlstate(const Error *err)
{
    return strncmp(err->sqlstate, "53", 2) == 0 ? JOB_FAILURE_RETRY : JOB_FAILURE_FINAL;
}

JobFailureClass job_failure_of_connect(const Error *err, bool password_may_change)
{
    if (strcmp(err->sqlstate, "3D000") == 0) /* there is no such database */
        return JOB_FAILURE_FINAL;
    switch (err->code) {
    case ERR_AUTH:
        return password_may_change ? JOB_FAILURE_RETRY : JOB_FAILURE_FINAL;
    case ERR_CONNECT:
    case ERR_BUSY:
    case ERR_TIMEOUT:
    case ERR_INTERRUPTED:
        return JOB_FAILURE_RETRY;
    default:
        return by_sqlstate(err);
    }
}

JobFailureClass job_failure_of_claim(const Error *err)
{
    switch (err->code) {
    case ERR_CONNECT:
    case ERR_TIMEOUT:
    case ERR_UNKNOWN:
    case ERR_LOCK_TIMEOUT:
    case ERR_BUSY:
    case ERR_INTERRUPTED:
        return JOB_FAILURE_RETRY;
    default:
        return by_sqlstate(err);
    }
}

bool job_failure_ends_session(const Error *err)
{
    return err->code == ERR_CONNECT || err->code == ERR_TIMEOUT || err->code == ERR_UNKNOWN;
}

JobFailureClass job_failure_of_step(const Error *err, bool not_committed)
{
    switch (err->code) {
    case ERR_UNKNOWN:
        return JOB_FAILURE_UNKNOWN;
    case ERR_CONNECT:
        return not_committed ? JOB_FAILURE_RETRY : JOB_FAILURE_UNKNOWN;
    case ERR_LOCK_TIMEOUT:
    case ERR_LOCK_BUDGET:
    case ERR_BUSY:
    case ERR_INTERRUPTED:
        return JOB_FAILURE_RETRY;
    default:
        return by_sqlstate(err);
    }
}
