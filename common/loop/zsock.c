#include "zsock.h"

#include "arena.h"
#include "named_limits.h"
#include "zwatch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <zmq.h>

enum {
    HANDSHAKE_MS = 3000,
    HEARTBEAT_MS = 5000,
    HEARTBEAT_TIMEOUT_MS = 15000,
    RECONNECT_MS = 200,
    RECONNECT_MS_MAX = 2000,
    BACKLOG_DEFAULT = 1024,
    QUEUE_DEFAULT = 1000,
    REOPEN_WAIT_MS = 1000,
    REOPEN_WAIT_MS_MAX = 30000,
};

struct ZSock {
    uv_loop_t *loop;
    void *zmq;
    bool router;
    char endpoint[ZSOCK_ENDPOINT_SIZE];
    size_t message_bytes_max;
    int queue_max;
    ZSockOnMessage on_message;
    ZSockOnReopen on_reopen;
    void *context;

    void *socket; /* NULL: a DEALER that waits to be opened anew */
    ZWatch *watch;
    uint64_t dropped;
    unsigned generation; /* one more with each close, so that a drain notices */

    /* DEALER */
    uint8_t server_public[ZSOCK_KEY_BYTES];
    uint8_t own_public[ZSOCK_KEY_BYTES];
    uint8_t own_secret[ZSOCK_KEY_BYTES];
    uv_timer_t *timer; /* silence, or the wait before opening anew */
    uint64_t silence_ms;
    uint64_t wait_ms_max;
    uint64_t heard_at_ms;
    unsigned attempt; /* reopenings since the last message */

    bool freed;
    bool in_callback;
};

/* ---- options ---- */

static bool set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

static bool set_key(void *socket, int option, const uint8_t *key)
{
    return zmq_setsockopt(socket, option, key, ZSOCK_KEY_BYTES) == 0;
}

static bool set_common(void *socket, size_t message_bytes_max, int queue_max)
{
    int64_t max = (int64_t)message_bytes_max;
    return set_int(socket, ZMQ_LINGER, 0) && set_int(socket, ZMQ_IPV6, 1) &&
           zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &max, sizeof max) == 0 &&
           set_int(socket, ZMQ_SNDHWM, queue_max) && set_int(socket, ZMQ_RCVHWM, queue_max) &&
           set_int(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS) &&
           set_int(socket, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS) &&
           set_int(socket, ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS);
}

static ErrCode zmq_error(Error *err, const char *verb, const char *endpoint)
{
    int error = zmq_errno();
    ErrCode code = error == EADDRINUSE ? ERR_BUSY : ERR_CONFIG;
    err_set(err, code, "cannot %s '%s': %s", verb, endpoint, zmq_strerror(error));
    if (error == EADDRINUSE)
        err_hint(err, "Another process listens there: stop it, or choose another port.");
    else if (error == EINVAL || error == EPROTONOSUPPORT)
        err_hint(err, "Write the endpoint as tcp://HOST:PORT.");
    else if (error == ENODEV || error == EADDRNOTAVAIL)
        err_hint(err, "That address is not one of this host's.");
    return code;
}

/* ---- receiving ---- */

/* Ids a peer chose for itself never begin with 0: libzmq keeps those for the ROUTER's own. */
static bool is_own_route(zmq_msg_t *frame)
{
    return zmq_msg_size(frame) == ZSOCK_ROUTE_BYTES && *(uint8_t *)zmq_msg_data(frame) == 0;
}

/* Takes the rest of a message that is dropped; all its frames are there already. */
static void skip_frames(void *socket, zmq_msg_t *frame)
{
    while (zmq_msg_more(frame) != 0) {
        if (zmq_msg_recv(frame, socket, ZMQ_DONTWAIT) < 0)
            return;
    }
}

/* False when there is none. A message that is dropped leaves `frame` without a `message`. */
static bool receive(ZSock *sock, zmq_msg_t *frame, ZMessage *message)
{
    *message = (ZMessage){.user_id = ""};
    if (zmq_msg_recv(frame, sock->socket, ZMQ_DONTWAIT) < 0)
        return false;
    if (sock->router) {
        bool framed = is_own_route(frame) && zmq_msg_more(frame) != 0;
        if (framed)
            memcpy(message->route.bytes, zmq_msg_data(frame), ZSOCK_ROUTE_BYTES);
        if (!framed || zmq_msg_recv(frame, sock->socket, ZMQ_DONTWAIT) < 0) {
            skip_frames(sock->socket, frame);
            sock->dropped++;
            return true;
        }
        const char *user = zmq_msg_gets(frame, "User-Id");
        message->user_id = user == NULL ? "" : user;
    }
    if (zmq_msg_more(frame) != 0) {
        skip_frames(sock->socket, frame);
        sock->dropped++;
        return true;
    }
    static const uint8_t nothing[1];
    message->length = zmq_msg_size(frame);
    message->bytes = message->length == 0 ? nothing : zmq_msg_data(frame);
    return true;
}

static void finish_free(ZSock *sock);

static void drain(void *context)
{
    ZSock *sock = context;
    unsigned generation = sock->generation;
    sock->in_callback = true;
    for (int i = 0; i < LIMIT_DRAIN_PER_TURN && generation == sock->generation; i++) {
        zmq_msg_t frame;
        ZMessage message;
        zmq_msg_init(&frame);
        bool received = receive(sock, &frame, &message);
        if (received && message.bytes != NULL) {
            sock->heard_at_ms = uv_now(sock->loop);
            sock->attempt = 0;
            sock->on_message(sock->context, &message);
        }
        zmq_msg_close(&frame);
        if (!received)
            break;
    }
    sock->in_callback = false;
    if (sock->freed)
        finish_free(sock);
}

/* ---- opening and closing ---- */

static void close_socket(ZSock *sock)
{
    sock->generation++;
    zwatch_free(sock->watch);
    sock->watch = NULL;
    if (sock->socket != NULL)
        zmq_close(sock->socket);
    sock->socket = NULL;
}

static ErrCode open_dealer(ZSock *sock, Error *err)
{
    void *socket = zmq_socket(sock->zmq, ZMQ_DEALER);
    if (socket == NULL)
        return zmq_error(err, "open a socket for", sock->endpoint);
    bool ok = set_common(socket, sock->message_bytes_max, sock->queue_max) &&
              set_int(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS) &&
              set_int(socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MS_MAX) &&
              set_key(socket, ZMQ_CURVE_SERVERKEY, sock->server_public) &&
              set_key(socket, ZMQ_CURVE_PUBLICKEY, sock->own_public) &&
              set_key(socket, ZMQ_CURVE_SECRETKEY, sock->own_secret);
    ErrCode code = ERR_OK;
    if (!ok || zmq_connect(socket, sock->endpoint) != 0)
        code = zmq_error(err, "connect to", sock->endpoint);
    else
        code = zwatch_start(sock->loop, socket, drain, sock, &sock->watch, err);
    if (code != ERR_OK) {
        zmq_close(socket);
        return code;
    }
    sock->socket = socket;
    return ERR_OK;
}

/* ---- the DEALER's own supervision ---- */

static void on_timer(uv_timer_t *timer);

static uint64_t random_below(uint64_t limit)
{
    uint64_t number = 0;
    /* Only spreads agents over time: a failing source gives no spread, and no other harm. */
    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
        number = 0;
    return limit == 0 ? 0 : number % limit;
}

static uint64_t reopen_wait_ms(const ZSock *sock)
{
    uint64_t most = REOPEN_WAIT_MS;
    for (unsigned i = 0; i < sock->attempt && most < sock->wait_ms_max; i++)
        most *= 2;
    if (most > sock->wait_ms_max)
        most = sock->wait_ms_max;
    /* At least a tenth: no agent comes back at once. */
    return most / 10 + random_below(most - most / 10 + 1);
}

static void watch_silence(ZSock *sock)
{
    sock->heard_at_ms = uv_now(sock->loop);
    if (sock->silence_ms > 0)
        uv_timer_start(sock->timer, on_timer, sock->silence_ms, 0);
    else
        uv_timer_stop(sock->timer);
}

void zsock_reopen(ZSock *sock)
{
    if (sock->router || sock->freed || sock->socket == NULL)
        return;
    close_socket(sock);
    uv_timer_start(sock->timer, on_timer, reopen_wait_ms(sock), 0);
}

static void open_anew(ZSock *sock)
{
    sock->attempt++;
    /* What failed here (descriptors, memory of the context) may pass: the next attempt waits
     * longer. */
    if (open_dealer(sock, NULL) != ERR_OK) {
        uv_timer_start(sock->timer, on_timer, reopen_wait_ms(sock), 0);
        return;
    }
    watch_silence(sock);
    if (sock->on_reopen == NULL)
        return;
    sock->in_callback = true;
    sock->on_reopen(sock->context, sock->attempt);
    sock->in_callback = false;
    if (sock->freed)
        finish_free(sock);
}

static void on_timer(uv_timer_t *timer)
{
    ZSock *sock = timer->data;
    if (sock->socket == NULL) {
        open_anew(sock);
        return;
    }
    uint64_t silent_ms = uv_now(sock->loop) - sock->heard_at_ms;
    if (silent_ms >= sock->silence_ms)
        zsock_reopen(sock);
    else
        uv_timer_start(timer, on_timer, sock->silence_ms - silent_ms, 0);
}

/* ---- public ---- */

static ErrCode copy_endpoint(ZSock *sock, const char *endpoint, Error *err)
{
    if (strlen(endpoint) >= sizeof sock->endpoint)
        return err_set(err, ERR_CONFIG, "an endpoint must have less than %d characters",
                       ZSOCK_ENDPOINT_SIZE);
    snprintf(sock->endpoint, sizeof sock->endpoint, "%s", endpoint);
    return ERR_OK;
}

static ErrCode bind_router(ZSock *sock, const ZRouterSettings *settings, Error *err)
{
    void *socket = sock->socket;
    int backlog = settings->backlog == 0 ? BACKLOG_DEFAULT : settings->backlog;
    const char *domain = settings->zap_domain;
    /* Handover stays off: with it a peer could take over another's route. */
    bool ok = set_common(socket, settings->message_bytes_max, sock->queue_max) &&
              set_int(socket, ZMQ_ROUTER_MANDATORY, 1) && set_int(socket, ZMQ_ROUTER_HANDOVER, 0) &&
              set_int(socket, ZMQ_BACKLOG, backlog) && set_int(socket, ZMQ_CURVE_SERVER, 1) &&
              set_key(socket, ZMQ_CURVE_SECRETKEY, settings->secret) &&
              zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, domain, strlen(domain)) == 0;
    if (!ok || zmq_bind(socket, sock->endpoint) != 0)
        return zmq_error(err, "listen on", sock->endpoint);
    size_t size = sizeof sock->endpoint;
    if (zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, sock->endpoint, &size) != 0)
        return zmq_error(err, "listen on", sock->endpoint);
    return zwatch_start(sock->loop, socket, drain, sock, &sock->watch, err);
}

ErrCode zsock_router_bind(const ZRouterSettings *settings, ZSock **ret_sock, Error *err)
{
    ZSock *sock = xcalloc(1, sizeof *sock);
    sock->loop = settings->loop;
    sock->zmq = settings->zmq;
    sock->router = true;
    sock->queue_max = settings->queue_max == 0 ? QUEUE_DEFAULT : settings->queue_max;
    sock->on_message = settings->on_message;
    sock->context = settings->context;
    ErrCode code = copy_endpoint(sock, settings->endpoint, err);
    if (code == ERR_OK) {
        sock->socket = zmq_socket(sock->zmq, ZMQ_ROUTER);
        code = sock->socket == NULL ? zmq_error(err, "open a socket for", sock->endpoint)
                                    : bind_router(sock, settings, err);
    }
    if (code != ERR_OK) {
        zsock_free(sock);
        return code;
    }
    *ret_sock = sock;
    return ERR_OK;
}

ErrCode zsock_dealer_connect(const ZDealerSettings *settings, ZSock **ret_sock, Error *err)
{
    ZSock *sock = xcalloc(1, sizeof *sock);
    sock->loop = settings->loop;
    sock->zmq = settings->zmq;
    sock->message_bytes_max = settings->message_bytes_max;
    sock->queue_max = settings->queue_max == 0 ? QUEUE_DEFAULT : settings->queue_max;
    sock->on_message = settings->on_message;
    sock->on_reopen = settings->on_reopen;
    sock->context = settings->context;
    sock->silence_ms = settings->silence_ms;
    sock->wait_ms_max = settings->reopen_wait_ms_max == 0 ? (uint64_t)REOPEN_WAIT_MS_MAX
                                                          : settings->reopen_wait_ms_max;
    memcpy(sock->server_public, settings->server_public, ZSOCK_KEY_BYTES);
    memcpy(sock->own_public, settings->public, ZSOCK_KEY_BYTES);
    memcpy(sock->own_secret, settings->secret, ZSOCK_KEY_BYTES);
    ErrCode code = copy_endpoint(sock, settings->endpoint, err);
    if (code == ERR_OK)
        code = open_dealer(sock, err);
    if (code != ERR_OK) {
        zsock_free(sock);
        return code;
    }
    sock->timer = xcalloc(1, sizeof *sock->timer);
    uv_timer_init(sock->loop, sock->timer);
    sock->timer->data = sock;
    watch_silence(sock);
    *ret_sock = sock;
    return ERR_OK;
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle);
}

static void finish_free(ZSock *sock)
{
    explicit_bzero(sock->own_secret, sizeof sock->own_secret);
    free(sock);
}

void zsock_free(ZSock *sock)
{
    if (sock == NULL || sock->freed)
        return;
    sock->freed = true;
    close_socket(sock);
    if (sock->timer != NULL)
        uv_close((uv_handle_t *)sock->timer, on_timer_closed);
    if (!sock->in_callback)
        finish_free(sock);
}

static ErrCode send_error(Error *err, int error)
{
    if (error == EHOSTUNREACH)
        return err_set(err, ERR_CONNECT, "the peer is not connected any more");
    if (error == EAGAIN)
        return err_set(err, ERR_BUSY, "the queue to the peer is full");
    return err_set(err, ERR_INTERNAL, "cannot send: %s", zmq_strerror(error));
}

ErrCode zsock_send(ZSock *sock, const ZRoute *route, const void *bytes, size_t length, Error *err)
{
    if (sock->socket == NULL)
        return err_set(err, ERR_BUSY, "the connection is being opened anew");
    /* A full or missing route fails at the first frame, so no half message can be left behind. */
    if (sock->router &&
        zmq_send(sock->socket, route->bytes, ZSOCK_ROUTE_BYTES, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
        return send_error(err, zmq_errno());
    if (zmq_send(sock->socket, bytes, length, ZMQ_DONTWAIT) < 0)
        return send_error(err, zmq_errno());
    return ERR_OK;
}

const char *zsock_endpoint(const ZSock *sock)
{
    return sock->endpoint;
}

uint64_t zsock_dropped(const ZSock *sock)
{
    return sock->dropped;
}
