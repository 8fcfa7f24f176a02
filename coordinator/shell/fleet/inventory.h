/*
 * The fleet as its agents have found it: hosts, clusters, shards.
 *
 * An agent lists everything it sees in parts with one snapshot number; when the last part has
 * arrived the listing replaces the agent's former one. Rows that a job's end reported count until a
 * listing is surely newer. A shard that is not surely what it says it is (identity.h) has a `fault`
 * and is never planned.
 *
 * A standby lists the same shards as its primary: these are no twins, and inventory_find() gives
 * the primary's where both are listed.
 *
 * Pointers that are given out live until the next inventory_part() or inventory_drop().
 */
#pragma once

#include "message.h"

/* See identity.h. */
typedef enum ShardFault {
    SHARD_FAULT_NONE,
    SHARD_FAULT_TWICE,     /* several say they are this one, and none can be told from the others */
    SHARD_FAULT_CLONE,     /* its row is that of another shard, which is there */
    SHARD_FAULT_IDENTITY,  /* not the database it was adopted as: a restore, or a clone */
    SHARD_FAULT_RENAMED,   /* the same database or schema under another name */
    SHARD_FAULT_RECREATED, /* another database or schema under a name that was a shard's */
    SHARD_FAULT_FOREIGN,   /* another fleet's */
    SHARD_FAULT_COUNT
} ShardFault;

const char *shard_fault_name(ShardFault fault); /* "clone"; '' for none */

typedef struct FleetCluster {
    const char *agent;
    const char *host;
    ClusterInfo info;
    uint64_t listed_ms; /* on our clock: when its agent's listing was complete */
    uint64_t listed_unix_ms;
} FleetCluster;

typedef struct FleetShard {
    Uuid uuid;
    const char *name; /* cluster/database[/schema], percent-encoded */
    const char *agent;
    const char *host;
    const char *cluster;
    const char *database;
    const char *schema;
    uint64_t system_identifier;
    uint32_t database_oid;
    uint64_t size_bytes;
    StrList rows; /* sorted */
    bool adopted;
    bool reachable; /* by its agent, when it last looked */
    ShardFault fault;
    const char *former_name;   /* RENAMED, RECREATED, CLONE: the other's name; NULL = none */
    const char *former_schema; /* RENAMED: the row is under this schema's name; NULL = its own */
    Uuid former_uuid;          /* RENAMED, RECREATED: of the shard that had place or name */
    const char *fault_text; /* why, for people; '' for none. Lives until the fleet is judged anew */
    /* What the row says of itself, for the judgement. */
    bool foreign;           /* of another fleet */
    bool identity_mismatch; /* names another place */
    bool origin_present;    /* which is on this very server */
    uint64_t row_system_identifier;
    uint32_t row_database_oid;
    uint32_t row_schema_oid;
    Uuid fleet_id;
    const char *message;
    LabelList labels; /* the cluster's and its own, which win */
    uint32_t schema_oid;
    uint32_t server_version;         /* as 150014; 0 = not known */
    bool standby;                    /* a copy that follows its primary: listed, never planned */
    bool pooled;                     /* reached through a pooler: listed, never planned */
    uint64_t seen_unix_ms;           /* when its agent has read it last; 0 = never */
    uint64_t listed_ms;              /* on our clock: when its agent's listing was complete */
    Digest fingerprint;              /* of its schema, at `rows`; zero = not known */
    uint64_t fingerprint_unix_ms;    /* when its agent has seen it last */
    const char *fingerprint_message; /* why it is not known */
    uint64_t job_rows_ms;            /* when a job's end told `rows`; 0 = the listing's */
} FleetShard;

typedef struct FleetInventory FleetInventory;

enum { INVENTORY_JOB_ROWS_MS = 15000 }; /* a listing that ends sooner after a job may be older */

FleetInventory *inventory_new(const Uuid *fleet_id); /* returns owned */
void inventory_free(FleetInventory *inventory);
/* What listings are judged against; borrowed. NULL: only against each other. */
typedef struct ShardMemory ShardMemory;
void inventory_judge_by(FleetInventory *inventory, ShardMemory *memory);
/* What is known has changed: shards are judged anew. */
void inventory_judge_anew(FleetInventory *inventory);

/* One part of a listing. `ret_replaced`: it was the last one and the fleet has changed. A part out
 * of order drops the listing (ERR_PROTOCOL); the agent's next one starts afresh. */
ErrCode inventory_part(FleetInventory *inventory, const char *agent, const Inventory *part,
                       uint64_t now_ms, uint64_t unix_ms, bool *ret_replaced,
                       Error *err) MUST_CHECK;
/* Forgets what the agent listed: it was revoked. */
void inventory_drop(FleetInventory *inventory, const char *agent);
/* What a job read from its shard when it ended. */
void inventory_set_rows(FleetInventory *inventory, const Uuid *shard, const char *agent,
                        const StrList *rows, uint64_t now_ms);

/* In order of name. */
size_t inventory_shard_count(FleetInventory *inventory);
const FleetShard *inventory_shard_at(FleetInventory *inventory, size_t index);
/* The one with this uuid; of twins any. NULL: not listed. */
const FleetShard *inventory_find(FleetInventory *inventory, const Uuid *uuid);
size_t inventory_cluster_count(FleetInventory *inventory);
const FleetCluster *inventory_cluster_at(FleetInventory *inventory, size_t index);
