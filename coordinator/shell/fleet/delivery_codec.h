/*
 * Sinks' records in the coordinator's journal (proto/journal.proto): SinkPosition, SinkLetter.
 */
#pragma once

#include "delivery.h"
#include "message.h"

ByteSpan delivery_record_encode(Arena *arena, const DeliveryRecord *record);
/* `position`: the payload is a SinkPosition. Texts live in `arena`. */
ErrCode delivery_record_decode(Arena *arena, bool position, ByteSpan payload, DeliveryRecord *out,
                               Error *err) MUST_CHECK;
