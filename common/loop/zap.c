#include "zap.h"

#include "arena.h"
#include "named_limits.h"
#include "zwatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

/* ZAP 1.0: a request's frames by position, and how many of them are kept. */
enum ZapFrame {
    FRAME_VERSION,
    FRAME_REQUEST_ID,
    FRAME_DOMAIN,
    FRAME_ADDRESS,
    FRAME_IDENTITY,
    FRAME_MECHANISM,
    FRAME_CREDENTIALS,
    FRAME_COUNT,
};
enum { FRAME_BYTES = 255 };

typedef struct Frame {
    uint8_t bytes[FRAME_BYTES + 1]; /* NUL-terminated */
    size_t length;
} Frame;

typedef struct Entry {
    uint8_t key[ZAP_KEY_BYTES];
    char user[ZAP_USER_SIZE];
} Entry;

struct Zap {
    void *socket;
    ZWatch *watch;
    char domain[FRAME_BYTES + 1];
    Entry *entries; /* sorted by key */
    size_t count;
    size_t capacity;
    ZapOnRefused on_refused;
    void *context;
};

/* ---- the list ---- */

/* Where the key is, or belongs. */
static size_t place_of(const Zap *zap, const uint8_t *key, bool *ret_found)
{
    size_t low = 0;
    size_t high = zap->count;
    *ret_found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = memcmp(zap->entries[middle].key, key, ZAP_KEY_BYTES);
        if (order == 0) {
            *ret_found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

ErrCode zap_allow(Zap *zap, const uint8_t key[ZAP_KEY_BYTES], const char *user_id, Error *err)
{
    if (user_id[0] == '\0' || strlen(user_id) >= ZAP_USER_SIZE)
        return err_set(err, ERR_LIMIT, "a user id must have 1 to %d bytes", ZAP_USER_SIZE - 1);
    bool found = false;
    size_t at = place_of(zap, key, &found);
    if (!found) {
        if (zap->count == LIMIT_AGENTS + LIMIT_OPERATORS)
            return err_set(err, ERR_LIMIT, "more than %d keys are admitted",
                           LIMIT_AGENTS + LIMIT_OPERATORS);
        if (zap->count == zap->capacity) {
            zap->capacity = zap->capacity == 0 ? 16 : zap->capacity * 2;
            zap->entries = xrealloc(zap->entries, zap->capacity * sizeof *zap->entries);
        }
        memmove(zap->entries + at + 1, zap->entries + at, (zap->count - at) * sizeof *zap->entries);
        memcpy(zap->entries[at].key, key, ZAP_KEY_BYTES);
        zap->count++;
    }
    snprintf(zap->entries[at].user, ZAP_USER_SIZE, "%s", user_id);
    return ERR_OK;
}

void zap_clear(Zap *zap)
{
    zap->count = 0;
}

const char *zap_user(const Zap *zap, const uint8_t key[ZAP_KEY_BYTES])
{
    bool found = false;
    size_t at = place_of(zap, key, &found);
    return found ? zap->entries[at].user : NULL;
}

/* ---- requests ---- */

/* Reads all frames of one request; false when there is none. Frames that are too long are cut,
 * which no valid request has. */
static bool receive(Zap *zap, Frame frames[FRAME_COUNT], size_t *ret_count, bool *ret_cut)
{
    size_t count = 0;
    bool more = true;
    *ret_cut = false;
    while (more) {
        zmq_msg_t part;
        zmq_msg_init(&part);
        if (zmq_msg_recv(&part, zap->socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&part);
            return false;
        }
        size_t length = zmq_msg_size(&part);
        if (length > FRAME_BYTES) {
            length = FRAME_BYTES;
            *ret_cut = true;
        }
        if (count < FRAME_COUNT) {
            memcpy(frames[count].bytes, zmq_msg_data(&part), length);
            frames[count].bytes[length] = 0;
            frames[count].length = length;
        }
        count++;
        more = zmq_msg_more(&part) != 0;
        zmq_msg_close(&part);
    }
    *ret_count = count;
    return true;
}

static bool frame_is(const Frame *frame, const char *text)
{
    return frame->length == strlen(text) && memcmp(frame->bytes, text, frame->length) == 0;
}

/* The user of an admitted request, otherwise NULL. */
static const char *judge(const Zap *zap, const Frame *frames, size_t count, bool cut)
{
    bool curve = !cut && count == FRAME_COUNT && frame_is(&frames[FRAME_VERSION], "1.0") &&
                 frame_is(&frames[FRAME_DOMAIN], zap->domain) &&
                 frame_is(&frames[FRAME_MECHANISM], "CURVE") &&
                 frames[FRAME_CREDENTIALS].length == ZAP_KEY_BYTES;
    return curve ? zap_user(zap, frames[FRAME_CREDENTIALS].bytes) : NULL;
}

/* The requester is libzmq in this process and waits for the answer: a failed send can only mean
 * that it is gone. */
static void reply(Zap *zap, const Frame *request_id, const char *user)
{
    const char *status = user == NULL ? "400" : "200";
    const char *text = user == NULL ? "not admitted" : "OK";
    const char *name = user == NULL ? "" : user;
    zmq_send(zap->socket, "1.0", 3, ZMQ_SNDMORE);
    zmq_send(zap->socket, request_id->bytes, request_id->length, ZMQ_SNDMORE);
    zmq_send(zap->socket, status, 3, ZMQ_SNDMORE);
    zmq_send(zap->socket, text, strlen(text), ZMQ_SNDMORE);
    zmq_send(zap->socket, name, strlen(name), ZMQ_SNDMORE);
    zmq_send(zap->socket, "", 0, 0);
}

static void drain(void *context)
{
    Zap *zap = context;
    for (int i = 0; i < LIMIT_DRAIN_PER_TURN; i++) {
        Frame frames[FRAME_COUNT] = {0};
        size_t count = 0;
        bool cut = false;
        if (!receive(zap, frames, &count, &cut))
            return;
        const char *user = judge(zap, frames, count, cut);
        reply(zap, &frames[FRAME_REQUEST_ID], user);
        if (user != NULL || zap->on_refused == NULL)
            continue;
        bool has_key = frames[FRAME_CREDENTIALS].length == ZAP_KEY_BYTES;
        zap->on_refused(zap->context, has_key ? frames[FRAME_CREDENTIALS].bytes : NULL,
                        (const char *)frames[FRAME_ADDRESS].bytes);
    }
}

ErrCode zap_start(uv_loop_t *loop, void *zmq, const char *domain, Zap **ret_zap, Error *err)
{
    if (domain[0] == '\0' || strlen(domain) > FRAME_BYTES)
        return err_set(err, ERR_INTERNAL, "a ZAP domain must have 1 to %d bytes", FRAME_BYTES);
    Zap *zap = xcalloc(1, sizeof *zap);
    snprintf(zap->domain, sizeof zap->domain, "%s", domain);
    zap->socket = zmq_socket(zmq, ZMQ_REP);
    int linger = 0;
    bool ok = zap->socket != NULL &&
              zmq_setsockopt(zap->socket, ZMQ_LINGER, &linger, sizeof linger) == 0 &&
              zmq_bind(zap->socket, "inproc://zeromq.zap.01") == 0;
    ErrCode code = ok ? zwatch_start(loop, zap->socket, drain, zap, &zap->watch, err)
                      : err_set(err, ERR_INTERNAL, "cannot start the ZAP handler: %s",
                                zmq_strerror(zmq_errno()));
    if (code != ERR_OK) {
        zap_free(zap);
        return code;
    }
    *ret_zap = zap;
    return ERR_OK;
}

void zap_free(Zap *zap)
{
    if (zap == NULL)
        return;
    zwatch_free(zap->watch);
    if (zap->socket != NULL)
        zmq_close(zap->socket);
    free(zap->entries);
    free(zap);
}

void zap_on_refused(Zap *zap, ZapOnRefused callback, void *context)
{
    zap->on_refused = callback;
    zap->context = context;
}
