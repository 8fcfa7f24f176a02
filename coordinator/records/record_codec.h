/*
 * Payloads of the coordinator's journal (proto/journal.proto). All results live in `arena`.
 */
#pragma once

#include "message.h"
#include "rollout_record.h"

/* Kinds of journal records: on disk, never reused. */
typedef enum JournalKind {
    JOURNAL_UNSPECIFIED = 0,
    JOURNAL_AGENT_ADMITTED = 1,    /* AgentAdmitted: also revocations */
    JOURNAL_PLAN_SUBMITTED = 2,    /* PlanSubmitted */
    JOURNAL_APPROVAL_RECORDED = 3, /* ApprovalRecorded: also rejections */
    JOURNAL_REQUEST_DONE = 4,      /* RequestDone, before what the request does */
    JOURNAL_ROLLOUT_RECORD = 5,    /* RolloutRecord */
    JOURNAL_SHARD_QUARANTINED = 6, /* ShardQuarantined: also releases */
    JOURNAL_FLEET_BRAKED = 7,      /* FleetBraked: also when it is taken off */
    JOURNAL_REPORT_KEPT = 8,       /* ReportKept, before what was decided by it */
    JOURNAL_TRUST_IN_FORCE = 14,   /* TrustInForce: what follows was judged by it */
    JOURNAL_SHARDS_KNOWN = 10,     /* ShardsKnown: also when they are forgotten */
    JOURNAL_TASK_ENDED = 11,       /* TaskEnded: what an agent made of an operator's request */
    JOURNAL_SCHEMA_EXPECTED = 12,  /* SchemaExpected */
    JOURNAL_DRIFT_ACCEPTED = 15,   /* DriftAccepted */
    JOURNAL_SINK_POSITION = 9,     /* SinkPosition */
    JOURNAL_SINK_LETTER = 13,      /* SinkLetter */
} JournalKind;

typedef struct PlanSubmitted {
    ByteSpan header_envelope; /* signed by the author */
    Digest plan_blob;
    Digest bundle_blob;
} PlanSubmitted;

typedef struct RequestDone {
    Uuid request_id;
    uint64_t created_unix_ms;
    const char *keyid;
    ByteSpan envelope;    /* may be empty */
    const Uuid *rollouts; /* that it is about */
    size_t rollout_count;
} RequestDone;

/* An operator's word about a shard or the whole fleet. */
typedef struct FleetWord {
    Uuid shard; /* nil: the brake */
    bool on;    /* quarantined, braked; false: released, taken off */
    const char *who;
    const char *reason;
    uint64_t at_unix_ms;
} FleetWord;

/* Where a shard is: which row belongs to which database. */
typedef struct KnownShard {
    Uuid uuid;
    const char *cluster;
    const char *database;
    const char *schema;
    uint64_t system_identifier;
    uint32_t database_oid;
    uint32_t schema_oid;
    bool forgotten;
} KnownShard;

typedef struct ShardsKnown {
    KnownShard *shards;
    size_t count;
    const char *who; /* '' = an agent's listing */
    const char *reason;
    uint64_t at_unix_ms;
} ShardsKnown;

/* On disk, never reused. */
typedef enum TaskKind {
    TASK_KIND_UNSPECIFIED = 0,
    TASK_KIND_ADOPT = 1,
    TASK_KIND_PROVISION = 2,
    TASK_KIND_COUNT
} TaskKind;

typedef struct TaskEnded {
    Uuid request_id;
    TaskKind kind;
    const char *who;
    const char *agent;
    const char *cluster;
    const char *database;
    const char *schema;
    Uuid shard;    /* nil = not known */
    bool has_plan; /* PROVISION */
    Digest plan;
    const char *code; /* '' = done */
    const char *message;
    uint64_t at_unix_ms;
} TaskEnded;

/* AgentAdmitted, ApprovalRecorded, ReportKept and TrustInForce: an envelope as it came. */
ByteSpan journal_envelope_encode(Arena *arena, JournalKind kind, ByteSpan envelope);
ErrCode journal_envelope_decode(Arena *arena, JournalKind kind, ByteSpan payload,
                                ByteSpan *ret_envelope, Error *err) MUST_CHECK;

ByteSpan plan_submitted_encode(Arena *arena, const PlanSubmitted *submitted);
ErrCode plan_submitted_decode(Arena *arena, ByteSpan payload, PlanSubmitted *out,
                              Error *err) MUST_CHECK;

ByteSpan request_done_encode(Arena *arena, const RequestDone *done);
ErrCode request_done_decode(Arena *arena, ByteSpan payload, RequestDone *out,
                            Error *err) MUST_CHECK;

/* ShardQuarantined with a shard, FleetBraked without. */
ByteSpan fleet_word_encode(Arena *arena, const FleetWord *word);
ErrCode fleet_word_decode(Arena *arena, JournalKind kind, ByteSpan payload, FleetWord *out,
                          Error *err) MUST_CHECK;

ByteSpan shards_known_encode(Arena *arena, const ShardsKnown *known);
ErrCode shards_known_decode(Arena *arena, ByteSpan payload, ShardsKnown *out,
                            Error *err) MUST_CHECK;

ByteSpan task_ended_encode(Arena *arena, const TaskEnded *ended);
ErrCode task_ended_decode(Arena *arena, ByteSpan payload, TaskEnded *out, Error *err) MUST_CHECK;

/* `number` is not stored: it is the count of records of the rollout. */
ByteSpan rollout_record_encode(Arena *arena, const Uuid *rollout_id, const RolloutRecord *record);
ErrCode rollout_record_decode(Arena *arena, ByteSpan payload, Uuid *ret_rollout_id,
                              RolloutRecord *out, Error *err) MUST_CHECK;
