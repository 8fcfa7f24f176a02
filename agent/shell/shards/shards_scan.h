/*
 * Inside of shards.c: one cluster's scan. Finds the shards' names, then reads database after
 * database, a few at a time.
 */
#pragma once

#include "shards.h"

/* A shard by name. */
typedef struct ShardName {
    const char *database;
    const char *schema;
    LabelList labels;
} ShardName;

typedef struct ShardNames {
    ShardName *items; /* sorted by database and schema, each once */
    size_t count;
} ShardNames;

typedef struct ClusterScan ClusterScan;

typedef struct ClusterFound {
    const ClusterSettings *settings;
    ShardNames names;
    ShardInfo *shards; /* one for each name; uuid nil: never read */
    uint64_t system_identifier;
    uint32_t server_version;
    uint32_t timeline;
    bool standby;
    bool reachable;
    const char *message;
} ClusterFound;

typedef void ClusterScanCb(const ClusterFound *found, void *data);

/* What is found lives in `arena`. `former` are the names to go by when discovery fails. The
 * callback runs exactly once, never inside this call; then the scan is gone. */
ClusterScan *cluster_scan_start(uv_loop_t *loop, Arena *arena, const AgentSettings *settings,
                                const ClusterSettings *cluster, const Uuid *fleet_id,
                                const ShardNames *former, ClusterScanCb *cb, void *data);
void cluster_scan_cancel(ClusterScan *scan); /* no callback any more */
