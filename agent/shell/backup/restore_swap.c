/*
 * The second half of a restore of a database. Three connections:
 *
 *   old     on the shard: SHARE locks on all of its tables hold writers off, readers go on; what is
 *           there is compared with the plan and with the backup
 *   fresh   on what was restored: gets the shard's ledger, in one transaction
 *   server  on the maintenance database: BEGIN, rename the shard away. That locks the name, so
 *           nobody new gets in, and waits up to 5 seconds for those who are. `old` sees the lock,
 *           ends all other sessions, looks once more, and goes itself. Then rename the new one,
 *           copy what belongs to the name (ACL, settings, limit, comment), COMMIT.
 *
 * Nothing of it outlives its connections until that COMMIT.
 */
#include "restore_parts.h"

#include "digest.h"
#include "log.h"

#include <stdio.h>
#include <string.h>

static void begin_attempt(Restore *restore);
static void poll_sessions(Restore *restore);

void restore_swap_close(Restore *restore)
{
    RestoreSwap *swap = &restore->swap;
    uv_timer_stop(&restore->timer);
    pg_close(swap->old);
    pg_close(swap->fresh);
    pg_close(swap->server);
    swap->old = swap->fresh = swap->server = NULL;
    arena_free(swap->arena);
    swap->arena = NULL;
}

/* --- 4: the names ----------------------------------------------------------------------------- */

void restore_committed(Restore *restore, const PgReply *reply)
{
    if (reply->error != NULL) {
        bool unknown = reply->lost || reply->timed_out;
        restore->in_place = unknown; /* perhaps: then it must not be dropped */
        restore_fail_with(restore, unknown ? JOB_FAILURE_UNKNOWN : JOB_FAILURE_FINAL, reply->error,
                          "COMMIT of the swap");
        return;
    }
    if (strcmp(pg_tag(&reply->results[0]), "COMMIT") != 0) {
        restore_fail(restore, JOB_FAILURE_FINAL, ERR_STATE, "the swap was not committed");
        return;
    }
    restore->in_place = true;
    log_event(LOG_INFO, "restore.swapped", "database", restore->args.database, "schema",
              restore_is_of_schema(restore) ? restore->args.schema : NULL, "kept",
              restore->old_name, NULL);
    restore_done(restore);
}

static void on_committed(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    restore_committed(data, reply);
}

static void on_named(PgConn *conn, const PgReply *reply, void *data)
{
    Restore *restore = data;
    if (restore_fails(restore, reply, "keeping what belongs to the database's name"))
        return;
    PgBatch batch = pg_batch(restore->swap.arena);
    batch.never_cancel = true;
    pg_batch_add(&batch, "COMMIT");
    pg_send(conn, &batch, RESTORE_QUERY_MS, on_committed, restore);
}

/* What a rename does not move: it belongs to the database, and is read when nobody can change it
 * unseen. Lists of names are kept as they are, since each was quoted when it was set. */
static const char belongings_sql[] =
    "SELECT string_agg(sql, '; ' ORDER BY turn, sql) FROM ("
    "SELECT 1 AS turn, format('ALTER DATABASE %I CONNECTION LIMIT %s', $2::text, datconnlimit)"
    "  AS sql FROM pg_database WHERE oid = $1::oid"
    " UNION ALL SELECT 2, format('REVOKE ALL ON DATABASE %I FROM PUBLIC, %I', $2::text,"
    "  pg_get_userbyid(datdba)) FROM pg_database WHERE oid = $1::oid AND datacl IS NOT NULL"
    " UNION ALL SELECT 3, format('GRANT %s ON DATABASE %I TO %s%s', a.privilege_type, $2::text,"
    "  CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,"
    "  CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)"
    "  FROM pg_database d, aclexplode(d.datacl) a WHERE d.oid = $1::oid"
    " UNION ALL SELECT 4, format('ALTER %sSET %I TO %s', CASE s.setrole"
    "   WHEN 0 THEN format('DATABASE %I ', $2::text)"
    "   ELSE format('ROLE %I IN DATABASE %I ', pg_get_userbyid(s.setrole), $2::text) END,"
    "   split_part(c.entry, '=', 1), CASE WHEN v.value = '' THEN $$''$$ WHEN split_part(c.entry,"
    "   '=', 1) IN ('search_path', 'temp_tablespaces', 'session_preload_libraries',"
    "   'local_preload_libraries') THEN v.value ELSE quote_literal(v.value) END)"
    "  FROM pg_db_role_setting s, unnest(s.setconfig) c(entry),"
    "  LATERAL (SELECT substr(c.entry, strpos(c.entry, '=') + 1)) v(value)"
    "  WHERE s.setdatabase = $1::oid"
    " UNION ALL SELECT 5, format('COMMENT ON DATABASE %I IS %L', $2::text, description)"
    "  FROM pg_shdescription WHERE objoid = $1::oid AND classoid = 'pg_database'::regclass"
    " UNION ALL SELECT 6, format('SECURITY LABEL FOR %I ON DATABASE %I IS %L', provider, $2::text,"
    "  label) FROM pg_shseclabel WHERE objoid = $1::oid AND classoid = 'pg_database'::regclass"
    " UNION ALL SELECT 7, format('ALTER DATABASE %I ALLOW_CONNECTIONS false', $3::text)) x";

static void on_renamed(PgConn *conn, const PgReply *reply, void *data)
{
    Restore *restore = data;
    if (restore_fails(restore, reply, "renaming what was restored"))
        return;
    const char *sql = arena_strdup(restore->swap.arena, pg_text(&reply->results[1], 0, 0));
    pg_send_simple(conn, sql, RESTORE_QUERY_MS, on_named, restore);
}

/* --- 3: nobody is left ------------------------------------------------------------------------ */

static void try_again(Restore *restore, const PgReply *reply, const char *doing)
{
    if (++restore->swap.tries >= RESTORE_SWAP_ATTEMPTS) {
        restore_fails(restore, reply, doing);
        return;
    }
    restore_swap_close(restore);
    restore_pause_then(restore, RESTORE_POLL_MS, begin_attempt);
}

static void on_away(PgConn *conn, const PgReply *reply, void *data)
{
    Restore *restore = data;
    RestoreSwap *swap = &restore->swap;
    uv_timer_stop(&restore->timer);
    if (reply->error != NULL && strcmp(reply->error->sqlstate, "55006") == 0) {
        try_again(restore, reply, "sessions that can't be ended");
        return;
    }
    if (restore_fails(restore, reply, "renaming the database"))
        return;
    if (swap->old != NULL) { /* it would still be there */
        restore_fail(restore, JOB_FAILURE_FINAL, ERR_INTERNAL, "a rename that waited for nobody");
        return;
    }
    const char *fresh = restore->fresh_name;
    const char *name = pg_identifier(conn, swap->arena, restore->args.database);
    PgBatch batch = pg_batch(swap->arena);
    pg_batch_add(&batch, arena_printf(swap->arena, "ALTER DATABASE %s RENAME TO %s", fresh, name));
    const char *params[] = {arena_printf(swap->arena, "%u", restore->args.database_oid),
                            restore->args.database, restore->old_name};
    pg_batch_add_params(&batch, belongings_sql, 3, params);
    pg_send(conn, &batch, RESTORE_QUERY_MS, on_renamed, restore);
}

/* Writers are gone, and nobody gets in: what it says now is the last word. */
static void on_last_look(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    Restore *restore = data;
    if (restore_fails(restore, reply, "looking at the shard"))
        return;
    if (!pg_is_null(&reply->results[0], 0, 0)) {
        restore_fail(restore, JOB_FAILURE_FINAL, ERR_REFUSED,
                     "the shard was changed since its backup: %.200s",
                     pg_text(&reply->results[0], 0, 0));
        return;
    }
    pg_close(restore->swap.old);
    restore->swap.old = NULL;
}

static void look_once_more(Restore *restore)
{
    RestoreSwap *swap = &restore->swap;
    if (restore->args.accept_data_loss) {
        pg_close(swap->old);
        swap->old = NULL;
        return;
    }
    PgBatch batch = pg_batch(swap->arena);
    restore_add_catalog(restore, &batch, "");
    pg_send(swap->old, &batch, RESTORE_QUERY_MS, on_last_look, restore);
}

static void on_sessions(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    Restore *restore = data;
    if (reply->error != NULL && strcmp(reply->error->sqlstate, "42501") == 0) {
        restore_fail_with(restore, JOB_FAILURE_FINAL, reply->error,
                          "a session of the database can't be ended");
        return;
    }
    if (restore_fails(restore, reply, "ending sessions"))
        return;
    if (pg_bool(&reply->results[1], 0, 0) && pg_rows(&reply->results[2]) == 0)
        look_once_more(restore);
    else
        restore_pause_then(restore, RESTORE_POLL_MS, poll_sessions);
}

/* Sessions are ended only once nobody new gets in. Autovacuum, which is nobody, gives way by
 * itself. */
static void poll_sessions(Restore *restore)
{
    RestoreSwap *swap = &restore->swap;
    const char *params[] = {arena_printf(swap->arena, "%u", restore->args.database_oid),
                            arena_printf(swap->arena, "%d", pg_backend_pid(swap->server))};
    PgBatch batch = pg_batch(swap->arena);
#define IS_HELD                                                                                    \
    "EXISTS (SELECT FROM pg_locks WHERE locktype = 'object' AND classid = 'pg_database'::regclass" \
    " AND objid = $1::oid AND mode = 'AccessExclusiveLock' AND granted AND pid = $2::int)"
    pg_batch_add(&batch,
                 "SELECT pg_stat_clear_snapshot()"); /* a transaction sees one list of sessions */
    pg_batch_add_params(&batch, "SELECT " IS_HELD, 2, params);
    pg_batch_add_params(&batch,
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datid = $1::oid AND pid <> pg_backend_pid()"
                        " AND usesysid IS NOT NULL AND " IS_HELD,
                        2, params);
    pg_send(swap->old, &batch, RESTORE_QUERY_MS, on_sessions, restore);
}

static void on_server_connected(PgConn *conn, const Error *err, void *data)
{
    Restore *restore = data;
    RestoreSwap *swap = &restore->swap;
    if (restore_fails_to_connect(restore, err, "the maintenance database"))
        return;
    const char *name = pg_identifier(conn, swap->arena, restore->args.database);
    const char *old = pg_identifier(conn, swap->arena, restore->old_name);
    if (name == NULL || old == NULL) {
        restore_fail(restore, JOB_FAILURE_FINAL, ERR_STATE, "the database's name is not UTF-8");
        return;
    }
    PgBatch batch = pg_batch(swap->arena);
    pg_batch_add(&batch, "BEGIN");
    pg_batch_add(&batch, "SELECT set_config('search_path', 'pg_catalog, pg_temp', true),"
                         " set_config('synchronous_commit', 'on', true)");
    pg_batch_add(&batch, arena_printf(swap->arena, "ALTER DATABASE %s RENAME TO %s", name, old));
    pg_send(conn, &batch, RESTORE_QUERY_MS, on_away, restore);
    poll_sessions(restore);
}

/* --- 2: the shard's ledger, in what was restored ---------------------------------------------- */

static void on_ledger_written(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    Restore *restore = data;
    if (restore_fails(restore, reply, "the ledger of what was restored"))
        return;
    pg_close(restore->swap.fresh);
    restore->swap.fresh = NULL;
    restore->swap.server =
        restore_connect(restore, restore->args.cluster->maintenance_database, on_server_connected);
}

void restore_add_history(Restore *restore, PgBatch *batch)
{
    Arena *arena = restore->swap.arena;
    const RestoreArgs *args = &restore->args;
    char operation[OPERATION_TEXT_SIZE];
    operation_format(&args->operation, operation);
    const char *row[] = {
        arena_strdup(arena, operation),
        args->rollout,
        arena_printf(arena, "%u", args->generation),
        arena_printf(arena, "%u", args->attempt),
        pg_array_format(arena, &args->rows_before),
        pg_array_format(arena, &args->rows_after),
        args->who,
        arena_printf(arena, "from backup %s; the former %s is %s", args->from.path,
                     restore_is_of_schema(restore) ? "schema" : "database", restore->old_name),
        args->schema,
    };
    pg_batch_add_params(batch,
                        "INSERT INTO pgtide.history (schema_name, operation, rollout, generation,"
                        " attempt, direction, rows_before, rows_after, who, outcome, message)"
                        " VALUES ($9, decode($1, 'hex'), $2::uuid, $3::int, $4::int, 'restore',"
                        " $5::text[], $6::text[], $7, 'succeeded', $8)",
                        9, row);
}

/* What happened since the backup stays on record: the history goes on where the shard's ends. */
static void on_fresh_connected(PgConn *conn, const Error *err, void *data)
{
    Restore *restore = data;
    RestoreSwap *swap = &restore->swap;
    const RestoreArgs *args = &restore->args;
    if (restore_fails_to_connect(restore, err, "what was restored"))
        return;
    char operation[OPERATION_TEXT_SIZE], fleet[UUID_TEXT_SIZE];
    operation_format(&args->operation, operation);
    uuid_format(&args->fleet_id, fleet);
    PgBatch batch = pg_batch(swap->arena);
    pg_batch_add(&batch, "BEGIN");
    pg_batch_add(&batch, "SELECT set_config('search_path', 'pg_catalog, pg_temp', true)");
    pg_batch_add_params(&batch, "DELETE FROM pgtide.history WHERE seq > $1::bigint", 1,
                        &restore->history_end);
    pg_batch_add_params(&batch,
                        "INSERT INTO pgtide.history OVERRIDING SYSTEM VALUE SELECT *"
                        " FROM jsonb_populate_recordset(NULL::pgtide.history, $1::jsonb)",
                        1, &swap->history);
    pg_batch_add(&batch, "SELECT setval(pg_get_serial_sequence('pgtide.history', 'seq'),"
                         " greatest(max(seq), 1)) FROM pgtide.history");
    const char *shard[] = {arena_printf(swap->arena, "%llu", (unsigned long long)args->fence + 1),
                           arena_printf(swap->arena, "%llu", (unsigned long long)args->epoch),
                           uuid_is_nil(&args->fleet_id) ? NULL : arena_strdup(swap->arena, fleet),
                           arena_strdup(swap->arena, operation)};
    pg_batch_add_params(&batch,
                        "UPDATE pgtide.shard SET fence = $1::bigint, epoch = $2::bigint,"
                        " fleet_id = $3::uuid, last_operation = decode($4, 'hex'), schema_oid = 0,"
                        " database_oid = (SELECT oid FROM pg_database"
                        "  WHERE datname = current_database()),"
                        " system_identifier = (pg_control_system()).system_identifier"
                        " WHERE schema_name = ''",
                        4, shard);
    pg_batch_add(&batch, "DELETE FROM pgtide.progress WHERE schema_name = ''");
    restore_add_history(restore, &batch);
    pg_batch_add(&batch, "COMMIT");
    pg_send(conn, &batch, 0, on_ledger_written, restore);
}

static void write_ledger(Restore *restore)
{
    restore->swap.fresh = restore_connect(restore, restore->fresh_name, on_fresh_connected);
}

/* --- 1: writers are held off ------------------------------------------------------------------ */

static void on_looked(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    Restore *restore = data;
    RestoreSwap *swap = &restore->swap;
    if (restore_fails(restore, reply, "looking at the shard") ||
        restore_is_moved(restore, &reply->results[0], &reply->results[1]))
        return;
    if (pg_u64(&reply->results[2], 0, 0) != 0) {
        restore_fail(restore, JOB_FAILURE_FINAL, ERR_REFUSED,
                     "the database holds other shards, which would be moved too");
        return;
    }
    swap->history = arena_strdup(swap->arena, pg_text(&reply->results[3], 0, 0));
    restore_look_for_loss(restore, write_ledger);
}

static void look(Restore *restore)
{
    RestoreSwap *swap = &restore->swap;
    PgBatch batch = pg_batch(swap->arena);
    pg_batch_add(&batch, "SELECT fence, epoch FROM pgtide.shard WHERE schema_name = ''");
    pg_batch_add(
        &batch,
        arena_printf(swap->arena, "SELECT ARRAY(SELECT version_num::text FROM ONLY %s)",
                     restore_version_table(swap->old, swap->arena, restore->args.version_schema)));
    pg_batch_add(&batch, "SELECT count(*) FROM pgtide.shard WHERE schema_name <> ''");
    pg_batch_add_params(&batch,
                        "SELECT coalesce(jsonb_agg(to_jsonb(h) ORDER BY seq), '[]')"
                        " FROM pgtide.history h WHERE seq > $1::bigint",
                        1, &restore->history_end);
    pg_send(swap->old, &batch, RESTORE_QUERY_MS, on_looked, restore);
}

static void begin_attempt(Restore *restore)
{
    restore_hold(restore, look);
}

void restore_swap(Restore *restore)
{
    restore->swap = (RestoreSwap){0};
    if (restore_is_of_schema(restore))
        restore_schema_swap(restore);
    else
        begin_attempt(restore);
}
