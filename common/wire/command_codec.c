#include "backup_codec.h"
#include "codec_common.h"
#include "message_codec.h"

#include "named_limits.h"

#include "command.pb-c.h"

#include <string.h>

/* --- decoding --------------------------------------------------------------------------------- */

static ErrCode welcome_decode(const Pgtide__V1__Welcome *in, Welcome *out, Error *err)
{
    CHECK(proto_uuid(&in->agent_boot, "agent boot", &out->agent_boot, err));
    out->heartbeat_ms = in->heartbeat_ms;
    out->silence_deadline_ms = in->silence_deadline_ms;
    if (out->heartbeat_ms == 0 || out->silence_deadline_ms <= out->heartbeat_ms) {
        return err_set(err, ERR_PROTOCOL, "a silence deadline not above the heartbeat interval");
    }
    return ERR_OK;
}

static ErrCode path_decode(Arena *arena, const ProtobufCBinaryData *bytes,
                           const ProtobufCBinaryData *path, size_t count, ShardOrder *out,
                           Error *err)
{
    if (bytes->len == 0) {
        return err_set(err, ERR_PROTOCOL, "an order without a shard");
    }
    out->plan_shard = span_decode(bytes);
    CHECK(proto_count(count, LIMIT_MERKLE_DEPTH, "hashes in an audit path", err));
    out->audit_path = ARENA_ARRAY(arena, Digest, count + 1);
    out->audit_path_count = count;
    for (size_t i = 0; i < count; i++) {
        CHECK(proto_digest(&path[i], "audit path", &out->audit_path[i], err));
    }
    return ERR_OK;
}

static ErrCode order_decode(Arena *arena, const Pgtide__V1__ShardOrder *in, ShardOrder *out,
                            Error *err)
{
    CHECK(path_decode(arena, &in->plan_shard, in->audit_path, in->n_audit_path, out, err));
    CHECK(proto_enum((int)in->direction, DIRECTION_COUNT, "direction", err));
    out->direction = (Direction)in->direction;
    out->generation = in->generation;
    out->attempt = in->attempt;
    if (in->generation == 0 || in->attempt == 0) {
        return err_set(err, ERR_PROTOCOL, "generation and attempt begin at 1");
    }
    return ERR_OK;
}

static ErrCode run_decode(Arena *arena, const Pgtide__V1__RunShards *in, RunShards *out, Error *err)
{
    CHECK(proto_uuid(&in->rollout_id, "rollout id", &out->rollout_id, err));
    CHECK(proto_digest(&in->plan_digest, "plan digest", &out->plan_digest, err));
    CHECK(proto_digest(&in->dossier_digest, "dossier digest", &out->dossier_digest, err));
    CHECK(proto_digest(&in->bundle_digest, "bundle digest", &out->bundle_digest, err));
    CHECK(
        proto_digest(&in->bundle_blob_digest, "bundle blob digest", &out->bundle_blob_digest, err));
    CHECK(proto_count(in->n_orders, LIMIT_SHARD_ORDERS_PER_COMMAND, "orders", err));
    if (in->n_orders == 0) {
        return err_set(err, ERR_PROTOCOL, "a command to run no shard");
    }
    out->orders = ARENA_ARRAY(arena, ShardOrder, in->n_orders);
    out->order_count = in->n_orders;
    for (size_t i = 0; i < in->n_orders; i++) {
        CHECK(order_decode(arena, in->orders[i], &out->orders[i], err));
    }
    return ERR_OK;
}

static ErrCode look_decode(Arena *arena, const Pgtide__V1__LookAtGate *in, LookAtGate *out,
                           Error *err)
{
    RunShards *run = &out->run;
    CHECK(proto_uuid(&in->rollout_id, "rollout id", &run->rollout_id, err));
    CHECK(proto_digest(&in->plan_digest, "plan digest", &run->plan_digest, err));
    CHECK(proto_digest(&in->dossier_digest, "dossier digest", &run->dossier_digest, err));
    CHECK(proto_digest(&in->bundle_digest, "bundle digest", &run->bundle_digest, err));
    CHECK(
        proto_digest(&in->bundle_blob_digest, "bundle blob digest", &run->bundle_blob_digest, err));
    CHECK(proto_count(in->gate, LIMIT_PLAN_GATES - 1, "gates", err));
    CHECK(proto_count(in->n_shards, LIMIT_SHARD_ORDERS_PER_COMMAND, "shards to look at", err));
    if (in->n_shards == 0) {
        return err_set(err, ERR_PROTOCOL, "a command to look at no shard");
    }
    out->gate = in->gate;
    out->token = in->token;
    out->page = in->page;
    run->orders = ARENA_ARRAY(arena, ShardOrder, in->n_shards);
    run->order_count = in->n_shards;
    for (size_t i = 0; i < in->n_shards; i++) {
        const Pgtide__V1__LookShard *shard = in->shards[i];
        CHECK(path_decode(arena, &shard->plan_shard, shard->audit_path, shard->n_audit_path,
                          &run->orders[i], err));
    }
    return ERR_OK;
}

static ErrCode chunk_decode(const Pgtide__V1__BlobChunk *in, BlobChunk *out, Error *err)
{
    CHECK(proto_digest(&in->digest, "blob digest", &out->digest, err));
    CHECK(proto_count(in->bytes.len, LIMIT_CHUNK_BYTES, "bytes in a chunk", err));
    if (in->total > LIMIT_PLAN_BYTES || in->offset > in->total ||
        in->bytes.len > in->total - in->offset) {
        return err_set(err, ERR_PROTOCOL, "a chunk outside its blob");
    }
    out->offset = in->offset;
    out->total = in->total;
    out->bytes = span_decode(&in->bytes);
    return ERR_OK;
}

static ErrCode stop_decode(const Pgtide__V1__StopRollout *in, StopRollout *out, Error *err)
{
    CHECK(proto_uuid_or_nil(&in->rollout_id, "rollout id", &out->rollout_id, err));
    return proto_text(in->reason, "reason", &out->reason, err);
}

static ErrCode plan_ref_decode(const Pgtide__V1__PlanRef *in, PlanRef *out, Error *err)
{
    CHECK(proto_uuid(&in->rollout_id, "rollout id", &out->rollout_id, err));
    CHECK(proto_digest(&in->dossier_digest, "dossier digest", &out->dossier_digest, err));
    CHECK(proto_digest(&in->bundle_digest, "bundle digest", &out->bundle_digest, err));
    return proto_digest(&in->bundle_blob_digest, "bundle blob digest", &out->bundle_blob_digest,
                        err);
}

static ErrCode task_decode(const Pgtide__V1__OperatorTask *in, OperatorTask *out, Error *err)
{
    CHECK(proto_count(in->request.len, LIMIT_TASK_REQUEST_BYTES, "bytes in a task", err));
    if (in->request.len == 0) {
        return err_set(err, ERR_PROTOCOL, "a task without an operator's request");
    }
    out->request = span_decode(&in->request);
    out->has_plan = in->plan != NULL;
    return in->plan == NULL ? ERR_OK : plan_ref_decode(in->plan, &out->plan, err);
}

static ErrCode command_body_decode(Arena *arena, const Pgtide__V1__Command *in, Command *out,
                                   Error *err)
{
    switch (in->body_case) {
    case PGTIDE__V1__COMMAND__BODY_WELCOME:
        out->kind = COMMAND_WELCOME;
        return welcome_decode(in->welcome, &out->welcome, err);
    case PGTIDE__V1__COMMAND__BODY_HEARTBEAT:
        out->kind = COMMAND_HEARTBEAT;
        return ERR_OK;
    case PGTIDE__V1__COMMAND__BODY_RUN:
        out->kind = COMMAND_RUN;
        return run_decode(arena, in->run, &out->run, err);
    case PGTIDE__V1__COMMAND__BODY_STOP:
        out->kind = COMMAND_STOP;
        return stop_decode(in->stop, &out->stop, err);
    case PGTIDE__V1__COMMAND__BODY_CHUNK:
        out->kind = COMMAND_CHUNK;
        return chunk_decode(in->chunk, &out->chunk, err);
    case PGTIDE__V1__COMMAND__BODY_REFRESH:
        out->kind = COMMAND_REFRESH;
        return ERR_OK;
    case PGTIDE__V1__COMMAND__BODY_TASK:
        out->kind = COMMAND_TASK;
        return task_decode(in->task, &out->task, err);
    case PGTIDE__V1__COMMAND__BODY_LOOK:
        out->kind = COMMAND_LOOK;
        return look_decode(arena, in->look, &out->look, err);
    case PGTIDE__V1__COMMAND__BODY_BACKUPS:
        out->kind = COMMAND_BACKUPS;
        return backup_work_decode(arena, in->backups, &out->backups, err);
    default:
        return err_set(err, ERR_PROTOCOL, "a command without a body this version knows");
    }
}

static ErrCode command_fields_decode(Arena *arena, const Pgtide__V1__Command *in, Command *out,
                                     Error *err)
{
    CHECK(proto_uuid(&in->fleet_id, "fleet id", &out->fleet_id, err));
    CHECK(proto_name(in->agent, "agent", &out->agent, err));
    CHECK(proto_uuid_or_nil(&in->agent_boot, "agent boot", &out->agent_boot, err));
    if (uuid_is_nil(&out->agent_boot) && in->body_case != PGTIDE__V1__COMMAND__BODY_WELCOME) {
        return err_set(err, ERR_PROTOCOL, "a command without the agent's boot nonce");
    }
    if (in->epoch == 0 || in->sequence == 0) {
        return err_set(err, ERR_PROTOCOL, "epoch and sequence begin at 1");
    }
    out->epoch = in->epoch;
    out->sequence = in->sequence;
    out->not_after_uptime_ms = in->not_after_uptime_ms;
    out->sent_unix_ms = in->sent_unix_ms;
    return command_body_decode(arena, in, out, err);
}

ErrCode command_decode(Arena *arena, const void *bytes, size_t length, Command *out, Error *err)
{
    ProtobufCMessage *message;
    CHECK(proto_count(length, LIMIT_COMMAND_BYTES, "bytes in a command", err));
    CHECK(proto_unpack(arena, &pgtide__v1__command__descriptor, bytes, length, UNKNOWN_FIELDS_PASS,
                       &message, err));
    Command command;
    memset(&command, 0, sizeof command);
    CHECK(command_fields_decode(arena, (Pgtide__V1__Command *)message, &command, err));
    *out = command;
    return ERR_OK;
}

/* --- encoding --------------------------------------------------------------------------------- */

static ProtobufCBinaryData *path_encode(Arena *arena, const ShardOrder *order)
{
    ProtobufCBinaryData *path =
        ARENA_ARRAY(arena, ProtobufCBinaryData, order->audit_path_count + 1);
    for (size_t i = 0; i < order->audit_path_count; i++) {
        path[i] = proto_from_digest(&order->audit_path[i]);
    }
    return path;
}

static Pgtide__V1__ShardOrder *order_encode(Arena *arena, const ShardOrder *order)
{
    Pgtide__V1__ShardOrder *out = ARENA_NEW(arena, Pgtide__V1__ShardOrder);
    pgtide__v1__shard_order__init(out);
    out->plan_shard = proto_bytes(order->plan_shard.bytes, order->plan_shard.length);
    out->n_audit_path = order->audit_path_count;
    out->audit_path = path_encode(arena, order);
    out->generation = order->generation;
    out->direction = (Pgtide__V1__Direction)order->direction;
    out->attempt = order->attempt;
    return out;
}

static Pgtide__V1__RunShards *run_encode(Arena *arena, const RunShards *run)
{
    Pgtide__V1__RunShards *out = ARENA_NEW(arena, Pgtide__V1__RunShards);
    pgtide__v1__run_shards__init(out);
    out->rollout_id = proto_from_uuid(&run->rollout_id);
    out->plan_digest = proto_from_digest(&run->plan_digest);
    out->dossier_digest = proto_from_digest(&run->dossier_digest);
    out->bundle_digest = proto_from_digest(&run->bundle_digest);
    out->bundle_blob_digest = proto_from_digest(&run->bundle_blob_digest);
    out->n_orders = run->order_count;
    out->orders = ARENA_ARRAY(arena, Pgtide__V1__ShardOrder *, run->order_count + 1);
    for (size_t i = 0; i < run->order_count; i++) {
        out->orders[i] = order_encode(arena, &run->orders[i]);
    }
    return out;
}

static Pgtide__V1__LookAtGate *look_encode(Arena *arena, const LookAtGate *look)
{
    const RunShards *run = &look->run;
    Pgtide__V1__LookAtGate *out = ARENA_NEW(arena, Pgtide__V1__LookAtGate);
    pgtide__v1__look_at_gate__init(out);
    out->rollout_id = proto_from_uuid(&run->rollout_id);
    out->plan_digest = proto_from_digest(&run->plan_digest);
    out->dossier_digest = proto_from_digest(&run->dossier_digest);
    out->bundle_digest = proto_from_digest(&run->bundle_digest);
    out->bundle_blob_digest = proto_from_digest(&run->bundle_blob_digest);
    out->gate = look->gate;
    out->token = look->token;
    out->page = look->page;
    out->n_shards = run->order_count;
    out->shards = ARENA_ARRAY(arena, Pgtide__V1__LookShard *, run->order_count + 1);
    for (size_t i = 0; i < run->order_count; i++) {
        const ShardOrder *order = &run->orders[i];
        out->shards[i] = ARENA_NEW(arena, Pgtide__V1__LookShard);
        pgtide__v1__look_shard__init(out->shards[i]);
        out->shards[i]->plan_shard = proto_bytes(order->plan_shard.bytes, order->plan_shard.length);
        out->shards[i]->n_audit_path = order->audit_path_count;
        out->shards[i]->audit_path = path_encode(arena, order);
    }
    return out;
}

static Pgtide__V1__Welcome *welcome_encode(Arena *arena, const Welcome *welcome)
{
    Pgtide__V1__Welcome *out = ARENA_NEW(arena, Pgtide__V1__Welcome);
    pgtide__v1__welcome__init(out);
    out->agent_boot = proto_from_uuid(&welcome->agent_boot);
    out->heartbeat_ms = welcome->heartbeat_ms;
    out->silence_deadline_ms = welcome->silence_deadline_ms;
    return out;
}

static Pgtide__V1__StopRollout *stop_encode(Arena *arena, const StopRollout *stop)
{
    Pgtide__V1__StopRollout *out = ARENA_NEW(arena, Pgtide__V1__StopRollout);
    pgtide__v1__stop_rollout__init(out);
    out->rollout_id = proto_from_uuid(&stop->rollout_id);
    out->reason = proto_from_text(stop->reason);
    return out;
}

static Pgtide__V1__BlobChunk *chunk_encode(Arena *arena, const BlobChunk *chunk)
{
    Pgtide__V1__BlobChunk *out = ARENA_NEW(arena, Pgtide__V1__BlobChunk);
    pgtide__v1__blob_chunk__init(out);
    out->digest = proto_from_digest(&chunk->digest);
    out->offset = chunk->offset;
    out->total = chunk->total;
    out->bytes = proto_bytes(chunk->bytes.bytes, chunk->bytes.length);
    return out;
}

static Pgtide__V1__OperatorTask *task_encode(Arena *arena, const OperatorTask *task)
{
    Pgtide__V1__OperatorTask *out = ARENA_NEW(arena, Pgtide__V1__OperatorTask);
    pgtide__v1__operator_task__init(out);
    out->request = proto_bytes(task->request.bytes, task->request.length);
    if (!task->has_plan)
        return out;
    out->plan = ARENA_NEW(arena, Pgtide__V1__PlanRef);
    pgtide__v1__plan_ref__init(out->plan);
    out->plan->rollout_id = proto_from_uuid(&task->plan.rollout_id);
    out->plan->dossier_digest = proto_from_digest(&task->plan.dossier_digest);
    out->plan->bundle_digest = proto_from_digest(&task->plan.bundle_digest);
    out->plan->bundle_blob_digest = proto_from_digest(&task->plan.bundle_blob_digest);
    return out;
}

static ErrCode command_body_encode(Arena *arena, const Command *command, Pgtide__V1__Command *out,
                                   Error *err)
{
    switch (command->kind) {
    case COMMAND_WELCOME:
        out->body_case = PGTIDE__V1__COMMAND__BODY_WELCOME;
        out->welcome = welcome_encode(arena, &command->welcome);
        return ERR_OK;
    case COMMAND_HEARTBEAT:
        out->body_case = PGTIDE__V1__COMMAND__BODY_HEARTBEAT;
        out->heartbeat = ARENA_NEW(arena, Pgtide__V1__Heartbeat);
        pgtide__v1__heartbeat__init(out->heartbeat);
        return ERR_OK;
    case COMMAND_RUN:
        out->body_case = PGTIDE__V1__COMMAND__BODY_RUN;
        out->run = run_encode(arena, &command->run);
        return ERR_OK;
    case COMMAND_STOP:
        out->body_case = PGTIDE__V1__COMMAND__BODY_STOP;
        out->stop = stop_encode(arena, &command->stop);
        return ERR_OK;
    case COMMAND_CHUNK:
        out->body_case = PGTIDE__V1__COMMAND__BODY_CHUNK;
        out->chunk = chunk_encode(arena, &command->chunk);
        return ERR_OK;
    case COMMAND_REFRESH:
        out->body_case = PGTIDE__V1__COMMAND__BODY_REFRESH;
        out->refresh = ARENA_NEW(arena, Pgtide__V1__RefreshInventory);
        pgtide__v1__refresh_inventory__init(out->refresh);
        return ERR_OK;
    case COMMAND_TASK:
        out->body_case = PGTIDE__V1__COMMAND__BODY_TASK;
        out->task = task_encode(arena, &command->task);
        return ERR_OK;
    case COMMAND_LOOK:
        out->body_case = PGTIDE__V1__COMMAND__BODY_LOOK;
        out->look = look_encode(arena, &command->look);
        return ERR_OK;
    case COMMAND_BACKUPS:
        out->body_case = PGTIDE__V1__COMMAND__BODY_BACKUPS;
        out->backups = backup_work_encode(arena, &command->backups);
        return ERR_OK;
    default:
        return err_set(err, ERR_INTERNAL, "a command of no kind");
    }
}

ErrCode command_encode(Arena *arena, const Command *command, uint8_t **ret_bytes,
                       size_t *ret_length, Error *err)
{
    Pgtide__V1__Command out;
    pgtide__v1__command__init(&out);
    out.fleet_id = proto_from_uuid(&command->fleet_id);
    out.agent = proto_from_text(command->agent);
    out.agent_boot = proto_from_uuid(&command->agent_boot);
    out.epoch = command->epoch;
    out.sequence = command->sequence;
    out.not_after_uptime_ms = command->not_after_uptime_ms;
    out.sent_unix_ms = command->sent_unix_ms;
    CHECK(command_body_encode(arena, command, &out, err));
    *ret_bytes = proto_pack(arena, &out.base, ret_length);
    return ERR_OK;
}
