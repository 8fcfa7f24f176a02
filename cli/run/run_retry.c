/*
 * A step that found a lock taken is tried again, with growing pauses: nothing of it has happened.
 * No try is made without a timeout, also not the last.
 */
#include "run_frame.h"

#include "backoff.h"

enum {
    RETRY_PAUSE_MS = 250, /* as agents have it */
    RETRY_PAUSE_MS_MAX = 5000,
    /* A moment's stall of the disk is no reason to give up; what stalls others each time is. */
    OVER_BUDGET_TRIES = 3,
};

static bool is_about_locks(const Error *err)
{
    return err->code == ERR_LOCK_TIMEOUT || err->code == ERR_BUSY || err->code == ERR_LOCK_BUDGET;
}

static void on_pause_over(uv_timer_t *timer)
{
    Run *run = timer->data;
    run->phase = RUN_IDLE;
    run->again.begin(run);
}

bool run_retry_later(Run *run, const Error *err)
{
    RunAgain *again = &run->again;
    uint32_t attempts = run->frame->settings.lock_attempts;
    if (!is_about_locks(err) || run->frame->signals > 0)
        return false;
    again->tries++;
    again->over_budget += err->code == ERR_LOCK_BUDGET;
    if (again->over_budget == OVER_BUDGET_TRIES || again->tries >= attempts)
        return false;
    uint64_t pause = backoff_ms(RETRY_PAUSE_MS, RETRY_PAUSE_MS_MAX, again->tries, &run->random);
    run_note(run, "%s: %s; trying again (%u of %u)", run->doing, err->message, again->tries + 1,
             attempts);
    run->phase = RUN_WAITING;
    uv_timer_start(&run->timer, on_pause_over, pause, 0);
    return true;
}

void run_retry_interrupt(Run *run)
{
    Error err;
    uv_timer_stop(&run->timer);
    err_set(&err, ERR_INTERRUPTED, "interrupted before %s was tried again%s",
            run->in_flight.revision, run->in_flight.transactional ? "; nothing of it is done" : "");
    run_fail(run, &err);
}
