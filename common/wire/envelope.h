/*
 * Signed envelopes: what every authoritative message and file travels in.
 *
 * Signatures are Ed25519 over the DSSE v1 pre-authentication encoding of the type and the payload
 * bytes as received. Nothing in the payload is given out before one signature by a key that the
 * caller's lookup knows holds; what the signers may decide is the caller's question (trust.h).
 * Different KEYS are counted: the same key under two key ids, or signing twice, is one signer.
 */
#pragma once

#include "key.h"

#include "named_limits.h"

typedef enum MessageType {
    MESSAGE_UNSPECIFIED,
    MESSAGE_TRUST,
    MESSAGE_ADMISSION,
    MESSAGE_BUNDLE,
    MESSAGE_PLAN,
    MESSAGE_APPROVAL,
    MESSAGE_COMMAND,
    MESSAGE_REPORT,
    MESSAGE_REQUEST,
    MESSAGE_RESPONSE,
    MESSAGE_EVIDENCE,
    MESSAGE_TYPE_COUNT
} MessageType;

const char *message_type_name(MessageType type); /* "command" */
/* "application/vnd.pgtide.command.v1+protobuf" */
const char *message_type_payload_type(MessageType type);
MessageType message_type_from_payload_type(const char *payload_type); /* or UNSPECIFIED */
/* Of the whole envelope. */
size_t message_type_max_bytes(MessageType type);

typedef struct Signer {
    char keyid[KEY_ID_TEXT_SIZE]; /* made from the key, not read from the envelope */
    uint8_t ed25519[KEY_BYTES];
} Signer;

/* Distinct keys whose signature holds, in the envelope's order. */
typedef struct Signers {
    Signer items[LIMIT_SIGNATURES];
    size_t count;
} Signers;

/* The public key for this key id, or NULL; borrowed until the open returns. */
typedef const uint8_t *(*EnvelopeLookup)(void *context, const char *keyid);

/* `key_count` 0 makes an unsigned envelope (a plan on its way to its author). Bytes live in
 * `arena`. */
ErrCode envelope_sign(Arena *arena, MessageType type, const void *payload, size_t length,
                      const SecretKey *const *keys, size_t key_count, uint8_t **ret_bytes,
                      size_t *ret_length, Error *err) MUST_CHECK;
/* The same envelope with one more signature; a key that has signed already is ERR_EXISTS. The
 * other signatures are kept as they are, unverified. */
ErrCode envelope_add_signature(Arena *arena, const void *bytes, size_t length, MessageType type,
                               const SecretKey *key, uint8_t **ret_bytes, size_t *ret_length,
                               Error *err) MUST_CHECK;
/*
 * Checks size, form and type, then the signatures of the keys `lookup` knows. At least one must
 * hold; a signature by a known key that does not hold refuses the whole envelope. `ret_payload`
 * lives in `arena`; `ret_signers` may be NULL.
 */
ErrCode envelope_open(Arena *arena, const void *bytes, size_t length, MessageType type,
                      EnvelopeLookup lookup, void *context, const uint8_t **ret_payload,
                      size_t *ret_length, Signers *ret_signers, Error *err) MUST_CHECK;
/*
 * Type and payload WITHOUT any check of a signature: for showing a file, for reading a draft on
 * its way to its author, and for finding the keys that a self-signed trust file names. Whoever
 * calls this decides nothing by the result.
 */
ErrCode envelope_peek_unverified(Arena *arena, const void *bytes, size_t length, MessageType type,
                                 const uint8_t **ret_payload, size_t *ret_length,
                                 size_t *ret_signature_count, Error *err) MUST_CHECK;

/* The key that its only signature says it is by: nothing is verified. ERR_PROTOCOL: not one. */
ErrCode envelope_peek_signer(Arena *arena, const void *bytes, size_t length, MessageType type,
                             const char **ret_keyid, Error *err) MUST_CHECK;

/* DSSE v1 pre-authentication encoding, in `arena`; NULL for a type longer than any of ours. */
uint8_t *envelope_pae(Arena *arena, const char *payload_type, const void *payload, size_t length,
                      size_t *ret_length);

bool signers_have(const Signers *signers, const uint8_t ed25519[KEY_BYTES]);
