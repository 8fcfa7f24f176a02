#include "safe_shards.h"

#include "bundle.h"
#include "cluster_connect.h"
#include "digest.h"
#include "ensure.h"
#include "file.h"
#include "log.h"
#include "named_limits.h"

#include <stdlib.h>
#include <string.h>

enum { AT_ONCE = 4 };

typedef struct Due {
    const ClusterSettings *cluster;
    const char *database;
    const char *schema;
    Uuid uuid;
} Due;

/* One shard being ensured. */
typedef struct Work {
    SafeShards *safe;
    Due due;
    ShardSession *session; /* NULL: idle */
    Ensure *ensure;
} Work;

struct SafeShards {
    uv_loop_t *loop;
    const AgentSettings *settings;
    Uuid fleet_id;
    const Shards *shards;
    const Trust *trust;
    Arena *arena; /* of the bundle in force */
    Bundle bundle;
    Digest file; /* of its bytes, as they were read last */
    bool usable; /* it was verified */
    Arena *queue_arena;
    Due *queue;
    size_t queue_at;
    size_t queue_count;
    Uuid *done; /* with this bundle; the first `done_sorted` are sorted */
    size_t done_sorted;
    size_t done_count;
    size_t done_capacity;
    Work works[AT_ONCE];
};

SafeShards *safe_shards_new(uv_loop_t *loop, const AgentSettings *settings, const Uuid *fleet_id,
                            const Shards *shards, const Trust *trust)
{
    SafeShards *safe = xcalloc(1, sizeof *safe);
    safe->loop = loop;
    safe->settings = settings;
    safe->fleet_id = *fleet_id;
    safe->shards = shards;
    safe->trust = trust;
    safe->arena = arena_new();
    safe->queue_arena = arena_new();
    for (size_t i = 0; i < AT_ONCE; i++)
        safe->works[i].safe = safe;
    return safe;
}

/* The session first: the ensuring must not be asked for anything any more. */
static void work_end(Work *work)
{
    shard_close(work->session);
    ensure_free(work->ensure);
    work->session = NULL;
    work->ensure = NULL;
}

void safe_shards_free(SafeShards *safe)
{
    if (safe == NULL)
        return;
    for (size_t i = 0; i < AT_ONCE; i++)
        work_end(&safe->works[i]);
    free(safe->done);
    arena_free(safe->queue_arena);
    arena_free(safe->arena);
    free(safe);
}

void safe_shards_set_trust(SafeShards *safe, const Trust *trust)
{
    safe->trust = trust;
    safe->file = (Digest){0};
}

/* --- the bundle ------------------------------------------------------------------------------- */

static bool is_at_work(const SafeShards *safe)
{
    bool busy = safe->queue_at < safe->queue_count;
    for (size_t i = 0; i < AT_ONCE; i++)
        busy = busy || safe->works[i].session != NULL;
    return busy;
}

static void take_bundle(SafeShards *safe, Arena *arena, const Bundle *bundle)
{
    arena_free(safe->arena);
    safe->arena = arena;
    safe->bundle = *bundle;
    safe->usable = true;
    safe->done_count = safe->done_sorted = 0;
    log_event(LOG_INFO, "safe.bundle", "name", bundle->name, "statements",
              LOG_UINT(bundle->safe.count), NULL);
}

/* Reads the file; one that is as it was is not verified again. */
static void look_at_file(SafeShards *safe)
{
    Arena *arena = arena_new();
    uint8_t *bytes;
    size_t length;
    Bundle bundle;
    Error err;
    const char *path = safe->settings->safe_bundle;
    ErrCode code = file_read_all(arena, path, LIMIT_BUNDLE_BYTES, &bytes, &length, &err);
    Digest digest = code == ERR_OK ? sha256_bytes(bytes, length) : (Digest){0};
    if (code == ERR_OK && digest_equal(&digest, &safe->file)) {
        arena_free(arena);
        return;
    }
    if (code == ERR_OK)
        code = bundle_open(arena, bytes, length, safe->trust, &bundle, &err);
    safe->file = digest;
    if (code == ERR_OK) {
        take_bundle(safe, arena, &bundle);
        return;
    }
    arena_free(arena);
    safe->usable = false;
    log_failure(LOG_WARN, "safe.bundle_refused", &err, "file", path, NULL);
}

/* --- one shard -------------------------------------------------------------------------------- */

static void start_next(Work *work);

static void note_done(SafeShards *safe, const Uuid *uuid)
{
    if (safe->done_count == safe->done_capacity) {
        safe->done_capacity = safe->done_capacity == 0 ? 256 : safe->done_capacity * 2;
        safe->done = xrealloc(safe->done, safe->done_capacity * sizeof *safe->done);
    }
    safe->done[safe->done_count++] = *uuid;
}

static void work_failed(Work *work, const Error *err)
{
    log_failure(LOG_WARN, "safe.failed", err, "cluster", work->due.cluster->name, "database",
                work->due.database, "schema", work->due.schema, NULL);
}

static void on_ensured(Ensure *ensure, const EnsureResult *result, const Error *err, void *data)
{
    (void)ensure;
    Work *work = data;
    if (err != NULL) {
        work_failed(work, err);
    } else {
        note_done(work->safe, &work->due.uuid);
        if (result->done > 0)
            log_event(LOG_INFO, "safe.done", "cluster", work->due.cluster->name, "database",
                      work->due.database, "schema", work->due.schema, "statements",
                      LOG_UINT(result->done), NULL);
    }
    work_end(work);
    start_next(work);
}

static void on_opened(ShardSession *session, const Error *err, void *data)
{
    Work *work = data;
    if (err != NULL) {
        work_failed(work, err);
        work_end(work);
        start_next(work);
        return;
    }
    EnsureArgs args = {.safe = &work->safe->bundle.safe, .schema = work->due.schema};
    work->ensure = ensure_start(work->safe->loop, session, &args, on_ensured, work);
}

static void start_next(Work *work)
{
    SafeShards *safe = work->safe;
    if (safe->queue_at == safe->queue_count)
        return;
    work->due = safe->queue[safe->queue_at++];
    ShardTarget target = cluster_target(work->due.cluster);
    target.database = work->due.database;
    target.schema = work->due.schema;
    target.application_name = "pgtide-agent safe statements";
    work->session = shard_open(safe->loop, &target, on_opened, work);
}

/* --- which ------------------------------------------------------------------------------------ */

static int compare_uuids(const void *left, const void *right)
{
    return uuid_compare(left, right);
}

static bool is_done(const SafeShards *safe, const Uuid *uuid)
{
    return bsearch(uuid, safe->done, safe->done_sorted, sizeof *safe->done, compare_uuids) != NULL;
}

static const ClusterSettings *cluster_if_due(const SafeShards *safe, const ShardInfo *shard)
{
    const ClusterSettings *cluster = agent_settings_find_cluster(safe->settings, shard->cluster);
    bool ours = shard->adopted && shard->reachable && !shard->identity_mismatch &&
                uuid_equal(&shard->fleet_id, &safe->fleet_id);
    return ours && cluster != NULL && !cluster->pooled && !is_done(safe, &shard->uuid) ? cluster
                                                                                       : NULL;
}

static void fill_queue(SafeShards *safe)
{
    size_t count = shards_count(safe->shards);
    qsort(safe->done, safe->done_count, sizeof *safe->done, compare_uuids);
    safe->done_sorted = safe->done_count;
    arena_reset(safe->queue_arena);
    safe->queue = ARENA_ARRAY(safe->queue_arena, Due, count + 1);
    safe->queue_at = safe->queue_count = 0;
    for (size_t i = 0; i < count; i++) {
        const ShardInfo *shard = shards_at(safe->shards, i);
        const ClusterSettings *cluster = cluster_if_due(safe, shard);
        if (cluster != NULL)
            safe->queue[safe->queue_count++] =
                (Due){cluster, arena_strdup(safe->queue_arena, shard->database),
                      arena_strdup(safe->queue_arena, shard->schema), shard->uuid};
    }
}

void safe_shards_listed(SafeShards *safe)
{
    if (safe->settings->safe_bundle == NULL || is_at_work(safe))
        return; /* the next listing comes */
    look_at_file(safe);
    if (!safe->usable || safe->bundle.safe.count == 0)
        return;
    fill_queue(safe);
    for (size_t i = 0; i < AT_ONCE; i++)
        start_next(&safe->works[i]);
}
