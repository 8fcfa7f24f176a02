#include "delivery_codec.h"

#include "codec_common.h"

#include "journal.pb-c.h"

ByteSpan delivery_record_encode(Arena *arena, const DeliveryRecord *record)
{
    ByteSpan out;
    Pgtide__V1__SinkPosition position = PGTIDE__V1__SINK_POSITION__INIT;
    Pgtide__V1__SinkLetter letter = PGTIDE__V1__SINK_LETTER__INIT;
    if (record->kind == DELIVERY_RECORD_POSITION) {
        position.sink = proto_from_text(record->sink);
        position.seq = record->seq;
        out.bytes = proto_pack(arena, &position.base, &out.length);
        return out;
    }
    letter.sink = proto_from_text(record->sink);
    letter.kind = (uint32_t)record->kind;
    letter.seq = record->seq;
    letter.attempts = record->attempts;
    letter.message = proto_from_text(record->message);
    letter.who = proto_from_text(record->who);
    letter.at_unix_ms = record->at_unix_ms;
    out.bytes = proto_pack(arena, &letter.base, &out.length);
    return out;
}

ErrCode delivery_record_decode(Arena *arena, bool position, ByteSpan payload, DeliveryRecord *out,
                               Error *err)
{
    ProtobufCMessage *message;
    const ProtobufCMessageDescriptor *descriptor =
        position ? &pgtide__v1__sink_position__descriptor : &pgtide__v1__sink_letter__descriptor;
    CHECK(proto_unpack(arena, descriptor, payload.bytes, payload.length, UNKNOWN_FIELDS_REFUSE,
                       &message, err));
    if (position) {
        const Pgtide__V1__SinkPosition *in = (const Pgtide__V1__SinkPosition *)message;
        *out = (DeliveryRecord){
            .kind = DELIVERY_RECORD_POSITION, .sink = in->sink, .seq = in->seq, .message = ""};
        return ERR_OK;
    }
    const Pgtide__V1__SinkLetter *in = (const Pgtide__V1__SinkLetter *)message;
    if (in->kind <= DELIVERY_RECORD_POSITION || in->kind >= DELIVERY_RECORD_KIND_COUNT)
        return err_set(err, ERR_JOURNAL, "a sink's record of an unknown kind: %u", in->kind);
    *out = (DeliveryRecord){
        .kind = (DeliveryRecordKind)in->kind,
        .sink = in->sink,
        .seq = in->seq,
        .attempts = in->attempts,
        .message = in->message,
        .who = in->who,
        .at_unix_ms = in->at_unix_ms,
    };
    return ERR_OK;
}
