#include "shards_scan.h"

#include "clock.h"
#include "cluster_connect.h"
#include "digest.h"
#include "named_limits.h"
#include "output_command.h"
#include "shards_discover.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

enum {
    SCAN_CONNECTIONS = 4,   /* per cluster: jobs need connections too */
    SCAN_GIVE_UP_AFTER = 3, /* databases in a row that can't be connected: the server is down */
    DISCOVER_DEADLINE_MS = 30000,
    CONNECT_TIMEOUT_MS = 10000,
};

/* A database and its shards: items[first .. first + count) of the names. */
typedef struct DatabaseScan {
    ClusterScan *scan;
    size_t first;
    size_t count;
    ShardSession *session;
} DatabaseScan;

struct ClusterScan {
    uv_loop_t *loop;
    Arena *arena;
    const AgentSettings *settings;
    Uuid fleet_id;
    const ShardNames *former;
    ClusterScanCb *cb;
    void *data;
    ClusterFound found;
    ShardNameList list;
    PgConn *discover;
    OutputCommand *command;
    Arena *batch_arena;
    DatabaseScan *databases;
    size_t database_count;
    size_t next;
    size_t running;
    size_t refused_in_a_row;
    Error last_error;
    uv_async_t begin;
};

static void scan_next(ClusterScan *scan);

/* --- the end ---------------------------------------------------------------------------------- */

static void on_begin_closed(uv_handle_t *handle)
{
    ClusterScan *scan = handle->data;
    arena_free(scan->batch_arena);
    free(scan);
}

static void destroy(ClusterScan *scan)
{
    pg_close(scan->discover);
    scan->discover = NULL;
    output_command_cancel(scan->command);
    scan->command = NULL;
    uv_close((uv_handle_t *)&scan->begin, on_begin_closed);
}

void cluster_scan_cancel(ClusterScan *scan)
{
    for (size_t i = 0; i < scan->database_count; i++)
        shard_close(scan->databases[i].session);
    destroy(scan);
}

static void finish(ClusterScan *scan)
{
    ClusterFound *found = &scan->found;
    if (found->reachable)
        found->message = found->message == NULL ? "" : found->message;
    else
        found->message = arena_strdup(scan->arena, scan->last_error.message);
    scan->cb(found, scan->data);
    destroy(scan);
}

/* --- reading databases ------------------------------------------------------------------------ */

static const ShardReading *find_reading(const DatabaseReading *reading, const char *schema)
{
    for (size_t i = 0; i < reading->shard_count; i++)
        if (strcmp(reading->shards[i].schema, schema) == 0)
            return &reading->shards[i];
    return NULL;
}

static void fill_shard(ClusterScan *scan, ShardInfo *info, const DatabaseReading *database,
                       const ShardReading *shard)
{
    Arena *arena = scan->arena;
    bool own_uuid = shard->adopted && !uuid_is_nil(&shard->shard_uuid);
    info->system_identifier = database->system_identifier;
    info->database_oid = database->database_oid;
    info->size_bytes = database->size_bytes;
    info->uuid = own_uuid ? shard->shard_uuid
                          : shard_uuid(&scan->fleet_id, database->system_identifier,
                                       database->database_oid, shard->schema);
    info->rows = strlist_copy(arena, &shard->rows);
    info->adopted = shard->adopted;
    info->fleet_id = shard->fleet_id;
    info->reachable = true;
    info->identity_mismatch = shard->identity_mismatch;
    info->schema_oid = shard->schema_oid;
    info->row_system_identifier = shard->row_system_identifier;
    info->row_database_oid = shard->row_database_oid;
    info->row_schema_oid = shard->row_schema_oid;
    info->origin_present = shard->origin_present;
    info->read_unix_ms = clock_unix_ms();
    info->message =
        shard->message == NULL || shard->trusted ? "" : arena_strdup(arena, shard->message);
}

/* Where it is, is not known: to list it without rows would say that it is at the very beginning. */
static const char *why_unread(Arena *arena, const ShardReading *shard)
{
    return shard->trusted ? "the agent's role may not read alembic_version: have SELECT on it "
                            "granted, or connect as its owner"
                          : arena_strdup(arena, shard->message);
}

static void take_reading(DatabaseScan *database, const DatabaseReading *reading)
{
    ClusterScan *scan = database->scan;
    ClusterFound *found = &scan->found;
    found->reachable = true;
    found->system_identifier = reading->system_identifier;
    found->server_version = reading->server_version;
    found->timeline = reading->timeline;
    found->standby = reading->in_recovery;
    for (size_t i = database->first; i < database->first + database->count; i++) {
        const ShardReading *shard = find_reading(reading, found->names.items[i].schema);
        if (shard == NULL)
            found->shards[i].message = "there is no such schema";
        else if (shard->rows_unread)
            found->shards[i].message = why_unread(scan->arena, shard);
        else
            fill_shard(scan, &found->shards[i], reading, shard);
    }
}

static void database_failed(DatabaseScan *database, const Error *err)
{
    ClusterScan *scan = database->scan;
    scan->last_error = *err;
    const char *message = arena_strdup(scan->arena, err->message);
    for (size_t i = database->first; i < database->first + database->count; i++)
        scan->found.shards[i].message = message;
}

static void database_done(DatabaseScan *database)
{
    ClusterScan *scan = database->scan;
    shard_close(database->session);
    database->session = NULL;
    scan->running--;
    scan_next(scan);
}

static void on_read(ShardSession *session, const DatabaseReading *reading, const Error *err,
                    void *data)
{
    (void)session;
    DatabaseScan *database = data;
    if (err == NULL)
        take_reading(database, reading);
    else
        database_failed(database, err);
    database_done(database);
}

static void on_open(ShardSession *session, const Error *err, void *data)
{
    DatabaseScan *database = data;
    ClusterScan *scan = database->scan;
    if (err != NULL) {
        bool server = err->code == ERR_CONNECT && strcmp(err->sqlstate, "3D000") != 0;
        scan->refused_in_a_row = server ? scan->refused_in_a_row + 1 : 0;
        database_failed(database, err);
        database_done(database);
        return;
    }
    scan->refused_in_a_row = 0;
    ReadArgs args = {.with_size = true, .schema_like = database->count > 1 ? "%" : NULL};
    shard_read(session, &args, on_read, database);
}

static void open_database(DatabaseScan *database)
{
    ClusterScan *scan = database->scan;
    const ClusterSettings *cluster = scan->found.settings;
    const ShardName *name = &scan->found.names.items[database->first];
    ShardTarget target = cluster_target(cluster);
    target.database = name->database;
    target.schema = database->count > 1 ? "" : name->schema;
    target.fleet_id = scan->fleet_id;
    target.connect_timeout_ms = CONNECT_TIMEOUT_MS;
    scan->running++;
    database->session = shard_open(scan->loop, &target, on_open, database);
}

static void skip_database(DatabaseScan *database)
{
    Error err = database->scan->last_error;
    database_failed(database, &err);
}

static void scan_next(ClusterScan *scan)
{
    while (scan->next < scan->database_count && scan->running < SCAN_CONNECTIONS) {
        DatabaseScan *database = &scan->databases[scan->next++];
        if (scan->refused_in_a_row >= SCAN_GIVE_UP_AFTER)
            skip_database(database);
        else
            open_database(database);
    }
    if (scan->running == 0)
        finish(scan);
}

static void scan_databases(ClusterScan *scan)
{
    ClusterFound *found = &scan->found;
    found->names = shard_names_finish(&scan->list);
    const ShardNames *names = &found->names;
    found->shards = ARENA_ARRAY(scan->arena, ShardInfo, names->count + 1);
    scan->databases = ARENA_ARRAY(scan->arena, DatabaseScan, names->count + 1);
    for (size_t i = 0; i < names->count; i++) {
        LabelList labels[] = {scan->settings->labels, found->settings->labels,
                              names->items[i].labels};
        found->shards[i] = (ShardInfo){
            .cluster = found->settings->name,
            .database = names->items[i].database,
            .schema = names->items[i].schema,
            .message = "",
            .labels = labels_merge(scan->arena, labels, 3),
        };
        bool same = i > 0 && strcmp(names->items[i - 1].database, names->items[i].database) == 0;
        if (!same)
            scan->databases[scan->database_count++] = (DatabaseScan){.scan = scan, .first = i};
        scan->databases[scan->database_count - 1].count++;
    }
    scan_next(scan);
}

/* --- discovery -------------------------------------------------------------------------------- */

static void use_former_names(ClusterScan *scan, const Error *err)
{
    scan->last_error = *err;
    scan->found.message = arena_printf(scan->arena, "discovery failed: %s", err->message);
    for (size_t i = 0; scan->former != NULL && i < scan->former->count; i++) {
        const ShardName *name = &scan->former->items[i];
        if (shard_names_add(&scan->list, name->database, name->schema, name->labels, NULL) !=
            ERR_OK)
            break;
    }
}

static void on_discovered(PgConn *conn, const PgReply *reply, void *data)
{
    ClusterScan *scan = data;
    Error err;
    if (reply->error != NULL) {
        use_former_names(scan, reply->error);
    } else {
        const PgResult *rows = &reply->results[1];
        int columns = PQnfields((const PGresult *)rows->handle);
        scan->found.reachable = true;
        scan->found.server_version = (uint32_t)pg_server_version(conn);
        if (columns < 1) {
            err_set(&err, ERR_CONFIG, "the discovery query gives no columns");
            use_former_names(scan, &err);
        } else if (shard_names_add_rows(&scan->list, rows, columns, &err) != ERR_OK) {
            use_former_names(scan, &err);
        }
    }
    pg_close(scan->discover);
    scan->discover = NULL;
    scan_databases(scan);
}

static void on_discover_connected(PgConn *conn, const Error *err, void *data)
{
    ClusterScan *scan = data;
    if (err != NULL) {
        use_former_names(scan, err);
        scan_databases(scan);
        return;
    }
    PgBatch batch = pg_batch(scan->batch_arena);
    pg_batch_add(&batch, "BEGIN READ ONLY"); /* finding shards writes nothing */
    pg_batch_add(&batch, scan->found.settings->discover);
    pg_batch_add(&batch, "ROLLBACK");
    pg_send(conn, &batch, DISCOVER_DEADLINE_MS, on_discovered, scan);
}

static void on_command(const char *output, size_t length, const Error *err, void *data)
{
    ClusterScan *scan = data;
    Error wrong;
    scan->command = NULL;
    if (err == NULL && shard_names_add_json(&scan->list, output, length, &wrong) != ERR_OK)
        err = &wrong;
    if (err != NULL)
        use_former_names(scan, err);
    scan_databases(scan);
}

static void on_begin(uv_async_t *async)
{
    ClusterScan *scan = async->data;
    const ClusterSettings *cluster = scan->found.settings;
    Error err;
    if (shard_names_add_configured(&scan->list, cluster, &err) != ERR_OK)
        scan->last_error = err;
    if (cluster->discover_command.count > 0) {
        OutputCommandArgs command = {
            .argv = &cluster->discover_command,
            .output_bytes_max = LIMIT_DISCOVER_BYTES,
            .deadline_ms = DISCOVER_DEADLINE_MS,
        };
        scan->command = output_command_start(scan->loop, &command, on_command, scan);
        return;
    }
    if (cluster->discover == NULL) {
        scan_databases(scan);
        return;
    }
    scan->discover = cluster_connect(scan->loop, cluster, cluster->maintenance_database, NULL,
                                     CONNECT_TIMEOUT_MS, on_discover_connected, scan);
}

ClusterScan *cluster_scan_start(uv_loop_t *loop, Arena *arena, const AgentSettings *settings,
                                const ClusterSettings *cluster, const Uuid *fleet_id,
                                const ShardNames *former, ClusterScanCb *cb, void *data)
{
    ClusterScan *scan = xcalloc(1, sizeof(*scan));
    scan->loop = loop;
    scan->arena = arena;
    scan->batch_arena = arena_new();
    scan->settings = settings;
    scan->fleet_id = *fleet_id;
    scan->former = former;
    scan->cb = cb;
    scan->data = data;
    scan->found.settings = cluster;
    scan->list.arena = arena;
    uv_async_init(loop, &scan->begin, on_begin);
    scan->begin.data = scan;
    uv_async_send(&scan->begin);
    return scan;
}
