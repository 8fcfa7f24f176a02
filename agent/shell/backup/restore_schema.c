/*
 * The first half of a restore of a shard that is a schema. pg_restore can't rename: so in one
 * transaction the shard steps aside, what the dump holds is made under the shard's name, and both
 * get other names: what was restored ours, the shard its own. Nobody else sees anything of it but,
 * at its end, one schema more. What it hangs on elsewhere in the database is there for it.
 */
#include "restore_parts.h"

/* --- 3: what was restored is looked at -------------------------------------------------------- */

static void on_looked(PgConn *conn, const PgReply *reply, void *data)
{
    Restore *restore = data;
    if (restore_fails(restore, reply, "what was restored") ||
        restore_rows_fail(restore, &reply->results[0]))
        return;
    restore->fresh_oid = (uint32_t)pg_u64(&reply->results[1], 0, 0);
    restore_count(restore, conn, &reply->results[2]);
}

static void on_analyzed(PgConn *conn, const PgReply *reply, void *data)
{
    Restore *restore = data;
    Arena *arena = restore->arena;
    if (restore_fails(restore, reply, "ANALYZE"))
        return;
    const char *count[] = {"0", restore->fresh_name, restore->fresh_name};
    PgBatch batch = pg_batch(arena);
    pg_batch_add(&batch, arena_printf(arena, "SELECT ARRAY(SELECT version_num::text FROM ONLY %s)",
                                      restore_version_table(conn, arena, restore->fresh_name)));
    pg_batch_add_params(&batch, "SELECT oid FROM pg_namespace WHERE nspname = $1", 1,
                        &restore->fresh_name);
    pg_batch_add_params(&batch, restore_sql_count, 3, count);
    pg_send(conn, &batch, RESTORE_QUERY_MS, on_looked, restore);
}

static void on_listed(PgConn *conn, const PgReply *reply, void *data)
{
    Restore *restore = data;
    if (restore_fails(restore, reply, "what was restored"))
        return;
    const PgResult *list = &reply->results[1];
    if (pg_is_null(list, 0, 0))
        restore_fail(restore, JOB_FAILURE_FINAL, ERR_BACKUP, "the backup holds no tables");
    else
        pg_send_simple(conn, arena_printf(restore->arena, "ANALYZE %s", pg_text(list, 0, 0)), 0,
                       on_analyzed, restore);
}

static void on_fresh_connected(PgConn *conn, const Error *err, void *data)
{
    Restore *restore = data;
    if (restore_fails_to_connect(restore, err, "what was restored"))
        return;
    PgBatch batch = pg_batch(restore->arena);
    pg_batch_add(&batch, "SET search_path = pg_catalog, pg_temp");
    pg_batch_add_params(&batch,
                        "SELECT string_agg(format('%I.%I', n.nspname, c.relname), ', ')"
                        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                        " WHERE c.relkind IN ('r', 'm', 'p') AND n.nspname = $1::text::name",
                        1, &restore->fresh_name);
    pg_send(conn, &batch, RESTORE_QUERY_MS, on_listed, restore);
}

static void on_read_back(Restore *restore)
{
    restore->conn = restore_connect(restore, restore->args.database, on_fresh_connected);
}

/* --- 2: a schema of ours ---------------------------------------------------------------------- */

static void on_leftover_dropped(PgConn *conn, const PgReply *reply, void *data)
{
    Restore *restore = data;
    if (reply->error != NULL && reply->error->code == ERR_LOCK_TIMEOUT) {
        restore_fail_with(restore, JOB_FAILURE_RETRY, reply->error, "DROP SCHEMA");
        return;
    }
    if (restore_fails(restore, reply, "DROP SCHEMA"))
        return;
    pg_close(conn);
    restore->conn = NULL;
    restore->created = true; /* from now on perhaps */
    restore_read(restore, restore->args.database, restore->create_sql, restore->away_sql,
                 on_read_back);
}

/* --- 1: the shard ----------------------------------------------------------------------------- */

static const char facts_sql[] =
    "SELECT pg_get_userbyid(n.nspowner), pg_has_role(n.nspowner, 'USAGE'),"
    " has_database_privilege(d.oid, 'CREATE'), current_user, d.oid = $2::oid,"
    " coalesce((SELECT setting FROM pg_settings WHERE name = 'data_directory'), ''),"
    " (SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c WHERE c.relnamespace = n.oid"
    "  AND c.relkind IN ('r', 'm')), current_database(),"
    " format('ALTER SCHEMA %I RENAME TO %I; CREATE SCHEMA %I AUTHORIZATION %I', n.nspname,"
    "  $3::text, n.nspname, pg_get_userbyid(n.nspowner)),"
    " format('ALTER SCHEMA %I RENAME TO %I; ALTER SCHEMA %I RENAME TO %I', n.nspname, $4::text,"
    "  $3::text, n.nspname)"
    " FROM pg_namespace n JOIN pg_database d ON d.datname = current_database()"
    " WHERE n.nspname = $1::text::name";

static ErrCode check_facts(const Restore *restore, const PgResult *facts, const char *dependents,
                           Error *err)
{
    if (pg_rows(facts) != 1)
        return err_set(err, ERR_NOT_FOUND, "there is no schema \"%s\" any more",
                       restore->args.schema);
    if (!pg_bool(facts, 0, 4))
        return err_set(err, ERR_CLONE, "database \"%s\" is not the one that was meant",
                       restore->args.database);
    if (!pg_bool(facts, 0, 1) || !pg_bool(facts, 0, 2)) {
        err_set(err, ERR_REFUSED, "role %s may not restore: it %s", pg_text(facts, 0, 3),
                !pg_bool(facts, 0, 1) ? "is no member of the schema's owner"
                                      : "may not create schemas");
        err_hint(err, "GRANT %s TO %s; GRANT CREATE ON DATABASE %s TO %s;", pg_text(facts, 0, 0),
                 pg_text(facts, 0, 3), pg_text(facts, 0, 7), pg_text(facts, 0, 3));
        return ERR_REFUSED;
    }
    if (dependents[0] != '\0')
        return restore_refuse_dependents(dependents, err);
    return restore_check_space(pg_text(facts, 0, 5), pg_u64(facts, 0, 6), err);
}

ErrCode restore_refuse_dependents(const char *dependents, Error *err)
{
    err_set(err, ERR_REFUSED, "what is outside of the schema's dump would not follow: %.180s",
            dependents);
    err_detail(err, "%.500s", dependents);
    err_hint(err, "Drop it, restore, and make it again: it hangs on what is there now, by identity "
                  "and not by name.");
    return ERR_REFUSED;
}

static const char *followed(Arena *arena, const char *statements)
{
    return statements[0] == '\0' ? "" : arena_printf(arena, "%s; ", statements);
}

/* Schemas of one database take turns: each holds locks on the shared tables that it refers to until
 * its end, and in its time the role's default privileges, which would come to what the dump makes,
 * are off. */
static void keep_statements(Restore *restore, const PgResult *facts, const PgResult *defaults)
{
    Arena *arena = restore->arena;
    restore->create_sql = arena_printf(
        arena, "SELECT pg_catalog.pg_advisory_xact_lock(%d, 0); %s%s", RESTORE_LOCK_CLASS,
        followed(arena, pg_text(defaults, 0, 0)), pg_text(facts, 0, 8));
    restore->away_sql =
        arena_printf(arena, "%s%s", followed(arena, pg_text(defaults, 0, 1)), pg_text(facts, 0, 9));
}

static void on_facts(PgConn *conn, const PgReply *reply, void *data)
{
    Restore *restore = data;
    if (restore_fails(restore, reply, "looking at the schema"))
        return;
    const PgResult *facts = &reply->results[1];
    const char *dependents = pg_text(&reply->results[2], 0, 0);
    if (check_facts(restore, facts, dependents, &restore->error) != ERR_OK) {
        restore_refuse(restore);
        return;
    }
    keep_statements(restore, facts, &reply->results[3]);
    pg_send_simple(conn, restore_drop_sql(restore), RESTORE_CREATE_MS, on_leftover_dropped,
                   restore);
}

static void on_connected(PgConn *conn, const Error *err, void *data)
{
    Restore *restore = data;
    if (restore_fails_to_connect(restore, err, "the shard's database"))
        return;
    const RestoreArgs *args = &restore->args;
    const char *params[] = {args->schema, arena_printf(restore->arena, "%u", args->database_oid),
                            restore->old_name, restore->fresh_name};
    const char *defaults[] = {"", ""};
    PgBatch batch = pg_batch(restore->arena);
    pg_batch_add(&batch, "SET search_path = pg_catalog, pg_temp");
    pg_batch_add_params(&batch, facts_sql, 4, params);
    pg_batch_add_params(&batch, restore_sql_dependents, 1, &args->schema);
    pg_batch_add_params(&batch, restore_sql_defaults, 2, defaults);
    pg_send(conn, &batch, RESTORE_QUERY_MS, on_facts, restore);
}

void restore_schema_start(Restore *restore)
{
    restore->conn = restore_connect(restore, restore->args.database, on_connected);
}
