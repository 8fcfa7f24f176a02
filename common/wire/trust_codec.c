#include "trust_codec.h"

#include "codec_common.h"
#include "key_codec.h"

#include "named_limits.h"

#include <stdlib.h>
#include <string.h>

_Static_assert((int)PGTIDE__V1__OPERATOR_ROLE__OPERATOR_ROLE_ADMIN == (int)OPERATOR_ROLE_ADMIN, "");

/* --- rules ------------------------------------------------------------------------------------ */

size_t trust_key_count(const TrustParts *parts)
{
    return parts->root.key_count + parts->release.key_count + parts->operator_count +
           parts->coordinator_count;
}

/* `out` holds trust_key_count(). */
static void collect_keys(const TrustParts *parts, const PublicKeyInfo **out)
{
    for (size_t i = 0; i < parts->root.key_count; i++) {
        *out++ = &parts->root.keys[i];
    }
    for (size_t i = 0; i < parts->release.key_count; i++) {
        *out++ = &parts->release.keys[i];
    }
    for (size_t i = 0; i < parts->operator_count; i++) {
        *out++ = &parts->operators[i].key;
    }
    for (size_t i = 0; i < parts->coordinator_count; i++) {
        *out++ = &parts->coordinators[i];
    }
}

typedef int (*CompareKeys)(const PublicKeyInfo *a, const PublicKeyInfo *b);

static int by_name(const PublicKeyInfo *a, const PublicKeyInfo *b)
{
    return strcmp(a->name, b->name);
}

static int by_ed25519(const PublicKeyInfo *a, const PublicKeyInfo *b)
{
    return memcmp(a->ed25519, b->ed25519, KEY_BYTES);
}

/* Two key ids that are equal for different keys would make a lookup ambiguous. */
static int by_keyid(const PublicKeyInfo *a, const PublicKeyInfo *b)
{
    return strcmp(a->keyid, b->keyid);
}

static int by_curve(const PublicKeyInfo *a, const PublicKeyInfo *b)
{
    return memcmp(a->curve, b->curve, KEY_BYTES);
}

static int compare_with(const void *a, const void *b, void *compare)
{
    CompareKeys by = *(CompareKeys *)compare;
    return by(*(const PublicKeyInfo *const *)a, *(const PublicKeyInfo *const *)b);
}

static ErrCode check_none_twice(const PublicKeyInfo **keys, size_t count, CompareKeys by,
                                const char *what, Error *err)
{
    qsort_r(keys, count, sizeof *keys, compare_with, &by);
    for (size_t i = 1; i < count; i++) {
        if (by(keys[i - 1], keys[i]) == 0) {
            return err_set(err, ERR_CONFIG, "%s and %s have the same %s: each role needs its own",
                           keys[i - 1]->name, keys[i]->name, what);
        }
    }
    return ERR_OK;
}

static ErrCode check_duplicates(const TrustParts *parts, Error *err)
{
    size_t count = trust_key_count(parts);
    const PublicKeyInfo **keys = xcalloc(count + 1, sizeof *keys);
    collect_keys(parts, keys);
    ErrCode code = check_none_twice(keys, count, by_ed25519, "key", err);
    if (code == ERR_OK) {
        code = check_none_twice(keys, count, by_name, "name", err);
    }
    if (code == ERR_OK) {
        code = check_none_twice(keys, count, by_keyid, "key id", err);
    }
    size_t with_curve = 0;
    for (size_t i = 0; i < count; i++) {
        if (keys[i]->has_curve) {
            keys[with_curve++] = keys[i];
        }
    }
    if (code == ERR_OK) {
        code = check_none_twice(keys, with_curve, by_curve, "CURVE key", err);
    }
    free(keys);
    return code;
}

static ErrCode check_threshold(const TrustKeyRole *role, const char *name, Error *err)
{
    if (role->threshold == 0 || role->threshold > role->key_count) {
        return err_set(err, ERR_CONFIG, "the %s threshold is %u with %zu keys", name,
                       role->threshold, role->key_count);
    }
    /* More could not sign one file. */
    return proto_count(role->threshold, LIMIT_SIGNATURES, "signatures needed", err);
}

static ErrCode check_keys_complete(const TrustParts *parts, Error *err)
{
    for (size_t i = 0; i < parts->operator_count; i++) {
        const TrustOperator *who = &parts->operators[i];
        CHECK(proto_enum((int)who->role, OPERATOR_ROLE_COUNT, "operator role", err));
        if (!who->key.has_curve) {
            return err_set(err, ERR_CONFIG, "operator %s has no CURVE key", who->key.name);
        }
    }
    for (size_t i = 0; i < parts->coordinator_count; i++) {
        if (!parts->coordinators[i].has_curve) {
            return err_set(err, ERR_CONFIG, "coordinator %s has no CURVE key",
                           parts->coordinators[i].name);
        }
    }
    return ERR_OK;
}

ErrCode trust_parts_check(const TrustParts *parts, Error *err)
{
    if (uuid_is_nil(&parts->fleet_id) || parts->version == 0 || parts->created_unix_ms == 0) {
        return err_set(err, ERR_CONFIG, "a trust file needs a fleet id, a version and a time");
    }
    if (parts->expires_unix_ms != 0 && parts->expires_unix_ms <= parts->created_unix_ms) {
        return err_set(err, ERR_CONFIG, "the trust file expires before it was made");
    }
    CHECK(proto_count(parts->operator_count, LIMIT_OPERATORS, "operators", err));
    CHECK(proto_count(trust_key_count(parts), LIMIT_TRUST_KEYS, "keys", err));
    CHECK(check_threshold(&parts->root, "root", err));
    CHECK(check_threshold(&parts->release, "release", err));
    CHECK(check_keys_complete(parts, err));
    return check_duplicates(parts, err);
}

/* --- decoding --------------------------------------------------------------------------------- */

static ErrCode keys_decode(Arena *arena, Pgtide__V1__PublicKey *const *items, size_t count,
                           bool needs_curve, const PublicKeyInfo **ret_keys, Error *err)
{
    CHECK(proto_count(count, LIMIT_TRUST_KEYS, "keys", err));
    PublicKeyInfo *keys = ARENA_ARRAY(arena, PublicKeyInfo, count + 1);
    for (size_t i = 0; i < count; i++) {
        CHECK(public_key_decode(items[i], needs_curve, &keys[i], err));
    }
    *ret_keys = keys;
    return ERR_OK;
}

static ErrCode role_decode(Arena *arena, const Pgtide__V1__KeyRole *in, TrustKeyRole *out,
                           Error *err)
{
    if (in == NULL) {
        return err_set(err, ERR_PROTOCOL, "a role is missing in the trust file");
    }
    out->threshold = in->threshold;
    out->key_count = in->n_keys;
    return keys_decode(arena, in->keys, in->n_keys, false, &out->keys, err);
}

static ErrCode operators_decode(Arena *arena, const Pgtide__V1__Trust *in, TrustParts *out,
                                Error *err)
{
    CHECK(proto_count(in->n_operators, LIMIT_OPERATORS, "operators", err));
    TrustOperator *operators = ARENA_ARRAY(arena, TrustOperator, in->n_operators + 1);
    for (size_t i = 0; i < in->n_operators; i++) {
        CHECK(public_key_decode(in->operators[i]->key, true, &operators[i].key, err));
        CHECK(proto_enum((int)in->operators[i]->role, OPERATOR_ROLE_COUNT, "operator role", err));
        operators[i].role = (OperatorRole)in->operators[i]->role;
    }
    out->operators = operators;
    out->operator_count = in->n_operators;
    return ERR_OK;
}

ErrCode trust_parts_decode(Arena *arena, const void *bytes, size_t length, TrustParts *out,
                           Error *err)
{
    ProtobufCMessage *message;
    CHECK(proto_unpack(arena, &pgtide__v1__trust__descriptor, bytes, length, UNKNOWN_FIELDS_REFUSE,
                       &message, err));
    const Pgtide__V1__Trust *in = (Pgtide__V1__Trust *)message;
    TrustParts parts = {.version = in->version,
                        .created_unix_ms = in->created_unix_ms,
                        .expires_unix_ms = in->expires_unix_ms,
                        .coordinator_count = in->n_coordinators};
    CHECK(proto_uuid(&in->fleet_id, "fleet id", &parts.fleet_id, err));
    CHECK(role_decode(arena, in->root, &parts.root, err));
    CHECK(role_decode(arena, in->release, &parts.release, err));
    CHECK(operators_decode(arena, in, &parts, err));
    CHECK(keys_decode(arena, in->coordinators, in->n_coordinators, true, &parts.coordinators, err));
    CHECK(trust_parts_check(&parts, err));
    *out = parts;
    return ERR_OK;
}

/* --- encoding --------------------------------------------------------------------------------- */

static Pgtide__V1__PublicKey **keys_encode(Arena *arena, const PublicKeyInfo *keys, size_t count,
                                           bool with_curve)
{
    Pgtide__V1__PublicKey **items = ARENA_ARRAY(arena, Pgtide__V1__PublicKey *, count + 1);
    for (size_t i = 0; i < count; i++) {
        items[i] = public_key_encode(arena, &keys[i], with_curve);
    }
    return items;
}

static Pgtide__V1__KeyRole *role_encode(Arena *arena, const TrustKeyRole *role)
{
    Pgtide__V1__KeyRole *out = ARENA_NEW(arena, Pgtide__V1__KeyRole);
    pgtide__v1__key_role__init(out);
    out->threshold = role->threshold;
    out->n_keys = role->key_count;
    out->keys = keys_encode(arena, role->keys, role->key_count, false);
    return out;
}

ErrCode trust_encode(Arena *arena, const TrustParts *parts, uint8_t **ret_bytes, size_t *ret_length,
                     Error *err)
{
    CHECK(trust_parts_check(parts, err));
    Pgtide__V1__Trust out;
    pgtide__v1__trust__init(&out);
    out.fleet_id = proto_from_uuid(&parts->fleet_id);
    out.version = parts->version;
    out.created_unix_ms = parts->created_unix_ms;
    out.expires_unix_ms = parts->expires_unix_ms;
    out.root = role_encode(arena, &parts->root);
    out.release = role_encode(arena, &parts->release);
    out.n_operators = parts->operator_count;
    out.operators = ARENA_ARRAY(arena, Pgtide__V1__Operator *, parts->operator_count + 1);
    for (size_t i = 0; i < parts->operator_count; i++) {
        out.operators[i] = ARENA_NEW(arena, Pgtide__V1__Operator);
        pgtide__v1__operator__init(out.operators[i]);
        out.operators[i]->key = public_key_encode(arena, &parts->operators[i].key, true);
        out.operators[i]->role = (Pgtide__V1__OperatorRole)parts->operators[i].role;
    }
    out.n_coordinators = parts->coordinator_count;
    out.coordinators = keys_encode(arena, parts->coordinators, parts->coordinator_count, true);
    *ret_bytes = proto_pack(arena, &out.base, ret_length);
    return ERR_OK;
}
