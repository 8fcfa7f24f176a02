#include "adoption.h"

#include "codec_common.h"

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
