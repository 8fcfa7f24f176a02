#include "restore_parts.h"

#include "backup_place.h"
#include "backup_tools.h"
#include "clock.h"
#include "cluster_connect.h"
#include "file.h"
#include "log.h"
#include "manifest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#define NAME_NEW "pgtide_new_"
#define NAME_OLD "pgtide_old_"

enum { RESTORE_SPARE_BYTES = 64 * 1024 * 1024, RESTORE_JOBS = 2 };

bool restore_is_ours(const char *database)
{
    return strncmp(database, NAME_NEW, strlen(NAME_NEW)) == 0 ||
           strncmp(database, NAME_OLD, strlen(NAME_OLD)) == 0;
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

static void on_dropped(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    Restore *restore = data;
    if (reply->error != NULL)
        log_failure(LOG_WARN, "restore.leftover", reply->error, "database", restore->fresh_name,
                    NULL);
    destroy(restore);
}

static void on_drop_connected(PgConn *conn, const Error *err, void *data)
{
    Restore *restore = data;
    if (err != NULL) {
        log_failure(LOG_WARN, "restore.leftover", err, "database", restore->fresh_name, NULL);
        destroy(restore);
        return;
    }
    const char *sql = arena_printf(restore->arena, "DROP DATABASE IF EXISTS %s WITH (FORCE)",
                                   restore->fresh_name);
    pg_send_simple(conn, sql, RESTORE_CREATE_MS, on_dropped, restore);
}

void restore_free(Restore *restore)
{
    if (restore == NULL)
        return;
    restore->cb = NULL;
    uv_timer_stop(&restore->timer);
    restore_swap_close(restore);
    pg_close(restore->conn);
    restore->conn = NULL;
    if (restore->child != NULL)
        child_kill(restore->child);
    restore->child = NULL;
    if (restore->working)
        return; /* its end sees it */
    if (restore->created && !restore->in_place)
        restore->conn = restore_connect(restore, restore->args.cluster->maintenance_database,
                                        on_drop_connected);
    else
        destroy(restore);
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

static JobFailureClass class_of(const PgReply *reply)
{
    return reply->lost ? JOB_FAILURE_RETRY : JOB_FAILURE_FINAL;
}

PgConn *restore_connect(Restore *restore, const char *database, PgConnectCb *cb)
{
    return cluster_connect(restore->loop, restore->args.cluster, database, restore->application,
                           RESTORE_CONNECT_MS, cb, restore);
}

/* --- 4: what was restored is looked at -------------------------------------------------------- */

static bool same_rows(Restore *restore, const PgResult *result, StrList *rows)
{
    if (!pg_array_parse(restore->arena, pg_text(result, 0, 0), rows))
        return false;
    strlist_sort(rows);
    return strlist_equal(rows, &restore->args.rows_after);
}

static void on_counted(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    Restore *restore = data;
    if (reply->error != NULL) {
        restore_fail_with(restore, class_of(reply), reply->error, "what was restored");
        return;
    }
    restore->counts = arena_strdup(restore->arena, pg_text(&reply->results[0], 0, 0));
    restore_done(restore);
}

static void on_looked(PgConn *conn, const PgReply *reply, void *data)
{
    Restore *restore = data;
    if (reply->error != NULL) {
        restore_fail_with(restore, class_of(reply), reply->error, "what was restored");
        return;
    }
    Uuid uuid = {0};
    StrList rows = {0};
    const PgResult *shard = &reply->results[2];
    bool is_shard = pg_rows(shard) == 1 && uuid_parse(pg_text(shard, 0, 0), &uuid) &&
                    uuid_equal(&uuid, &restore->args.shard);
    if (!is_shard) {
        restore_fail(restore, JOB_FAILURE_FINAL, ERR_BACKUP, "the backup is not this shard's");
        return;
    }
    if (!same_rows(restore, &reply->results[1], &rows)) {
        restore_fail(restore, JOB_FAILURE_FINAL, ERR_BACKUP,
                     "the backup holds rows {%.150s}, the plan says {%.150s}",
                     strlist_join(restore->arena, &rows, ", "),
                     strlist_join(restore->arena, &restore->args.rows_after, ", "));
        return;
    }
    restore->history_end = arena_strdup(restore->arena, pg_text(&reply->results[3], 0, 0));
    PgBatch batch = pg_batch(restore->arena);
    pg_batch_add(&batch, arena_strdup(restore->arena, pg_text(&reply->results[4], 0, 0)));
    pg_send(conn, &batch, 0, on_counted, restore);
}

static const char *version_table(Restore *restore, PgConn *conn)
{
    const char *schema = pg_identifier(conn, restore->arena, restore->args.version_schema);
    return arena_printf(restore->arena, "%s.alembic_version", schema == NULL ? "\"\"" : schema);
}

static void on_analyzed(PgConn *conn, const PgReply *reply, void *data)
{
    Restore *restore = data;
    if (reply->error != NULL) {
        restore_fail_with(restore, class_of(reply), reply->error, "ANALYZE");
        return;
    }
    PgBatch batch = pg_batch(restore->arena);
    pg_batch_add(&batch, "SET search_path = pg_catalog, pg_temp");
    pg_batch_add(&batch,
                 arena_printf(restore->arena, "SELECT ARRAY(SELECT version_num::text FROM ONLY %s)",
                              version_table(restore, conn)));
    pg_batch_add(&batch, "SELECT uuid FROM pgtide.shard WHERE schema_name = ''");
    pg_batch_add(&batch, "SELECT coalesce(max(seq), 0) FROM pgtide.history");
    const char *params[] = {"0", restore->args.version_schema};
    pg_batch_add_params(&batch, restore_sql_count, 2, params);
    pg_send(conn, &batch, 0, on_looked, restore);
}

static void on_fresh_connected(PgConn *conn, const Error *err, void *data)
{
    Restore *restore = data;
    if (err != NULL)
        restore_fail_with(restore, JOB_FAILURE_RETRY, err, "what was restored");
    else
        pg_send_simple(conn, "ANALYZE", 0, on_analyzed, restore);
}

/* --- 3: pg_restore ---------------------------------------------------------------------------- */

static void on_restored(const ChildResult *result, void *data)
{
    Restore *restore = data;
    restore->child = NULL;
    if (tool_result("pg_restore", result, &restore->error) != ERR_OK) {
        restore->failed = JOB_FAILURE_FINAL;
        restore_done(restore);
        return;
    }
    restore->conn = restore_connect(restore, restore->fresh_name, on_fresh_connected);
}

/* Each statement commits by itself, and none waits for the disk: the swap's COMMIT does, and what
 * is cut off before it is thrown away. */
static void run_pg_restore(Restore *restore)
{
    Arena *arena = restore->arena;
    const ClusterSettings *cluster = restore->args.cluster;
    ToolArgs args = tool_args(arena, "pg_restore");
    tool_arg(&args, "--exit-on-error");
    tool_arg(&args, "--no-password");
    tool_arg(&args, "--dbname=%s", restore->fresh_name);
    if (restore->is_directory)
        tool_arg(&args, "--jobs=%d", RESTORE_JOBS);
    tool_arg(&args, "%s", restore->path);
    const char **env = tool_environment(arena, cluster, restore->fresh_name, 1);
    tool_environment_add(arena, env, "PGOPTIONS", "-c synchronous_commit=off");
    ChildArgs child = {
        .program = tool_program(arena, cluster, "pg_restore"), .argv = args.items, .env = env};
    ErrCode code =
        child_start(restore->loop, &child, on_restored, restore, &restore->child, &restore->error);
    tool_environment_wipe(env);
    if (code != ERR_OK) {
        restore->child = NULL;
        restore->failed = JOB_FAILURE_FINAL;
        restore_done(restore);
    }
}

/* --- 2: a database of ours -------------------------------------------------------------------- */

static void on_created(PgConn *conn, const PgReply *reply, void *data)
{
    Restore *restore = data;
    if (reply->error != NULL) {
        restore_fail_with(restore, class_of(reply), reply->error, "CREATE DATABASE");
        return;
    }
    pg_close(conn);
    restore->conn = NULL;
    run_pg_restore(restore);
}

static void on_leftover_dropped(PgConn *conn, const PgReply *reply, void *data)
{
    Restore *restore = data;
    if (reply->error != NULL) {
        restore_fail_with(restore, class_of(reply), reply->error, "DROP DATABASE");
        return;
    }
    restore->created = true; /* from now on perhaps */
    pg_send_simple(conn, restore->create_sql, RESTORE_CREATE_MS, on_created, restore);
}

/* Only where the agent may know and look: on the server's own host, as a role that is told where
 * the data are. */
static ErrCode check_space(const char *data_directory, uint64_t bytes, Error *err)
{
    struct statvfs space;
    if (data_directory[0] == '\0' || statvfs(data_directory, &space) != 0)
        return ERR_OK;
    uint64_t free_bytes = (uint64_t)space.f_bavail * space.f_frsize;
    if (free_bytes >= bytes + RESTORE_SPARE_BYTES)
        return ERR_OK;
    char has[SIZE_TEXT_SIZE], needs[SIZE_TEXT_SIZE];
    size_format(free_bytes >> 20 << 20, has);
    size_format((bytes + RESTORE_SPARE_BYTES) >> 20 << 20, needs);
    return err_set(err, ERR_BACKUP, "%s are free for the server's data, the restore needs up to %s",
                   has, needs);
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
    return check_space(pg_text(facts, 0, 2), pg_u64(facts, 0, 1), err);
}

static void on_facts(PgConn *conn, const PgReply *reply, void *data)
{
    Restore *restore = data;
    if (reply->error != NULL) {
        restore_fail_with(restore, class_of(reply), reply->error, "looking at the database");
        return;
    }
    const PgResult *facts = &reply->results[1];
    if (check_facts(restore, facts, &restore->error) != ERR_OK) {
        restore->failed = JOB_FAILURE_FINAL;
        restore_done(restore);
        return;
    }
    restore->create_sql = arena_strdup(restore->arena, pg_text(facts, 0, 0));
    const char *sql = arena_printf(restore->arena, "DROP DATABASE IF EXISTS %s WITH (FORCE)",
                                   restore->fresh_name);
    pg_send_simple(conn, sql, RESTORE_CREATE_MS, on_leftover_dropped, restore);
}

static void on_server_connected(PgConn *conn, const Error *err, void *data)
{
    Restore *restore = data;
    if (err != NULL) {
        restore_fail_with(restore, JOB_FAILURE_RETRY, err, "the maintenance database");
        return;
    }
    PgBatch batch = pg_batch(restore->arena);
    pg_batch_add(&batch, "SET search_path = pg_catalog, pg_temp");
    const char *params[] = {arena_printf(restore->arena, "%u", restore->args.database_oid),
                            restore->args.database, restore->fresh_name};
    pg_batch_add_params(&batch, facts_sql, 3, params);
    pg_send(conn, &batch, RESTORE_QUERY_MS, on_facts, restore);
}

/* --- 1: the backup (in the thread pool) ------------------------------------------------------- */

/* The manifest beside it, which must be of the very backup that the plan names. */
static ErrCode read_manifest(Arena *arena, const Restore *restore, Manifest *manifest, Error *err)
{
    const RestoreFrom *from = &restore->args.from;
    const char *name =
        arena_printf(arena, "%.*s.manifest", (int)strcspn(from->path, "."), from->path);
    const char *path = path_join(arena, restore->args.directory, name);
    ErrCode code = manifest_read(arena, path, manifest, err);
    if (code != ERR_OK)
        return code;
    if (manifest->size_bytes != from->size_bytes || !digest_equal(&manifest->sha256, &from->sha256))
        return err_set(err, ERR_DIGEST_MISMATCH, "it is not the one that the plan names");
    if (manifest->encrypted || manifest->method == BACKUP_METHOD_COMMAND) {
        err_set(err, ERR_REFUSED, "%s",
                manifest->encrypted ? "it is encrypted" : "a command has made it");
        err_hint(err, "Restore it by hand: docs/operations.md says how.");
        return ERR_REFUSED;
    }
    return ERR_OK;
}

static void check_backup(uv_work_t *work)
{
    Restore *restore = work->data;
    AUTO_ARENA Arena *arena = arena_new();
    Error *err = &restore->error;
    Manifest manifest;
    ErrCode code = read_manifest(arena, restore, &manifest, err);
    if (code == ERR_OK && backup_compare(restore->args.directory, &manifest, err) != ERR_OK)
        code = err->code = ERR_DIGEST_MISMATCH;
    if (code != ERR_OK) {
        err_wrap(err, "backup %s", restore->args.from.path);
        return;
    }
    restore->horizon = manifest.facts.transaction_horizon;
    restore->is_directory = manifest.method == BACKUP_METHOD_DIRECTORY;
}

static void on_backup_checked(uv_work_t *work, int status)
{
    Restore *restore = work->data;
    (void)status; /* never cancelled */
    restore->working = false;
    if (restore->cb == NULL) {
        destroy(restore);
    } else if (restore->error.code != ERR_OK) {
        restore->failed = JOB_FAILURE_FINAL;
        restore_done(restore);
    } else {
        restore->conn = restore_connect(restore, restore->args.cluster->maintenance_database,
                                        on_server_connected);
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
static const char *old_name(Arena *arena, const char *hex, const char *database)
{
    const char *name = arena_printf(arena, NAME_OLD "%.8s_%s", hex, database);
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
    restore->fresh_name = arena_printf(restore->arena, NAME_NEW "%s", hex);
    restore->old_name = old_name(restore->arena, hex, args->database);
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
