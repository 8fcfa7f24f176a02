/*
 * Which shards this agent looks after and what they say of themselves: the configured ones and
 * those a discovery query names, each read without writing anything.
 */
#pragma once

#include "message.h"
#include "settings.h"
#include "shard.h"

typedef struct Shards Shards;

/* A listing is complete. */
typedef void ShardsDone(void *context);

/* Borrows the settings. Returns owned. */
Shards *shards_new(uv_loop_t *loop, const AgentSettings *settings, const Uuid *fleet_id,
                   ShardsDone *done, void *context);
void shards_free(Shards *shards); /* NULL-safe; no callback any more */

/* Asks each cluster's pg_dump and pg_restore for their versions; waits for them. Before the first
 * refresh. */
void shards_find_pg_dump(Shards *shards);
/* Reads everything anew; while that is under way, once more afterwards. */
void shards_refresh(Shards *shards);
bool shards_is_scanning(const Shards *shards);

/* The last complete listing; nothing before the first. Borrows until the next one. */
size_t shards_count(const Shards *shards);
const ShardInfo *shards_at(const Shards *shards, size_t index);
/* NULL when this agent does not look after it (or has not found it yet). */
const ShardInfo *shards_find(const Shards *shards, const char *cluster, const char *database,
                             const char *schema);
/* What is known of a shard's schema, until the next listing; the message is copied. */
void shards_set_fingerprint(Shards *shards, size_t index, const Digest *fingerprint,
                            uint64_t seen_unix_ms, const char *message);
/* In the order of the settings; labels are the host's and the cluster's. */
const ClusterInfo *shards_clusters(const Shards *shards, size_t *ret_count);
const ClusterInfo *shards_find_cluster(const Shards *shards, const char *name);
