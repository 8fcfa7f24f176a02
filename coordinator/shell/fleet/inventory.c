#include "inventory.h"

#include "identity.h"
#include "named_limits.h"
#include "uuid_map.h"

#include <stdlib.h>
#include <string.h>

/* One full listing. */
typedef struct Listing {
    Arena *arena; /* NULL: none */
    uint64_t snapshot;
    uint32_t parts;
    const char *host;
    uint64_t listed_ms; /* of its first part: nothing in it is older than the scan before that */
    uint64_t listed_unix_ms;
    FleetCluster *clusters;
    size_t cluster_count;
    size_t cluster_capacity;
    FleetShard *shards;
    size_t shard_count;
    size_t shard_capacity;
} Listing;

typedef struct AgentListings {
    char *agent; /* owned */
    Listing current;
    Listing coming;
} AgentListings;

struct FleetInventory {
    Uuid fleet_id;
    AgentListings **agents;
    size_t agent_count;
    size_t agent_capacity;

    /* Over all agents; made anew when somebody looks after a change. */
    bool stale;
    FleetShard **shards;
    size_t shard_count;
    FleetCluster **clusters;
    size_t cluster_count;
    UuidMap *by_uuid; /* index in `shards` */
    ShardMemory *memory;
    Arena *judged; /* texts of faults */
};

const char *shard_fault_name(ShardFault fault)
{
    static const char *const names[SHARD_FAULT_COUNT] = {
        [SHARD_FAULT_NONE] = "",           [SHARD_FAULT_TWICE] = "twice",
        [SHARD_FAULT_CLONE] = "clone",     [SHARD_FAULT_IDENTITY] = "moved",
        [SHARD_FAULT_RENAMED] = "renamed", [SHARD_FAULT_RECREATED] = "recreated",
        [SHARD_FAULT_FOREIGN] = "foreign",
    };
    return names[fault];
}

FleetInventory *inventory_new(const Uuid *fleet_id)
{
    FleetInventory *inventory = xcalloc(1, sizeof *inventory);
    inventory->fleet_id = *fleet_id;
    inventory->by_uuid = uuid_map_new();
    inventory->judged = arena_new();
    return inventory;
}

void inventory_judge_by(FleetInventory *inventory, ShardMemory *memory)
{
    inventory->memory = memory;
    inventory->stale = true;
}

void inventory_judge_anew(FleetInventory *inventory)
{
    inventory->stale = true;
}

static void listing_drop(Listing *listing)
{
    arena_free(listing->arena);
    *listing = (Listing){0};
}

void inventory_free(FleetInventory *inventory)
{
    if (inventory == NULL)
        return;
    for (size_t i = 0; i < inventory->agent_count; i++) {
        listing_drop(&inventory->agents[i]->current);
        listing_drop(&inventory->agents[i]->coming);
        free(inventory->agents[i]->agent);
        free(inventory->agents[i]);
    }
    free(inventory->agents);
    free(inventory->shards);
    free(inventory->clusters);
    uuid_map_free(inventory->by_uuid);
    arena_free(inventory->judged);
    free(inventory);
}

static AgentListings *find_agent(const FleetInventory *inventory, const char *agent)
{
    for (size_t i = 0; i < inventory->agent_count; i++) {
        if (strcmp(inventory->agents[i]->agent, agent) == 0)
            return inventory->agents[i];
    }
    return NULL;
}

static AgentListings *find_or_add_agent(FleetInventory *inventory, const char *agent)
{
    AgentListings *found = find_agent(inventory, agent);
    if (found != NULL)
        return found;
    if (inventory->agent_count == inventory->agent_capacity) {
        inventory->agent_capacity =
            inventory->agent_capacity == 0 ? 16 : inventory->agent_capacity * 2;
        inventory->agents =
            xrealloc(inventory->agents, inventory->agent_capacity * sizeof *inventory->agents);
    }
    found = xcalloc(1, sizeof *found);
    found->agent = xstrdup(agent);
    inventory->agents[inventory->agent_count++] = found;
    return found;
}

/* --- copying a part into the listing's own memory --------------------------------------------- */

/* `base` lies in the arena already: a copy for each shard of a cluster would multiply what an agent
 * sends. */
static LabelList copy_labels(Arena *arena, const LabelList *base, const LabelList *over)
{
    if (over->count == 0)
        return *base;
    LabelList out = {ARENA_ARRAY(arena, Label, base->count + over->count + 1), 0};
    const LabelList *lists[] = {over, base};
    for (size_t l = 0; l < 2; l++) {
        for (size_t i = 0; i < lists[l]->count; i++) {
            const Label *label = &lists[l]->items[i];
            bool known = false;
            for (size_t j = 0; j < out.count && !known; j++)
                known = strcmp(out.items[j].key, label->key) == 0;
            if (known || out.count == LIMIT_LABELS)
                continue;
            out.items[out.count++] = l == 1 ? *label
                                            : (Label){arena_strdup(arena, label->key),
                                                      arena_strdup(arena, label->value)};
        }
    }
    return out;
}

static void copy_commands(Arena *arena, const ClusterInfo *from, ClusterInfo *to)
{
    size_t count = from->backup_command_count;
    to->backup_commands = ARENA_ARRAY(arena, BackupCommandInfo, count + 1);
    for (size_t i = 0; i < count; i++) {
        to->backup_commands[i] = from->backup_commands[i];
        to->backup_commands[i].name = arena_strdup(arena, from->backup_commands[i].name);
    }
}

static void copy_clusters(Listing *listing, const char *agent, const Inventory *part)
{
    Arena *arena = listing->arena;
    size_t total = listing->cluster_count + part->cluster_count;
    if (total > listing->cluster_capacity) {
        size_t capacity = total < 16 ? 16 : total * 2;
        listing->clusters = arena_grow(arena, listing->clusters, listing->cluster_count, capacity,
                                       sizeof *listing->clusters);
        listing->cluster_capacity = capacity;
    }
    for (size_t i = 0; i < part->cluster_count; i++) {
        FleetCluster *cluster = &listing->clusters[listing->cluster_count++];
        cluster->agent = agent;
        cluster->host = listing->host;
        cluster->info = part->clusters[i];
        cluster->info.name = arena_strdup(arena, part->clusters[i].name);
        cluster->info.message = arena_strdup(arena, part->clusters[i].message);
        cluster->listed_ms = listing->listed_ms;
        cluster->listed_unix_ms = listing->listed_unix_ms;
        cluster->info.labels = copy_labels(arena, &(LabelList){NULL, 0}, &part->clusters[i].labels);
        copy_commands(arena, &part->clusters[i], &cluster->info);
    }
}

/* What the listing says of the shard's cluster; all 0 when it does not. */
static const ClusterInfo *cluster_of(const Listing *listing, const char *cluster)
{
    static const ClusterInfo none = {.name = "", .message = ""};
    for (size_t i = 0; i < listing->cluster_count; i++) {
        if (strcmp(listing->clusters[i].info.name, cluster) == 0)
            return &listing->clusters[i].info;
    }
    return &none;
}

static void copy_shard(const FleetInventory *inventory, Listing *listing, const char *agent,
                       const ShardInfo *info, FleetShard *out)
{
    Arena *arena = listing->arena;
    const ClusterInfo *cluster = cluster_of(listing, info->cluster);
    *out = (FleetShard){
        .uuid = info->uuid,
        .name = shard_display_name(arena, info->cluster, info->database, info->schema),
        .agent = agent,
        .host = listing->host,
        .cluster = arena_strdup(arena, info->cluster),
        .database = arena_strdup(arena, info->database),
        .schema = arena_strdup(arena, info->schema),
        .system_identifier = info->system_identifier,
        .database_oid = info->database_oid,
        .size_bytes = info->size_bytes,
        .rows = strlist_copy(arena, &info->rows),
        .adopted = info->adopted,
        .reachable = info->reachable,
        .message = arena_strdup(arena, info->message),
        .labels = copy_labels(arena, &cluster->labels, &info->labels),
        .schema_oid = info->schema_oid,
        .server_version = cluster->server_version,
        .standby = cluster->standby,
        .pooled = cluster->pooled,
        .seen_unix_ms = info->read_unix_ms,
        .listed_ms = listing->listed_ms,
        .fault_text = "",
        .foreign =
            !uuid_is_nil(&info->fleet_id) && !uuid_equal(&info->fleet_id, &inventory->fleet_id),
        .identity_mismatch = info->identity_mismatch,
        .origin_present = info->origin_present,
        .row_system_identifier = info->row_system_identifier,
        .row_database_oid = info->row_database_oid,
        .row_schema_oid = info->row_schema_oid,
        .fleet_id = info->fleet_id,
        .fingerprint = info->fingerprint,
        .fingerprint_unix_ms = info->fingerprint_unix_ms,
        .fingerprint_message =
            arena_strdup(arena, info->fingerprint_message == NULL ? "" : info->fingerprint_message),
    };
}

static void copy_shards(const FleetInventory *inventory, Listing *listing, const char *agent,
                        const Inventory *part)
{
    size_t total = listing->shard_count + part->shard_count;
    if (total > listing->shard_capacity) {
        size_t capacity = total < 64 ? 64 : total * 2;
        listing->shards = arena_grow(listing->arena, listing->shards, listing->shard_count,
                                     capacity, sizeof *listing->shards);
        listing->shard_capacity = capacity;
    }
    for (size_t i = 0; i < part->shard_count; i++)
        copy_shard(inventory, listing, agent, &part->shards[i],
                   &listing->shards[listing->shard_count++]);
}

/* --- the parts of a listing ------------------------------------------------------------------- */

/* It was of other rows. */
static void forget_fingerprint(FleetShard *shard)
{
    shard->fingerprint = (Digest){{0}};
    shard->fingerprint_unix_ms = 0;
    shard->fingerprint_message = "not read since its rows changed";
}

/* A job that ended while the agent was listing may have changed what was already listed. */
static void keep_job_rows(AgentListings *agent, uint64_t now_ms)
{
    UuidMap *former = uuid_map_new();
    for (size_t i = 0; i < agent->current.shard_count; i++) {
        const FleetShard *old = &agent->current.shards[i];
        if (old->job_rows_ms != 0 && now_ms - old->job_rows_ms < INVENTORY_JOB_ROWS_MS)
            uuid_map_put(former, &old->uuid, i);
    }
    for (size_t i = 0; i < agent->coming.shard_count && uuid_map_count(former) > 0; i++) {
        FleetShard *shard = &agent->coming.shards[i];
        uint64_t index;
        if (!uuid_map_get(former, &shard->uuid, &index))
            continue;
        const FleetShard *old = &agent->current.shards[index];
        if (!strlist_equal(&shard->rows, &old->rows))
            forget_fingerprint(shard);
        shard->rows = strlist_copy(agent->coming.arena, &old->rows);
        shard->adopted = shard->adopted || old->adopted;
        shard->job_rows_ms = old->job_rows_ms;
    }
    uuid_map_free(former);
}

static ErrCode begin_or_go_on(AgentListings *agent, const Inventory *part, uint64_t now_ms,
                              uint64_t unix_ms, Error *err)
{
    if (part->part == 0) {
        listing_drop(&agent->coming);
        agent->coming.arena = arena_new();
        agent->coming.snapshot = part->snapshot;
        agent->coming.listed_ms = now_ms;
        agent->coming.listed_unix_ms = unix_ms;
        agent->coming.host = arena_strdup(agent->coming.arena, part->host);
        return ERR_OK;
    }
    if (agent->coming.arena == NULL || agent->coming.snapshot != part->snapshot ||
        agent->coming.parts != part->part) {
        listing_drop(&agent->coming);
        return err_set(err, ERR_PROTOCOL, "part %u of listing %llu came out of order", part->part,
                       (unsigned long long)part->snapshot);
    }
    return ERR_OK;
}

ErrCode inventory_part(FleetInventory *inventory, const char *agent_name, const Inventory *part,
                       uint64_t now_ms, uint64_t unix_ms, bool *ret_replaced, Error *err)
{
    AgentListings *agent = find_or_add_agent(inventory, agent_name);
    ErrCode code = begin_or_go_on(agent, part, now_ms, unix_ms, err);
    if (code != ERR_OK)
        return code;
    Listing *listing = &agent->coming;
    if (listing->shard_count + part->shard_count > LIMIT_SHARDS_PER_AGENT ||
        listing->cluster_count + part->cluster_count > LIMIT_SHARDS_PER_AGENT) {
        listing_drop(listing);
        return err_set(err, ERR_LIMIT, "agent %s lists more than %d shards", agent_name,
                       LIMIT_SHARDS_PER_AGENT);
    }
    listing->parts++;
    copy_clusters(listing, agent->agent, part);
    copy_shards(inventory, listing, agent->agent, part);
    *ret_replaced = part->last;
    if (!part->last)
        return ERR_OK;
    keep_job_rows(agent, now_ms);
    listing_drop(&agent->current);
    agent->current = agent->coming;
    agent->coming = (Listing){0};
    inventory->stale = true;
    return ERR_OK;
}

void inventory_drop(FleetInventory *inventory, const char *agent_name)
{
    AgentListings *agent = find_agent(inventory, agent_name);
    if (agent == NULL)
        return;
    listing_drop(&agent->current);
    listing_drop(&agent->coming);
    inventory->stale = true;
}

void inventory_set_rows(FleetInventory *inventory, const Uuid *shard_id, const char *agent_name,
                        const StrList *rows, uint64_t now_ms)
{
    AgentListings *agent = find_agent(inventory, agent_name);
    FleetShard *shard = (FleetShard *)(uintptr_t)inventory_find(inventory, shard_id);
    if (agent == NULL || shard == NULL || strcmp(shard->agent, agent_name) != 0)
        return;
    if (!strlist_equal(&shard->rows, rows)) {
        shard->rows = strlist_copy(agent->current.arena, rows);
        forget_fingerprint(shard);
    }
    shard->adopted = true;
    shard->job_rows_ms = now_ms;
}

/* --- the fleet -------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    const FleetShard *x = *(FleetShard *const *)a;
    const FleetShard *y = *(FleetShard *const *)b;
    int order = strcmp(x->name, y->name);
    return order != 0 ? order : strcmp(x->agent, y->agent);
}

static int by_cluster_name(const void *a, const void *b)
{
    const FleetCluster *x = *(FleetCluster *const *)a;
    const FleetCluster *y = *(FleetCluster *const *)b;
    int order = strcmp(x->info.name, y->info.name);
    return order != 0 ? order : strcmp(x->agent, y->agent);
}

/* Of several with one uuid one that can be reached; a standby's only where there is no other. */
static void find_by_uuid(FleetInventory *inventory)
{
    uuid_map_clear(inventory->by_uuid);
    for (int rank = 0; rank < 3; rank++) {
        for (size_t i = 0; i < inventory->shard_count; i++) {
            const FleetShard *shard = inventory->shards[i];
            uint64_t other;
            if ((shard->standby     ? 2
                 : shard->reachable ? 0
                                    : 1) == rank &&
                !uuid_map_get(inventory->by_uuid, &shard->uuid, &other))
                uuid_map_put(inventory->by_uuid, &shard->uuid, i);
        }
    }
}

static void refresh(FleetInventory *inventory)
{
    if (!inventory->stale)
        return;
    inventory->stale = false;
    size_t shards = 0;
    size_t clusters = 0;
    for (size_t i = 0; i < inventory->agent_count; i++) {
        shards += inventory->agents[i]->current.shard_count;
        clusters += inventory->agents[i]->current.cluster_count;
    }
    inventory->shards = xrealloc(inventory->shards, (shards + 1) * sizeof *inventory->shards);
    inventory->clusters =
        xrealloc(inventory->clusters, (clusters + 1) * sizeof *inventory->clusters);
    inventory->shard_count = 0;
    inventory->cluster_count = 0;
    for (size_t i = 0; i < inventory->agent_count; i++) {
        Listing *listing = &inventory->agents[i]->current;
        for (size_t j = 0; j < listing->shard_count; j++)
            inventory->shards[inventory->shard_count++] = &listing->shards[j];
        for (size_t j = 0; j < listing->cluster_count; j++)
            inventory->clusters[inventory->cluster_count++] = &listing->clusters[j];
    }
    qsort(inventory->shards, inventory->shard_count, sizeof *inventory->shards, by_name);
    qsort(inventory->clusters, inventory->cluster_count, sizeof *inventory->clusters,
          by_cluster_name);
    arena_reset(inventory->judged);
    identity_judge(inventory->shards, inventory->shard_count, inventory->memory, inventory->judged);
    find_by_uuid(inventory);
}

size_t inventory_shard_count(FleetInventory *inventory)
{
    refresh(inventory);
    return inventory->shard_count;
}

const FleetShard *inventory_shard_at(FleetInventory *inventory, size_t index)
{
    refresh(inventory);
    return inventory->shards[index];
}

const FleetShard *inventory_find(FleetInventory *inventory, const Uuid *uuid)
{
    uint64_t index;
    refresh(inventory);
    return uuid_map_get(inventory->by_uuid, uuid, &index) ? inventory->shards[index] : NULL;
}

size_t inventory_cluster_count(FleetInventory *inventory)
{
    refresh(inventory);
    return inventory->cluster_count;
}

const FleetCluster *inventory_cluster_at(FleetInventory *inventory, size_t index)
{
    refresh(inventory);
    return inventory->clusters[index];
}
