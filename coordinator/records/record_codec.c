#include "record_codec.h"

#include "backup_codec.h"
#include "codec_common.h"

#include "journal.pb-c.h"

static ByteSpan pack(Arena *arena, const ProtobufCMessage *message)
{
    ByteSpan out;
    out.bytes = proto_pack(arena, message, &out.length);
    return out;
}

static ProtobufCBinaryData data_of(ByteSpan span)
{
    return proto_bytes(span.bytes, span.length);
}

/* A field that this version does not know means a newer version wrote it: its meaning can't be
 * guessed, so the journal is not opened. */
static ErrCode unpack(Arena *arena, const ProtobufCMessageDescriptor *descriptor, ByteSpan payload,
                      void *ret_message, Error *err)
{
    return proto_unpack(arena, descriptor, payload.bytes, payload.length, UNKNOWN_FIELDS_REFUSE,
                        (ProtobufCMessage **)ret_message, err);
}

ByteSpan journal_envelope_encode(Arena *arena, JournalKind kind, ByteSpan envelope)
{
    Pgtide__V1__AgentAdmitted admitted = PGTIDE__V1__AGENT_ADMITTED__INIT;
    Pgtide__V1__ApprovalRecorded approval = PGTIDE__V1__APPROVAL_RECORDED__INIT;
    Pgtide__V1__ReportKept report = PGTIDE__V1__REPORT_KEPT__INIT;
    Pgtide__V1__TrustInForce trust = PGTIDE__V1__TRUST_IN_FORCE__INIT;
    switch (kind) {
    case JOURNAL_AGENT_ADMITTED:
        admitted.envelope = data_of(envelope);
        return pack(arena, &admitted.base);
    case JOURNAL_REPORT_KEPT:
        report.envelope = data_of(envelope);
        return pack(arena, &report.base);
    case JOURNAL_TRUST_IN_FORCE:
        trust.envelope = data_of(envelope);
        return pack(arena, &trust.base);
    default:
        approval.envelope = data_of(envelope);
        return pack(arena, &approval.base);
    }
}

ErrCode journal_envelope_decode(Arena *arena, JournalKind kind, ByteSpan payload,
                                ByteSpan *ret_envelope, Error *err)
{
    Pgtide__V1__AgentAdmitted *admitted;
    Pgtide__V1__ApprovalRecorded *approval;
    Pgtide__V1__ReportKept *report;
    Pgtide__V1__TrustInForce *trust;
    switch (kind) {
    case JOURNAL_AGENT_ADMITTED:
        CHECK(unpack(arena, &pgtide__v1__agent_admitted__descriptor, payload, &admitted, err));
        *ret_envelope = span_decode(&admitted->envelope);
        return ERR_OK;
    case JOURNAL_REPORT_KEPT:
        CHECK(unpack(arena, &pgtide__v1__report_kept__descriptor, payload, &report, err));
        *ret_envelope = span_decode(&report->envelope);
        return ERR_OK;
    case JOURNAL_TRUST_IN_FORCE:
        CHECK(unpack(arena, &pgtide__v1__trust_in_force__descriptor, payload, &trust, err));
        *ret_envelope = span_decode(&trust->envelope);
        return ERR_OK;
    default:
        CHECK(unpack(arena, &pgtide__v1__approval_recorded__descriptor, payload, &approval, err));
        *ret_envelope = span_decode(&approval->envelope);
        return ERR_OK;
    }
}

ByteSpan plan_submitted_encode(Arena *arena, const PlanSubmitted *submitted)
{
    Pgtide__V1__PlanSubmitted out = PGTIDE__V1__PLAN_SUBMITTED__INIT;
    out.header_envelope = data_of(submitted->header_envelope);
    out.plan_blob_digest = proto_from_digest(&submitted->plan_blob);
    out.bundle_blob_digest = proto_from_digest(&submitted->bundle_blob);
    return pack(arena, &out.base);
}

ErrCode plan_submitted_decode(Arena *arena, ByteSpan payload, PlanSubmitted *out, Error *err)
{
    Pgtide__V1__PlanSubmitted *in;
    CHECK(unpack(arena, &pgtide__v1__plan_submitted__descriptor, payload, &in, err));
    PlanSubmitted submitted = {.header_envelope = span_decode(&in->header_envelope)};
    CHECK(proto_digest(&in->plan_blob_digest, "plan blob digest", &submitted.plan_blob, err));
    CHECK(proto_digest(&in->bundle_blob_digest, "bundle blob digest", &submitted.bundle_blob, err));
    *out = submitted;
    return ERR_OK;
}

ByteSpan request_done_encode(Arena *arena, const RequestDone *done)
{
    Pgtide__V1__RequestDone out = PGTIDE__V1__REQUEST_DONE__INIT;
    out.request_id = proto_from_uuid(&done->request_id);
    out.created_unix_ms = done->created_unix_ms;
    out.keyid = proto_from_text(done->keyid);
    out.envelope = data_of(done->envelope);
    out.n_rollouts = done->rollout_count;
    out.rollouts = ARENA_ARRAY(arena, ProtobufCBinaryData, done->rollout_count + 1);
    for (size_t i = 0; i < done->rollout_count; i++)
        out.rollouts[i] = proto_from_uuid(&done->rollouts[i]);
    return pack(arena, &out.base);
}

ErrCode request_done_decode(Arena *arena, ByteSpan payload, RequestDone *out, Error *err)
{
    Pgtide__V1__RequestDone *in;
    CHECK(unpack(arena, &pgtide__v1__request_done__descriptor, payload, &in, err));
    Uuid *rollouts = ARENA_ARRAY(arena, Uuid, in->n_rollouts + 1);
    RequestDone done = {.created_unix_ms = in->created_unix_ms,
                        .keyid = in->keyid,
                        .envelope = span_decode(&in->envelope),
                        .rollouts = rollouts,
                        .rollout_count = in->n_rollouts};
    CHECK(proto_uuid(&in->request_id, "request id", &done.request_id, err));
    for (size_t i = 0; i < in->n_rollouts; i++)
        CHECK(proto_uuid(&in->rollouts[i], "rollout id", &rollouts[i], err));
    *out = done;
    return ERR_OK;
}

/* --- rollout records -------------------------------------------------------------------------- */

static Pgtide__V1__RolloutShardRecord *shard_encode(Arena *arena, const RolloutShardRecord *shard)
{
    Pgtide__V1__RolloutShardRecord *out = ARENA_NEW(arena, Pgtide__V1__RolloutShardRecord);
    pgtide__v1__rollout_shard_record__init(out);
    out->index = shard->index;
    out->generation = shard->generation;
    out->direction = (Pgtide__V1__Direction)shard->direction;
    out->attempt = shard->attempt;
    out->outcome = (Pgtide__V1__Outcome)shard->outcome;
    out->steps_done = shard->steps_done;
    out->revision = proto_from_text(shard->revision);
    out->code = proto_from_text(shard->code);
    out->sqlstate = proto_from_text(shard->sqlstate);
    out->message = proto_from_text(shard->message);
    out->duration_ms = shard->duration_ms;
    out->n_rows = shard->rows.count;
    out->rows = texts_encode(&shard->rows);
    if (shard->has_backup) {
        out->backup = backup_encode(arena, &shard->backup);
    }
    return out;
}

ByteSpan rollout_record_encode(Arena *arena, const Uuid *rollout_id, const RolloutRecord *record)
{
    Pgtide__V1__RolloutRecord out = PGTIDE__V1__ROLLOUT_RECORD__INIT;
    out.rollout_id = proto_from_uuid(rollout_id);
    out.kind = (uint32_t)record->kind;
    out.at_unix_ms = record->at_unix_ms;
    out.wave = record->wave;
    out.state = (uint32_t)record->state;
    out.who = proto_from_text(record->who);
    out.reason = proto_from_text(record->reason);
    out.n_shards = record->shard_count;
    out.shards = ARENA_ARRAY(arena, Pgtide__V1__RolloutShardRecord *, record->shard_count + 1);
    for (size_t i = 0; i < record->shard_count; i++)
        out.shards[i] = shard_encode(arena, &record->shards[i]);
    out.setting = record->setting;
    out.value = record->value;
    return pack(arena, &out.base);
}

ByteSpan fleet_word_encode(Arena *arena, const FleetWord *word)
{
    Pgtide__V1__ShardQuarantined shard = PGTIDE__V1__SHARD_QUARANTINED__INIT;
    Pgtide__V1__FleetBraked brake = PGTIDE__V1__FLEET_BRAKED__INIT;
    if (uuid_is_nil(&word->shard)) {
        brake.on = word->on;
        brake.who = proto_from_text(word->who);
        brake.reason = proto_from_text(word->reason);
        brake.at_unix_ms = word->at_unix_ms;
        return pack(arena, &brake.base);
    }
    shard.shard = proto_from_uuid(&word->shard);
    shard.released = !word->on;
    shard.who = proto_from_text(word->who);
    shard.reason = proto_from_text(word->reason);
    shard.at_unix_ms = word->at_unix_ms;
    return pack(arena, &shard.base);
}

ErrCode fleet_word_decode(Arena *arena, JournalKind kind, ByteSpan payload, FleetWord *out,
                          Error *err)
{
    if (kind == JOURNAL_FLEET_BRAKED) {
        Pgtide__V1__FleetBraked *in;
        CHECK(unpack(arena, &pgtide__v1__fleet_braked__descriptor, payload, &in, err));
        *out = (FleetWord){{{0}}, in->on != 0, in->who, in->reason, in->at_unix_ms};
        return ERR_OK;
    }
    Pgtide__V1__ShardQuarantined *in;
    Uuid shard;
    CHECK(unpack(arena, &pgtide__v1__shard_quarantined__descriptor, payload, &in, err));
    CHECK(proto_uuid(&in->shard, "shard", &shard, err));
    *out = (FleetWord){shard, in->released == 0, in->who, in->reason, in->at_unix_ms};
    return ERR_OK;
}

ByteSpan shards_known_encode(Arena *arena, const ShardsKnown *known)
{
    Pgtide__V1__ShardsKnown out = PGTIDE__V1__SHARDS_KNOWN__INIT;
    out.who = proto_from_text(known->who);
    out.reason = proto_from_text(known->reason);
    out.at_unix_ms = known->at_unix_ms;
    out.n_shards = known->count;
    out.shards = ARENA_ARRAY(arena, Pgtide__V1__KnownShard *, known->count + 1);
    for (size_t i = 0; i < known->count; i++) {
        const KnownShard *shard = &known->shards[i];
        Pgtide__V1__KnownShard *to = ARENA_NEW(arena, Pgtide__V1__KnownShard);
        pgtide__v1__known_shard__init(to);
        to->uuid = proto_from_uuid(&shard->uuid);
        to->cluster = proto_from_text(shard->cluster);
        to->database = proto_from_text(shard->database);
        to->schema = proto_from_text(shard->schema);
        to->system_identifier = shard->system_identifier;
        to->database_oid = shard->database_oid;
        to->schema_oid = shard->schema_oid;
        to->forgotten = shard->forgotten;
        out.shards[i] = to;
    }
    return pack(arena, &out.base);
}

ErrCode shards_known_decode(Arena *arena, ByteSpan payload, ShardsKnown *out, Error *err)
{
    Pgtide__V1__ShardsKnown *in;
    CHECK(unpack(arena, &pgtide__v1__shards_known__descriptor, payload, &in, err));
    ShardsKnown known = {
        .shards = ARENA_ARRAY(arena, KnownShard, in->n_shards + 1),
        .count = in->n_shards,
        .who = in->who,
        .reason = in->reason,
        .at_unix_ms = in->at_unix_ms,
    };
    for (size_t i = 0; i < in->n_shards; i++) {
        const Pgtide__V1__KnownShard *from = in->shards[i];
        known.shards[i] = (KnownShard){
            .cluster = from->cluster,
            .database = from->database,
            .schema = from->schema,
            .system_identifier = from->system_identifier,
            .database_oid = from->database_oid,
            .schema_oid = from->schema_oid,
            .forgotten = from->forgotten != 0,
        };
        CHECK(proto_uuid(&from->uuid, "shard", &known.shards[i].uuid, err));
    }
    *out = known;
    return ERR_OK;
}

ByteSpan task_ended_encode(Arena *arena, const TaskEnded *ended)
{
    Pgtide__V1__TaskEnded out = PGTIDE__V1__TASK_ENDED__INIT;
    out.request_id = proto_from_uuid(&ended->request_id);
    out.kind = (uint32_t)ended->kind;
    out.who = proto_from_text(ended->who);
    out.agent = proto_from_text(ended->agent);
    out.cluster = proto_from_text(ended->cluster);
    out.database = proto_from_text(ended->database);
    out.schema = proto_from_text(ended->schema);
    if (!uuid_is_nil(&ended->shard))
        out.shard = proto_from_uuid(&ended->shard);
    if (ended->has_plan)
        out.plan_digest = proto_from_digest(&ended->plan);
    out.code = proto_from_text(ended->code);
    out.message = proto_from_text(ended->message);
    out.at_unix_ms = ended->at_unix_ms;
    return pack(arena, &out.base);
}

ErrCode task_ended_decode(Arena *arena, ByteSpan payload, TaskEnded *out, Error *err)
{
    Pgtide__V1__TaskEnded *in;
    CHECK(unpack(arena, &pgtide__v1__task_ended__descriptor, payload, &in, err));
    if (in->kind == TASK_KIND_UNSPECIFIED || in->kind >= TASK_KIND_COUNT)
        return err_set(err, ERR_JOURNAL, "a task's record has an unknown kind");
    TaskEnded ended = {
        .kind = (TaskKind)in->kind,
        .who = in->who,
        .agent = in->agent,
        .cluster = in->cluster,
        .database = in->database,
        .schema = in->schema,
        .has_plan = in->plan_digest.len > 0,
        .code = in->code,
        .message = in->message,
        .at_unix_ms = in->at_unix_ms,
    };
    CHECK(proto_uuid(&in->request_id, "request id", &ended.request_id, err));
    if (in->shard.len > 0)
        CHECK(proto_uuid(&in->shard, "shard", &ended.shard, err));
    if (ended.has_plan)
        CHECK(proto_digest(&in->plan_digest, "plan digest", &ended.plan, err));
    *out = ended;
    return ERR_OK;
}

static ErrCode shard_decode(Arena *arena, const Pgtide__V1__RolloutShardRecord *in,
                            RolloutShardRecord *out, Error *err)
{
    if ((unsigned)in->direction >= DIRECTION_COUNT || (unsigned)in->outcome >= OUTCOME_COUNT)
        return err_set(err, ERR_JOURNAL, "a shard's record has an unknown direction or outcome");
    *out = (RolloutShardRecord){
        .index = in->index,
        .generation = in->generation,
        .direction = (Direction)in->direction,
        .attempt = in->attempt,
        .outcome = (JobOutcome)in->outcome,
        .steps_done = in->steps_done,
        .revision = in->revision,
        .code = in->code,
        .sqlstate = in->sqlstate,
        .message = in->message,
        .has_backup = in->backup != NULL,
        .duration_ms = in->duration_ms,
    };
    for (size_t i = 0; i < in->n_rows; i++)
        strlist_add(arena, &out->rows, in->rows[i]);
    if (in->backup == NULL)
        return ERR_OK;
    return backup_decode(in->backup, &out->backup, err);
}

ErrCode rollout_record_decode(Arena *arena, ByteSpan payload, Uuid *ret_rollout_id,
                              RolloutRecord *out, Error *err)
{
    Pgtide__V1__RolloutRecord *in;
    Uuid rollout_id;
    CHECK(unpack(arena, &pgtide__v1__rollout_record__descriptor, payload, &in, err));
    CHECK(proto_uuid(&in->rollout_id, "rollout id", &rollout_id, err));
    if (in->kind == 0 || in->kind >= ROLLOUT_RECORD_KIND_COUNT || in->state >= ROLLOUT_STATE_COUNT)
        return err_set(err, ERR_JOURNAL, "a rollout's record has an unknown kind or state");
    RolloutRecord record = {
        .kind = (RolloutRecordKind)in->kind,
        .at_unix_ms = in->at_unix_ms,
        .wave = in->wave,
        .state = (RolloutState)in->state,
        .who = in->who,
        .reason = in->reason,
        .shards = ARENA_ARRAY(arena, RolloutShardRecord, in->n_shards + 1),
        .shard_count = in->n_shards,
        .setting = in->setting,
        .value = in->value,
    };
    for (size_t i = 0; i < in->n_shards; i++)
        CHECK(shard_decode(arena, in->shards[i], &record.shards[i], err));
    *ret_rollout_id = rollout_id;
    *out = record;
    return ERR_OK;
}
