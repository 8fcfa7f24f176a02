#include "key_codec.h"

#include "proto_read.h"

#include <string.h>

ErrCode public_key_decode(const Pgtide__V1__PublicKey *in, bool needs_curve, PublicKeyInfo *out,
                          Error *err)
{
    PublicKeyInfo key;
    memset(&key, 0, sizeof key);
    if (in == NULL) {
        return err_set(err, ERR_PROTOCOL, "a key is missing");
    }
    if (!name_is_valid(in->name)) {
        return err_set(err, ERR_PROTOCOL, "a key's name is not a name ([a-z0-9][a-z0-9_-]{0,62})");
    }
    memcpy(key.name, in->name, strlen(in->name));
    if (in->ed25519.len != KEY_BYTES) {
        return err_set(err, ERR_PROTOCOL, "the Ed25519 key of %s has %zu bytes", key.name,
                       in->ed25519.len);
    }
    memcpy(key.ed25519, in->ed25519.data, KEY_BYTES);
    if (in->curve.len != KEY_BYTES && (in->curve.len != 0 || needs_curve)) {
        return err_set(err, ERR_PROTOCOL, "the CURVE key of %s has %zu bytes", key.name,
                       in->curve.len);
    }
    if (in->curve.len == KEY_BYTES) {
        memcpy(key.curve, in->curve.data, KEY_BYTES);
        key.has_curve = true;
    }
    ErrCode code = public_key_complete(&key, err);
    if (code != ERR_OK) {
        return code;
    }
    *out = key;
    return ERR_OK;
}

Pgtide__V1__PublicKey *public_key_encode(Arena *arena, const PublicKeyInfo *key, bool with_curve)
{
    Pgtide__V1__PublicKey *out = ARENA_NEW(arena, Pgtide__V1__PublicKey);
    pgtide__v1__public_key__init(out);
    out->name = arena_strdup(arena, key->name);
    out->ed25519 = proto_bytes(key->ed25519, KEY_BYTES);
    out->curve = proto_bytes(key->curve, with_curve && key->has_curve ? KEY_BYTES : 0);
    return out;
}
