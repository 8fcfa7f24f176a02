/*
 * Keys: one name, an Ed25519 key that signs, and a CURVE key that opens connections.
 *
 * NAME.key holds the secrets (mode 0600, optionally encrypted with a passphrase: scrypt and
 * AES-256-GCM), NAME.pub the public halves. A SecretKey has no text form; it is wiped when freed.
 */
#pragma once

#include "arena.h"
#include "ids.h"

enum {
    KEY_BYTES = 32,
    SIGNATURE_BYTES = 64,
    KEY_NAME_SIZE = 64,
    CURVE_TEXT_SIZE = 41, /* Z85 with NUL */
};

typedef struct PublicKeyInfo {
    char name[KEY_NAME_SIZE];
    uint8_t ed25519[KEY_BYTES];
    uint8_t curve[KEY_BYTES];
    bool has_curve;
    char keyid[KEY_ID_TEXT_SIZE];
} PublicKeyInfo;

typedef struct SecretKey SecretKey;

/* New random keys. Returns owned. */
ErrCode key_generate(const char *name, SecretKey **ret_key, Error *err) MUST_CHECK;
/* From a given Ed25519 seed and CURVE secret (NULL: a key that never opens a connection). */
ErrCode key_from_secrets(const char *name, const uint8_t seed[KEY_BYTES],
                         const uint8_t curve_secret[KEY_BYTES], SecretKey **ret_key,
                         Error *err) MUST_CHECK;
void key_free(SecretKey *key); /* NULL-safe; wipes */
static inline void key_auto_free(SecretKey **key)
{
    key_free(*key);
}
#define AUTO_KEY __attribute__((cleanup(key_auto_free)))

const PublicKeyInfo *key_public(const SecretKey *key); /* borrows */
/* 32 raw bytes for ZMQ_CURVE_SECRETKEY, or NULL when the key has no CURVE half. Borrows. */
const uint8_t *key_curve_secret(const SecretKey *key);
/* Ed25519 over the bytes as they are. Pre-hashing and domain separation are envelope.h's. */
ErrCode key_sign(const SecretKey *key, const void *bytes, size_t length,
                 uint8_t ret_signature[SIGNATURE_BYTES], Error *err) MUST_CHECK;
bool key_verify(const uint8_t ed25519[KEY_BYTES], const void *bytes, size_t length,
                const uint8_t *signature, size_t signature_length) MUST_CHECK;

/* "ed25519:" + hex of the first 16 bytes of SHA-256(public key). */
void key_id(const uint8_t ed25519[KEY_BYTES], char out[KEY_ID_TEXT_SIZE]);

/*
 * Private file: never overwrites (ERR_EXISTS), mode 0600, synced. `passphrase_file` names the file
 * whose first line is the passphrase; NULL: the file is not encrypted.
 */
ErrCode key_save(const SecretKey *key, const char *path, const char *passphrase_file,
                 Error *err) MUST_CHECK;
/*
 * Refuses a file that group or others may read or write. `passphrase_file` NULL means the file
 * named by PGTIDE_KEY_PASSPHRASE_FILE, if any. Returns owned.
 */
ErrCode key_load(const char *path, const char *passphrase_file, SecretKey **ret_key,
                 Error *err) MUST_CHECK;
ErrCode public_key_save(const PublicKeyInfo *key, const char *path, Error *err) MUST_CHECK;
ErrCode public_key_load(const char *path, PublicKeyInfo *ret_key, Error *err) MUST_CHECK;

/* Fills keyid from ed25519 and checks the name. */
ErrCode public_key_complete(PublicKeyInfo *key, Error *err) MUST_CHECK;

/* Z85, the text form ZeroMQ uses for CURVE keys. */
void curve_format(const uint8_t curve[KEY_BYTES], char out[CURVE_TEXT_SIZE]);
bool curve_parse(const char *text, uint8_t out[KEY_BYTES]) MUST_CHECK;
