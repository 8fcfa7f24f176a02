#include "wait.h"

#include "command.h"

static void on_signal(uv_signal_t *handle, int number)
{
    Wait *wait = handle->data;
    interrupted_by = number;
    wait->received++;
    if (!wait->shielded && !wait->done && wait->cancel != NULL)
        wait->cancel(wait->cancel_data);
}

void wait_open(Wait *wait)
{
    static const int numbers[WAIT_SIGNALS] = {SIGINT, SIGTERM};
    *wait = (Wait){.done = true};
    uv_loop_init(&wait->loop);
    for (size_t i = 0; i < WAIT_SIGNALS; i++) {
        uv_signal_init(&wait->loop, &wait->signals[i]);
        wait->signals[i].data = wait;
        uv_signal_start(&wait->signals[i], on_signal, numbers[i]);
        uv_unref((uv_handle_t *)&wait->signals[i]);
    }
}

void wait_close(Wait *wait)
{
    for (size_t i = 0; i < WAIT_SIGNALS; i++)
        uv_close((uv_handle_t *)&wait->signals[i], NULL);
    uv_run(&wait->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&wait->loop);
}

void wait_begin(Wait *wait, void (*cancel)(void *data), void *data)
{
    wait->done = false;
    wait->code = ERR_OK;
    wait->cancel = cancel;
    wait->cancel_data = data;
}

void wait_settle(Wait *wait, const Error *err)
{
    wait->done = true;
    wait->code = err == NULL ? ERR_OK : err->code;
    if (err != NULL)
        wait->error = *err;
    uv_stop(&wait->loop);
}

ErrCode wait_end(Wait *wait, Error *err)
{
    while (!wait->done)
        uv_run(&wait->loop, UV_RUN_DEFAULT);
    wait->cancel = NULL;
    if (wait->code != ERR_OK && err != NULL)
        *err = wait->error;
    return wait->code;
}

static void on_pause_over(uv_timer_t *timer)
{
    wait_settle(timer->data, NULL);
}

static void end_pause(void *data)
{
    wait_settle(data, NULL);
}

ErrCode wait_pause(Wait *wait, uint64_t ms, Error *err)
{
    uv_timer_t timer;
    ErrCode code = wait_check(wait, err);
    if (code != ERR_OK)
        return code;
    uv_timer_init(&wait->loop, &timer);
    timer.data = wait;
    wait_begin(wait, end_pause, wait);
    uv_timer_start(&timer, on_pause_over, ms, 0);
    code = wait_end(wait, err);
    uv_close((uv_handle_t *)&timer, NULL);
    wait_drain(wait);
    return code == ERR_OK ? wait_check(wait, err) : code;
}

void wait_drain(Wait *wait)
{
    /* Handles that are closed are gone at the end of a turn; a turn may close further ones. */
    for (int turn = 0; turn < 2; turn++)
        uv_run(&wait->loop, UV_RUN_NOWAIT);
}

ErrCode wait_check(const Wait *wait, Error *err)
{
    if (wait->received == 0 || wait->shielded)
        return ERR_OK;
    return err_set(err, ERR_INTERRUPTED, "interrupted; nothing more was started");
}

void wait_shield(Wait *wait)
{
    wait->shielded = true;
}

void wait_unshield(Wait *wait)
{
    wait->shielded = false;
}
