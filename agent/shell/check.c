#include "agent.h"

#include "clock.h"
#include "shards.h"
#include "tool_version.h"
#include "trust.h"

#include <stdio.h>
#include <string.h>

static void on_listed(void *context)
{
    *(bool *)context = true;
}

static bool print_clusters(const Shards *shards)
{
    size_t count;
    bool fine = true;
    const ClusterInfo *clusters = shards_clusters(shards, &count);
    for (size_t i = 0; i < count; i++) {
        const ClusterInfo *cluster = &clusters[i];
        size_t found = 0, reachable = 0;
        for (size_t j = 0; j < shards_count(shards); j++) {
            const ShardInfo *shard = shards_at(shards, j);
            if (strcmp(shard->cluster, cluster->name) != 0)
                continue;
            found++;
            reachable += shard->reachable;
            if (!shard->reachable)
                printf("  %s/%s: %s\n", shard->cluster, shard->database, shard->message);
        }
        printf("cluster %s: ", cluster->name);
        if (!cluster->reachable) {
            printf("unreachable: %s\n", cluster->message);
            fine = false;
            continue;
        }
        printf("PostgreSQL %u, %zu shards, %zu reachable, pg_dump %u%s%s\n",
               cluster->server_version / 10000, found, reachable, cluster->pg_dump_version / 10000,
               cluster->message[0] == '\0' ? "" : "; ", cluster->message);
        Error err;
        bool can_dump = tool_version_check("pg_dump", cluster->pg_dump_version,
                                           cluster->server_version, ERR_BACKUP, &err) == ERR_OK;
        if (!can_dump)
            printf("  %s. %s\n", err.message, err.hint);
        fine = fine && can_dump && found == reachable && cluster->message[0] == '\0';
    }
    return fine;
}

static ErrCode check_clusters(const AgentSettings *settings, const Trust *trust, Error *err)
{
    uv_loop_t loop;
    uv_loop_init(&loop);
    bool listed = false;
    Shards *shards = shards_new(&loop, settings, trust_fleet_id(trust), on_listed, &listed);
    shards_find_pg_dump(shards);
    shards_refresh(shards);
    while (!listed && uv_run(&loop, UV_RUN_ONCE) != 0)
        continue;
    bool fine = print_clusters(shards);
    shards_free(shards);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    if (fine)
        return ERR_OK;
    err_set(err, ERR_CONNECT, "not every cluster and shard can be looked after");
    err_hint(err, "What each lacks is said above.");
    return ERR_CONNECT;
}

ErrCode agent_check(const AgentSettings *settings, Error *err)
{
    AUTO_KEY SecretKey *key = NULL;
    AUTO_TRUST Trust *trust = NULL;
    ErrCode code = key_load(settings->key_path, NULL, &key, err);
    if (code != ERR_OK)
        return code;
    printf("key %s of %s\n", key_public(key)->keyid, key_public(key)->name);
    code = trust_load(settings->trust_path, clock_unix_ms(), &trust, err);
    if (code != ERR_OK)
        return code;
    char fleet[UUID_TEXT_SIZE];
    uuid_format(trust_fleet_id(trust), fleet);
    printf("trust version %llu of fleet %s\n", (unsigned long long)trust_version(trust), fleet);
    return check_clusters(settings, trust, err);
}
