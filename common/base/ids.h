/*
 * Identities and digests as values, and their text forms (INTERFACES.md "Ids", "Digests"). No
 * hashing here: digest.h.
 */
#pragma once

#include "error.h"

#include <stddef.h>

typedef struct Uuid {
    uint8_t bytes[16];
} Uuid;

typedef struct Digest {
    uint8_t bytes[32];
} Digest;

/* One step's exactly-once key. */
typedef struct OperationId {
    uint8_t bytes[16];
} OperationId;

enum {
    UUID_TEXT_SIZE = 37,       /* with NUL */
    DIGEST_TEXT_SIZE = 7 + 65, /* "sha256:" + 64 hex + NUL */
    DIGEST_HEX_SIZE = 65,
    OPERATION_TEXT_SIZE = 33,
    FINGERPRINT_TEXT_SIZE = 3 + DIGEST_HEX_SIZE, /* "f1:" + 64 hex + NUL */
    KEY_ID_TEXT_SIZE = 8 + 33,                   /* "ed25519:" + 32 hex + NUL */
};

void hex_encode(const uint8_t *bytes, size_t length, char *out); /* out: 2 * length + 1 */
/* Exactly 2 * length lower-case hex digits and the NUL; false otherwise. */
bool hex_decode(const char *text, uint8_t *out, size_t length);

void uuid_format(const Uuid *uuid, char out[UUID_TEXT_SIZE]);
bool uuid_parse(const char *text, Uuid *out);
bool uuid_equal(const Uuid *a, const Uuid *b);
bool uuid_is_nil(const Uuid *uuid);
int uuid_compare(const Uuid *a, const Uuid *b);

void digest_format(const Digest *digest, char out[DIGEST_TEXT_SIZE]); /* sha256:<hex> */
void digest_hex(const Digest *digest, char out[DIGEST_HEX_SIZE]);
bool digest_parse(const char *text, Digest *out); /* sha256:<hex> */
/* Of a schema: f1:<hex>. Fingerprints of another form can't be compared with ours. */
void fingerprint_format(const Digest *fingerprint, char out[FINGERPRINT_TEXT_SIZE]);
bool fingerprint_parse(const char *text, Digest *out);
bool digest_equal(const Digest *a, const Digest *b);
bool digest_is_zero(const Digest *digest);

void operation_format(const OperationId *operation, char out[OPERATION_TEXT_SIZE]);

/* Rollouts, agents, hosts, clusters, operators: [a-z0-9][a-z0-9_-]{0,62}. */
bool name_is_valid(const char *name);
/* Revision ids: [A-Za-z0-9_.]{1,255}. */
bool revision_id_is_valid(const char *id);
/* "ed25519:" + 32 hex. */
bool key_id_is_valid(const char *text);
