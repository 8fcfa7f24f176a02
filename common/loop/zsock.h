/*
 * A ZeroMQ socket in a libuv loop, always under CURVE: the coordinator's ROUTER, and the DEALER of
 * agents and of the command line.
 *
 * A message is one frame (an envelope). At most LIMIT_DRAIN_PER_TURN messages are delivered per
 * loop turn and socket, so a flood cannot starve timers. Sending never blocks and is never proof of
 * delivery. A peer is known by the User-Id its CURVE key was given by zap.h; routing ids are made
 * by the ROUTER, messages of a peer that chose its own are dropped.
 *
 * libzmq gives up for ever on a connection that ZAP refused, so a DEALER watches itself: when
 * nothing has been received for `silence_ms` it closes its socket, waits a random while that grows
 * from one attempt to the next, and opens it anew. Silence therefore is only no fault when
 * the peer says something at least every so often. What was queued in the old socket is lost.
 */
#pragma once

#include "error.h"

#include <stddef.h>
#include <uv.h>

enum {
    ZSOCK_ROUTE_BYTES = 5, /* what a ROUTER makes: 0 and a 32-bit number */
    ZSOCK_ENDPOINT_SIZE = 256,
    ZSOCK_KEY_BYTES = 32,
};

/* Names one connection of a ROUTER while it lives; all zero names none. A peer that reconnects has
 * a new one. */
typedef struct ZRoute {
    uint8_t bytes[ZSOCK_ROUTE_BYTES];
} ZRoute;

typedef struct ZMessage {
    ZRoute route;        /* zero on a DEALER */
    const char *user_id; /* from ZAP; '' on a DEALER */
    const uint8_t *bytes;
    size_t length;
} ZMessage;

typedef struct ZSock ZSock;

/* The message is borrowed until the callback returns. The callback may send and may free the
 * socket. */
typedef void (*ZSockOnMessage)(void *context, const ZMessage *message);
/* A DEALER's socket is new (`attempt` 1, 2, ... since the last message received): say HELLO. Runs
 * in the loop, never inside zsock_dealer_connect(). */
typedef void (*ZSockOnReopen)(void *context, unsigned attempt);

typedef struct ZRouterSettings {
    uv_loop_t *loop;          /* borrows */
    void *zmq;                /* context; borrows */
    const char *endpoint;     /* tcp://0.0.0.0:7433, ipc://...; a port of * takes a free one */
    const char *zap_domain;   /* the Zap's, which must be listening already */
    const uint8_t *secret;    /* own CURVE secret key, ZSOCK_KEY_BYTES */
    size_t message_bytes_max; /* larger ones cut the connection */
    int backlog;              /* 0 = 1024 */
    int queue_max;            /* messages per peer and direction; 0 = 1000 */
    ZSockOnMessage on_message;
    void *context;
} ZRouterSettings;

typedef struct ZDealerSettings {
    uv_loop_t *loop;
    void *zmq;
    const char *endpoint;
    const uint8_t *server_public; /* the coordinator's CURVE key */
    const uint8_t *public;        /* own pair */
    const uint8_t *secret;
    size_t message_bytes_max;
    int queue_max;               /* 0 = 1000 */
    uint64_t silence_ms;         /* 0 = only zsock_reopen() opens anew */
    uint64_t reopen_wait_ms_max; /* 0 = 30 s; the first wait is at most 1 s */
    ZSockOnMessage on_message;
    ZSockOnReopen on_reopen; /* may be NULL */
    void *context;
} ZDealerSettings;

ErrCode zsock_router_bind(const ZRouterSettings *settings, ZSock **ret_sock, Error *err) MUST_CHECK;
ErrCode zsock_dealer_connect(const ZDealerSettings *settings, ZSock **ret_sock,
                             Error *err) MUST_CHECK;
/* NULL-safe. The socket is closed at once; memory goes when the loop has run its close callbacks,
 * so run the loop once more before closing it. No callback runs after this. */
void zsock_free(ZSock *sock);

/*
 * Hands one message to the socket's queue; copies it. `route` is ignored on a DEALER (NULL).
 * ERR_CONNECT: that peer is gone. ERR_BUSY: its queue is full, or a DEALER is between two sockets;
 * try again later. Either way nothing was sent.
 */
ErrCode zsock_send(ZSock *sock, const ZRoute *route, const void *bytes, size_t length,
                   Error *err) MUST_CHECK;

/* DEALER: close now and open anew after the next random wait; for a supervisor of its own. */
void zsock_reopen(ZSock *sock);

/* Where a ROUTER listens, with the real port. Borrows. */
const char *zsock_endpoint(const ZSock *sock);
/* Messages dropped because of wrong framing or a routing id chosen by the peer. */
uint64_t zsock_dropped(const ZSock *sock);
