#include "trust.h"

#include "clock.h"
#include "digest.h"
#include "file.h"
#include "trust_codec.h"

#include <stdlib.h>
#include <string.h>

typedef enum Role { ROLE_ROOT, ROLE_RELEASE, ROLE_OPERATOR, ROLE_COORDINATOR } Role;

/* One key; no key is in two roles. */
typedef struct Entry {
    const PublicKeyInfo *key;
    const TrustOperator *who; /* of an operator */
    Role role;
} Entry;

struct Trust {
    Arena *arena;
    TrustParts parts;
    Digest digest;
    Entry *entries; /* by key id */
    size_t entry_count;
};

static const char *const role_names[OPERATOR_ROLE_COUNT] = {
    [OPERATOR_ROLE_UNSPECIFIED] = "unspecified",
    [OPERATOR_ROLE_VIEWER] = "viewer",
    [OPERATOR_ROLE_OPERATOR] = "operator",
    [OPERATOR_ROLE_APPROVER] = "approver",
    [OPERATOR_ROLE_ADMIN] = "admin",
};

const char *operator_role_name(OperatorRole role)
{
    return role_names[role];
}

OperatorRole operator_role_from_name(const char *name)
{
    for (int i = OPERATOR_ROLE_VIEWER; i < OPERATOR_ROLE_COUNT; i++) {
        if (strcmp(role_names[i], name) == 0) {
            return (OperatorRole)i;
        }
    }
    return OPERATOR_ROLE_UNSPECIFIED;
}

bool operator_role_covers(OperatorRole has, OperatorRole needs)
{
    return needs != OPERATOR_ROLE_UNSPECIFIED && has >= needs;
}

/* --- making ----------------------------------------------------------------------------------- */

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const Entry *)a)->key->keyid, ((const Entry *)b)->key->keyid);
}

static void index_keys(Trust *trust)
{
    const TrustParts *parts = &trust->parts;
    Entry *at = ARENA_ARRAY(trust->arena, Entry, trust_key_count(parts) + 1);
    trust->entries = at;
    for (size_t i = 0; i < parts->root.key_count; i++) {
        *at++ = (Entry){&parts->root.keys[i], NULL, ROLE_ROOT};
    }
    for (size_t i = 0; i < parts->release.key_count; i++) {
        *at++ = (Entry){&parts->release.keys[i], NULL, ROLE_RELEASE};
    }
    for (size_t i = 0; i < parts->operator_count; i++) {
        *at++ = (Entry){&parts->operators[i].key, &parts->operators[i], ROLE_OPERATOR};
    }
    for (size_t i = 0; i < parts->coordinator_count; i++) {
        *at++ = (Entry){&parts->coordinators[i], NULL, ROLE_COORDINATOR};
    }
    trust->entry_count = (size_t)(at - trust->entries);
    qsort(trust->entries, trust->entry_count, sizeof *trust->entries, compare_entries);
}

void trust_free(Trust *trust)
{
    if (trust != NULL) {
        arena_free(trust->arena);
        free(trust);
    }
}

/* Content only; no signature is looked at. */
static ErrCode read_payload(const uint8_t *payload, size_t length, Trust **ret_trust, Error *err)
{
    Trust *trust = xcalloc(1, sizeof *trust);
    trust->arena = arena_new();
    ErrCode code = trust_parts_decode(trust->arena, payload, length, &trust->parts, err);
    if (code != ERR_OK) {
        trust_free(trust);
        return code;
    }
    trust->digest = sha256_bytes(payload, length);
    index_keys(trust);
    *ret_trust = trust;
    return ERR_OK;
}

static ErrCode threshold_met(const TrustKeyRole *role, const char *name, const Signers *signers,
                             Error *err)
{
    uint32_t held = 0;
    for (size_t i = 0; i < role->key_count; i++) {
        held += signers_have(signers, role->keys[i].ed25519) ? 1 : 0;
    }
    if (held < role->threshold) {
        err_set(err, ERR_SIGNATURE_INVALID, "signed by %u of the %u %s keys it needs", held,
                role->threshold, name);
        err_hint(err, "Have %u more of the %s keys sign it.", role->threshold - held, name);
        return ERR_SIGNATURE_INVALID;
    }
    return ERR_OK;
}

ErrCode trust_release_threshold_met(const Trust *trust, const Signers *signers, Error *err)
{
    return threshold_met(&trust->parts.release, "release", signers, err);
}

ErrCode trust_root_threshold_met(const Trust *trust, const Signers *signers, Error *err)
{
    return threshold_met(&trust->parts.root, "root", signers, err);
}

/* The envelope against the root keys of `judge`. */
static ErrCode root_signed(const Trust *judge, const void *bytes, size_t length, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    Signers signers;
    const uint8_t *payload;
    size_t payload_length;
    ErrCode code =
        envelope_open(arena, bytes, length, MESSAGE_TRUST, trust_lookup_root,
                      (void *)(uintptr_t)judge, &payload, &payload_length, &signers, err);
    return code == ERR_OK ? trust_root_threshold_met(judge, &signers, err) : code;
}

static ErrCode read_unverified(const void *bytes, size_t length, Trust **ret_trust, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    const uint8_t *payload;
    size_t payload_length;
    ErrCode code = envelope_peek_unverified(arena, bytes, length, MESSAGE_TRUST, &payload,
                                            &payload_length, NULL, err);
    return code == ERR_OK ? read_payload(payload, payload_length, ret_trust, err) : code;
}

static ErrCode check_expiry(const Trust *trust, uint64_t now_unix_ms, Error *err)
{
    if (now_unix_ms == 0 || !trust_is_expired(trust, now_unix_ms)) {
        return ERR_OK;
    }
    char when[TIME_TEXT_SIZE];
    time_format_rfc3339(trust->parts.expires_unix_ms, when);
    err_set(err, ERR_STALE, "trust version %llu expired at %s",
            (unsigned long long)trust->parts.version, when);
    err_hint(err, "Have the root keys sign a new version.");
    return ERR_STALE;
}

/* Its own roots decide here which keys are roots: only for a file that is pinned, or whose
 * predecessor has judged it already. */
ErrCode trust_open(const void *bytes, size_t length, uint64_t now_unix_ms, Trust **ret_trust,
                   Error *err)
{
    Trust *trust;
    ErrCode code = read_unverified(bytes, length, &trust, err);
    if (code != ERR_OK) {
        err_wrap(err, "trust file");
        return code;
    }
    code = root_signed(trust, bytes, length, err);
    if (code == ERR_OK) {
        code = check_expiry(trust, now_unix_ms, err);
    }
    if (code != ERR_OK) {
        trust_free(trust);
        err_wrap(err, "trust file");
        return code;
    }
    *ret_trust = trust;
    return ERR_OK;
}

ErrCode trust_load(const char *path, uint64_t now_unix_ms, Trust **ret_trust, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    uint8_t *bytes;
    size_t length;
    ErrCode code = file_read_all(arena, path, LIMIT_TRUST_FILE_BYTES, &bytes, &length, err);
    if (code != ERR_OK) {
        return code;
    }
    code = trust_open(bytes, length, now_unix_ms, ret_trust, err);
    if (code != ERR_OK) {
        err_wrap(err, "%s", path);
    }
    return code;
}

ErrCode trust_open_next(const Trust *current, const void *bytes, size_t length,
                        uint64_t now_unix_ms, Trust **ret_trust, Error *err)
{
    ErrCode code = root_signed(current, bytes, length, err);
    if (code != ERR_OK) {
        err_wrap(err, "by the trust file in force");
        return code;
    }
    Trust *next;
    code = trust_open(bytes, length, now_unix_ms, &next, err);
    if (code != ERR_OK) {
        return code;
    }
    if (!uuid_equal(&next->parts.fleet_id, &current->parts.fleet_id)) {
        code = err_set(err, ERR_REFUSED, "the trust file is of another fleet");
    } else if (next->parts.version != current->parts.version + 1) {
        code = err_set(err, ERR_STALE, "trust version %llu can't follow version %llu",
                       (unsigned long long)next->parts.version,
                       (unsigned long long)current->parts.version);
    }
    if (code != ERR_OK) {
        trust_free(next);
        return code;
    }
    *ret_trust = next;
    return ERR_OK;
}

ErrCode trust_open_unverified(const void *bytes, size_t length, Trust **ret_trust,
                              Signers *ret_signers, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    Trust *trust;
    ErrCode code = read_unverified(bytes, length, &trust, err);
    if (code != ERR_OK) {
        return code;
    }
    Signers signers = {.count = 0};
    const uint8_t *payload;
    size_t payload_length;
    size_t signature_count;
    code = envelope_peek_unverified(arena, bytes, length, MESSAGE_TRUST, &payload, &payload_length,
                                    &signature_count, err);
    if (code == ERR_OK && signature_count > 0) {
        code = envelope_open(arena, bytes, length, MESSAGE_TRUST, trust_lookup_root, trust,
                             &payload, &payload_length, &signers, err);
        code = code == ERR_KEY_UNKNOWN ? ERR_OK : code;
    }
    if (code != ERR_OK) {
        trust_free(trust);
        return code;
    }
    *ret_trust = trust;
    *ret_signers = signers;
    return ERR_OK;
}

/* --- reading ---------------------------------------------------------------------------------- */

const TrustParts *trust_parts(const Trust *trust)
{
    return &trust->parts;
}

const Uuid *trust_fleet_id(const Trust *trust)
{
    return &trust->parts.fleet_id;
}

uint64_t trust_version(const Trust *trust)
{
    return trust->parts.version;
}

Digest trust_digest(const Trust *trust)
{
    return trust->digest;
}

bool trust_is_expired(const Trust *trust, uint64_t now_unix_ms)
{
    return trust->parts.expires_unix_ms != 0 && now_unix_ms >= trust->parts.expires_unix_ms;
}

static int compare_keyid_entry(const void *keyid, const void *entry)
{
    return strcmp(keyid, ((const Entry *)entry)->key->keyid);
}

static const Entry *find(const Trust *trust, const char *keyid, Role role)
{
    const Entry *entry = bsearch(keyid, trust->entries, trust->entry_count, sizeof *trust->entries,
                                 compare_keyid_entry);
    return entry != NULL && entry->role == role ? entry : NULL;
}

const TrustOperator *trust_find_operator(const Trust *trust, const char *keyid)
{
    const Entry *entry = find(trust, keyid, ROLE_OPERATOR);
    return entry == NULL ? NULL : entry->who;
}

bool trust_is_coordinator(const Trust *trust, const char *keyid)
{
    return find(trust, keyid, ROLE_COORDINATOR) != NULL;
}

bool trust_has_key(const Trust *trust, const PublicKeyInfo *key)
{
    for (size_t i = 0; i < trust->entry_count; i++) {
        const PublicKeyInfo *other = trust->entries[i].key;
        if (memcmp(other->ed25519, key->ed25519, KEY_BYTES) == 0 ||
            (other->has_curve && key->has_curve &&
             memcmp(other->curve, key->curve, KEY_BYTES) == 0)) {
            return true;
        }
    }
    return false;
}

static const uint8_t *lookup(const Trust *trust, const char *keyid, Role role)
{
    const Entry *entry = find(trust, keyid, role);
    return entry == NULL ? NULL : entry->key->ed25519;
}

const uint8_t *trust_lookup_root(void *trust, const char *keyid)
{
    return lookup(trust, keyid, ROLE_ROOT);
}

const uint8_t *trust_lookup_release(void *trust, const char *keyid)
{
    return lookup(trust, keyid, ROLE_RELEASE);
}

const uint8_t *trust_lookup_operator(void *trust, const char *keyid)
{
    return lookup(trust, keyid, ROLE_OPERATOR);
}

const uint8_t *trust_lookup_coordinator(void *trust, const char *keyid)
{
    return lookup(trust, keyid, ROLE_COORDINATOR);
}

bool trust_peer_at(const Trust *trust, size_t index, TrustPeer *ret_peer)
{
    const TrustParts *parts = &trust->parts;
    if (index < parts->coordinator_count) {
        *ret_peer = (TrustPeer){&parts->coordinators[index], true, OPERATOR_ROLE_UNSPECIFIED};
        return true;
    }
    index -= parts->coordinator_count;
    if (index < parts->operator_count) {
        *ret_peer = (TrustPeer){&parts->operators[index].key, false, parts->operators[index].role};
        return true;
    }
    return false;
}
