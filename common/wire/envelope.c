#include "envelope.h"

#include "envelope.pb-c.h"
#include "proto_read.h"

#include <stdio.h>
#include <string.h>

typedef struct TypeRow {
    const char *name;
    const char *payload_type;
    size_t max_bytes;      /* of the whole envelope */
    size_t max_signatures; /* each costs a verification before anything is known of the sender */
} TypeRow;

enum {
    SMALL_BYTES = 64 * 1024,
    PLAN_HEADER_BYTES = 256 * 1024,
};

#define PAYLOAD_TYPE(name) "application/vnd.pgtide." name ".v1+protobuf"
#define ROW(name, bytes, signatures)                                                               \
    {                                                                                              \
        name, PAYLOAD_TYPE(name), bytes, signatures                                                \
    }
static const TypeRow types[MESSAGE_TYPE_COUNT] = {
    [MESSAGE_UNSPECIFIED] = {"unspecified", "", 0, 0},
    [MESSAGE_TRUST] = ROW("trust", LIMIT_TRUST_FILE_BYTES, LIMIT_SIGNATURES),
    [MESSAGE_ADMISSION] = ROW("admission", SMALL_BYTES, 1),
    [MESSAGE_BUNDLE] = ROW("bundle", LIMIT_ENVELOPE_BYTES, LIMIT_SIGNATURES),
    [MESSAGE_PLAN] = ROW("plan", PLAN_HEADER_BYTES, 1),
    [MESSAGE_APPROVAL] = ROW("approval", SMALL_BYTES, 1),
    [MESSAGE_COMMAND] = ROW("command", LIMIT_COMMAND_BYTES, 1),
    [MESSAGE_REPORT] = ROW("report", LIMIT_REPORT_BYTES, 1),
    [MESSAGE_REQUEST] = ROW("request", LIMIT_REQUEST_BYTES, 1),
    [MESSAGE_RESPONSE] = ROW("response", LIMIT_ENVELOPE_BYTES, 1),
    [MESSAGE_EVIDENCE] = ROW("evidence", LIMIT_ENVELOPE_BYTES, LIMIT_SIGNATURES),
};
#undef ROW

const char *message_type_name(MessageType type)
{
    return types[type].name;
}

const char *message_type_payload_type(MessageType type)
{
    return types[type].payload_type;
}

MessageType message_type_from_payload_type(const char *payload_type)
{
    for (int i = MESSAGE_UNSPECIFIED + 1; i < MESSAGE_TYPE_COUNT; i++) {
        if (strcmp(types[i].payload_type, payload_type) == 0) {
            return (MessageType)i;
        }
    }
    return MESSAGE_UNSPECIFIED;
}

size_t message_type_max_bytes(MessageType type)
{
    return types[type].max_bytes;
}

bool signers_have(const Signers *signers, const uint8_t ed25519[KEY_BYTES])
{
    for (size_t i = 0; i < signers->count; i++) {
        if (memcmp(signers->items[i].ed25519, ed25519, KEY_BYTES) == 0) {
            return true;
        }
    }
    return false;
}

/* DSSE v1: "DSSEv1" SP LEN(type) SP type SP LEN(body) SP body, lengths in ASCII decimal. */
uint8_t *envelope_pae(Arena *arena, const char *payload_type, const void *payload, size_t length,
                      size_t *ret_length)
{
    char head[128];
    int head_length = snprintf(head, sizeof head, "DSSEv1 %zu %s %zu ", strlen(payload_type),
                               payload_type, length);
    if (head_length < 0 || (size_t)head_length >= sizeof head) {
        return NULL;
    }
    uint8_t *bytes = arena_alloc(arena, (size_t)head_length + length);
    memcpy(bytes, head, (size_t)head_length);
    if (length > 0) {
        memcpy(bytes + head_length, payload, length);
    }
    *ret_length = (size_t)head_length + length;
    return bytes;
}

/* --- signing ---------------------------------------------------------------------------------- */

static ErrCode sign_into(Arena *arena, const Pgtide__V1__Envelope *envelope, const SecretKey *key,
                         Pgtide__V1__Signature *out, Error *err)
{
    size_t length;
    uint8_t *signed_bytes = envelope_pae(arena, envelope->payload_type, envelope->payload.data,
                                         envelope->payload.len, &length);
    if (signed_bytes == NULL) {
        return err_set(err, ERR_INTERNAL, "a payload type too long to sign");
    }
    uint8_t *signature = arena_alloc(arena, SIGNATURE_BYTES);
    ErrCode code = key_sign(key, signed_bytes, length, signature, err);
    if (code != ERR_OK) {
        return code;
    }
    pgtide__v1__signature__init(out);
    out->keyid = arena_strdup(arena, key_public(key)->keyid);
    out->sig = proto_bytes(signature, SIGNATURE_BYTES);
    return ERR_OK;
}

static ErrCode pack_envelope(Arena *arena, const Pgtide__V1__Envelope *envelope, MessageType type,
                             uint8_t **ret_bytes, size_t *ret_length, Error *err)
{
    if (envelope->n_signatures > types[type].max_signatures) {
        return err_set(err, ERR_LIMIT, "a %s takes at most %zu signatures", types[type].name,
                       types[type].max_signatures);
    }
    size_t length = pgtide__v1__envelope__get_packed_size(envelope);
    if (length > types[type].max_bytes) {
        return err_set(err, ERR_LIMIT, "a %s of %zu bytes is larger than the limit of %zu",
                       types[type].name, length, types[type].max_bytes);
    }
    *ret_bytes = proto_pack(arena, &envelope->base, ret_length);
    return ERR_OK;
}

ErrCode envelope_sign(Arena *arena, MessageType type, const void *payload, size_t length,
                      const SecretKey *const *keys, size_t key_count, uint8_t **ret_bytes,
                      size_t *ret_length, Error *err)
{
    if (key_count > types[type].max_signatures) {
        return err_set(err, ERR_LIMIT, "a %s takes at most %zu signatures", types[type].name,
                       types[type].max_signatures);
    }
    Pgtide__V1__Envelope envelope;
    pgtide__v1__envelope__init(&envelope);
    envelope.payload_type = proto_from_text(types[type].payload_type);
    envelope.payload = proto_bytes(payload, length);
    envelope.signatures = ARENA_ARRAY(arena, Pgtide__V1__Signature *, key_count + 1);
    for (size_t i = 0; i < key_count; i++) {
        envelope.signatures[i] = ARENA_NEW(arena, Pgtide__V1__Signature);
        ErrCode code = sign_into(arena, &envelope, keys[i], envelope.signatures[i], err);
        if (code != ERR_OK) {
            return code;
        }
    }
    envelope.n_signatures = key_count;
    return pack_envelope(arena, &envelope, type, ret_bytes, ret_length, err);
}

/* --- opening ---------------------------------------------------------------------------------- */

/* Size, form and type; nothing of the payload is looked at. */
static ErrCode unpack_envelope(Arena *arena, const void *bytes, size_t length, MessageType type,
                               Pgtide__V1__Envelope **ret_envelope, Error *err)
{
    if (type <= MESSAGE_UNSPECIFIED || type >= MESSAGE_TYPE_COUNT) {
        return err_set(err, ERR_INTERNAL, "no such message type");
    }
    if (length > types[type].max_bytes) {
        return err_set(err, ERR_LIMIT, "a %s of %zu bytes is larger than the limit of %zu",
                       types[type].name, length, types[type].max_bytes);
    }
    ProtobufCMessage *message;
    ErrCode code = proto_unpack(arena, &pgtide__v1__envelope__descriptor, bytes, length,
                                UNKNOWN_FIELDS_REFUSE, &message, err);
    if (code != ERR_OK) {
        err_wrap(err, "not a signed %s", types[type].name);
        return code;
    }
    Pgtide__V1__Envelope *envelope = (Pgtide__V1__Envelope *)message;
    if (strcmp(envelope->payload_type, types[type].payload_type) != 0) {
        return err_set(err, ERR_PROTOCOL, "not a %s: the envelope's type is %s", types[type].name,
                       message_type_name(message_type_from_payload_type(envelope->payload_type)));
    }
    if (envelope->n_signatures > types[type].max_signatures) {
        return err_set(err, ERR_LIMIT, "%zu signatures on a %s, at most %zu are allowed",
                       envelope->n_signatures, types[type].name, types[type].max_signatures);
    }
    for (size_t i = 0; i < envelope->n_signatures; i++) {
        const Pgtide__V1__Signature *signature = envelope->signatures[i];
        if (!key_id_is_valid(signature->keyid) || signature->sig.len != SIGNATURE_BYTES) {
            return err_set(err, ERR_PROTOCOL, "signature %zu is malformed", i + 1);
        }
    }
    *ret_envelope = envelope;
    return ERR_OK;
}

ErrCode envelope_add_signature(Arena *arena, const void *bytes, size_t length, MessageType type,
                               const SecretKey *key, uint8_t **ret_bytes, size_t *ret_length,
                               Error *err)
{
    Pgtide__V1__Envelope *envelope;
    ErrCode code = unpack_envelope(arena, bytes, length, type, &envelope, err);
    if (code != ERR_OK) {
        return code;
    }
    for (size_t i = 0; i < envelope->n_signatures; i++) {
        if (strcmp(envelope->signatures[i]->keyid, key_public(key)->keyid) == 0) {
            return err_set(err, ERR_EXISTS, "%s has signed already", key_public(key)->name);
        }
    }
    size_t count = envelope->n_signatures;
    envelope->signatures =
        arena_grow(arena, envelope->signatures, count, count + 1, sizeof *envelope->signatures);
    envelope->signatures[count] = ARENA_NEW(arena, Pgtide__V1__Signature);
    code = sign_into(arena, envelope, key, envelope->signatures[count], err);
    if (code != ERR_OK) {
        return code;
    }
    envelope->n_signatures = count + 1;
    return pack_envelope(arena, envelope, type, ret_bytes, ret_length, err);
}

static void add_signer(Signers *signers, const uint8_t *ed25519)
{
    Signer *signer = &signers->items[signers->count++];
    memcpy(signer->ed25519, ed25519, KEY_BYTES);
    key_id(ed25519, signer->keyid);
}

static ErrCode verify_signatures(Arena *arena, const Pgtide__V1__Envelope *envelope,
                                 EnvelopeLookup lookup, void *context, Signers *signers, Error *err)
{
    size_t length = 0;
    uint8_t *signed_bytes = NULL;
    for (size_t i = 0; i < envelope->n_signatures; i++) {
        const Pgtide__V1__Signature *signature = envelope->signatures[i];
        const uint8_t *ed25519 = lookup(context, signature->keyid);
        if (ed25519 == NULL || signers_have(signers, ed25519)) {
            continue;
        }
        if (signed_bytes == NULL) {
            signed_bytes = envelope_pae(arena, envelope->payload_type, envelope->payload.data,
                                        envelope->payload.len, &length);
        }
        if (signed_bytes == NULL ||
            !key_verify(ed25519, signed_bytes, length, signature->sig.data, signature->sig.len)) {
            return err_set(err, ERR_SIGNATURE_INVALID, "the signature of %s does not hold",
                           signature->keyid);
        }
        add_signer(signers, ed25519);
    }
    return ERR_OK;
}

ErrCode envelope_open(Arena *arena, const void *bytes, size_t length, MessageType type,
                      EnvelopeLookup lookup, void *context, const uint8_t **ret_payload,
                      size_t *ret_length, Signers *ret_signers, Error *err)
{
    Pgtide__V1__Envelope *envelope;
    ErrCode code = unpack_envelope(arena, bytes, length, type, &envelope, err);
    if (code != ERR_OK) {
        return code;
    }
    if (envelope->n_signatures == 0) {
        return err_set(err, ERR_SIGNATURE_INVALID, "the %s is not signed", types[type].name);
    }
    Signers signers = {.count = 0};
    code = verify_signatures(arena, envelope, lookup, context, &signers, err);
    if (code != ERR_OK) {
        return code;
    }
    if (signers.count == 0) {
        return err_set(err, ERR_KEY_UNKNOWN, "no key that signed the %s may do so (%s)",
                       types[type].name, envelope->signatures[0]->keyid);
    }
    *ret_payload = envelope->payload.data;
    *ret_length = envelope->payload.len;
    if (ret_signers != NULL) {
        *ret_signers = signers;
    }
    return ERR_OK;
}

ErrCode envelope_peek_unverified(Arena *arena, const void *bytes, size_t length, MessageType type,
                                 const uint8_t **ret_payload, size_t *ret_length,
                                 size_t *ret_signature_count, Error *err)
{
    Pgtide__V1__Envelope *envelope;
    ErrCode code = unpack_envelope(arena, bytes, length, type, &envelope, err);
    if (code != ERR_OK) {
        return code;
    }
    *ret_payload = envelope->payload.data;
    *ret_length = envelope->payload.len;
    if (ret_signature_count != NULL) {
        *ret_signature_count = envelope->n_signatures;
    }
    return ERR_OK;
}

ErrCode envelope_peek_signer(Arena *arena, const void *bytes, size_t length, MessageType type,
                             const char **ret_keyid, Error *err)
{
    Pgtide__V1__Envelope *envelope;
    ErrCode code = unpack_envelope(arena, bytes, length, type, &envelope, err);
    if (code != ERR_OK) {
        return code;
    }
    if (envelope->n_signatures != 1 || !key_id_is_valid(envelope->signatures[0]->keyid)) {
        return err_set(err, ERR_PROTOCOL, "the envelope does not have one signature");
    }
    *ret_keyid = envelope->signatures[0]->keyid;
    return ERR_OK;
}
