/*
 * A bundle: an immutable, signed set of revisions; the only SQL an agent ever runs.
 *
 * A *.bundle file holds a signed manifest and the revision files in the manifest's order. What
 * bundle_open() gives out was signed by enough release keys, and each file was checked against its
 * digest in the manifest and parsed again: id, parents and all else must equal the manifest's.
 */
#pragma once

#include "graph.h"
#include "trust.h"

typedef struct Bundle {
    const char *name;
    uint64_t created_unix_ms;
    Digest digest;      /* of the manifest bytes: the bundle digest */
    Digest blob_digest; /* of the whole file */
    const RevisionMap *map;
    Signers signers; /* those whose signature was checked; empty when unverified */
    size_t signature_count;
} Bundle;

/* The file's bytes, unsigned. Name as name_is_valid(), dots allowed. Bytes live in `arena`. */
ErrCode bundle_build(Arena *arena, const char *name, uint64_t created_unix_ms,
                     const RevisionMap *map, uint8_t **ret_bytes, size_t *ret_length,
                     Error *err) MUST_CHECK;
/* The same bundle with one more signature. The manifest is checked against the files first: nobody
 * signs what can't be opened. */
ErrCode bundle_sign(Arena *arena, const void *bytes, size_t length, const SecretKey *key,
                    uint8_t **ret_bytes, size_t *ret_length, Error *err) MUST_CHECK;
/* Everything in `out` lives in `arena`. Errors: SIGNATURE_INVALID, KEY_UNKNOWN, DIGEST_MISMATCH,
 * PROTOCOL, LIMIT, SCRIPT, GRAPH. */
ErrCode bundle_open(Arena *arena, const void *bytes, size_t length, const Trust *trust, Bundle *out,
                    Error *err) MUST_CHECK;
/* For `bundle show` and before signing: contents are checked, signatures are not. */
ErrCode bundle_open_unverified(Arena *arena, const void *bytes, size_t length, Bundle *out,
                               Error *err) MUST_CHECK;
/* bundle_open of a file. */
ErrCode bundle_load(Arena *arena, const char *path, const Trust *trust, Bundle *out,
                    Error *err) MUST_CHECK;
