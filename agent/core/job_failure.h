/*
 * What an error means for what a job may do next. The errors are those of the engine: what of the
 * operation may have happened is in their codes.
 */
#pragma once

#include "job_event.h"

/* Of CONNECT. `password_may_change`: a command gives the cluster's passwords, so that one which is
 * refused may be about to be replaced. */
JobFailureClass job_failure_of_connect(const Error *err, bool password_may_change);
/* Of CLAIM. */
JobFailureClass job_failure_of_claim(const Error *err);
/* After CLAIM has failed: nothing more can be asked in this session. */
bool job_failure_ends_session(const Error *err);
/* Of STEP. `not_committed`: the connection was lost before COMMIT was sent. */
JobFailureClass job_failure_of_step(const Error *err, bool not_committed);
