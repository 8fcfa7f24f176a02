#include "restore_parts.h"

#include "backup_place.h"
#include "backup_recipients.h"
#include "cluster_connect.h"
#include "digest.h"
#include "file.h"
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool restore_is_ours(const char *name)
{
    return str_starts_with(name, RESTORE_NEW) || str_starts_with(name, RESTORE_OLD);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void on_timer_closed(uv_handle_t *handle)
{
    Restore *restore = handle->data;
    arena_free(restore->arena);
    free(restore);
}

static void destroy(Restore *restore)
{
    pg_close(restore->conn);
    restore->conn = NULL;
    uv_close((uv_handle_t *)&restore->timer, on_timer_closed);
}

/* A schema's foreign keys into others are dropped under a lock on the tables over there. */
const char *restore_drop_sql(Restore *restore)
{
    if (!restore_is_of_schema(restore))
        return arena_printf(restore->arena, "DROP DATABASE IF EXISTS %s WITH (FORCE)",
                            restore->fresh_name);
    uint32_t lock_ms = restore_lock_timeout_ms(restore);
    return arena_printf(restore->arena,
                        "SET lock_timeout = '%ums'; DROP SCHEMA IF EXISTS %s CASCADE", lock_ms,
                        restore->fresh_name);
}

static void leave(Restore *restore, const Error *err)
{
    if (err != NULL)
        log_failure(LOG_WARN, "restore.leftover", err,
                    restore_is_of_schema(restore) ? "schema" : "database", restore->fresh_name,
                    NULL);
    destroy(restore);
}

static void drop_again(Restore *restore);

static void on_dropped(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    Restore *restore = data;
    bool busy = reply->error != NULL && reply->error->code == ERR_LOCK_TIMEOUT && !reply->lost;
    if (busy && ++restore->drop_tries < RESTORE_DROP_ATTEMPTS)
        restore_pause_then(restore, RESTORE_POLL_MS * 10, drop_again);
    else
        leave(restore, reply->error);
}

static void drop_again(Restore *restore)
{
    pg_send_simple(restore->conn, restore_drop_sql(restore), RESTORE_CREATE_MS, on_dropped,
                   restore);
}

static void on_drop_connected(PgConn *conn, const Error *err, void *data)
{
    Restore *restore = data;
    (void)conn;
    if (err != NULL)
        leave(restore, err);
    else
        drop_again(restore);
}

static void drop(Restore *restore)
{
    const char *database = restore_is_of_schema(restore)
                               ? restore->args.database
                               : restore->args.cluster->maintenance_database;
    restore->conn = restore_connect(restore, database, on_drop_connected);
}

static void on_leftovers_cleared(const Error *err, void *data)
{
    Restore *restore = data;
    restore->clear = NULL;
    if (err != NULL)
        leave(restore, err);
    else
        drop(restore);
}

/* A database goes with the sessions in it. A schema may still be about to be committed by a psql
 * whose end its server has not noticed. */
void restore_free(Restore *restore)
{
    if (restore == NULL)
        return;
    restore->cb = NULL;
    uv_timer_stop(&restore->timer);
    restore_swap_close(restore);
    pg_close(restore->conn);
    restore->conn = NULL;
    pipeline_kill(restore->pipeline);
    restore->pipeline = NULL;
    if (restore->working)
        return; /* its end sees it */
    if (!restore->created || restore->in_place)
        destroy(restore);
    else if (restore_is_of_schema(restore))
        restore->clear =
            restore_clear_start(restore->loop, restore->args.cluster, &restore->args.operation,
                                on_leftovers_cleared, restore);
    else
        drop(restore);
}

void restore_done(Restore *restore)
{
    bool failed = restore->error.code != ERR_OK;
    restore_swap_close(restore);
    pg_close(restore->conn);
    restore->conn = NULL;
    restore->cb(failed ? restore->failed : JOB_FAILURE_UNSPECIFIED, failed ? &restore->error : NULL,
                restore->data);
}

void restore_fail(Restore *restore, JobFailureClass failed, ErrCode code, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    err_set(&restore->error, code, "%s", text);
    restore->failed = failed;
    restore_done(restore);
}

void restore_fail_with(Restore *restore, JobFailureClass failed, const Error *err,
                       const char *doing)
{
    restore->error = *err;
    err_wrap(&restore->error, "%s", doing);
    restore->failed = failed;
    restore_done(restore);
}

void restore_refuse(Restore *restore)
{
    restore->failed = JOB_FAILURE_FINAL;
    restore_done(restore);
}

bool restore_fails(Restore *restore, const PgReply *reply, const char *doing)
{
    if (reply->error == NULL)
        return false;
    restore_fail_with(restore, reply->lost ? JOB_FAILURE_RETRY : JOB_FAILURE_FINAL, reply->error,
                      doing);
    return true;
}

bool restore_fails_to_connect(Restore *restore, const Error *err, const char *where)
{
    if (err == NULL)
        return false;
    restore_fail_with(restore, JOB_FAILURE_RETRY, err, where);
    return true;
}

static void on_pause_over(uv_timer_t *timer)
{
    Restore *restore = timer->data;
    restore->swap.after(restore);
}

void restore_pause_then(Restore *restore, uint32_t pause_ms, RestoreThen *after)
{
    restore->swap.after = after;
    uv_timer_start(&restore->timer, on_pause_over, pause_ms, 0);
}

PgConn *restore_connect(Restore *restore, const char *database, PgConnectCb *cb)
{
    return cluster_connect(restore->loop, restore->args.cluster, database, restore->application,
                           RESTORE_CONNECT_MS, cb, restore);
}

/* --- 1: the backup (in the thread pool) ------------------------------------------------------- */

/* The manifest beside it, which must be of the very backup that the plan names. */
static ErrCode read_manifest(Restore *restore, Error *err)
{
    const RestoreArgs *args = &restore->args;
    const RestoreFrom *from = &args->from;
    Manifest *manifest = &restore->manifest;
    ErrCode code = manifest_read_beside(restore->arena, args->directory, from->path, manifest, err);
    if (code != ERR_OK)
        return code;
    if (manifest->size_bytes != from->size_bytes || !digest_equal(&manifest->sha256, &from->sha256))
        return err_set(err, ERR_DIGEST_MISMATCH, "it is not the one that the plan names");
    if (!uuid_equal(&manifest->shard, &args->shard) || strcmp(manifest->schema, args->schema) != 0)
        return err_set(err, ERR_REFUSED, "it is of another shard, %s %s", manifest->database,
                       manifest->schema);
    return ERR_OK;
}

static ErrCode check_identity(const Restore *restore, Error *err)
{
    const char *identity = restore->args.settings->backup.age_identity;
    if (identity != NULL)
        return identity_check(identity, err);
    err_set(err, ERR_REFUSED, "it is encrypted, and this agent has no identity that reads it");
    err_hint(err, "Name the file of one as 'backup.age-identity' in agent.yaml, mode 0600, for as "
                  "long as you restore.");
    return ERR_REFUSED;
}

/* What keeps a command's backup is the command: only its name can be compared. */
static ErrCode check_command(Restore *restore, Error *err)
{
    const Manifest *manifest = &restore->manifest;
    const BackupCommand *command =
        agent_settings_find_backup_command(restore->args.settings, manifest->command);
    Digest digest = sha256_bytes(manifest->id, strlen(manifest->id));
    if (!digest_equal(&digest, &manifest->sha256))
        return err_set(err, ERR_DIGEST_MISMATCH, "its name is not the one of then");
    if (restore_is_of_schema(restore))
        return err_set(err, ERR_REFUSED,
                       "a command has made it: those are restored into a database, not a schema");
    if (command == NULL || command->restore.count == 0) {
        err_set(err, ERR_REFUSED, "backup command '%s' has made it, and can't restore",
                manifest->command);
        err_hint(err, "Give it a 'restore' in agent.yaml.");
        return ERR_REFUSED;
    }
    restore->command = command;
    return ERR_OK;
}

static ErrCode check_dump(const Restore *restore, Error *err)
{
    ErrCode code = restore->manifest.encrypted ? check_identity(restore, err) : ERR_OK;
    if (code == ERR_OK &&
        backup_compare(restore->args.directory, &restore->manifest, err) != ERR_OK)
        code = err->code = ERR_DIGEST_MISMATCH;
    return code;
}

static void check_backup(uv_work_t *work)
{
    Restore *restore = work->data;
    Error *err = &restore->error;
    ErrCode code = read_manifest(restore, err);
    if (code == ERR_OK)
        code = restore->manifest.method == BACKUP_METHOD_COMMAND ? check_command(restore, err)
                                                                 : check_dump(restore, err);
    if (code != ERR_OK)
        err_wrap(err, "backup %s", restore->args.from.path);
}

static void on_backup_checked(uv_work_t *work, int status)
{
    Restore *restore = work->data;
    (void)status; /* never cancelled */
    restore->working = false;
    if (restore->cb == NULL) {
        destroy(restore);
    } else if (restore->error.code != ERR_OK) {
        restore_refuse(restore);
    } else if (restore_is_of_schema(restore)) {
        restore_schema_start(restore);
    } else {
        restore_database_start(restore);
    }
}

/* --- the start -------------------------------------------------------------------------------- */

static const char *application_name(Arena *arena, const OperationId *operation)
{
    char hex[OPERATION_TEXT_SIZE];
    operation_format(operation, hex);
    return arena_printf(arena, "pgtide restore %s", hex);
}

/* As much of the name as fits, whole characters. */
static const char *old_name(Arena *arena, const char *hex, const char *former)
{
    const char *name = arena_printf(arena, RESTORE_OLD "%.8s_%s", hex, former);
    size_t length = strlen(name);
    if (length >= RESTORE_NAME_BYTES) {
        length = RESTORE_NAME_BYTES - 1;
        while (length > 0 && ((unsigned char)name[length] & 0xc0) == 0x80)
            length--;
    }
    return arena_strndup(arena, name, length);
}

static void copy_args(Restore *restore, const RestoreArgs *from)
{
    Arena *arena = restore->arena;
    RestoreArgs *args = &restore->args;
    *args = *from;
    args->directory = arena_strdup(arena, from->directory);
    args->from.path = arena_strdup(arena, from->from.path);
    args->database = arena_strdup(arena, from->database);
    args->schema = arena_strdup(arena, from->schema);
    args->rollout = arena_strdup(arena, from->rollout);
    args->who = arena_strdup(arena, from->who);
    args->rows_before = strlist_copy(arena, &from->rows_before);
    args->rows_after = strlist_copy(arena, &from->rows_after);
    args->version_schema = arena_strdup(arena, from->version_schema);
}

Restore *restore_start(uv_loop_t *loop, const RestoreArgs *args, RestoreCb *cb, void *data)
{
    Restore *restore = xcalloc(1, sizeof(*restore));
    char hex[OPERATION_TEXT_SIZE];
    restore->loop = loop;
    restore->arena = arena_new();
    restore->cb = cb;
    restore->data = data;
    copy_args(restore, args);
    operation_format(&args->operation, hex);
    restore->path = path_join(restore->arena, args->directory, args->from.path);
    restore->fresh_name = arena_printf(restore->arena, RESTORE_NEW "%s", hex);
    restore->old_name =
        old_name(restore->arena, hex, args->schema[0] == '\0' ? args->database : args->schema);
    restore->application = application_name(restore->arena, &args->operation);
    uv_timer_init(loop, &restore->timer);
    restore->timer.data = restore;
    restore->work.data = restore;
    restore->working = true;
    uv_queue_work(loop, &restore->work, check_backup, on_backup_checked);
    return restore;
}

/* --- clearing --------------------------------------------------------------------------------- */

struct RestoreClear {
    Arena *arena;
    PgConn *conn;
    uv_timer_t timer;
    const char *application;
    RestoreClearCb *cb;
    void *data;
};

static void on_clear_closed(uv_handle_t *handle)
{
    RestoreClear *clear = handle->data;
    arena_free(clear->arena);
    free(clear);
}

void restore_clear_cancel(RestoreClear *clear)
{
    if (clear == NULL)
        return;
    pg_close(clear->conn);
    uv_close((uv_handle_t *)&clear->timer, on_clear_closed);
}

static void clear_end(RestoreClear *clear, const Error *err)
{
    clear->cb(err, clear->data);
    restore_clear_cancel(clear);
}

static void on_look_again(uv_timer_t *timer);

static void on_cleared(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    RestoreClear *clear = data;
    if (reply->error != NULL)
        clear_end(clear, reply->error);
    else if (pg_rows(&reply->results[0]) == 0)
        clear_end(clear, NULL);
    else
        uv_timer_start(&clear->timer, on_look_again, RESTORE_POLL_MS, 0);
}

static void look_for_leftovers(RestoreClear *clear)
{
    PgBatch batch = pg_batch(clear->arena);
    pg_batch_add_params(&batch,
                        "SELECT pg_catalog.pg_terminate_backend(pid)"
                        " FROM pg_catalog.pg_stat_activity"
                        " WHERE application_name OPERATOR(pg_catalog.=) $1"
                        " AND usename OPERATOR(pg_catalog.=) current_user"
                        " AND pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()",
                        1, &clear->application);
    pg_send(clear->conn, &batch, RESTORE_QUERY_MS, on_cleared, clear);
}

static void on_look_again(uv_timer_t *timer)
{
    look_for_leftovers(timer->data);
}

static void on_clear_connected(PgConn *conn, const Error *err, void *data)
{
    (void)conn;
    RestoreClear *clear = data;
    if (err != NULL)
        clear_end(clear, err);
    else
        look_for_leftovers(clear);
}

RestoreClear *restore_clear_start(uv_loop_t *loop, const ClusterSettings *cluster,
                                  const OperationId *operation, RestoreClearCb *cb, void *data)
{
    RestoreClear *clear = xcalloc(1, sizeof(*clear));
    clear->arena = arena_new();
    clear->application = application_name(clear->arena, operation);
    clear->cb = cb;
    clear->data = data;
    uv_timer_init(loop, &clear->timer);
    clear->timer.data = clear;
    clear->conn = cluster_connect(loop, cluster, cluster->maintenance_database, NULL,
                                  RESTORE_CONNECT_MS, on_clear_connected, clear);
    return clear;
}
