#include "drift_codec.h"

#include "codec_common.h"

#include "journal.pb-c.h"

static ByteSpan pack(Arena *arena, const ProtobufCMessage *message)
{
    ByteSpan out;
    out.bytes = proto_pack(arena, message, &out.length);
    return out;
}

ByteSpan schema_expected_encode(Arena *arena, const DriftExpectation *expectation)
{
    Pgtide__V1__SchemaExpected out = PGTIDE__V1__SCHEMA_EXPECTED__INIT;
    out.n_rows = expectation->place.rows.count;
    out.rows = texts_encode(&expectation->place.rows);
    out.in_schema = expectation->place.in_schema;
    out.server_major = expectation->place.major;
    out.fingerprint = proto_from_digest(&expectation->fingerprint);
    out.dump_blob_digest = proto_from_digest(&expectation->dump);
    out.who = proto_from_text(expectation->who);
    out.at_unix_ms = expectation->at_unix_ms;
    return pack(arena, &out.base);
}

ErrCode schema_expected_decode(Arena *arena, ByteSpan payload, DriftExpectation *out, Error *err)
{
    ProtobufCMessage *message;
    CHECK(proto_unpack(arena, &pgtide__v1__schema_expected__descriptor, payload.bytes,
                       payload.length, UNKNOWN_FIELDS_REFUSE, &message, err));
    const Pgtide__V1__SchemaExpected *in = (const Pgtide__V1__SchemaExpected *)message;
    DriftExpectation expectation = {
        .place = {.in_schema = in->in_schema != 0, .major = in->server_major},
        .who = in->who,
        .at_unix_ms = in->at_unix_ms,
    };
    CHECK(proto_rows(arena, in->rows, in->n_rows, &expectation.place.rows, err));
    CHECK(proto_digest(&in->fingerprint, "fingerprint", &expectation.fingerprint, err));
    CHECK(proto_digest(&in->dump_blob_digest, "dump", &expectation.dump, err));
    *out = expectation;
    return ERR_OK;
}

ByteSpan drift_accepted_encode(Arena *arena, const DriftAcceptance *acceptance)
{
    Pgtide__V1__DriftAccepted out = PGTIDE__V1__DRIFT_ACCEPTED__INIT;
    if (!uuid_is_nil(&acceptance->shard))
        out.shard = proto_from_uuid(&acceptance->shard);
    out.n_rows = acceptance->place.rows.count;
    out.rows = texts_encode(&acceptance->place.rows);
    out.in_schema = acceptance->place.in_schema;
    out.server_major = acceptance->place.major;
    out.fingerprint = proto_from_digest(&acceptance->fingerprint);
    out.who = proto_from_text(acceptance->who);
    out.reason = proto_from_text(acceptance->reason);
    out.at_unix_ms = acceptance->at_unix_ms;
    return pack(arena, &out.base);
}

ErrCode drift_accepted_decode(Arena *arena, ByteSpan payload, DriftAcceptance *out, Error *err)
{
    ProtobufCMessage *message;
    CHECK(proto_unpack(arena, &pgtide__v1__drift_accepted__descriptor, payload.bytes,
                       payload.length, UNKNOWN_FIELDS_REFUSE, &message, err));
    const Pgtide__V1__DriftAccepted *in = (const Pgtide__V1__DriftAccepted *)message;
    DriftAcceptance acceptance = {
        .place = {.in_schema = in->in_schema != 0, .major = in->server_major},
        .who = in->who,
        .reason = in->reason,
        .at_unix_ms = in->at_unix_ms,
    };
    CHECK(proto_uuid_or_nil(&in->shard, "shard", &acceptance.shard, err));
    CHECK(proto_rows(arena, in->rows, in->n_rows, &acceptance.place.rows, err));
    CHECK(proto_digest(&in->fingerprint, "fingerprint", &acceptance.fingerprint, err));
    *out = acceptance;
    return ERR_OK;
}
