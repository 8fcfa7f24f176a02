/*
 * SchemaExpected and DriftAccepted of the coordinator's journal. All results live in `arena` or are
 * borrowed from the payload's message in it.
 */
#pragma once

#include "drift.h"
#include "message.h"

ByteSpan schema_expected_encode(Arena *arena, const DriftExpectation *expectation);
ErrCode schema_expected_decode(Arena *arena, ByteSpan payload, DriftExpectation *out,
                               Error *err) MUST_CHECK;
ByteSpan drift_accepted_encode(Arena *arena, const DriftAcceptance *acceptance);
ErrCode drift_accepted_decode(Arena *arena, ByteSpan payload, DriftAcceptance *out,
                              Error *err) MUST_CHECK;
