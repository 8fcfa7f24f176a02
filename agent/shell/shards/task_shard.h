/*
 * The shard that an operator's request is about. Only one that this agent lists: an operator is
 * given no way into other databases.
 */
#pragma once

#include "settings.h"
#include "shard.h"
#include "shards.h"

typedef struct TaskShard {
    const ClusterSettings *cluster;
    ShardTarget target; /* ready for shard_open(); borrows all texts */
} TaskShard;

/* `application`: the session's name. ERR_NOT_FOUND. */
ErrCode task_shard_find(const AgentSettings *settings, Shards *shards, const char *cluster,
                        const char *database, const char *schema, const char *application,
                        TaskShard *ret_shard, Error *err) MUST_CHECK;
