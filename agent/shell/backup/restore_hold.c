/*
 * Between the halves of a restore: the shard's writers are held off, and it is looked for what they
 * wrote since the backup.
 */
#include "restore_parts.h"

#include <string.h>

/* --- 2: what would be lost -------------------------------------------------------------------- */

static void refuse_loss(Restore *restore, const char *what)
{
    err_set(&restore->error, ERR_REFUSED, "%s", "the shard was written since its backup");
    err_detail(&restore->error, "%s", what);
    err_hint(&restore->error, "Restoring it loses that: a plan made with --accept-data-loss may.");
    restore_refuse(restore);
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
    restore->swap.kept(restore);
}

static void on_counted(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    Restore *restore = data;
    if (restore_fails(restore, reply, "looking for rows written since the backup"))
        return;
    const PgResult *result = &reply->results[0];
    if (!pg_is_null(result, 0, 1))
        refuse_loss(restore, arena_printf(restore->swap.arena, "rows were written to %.400s",
                                          pg_text(result, 0, 1)));
    else
        compare_counts(restore, pg_text(result, 0, 0));
}

static void on_loss_looked(PgConn *conn, const PgReply *reply, void *data)
{
    Restore *restore = data;
    Arena *arena = restore->swap.arena;
    if (restore_fails(restore, reply, "looking for what was written since the backup"))
        return;
    if (pg_bool(&reply->results[0], 0, 0) && !restore_is_of_schema(restore)) {
        refuse_loss(restore, "it has large objects, which do not tell when they were written");
    } else if (!pg_is_null(&reply->results[2], 0, 0)) {
        refuse_loss(restore, arena_printf(arena, "changed by nobody that its history knows: %.400s",
                                          pg_text(&reply->results[2], 0, 0)));
    } else {
        PgBatch batch = pg_batch(arena);
        pg_batch_add(&batch, arena_strdup(arena, pg_text(&reply->results[1], 0, 0)));
        pg_send(conn, &batch, 0, on_counted, restore);
    }
}

void restore_add_catalog(Restore *restore, PgBatch *batch, const char *schema)
{
    uint64_t horizon = restore->manifest.facts.transaction_horizon;
    const char *params[] = {arena_printf(restore->swap.arena, "%llu", (unsigned long long)horizon),
                            schema};
    pg_batch_add_params(batch, restore_sql_catalog, 2, params);
}

void restore_look_for_loss(Restore *restore, RestoreThen *kept)
{
    RestoreSwap *swap = &restore->swap;
    const RestoreArgs *args = &restore->args;
    uint64_t horizon = restore->manifest.facts.transaction_horizon;
    swap->kept = kept;
    if (args->accept_data_loss) {
        kept(restore);
        return;
    }
    if (horizon == 0) {
        refuse_loss(restore, "the backup does not say what it may not hold");
        return;
    }
    const char *text = arena_printf(swap->arena, "%llu", (unsigned long long)horizon);
    const char *count[] = {text, args->version_schema, args->schema};
    PgBatch batch = pg_batch(swap->arena);
    pg_batch_add(&batch, "SELECT EXISTS (SELECT FROM pg_largeobject_metadata)");
    pg_batch_add_params(&batch, restore_sql_count, 3, count);
    restore_add_catalog(restore, &batch, args->schema);
    pg_send(swap->old, &batch, RESTORE_QUERY_MS, on_loss_looked, restore);
}

/* --- 1: writers are held off ------------------------------------------------------------------ */

bool restore_is_moved(Restore *restore, const PgResult *claim, const PgResult *version)
{
    StrList rows = {0};
    Arena *arena = restore->swap.arena;
    bool is_ours = pg_rows(claim) == 1 && pg_u64(claim, 0, 0) == restore->args.fence &&
                   pg_u64(claim, 0, 1) == restore->args.epoch;
    if (!is_ours) {
        restore_fail(restore, JOB_FAILURE_FINAL, ERR_FENCED,
                     "somebody else has claimed the shard meanwhile");
        return true;
    }
    bool read = pg_array_parse(arena, pg_text(version, 0, 0), &rows);
    strlist_sort(&rows);
    if (read && strlist_equal(&rows, &restore->args.rows_before))
        return false;
    restore_fail(restore, JOB_FAILURE_FINAL, ERR_OVERTAKEN,
                 "something else moved the shard since the plan was made: its rows are {%.300s}",
                 strlist_join(arena, &rows, ", "));
    return true;
}

static void lock_tables(Restore *restore);

static void on_locked(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    Restore *restore = data;
    RestoreSwap *swap = &restore->swap;
    bool busy = reply->error != NULL &&
                (reply->error->code == ERR_LOCK_TIMEOUT || reply->error->code == ERR_BUSY) &&
                !reply->lost;
    if (busy && ++swap->lock_tries < restore->args.lock_attempts) {
        restore_pause_then(restore, RESTORE_POLL_MS * 10, lock_tables);
        return;
    }
    if (!restore_fails(restore, reply, "holding writers off"))
        swap->held(restore);
}

static void on_listed(PgConn *conn, const PgReply *reply, void *data)
{
    Restore *restore = data;
    Arena *arena = restore->swap.arena;
    if (restore_fails(restore, reply, "listing the shard's tables"))
        return;
    const PgResult *list = &reply->results[reply->count - 1];
    if (pg_is_null(list, 0, 0)) {
        restore_fail(restore, JOB_FAILURE_FINAL, ERR_OVERTAKEN, "the shard has no tables any more");
        return;
    }
    PgBatch batch = pg_batch(arena);
    pg_batch_add(&batch, arena_printf(arena, "LOCK TABLE %s IN SHARE MODE", pg_text(list, 0, 0)));
    if (restore_is_of_schema(restore)) /* the ledger is others' too: the row alone */
        pg_batch_add_params(&batch, "SELECT 1 FROM pgtide.shard WHERE schema_name = $1 FOR UPDATE",
                            1, &restore->args.schema);
    pg_send(conn, &batch, 0, on_locked, restore);
}

/* All of them; a database's ledger too: a claim waits as well. */
static void lock_tables(Restore *restore)
{
    RestoreSwap *swap = &restore->swap;
    const RestoreArgs *args = &restore->args;
    const char *lock = arena_printf(swap->arena, "%ums", restore_lock_timeout_ms(restore));
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
    pg_batch_add_params(&batch,
                        "SELECT string_agg(format('%I.%I', n.nspname, c.relname), ', ')"
                        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                        " WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'"
                        " AND CASE WHEN $1::text = '' THEN n.nspname <> 'information_schema'"
                        " AND n.nspname NOT LIKE 'pg\\_%' ELSE n.nspname = $1::text END",
                        1, &args->schema);
    pg_send(swap->old, &batch, RESTORE_QUERY_MS, on_listed, restore);
}

static void on_old_connected(PgConn *conn, const Error *err, void *data)
{
    (void)conn;
    Restore *restore = data;
    if (!restore_fails_to_connect(restore, err, "the shard"))
        lock_tables(restore);
}

void restore_hold(Restore *restore, RestoreThen *held)
{
    RestoreSwap *swap = &restore->swap;
    swap->arena = arena_new();
    swap->lock_tries = 0;
    swap->held = held;
    swap->old = restore_connect(restore, restore->args.database, on_old_connected);
}
