/*
 * Asynchronous calls as calls that wait, for commands that do one thing after the other on
 * databases of their own. A call is: wait_begin(), start it, have its callback call wait_settle(),
 * wait_end(). Ctrl-C cancels what runs; after it wait_check() lets nothing more start.
 */
#pragma once

#include "error.h"

#include <uv.h>

enum { WAIT_SIGNALS = 2 };

typedef struct Wait {
    uv_loop_t loop;
    uv_signal_t signals[WAIT_SIGNALS];
    int received;  /* signals so far */
    bool shielded; /* cleaning up: signals cancel nothing any more */
    bool done;
    ErrCode code;
    Error error;
    void (*cancel)(void *data);
    void *cancel_data;
} Wait;

void wait_open(Wait *wait);
void wait_close(Wait *wait); /* everything on the loop must be closed */

/* `cancel` must make the call end soon; NULL = it can't be cancelled. */
void wait_begin(Wait *wait, void (*cancel)(void *data), void *data);
void wait_settle(Wait *wait, const Error *err); /* NULL = it succeeded */
/* Runs the loop until the call is settled. */
ErrCode wait_end(Wait *wait, Error *err) MUST_CHECK;
/* ERR_INTERRUPTED when a signal came, which ends it. */
ErrCode wait_pause(Wait *wait, uint64_t ms, Error *err) MUST_CHECK;
/* Lets handles that were closed go. */
void wait_drain(Wait *wait);

/* ERR_INTERRUPTED when a signal came. */
ErrCode wait_check(const Wait *wait, Error *err) MUST_CHECK;
/* From here on things are cleaned up, which signals do not stop. */
void wait_shield(Wait *wait);
/* They count again, those too that came meanwhile. */
void wait_unshield(Wait *wait);
