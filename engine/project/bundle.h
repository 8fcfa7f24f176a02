/*
 * Bundle: an immutable signed set of revisions, the only SQL that may ever run on a fleet. A file
 * holds the signed manifest (id, graph and digests of every revision) and the revision files in the
 * manifest's order.
 */
#pragma once

#include "graph.h"
#include "safe.h"
#include "trust.h"

typedef struct Bundle {
    Digest digest; /* of the manifest's bytes */
    const char *name;
    uint64_t created_unix_ms;
    Script **scripts;
    size_t script_count;
    RevisionMap *map;
    SafeFiles safe_files; /* safe/NAME */
    SafeList safe;        /* their statements */
    Signers signers;      /* distinct release keys whose signature holds */
} Bundle;

/* An unsigned bundle file. `scripts` in any order: revisions and baselines; the manifest sorts them
 * by id. `safe` NULL = none. ERR_REFUSED: a repeatable among them; ERR_SCRIPT: what is no safe
 * statement. */
ErrCode bundle_build(Arena *arena, const char *name, uint64_t created_unix_ms,
                     Script *const *scripts, size_t count, const SafeFiles *safe,
                     uint8_t **ret_bytes, size_t *ret_length, Error *err) MUST_CHECK;
/* The same file with one more signature. */
ErrCode bundle_sign(Arena *arena, const void *bytes, size_t length, const SecretKey *key,
                    uint8_t **ret_bytes, size_t *ret_length, Error *err) MUST_CHECK;
/* Verifies signatures against the release role's threshold, every file against its digest, and the
 * graph. Errors: SIGNATURE_INVALID, KEY_UNKNOWN, DIGEST_MISMATCH, PROTOCOL, SCRIPT, GRAPH. All
 * lives in `arena`. */
ErrCode bundle_open(Arena *arena, const void *bytes, size_t length, const Trust *trust,
                    Bundle *ret_bundle, Error *err) MUST_CHECK;
/* Digests and graph are checked, signatures are not: for `bundle show` before it is signed. */
ErrCode bundle_open_unverified(Arena *arena, const void *bytes, size_t length, Bundle *ret_bundle,
                               size_t *ret_signature_count, Error *err) MUST_CHECK;
/* The signed manifest of a bundle file, as it is there. */
ErrCode bundle_manifest_envelope(Arena *arena, const void *bytes, size_t length,
                                 const uint8_t **ret_bytes, size_t *ret_length,
                                 Error *err) MUST_CHECK;
/* The manifest alone: signatures, digest, name and how many revisions. No scripts, no graph. */
ErrCode bundle_manifest_open(Arena *arena, const void *bytes, size_t length, const Trust *trust,
                             Bundle *ret_bundle, Error *err) MUST_CHECK;
