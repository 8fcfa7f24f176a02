#include "zwatch.h"

#include "arena.h"

#include <stdlib.h>
#include <zmq.h>

struct ZWatch {
    void *socket;
    ZWatchDrain drain;
    void *context;
    uv_poll_t poll;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle;
    int open_handles;
};

static bool has_message(void *socket)
{
    int events = 0;
    size_t size = sizeof events;
    if (zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size) != 0)
        return false;
    return (events & ZMQ_POLLIN) != 0;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    /* Its only purpose is to end the sleep: the check handle follows. */
    (void)poll;
    (void)status;
    (void)events;
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle;
}

static void on_prepare(uv_prepare_t *prepare)
{
    ZWatch *watch = prepare->data;
    if (has_message(watch->socket))
        uv_idle_start(&watch->idle, on_idle);
}

static void on_check(uv_check_t *check)
{
    ZWatch *watch = check->data;
    uv_idle_stop(&watch->idle);
    if (has_message(watch->socket))
        watch->drain(watch->context);
}

static void on_closed(uv_handle_t *handle)
{
    ZWatch *watch = handle->data;
    if (--watch->open_handles == 0)
        free(watch);
}

static ErrCode system_error(Error *err, int status)
{
    return err_set(err, ERR_INTERNAL, "cannot watch a socket: %s", uv_strerror(status));
}

ErrCode zwatch_start(uv_loop_t *loop, void *socket, ZWatchDrain drain, void *context,
                     ZWatch **ret_watch, Error *err)
{
    int fd = -1;
    size_t size = sizeof fd;
    if (zmq_getsockopt(socket, ZMQ_FD, &fd, &size) != 0)
        return err_set(err, ERR_INTERNAL, "cannot watch a socket: %s", zmq_strerror(zmq_errno()));
    ZWatch *watch = xcalloc(1, sizeof *watch);
    *watch = (ZWatch){.socket = socket, .drain = drain, .context = context};
    int status = uv_poll_init(loop, &watch->poll, fd);
    if (status != 0) {
        free(watch);
        return system_error(err, status);
    }
    /* These three cannot fail. */
    uv_prepare_init(loop, &watch->prepare);
    uv_check_init(loop, &watch->check);
    uv_idle_init(loop, &watch->idle);
    watch->open_handles = 4;
    watch->poll.data = watch->prepare.data = watch->check.data = watch->idle.data = watch;
    uv_prepare_start(&watch->prepare, on_prepare);
    uv_check_start(&watch->check, on_check);
    status = uv_poll_start(&watch->poll, UV_READABLE, on_poll);
    if (status != 0) {
        zwatch_free(watch);
        return system_error(err, status);
    }
    *ret_watch = watch;
    return ERR_OK;
}

void zwatch_free(ZWatch *watch)
{
    if (watch == NULL)
        return;
    uv_close((uv_handle_t *)&watch->poll, on_closed);
    uv_close((uv_handle_t *)&watch->prepare, on_closed);
    uv_close((uv_handle_t *)&watch->check, on_closed);
    uv_close((uv_handle_t *)&watch->idle, on_closed);
}
