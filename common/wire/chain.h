/*
 * The journal's chain: each record's hash is over the hash before it, its numbers and the digest of
 * its payload. The payload's digest and not the payload, so that a record can be shown to be where
 * it is without showing what is in it.
 */
#pragma once

#include "ids.h"

/* SHA-256(previous ‖ seq ‖ epoch ‖ kind ‖ SHA-256(payload)); numbers big-endian (8, 8, 4 bytes).
 * The first record's previous is zeroes. */
Digest chain_hash(const Digest *previous, uint64_t seq, uint64_t epoch, uint32_t kind,
                  const Digest *payload_digest);
