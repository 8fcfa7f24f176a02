#include "client.h"

#include "clock.h"
#include "digest.h"
#include "envelope.h"
#include "named_limits.h"
#include "proto_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum { RESEND_AFTER_MS = 3000, POLL_MS = 200, LINGER_MS = 0, TIMEOUT_DEFAULT_MS = 15000 };

struct Client {
    CommandContext *context;
    SecretKey *key;
    Trust *trust;
    const PublicKeyInfo *server;
    const char *endpoint;
    uint64_t timeout_ms;
    void *zmq;
    void *socket;
    json_t *result;
    Arena *arena; /* of the last answer */
};

static const char *setting(const CommandContext *context, const char *option, const char *variable)
{
    const char *value = context_option(context, option);
    return value != NULL ? value : getenv(variable);
}

static ErrCode setting_need(const CommandContext *context, const char *option, const char *variable,
                            const char *what, const char **ret_value, Error *err)
{
    *ret_value = setting(context, option, variable);
    if (*ret_value != NULL && (*ret_value)[0] != '\0')
        return ERR_OK;
    err_set(err, ERR_USAGE, "no %s given", what);
    err_hint(err, "Say --%s or set %s.", option, variable);
    return ERR_USAGE;
}

static ErrCode socket_open(Client *client, Error *err)
{
    if (client->socket != NULL)
        zmq_close(client->socket);
    client->socket = zmq_socket(client->zmq, ZMQ_DEALER);
    if (client->socket == NULL)
        return err_set(err, ERR_IO, "can't make a socket: %s", zmq_strerror(errno));
    const PublicKeyInfo *own = key_public(client->key);
    int linger = LINGER_MS;
    int64_t limit = LIMIT_ENVELOPE_BYTES;
    zmq_setsockopt(client->socket, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(client->socket, ZMQ_MAXMSGSIZE, &limit, sizeof limit);
    zmq_setsockopt(client->socket, ZMQ_CURVE_SERVERKEY, client->server->curve, KEY_BYTES);
    zmq_setsockopt(client->socket, ZMQ_CURVE_PUBLICKEY, own->curve, KEY_BYTES);
    zmq_setsockopt(client->socket, ZMQ_CURVE_SECRETKEY, key_curve_secret(client->key), KEY_BYTES);
    if (zmq_connect(client->socket, client->endpoint) != 0) {
        err_set(err, ERR_USAGE, "'%.200s' is no endpoint: %s", client->endpoint,
                zmq_strerror(errno));
        err_hint(err, "Endpoints are written tcp://HOST:PORT or ipc:///PATH.");
        return ERR_USAGE;
    }
    return ERR_OK;
}

static ErrCode server_find(Client *client, Error *err)
{
    TrustPeer peer;
    for (size_t i = 0; trust_peer_at(client->trust, i, &peer); i++) {
        if (peer.is_coordinator && client->server == NULL)
            client->server = peer.key;
    }
    if (client->server == NULL)
        return err_set(err, ERR_CONFIG, "the trust file names no coordinator");
    const PublicKeyInfo *own = key_public(client->key);
    if (trust_find_operator(client->trust, own->keyid) == NULL) {
        err_set(err, ERR_KEY_UNKNOWN, "the key of '%s' is no operator's in the trust file",
                own->name);
        err_detail(err, "key id %s", own->keyid);
        err_hint(
            err,
            "Use an operator's key, or have the root keys sign a trust file that names this one.");
        return ERR_KEY_UNKNOWN;
    }
    if (!own->has_curve)
        return err_set(err, ERR_CONFIG, "the key of '%s' can't open connections", own->name);
    return ERR_OK;
}

ErrCode client_open(CommandContext *context, Client **ret_client, Error *err)
{
    return client_open_for(context, TIMEOUT_DEFAULT_MS, ret_client, err);
}

ErrCode client_open_for(CommandContext *context, uint64_t timeout_ms, Client **ret_client,
                        Error *err)
{
    AUTO_CLIENT Client *client = xcalloc(1, sizeof *client);
    const char *key_path;
    const char *trust_path;
    client->context = context;
    client->arena = arena_new();
    ErrCode code = setting_need(context, "coordinator", "PGTIDE_COORDINATOR", "coordinator",
                                &client->endpoint, err);
    if (code == ERR_OK)
        code = setting_need(context, "key", "PGTIDE_KEY", "operator's key", &key_path, err);
    if (code == ERR_OK)
        code = setting_need(context, "trust", "PGTIDE_TRUST", "trust file", &trust_path, err);
    if (code == ERR_OK)
        code = context_duration(context, "timeout", timeout_ms, &client->timeout_ms, err);
    if (code == ERR_OK)
        code = trust_load(trust_path, clock_unix_ms(), &client->trust, err);
    if (code == ERR_OK)
        code = key_load(key_path, NULL, &client->key, err);
    if (code == ERR_OK)
        code = server_find(client, err);
    if (code != ERR_OK)
        return code;
    client->zmq = zmq_ctx_new();
    code = socket_open(client, err);
    if (code != ERR_OK)
        return code;
    *ret_client = client;
    client = NULL;
    return ERR_OK;
}

void client_close(Client *client)
{
    if (client == NULL)
        return;
    if (client->socket != NULL)
        zmq_close(client->socket);
    if (client->zmq != NULL)
        zmq_ctx_term(client->zmq);
    json_decref(client->result);
    key_free(client->key);
    trust_free(client->trust);
    arena_free(client->arena);
    free(client);
}

const SecretKey *client_key(const Client *client)
{
    return client->key;
}

const Trust *client_trust(const Client *client)
{
    return client->trust;
}

/* One received message: false when it is no answer to this request. */
static bool answer_open(Client *client, zmq_msg_t *message, const RequestMessage *request,
                        Pgtide__V1__Response **ret_response, Error *err)
{
    const uint8_t *payload;
    size_t length;
    ErrCode code =
        envelope_open(client->arena, zmq_msg_data(message), zmq_msg_size(message), MESSAGE_RESPONSE,
                      trust_lookup_coordinator, client->trust, &payload, &length, NULL, err);
    Pgtide__V1__Response *response = NULL;
    if (code == ERR_OK)
        code = proto_unpack(client->arena, &pgtide__v1__response__descriptor, payload, length,
                            UNKNOWN_FIELDS_PASS, (ProtobufCMessage **)&response, err);
    if (code != ERR_OK)
        return false;
    if (response->request_id.len != request->request_id.len ||
        memcmp(response->request_id.data, request->request_id.data, request->request_id.len) != 0)
        return false;
    *ret_response = response;
    return true;
}

/* A watching view is answered late on purpose. */
static uint64_t view_wait_ms(const RequestMessage *request)
{
    return request->body_case == PGTIDE__V1__REQUEST__BODY_VIEW ? request->view->wait_ms : 0;
}

static ErrCode answer_wait(Client *client, const RequestMessage *request, const uint8_t *bytes,
                           size_t length, Pgtide__V1__Response **ret_response, Error *err)
{
    uint64_t started = clock_monotonic_ms();
    uint64_t sent = 0;
    Error refused = {0};
    for (;;) {
        uint64_t now = clock_monotonic_ms();
        if (now - started >= client->timeout_ms)
            break;
        if (sent == 0 || now - sent >= RESEND_AFTER_MS + view_wait_ms(request)) {
            ErrCode code = sent == 0 ? ERR_OK : socket_open(client, err);
            if (code != ERR_OK)
                return code;
            zmq_send(client->socket, bytes, length, ZMQ_DONTWAIT);
            sent = now;
        }
        zmq_pollitem_t item = {.socket = client->socket, .events = ZMQ_POLLIN};
        int ready = zmq_poll(&item, 1, POLL_MS);
        if (interrupted_by != 0)
            return err_set(err, ERR_INTERRUPTED, "interrupted while waiting for the coordinator");
        if (ready <= 0)
            continue;
        zmq_msg_t message;
        zmq_msg_init(&message);
        bool answered = zmq_msg_recv(&message, client->socket, ZMQ_DONTWAIT) >= 0 &&
                        answer_open(client, &message, request, ret_response, &refused);
        zmq_msg_close(&message);
        if (answered)
            return ERR_OK;
    }
    err_set(err, ERR_TIMEOUT, "no answer from the coordinator at %.120s", client->endpoint);
    if (refused.code != ERR_OK)
        err_detail(err, "what came was refused: %.300s", refused.message);
    err_hint(err,
             "Check that pgtide-coordinator runs there, and that its trust file names this key.");
    return ERR_TIMEOUT;
}

static ErrCode answer_error(const Pgtide__V1__ResponseError *said, Error *err)
{
    ErrCode code = err_code_from_name(said->code);
    if (code == ERR_OK)
        code = ERR_INTERNAL;
    err_set(err, code, "%s", said->message);
    err_detail(err, "%s", said->detail);
    if (said->hint[0] != '\0')
        err_hint(err, "%s", said->hint);
    return code;
}

ErrCode client_request(Client *client, RequestMessage *request, ClientAnswer *ret_answer,
                       Error *err)
{
    arena_reset(client->arena);
    uint8_t request_id[16];
    if (!secure_random(request_id, sizeof request_id))
        return err_set(err, ERR_IO, "no random numbers from the system");
    request->fleet_id = proto_from_uuid(trust_fleet_id(client->trust));
    request->request_id = proto_bytes(request_id, sizeof request_id);
    request->created_unix_ms = clock_unix_ms();
    size_t length;
    uint8_t *bytes = proto_pack(client->arena, &request->base, &length);
    const SecretKey *keys[] = {client->key};
    Pgtide__V1__Response *response;
    ErrCode code =
        envelope_sign(client->arena, MESSAGE_REQUEST, bytes, length, keys, 1, &bytes, &length, err);
    if (code == ERR_OK)
        code = answer_wait(client, request, bytes, length, &response, err);
    if (code != ERR_OK)
        return code;
    if (response->error != NULL)
        return answer_error(response->error, err);
    json_decref(client->result);
    json_error_t problem;
    client->result = json_loads(response->json[0] == '\0' ? "{}" : response->json,
                                JSON_REJECT_DUPLICATES, &problem);
    if (client->result == NULL)
        return err_set(err, ERR_PROTOCOL, "the coordinator's answer is not JSON: %s", problem.text);
    *ret_answer = (ClientAnswer){.result = client->result,
                                 .json = response->json,
                                 .bytes = response->bytes.data,
                                 .length = response->bytes.len,
                                 .total = response->total,
                                 .revision = response->revision};
    return ERR_OK;
}

ErrCode client_view(Client *client, Pgtide__V1__View *view, ClientAnswer *ret_answer, Error *err)
{
    RequestMessage request = PGTIDE__V1__REQUEST__INIT;
    request.body_case = PGTIDE__V1__REQUEST__BODY_VIEW;
    request.view = view;
    return client_request(client, &request, ret_answer, err);
}

ErrCode client_upload(Client *client, const uint8_t *bytes, size_t length, Digest *ret_digest,
                      Error *err)
{
    Digest digest = sha256_bytes(bytes, length);
    Pgtide__V1__BlobPut put = PGTIDE__V1__BLOB_PUT__INIT;
    RequestMessage request = PGTIDE__V1__REQUEST__INIT;
    request.body_case = PGTIDE__V1__REQUEST__BODY_BLOB_PUT;
    request.blob_put = &put;
    put.digest = proto_from_digest(&digest);
    put.total = length;
    ClientAnswer answer;
    ErrCode code =
        client_request(client, &request, &answer, err); /* an empty piece asks what is there */
    while (code == ERR_OK && !answer_bool(answer.result, "complete")) {
        size_t offset = (size_t)answer_int(answer.result, "offset");
        if (offset > length)
            return err_set(err, ERR_PROTOCOL, "the coordinator claims to have more than there is");
        size_t piece = length - offset < LIMIT_CHUNK_BYTES ? length - offset : LIMIT_CHUNK_BYTES;
        put.offset = offset;
        put.bytes = proto_bytes(bytes + offset, piece);
        code = client_request(client, &request, &answer, err);
    }
    if (code == ERR_OK)
        *ret_digest = digest;
    return code;
}

ErrCode client_download(Client *client, const Digest *digest, uint8_t **ret_bytes,
                        size_t *ret_length, Error *err)
{
    AUTO_STR Str all = {0};
    Pgtide__V1__BlobGet get = PGTIDE__V1__BLOB_GET__INIT;
    RequestMessage request = PGTIDE__V1__REQUEST__INIT;
    request.body_case = PGTIDE__V1__REQUEST__BODY_BLOB_GET;
    request.blob_get = &get;
    get.digest = proto_from_digest(digest);
    uint64_t total = 1;
    while (all.length < total) {
        ClientAnswer answer;
        get.offset = all.length;
        ErrCode code = client_request(client, &request, &answer, err);
        if (code != ERR_OK)
            return code;
        total = answer.total;
        if (total > LIMIT_PLAN_BYTES || answer.length == 0)
            return err_set(err, ERR_PROTOCOL, "the coordinator's file has %llu bytes",
                           (unsigned long long)total);
        str_append_bytes(&all, answer.bytes, answer.length);
    }
    Digest found = sha256_bytes(all.data, all.length);
    if (!digest_equal(&found, digest))
        return err_set(err, ERR_DIGEST_MISMATCH,
                       "the coordinator sent a file that is not the one it named");
    *ret_bytes = arena_memdup(client->context->arena, all.data, all.length);
    *ret_length = all.length;
    return ERR_OK;
}

ErrCode answer_of_agent(const ClientAnswer *answer, const json_t **ret_result, Error *err)
{
    const json_t *agent = json_array_get(json_object_get(answer->result, "agents"), 0);
    const json_t *error = json_object_get(agent, "error");
    if (!json_is_object(error)) {
        *ret_result = json_object_get(agent, "result");
        return ERR_OK;
    }
    ErrCode code = err_code_from_name(answer_text(error, "code"));
    err_set(err, code == ERR_OK ? ERR_INTERNAL : code, "agent %s: %s", answer_text(agent, "agent"),
            answer_text(error, "message"));
    err_detail(err, "%s", answer_text(error, "detail"));
    if (answer_text(error, "hint")[0] != '\0')
        err_hint(err, "%s", answer_text(error, "hint"));
    return err->code;
}

const char *answer_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

int64_t answer_int(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

bool answer_bool(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}
