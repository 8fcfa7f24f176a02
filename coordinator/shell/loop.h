/*
 * The coordinator's only thread, and the only place where its parts and the world meet. Callbacks
 * put down what has happened; a turn takes it up in one order: now, what the disk says, messages
 * (bounded), steps and what they persist and send, timers.
 */
#pragma once

#include "coordinator.h"

/* Runs until SIGTERM or SIGINT. The coordinator has been opened; it is started here. */
ErrCode loop_run(Coordinator *coordinator, Error *err) MUST_CHECK;
