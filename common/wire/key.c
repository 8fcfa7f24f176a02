#include "key.h"

#include "digest.h"
#include "key_internal.h"
#include "libcrypto.h"

#include <stdlib.h>
#include <string.h>
#include <zmq.h>

struct SecretKey {
    PublicKeyInfo public;
    uint8_t seed[KEY_BYTES];
    uint8_t curve_secret[KEY_BYTES];
    EVP_PKEY *pkey; /* made once: signing is on the path of every message */
};

void key_id(const uint8_t ed25519[KEY_BYTES], char out[KEY_ID_TEXT_SIZE])
{
    Digest digest = sha256_bytes(ed25519, KEY_BYTES);
    memcpy(out, "ed25519:", 8);
    hex_encode(digest.bytes, 16, out + 8);
}

void curve_format(const uint8_t curve[KEY_BYTES], char out[CURVE_TEXT_SIZE])
{
    zmq_z85_encode(out, curve, KEY_BYTES);
}

bool curve_parse(const char *text, uint8_t out[KEY_BYTES])
{
    uint8_t bytes[KEY_BYTES];
    if (strlen(text) != CURVE_TEXT_SIZE - 1 || zmq_z85_decode(bytes, text) == NULL) {
        return false;
    }
    memcpy(out, bytes, KEY_BYTES);
    OPENSSL_cleanse(bytes, sizeof bytes);
    return true;
}

static bool all_zero(const uint8_t bytes[KEY_BYTES])
{
    uint8_t any = 0;
    for (int i = 0; i < KEY_BYTES; i++) {
        any |= bytes[i];
    }
    return any == 0;
}

ErrCode public_key_complete(PublicKeyInfo *key, Error *err)
{
    if (memchr(key->name, '\0', sizeof key->name) == NULL || !name_is_valid(key->name)) {
        return err_set(err, ERR_CONFIG, "a key's name is not of the form [a-z0-9][a-z0-9_-]{0,62}");
    }
    if (all_zero(key->ed25519) || (key->has_curve && all_zero(key->curve))) {
        return err_set(err, ERR_CONFIG, "the key of %s is all zero", key->name);
    }
    key_id(key->ed25519, key->keyid);
    return ERR_OK;
}

/* --- making ----------------------------------------------------------------------------------- */

static ErrCode derive_curve_public(const uint8_t secret[KEY_BYTES], uint8_t out[KEY_BYTES],
                                   Error *err)
{
    char secret_text[CURVE_TEXT_SIZE];
    char public_text[CURVE_TEXT_SIZE];
    curve_format(secret, secret_text);
    bool ok = zmq_curve_public(public_text, secret_text) == 0 && curve_parse(public_text, out);
    OPENSSL_cleanse(secret_text, sizeof secret_text);
    if (!ok) {
        return err_set(err, ERR_INTERNAL, "can't derive a CURVE public key");
    }
    return ERR_OK;
}

static ErrCode fill_key(SecretKey *key, const char *name, const uint8_t seed[KEY_BYTES],
                        const uint8_t *curve_secret, Error *err)
{
    if (!name_is_valid(name)) {
        return err_set(err, ERR_USAGE, "`%.80s` is not a name ([a-z0-9][a-z0-9_-]{0,62})", name);
    }
    memcpy(key->public.name, name, strlen(name) + 1);
    memcpy(key->seed, seed, KEY_BYTES);
    key->pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, KEY_BYTES);
    size_t length = KEY_BYTES;
    if (key->pkey == NULL ||
        EVP_PKEY_get_raw_public_key(key->pkey, key->public.ed25519, &length) != 1) {
        return err_set(err, ERR_INTERNAL, "libcrypto makes no Ed25519 key");
    }
    if (curve_secret != NULL) {
        memcpy(key->curve_secret, curve_secret, KEY_BYTES);
        key->public.has_curve = true;
        ErrCode code = derive_curve_public(curve_secret, key->public.curve, err);
        if (code != ERR_OK) {
            return code;
        }
    }
    return public_key_complete(&key->public, err);
}

ErrCode key_from_secrets(const char *name, const uint8_t seed[KEY_BYTES],
                         const uint8_t curve_secret[KEY_BYTES], SecretKey **ret_key, Error *err)
{
    SecretKey *key = xcalloc(1, sizeof *key);
    ErrCode code = fill_key(key, name, seed, curve_secret, err);
    if (code != ERR_OK) {
        key_free(key);
        return code;
    }
    *ret_key = key;
    return ERR_OK;
}

ErrCode key_generate(const char *name, SecretKey **ret_key, Error *err)
{
    uint8_t seed[KEY_BYTES];
    uint8_t curve_secret[KEY_BYTES];
    char public_text[CURVE_TEXT_SIZE];
    char secret_text[CURVE_TEXT_SIZE];
    ErrCode code;
    if (!secure_random(seed, sizeof seed) || zmq_curve_keypair(public_text, secret_text) != 0 ||
        !curve_parse(secret_text, curve_secret)) {
        code = err_set(err, ERR_INTERNAL, "no random source for a new key");
    } else {
        code = key_from_secrets(name, seed, curve_secret, ret_key, err);
    }
    OPENSSL_cleanse(seed, sizeof seed);
    OPENSSL_cleanse(curve_secret, sizeof curve_secret);
    OPENSSL_cleanse(secret_text, sizeof secret_text);
    return code;
}

void key_free(SecretKey *key)
{
    if (key == NULL) {
        return;
    }
    EVP_PKEY_free(key->pkey); /* wipes its own copy */
    OPENSSL_cleanse(key, sizeof *key);
    free(key);
}

const PublicKeyInfo *key_public(const SecretKey *key)
{
    return &key->public;
}

const uint8_t *key_curve_secret(const SecretKey *key)
{
    return key->public.has_curve ? key->curve_secret : NULL;
}

const uint8_t *key_seed(const SecretKey *key)
{
    return key->seed;
}

/* --- using ------------------------------------------------------------------------------------ */

ErrCode key_sign(const SecretKey *key, const void *bytes, size_t length,
                 uint8_t ret_signature[SIGNATURE_BYTES], Error *err)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context == NULL) {
        die_out_of_memory();
    }
    uint8_t signature[SIGNATURE_BYTES];
    size_t signature_length = sizeof signature;
    bool ok = EVP_DigestSignInit(context, NULL, NULL, NULL, key->pkey) == 1 &&
              EVP_DigestSign(context, signature, &signature_length, bytes, length) == 1 &&
              signature_length == sizeof signature;
    EVP_MD_CTX_free(context);
    if (!ok) {
        return err_set(err, ERR_INTERNAL, "libcrypto did not sign");
    }
    memcpy(ret_signature, signature, sizeof signature);
    return ERR_OK;
}

bool key_verify(const uint8_t ed25519[KEY_BYTES], const void *bytes, size_t length,
                const uint8_t *signature, size_t signature_length)
{
    if (signature_length != SIGNATURE_BYTES) {
        return false;
    }
    EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, ed25519, KEY_BYTES);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = pkey != NULL && context != NULL &&
              EVP_DigestVerifyInit(context, NULL, NULL, NULL, pkey) == 1 &&
              EVP_DigestVerify(context, signature, signature_length, bytes, length) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(pkey);
    return ok;
}
