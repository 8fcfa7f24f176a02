/*
 * The trust file: which keys hold which role. Signed by the root keys, pinned by coordinator and
 * agents, replaced only by its successor (version + 1, signed by the thresholds of both).
 */
#pragma once

#include "envelope.h"

typedef enum OperatorRole {
    OPERATOR_ROLE_UNSPECIFIED,
    OPERATOR_ROLE_VIEWER,   /* reads */
    OPERATOR_ROLE_OPERATOR, /* also plans, starts, paces */
    OPERATOR_ROLE_APPROVER, /* also approves */
    OPERATOR_ROLE_ADMIN,    /* also admits and revokes agents */
    OPERATOR_ROLE_COUNT
} OperatorRole;

const char *operator_role_name(OperatorRole role);               /* "approver" */
OperatorRole operator_role_from_name(const char *name);          /* or UNSPECIFIED */
bool operator_role_covers(OperatorRole has, OperatorRole needs); /* roles are nested */

typedef struct TrustOperator {
    PublicKeyInfo key;
    OperatorRole role;
} TrustOperator;

typedef struct TrustKeyRole {
    uint32_t threshold; /* distinct keys that must sign */
    const PublicKeyInfo *keys;
    size_t key_count;
} TrustKeyRole;

/* The parts of a trust file; arrays are borrowed by trust_encode and live in the Trust else. */
typedef struct TrustParts {
    Uuid fleet_id;
    uint64_t version; /* from 1 */
    uint64_t created_unix_ms;
    uint64_t expires_unix_ms; /* 0 = never */
    TrustKeyRole root;
    TrustKeyRole release;
    const TrustOperator *operators;
    size_t operator_count;
    const PublicKeyInfo *coordinators;
    size_t coordinator_count;
} TrustParts;

typedef struct Trust Trust;

/* The payload of a trust file: checked (thresholds, duplicates, names), not signed yet. */
ErrCode trust_encode(Arena *arena, const TrustParts *parts, uint8_t **ret_bytes, size_t *ret_length,
                     Error *err) MUST_CHECK;

/*
 * Opens a pinned trust file: its own root threshold must hold. `now_unix_ms` 0 skips the expiry.
 * Whether these root keys are the right ones is decided by pinning: the first file is installed by
 * a person, later ones by trust_open_next. Returns owned.
 */
ErrCode trust_open(const void *bytes, size_t length, uint64_t now_unix_ms, Trust **ret_trust,
                   Error *err) MUST_CHECK;
ErrCode trust_load(const char *path, uint64_t now_unix_ms, Trust **ret_trust,
                   Error *err) MUST_CHECK;
/* Opens the successor of `current`: same fleet, version exactly one more, the root thresholds of
 * both. Returns owned. */
ErrCode trust_open_next(const Trust *current, const void *bytes, size_t length,
                        uint64_t now_unix_ms, Trust **ret_trust, Error *err) MUST_CHECK;
/* For `trust show` and before the last root key has signed: parts are checked, signatures are
 * told, nothing is required. Returns owned; never use it to decide. */
ErrCode trust_open_unverified(const void *bytes, size_t length, Trust **ret_trust,
                              Signers *ret_signers, Error *err) MUST_CHECK;
void trust_free(Trust *trust); /* NULL-safe */
static inline void trust_auto_free(Trust **trust)
{
    trust_free(*trust);
}
#define AUTO_TRUST __attribute__((cleanup(trust_auto_free)))

const TrustParts *trust_parts(const Trust *trust); /* borrows */
const Uuid *trust_fleet_id(const Trust *trust);
uint64_t trust_version(const Trust *trust);
Digest trust_digest(const Trust *trust); /* of the signed payload */
bool trust_is_expired(const Trust *trust, uint64_t now_unix_ms);

/* By key id; NULL when the key has not this role. Borrow. */
const TrustOperator *trust_find_operator(const Trust *trust, const char *keyid);
bool trust_is_coordinator(const Trust *trust, const char *keyid);
/* In any role, by its Ed25519 or its CURVE half. */
bool trust_has_key(const Trust *trust, const PublicKeyInfo *key);

/* Distinct keys of the role among the signers, against its threshold. */
ErrCode trust_release_threshold_met(const Trust *trust, const Signers *signers,
                                    Error *err) MUST_CHECK;
ErrCode trust_root_threshold_met(const Trust *trust, const Signers *signers, Error *err) MUST_CHECK;

/* EnvelopeLookup over one role each; context is the Trust. */
const uint8_t *trust_lookup_root(void *trust, const char *keyid);
const uint8_t *trust_lookup_release(void *trust, const char *keyid);
const uint8_t *trust_lookup_operator(void *trust, const char *keyid);
const uint8_t *trust_lookup_coordinator(void *trust, const char *keyid);

/*
 * Coordinators, then operators: the CURVE keys that may connect, for the ZAP allow-list. Index from
 * 0 while it returns true.
 */
typedef struct TrustPeer {
    const PublicKeyInfo *key;
    bool is_coordinator; /* else an operator */
    OperatorRole role;   /* of an operator */
} TrustPeer;
bool trust_peer_at(const Trust *trust, size_t index, TrustPeer *ret_peer);
