/*
 * The command line's side of the operator protocol: signed requests to the coordinator, signed
 * answers back.
 *
 * Where to and with which key: --coordinator, --key, --trust, or PGTIDE_COORDINATOR, PGTIDE_KEY,
 * PGTIDE_TRUST. A request without an answer is sent again under the same request id, on which the
 * coordinator acts once.
 */
#pragma once

#include "command.h"
#include "trust.h"

#include "operator.pb-c.h"

#include <jansson.h>

typedef Pgtide__V1__Request RequestMessage;
typedef struct Client Client;

typedef struct ClientAnswer {
    json_t *result; /* owned by the client until the next request */
    const char *json;
    const uint8_t *bytes; /* BlobGet */
    size_t length;
    uint64_t total;
    uint64_t revision;
} ClientAnswer;

/* Rows for a command's option table. */
#define CLIENT_OPTIONS CLIENT_OPTIONS_FOR("15s")
#define CLIENT_OPTIONS_FOR(default_timeout)                                                        \
    {"coordinator", 0, "ENDPOINT", "tcp://HOST:PORT (PGTIDE_COORDINATOR)"},                        \
        {"key", 0, "FILE", "the operator's key (PGTIDE_KEY)"},                                     \
        {"trust", 0, "FILE", "the trust file (PGTIDE_TRUST)"},                                     \
    {                                                                                              \
        "timeout", 0, "DURATION", "how long to wait for an answer (default " default_timeout ")"   \
    }

/* Loads key and trust, connects. Errors: USAGE, NOT_FOUND, KEY_UNKNOWN, CONFIG. Returns owned. */
ErrCode client_open(CommandContext *context, Client **ret_client, Error *err) MUST_CHECK;
/* The same with another default for --timeout. */
ErrCode client_open_for(CommandContext *context, uint64_t timeout_ms, Client **ret_client,
                        Error *err) MUST_CHECK;
void client_close(Client *client); /* NULL-safe */
static inline void client_auto_close(Client **client)
{
    client_close(*client);
}
#define AUTO_CLIENT __attribute__((cleanup(client_auto_close)))

const SecretKey *client_key(const Client *client);
const Trust *client_trust(const Client *client);

/* Fills fleet, request id and time, signs, sends and waits; the body is the caller's. An error
 * answer comes back as the coordinator's error. TIMEOUT: no answer; INTERRUPTED: a signal came. */
ErrCode client_request(Client *client, RequestMessage *request, ClientAnswer *ret_answer,
                       Error *err) MUST_CHECK;
/* A View request. */
ErrCode client_view(Client *client, Pgtide__V1__View *view, ClientAnswer *ret_answer,
                    Error *err) MUST_CHECK;
/* Uploads what the coordinator does not have yet. */
ErrCode client_upload(Client *client, const uint8_t *bytes, size_t length, Digest *ret_digest,
                      Error *err) MUST_CHECK;
/* Fetches a blob and checks its digest; into the command's arena. */
ErrCode client_download(Client *client, const Digest *digest, uint8_t **ret_bytes,
                        size_t *ret_length, Error *err) MUST_CHECK;

/* Of an answer that the one agent gave which was asked: its result, or its error as `err`. */
ErrCode answer_of_agent(const ClientAnswer *answer, const json_t **ret_result,
                        Error *err) MUST_CHECK;
/* Reading answers: the value, or '' / 0 / false when it is absent or of another type. */
const char *answer_text(const json_t *object, const char *key);
int64_t answer_int(const json_t *object, const char *key);
bool answer_bool(const json_t *object, const char *key);
