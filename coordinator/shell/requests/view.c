#include "coordinator.h"

#include "sinks.h"
#include "standing.h"
#include "view_events.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS_SHOWN_MAX = 50 };

typedef struct ShardCounts {
    uint64_t total;
    uint64_t by_state[SHARD_STATE_COUNT];
} ShardCounts;

static void count_shard(ShardCounts *counts, ShardState state)
{
    counts->total++;
    counts->by_state[state]++;
}

static void write_counts(JsonWriter *json, const ShardCounts *counts)
{
    json_field_object(json, "shards");
    json_field_uint(json, "total", counts->total);
    for (int state = SHARD_UNSPECIFIED + 1; state < SHARD_STATE_COUNT; state++)
        json_field_uint(json, shard_state_name((ShardState)state), counts->by_state[state]);
    json_object_end(json);
}

static void write_labels(JsonWriter *json, const LabelList *labels)
{
    json_field_object(json, "labels");
    for (size_t i = 0; i < labels->count; i++)
        json_field_string(json, labels->items[i].key, labels->items[i].value);
    json_object_end(json);
}

static ShardState state_of(const Coordinator *coordinator, const FleetShard *shard)
{
    const char *message;
    return coordinator_shard_state(coordinator, shard, &message, NULL);
}

static bool agent_is_connected(const Coordinator *coordinator, const char *name)
{
    const RosterAgent *agent = roster_find(coordinator->roster, name);
    return agent != NULL && agent->connected;
}

/* --- hosts: the distinct ones of clusters and agents ------------------------------------------ */

typedef struct HostView {
    const char *name;
    StrList agents;
    bool connected;
    uint64_t clusters;
    ShardCounts shards;
    uint64_t stale; /* of them */
    uint64_t listed_unix_ms;
} HostView;

typedef struct HostList {
    Arena *arena;
    HostView *items;
    size_t count;
    size_t capacity;
} HostList;

static int by_host_name(const void *a, const void *b)
{
    return strcmp(((const HostView *)a)->name, ((const HostView *)b)->name);
}

static HostView *host_of(HostList *hosts, const char *name)
{
    for (size_t i = 0; i < hosts->count; i++) {
        if (strcmp(hosts->items[i].name, name) == 0)
            return &hosts->items[i];
    }
    if (hosts->count == hosts->capacity) {
        size_t capacity = hosts->capacity == 0 ? 16 : hosts->capacity * 2;
        hosts->items =
            arena_grow(hosts->arena, hosts->items, hosts->count, capacity, sizeof *hosts->items);
        hosts->capacity = capacity;
    }
    HostView *host = &hosts->items[hosts->count++];
    host->name = name;
    return host;
}

static void add_agent(const Coordinator *coordinator, HostList *hosts, const char *host_name,
                      const char *agent)
{
    HostView *host = host_of(hosts, host_name);
    if (!strlist_has(&host->agents, agent))
        strlist_add(hosts->arena, &host->agents, agent);
    host->connected = host->connected || agent_is_connected(coordinator, agent);
}

static HostList list_hosts(const Coordinator *coordinator, Arena *arena)
{
    HostList hosts = {.arena = arena};
    for (size_t i = 0; i < roster_count(coordinator->roster); i++) {
        const RosterAgent *agent = roster_at(coordinator->roster, i);
        if (!agent->revoked && agent->host[0] != '\0')
            add_agent(coordinator, &hosts, agent->host, agent->key.name);
    }
    for (size_t i = 0; i < inventory_cluster_count(coordinator->inventory); i++) {
        const FleetCluster *cluster = inventory_cluster_at(coordinator->inventory, i);
        add_agent(coordinator, &hosts, cluster->host, cluster->agent);
        HostView *host = host_of(&hosts, cluster->host);
        host->clusters++;
        if (cluster->listed_unix_ms > host->listed_unix_ms)
            host->listed_unix_ms = cluster->listed_unix_ms;
    }
    for (size_t i = 0; i < inventory_shard_count(coordinator->inventory); i++) {
        const FleetShard *shard = inventory_shard_at(coordinator->inventory, i);
        HostView *host = host_of(&hosts, shard->host);
        if (!shard->standby)
            count_shard(&host->shards, state_of(coordinator, shard));
        if (standing_is_stale(coordinator, shard->listed_ms))
            host->stale++;
    }
    if (hosts.count > 0)
        qsort(hosts.items, hosts.count, sizeof *hosts.items, by_host_name);
    return hosts;
}

static void render_hosts(const Coordinator *coordinator, Arena *arena, JsonWriter *json)
{
    HostList hosts = list_hosts(coordinator, arena);
    json_field_array(json, "hosts");
    for (size_t i = 0; i < hosts.count; i++) {
        const HostView *host = &hosts.items[i];
        json_object_begin(json);
        json_field_string(json, "name", host->name);
        json_field_strings(json, "agents", &host->agents);
        json_field_bool(json, "connected", host->connected);
        json_field_uint(json, "clusters", host->clusters);
        write_counts(json, &host->shards);
        json_field_uint(json, "stale", host->stale);
        json_field_time(json, "listed", host->listed_unix_ms);
        json_object_end(json);
    }
    json_array_end(json);
}

/* --- fleet ------------------------------------------------------------------------------------ */

static void render_coordinator(const Coordinator *coordinator, JsonWriter *json)
{
    AUTO_ARENA Arena *arena = arena_new();
    uint64_t epoch;
    bool read_only = coordinator_is_read_only(coordinator);
    const char *why = NULL;
    if (read_only)
        why = arena_printf(arena, "%s; this coordinator is at epoch %llu",
                           coordinator_read_only_reason(coordinator, arena, &epoch),
                           (unsigned long long)journal_epoch(coordinator->journal));
    json_field_object(json, "coordinator");
    json_field_string(json, "name", coordinator->settings.name);
    json_field_string(json, "keyid", key_public(coordinator->key)->keyid);
    json_field_string(json, "version", PGTIDE_VERSION);
    json_field_uint(json, "epoch", journal_epoch(coordinator->journal));
    json_field_time(json, "started", coordinator->started_unix_ms);
    json_field_bool(json, "read_only", read_only);
    json_field_string(json, "read_only_reason", why);
    json_object_end(json);
}

static void render_agent_totals(const Coordinator *coordinator, JsonWriter *json)
{
    uint64_t admitted = 0;
    uint64_t connected = 0;
    uint64_t revoked = 0;
    for (size_t i = 0; i < roster_count(coordinator->roster); i++) {
        const RosterAgent *agent = roster_at(coordinator->roster, i);
        revoked += agent->revoked ? 1 : 0;
        admitted += agent->revoked ? 0 : 1;
        connected += agent->connected ? 1 : 0;
    }
    json_field_object(json, "agents");
    json_field_uint(json, "admitted", admitted);
    json_field_uint(json, "connected", connected);
    json_field_uint(json, "revoked", revoked);
    json_object_end(json);
}

typedef struct RowsCount {
    const StrList *rows;
    uint64_t shards;
} RowsCount;

static int most_first(const void *a, const void *b)
{
    const RowsCount *x = a;
    const RowsCount *y = b;
    return x->shards > y->shards ? -1 : x->shards < y->shards;
}

/* Where the fleet stands. Fleets stand at few places; beyond some hundreds the rest is not told. */
static void render_rows(const Coordinator *coordinator, Arena *arena, JsonWriter *json)
{
    enum { PLACES_MAX = 500 };
    RowsCount *places = ARENA_ARRAY(arena, RowsCount, PLACES_MAX);
    size_t count = 0;
    for (size_t i = 0; i < inventory_shard_count(coordinator->inventory); i++) {
        const FleetShard *shard = inventory_shard_at(coordinator->inventory, i);
        size_t at = 0;
        if (shard->standby)
            continue;
        while (at < count && !strlist_equal(places[at].rows, &shard->rows))
            at++;
        if (at == PLACES_MAX)
            continue;
        if (at == count)
            places[count++].rows = &shard->rows;
        places[at].shards++;
    }
    qsort(places, count, sizeof *places, most_first);
    json_field_array(json, "rows");
    for (size_t i = 0; i < count && i < ROWS_SHOWN_MAX; i++) {
        json_object_begin(json);
        json_field_strings(json, "rows", places[i].rows);
        json_field_uint(json, "shards", places[i].shards);
        json_object_end(json);
    }
    json_array_end(json);
}

static void render_fleet(const Coordinator *coordinator, const ViewRequest *request, Arena *arena,
                         JsonWriter *json)
{
    ShardCounts counts = {0};
    json_field_uuid(json, "fleet", trust_fleet_id(coordinator->trust));
    json_field_time(json, "time", request->unix_ms);
    render_coordinator(coordinator, json);
    json_field_bool(json, "braked", coordinator->braked);
    json_field_string(json, "brake_reason", coordinator->brake_reason);
    render_agent_totals(coordinator, json);
    json_field_uint(json, "hosts", list_hosts(coordinator, arena).count);
    json_field_uint(json, "clusters", inventory_cluster_count(coordinator->inventory));
    uint64_t standbys = 0, stale = 0;
    for (size_t i = 0; i < inventory_shard_count(coordinator->inventory); i++) {
        const FleetShard *shard = inventory_shard_at(coordinator->inventory, i);
        standbys += shard->standby ? 1 : 0;
        stale += standing_is_stale(coordinator, shard->listed_ms) ? 1 : 0;
        if (!shard->standby)
            count_shard(&counts, state_of(coordinator, shard));
    }
    write_counts(json, &counts);
    json_field_uint(json, "standbys", standbys);
    json_field_uint(json, "stale", stale);
    render_rows(coordinator, arena, json);
    sinks_render(coordinator->sinks, json);
    json_field_array(json, "rollouts");
    for (size_t i = rollouts_count(coordinator->rollouts); i > 0; i--) {
        const RolloutEntry *entry = rollouts_at(coordinator->rollouts, i - 1);
        if (!rollout_state_is_terminal(rollout_entry_state(entry)))
            view_rollout_summary(coordinator, entry, json);
    }
    json_array_end(json);
}

/* --- clusters, shards, agents ----------------------------------------------------------------- */

/* NULL: not known, its server was never reached. */
static const char *role_of(const FleetCluster *cluster)
{
    if (cluster->info.server_version == 0)
        return NULL;
    return cluster->info.standby ? "standby" : "primary";
}

static void write_age(const Coordinator *coordinator, JsonWriter *json, uint64_t listed_ms)
{
    json_field_uint(json, "age_ms",
                    coordinator->now_ms > listed_ms ? coordinator->now_ms - listed_ms : 0);
    json_field_bool(json, "stale", standing_is_stale(coordinator, listed_ms));
}

static void render_cluster(const Coordinator *coordinator, const FleetCluster *cluster,
                           JsonWriter *json)
{
    char identifier[24];
    ShardCounts counts = {0};
    for (size_t i = 0; i < inventory_shard_count(coordinator->inventory); i++) {
        const FleetShard *shard = inventory_shard_at(coordinator->inventory, i);
        if (strcmp(shard->cluster, cluster->info.name) == 0 &&
            strcmp(shard->agent, cluster->agent) == 0) /* a standby's copies too */
            count_shard(&counts, state_of(coordinator, shard));
    }
    json_object_begin(json);
    json_field_string(json, "name", cluster->info.name);
    json_field_string(json, "host", cluster->host);
    json_field_string(json, "agent", cluster->agent);
    json_field_string(json, "system_identifier",
                      log_uint(identifier, cluster->info.system_identifier));
    json_field_uint(json, "server_version", cluster->info.server_version);
    json_field_uint(json, "pg_dump_version", cluster->info.pg_dump_version);
    json_field_bool(json, "reachable",
                    cluster->info.reachable && agent_is_connected(coordinator, cluster->agent));
    json_field_string(json, "role", role_of(cluster));
    json_field_uint(json, "timeline", cluster->info.timeline);
    json_field_bool(json, "pooled", cluster->info.pooled);
    json_field_string(json, "message", cluster->info.message);
    write_labels(json, &cluster->info.labels);
    write_counts(json, &counts);
    json_field_time(json, "listed", cluster->listed_unix_ms);
    write_age(coordinator, json, cluster->listed_ms);
    json_object_end(json);
}

static void render_clusters(const Coordinator *coordinator, JsonWriter *json)
{
    json_field_array(json, "clusters");
    for (size_t i = 0; i < inventory_cluster_count(coordinator->inventory); i++)
        render_cluster(coordinator, inventory_cluster_at(coordinator->inventory, i), json);
    json_array_end(json);
}

static void write_last_backup(const FleetBackup *backup, JsonWriter *json)
{
    char operation[OPERATION_TEXT_SIZE];
    if (backup == NULL) {
        json_field_null(json, "backup");
        return;
    }
    operation_format(&backup->entry.operation, operation);
    json_field_object(json, "backup");
    json_field_string(json, "id", operation);
    json_field_time(json, "finished", backup->entry.finished_unix_ms);
    json_field_bool(json, "verified", backup->entry.verified_unix_ms != 0);
    json_field_uint(json, "size_bytes", backup->entry.info.size_bytes);
    json_field_uint(json, "duration_ms", backup->entry.info.duration_ms);
    json_object_end(json);
}

/* Where it is, and what its row says: what `fleet adopt` is made from. */
static void write_identity(JsonWriter *json, const FleetShard *shard)
{
    char text[24];
    json_field_object(json, "identity");
    json_field_string(json, "system_identifier", log_uint(text, shard->system_identifier));
    json_field_uint(json, "database_oid", shard->database_oid);
    json_field_uint(json, "schema_oid", shard->schema_oid);
    json_field_bool(json, "matches", !shard->identity_mismatch);
    json_field_bool(json, "foreign", shard->foreign);
    json_field_string(json, "row_system_identifier", log_uint(text, shard->row_system_identifier));
    json_field_uint(json, "row_database_oid", shard->row_database_oid);
    json_field_uint(json, "row_schema_oid", shard->row_schema_oid);
    if (uuid_is_nil(&shard->fleet_id))
        json_field_null(json, "row_fleet");
    else
        json_field_uuid(json, "row_fleet", &shard->fleet_id);
    json_field_string(json, "former", shard->former_name);
    json_field_string(json, "former_schema", shard->former_schema);
    if (uuid_is_nil(&shard->former_uuid))
        json_field_null(json, "former_uuid");
    else
        json_field_uuid(json, "former_uuid", &shard->former_uuid);
    json_object_end(json);
}

/* Known, and listed by nobody. */
static void render_missing(const Coordinator *coordinator, JsonWriter *json)
{
    const ShardMemory *memory = coordinator->memory;
    json_field_array(json, "missing");
    for (size_t i = 0; i < shard_memory_count(memory); i++) {
        AUTO_ARENA Arena *arena = arena_new();
        const KnownShard *known = shard_memory_at(memory, i);
        if (known == NULL || inventory_find(coordinator->inventory, &known->uuid) != NULL)
            continue;
        json_object_begin(json);
        json_field_string(
            json, "name",
            shard_display_name(arena, known->cluster, known->database, known->schema));
        json_field_uuid(json, "uuid", &known->uuid);
        json_field_string(json, "reason", shard_barrier_name(standing_missing(coordinator, known)));
        json_object_end(json);
    }
    json_array_end(json);
}

void view_shard_listed(const Coordinator *coordinator, const FleetShard *shard, JsonWriter *json)
{
    const char *message;
    const RolloutEntry *open;
    ShardState state = coordinator_shard_state(coordinator, shard, &message, &open);
    ShardBarrier barrier = standing_barrier(coordinator, shard);
    json_object_begin(json);
    json_field_string(json, "name", shard->name);
    json_field_uuid(json, "uuid", &shard->uuid);
    json_field_string(json, "host", shard->host);
    json_field_string(json, "cluster", shard->cluster);
    json_field_string(json, "database", shard->database);
    json_field_string(json, "schema", shard->schema);
    json_field_string(json, "agent", shard->agent);
    write_labels(json, &shard->labels);
    json_field_strings(json, "rows", &shard->rows);
    json_field_bool(json, "adopted", shard->adopted);
    json_field_string(json, "state", shard_state_name(state));
    json_field_string(json, "message", message);
    json_field_uint(json, "size_bytes", shard->size_bytes);
    json_field_uint(json, "server_version", shard->server_version);
    json_field_string(json, "role", shard->standby ? "standby" : "primary");
    write_identity(json, shard);
    json_field_string(json, "fault",
                      shard->fault == SHARD_FAULT_NONE ? NULL : shard_fault_name(shard->fault));
    json_field_string(json, "left_out",
                      barrier == SHARD_BARRIER_NONE ? NULL : shard_barrier_name(barrier));
    json_field_string(json, "rollout", open != NULL ? open->header.name : NULL);
    json_field_time(json, "seen", shard->seen_unix_ms);
    write_age(coordinator, json, shard->listed_ms);
    write_last_backup(backups_newest(coordinator->backups, &shard->uuid), json);
    json_object_end(json);
}

static ErrCode render_shards(const Coordinator *coordinator, const ViewRequest *request,
                             Arena *arena, JsonWriter *json, Error *err)
{
    const Selection *selection;
    ErrCode code =
        select_parse(request->select == NULL ? "" : request->select, arena, &selection, err);
    if (code != ERR_OK)
        return code;
    json_field_array(json, "shards");
    for (size_t i = 0; i < inventory_shard_count(coordinator->inventory); i++) {
        const FleetShard *shard = inventory_shard_at(coordinator->inventory, i);
        SelectTarget target = standing_select_target(coordinator, shard);
        if (select_matches(selection, &target))
            view_shard_listed(coordinator, shard, json);
    }
    json_array_end(json);
    render_missing(coordinator, json);
    json_field_uint(json, "total", inventory_shard_count(coordinator->inventory));
    return ERR_OK;
}

/* `ret_listed`: one of its clusters, which tells when it listed; NULL when it never did. */
static void count_of_agent(const Coordinator *coordinator, const char *agent,
                           uint64_t *ret_clusters, uint64_t *ret_shards,
                           const FleetCluster **ret_listed)
{
    *ret_clusters = 0;
    *ret_shards = 0;
    *ret_listed = NULL;
    for (size_t i = 0; i < inventory_cluster_count(coordinator->inventory); i++) {
        const FleetCluster *cluster = inventory_cluster_at(coordinator->inventory, i);
        if (strcmp(cluster->agent, agent) != 0)
            continue;
        *ret_listed = cluster;
        ++*ret_clusters;
    }
    for (size_t i = 0; i < inventory_shard_count(coordinator->inventory); i++)
        *ret_shards +=
            strcmp(inventory_shard_at(coordinator->inventory, i)->agent, agent) == 0 ? 1 : 0;
}

static void render_agent(const Coordinator *coordinator, const RosterAgent *agent, JsonWriter *json)
{
    const TrustOperator *admin = trust_find_operator(coordinator->trust, agent->admitted_by);
    uint64_t clusters;
    uint64_t shards;
    const FleetCluster *listed;
    count_of_agent(coordinator, agent->key.name, &clusters, &shards, &listed);
    json_object_begin(json);
    json_field_string(json, "name", agent->key.name);
    json_field_string(json, "keyid", agent->key.keyid);
    json_field_string(json, "host", agent->host[0] != '\0' ? agent->host : NULL);
    json_field_string(json, "version", agent->version[0] != '\0' ? agent->version : NULL);
    json_field_bool(json, "connected", agent->connected);
    json_field_time(json, "last_seen", agent->heard_unix_ms);
    json_field_uint(json, "uptime_ms", agent->uptime_ms);
    json_field_uint(json, "epoch", agent->epoch_seen);
    json_field_uint(json, "jobs_running", agent->jobs_running);
    json_field_uint(json, "clusters", clusters);
    json_field_uint(json, "shards", shards);
    json_field_time(json, "listed", listed != NULL ? listed->listed_unix_ms : 0);
    json_field_bool(json, "stale",
                    listed != NULL && standing_is_stale(coordinator, listed->listed_ms));
    json_field_bool(json, "revoked", agent->revoked);
    json_field_string(json, "reason", agent->reason);
    json_field_time(json, "admitted", agent->serial);
    json_field_string(json, "admitted_by", admin != NULL ? admin->key.name : agent->admitted_by);
    json_object_end(json);
}

static void render_agents(const Coordinator *coordinator, JsonWriter *json)
{
    json_field_array(json, "agents");
    for (size_t i = 0; i < roster_count(coordinator->roster); i++)
        render_agent(coordinator, roster_at(coordinator->roster, i), json);
    json_array_end(json);
}

static void render_rollouts(const Coordinator *coordinator, JsonWriter *json)
{
    json_field_array(json, "rollouts");
    for (size_t i = rollouts_count(coordinator->rollouts); i > 0; i--)
        view_rollout_summary(coordinator, rollouts_at(coordinator->rollouts, i - 1), json);
    json_array_end(json);
}

/* --- all -------------------------------------------------------------------------------------- */

ErrCode view_render(const Coordinator *coordinator, const ViewRequest *request, Arena *arena,
                    Str *out, Error *err)
{
    JsonWriter json = json_writer(out);
    if (request->kind == VIEW_ROLLOUT) {
        RolloutEntry *entry;
        ErrCode code = rollouts_find(coordinator->rollouts, request->rollout, &entry, err);
        if (code == ERR_OK)
            view_rollout(coordinator, entry, request, &json);
        return code;
    }
    ErrCode code = ERR_OK;
    json_object_begin(&json);
    switch (request->kind) {
    case VIEW_FLEET:
        render_fleet(coordinator, request, arena, &json);
        break;
    case VIEW_HOSTS:
        render_hosts(coordinator, arena, &json);
        break;
    case VIEW_CLUSTERS:
        render_clusters(coordinator, &json);
        break;
    case VIEW_SHARDS:
        code = render_shards(coordinator, request, arena, &json, err);
        break;
    case VIEW_BACKUPS:
        code = view_backups(coordinator, request, arena, &json, err);
        break;
    case VIEW_AGENTS:
        render_agents(coordinator, &json);
        break;
    case VIEW_ROLLOUTS:
        render_rollouts(coordinator, &json);
        break;
    case VIEW_DRIFT:
        code = view_drift(coordinator, request, arena, &json, err);
        break;
    case VIEW_SHARD:
        code = view_shard(coordinator, request, arena, &json, err);
        break;
    case VIEW_EVENTS:
        code = request->dead
                   ? sinks_render_dead(coordinator->sinks, request->since, arena, &json, err)
                   : view_events(coordinator, request, arena, &json, err);
        break;
    default:
        return err_set(err, ERR_PROTOCOL, "no such view");
    }
    if (code == ERR_OK)
        json_object_end(&json);
    return code;
}

ErrCode view_revision(const Coordinator *coordinator, const ViewRequest *request,
                      uint64_t *ret_revision, Error *err)
{
    bool any_rollout = request->rollout == NULL || request->rollout[0] == '\0';
    if (request->kind != VIEW_ROLLOUT && (request->kind != VIEW_EVENTS || any_rollout)) {
        *ret_revision = request->kind == VIEW_EVENTS ? journal_persisted(coordinator->journal)
                                                     : coordinator->revision;
        return ERR_OK;
    }
    RolloutEntry *entry;
    ErrCode code = rollouts_find(coordinator->rollouts, request->rollout, &entry, err);
    if (code == ERR_OK)
        *ret_revision = request->kind == VIEW_EVENTS ? journal_persisted(coordinator->journal)
                                                     : entry->revision;
    return code;
}
