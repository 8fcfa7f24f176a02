/*
 * Who may open a CURVE connection: a ZAP handler (ZeroMQ RFC 27) in the same libuv loop.
 *
 * Only keys on the allow-list are admitted, and only by CURVE in this handler's domain; everything
 * else is answered 400. An admitted peer's messages carry the User-Id text given here. The list may
 * change at run time; taking a key off it refuses new connections but does not cut the present one,
 * so the receiver of messages asks whether their User-Id is still somebody's. Start it before the
 * first CURVE bind: without a handler libzmq lets everybody in. One handler per ZeroMQ context.
 */
#pragma once

#include "error.h"

#include <stddef.h>
#include <uv.h>

enum {
    ZAP_KEY_BYTES = 32,
    ZAP_USER_SIZE = 128, /* with NUL */
};

typedef struct Zap Zap;

/* Told about each refusal, so that an operator can see who knocks. `key` is NULL when there was
 * none. */
typedef void (*ZapOnRefused)(void *context, const uint8_t *key, const char *address);

ErrCode zap_start(uv_loop_t *loop, void *zmq, const char *domain, Zap **ret_zap,
                  Error *err) MUST_CHECK;
void zap_free(Zap *zap); /* NULL-safe; like zsock_free(), run the loop once more */
void zap_on_refused(Zap *zap, ZapOnRefused callback, void *context);

/* Adds the key or changes its User-Id. ERR_LIMIT beyond LIMIT_AGENTS + LIMIT_OPERATORS. */
ErrCode zap_allow(Zap *zap, const uint8_t key[ZAP_KEY_BYTES], const char *user_id,
                  Error *err) MUST_CHECK;
void zap_clear(Zap *zap); /* nobody is admitted */
/* The key's User-Id, NULL when it is not admitted. Borrows until the list changes. */
const char *zap_user(const Zap *zap, const uint8_t key[ZAP_KEY_BYTES]);
