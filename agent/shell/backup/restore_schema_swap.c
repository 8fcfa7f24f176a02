/*
 * The second half of a restore of a schema: one connection, one transaction. Writers are held off
 * by SHARE locks on the schema's tables (readers go on), claims by a lock on its row of the ledger;
 * what is there is compared with the plan and with the backup; then the names change, and what
 * belongs to the shard's name goes to what was restored. Whoever waits for one of the tables looks
 * its name up again when it gets in, and finds what was restored.
 */
#include "restore_parts.h"

/* --- 3: the end ------------------------------------------------------------------------------- */

static void on_committed(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    restore_committed(data, reply);
}

static void on_ledger_written(PgConn *conn, const PgReply *reply, void *data)
{
    Restore *restore = data;
    if (restore_fails(restore, reply, "the ledger"))
        return;
    if (pg_affected(&reply->results[0]) != 1) {
        restore_fail(restore, JOB_FAILURE_FINAL, ERR_FENCED,
                     "somebody else has claimed the shard meanwhile");
        return;
    }
    PgBatch batch = pg_batch(restore->swap.arena);
    batch.never_cancel = true;
    pg_batch_add(&batch, "COMMIT");
    pg_send(conn, &batch, RESTORE_QUERY_MS, on_committed, restore);
}

/* The history is in the database, and goes on. */
static void write_ledger(Restore *restore)
{
    Arena *arena = restore->swap.arena;
    const RestoreArgs *args = &restore->args;
    char operation[OPERATION_TEXT_SIZE];
    operation_format(&args->operation, operation);
    const char *shard[] = {arena_printf(arena, "%u", restore->fresh_oid),
                           arena_strdup(arena, operation), args->schema,
                           arena_printf(arena, "%llu", (unsigned long long)args->fence),
                           arena_printf(arena, "%llu", (unsigned long long)args->epoch)};
    PgBatch batch = pg_batch(arena);
    pg_batch_add_params(&batch,
                        "UPDATE pgtide.shard SET fence = fence + 1, schema_oid = $1::bigint,"
                        " last_operation = decode($2, 'hex') WHERE schema_name = $3"
                        " AND fence = $4::bigint AND epoch = $5::bigint",
                        5, shard);
    pg_batch_add_params(&batch, "DELETE FROM pgtide.progress WHERE schema_name = $1", 1,
                        &args->schema);
    restore_add_history(restore, &batch);
    pg_send(restore->swap.old, &batch, RESTORE_QUERY_MS, on_ledger_written, restore);
}

/* --- 2: the names ----------------------------------------------------------------------------- */

static void on_named(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    Restore *restore = data;
    if (!restore_fails(restore, reply, "keeping what belongs to the schema's name"))
        write_ledger(restore);
}

static const char *joined(Arena *arena, const PgResult *result, int column)
{
    return pg_is_null(result, 0, column) ? ""
                                         : arena_printf(arena, "; %s", pg_text(result, 0, column));
}

static void on_renamed(PgConn *conn, const PgReply *reply, void *data)
{
    Restore *restore = data;
    Arena *arena = restore->swap.arena;
    if (restore_fails(restore, reply, "renaming the schemas"))
        return;
    if (reply->count > 5 && !pg_is_null(&reply->results[5], 0, 0)) {
        restore_fail(restore, JOB_FAILURE_FINAL, ERR_REFUSED,
                     "the shard was changed since its backup: %.200s",
                     pg_text(&reply->results[5], 0, 0));
        return;
    }
    const char *sql =
        arena_printf(arena, "%s%s%s", pg_text(&reply->results[2], 0, 0),
                     joined(arena, &reply->results[3], 0), joined(arena, &reply->results[4], 1));
    pg_send_simple(conn, sql, RESTORE_QUERY_MS, on_named, restore);
}

/* What belongs to the name is read behind the renames: nobody can change it unseen then. Locks on
 * tables do not keep new tables from coming: they are looked for at the last moment. */
static void rename_both(Restore *restore)
{
    RestoreSwap *swap = &restore->swap;
    Arena *arena = swap->arena;
    const char *live = restore->args.schema;
    const char *old = restore->old_name;
    const char *name = pg_identifier(swap->old, arena, live);
    const char *aside = pg_identifier(swap->old, arena, old);
    if (name == NULL || aside == NULL) {
        restore_fail(restore, JOB_FAILURE_FINAL, ERR_STATE, "the schema's name is not UTF-8");
        return;
    }
    const char *from_old[] = {old, live};
    const char *from_fresh[] = {live, live};
    PgBatch batch = pg_batch(arena);
    pg_batch_add(&batch, arena_printf(arena, "ALTER SCHEMA %s RENAME TO %s", name, aside));
    pg_batch_add(&batch,
                 arena_printf(arena, "ALTER SCHEMA %s RENAME TO %s", restore->fresh_name, name));
    pg_batch_add_params(&batch, restore_sql_belongings, 2, from_old);
    pg_batch_add_params(&batch, restore_sql_defaults, 2, from_fresh);
    pg_batch_add_params(&batch, restore_sql_defaults, 2, from_old);
    if (!restore->args.accept_data_loss)
        restore_add_catalog(restore, &batch, old);
    pg_send(swap->old, &batch, RESTORE_QUERY_MS, on_renamed, restore);
}

/* --- 1: writers are held off ------------------------------------------------------------------ */

static void on_looked(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    Restore *restore = data;
    if (restore_fails(restore, reply, "looking at the shard") ||
        restore_is_moved(restore, &reply->results[0], &reply->results[1]))
        return;
    if (!pg_is_null(&reply->results[2], 0, 0)) {
        restore_refuse_dependents(pg_text(&reply->results[2], 0, 0), &restore->error);
        restore_refuse(restore);
    } else if (pg_u64(&reply->results[3], 0, 0) != restore->fresh_oid) {
        restore_fail(restore, JOB_FAILURE_RETRY, ERR_STATE, "what was restored is gone");
    } else {
        restore_look_for_loss(restore, rename_both);
    }
}

static void look(Restore *restore)
{
    PgConn *conn = restore->swap.old;
    Arena *arena = restore->swap.arena;
    const RestoreArgs *args = &restore->args;
    PgBatch batch = pg_batch(arena);
    pg_batch_add_params(&batch, "SELECT fence, epoch FROM pgtide.shard WHERE schema_name = $1", 1,
                        &args->schema);
    pg_batch_add(&batch, arena_printf(arena, "SELECT ARRAY(SELECT version_num::text FROM ONLY %s)",
                                      restore_version_table(conn, arena, args->version_schema)));
    pg_batch_add_params(&batch, restore_sql_dependents, 1, &args->schema);
    pg_batch_add_params(&batch, "SELECT max(oid) FROM pg_namespace WHERE nspname = $1", 1,
                        &restore->fresh_name);
    pg_send(conn, &batch, RESTORE_QUERY_MS, on_looked, restore);
}

void restore_schema_swap(Restore *restore)
{
    restore_hold(restore, look);
}
