/*
 * SHA-256, random bytes, and the identities that are made from digests (INTERFACES.md "Ids").
 *
 * A failure of the hash or of the system's random source is a broken machine, not an input: both
 * stop the process, except where a bool says otherwise.
 */
#pragma once

#include "ids.h"
#include "states.h"

typedef struct Sha256 {
    void *context; /* owned until sha256_final or sha256_abandon */
} Sha256;

Digest sha256_bytes(const void *bytes, size_t length);
void sha256_init(Sha256 *hash);
void sha256_update(Sha256 *hash, const void *bytes, size_t length);
Digest sha256_final(Sha256 *hash); /* releases the hash */
Digest sha256_next(Sha256 *hash);  /* gives the result and starts over; cheaper than a new hash */
void sha256_abandon(Sha256 *hash); /* releases it without a result; harmless after final */

/* Of the file's whole content; more than `limit` bytes is ERR_LIMIT. */
ErrCode sha256_file(const char *path, uint64_t limit, Digest *ret_digest, uint64_t *ret_size,
                    Error *err) MUST_CHECK;

bool secure_random(void *out, size_t length) MUST_CHECK;
Uuid uuid_random(void); /* version 4; stops the process without a random source */

/* Fixed at adoption: UUIDv8 of SHA-256("pgtide-shard-v1" ‖ fleet ‖ system identifier ‖ oid ‖
 * schema). */
Uuid shard_uuid(const Uuid *fleet, uint64_t system_identifier, uint32_t database_oid,
                const char *schema);
/* One step's exactly-once key: SHA-256("pgtide-op-v1" ‖ plan ‖ shard ‖ generation ‖ step ‖
 * direction), its first 16 bytes. */
OperationId operation_id(const Digest *plan, const Uuid *shard, uint32_t generation, uint32_t step,
                         Direction direction);
