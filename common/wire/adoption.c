#include "adoption.h"

#include "codec_common.h"
#include "envelope.h"
#include "named_limits.h"

ErrCode adoption_decode(const Pgtide__V1__AdoptShard *in, Adoption *out, Error *err)
{
    Adoption adoption = {
        .system_identifier = in->system_identifier,
        .database_oid = in->database_oid,
        .schema_oid = in->schema_oid,
    };
    CHECK(proto_name(in->agent, "agent", &adoption.agent, err));
    CHECK(proto_name(in->cluster, "cluster", &adoption.cluster, err));
    CHECK(proto_identifier(in->database, "database", false, &adoption.database, err));
    CHECK(proto_identifier(in->schema, "schema", true, &adoption.schema, err));
    CHECK(proto_uuid_or_nil(&in->row_uuid, "uuid of the row", &adoption.row_uuid, err));
    CHECK(proto_uuid_or_nil(&in->row_fleet, "fleet of the row", &adoption.row_fleet, err));
    CHECK(proto_identifier(in->former_schema, "former schema", true, &adoption.former_schema, err));
    CHECK(proto_uuid(&in->uuid, "shard uuid", &adoption.uuid, err));
    CHECK(proto_text(in->reason, "reason", &adoption.reason, err));
    if (adoption.system_identifier == 0 || adoption.database_oid == 0) {
        return err_set(err, ERR_PROTOCOL, "an adoption without the place that was seen");
    }
    if (adoption.reason[0] == '\0') {
        return err_set(err, ERR_USAGE, "an adoption needs a reason: it is kept in the shard");
    }
    *out = adoption;
    return ERR_OK;
}

void adoption_encode(const Adoption *adoption, Pgtide__V1__AdoptShard *out)
{
    pgtide__v1__adopt_shard__init(out);
    out->agent = proto_from_text(adoption->agent);
    out->cluster = proto_from_text(adoption->cluster);
    out->database = proto_from_text(adoption->database);
    out->schema = proto_from_text(adoption->schema);
    out->system_identifier = adoption->system_identifier;
    out->database_oid = adoption->database_oid;
    out->schema_oid = adoption->schema_oid;
    out->row_uuid = proto_from_uuid(&adoption->row_uuid);
    out->row_fleet = proto_from_uuid(&adoption->row_fleet);
    out->former_schema = proto_from_text(adoption->former_schema);
    out->uuid = proto_from_uuid(&adoption->uuid);
    out->reason = proto_from_text(adoption->reason);
}

ErrCode adoption_open(Arena *arena, const Trust *trust, const void *bytes, size_t length,
                      uint64_t now_unix_ms, Adoption *ret_adoption, Error *err)
{
    const uint8_t *payload;
    size_t payload_length;
    Signers signers;
    ProtobufCMessage *message;
    CHECK(envelope_open(arena, bytes, length, MESSAGE_REQUEST, trust_lookup_operator,
                        (void *)(uintptr_t)trust, &payload, &payload_length, &signers, err));
    const TrustOperator *admin = trust_find_operator(trust, signers.items[0].keyid);
    if (admin == NULL || !operator_role_covers(admin->role, OPERATOR_ROLE_ADMIN)) {
        return err_set(err, ERR_REFUSED, "an adoption is signed by an operator with role admin");
    }
    CHECK(proto_unpack(arena, &pgtide__v1__request__descriptor, payload, payload_length,
                       UNKNOWN_FIELDS_REFUSE, &message, err));
    const Pgtide__V1__Request *request = (Pgtide__V1__Request *)message;
    Uuid fleet;
    Uuid id;
    CHECK(proto_uuid(&request->fleet_id, "fleet id", &fleet, err));
    CHECK(proto_uuid(&request->request_id, "request id", &id, err));
    if (!uuid_equal(&fleet, trust_fleet_id(trust))) {
        return err_set(err, ERR_REFUSED, "the adoption is of another fleet");
    }
    if (request->body_case != PGTIDE__V1__REQUEST__BODY_ADOPT) {
        return err_set(err, ERR_PROTOCOL, "the request is no adoption");
    }
    uint64_t created = request->created_unix_ms;
    if (created + LIMIT_CLOCK_SKEW_MS < now_unix_ms ||
        created > now_unix_ms + LIMIT_CLOCK_SKEW_MS) {
        return err_set(err, ERR_STALE, "the adoption was signed more than 5 minutes ago");
    }
    CHECK(adoption_decode(request->adopt, ret_adoption, err));
    ret_adoption->id = id;
    ret_adoption->who = arena_strdup(arena, admin->key.name);
    return ERR_OK;
}
