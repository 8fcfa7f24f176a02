/*
 * The payload of a trust file <-> TrustParts, with every rule about its content: thresholds, no
 * key, name or CURVE key twice, limits. Signatures are trust.c's.
 */
#pragma once

#include "trust.h"

ErrCode trust_parts_check(const TrustParts *parts, Error *err) MUST_CHECK;
/* Decodes and checks. Lives in `arena`. */
ErrCode trust_parts_decode(Arena *arena, const void *bytes, size_t length, TrustParts *out,
                           Error *err) MUST_CHECK;
/* Of every role. */
size_t trust_key_count(const TrustParts *parts);
