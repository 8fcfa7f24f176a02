/*
 * The second half of a restore. Three connections:
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

static void on_pause_over(uv_timer_t *timer)
{
    Restore *restore = timer->data;
    restore->swap.after(restore);
}

static void pause_then(Restore *restore, uint32_t pause_ms, void (*after)(Restore *restore))
{
    restore->swap.after = after;
    uv_timer_start(&restore->timer, on_pause_over, pause_ms, 0);
}

/* A lost connection before COMMIT has changed nothing. */
static bool fails(Restore *restore, const PgReply *reply, const char *doing)
{
    if (reply->error == NULL)
        return false;
    restore_fail_with(restore, reply->lost ? JOB_FAILURE_RETRY : JOB_FAILURE_FINAL, reply->error,
                      doing);
    return true;
}

static bool fails_to_connect(Restore *restore, const Error *err, const char *where)
{
    if (err == NULL)
        return false;
    restore_fail_with(restore, JOB_FAILURE_RETRY, err, where);
    return true;
}

/* --- 4: the names ----------------------------------------------------------------------------- */

static void on_committed(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    Restore *restore = data;
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
    log_event(LOG_INFO, "restore.swapped", "database", restore->args.database, "kept",
              restore->old_name, NULL);
    restore_done(restore);
}

static void on_named(PgConn *conn, const PgReply *reply, void *data)
{
    Restore *restore = data;
    if (fails(restore, reply, "keeping what belongs to the database's name"))
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
    if (fails(restore, reply, "renaming what was restored"))
        return;
    const char *sql = arena_strdup(restore->swap.arena, pg_text(&reply->results[1], 0, 0));
    pg_send_simple(conn, sql, RESTORE_QUERY_MS, on_named, restore);
}

/* --- 3: nobody is left ------------------------------------------------------------------------ */

static void try_again(Restore *restore, const PgReply *reply, const char *doing)
{
    if (++restore->swap.tries >= RESTORE_SWAP_ATTEMPTS) {
        fails(restore, reply, doing);
        return;
    }
    restore_swap_close(restore);
    pause_then(restore, RESTORE_POLL_MS, begin_attempt);
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
    if (fails(restore, reply, "renaming the database"))
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
    if (fails(restore, reply, "looking at the shard"))
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
    const char *horizon = arena_printf(swap->arena, "%llu", (unsigned long long)restore->horizon);
    pg_batch_add_params(&batch, restore_sql_catalog, 1, &horizon);
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
    if (fails(restore, reply, "ending sessions"))
        return;
    if (pg_bool(&reply->results[1], 0, 0) && pg_rows(&reply->results[2]) == 0)
        look_once_more(restore);
    else
        pause_then(restore, RESTORE_POLL_MS, poll_sessions);
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
    if (fails_to_connect(restore, err, "the maintenance database"))
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
    if (fails(restore, reply, "the ledger of what was restored"))
        return;
    pg_close(restore->swap.fresh);
    restore->swap.fresh = NULL;
    restore->swap.server =
        restore_connect(restore, restore->args.cluster->maintenance_database, on_server_connected);
}

static void add_restore_row(Restore *restore, PgBatch *batch)
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
        arena_printf(arena, "from backup %s; the former database is %s", args->from.path,
                     restore->old_name),
    };
    pg_batch_add_params(batch,
                        "INSERT INTO pgtide.history (schema_name, operation, rollout, generation,"
                        " attempt, direction, rows_before, rows_after, who, outcome, message)"
                        " VALUES ('', decode($1, 'hex'), $2::uuid, $3::int, $4::int, 'restore',"
                        " $5::text[], $6::text[], $7, 'succeeded', $8)",
                        8, row);
}

/* What happened since the backup stays on record: the history goes on where the shard's ends. */
static void on_fresh_connected(PgConn *conn, const Error *err, void *data)
{
    Restore *restore = data;
    RestoreSwap *swap = &restore->swap;
    const RestoreArgs *args = &restore->args;
    if (fails_to_connect(restore, err, "what was restored"))
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
    add_restore_row(restore, &batch);
    pg_batch_add(&batch, "COMMIT");
    pg_send(conn, &batch, 0, on_ledger_written, restore);
}

static void write_ledger(Restore *restore)
{
    restore->swap.fresh = restore_connect(restore, restore->fresh_name, on_fresh_connected);
}

/* --- 1: writers are held off ------------------------------------------------------------------ */

static void refuse_loss(Restore *restore, const char *what)
{
    err_set(&restore->error, ERR_REFUSED, "%s", "the shard was written since its backup");
    err_detail(&restore->error, "%s", what);
    err_hint(&restore->error, "Restoring it loses that: a plan made with --accept-data-loss may.");
    restore->failed = JOB_FAILURE_FINAL;
    restore_done(restore);
}

static const char *next_line(const char **text, size_t *length)
{
    const char *line = *text;
    if (*line == '\0')
        return NULL;
    *length = strcspn(line, "\n");
    *text = line + *length + (line[*length] == '\n');
    return line;
}

static bool has_line(const char *text, const char *wanted, size_t wanted_length)
{
    size_t length;
    for (const char *line = next_line(&text, &length); line != NULL;
         line = next_line(&text, &length))
        if (length == wanted_length && memcmp(line, wanted, length) == 0)
            return true;
    return false;
}

/* Everything in the backup is there in the same number, and sequences stand where they stood. A
 * table that is gone can't tell what was written to it before it went. */
static void compare_counts(Restore *restore, const char *now)
{
    const char *text = restore->counts;
    size_t length;
    for (const char *line = next_line(&text, &length); line != NULL;
         line = next_line(&text, &length)) {
        if (has_line(now, line, length))
            continue;
        size_t name = length;
        while (name > 0 && line[name] != ' ')
            name--;
        refuse_loss(restore,
                    arena_printf(restore->swap.arena,
                                 "%.*s has not the rows, or the value, that it has in the backup",
                                 name > 400 ? 400 : (int)name, line));
        return;
    }
    write_ledger(restore);
}

static void on_counted(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    Restore *restore = data;
    if (fails(restore, reply, "looking for rows written since the backup"))
        return;
    const PgResult *result = &reply->results[0];
    if (!pg_is_null(result, 0, 1))
        refuse_loss(restore, arena_printf(restore->swap.arena, "rows were written to %.400s",
                                          pg_text(result, 0, 1)));
    else
        compare_counts(restore, pg_text(result, 0, 0));
}

static bool is_claimed_still(const Restore *restore, const PgResult *shard)
{
    return pg_rows(shard) == 1 && pg_u64(shard, 0, 0) == restore->args.fence &&
           pg_u64(shard, 0, 1) == restore->args.epoch;
}

static void look_for_loss(Restore *restore, PgConn *conn, const PgReply *reply)
{
    if (restore->args.accept_data_loss) {
        write_ledger(restore);
    } else if (restore->horizon == 0) {
        refuse_loss(restore, "the backup does not say what it may not hold");
    } else if (pg_bool(&reply->results[4], 0, 0)) {
        refuse_loss(restore, "it has large objects, which do not tell when they were written");
    } else if (!pg_is_null(&reply->results[6], 0, 0)) {
        refuse_loss(restore, arena_printf(restore->swap.arena,
                                          "changed by nobody that its history knows: %.400s",
                                          pg_text(&reply->results[6], 0, 0)));
    } else {
        PgBatch batch = pg_batch(restore->swap.arena);
        pg_batch_add(&batch, arena_strdup(restore->swap.arena, pg_text(&reply->results[5], 0, 0)));
        pg_send(conn, &batch, 0, on_counted, restore);
    }
}

static void on_looked(PgConn *conn, const PgReply *reply, void *data)
{
    Restore *restore = data;
    RestoreSwap *swap = &restore->swap;
    if (fails(restore, reply, "looking at the shard"))
        return;
    StrList rows = {0};
    if (!is_claimed_still(restore, &reply->results[0])) {
        restore_fail(restore, JOB_FAILURE_FINAL, ERR_FENCED,
                     "somebody else has claimed the shard meanwhile");
        return;
    }
    bool read = pg_array_parse(swap->arena, pg_text(&reply->results[1], 0, 0), &rows);
    strlist_sort(&rows);
    if (!read || !strlist_equal(&rows, &restore->args.rows_before)) {
        restore_fail(
            restore, JOB_FAILURE_FINAL, ERR_OVERTAKEN,
            "something else moved the shard since the plan was made: its rows are {%.300s}",
            strlist_join(swap->arena, &rows, ", "));
        return;
    }
    if (pg_u64(&reply->results[2], 0, 0) != 0) {
        restore_fail(restore, JOB_FAILURE_FINAL, ERR_REFUSED,
                     "the database holds other shards, which would be moved too");
        return;
    }
    swap->history = arena_strdup(swap->arena, pg_text(&reply->results[3], 0, 0));
    look_for_loss(restore, conn, reply);
}

static void look(Restore *restore, PgConn *conn)
{
    RestoreSwap *swap = &restore->swap;
    Arena *arena = swap->arena;
    const char *schema = pg_identifier(conn, arena, restore->args.version_schema);
    PgBatch batch = pg_batch(arena);
    pg_batch_add(&batch, "SELECT fence, epoch FROM pgtide.shard WHERE schema_name = ''");
    pg_batch_add(&batch,
                 arena_printf(arena,
                              "SELECT ARRAY(SELECT version_num::text FROM ONLY %s.alembic_version)",
                              schema == NULL ? "\"\"" : schema));
    pg_batch_add(&batch, "SELECT count(*) FROM pgtide.shard WHERE schema_name <> ''");
    pg_batch_add_params(&batch,
                        "SELECT coalesce(jsonb_agg(to_jsonb(h) ORDER BY seq), '[]')"
                        " FROM pgtide.history h WHERE seq > $1::bigint",
                        1, &restore->history_end);
    if (!restore->args.accept_data_loss && restore->horizon != 0) {
        const char *horizon = arena_printf(arena, "%llu", (unsigned long long)restore->horizon);
        const char *count[] = {horizon, restore->args.version_schema};
        pg_batch_add(&batch, "SELECT EXISTS (SELECT FROM pg_largeobject_metadata)");
        pg_batch_add_params(&batch, restore_sql_count, 2, count);
        pg_batch_add_params(&batch, restore_sql_catalog, 1, &horizon);
    }
    pg_send(conn, &batch, 0, on_looked, restore);
}

static void lock_tables(Restore *restore);

static void on_locked(PgConn *conn, const PgReply *reply, void *data)
{
    Restore *restore = data;
    RestoreSwap *swap = &restore->swap;
    bool busy = reply->error != NULL &&
                (reply->error->code == ERR_LOCK_TIMEOUT || reply->error->code == ERR_BUSY) &&
                !reply->lost;
    if (busy && ++swap->lock_tries < restore->args.lock_attempts) {
        pause_then(restore, RESTORE_POLL_MS * 10, lock_tables);
        return;
    }
    if (!fails(restore, reply, "holding writers off"))
        look(restore, conn);
}

static void on_listed(PgConn *conn, const PgReply *reply, void *data)
{
    Restore *restore = data;
    if (fails(restore, reply, "listing the shard's tables"))
        return;
    const char *tables = pg_text(&reply->results[reply->count - 1], 0, 0);
    PgBatch batch = pg_batch(restore->swap.arena);
    pg_batch_add(&batch, arena_printf(restore->swap.arena, "LOCK TABLE %s IN SHARE MODE", tables));
    pg_send(conn, &batch, 0, on_locked, restore);
}

/* All of them, the ledger's too: a claim waits as well. */
static void lock_tables(Restore *restore)
{
    RestoreSwap *swap = &restore->swap;
    const char *lock =
        arena_printf(swap->arena, "%ums",
                     restore->args.lock_timeout_ms == 0 ? 500 : restore->args.lock_timeout_ms);
    PgBatch batch = pg_batch(swap->arena);
    if (pg_in_transaction(swap->old))
        pg_batch_add(&batch, "ROLLBACK");
    pg_batch_add(&batch, "BEGIN ISOLATION LEVEL READ COMMITTED");
    pg_batch_add_params(&batch,
                        "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true),"
                        " pg_catalog.set_config('row_security', 'off', true),"
                        " pg_catalog.set_config('lock_timeout', $1, true),"
                        " pg_catalog.set_config('statement_timeout', '0', true),"
                        " pg_catalog.set_config('idle_in_transaction_session_timeout', '0', true)",
                        1, &lock);
    pg_batch_add(&batch, "SELECT string_agg(format('%I.%I', n.nspname, c.relname), ', ')"
                         " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                         " WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'"
                         " AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'");
    pg_send(swap->old, &batch, RESTORE_QUERY_MS, on_listed, restore);
}

static void on_old_connected(PgConn *conn, const Error *err, void *data)
{
    (void)conn;
    Restore *restore = data;
    if (!fails_to_connect(restore, err, "the shard"))
        lock_tables(restore);
}

static void begin_attempt(Restore *restore)
{
    RestoreSwap *swap = &restore->swap;
    swap->arena = arena_new();
    swap->lock_tries = 0;
    swap->old = restore_connect(restore, restore->args.database, on_old_connected);
}

void restore_swap(Restore *restore)
{
    restore->swap = (RestoreSwap){0};
    begin_attempt(restore);
}
