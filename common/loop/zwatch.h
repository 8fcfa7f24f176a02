/*
 * Wakes a drain function while a ZeroMQ socket has messages, inside a libuv loop.
 *
 * ZMQ_FD only wakes after ZMQ_EVENTS has been read and was found empty, and sending consumes events
 * too. So before each poll the events are read: if a message waits, an idle handle keeps the poll
 * from sleeping; after the poll the drain runs. For zsock.c and zap.c only.
 */
#pragma once

#include "error.h"

#include <uv.h>

typedef struct ZWatch ZWatch;

/* Takes at most LIMIT_DRAIN_PER_TURN messages. May call zwatch_free(). */
typedef void (*ZWatchDrain)(void *context);

ErrCode zwatch_start(uv_loop_t *loop, void *socket, ZWatchDrain drain, void *context,
                     ZWatch **ret_watch, Error *err) MUST_CHECK;
/* NULL-safe. Before zmq_close(). Memory goes in the loop's close callbacks. */
void zwatch_free(ZWatch *watch);
