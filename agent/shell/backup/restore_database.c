/*
 * The first half of a restore of a shard that is a database: a database of ours, made like it, gets
 * the backup and is checked.
 */
#include "restore_parts.h"

/* --- 2: what was restored is looked at -------------------------------------------------------- */

static void on_looked(PgConn *conn, const PgReply *reply, void *data)
{
    Restore *restore = data;
    if (restore_fails(restore, reply, "what was restored"))
        return;
    Uuid uuid = {0};
    const PgResult *shard = &reply->results[2];
    bool is_shard = pg_rows(shard) == 1 && uuid_parse(pg_text(shard, 0, 0), &uuid) &&
                    uuid_equal(&uuid, &restore->args.shard);
    if (!is_shard) {
        restore_fail(restore, JOB_FAILURE_FINAL, ERR_BACKUP, "the backup is not this shard's");
        return;
    }
    if (restore_rows_fail(restore, &reply->results[1]))
        return;
    restore->history_end = arena_strdup(restore->arena, pg_text(&reply->results[3], 0, 0));
    restore_count(restore, conn, &reply->results[4]);
}

static void on_analyzed(PgConn *conn, const PgReply *reply, void *data)
{
    Restore *restore = data;
    if (restore_fails(restore, reply, "ANALYZE"))
        return;
    PgBatch batch = pg_batch(restore->arena);
    pg_batch_add(&batch, "SET search_path = pg_catalog, pg_temp");
    pg_batch_add(
        &batch,
        arena_printf(restore->arena, "SELECT ARRAY(SELECT version_num::text FROM ONLY %s)",
                     restore_version_table(conn, restore->arena, restore->args.version_schema)));
    pg_batch_add(&batch, "SELECT uuid FROM pgtide.shard WHERE schema_name = ''");
    pg_batch_add(&batch, "SELECT coalesce(max(seq), 0) FROM pgtide.history");
    const char *params[] = {"0", restore->args.version_schema, ""};
    pg_batch_add_params(&batch, restore_sql_count, 3, params);
    pg_send(conn, &batch, 0, on_looked, restore);
}

static void on_fresh_connected(PgConn *conn, const Error *err, void *data)
{
    Restore *restore = data;
    if (!restore_fails_to_connect(restore, err, "what was restored"))
        pg_send_simple(conn, "ANALYZE", 0, on_analyzed, restore);
}

static void on_read_back(Restore *restore)
{
    restore->conn = restore_connect(restore, restore->fresh_name, on_fresh_connected);
}

/* --- 1: a database of ours -------------------------------------------------------------------- */

static void on_created(PgConn *conn, const PgReply *reply, void *data)
{
    Restore *restore = data;
    if (restore_fails(restore, reply, "CREATE DATABASE"))
        return;
    pg_close(conn);
    restore->conn = NULL;
    restore_read(restore, restore->fresh_name, NULL, NULL, on_read_back);
}

static void on_leftover_dropped(PgConn *conn, const PgReply *reply, void *data)
{
    Restore *restore = data;
    if (restore_fails(restore, reply, "DROP DATABASE"))
        return;
    restore->created = true; /* from now on perhaps */
    pg_send_simple(conn, restore->create_sql, RESTORE_CREATE_MS, on_created, restore);
}

/* Columns that came or went between versions are taken from the row as JSON. */
static const char facts_sql[] =
    "SELECT format('CREATE DATABASE %I TEMPLATE template0 OWNER %I ENCODING %L LC_COLLATE %L"
    " LC_CTYPE %L', $3::text, pg_get_userbyid(d.datdba), pg_encoding_to_char(d.encoding),"
    " j->>'datcollate', j->>'datctype')"
    " || CASE j->>'datlocprovider'"
    "  WHEN 'i' THEN format(' LOCALE_PROVIDER icu ICU_LOCALE %L',"
    "   coalesce(j->>'datlocale', j->>'daticulocale'))"
    "   || coalesce(format(' ICU_RULES %L', j->>'daticurules'), '')"
    "  WHEN 'b' THEN format(' LOCALE_PROVIDER builtin BUILTIN_LOCALE %L', j->>'datlocale')"
    "  ELSE '' END"
    " || CASE WHEN t.spcname = 'pg_default' THEN '' ELSE format(' TABLESPACE %I', t.spcname) END,"
    " pg_database_size(d.oid),"
    " coalesce((SELECT setting FROM pg_settings WHERE name = 'data_directory'), ''),"
    " (SELECT count(*) FROM pg_replication_slots s WHERE s.database = d.datname),"
    " (SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user),"
    " pg_has_role(d.datdba, 'USAGE'), pg_get_userbyid(d.datdba), current_user,"
    " (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)"
    "  OR pg_has_role('pg_signal_backend', 'USAGE')"
    " FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace, to_jsonb(d) j"
    " WHERE d.oid = $1::oid AND d.datname = $2::text::name";

static ErrCode check_facts(const Restore *restore, const PgResult *facts, Error *err)
{
    if (pg_rows(facts) != 1)
        return err_set(err, ERR_CLONE, "database \"%s\" is not the one that was meant",
                       restore->args.database);
    if (pg_u64(facts, 0, 3) != 0) {
        err_set(err, ERR_REFUSED, "the database has logical replication slots");
        err_hint(err, "They would stay with the old database: drop them first.");
        return ERR_REFUSED;
    }
    if (!pg_bool(facts, 0, 4) || !pg_bool(facts, 0, 5) || !pg_bool(facts, 0, 8)) {
        err_set(err, ERR_REFUSED, "role %s may not restore: it %s", pg_text(facts, 0, 7),
                !pg_bool(facts, 0, 4)   ? "may not create databases"
                : !pg_bool(facts, 0, 5) ? "is no member of the database's owner"
                                        : "may not end the sessions of others");
        err_hint(err, "ALTER ROLE %s CREATEDB; GRANT %s, pg_signal_backend TO %s;",
                 pg_text(facts, 0, 7), pg_text(facts, 0, 6), pg_text(facts, 0, 7));
        return ERR_REFUSED;
    }
    return restore_check_space(pg_text(facts, 0, 2), pg_u64(facts, 0, 1), err);
}

static void on_facts(PgConn *conn, const PgReply *reply, void *data)
{
    Restore *restore = data;
    if (restore_fails(restore, reply, "looking at the database"))
        return;
    const PgResult *facts = &reply->results[1];
    if (check_facts(restore, facts, &restore->error) != ERR_OK) {
        restore_refuse(restore);
        return;
    }
    restore->create_sql = arena_strdup(restore->arena, pg_text(facts, 0, 0));
    pg_send_simple(conn, restore_drop_sql(restore), RESTORE_CREATE_MS, on_leftover_dropped,
                   restore);
}

static void on_server_connected(PgConn *conn, const Error *err, void *data)
{
    Restore *restore = data;
    if (restore_fails_to_connect(restore, err, "the maintenance database"))
        return;
    PgBatch batch = pg_batch(restore->arena);
    pg_batch_add(&batch, "SET search_path = pg_catalog, pg_temp");
    const char *params[] = {arena_printf(restore->arena, "%u", restore->args.database_oid),
                            restore->args.database, restore->fresh_name};
    pg_batch_add_params(&batch, facts_sql, 3, params);
    pg_send(conn, &batch, RESTORE_QUERY_MS, on_facts, restore);
}

void restore_database_start(Restore *restore)
{
    restore->conn =
        restore_connect(restore, restore->args.cluster->maintenance_database, on_server_connected);
}
