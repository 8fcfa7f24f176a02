/*
 * What coordinator and agents say to each other, as plain structs: the same fields as
 * proto/command.proto and proto/report.proto, checked and without protobuf types.
 * message_codec.h reads and writes their bytes.
 *
 * Texts are never NULL in a decoded value ('' when absent). Everything a struct points to lives in
 * the arena it was decoded or built in.
 */
#pragma once

#include "activity.h"
#include "facts.h"
#include "gate.h"
#include "plan.h"

/* 16 random bytes made at each start of an agent; nil when not known yet. */
typedef Uuid BootNonce;

typedef struct ByteSpan {
    const uint8_t *bytes; /* NULL only when length is 0 */
    size_t length;
} ByteSpan;

/* --- commands: coordinator -> one agent ------------------------------------------------------- */

typedef enum CommandKind {
    COMMAND_UNSPECIFIED,
    COMMAND_WELCOME,
    COMMAND_HEARTBEAT,
    COMMAND_RUN,
    COMMAND_STOP,
    COMMAND_CHUNK,
    COMMAND_REFRESH,
    COMMAND_TASK,
    COMMAND_LOOK,
    COMMAND_BACKUPS,
    COMMAND_KIND_COUNT
} CommandKind;

typedef struct Welcome {
    BootNonce agent_boot;
    uint32_t heartbeat_ms;
    uint32_t silence_deadline_ms; /* without a command for so long the agent starts no step */
} Welcome;

typedef struct ShardOrder {
    ByteSpan plan_shard; /* PlanShard bytes: the Merkle leaf is over exactly these */
    Digest *audit_path;  /* sibling hashes from leaf to root */
    size_t audit_path_count;
    uint32_t generation; /* from 1 */
    Direction direction;
    uint32_t attempt; /* from 1; not part of any identity */
} ShardOrder;

typedef struct RunShards {
    Uuid rollout_id;
    Digest plan_digest;
    Digest dossier_digest;     /* blob: PlanDossier */
    Digest bundle_digest;      /* checked against the plan header */
    Digest bundle_blob_digest; /* blob: the *.bundle file */
    ShardOrder *orders;
    size_t order_count;
} RunShards;

/* Look at one gate of the plan, for these shards: nothing is changed by it. */
typedef struct LookAtGate {
    RunShards run; /* orders: plan_shard and audit_path alone */
    uint32_t gate; /* of the header */
    uint64_t token;
    uint32_t page; /* of those that the shards of one look were cut into */
} LookAtGate;

typedef struct StopRollout {
    Uuid rollout_id; /* nil: every rollout */
    const char *reason;
} StopRollout;

typedef struct BlobChunk {
    Digest digest;
    uint64_t offset;
    uint64_t total; /* 0: no such blob */
    ByteSpan bytes;
} BlobChunk;

/* Where the parts of a plan are; who acts on them verifies them. */
typedef struct PlanRef {
    Uuid rollout_id;
    Digest dossier_digest;     /* blob: PlanDossier */
    Digest bundle_digest;      /* as the plan's header has it */
    Digest bundle_blob_digest; /* blob: the *.bundle file */
} PlanRef;

/* An operator's own request, passed on as it was signed. */
typedef struct OperatorTask {
    ByteSpan request; /* the envelope */
    bool has_plan;
    PlanRef plan; /* of the plan digest in the request */
} OperatorTask;

typedef enum BackupVerb {
    BACKUP_VERB_UNSPECIFIED,
    BACKUP_VERB_LIST,   /* list anew */
    BACKUP_VERB_VERIFY, /* read these in full again */
    BACKUP_VERB_PRUNE,  /* of these shards: let go what the agent's own rules let go */
    BACKUP_VERB_COUNT
} BackupVerb;

typedef struct BackupRef {
    Uuid shard;
    OperationId operation; /* only with VERIFY */
} BackupRef;

typedef struct BackupWork {
    BackupVerb verb;
    BackupRef *items;
    size_t count;
} BackupWork;

typedef struct Command {
    Uuid fleet_id;
    const char *agent;
    BootNonce agent_boot; /* nil only with Welcome */
    uint64_t epoch;
    uint64_t sequence;
    uint64_t not_after_uptime_ms;
    uint64_t sent_unix_ms;
    CommandKind kind;
    union {
        Welcome welcome;
        RunShards run;
        StopRollout stop;
        BlobChunk chunk;
        OperatorTask task;
        LookAtGate look;
        BackupWork backups;
    };
} Command;

/* --- reports: agent -> coordinator ------------------------------------------------------------ */

typedef enum ReportKind {
    REPORT_UNSPECIFIED,
    REPORT_HELLO,
    REPORT_HEARTBEAT,
    REPORT_INVENTORY,
    REPORT_JOBS,
    REPORT_FETCH,
    REPORT_REFUSAL,
    REPORT_TASK_DONE,
    REPORT_LOOKED,
    REPORT_BACKUPS,
    REPORT_KIND_COUNT
} ReportKind;

/* A way to back up that an agent's configuration names. */
typedef struct BackupCommandInfo {
    const char *name;
    bool can_verify;
    bool can_restore;
    bool can_prune;
} BackupCommandInfo;

typedef struct ClusterInfo {
    const char *name;
    uint64_t system_identifier; /* 0 while unreachable */
    uint32_t server_version;    /* as server_version_num */
    uint32_t pg_dump_version;
    bool reachable;
    const char *message; /* why not */
    LabelList labels;
    uint32_t pg_restore_version;
    BackupCommandInfo *backup_commands;
    size_t backup_command_count;
    bool can_encrypt;  /* it has age and recipients */
    bool standby;      /* in recovery: its shards are listed, never planned */
    uint32_t timeline; /* 0 on a standby and while unreachable */
    bool pooled;       /* reached through a pooler: listed, never planned */
} ClusterInfo;

typedef struct ShardInfo {
    Uuid uuid;
    const char *cluster;
    const char *database;
    const char *schema; /* '' = the whole database */
    uint64_t system_identifier;
    uint32_t database_oid;
    uint64_t size_bytes;
    StrList rows; /* version rows, sorted */
    bool adopted;
    Uuid fleet_id; /* of the pgtide.shard row; nil when not adopted or unmanaged */
    bool reachable;
    const char *message;
    LabelList labels;
    bool identity_mismatch; /* a clone or a restore */
    uint32_t schema_oid;    /* 0 for a whole database */
    /* As the pgtide.shard row says; all 0 without one. */
    uint64_t row_system_identifier;
    uint32_t row_database_oid;
    uint32_t row_schema_oid;
    bool origin_present;             /* what the row names is on this very server */
    uint64_t read_unix_ms;           /* when it was read last; 0 = never */
    Digest fingerprint;              /* of its schema, at these rows; zero = not known */
    uint64_t fingerprint_unix_ms;    /* when it was last seen to be this one */
    const char *fingerprint_message; /* why it is not known; NULL = '' */
} ShardInfo;

typedef struct Hello {
    const char *version;
    const char *host;
    ClusterInfo *clusters;
    size_t cluster_count;
} Hello;

typedef struct AgentHeartbeat {
    uint32_t jobs_running;
} AgentHeartbeat;

typedef struct Inventory {
    uint64_t snapshot;
    uint32_t part;
    bool last;
    const char *host;
    ClusterInfo *clusters;
    size_t cluster_count;
    ShardInfo *shards;
    size_t shard_count;
} Inventory;

typedef struct BackupInfo {
    const char *path; /* relative to the agent's backup directory; '' = no backup was made */
    Digest sha256;
    uint64_t size_bytes;
    uint64_t duration_ms;
    BackupMethod method;
    bool encrypted;
    bool verified;            /* read in full before it counted */
    uint64_t restore_test_ms; /* how long restoring it took; 0 = it was not tried */
} BackupInfo;

typedef struct JobReport {
    Uuid rollout_id;
    Uuid shard;
    uint32_t index;
    uint32_t generation;
    Direction direction;
    uint32_t attempt;
    JobPhase phase;
    JobOutcome outcome; /* set when phase is done, or unknown */
    uint32_t steps_done;
    uint32_t steps_total;
    const char *revision; /* the step in hand, or the one that failed; may be '' */
    StrList rows;         /* as last read from the shard */
    const char *code;     /* error name of errors.def; '' = none */
    const char *sqlstate;
    const char *message;
    const char *hint;
    bool has_backup;
    BackupInfo backup; /* only with has_backup */
    uint64_t duration_ms;
    uint32_t line;     /* in the revision's file */
    Activity activity; /* of a job at work; kind UNSPECIFIED = nothing to tell */
    FactList facts;    /* of its steps that were slow or failed */
} JobReport;

typedef struct JobReports {
    JobReport *items;
    size_t count;
} JobReports;

typedef struct BlobFetch {
    Digest digest;
    uint64_t offset;
} BlobFetch;

/* The answer to a LookAtGate. */
typedef struct Looked {
    Uuid rollout_id;
    uint32_t gate;
    uint64_t token;
    uint32_t page;
    GateVerdict verdict;
    const char *message; /* of the shard or server that decided it */
} Looked;

/* A command that was not acted on. */
typedef struct Refusal {
    uint64_t sequence; /* of the command */
    const char *code;
    const char *message;
} Refusal;

/* The end of an operator's task. */
typedef struct TaskDone {
    Uuid request_id;
    const char *json; /* one object; '' after an error */
    const char *code; /* '' = done */
    const char *message;
    const char *detail;
    const char *hint;
} TaskDone;

/* What a backup's manifest says, as far as the fleet needs it. */
typedef struct BackupEntry {
    Uuid shard;
    OperationId operation; /* its id */
    const char *cluster;
    const char *database;
    const char *schema;
    Uuid rollout_id;
    BackupInfo info;
    const char *command; /* method command: its name, else '' */
    const char *id;      /* and what it calls the backup */
    StrList rows;
    const char *damage; /* what the last look at it found; '' = nothing */
    const char *kept;   /* why the agent's rules keep it; '' = it may go */
    uint64_t database_bytes;
    uint64_t started_unix_ms;
    uint64_t finished_unix_ms;
    uint64_t verified_unix_ms; /* when it was last read in full and right */
    uint64_t checked_unix_ms;  /* when that was last tried */
} BackupEntry;

/* All of an agent's backups, in parts as an Inventory is. */
typedef struct BackupListing {
    uint64_t snapshot;
    uint32_t part;
    bool last;
    BackupEntry *items;
    size_t count;
} BackupListing;

typedef struct Report {
    Uuid fleet_id;
    const char *agent;
    BootNonce agent_boot;
    uint64_t sequence;
    uint64_t uptime_ms;
    uint64_t epoch; /* the highest the agent has accepted */
    uint64_t sent_unix_ms;
    ReportKind kind;
    union {
        Hello hello;
        AgentHeartbeat heartbeat;
        Inventory inventory;
        JobReports jobs;
        BlobFetch fetch;
        Refusal refusal;
        TaskDone task_done;
        Looked looked;
        BackupListing backups;
    };
} Report;
