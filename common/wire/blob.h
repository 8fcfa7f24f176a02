/*
 * A directory of immutable files named by their SHA-256 (64 hex digits): bundles, plans, dossiers.
 *
 * A blob appears whole or not at all: written to a temporary name, synced, digest checked, renamed,
 * directory synced. What is read is checked against its name. Uploads arrive in pieces in
 * `<hex>.part` and can go on after a restart.
 */
#pragma once

#include "arena.h"
#include "ids.h"

typedef struct BlobStore BlobStore;

/* Makes the directory (0700) when it is missing. `limit_bytes` is of one blob. Returns owned. */
ErrCode blob_store_open(const char *directory, uint64_t limit_bytes, BlobStore **ret_store,
                        Error *err) MUST_CHECK;
void blob_store_close(BlobStore *store); /* NULL-safe; parts stay */

bool blob_has(const BlobStore *store, const Digest *digest);
/* Where the blob is; for handing its path to something that reads files. Lives in `arena`. */
char *blob_path(const BlobStore *store, Arena *arena, const Digest *digest);
/* Whole blob, digest checked (ERR_DIGEST_MISMATCH). Lives in `arena`. */
ErrCode blob_read(const BlobStore *store, Arena *arena, const Digest *digest, uint8_t **ret_bytes,
                  size_t *ret_length, Error *err) MUST_CHECK;
/* Up to `capacity` bytes from `offset`, for sending a piece; the receiver checks the whole. */
ErrCode blob_read_piece(const BlobStore *store, const Digest *digest, uint64_t offset, void *buffer,
                        size_t capacity, size_t *ret_length, uint64_t *ret_total,
                        Error *err) MUST_CHECK;
ErrCode blob_put(BlobStore *store, const void *bytes, size_t length, Digest *ret_digest,
                 Error *err) MUST_CHECK;

/*
 * Upload. begin tells from where to go on: `total` when the blob is there already, else the length
 * of what has arrived. append takes pieces in order: `offset` must be what has arrived (a piece
 * that has arrived already is accepted and ignored). finish checks the digest; a wrong one drops
 * the part (ERR_DIGEST_MISMATCH). Of parts that are begun and not finished only the newest few are
 * kept.
 */
ErrCode blob_put_begin(BlobStore *store, const Digest *digest, uint64_t total, uint64_t *ret_offset,
                       Error *err) MUST_CHECK;
ErrCode blob_put_append(BlobStore *store, const Digest *digest, uint64_t offset, const void *bytes,
                        size_t length, uint64_t *ret_offset, Error *err) MUST_CHECK;
ErrCode blob_put_finish(BlobStore *store, const Digest *digest, Error *err) MUST_CHECK;
void blob_put_abandon(BlobStore *store, const Digest *digest);
/* Every finished blob, in no order, with the time of its last write. The visitor may remove it. */
typedef void (*BlobVisit)(void *context, const Digest *digest, uint64_t written_unix_ms);
ErrCode blob_visit(BlobStore *store, BlobVisit visit, void *context, Error *err) MUST_CHECK;
/* An absent blob is no error. */
ErrCode blob_remove(BlobStore *store, const Digest *digest, Error *err) MUST_CHECK;
