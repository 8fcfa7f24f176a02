#include "task_shard.h"

#include "cluster_connect.h"

enum { CONNECT_TIMEOUT_MS = 10000 };

ErrCode task_shard_find(const AgentSettings *settings, Shards *shards, const char *cluster,
                        const char *database, const char *schema, const char *application,
                        TaskShard *ret_shard, Error *err)
{
    const ClusterSettings *found = agent_settings_find_cluster(settings, cluster);
    if (found == NULL || shards_find(shards, cluster, database, schema) == NULL)
        return err_set(err, ERR_NOT_FOUND, "this agent does not look after that shard");
    *ret_shard = (TaskShard){found, cluster_target(found)};
    ret_shard->target.database = database;
    ret_shard->target.schema = schema;
    ret_shard->target.connect_timeout_ms = CONNECT_TIMEOUT_MS;
    ret_shard->target.application_name = application;
    return ERR_OK;
}
