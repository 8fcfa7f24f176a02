#include "shards.h"

#include "child.h"
#include "digest.h"
#include "file.h"
#include "log.h"
#include "shards_scan.h"
#include "tool_version.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct ShardsCluster {
    Shards *shards;
    const ClusterSettings *settings;
    ClusterScan *scan;
    ClusterFound found; /* of the scan that has just ended */
    ShardNames former;  /* lives in the current listing's arena */
    uint32_t pg_dump_version;
    uint32_t pg_restore_version;
} ShardsCluster;

/* A complete listing; replaced as a whole. */
typedef struct Listing {
    Arena *arena;
    ClusterInfo *clusters;
    size_t cluster_count;
    ShardInfo *shards; /* sorted by cluster (as configured), database, schema */
    size_t shard_count;
    size_t *first; /* per cluster: index of its first shard; one more at the end */
} Listing;

struct Shards {
    uv_loop_t *loop;
    const AgentSettings *settings;
    Uuid fleet_id;
    ShardsDone *done;
    void *context;
    ShardsCluster *clusters;
    size_t cluster_count;
    Listing listing;
    Arena *coming; /* of the scans under way; NULL = none */
    size_t scanning;
    bool again;
    uint32_t age_version; /* 0: there is none */
};

Shards *shards_new(uv_loop_t *loop, const AgentSettings *settings, const Uuid *fleet_id,
                   ShardsDone *done, void *context)
{
    Shards *shards = xcalloc(1, sizeof(*shards));
    shards->loop = loop;
    shards->settings = settings;
    shards->fleet_id = *fleet_id;
    shards->done = done;
    shards->context = context;
    shards->cluster_count = agent_settings_cluster_count(settings);
    shards->clusters = xcalloc(shards->cluster_count, sizeof(*shards->clusters));
    for (size_t i = 0; i < shards->cluster_count; i++)
        shards->clusters[i] =
            (ShardsCluster){.shards = shards, .settings = agent_settings_cluster(settings, i)};
    return shards;
}

void shards_free(Shards *shards)
{
    if (shards == NULL)
        return;
    for (size_t i = 0; i < shards->cluster_count; i++)
        if (shards->clusters[i].scan != NULL)
            cluster_scan_cancel(shards->clusters[i].scan);
    arena_free(shards->coming);
    arena_free(shards->listing.arena);
    free(shards->clusters);
    free(shards);
}

/* --- listing ---------------------------------------------------------------------------------- */

/* A shard that was never read is listed under an identity of its own, which no plan can name. */
static Uuid unread_identity(const Shards *shards, const ShardInfo *info)
{
    AUTO_ARENA Arena *arena = arena_new();
    const char *name = arena_printf(arena, "%s/%s/%s", info->cluster, info->database, info->schema);
    return shard_uuid(&shards->fleet_id, 0, 0, name);
}

/* What could not be read now keeps what was read before, but for being reachable. */
static void keep_former(const Shards *shards, Arena *arena, ShardInfo *info)
{
    const ShardInfo *former = shards_find(shards, info->cluster, info->database, info->schema);
    if (former == NULL) {
        info->uuid = unread_identity(shards, info);
        return;
    }
    const char *message = info->message;
    LabelList labels = info->labels;
    const char *database = info->database;
    const char *schema = info->schema;
    *info = *former;
    info->rows = strlist_copy(arena, &former->rows);
    info->database = database;
    info->schema = schema;
    info->labels = labels;
    info->message = message;
    info->fingerprint_message = NULL;
    info->reachable = false;
}

static BackupCommandInfo *backup_commands(const Shards *shards, Arena *arena)
{
    const BackupCommand *commands = shards->settings->backup_commands.items;
    size_t count = shards->settings->backup_commands.count;
    BackupCommandInfo *infos = ARENA_ARRAY(arena, BackupCommandInfo, count + 1);
    for (size_t i = 0; i < count; i++)
        infos[i] = (BackupCommandInfo){
            .name = commands[i].name,
            .can_verify = commands[i].verify.count > 0,
            .can_restore = commands[i].restore.count > 0,
            .can_prune = commands[i].prune.count > 0,
        };
    return infos;
}

static ClusterInfo cluster_info(const Shards *shards, Arena *arena, const ShardsCluster *cluster)
{
    LabelList labels[] = {shards->settings->labels, cluster->settings->labels};
    return (ClusterInfo){
        .name = cluster->settings->name,
        .system_identifier = cluster->found.reachable ? cluster->found.system_identifier : 0,
        .server_version = cluster->found.server_version,
        .pg_dump_version = cluster->pg_dump_version,
        .pg_restore_version = cluster->pg_restore_version,
        .backup_commands = backup_commands(shards, arena),
        .backup_command_count = shards->settings->backup_commands.count,
        .can_encrypt = shards->age_version != 0 && shards->settings->backup.age_recipients != NULL,
        .reachable = cluster->found.reachable,
        .message = cluster->found.message,
        .labels = labels_merge(arena, labels, 2),
        .standby = cluster->found.standby,
        .timeline = cluster->found.timeline,
        .pooled = cluster->settings->pooled,
    };
}

static void publish(Shards *shards)
{
    Listing listing = {.arena = shards->coming, .cluster_count = shards->cluster_count};
    listing.clusters = ARENA_ARRAY(listing.arena, ClusterInfo, shards->cluster_count);
    listing.first = ARENA_ARRAY(listing.arena, size_t, shards->cluster_count + 1);
    size_t total = 0;
    for (size_t i = 0; i < shards->cluster_count; i++)
        total += shards->clusters[i].found.names.count;
    listing.shards = ARENA_ARRAY(listing.arena, ShardInfo, total + 1);
    for (size_t i = 0; i < shards->cluster_count; i++) {
        ShardsCluster *cluster = &shards->clusters[i];
        listing.first[i] = listing.shard_count;
        for (size_t j = 0; j < cluster->found.names.count; j++) {
            ShardInfo *info = &listing.shards[listing.shard_count++];
            *info = cluster->found.shards[j];
            if (!info->reachable)
                keep_former(shards, listing.arena, info);
        }
        listing.clusters[i] = cluster_info(shards, listing.arena, cluster);
        cluster->former = cluster->found.names;
    }
    listing.first[shards->cluster_count] = listing.shard_count;
    arena_free(shards->listing.arena);
    shards->listing = listing;
    shards->coming = NULL;
}

static void on_scanned(const ClusterFound *found, void *data)
{
    ShardsCluster *cluster = data;
    Shards *shards = cluster->shards;
    cluster->scan = NULL;
    cluster->found = *found;
    if (found->message != NULL && found->message[0] != '\0')
        log_event(LOG_WARN, "cluster.trouble", "cluster", cluster->settings->name, "message",
                  found->message, NULL);
    if (--shards->scanning > 0)
        return;
    publish(shards);
    shards->done(shards->context);
    if (shards->again) {
        shards->again = false;
        shards_refresh(shards);
    }
}

bool shards_is_scanning(const Shards *shards)
{
    return shards->scanning > 0;
}

void shards_refresh(Shards *shards)
{
    if (shards->scanning > 0) {
        shards->again = true;
        return;
    }
    shards->coming = arena_new();
    shards->scanning = shards->cluster_count;
    for (size_t i = 0; i < shards->cluster_count; i++) {
        ShardsCluster *cluster = &shards->clusters[i];
        cluster->scan =
            cluster_scan_start(shards->loop, shards->coming, shards->settings, cluster->settings,
                               &shards->fleet_id, &cluster->former, on_scanned, cluster);
    }
}

/* --- pg_dump ---------------------------------------------------------------------------------- */

typedef struct VersionQuestion {
    const char *program;
    uint32_t *answer;
    bool waiting;
} VersionQuestion;

static void on_version(const ChildResult *result, void *data)
{
    VersionQuestion *question = data;
    question->waiting = false;
    if (result->exit_status == 0 && result->term_signal == 0)
        *question->answer = tool_version_parse(result->output);
}

static void ask_version(const Shards *shards, const ShardsCluster *cluster,
                        VersionQuestion *question)
{
    AUTO_ARENA Arena *arena = arena_new();
    const char *directory = cluster == NULL ? NULL : cluster->settings->pg_bin;
    const char *path = getenv("PATH");
    const char *argv[] = {question->program, "--version", NULL};
    const char *env[] = {arena_printf(arena, "PATH=%s", path == NULL ? "/usr/bin:/bin" : path),
                         "LC_ALL=C", NULL};
    ChildArgs args = {
        .program =
            directory == NULL ? question->program : path_join(arena, directory, question->program),
        .argv = argv,
        .env = env,
    };
    Child *child;
    question->waiting =
        child_start(shards->loop, &args, on_version, question, &child, NULL) == ERR_OK;
}

void shards_find_pg_dump(Shards *shards)
{
    enum { PROGRAMS = 2 };
    size_t count = shards->cluster_count * PROGRAMS + 1;
    VersionQuestion *questions = xcalloc(count, sizeof *questions);
    for (size_t i = 0; i < shards->cluster_count; i++) {
        ShardsCluster *cluster = &shards->clusters[i];
        VersionQuestion *asked = &questions[i * PROGRAMS];
        asked[0] = (VersionQuestion){"pg_dump", &cluster->pg_dump_version, false};
        asked[1] = (VersionQuestion){"pg_restore", &cluster->pg_restore_version, false};
        ask_version(shards, cluster, &asked[0]);
        ask_version(shards, cluster, &asked[1]);
    }
    questions[count - 1] = (VersionQuestion){"age", &shards->age_version, false};
    ask_version(shards, NULL, &questions[count - 1]);
    bool waiting;
    do {
        waiting = false;
        for (size_t i = 0; i < count; i++)
            waiting = waiting || questions[i].waiting;
        if (waiting)
            uv_run(shards->loop, UV_RUN_ONCE);
    } while (waiting);
    free(questions);
}

/* --- questions -------------------------------------------------------------------------------- */

size_t shards_count(const Shards *shards)
{
    return shards->listing.shard_count;
}

const ShardInfo *shards_at(const Shards *shards, size_t index)
{
    return &shards->listing.shards[index];
}

void shards_set_fingerprint(Shards *shards, size_t index, const Digest *fingerprint,
                            uint64_t seen_unix_ms, const char *message)
{
    ShardInfo *info = &shards->listing.shards[index];
    info->fingerprint = *fingerprint;
    info->fingerprint_unix_ms = seen_unix_ms;
    if (info->fingerprint_message == NULL || strcmp(info->fingerprint_message, message) != 0)
        info->fingerprint_message = arena_strdup(shards->listing.arena, message);
}

const ShardInfo *shards_find(const Shards *shards, const char *cluster, const char *database,
                             const char *schema)
{
    const Listing *listing = &shards->listing;
    for (size_t i = 0; i < listing->cluster_count; i++) {
        if (strcmp(listing->clusters[i].name, cluster) != 0)
            continue;
        size_t low = listing->first[i], high = listing->first[i + 1];
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            const ShardInfo *info = &listing->shards[middle];
            int order = strcmp(database, info->database);
            if (order == 0)
                order = strcmp(schema, info->schema);
            if (order == 0)
                return info;
            if (order < 0)
                high = middle;
            else
                low = middle + 1;
        }
    }
    return NULL;
}

const ClusterInfo *shards_clusters(const Shards *shards, size_t *ret_count)
{
    *ret_count = shards->listing.cluster_count;
    return shards->listing.clusters;
}

const ClusterInfo *shards_find_cluster(const Shards *shards, const char *name)
{
    for (size_t i = 0; i < shards->listing.cluster_count; i++)
        if (strcmp(shards->listing.clusters[i].name, name) == 0)
            return &shards->listing.clusters[i];
    return NULL;
}
