#include "admission.h"

#include "codec_common.h"
#include "key_codec.h"

#include <string.h>

ErrCode admission_sign(Arena *arena, const Admission *admission, const SecretKey *key,
                       uint8_t **ret_bytes, size_t *ret_length, Error *err)
{
    if (!admission->agent.has_curve) {
        return err_set(err, ERR_CONFIG, "agent %s has no CURVE key", admission->agent.name);
    }
    Pgtide__V1__Admission out;
    pgtide__v1__admission__init(&out);
    out.fleet_id = proto_from_uuid(&admission->fleet_id);
    out.agent = public_key_encode(arena, &admission->agent, true);
    out.serial = admission->serial;
    out.revoked = admission->revoked;
    out.reason = proto_from_text(admission->reason);
    size_t length;
    const uint8_t *payload = proto_pack(arena, &out.base, &length);
    return envelope_sign(arena, MESSAGE_ADMISSION, payload, length, &key, 1, ret_bytes, ret_length,
                         err);
}

static ErrCode decode(Arena *arena, const Trust *trust, const uint8_t *bytes, size_t length,
                      Admission *out, Error *err)
{
    ProtobufCMessage *message;
    CHECK(proto_unpack(arena, &pgtide__v1__admission__descriptor, bytes, length,
                       UNKNOWN_FIELDS_REFUSE, &message, err));
    const Pgtide__V1__Admission *in = (Pgtide__V1__Admission *)message;
    CHECK(proto_uuid(&in->fleet_id, "fleet id", &out->fleet_id, err));
    if (!uuid_equal(&out->fleet_id, trust_fleet_id(trust))) {
        return err_set(err, ERR_REFUSED, "the admission is of another fleet");
    }
    CHECK(public_key_decode(in->agent, true, &out->agent, err));
    if (in->serial == 0) {
        return err_set(err, ERR_PROTOCOL, "an admission without a serial");
    }
    out->serial = in->serial;
    out->revoked = in->revoked != 0;
    return proto_text(in->reason, "reason", &out->reason, err);
}

ErrCode admission_open(Arena *arena, const Trust *trust, const void *bytes, size_t length,
                       Admission *ret_admission, Error *err)
{
    const uint8_t *payload;
    size_t payload_length;
    Signers signers;
    CHECK(envelope_open(arena, bytes, length, MESSAGE_ADMISSION, trust_lookup_operator,
                        (void *)(uintptr_t)trust, &payload, &payload_length, &signers, err));
    const TrustOperator *admin = trust_find_operator(trust, signers.items[0].keyid);
    if (admin == NULL || !operator_role_covers(admin->role, OPERATOR_ROLE_ADMIN)) {
        return err_set(err, ERR_REFUSED,
                       "an admission must be signed by an operator with role "
                       "admin");
    }
    Admission admission = {.serial = 0};
    CHECK(decode(arena, trust, payload, payload_length, &admission, err));
    /* One key, one party: the transport knows its peers by their keys. Revoking stays possible. */
    if (!admission.revoked && trust_has_key(trust, &admission.agent)) {
        return err_set(err, ERR_REFUSED, "the key of agent %s has a role in the trust file already",
                       admission.agent.name);
    }
    memcpy(admission.admitted_by, signers.items[0].keyid, KEY_ID_TEXT_SIZE);
    *ret_admission = admission;
    return ERR_OK;
}
