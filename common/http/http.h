/*
 * HTTP requests on a libuv loop, by libcurl.
 *
 * For webhooks and metrics: small requests, small answers. Certificates are always verified,
 * redirects are not followed (a secret header would go along), other schemes than http and https do
 * not exist, and what an answer may hold is bounded. Proxies are the environment's (https_proxy,
 * no_proxy), as everywhere. Nothing is logged; errors name host and port, never a path, a header or
 * a body, since those may be secrets. One thread.
 */
#pragma once

#include "str.h"

#include <uv.h>

typedef struct HttpClient HttpClient;
typedef struct HttpCall HttpCall;

typedef enum HttpMethod { HTTP_GET, HTTP_POST } HttpMethod;

/* All of it is copied. */
typedef struct HttpRequest {
    HttpMethod method;
    const char *url;            /* as http_url_check() takes it */
    const char *const *headers; /* "Name: value", ended by NULL; may be NULL */
    const char *bearer;         /* a secret for the Authorization header; NULL = none */
    const void *body;           /* of a POST; may be NULL */
    size_t body_length;
    uint64_t timeout_ms; /* for all of it, from the name's resolution to the last byte */
    size_t response_bytes_max;
    const char *ca_file; /* certificates to trust instead of the system's; NULL = those */
} HttpRequest;

/* What came of it; valid while the callback runs. */
typedef struct HttpAnswer {
    const Error *error; /* NULL: the server answered, with whatever status. CONNECT, TIMEOUT, LIMIT
                           (too large an answer) or PROTOCOL */
    int status;         /* 200, 404 ...; 0 with an error */
    const char *body;   /* NUL-terminated; may hold others */
    size_t body_length;
} HttpAnswer;

typedef void HttpCb(const HttpAnswer *answer, void *data);

/* Returns owned. */
ErrCode http_client_new(uv_loop_t *loop, HttpClient **ret_client, Error *err) MUST_CHECK;
/* Ends all calls; no callback runs. Not inside of one. NULL-safe. The memory goes when the loop has
 * closed its handles, so the loop must run once more. */
void http_client_free(HttpClient *client);

/* Whether a url can be asked: http or https, a host, no user or password in it, no fragment.
 * CONFIG with words that do not repeat it. */
ErrCode http_url_check(const char *url, Error *err) MUST_CHECK;

/* Asks. The callback runs exactly once, never inside this call, unless it is cancelled first. The
 * handle is valid until then. Refused: CONFIG for a url or header that can't be sent, LIMIT for a
 * body or a timeout beyond limits, BUSY when LIMIT_HTTP_CALLS are under way. */
ErrCode http_request(HttpClient *client, const HttpRequest *request, HttpCb *cb, void *data,
                     HttpCall **ret_call, Error *err) MUST_CHECK;
/* Ends the call; its callback does not run. Not inside of that callback. */
void http_cancel(HttpCall *call);
