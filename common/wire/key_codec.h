/*
 * PublicKey messages <-> PublicKeyInfo, for trust files and admissions.
 */
#pragma once

#include "key.h"

#include "trust.pb-c.h"

/* `needs_curve`: the key opens connections, so its CURVE half must be there. */
ErrCode public_key_decode(const Pgtide__V1__PublicKey *in, bool needs_curve, PublicKeyInfo *out,
                          Error *err) MUST_CHECK;
Pgtide__V1__PublicKey *public_key_encode(Arena *arena, const PublicKeyInfo *key, bool with_curve);
