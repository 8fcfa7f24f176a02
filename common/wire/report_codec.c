#include "activity_codec.h"
#include "backup_codec.h"
#include "codec_common.h"
#include "facts_codec.h"
#include "message_codec.h"

#include "named_limits.h"

#include "report.pb-c.h"

#include <string.h>

_Static_assert((int)PGTIDE__V1__PHASE__PHASE_SWAP == (int)PHASE_SWAP, "");
_Static_assert((int)PGTIDE__V1__OUTCOME__OUTCOME_UNREACHABLE == (int)OUTCOME_UNREACHABLE, "");
_Static_assert((int)PGTIDE__V1__LOOK_VERDICT__LOOK_VERDICT_ERROR == (int)GATE_ERROR, "");

enum {
    LIMIT_CLUSTERS_PER_AGENT = 1000,
    LIMIT_JOB_REPORTS = LIMIT_SHARD_ORDERS_PER_COMMAND,
    LIMIT_SQLSTATE_BYTES = 5,
};

/* --- decoding --------------------------------------------------------------------------------- */

static ErrCode commands_decode(Arena *arena, const Pgtide__V1__ClusterInfo *in, ClusterInfo *out,
                               Error *err)
{
    CHECK(proto_count(in->n_backup_commands, LIMIT_BACKUP_COMMANDS, "backup commands", err));
    out->backup_commands = ARENA_ARRAY(arena, BackupCommandInfo, in->n_backup_commands + 1);
    out->backup_command_count = in->n_backup_commands;
    for (size_t i = 0; i < in->n_backup_commands; i++) {
        const Pgtide__V1__BackupCommandInfo *command = in->backup_commands[i];
        BackupCommandInfo *item = &out->backup_commands[i];
        CHECK(proto_name(command->name, "backup command", &item->name, err));
        item->can_verify = command->can_verify != 0;
        item->can_restore = command->can_restore != 0;
        item->can_prune = command->can_prune != 0;
    }
    return ERR_OK;
}

static ErrCode clusters_decode(Arena *arena, Pgtide__V1__ClusterInfo *const *items, size_t count,
                               ClusterInfo **ret_clusters, Error *err)
{
    CHECK(proto_count(count, LIMIT_CLUSTERS_PER_AGENT, "clusters", err));
    ClusterInfo *clusters = ARENA_ARRAY(arena, ClusterInfo, count + 1);
    for (size_t i = 0; i < count; i++) {
        const Pgtide__V1__ClusterInfo *in = items[i];
        CHECK(proto_name(in->name, "cluster", &clusters[i].name, err));
        clusters[i].system_identifier = in->system_identifier;
        clusters[i].server_version = in->server_version;
        clusters[i].pg_dump_version = in->pg_dump_version;
        clusters[i].pg_restore_version = in->pg_restore_version;
        clusters[i].can_encrypt = in->can_encrypt != 0;
        CHECK(commands_decode(arena, in, &clusters[i], err));
        clusters[i].reachable = in->reachable != 0;
        CHECK(proto_text(in->message, "cluster message", &clusters[i].message, err));
        CHECK(labels_decode(arena, in->labels, in->n_labels, &clusters[i].labels, err));
        clusters[i].standby = in->standby != 0;
        clusters[i].timeline = in->timeline;
        clusters[i].pooled = in->pooled != 0;
    }
    *ret_clusters = clusters;
    return ERR_OK;
}

static ErrCode shard_info_decode(Arena *arena, const Pgtide__V1__ShardInfo *in, ShardInfo *out,
                                 Error *err)
{
    CHECK(proto_uuid(&in->uuid, "shard uuid", &out->uuid, err));
    CHECK(proto_name(in->cluster, "cluster", &out->cluster, err));
    CHECK(proto_identifier(in->database, "database", false, &out->database, err));
    CHECK(proto_identifier(in->schema, "schema", true, &out->schema, err));
    out->system_identifier = in->system_identifier;
    out->database_oid = in->database_oid;
    out->size_bytes = in->size_bytes;
    CHECK(proto_rows(arena, in->rows, in->n_rows, &out->rows, err));
    out->adopted = in->adopted != 0;
    CHECK(proto_uuid_or_nil(&in->fleet_id, "fleet id of a shard", &out->fleet_id, err));
    out->reachable = in->reachable != 0;
    CHECK(proto_text(in->message, "shard message", &out->message, err));
    CHECK(labels_decode(arena, in->labels, in->n_labels, &out->labels, err));
    out->identity_mismatch = in->identity_mismatch != 0;
    out->schema_oid = in->schema_oid;
    out->row_system_identifier = in->row_system_identifier;
    out->row_database_oid = in->row_database_oid;
    out->row_schema_oid = in->row_schema_oid;
    out->origin_present = in->origin_present != 0;
    out->read_unix_ms = in->read_unix_ms;
    if (in->fingerprint.len > 0)
        CHECK(proto_digest(&in->fingerprint, "fingerprint", &out->fingerprint, err));
    out->fingerprint_unix_ms = in->fingerprint_unix_ms;
    CHECK(proto_text(in->fingerprint_message, "why a fingerprint is not known",
                     &out->fingerprint_message, err));
    return ERR_OK;
}

static ErrCode inventory_decode(Arena *arena, const Pgtide__V1__Inventory *in, Inventory *out,
                                Error *err)
{
    out->snapshot = in->snapshot;
    out->part = in->part;
    out->last = in->last != 0;
    CHECK(proto_name(in->host, "host", &out->host, err));
    CHECK(clusters_decode(arena, in->clusters, in->n_clusters, &out->clusters, err));
    out->cluster_count = in->n_clusters;
    CHECK(proto_count(in->n_shards, LIMIT_SHARDS_PER_INVENTORY, "shards", err));
    out->shards = ARENA_ARRAY(arena, ShardInfo, in->n_shards + 1);
    out->shard_count = in->n_shards;
    for (size_t i = 0; i < in->n_shards; i++) {
        CHECK(shard_info_decode(arena, in->shards[i], &out->shards[i], err));
    }
    return ERR_OK;
}

ErrCode backup_decode(const Pgtide__V1__BackupInfo *in, BackupInfo *out, Error *err)
{
    CHECK(proto_text(in->path, "backup path", &out->path, err));
    CHECK(proto_digest(&in->sha256, "backup digest", &out->sha256, err));
    out->size_bytes = in->size_bytes;
    out->duration_ms = in->duration_ms;
    CHECK(proto_enum((int)in->method, BACKUP_METHOD_COUNT, "backup method", err));
    out->method = (BackupMethod)in->method;
    out->encrypted = in->encrypted != 0;
    out->verified = in->verified != 0;
    out->restore_test_ms = in->restore_test_ms;
    return ERR_OK;
}

/* A finished job says how it ended; one at work may only say that an outcome is not known yet. */
static ErrCode check_phase_and_outcome(const Pgtide__V1__JobReport *in, Error *err)
{
    CHECK(proto_enum((int)in->direction, DIRECTION_COUNT, "direction", err));
    CHECK(proto_enum((int)in->phase, PHASE_COUNT, "phase", err));
    int outcome = (int)in->outcome;
    bool done = (int)in->phase == PHASE_DONE;
    if (done || outcome != OUTCOME_UNSPECIFIED) {
        CHECK(proto_enum(outcome, OUTCOME_COUNT, "outcome", err));
    }
    if (!done && outcome != OUTCOME_UNSPECIFIED && outcome != OUTCOME_UNKNOWN) {
        return err_set(err, ERR_PROTOCOL, "a job at work with the outcome of a finished one");
    }
    if (in->generation == 0 || in->attempt == 0) {
        return err_set(err, ERR_PROTOCOL, "generation and attempt begin at 1");
    }
    return ERR_OK;
}

static ErrCode job_decode(Arena *arena, const Pgtide__V1__JobReport *in, JobReport *out, Error *err)
{
    CHECK(proto_uuid(&in->rollout_id, "rollout id", &out->rollout_id, err));
    CHECK(proto_uuid(&in->shard, "shard uuid", &out->shard, err));
    CHECK(check_phase_and_outcome(in, err));
    out->index = in->index;
    out->generation = in->generation;
    out->direction = (Direction)in->direction;
    out->attempt = in->attempt;
    out->phase = (JobPhase)in->phase;
    out->outcome = (JobOutcome)in->outcome;
    out->steps_done = in->steps_done;
    out->steps_total = in->steps_total;
    if (in->revision[0] != '\0' && !revision_id_is_valid(in->revision)) {
        return err_set(err, ERR_PROTOCOL, "revision of a job: not a revision id");
    }
    out->revision = in->revision;
    CHECK(proto_rows(arena, in->rows, in->n_rows, &out->rows, err));
    CHECK(proto_text(in->code, "error code", &out->code, err));
    if (strlen(in->sqlstate) > LIMIT_SQLSTATE_BYTES) {
        return err_set(err, ERR_PROTOCOL, "not an SQLSTATE");
    }
    out->sqlstate = in->sqlstate;
    CHECK(proto_text(in->message, "message", &out->message, err));
    CHECK(proto_text(in->hint, "hint", &out->hint, err));
    out->backup.path = "";
    if (in->backup != NULL) {
        out->has_backup = true;
        CHECK(backup_decode(in->backup, &out->backup, err));
    }
    out->duration_ms = in->duration_ms;
    out->line = in->line;
    CHECK(facts_decode(arena, in->facts, in->n_facts, &out->facts, err));
    return activity_decode(in->activity, &out->activity, err);
}

static ErrCode jobs_decode(Arena *arena, const Pgtide__V1__JobReports *in, JobReports *out,
                           Error *err)
{
    CHECK(proto_count(in->n_reports, LIMIT_JOB_REPORTS, "job reports", err));
    out->items = ARENA_ARRAY(arena, JobReport, in->n_reports + 1);
    out->count = in->n_reports;
    for (size_t i = 0; i < in->n_reports; i++) {
        CHECK(job_decode(arena, in->reports[i], &out->items[i], err));
    }
    return ERR_OK;
}

static ErrCode hello_decode(Arena *arena, const Pgtide__V1__Hello *in, Hello *out, Error *err)
{
    CHECK(proto_text(in->version, "version", &out->version, err));
    CHECK(proto_name(in->host, "host", &out->host, err));
    CHECK(clusters_decode(arena, in->clusters, in->n_clusters, &out->clusters, err));
    out->cluster_count = in->n_clusters;
    return ERR_OK;
}

static ErrCode refusal_decode(const Pgtide__V1__Refusal *in, Refusal *out, Error *err)
{
    out->sequence = in->sequence;
    CHECK(proto_text(in->code, "error code", &out->code, err));
    return proto_text(in->message, "message", &out->message, err);
}

static ErrCode task_done_decode(const Pgtide__V1__TaskDone *in, TaskDone *out, Error *err)
{
    CHECK(proto_uuid(&in->request_id, "request id", &out->request_id, err));
    CHECK(proto_count(strlen(in->json), LIMIT_TASK_RESULT_BYTES, "bytes in a result", err));
    out->json = in->json;
    CHECK(proto_text(in->code, "error code", &out->code, err));
    CHECK(proto_text(in->message, "message", &out->message, err));
    CHECK(proto_text(in->detail, "detail", &out->detail, err));
    CHECK(proto_text(in->hint, "hint", &out->hint, err));
    if ((out->json[0] == '\0') == (out->code[0] == '\0')) {
        return err_set(err, ERR_PROTOCOL, "a task ends with a result or with an error");
    }
    return ERR_OK;
}

static ErrCode looked_decode(const Pgtide__V1__Looked *in, Looked *out, Error *err)
{
    CHECK(proto_uuid(&in->rollout_id, "rollout id", &out->rollout_id, err));
    CHECK(proto_count(in->gate, LIMIT_PLAN_GATES - 1, "gates", err));
    CHECK(proto_enum((int)in->verdict, GATE_VERDICT_COUNT, "verdict", err));
    out->gate = in->gate;
    out->token = in->token;
    out->page = in->page;
    out->verdict = (GateVerdict)in->verdict;
    return proto_text(in->message, "message", &out->message, err);
}

static ErrCode report_body_decode(Arena *arena, const Pgtide__V1__Report *in, Report *out,
                                  Error *err)
{
    switch (in->body_case) {
    case PGTIDE__V1__REPORT__BODY_HELLO:
        out->kind = REPORT_HELLO;
        return hello_decode(arena, in->hello, &out->hello, err);
    case PGTIDE__V1__REPORT__BODY_HEARTBEAT:
        out->kind = REPORT_HEARTBEAT;
        out->heartbeat.jobs_running = in->heartbeat->jobs_running;
        return ERR_OK;
    case PGTIDE__V1__REPORT__BODY_INVENTORY:
        out->kind = REPORT_INVENTORY;
        return inventory_decode(arena, in->inventory, &out->inventory, err);
    case PGTIDE__V1__REPORT__BODY_JOBS:
        out->kind = REPORT_JOBS;
        return jobs_decode(arena, in->jobs, &out->jobs, err);
    case PGTIDE__V1__REPORT__BODY_FETCH:
        out->kind = REPORT_FETCH;
        out->fetch.offset = in->fetch->offset;
        return proto_digest(&in->fetch->digest, "blob digest", &out->fetch.digest, err);
    case PGTIDE__V1__REPORT__BODY_REFUSAL:
        out->kind = REPORT_REFUSAL;
        return refusal_decode(in->refusal, &out->refusal, err);
    case PGTIDE__V1__REPORT__BODY_TASK_DONE:
        out->kind = REPORT_TASK_DONE;
        return task_done_decode(in->task_done, &out->task_done, err);
    case PGTIDE__V1__REPORT__BODY_LOOKED:
        out->kind = REPORT_LOOKED;
        return looked_decode(in->looked, &out->looked, err);
    case PGTIDE__V1__REPORT__BODY_BACKUPS:
        out->kind = REPORT_BACKUPS;
        return backup_listing_decode(arena, in->backups, &out->backups, err);
    default:
        return err_set(err, ERR_PROTOCOL, "a report without a body this version knows");
    }
}

ErrCode report_decode(Arena *arena, const void *bytes, size_t length, Report *out, Error *err)
{
    ProtobufCMessage *message;
    CHECK(proto_count(length, LIMIT_REPORT_BYTES, "bytes in a report", err));
    CHECK(proto_unpack(arena, &pgtide__v1__report__descriptor, bytes, length, UNKNOWN_FIELDS_PASS,
                       &message, err));
    const Pgtide__V1__Report *in = (Pgtide__V1__Report *)message;
    Report report;
    memset(&report, 0, sizeof report);
    CHECK(proto_uuid(&in->fleet_id, "fleet id", &report.fleet_id, err));
    CHECK(proto_name(in->agent, "agent", &report.agent, err));
    CHECK(proto_uuid(&in->agent_boot, "agent boot", &report.agent_boot, err));
    if (in->sequence == 0) {
        return err_set(err, ERR_PROTOCOL, "the sequence begins at 1");
    }
    report.sequence = in->sequence;
    report.uptime_ms = in->uptime_ms;
    report.epoch = in->epoch;
    report.sent_unix_ms = in->sent_unix_ms;
    CHECK(report_body_decode(arena, in, &report, err));
    *out = report;
    return ERR_OK;
}

/* --- encoding --------------------------------------------------------------------------------- */

static Pgtide__V1__BackupCommandInfo **commands_encode(Arena *arena, const ClusterInfo *cluster)
{
    size_t count = cluster->backup_command_count;
    Pgtide__V1__BackupCommandInfo **items =
        ARENA_ARRAY(arena, Pgtide__V1__BackupCommandInfo *, count + 1);
    for (size_t i = 0; i < count; i++) {
        items[i] = ARENA_NEW(arena, Pgtide__V1__BackupCommandInfo);
        pgtide__v1__backup_command_info__init(items[i]);
        items[i]->name = proto_from_text(cluster->backup_commands[i].name);
        items[i]->can_verify = cluster->backup_commands[i].can_verify;
        items[i]->can_restore = cluster->backup_commands[i].can_restore;
        items[i]->can_prune = cluster->backup_commands[i].can_prune;
    }
    return items;
}

static Pgtide__V1__ClusterInfo **clusters_encode(Arena *arena, const ClusterInfo *clusters,
                                                 size_t count)
{
    Pgtide__V1__ClusterInfo **items = ARENA_ARRAY(arena, Pgtide__V1__ClusterInfo *, count + 1);
    for (size_t i = 0; i < count; i++) {
        Pgtide__V1__ClusterInfo *out = ARENA_NEW(arena, Pgtide__V1__ClusterInfo);
        pgtide__v1__cluster_info__init(out);
        out->name = proto_from_text(clusters[i].name);
        out->system_identifier = clusters[i].system_identifier;
        out->server_version = clusters[i].server_version;
        out->pg_dump_version = clusters[i].pg_dump_version;
        out->n_backup_commands = clusters[i].backup_command_count;
        out->backup_commands = commands_encode(arena, &clusters[i]);
        out->can_encrypt = clusters[i].can_encrypt;
        out->pg_restore_version = clusters[i].pg_restore_version;
        out->reachable = clusters[i].reachable;
        out->message = proto_from_text(clusters[i].message);
        out->n_labels = clusters[i].labels.count;
        out->labels = labels_encode(arena, &clusters[i].labels);
        out->standby = clusters[i].standby;
        out->timeline = clusters[i].timeline;
        out->pooled = clusters[i].pooled;
        items[i] = out;
    }
    return items;
}

static Pgtide__V1__ShardInfo *shard_info_encode(Arena *arena, const ShardInfo *shard)
{
    Pgtide__V1__ShardInfo *out = ARENA_NEW(arena, Pgtide__V1__ShardInfo);
    pgtide__v1__shard_info__init(out);
    out->uuid = proto_from_uuid(&shard->uuid);
    out->cluster = proto_from_text(shard->cluster);
    out->database = proto_from_text(shard->database);
    out->schema = proto_from_text(shard->schema);
    out->system_identifier = shard->system_identifier;
    out->database_oid = shard->database_oid;
    out->size_bytes = shard->size_bytes;
    out->n_rows = shard->rows.count;
    out->rows = texts_encode(&shard->rows);
    out->adopted = shard->adopted;
    out->fleet_id = proto_from_uuid(&shard->fleet_id);
    out->reachable = shard->reachable;
    out->message = proto_from_text(shard->message);
    out->n_labels = shard->labels.count;
    out->labels = labels_encode(arena, &shard->labels);
    out->identity_mismatch = shard->identity_mismatch;
    out->schema_oid = shard->schema_oid;
    out->row_system_identifier = shard->row_system_identifier;
    out->row_database_oid = shard->row_database_oid;
    out->row_schema_oid = shard->row_schema_oid;
    out->origin_present = shard->origin_present;
    out->read_unix_ms = shard->read_unix_ms;
    if (!digest_is_zero(&shard->fingerprint))
        out->fingerprint = proto_from_digest(&shard->fingerprint);
    out->fingerprint_unix_ms = shard->fingerprint_unix_ms;
    out->fingerprint_message =
        proto_from_text(shard->fingerprint_message == NULL ? "" : shard->fingerprint_message);
    return out;
}

static Pgtide__V1__Inventory *inventory_encode(Arena *arena, const Inventory *inventory)
{
    Pgtide__V1__Inventory *out = ARENA_NEW(arena, Pgtide__V1__Inventory);
    pgtide__v1__inventory__init(out);
    out->snapshot = inventory->snapshot;
    out->part = inventory->part;
    out->last = inventory->last;
    out->host = proto_from_text(inventory->host);
    out->n_clusters = inventory->cluster_count;
    out->clusters = clusters_encode(arena, inventory->clusters, inventory->cluster_count);
    out->n_shards = inventory->shard_count;
    out->shards = ARENA_ARRAY(arena, Pgtide__V1__ShardInfo *, inventory->shard_count + 1);
    for (size_t i = 0; i < inventory->shard_count; i++) {
        out->shards[i] = shard_info_encode(arena, &inventory->shards[i]);
    }
    return out;
}

Pgtide__V1__BackupInfo *backup_encode(Arena *arena, const BackupInfo *backup)
{
    Pgtide__V1__BackupInfo *out = ARENA_NEW(arena, Pgtide__V1__BackupInfo);
    pgtide__v1__backup_info__init(out);
    out->path = proto_from_text(backup->path);
    out->sha256 = proto_from_digest(&backup->sha256);
    out->size_bytes = backup->size_bytes;
    out->duration_ms = backup->duration_ms;
    out->method = (Pgtide__V1__BackupMethod)backup->method;
    out->encrypted = backup->encrypted;
    out->verified = backup->verified;
    out->restore_test_ms = backup->restore_test_ms;
    return out;
}

static Pgtide__V1__JobReport *job_encode(Arena *arena, const JobReport *job)
{
    Pgtide__V1__JobReport *out = ARENA_NEW(arena, Pgtide__V1__JobReport);
    pgtide__v1__job_report__init(out);
    out->rollout_id = proto_from_uuid(&job->rollout_id);
    out->shard = proto_from_uuid(&job->shard);
    out->index = job->index;
    out->generation = job->generation;
    out->direction = (Pgtide__V1__Direction)job->direction;
    out->attempt = job->attempt;
    out->phase = (Pgtide__V1__Phase)job->phase;
    out->outcome = (Pgtide__V1__Outcome)job->outcome;
    out->steps_done = job->steps_done;
    out->steps_total = job->steps_total;
    out->revision = proto_from_text(job->revision);
    out->n_rows = job->rows.count;
    out->rows = texts_encode(&job->rows);
    out->code = proto_from_text(job->code);
    out->sqlstate = proto_from_text(job->sqlstate);
    out->message = proto_from_text(job->message);
    out->hint = proto_from_text(job->hint);
    out->backup = job->has_backup ? backup_encode(arena, &job->backup) : NULL;
    out->duration_ms = job->duration_ms;
    out->line = job->line;
    out->activity = activity_encode(arena, &job->activity);
    out->n_facts = job->facts.count;
    out->facts = facts_encode(arena, &job->facts);
    return out;
}

static Pgtide__V1__JobReports *jobs_encode(Arena *arena, const JobReports *jobs)
{
    Pgtide__V1__JobReports *out = ARENA_NEW(arena, Pgtide__V1__JobReports);
    pgtide__v1__job_reports__init(out);
    out->n_reports = jobs->count;
    out->reports = ARENA_ARRAY(arena, Pgtide__V1__JobReport *, jobs->count + 1);
    for (size_t i = 0; i < jobs->count; i++) {
        out->reports[i] = job_encode(arena, &jobs->items[i]);
    }
    return out;
}

static Pgtide__V1__Hello *hello_encode(Arena *arena, const Hello *hello)
{
    Pgtide__V1__Hello *out = ARENA_NEW(arena, Pgtide__V1__Hello);
    pgtide__v1__hello__init(out);
    out->version = proto_from_text(hello->version);
    out->host = proto_from_text(hello->host);
    out->n_clusters = hello->cluster_count;
    out->clusters = clusters_encode(arena, hello->clusters, hello->cluster_count);
    return out;
}

static Pgtide__V1__Looked *looked_encode(Arena *arena, const Looked *looked)
{
    Pgtide__V1__Looked *out = ARENA_NEW(arena, Pgtide__V1__Looked);
    pgtide__v1__looked__init(out);
    out->rollout_id = proto_from_uuid(&looked->rollout_id);
    out->gate = looked->gate;
    out->token = looked->token;
    out->page = looked->page;
    out->verdict = (Pgtide__V1__LookVerdict)looked->verdict;
    out->message = proto_from_text(looked->message);
    return out;
}

static void small_body_encode(Arena *arena, const Report *report, Pgtide__V1__Report *out)
{
    if (report->kind == REPORT_HEARTBEAT) {
        out->body_case = PGTIDE__V1__REPORT__BODY_HEARTBEAT;
        out->heartbeat = ARENA_NEW(arena, Pgtide__V1__AgentHeartbeat);
        pgtide__v1__agent_heartbeat__init(out->heartbeat);
        out->heartbeat->jobs_running = report->heartbeat.jobs_running;
    } else if (report->kind == REPORT_FETCH) {
        out->body_case = PGTIDE__V1__REPORT__BODY_FETCH;
        out->fetch = ARENA_NEW(arena, Pgtide__V1__BlobFetch);
        pgtide__v1__blob_fetch__init(out->fetch);
        out->fetch->digest = proto_from_digest(&report->fetch.digest);
        out->fetch->offset = report->fetch.offset;
    } else {
        out->body_case = PGTIDE__V1__REPORT__BODY_REFUSAL;
        out->refusal = ARENA_NEW(arena, Pgtide__V1__Refusal);
        pgtide__v1__refusal__init(out->refusal);
        out->refusal->sequence = report->refusal.sequence;
        out->refusal->code = proto_from_text(report->refusal.code);
        out->refusal->message = proto_from_text(report->refusal.message);
    }
}

static Pgtide__V1__TaskDone *task_done_encode(Arena *arena, const TaskDone *done)
{
    Pgtide__V1__TaskDone *out = ARENA_NEW(arena, Pgtide__V1__TaskDone);
    pgtide__v1__task_done__init(out);
    out->request_id = proto_from_uuid(&done->request_id);
    out->json = proto_from_text(done->json);
    out->code = proto_from_text(done->code);
    out->message = proto_from_text(done->message);
    out->detail = proto_from_text(done->detail);
    out->hint = proto_from_text(done->hint);
    return out;
}

static ErrCode report_body_encode(Arena *arena, const Report *report, Pgtide__V1__Report *out,
                                  Error *err)
{
    switch (report->kind) {
    case REPORT_HELLO:
        out->body_case = PGTIDE__V1__REPORT__BODY_HELLO;
        out->hello = hello_encode(arena, &report->hello);
        return ERR_OK;
    case REPORT_INVENTORY:
        out->body_case = PGTIDE__V1__REPORT__BODY_INVENTORY;
        out->inventory = inventory_encode(arena, &report->inventory);
        return ERR_OK;
    case REPORT_JOBS:
        out->body_case = PGTIDE__V1__REPORT__BODY_JOBS;
        out->jobs = jobs_encode(arena, &report->jobs);
        return ERR_OK;
    case REPORT_LOOKED:
        out->body_case = PGTIDE__V1__REPORT__BODY_LOOKED;
        out->looked = looked_encode(arena, &report->looked);
        return ERR_OK;
    case REPORT_BACKUPS:
        out->body_case = PGTIDE__V1__REPORT__BODY_BACKUPS;
        out->backups = backup_listing_encode(arena, &report->backups);
        return ERR_OK;
    case REPORT_HEARTBEAT:
    case REPORT_FETCH:
    case REPORT_REFUSAL:
        small_body_encode(arena, report, out);
        return ERR_OK;
    case REPORT_TASK_DONE:
        out->body_case = PGTIDE__V1__REPORT__BODY_TASK_DONE;
        out->task_done = task_done_encode(arena, &report->task_done);
        return ERR_OK;
    default:
        return err_set(err, ERR_INTERNAL, "a report of no kind");
    }
}

ErrCode report_encode(Arena *arena, const Report *report, uint8_t **ret_bytes, size_t *ret_length,
                      Error *err)
{
    Pgtide__V1__Report out;
    pgtide__v1__report__init(&out);
    out.fleet_id = proto_from_uuid(&report->fleet_id);
    out.agent = proto_from_text(report->agent);
    out.agent_boot = proto_from_uuid(&report->agent_boot);
    out.sequence = report->sequence;
    out.uptime_ms = report->uptime_ms;
    out.epoch = report->epoch;
    out.sent_unix_ms = report->sent_unix_ms;
    CHECK(report_body_encode(arena, report, &out, err));
    *ret_bytes = proto_pack(arena, &out.base, ret_length);
    return ERR_OK;
}
