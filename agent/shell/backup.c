#include "backup.h"

#include "backup_facts.h"
#include "backup_keep.h"
#include "backup_place.h"
#include "backup_tools.h"
#include "clock.h"
#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const char partial_ending[] = ".partial";

struct Backup {
    uv_loop_t *loop;
    Arena *arena;
    BackupArgs args;
    BackupCb *cb; /* NULL: abandoned */
    void *data;
    FactsReading *reading;
    Child *child;
    bool placing; /* in the thread pool */
    uv_work_t work;
    uv_async_t begin; /* the first turn, so that nothing is reported inside backup_start() */
    const char *folder;
    const char *relative;
    const char *final;
    const char *partial;
    uint64_t claimed_bytes; /* of the room */
    uint64_t started_ms;
    Manifest manifest;
    BackupInfo info;
    Error error;
};

/* --- the end ---------------------------------------------------------------------------------- */

static void on_begin_closed(uv_handle_t *handle)
{
    Backup *backup = handle->data;
    arena_free(backup->arena);
    free(backup);
}

static void destroy(Backup *backup)
{
    if (backup->args.room != NULL)
        backup->args.room->claimed_bytes -= backup->claimed_bytes;
    uv_close((uv_handle_t *)&backup->begin, on_begin_closed);
}

static void finish(Backup *backup)
{
    bool failed = backup->error.code != ERR_OK;
    if (failed)
        backup_remove_path(backup->partial);
    BackupCb *cb = backup->cb;
    backup->cb = NULL;
    if (cb != NULL)
        cb(failed ? NULL : &backup->info, failed ? &backup->error : NULL, backup->data);
    destroy(backup);
}

/* Whatever went wrong: there is no backup. */
static void fail(Backup *backup, const Error *err)
{
    backup->error = *err;
    backup->error.code = ERR_BACKUP;
    finish(backup);
}

/* --- putting it in place (in the thread pool) ------------------------------------------------- */

/* What the plan's `keep` lets go, now that there is a newer one. */
static void remove_old(const Backup *backup)
{
    AUTO_ARENA Arena *arena = arena_new();
    const BackupArgs *args = &backup->args;
    RetentionRules rules = {
        .keep = args->policy.keep,
        .keep_for_ms = args->keep_for_ms,
        .now_unix_ms = clock_unix_ms(),
    };
    KeptBackups kept = kept_read(arena, args->directory, &args->shard);
    (void)kept_prune(args->directory, &kept, kept_decide(arena, &kept, &rules));
}

static void place(uv_work_t *work)
{
    Backup *backup = work->data;
    if (backup_place(backup->arena, backup->args.directory, backup->partial, backup->final,
                     &backup->manifest, &backup->error) != ERR_OK)
        backup->error.code = ERR_BACKUP;
    else
        remove_old(backup);
}

static void on_placed(uv_work_t *work, int status)
{
    Backup *backup = work->data;
    const Manifest *manifest = &backup->manifest;
    backup->placing = false;
    if (backup->cb == NULL) {
        destroy(backup); /* abandoned, yet whole: it stays */
        return;
    }
    if (status != 0)
        err_set(&backup->error, ERR_BACKUP, "the backup was interrupted");
    backup->info = (BackupInfo){
        .path = backup->relative,
        .sha256 = manifest->sha256,
        .size_bytes = manifest->size_bytes,
        .duration_ms = clock_monotonic_ms() - backup->started_ms,
        .method = manifest->method,
        .encrypted = manifest->encrypted,
        .verified = manifest->verified_unix_ms != 0,
        .restore_test_ms = manifest->restore_tested_ms,
    };
    finish(backup);
}

static void start_placing(Backup *backup)
{
    backup->placing = true;
    backup->work.data = backup;
    uv_queue_work(backup->loop, &backup->work, place, on_placed);
}

/* --- dump and read ---------------------------------------------------------------------------- */

static void run(Backup *backup, const ToolArgs *tool, ChildCb *cb)
{
    const ClusterSettings *cluster = backup->args.cluster;
    ChildArgs args = {
        .program = tool_program(backup->arena, cluster, tool->items[0]),
        .argv = tool->items,
        .env = tool_environment(backup->arena, cluster, backup->args.database, 0),
    };
    Error err;
    if (child_start(backup->loop, &args, cb, backup, &backup->child, &err) != ERR_OK) {
        backup->child = NULL;
        fail(backup, &err);
    }
}

static bool succeeded(Backup *backup, const ChildResult *result, const char *name)
{
    Error err;
    backup->child = NULL;
    if (tool_result(name, result, &err) == ERR_OK)
        return true;
    fail(backup, &err);
    return false;
}

static void on_read_in_full(const ChildResult *result, void *data)
{
    Backup *backup = data;
    if (succeeded(backup, result, "pg_restore"))
        start_placing(backup);
}

static void on_dumped(const ChildResult *result, void *data)
{
    Backup *backup = data;
    if (!succeeded(backup, result, "pg_dump"))
        return;
    if (!backup->args.policy.verify) {
        start_placing(backup);
        return;
    }
    ToolArgs tool = tool_args(backup->arena, "pg_restore");
    tool_arg(&tool, "--file=/dev/null"); /* reading the list alone misses what is cut off */
    tool_arg(&tool, "%s", backup->partial);
    run(backup, &tool, on_read_in_full);
}

static bool is_directory(const Backup *backup)
{
    return backup->args.policy.method == BACKUP_METHOD_DIRECTORY;
}

static void dump(Backup *backup)
{
    const BackupPolicy *policy = &backup->args.policy;
    ToolArgs tool = tool_args(backup->arena, "pg_dump");
    uint32_t lock_ms = backup->args.lock_timeout_ms == 0 ? 500 : backup->args.lock_timeout_ms;
    tool_arg(&tool, "--format=%s", is_directory(backup) ? "directory" : "custom");
    if (is_directory(backup))
        tool_arg(&tool, "--jobs=%u", policy->jobs == 0 ? 1 : policy->jobs);
    tool_arg(&tool, "--compress=%u", policy->compress);
    tool_arg(&tool, "--no-password");
    tool_arg(&tool, "--lock-wait-timeout=%u", lock_ms * 20);
    if (backup->args.schema[0] != '\0') {
        tool_arg(&tool, "--schema=%s", tool_pattern(backup->arena, backup->args.schema));
        tool_arg(&tool, "--strict-names");
    }
    tool_arg(&tool, "--file=%s", backup->partial);
    run(backup, &tool, on_dumped);
}

/* --- the start -------------------------------------------------------------------------------- */

static ErrCode check_version(const char *name, uint32_t version, uint32_t server, Error *err)
{
    if (version == 0) {
        err_set(err, ERR_BACKUP, "there is no %s", name);
        err_hint(err, "Install postgresql-client, or say where it is with 'pg-bin'.");
        return ERR_BACKUP;
    }
    if (version / 10000 < server / 10000)
        return err_set(err, ERR_BACKUP, "%s %u is older than the server, %u", name, version / 10000,
                       server / 10000);
    return ERR_OK;
}

static ErrCode check_room(Backup *backup, Error *err)
{
    const BackupArgs *args = &backup->args;
    uint64_t others = args->room == NULL ? 0 : args->room->claimed_bytes;
    uint64_t needed = backup_size_estimate(backup->manifest.facts.size_bytes, args->policy.compress,
                                           &args->former);
    struct statvfs space;
    if (statvfs(backup->folder, &space) != 0)
        return err_set(err, ERR_BACKUP, "can't tell how much is free below the backups");
    uint64_t free_bytes = (uint64_t)space.f_bavail * space.f_frsize;
    uint64_t taken = others + args->reserve_bytes;
    if (free_bytes < taken || free_bytes - taken < needed) {
        char has[SIZE_TEXT_SIZE], needs[SIZE_TEXT_SIZE];
        size_format(free_bytes >> 20 << 20, has);
        size_format(((needed >> 20) + 1) << 20, needs);
        err_set(err, ERR_BACKUP, "%s are free for backups, this one takes about %s", has, needs);
        err_detail(err,
                   "a database of %llu bytes, %llu bytes for backups under way, a reserve of "
                   "%llu bytes",
                   (unsigned long long)backup->manifest.facts.size_bytes,
                   (unsigned long long)others, (unsigned long long)args->reserve_bytes);
        err_hint(err, "Make room below the agent's state directory, or lower 'backup.reserve'.");
        return ERR_BACKUP;
    }
    backup->claimed_bytes = needed;
    if (args->room != NULL)
        args->room->claimed_bytes += needed;
    return ERR_OK;
}

static ErrCode check_before(Backup *backup, Error *err)
{
    const BackupArgs *args = &backup->args;
    const DatabaseFacts *facts = &backup->manifest.facts;
    if (args->system_identifier != 0 && (facts->system_identifier != args->system_identifier ||
                                         facts->database_oid != args->database_oid))
        return err_set(err, ERR_BACKUP, "the database is not the one that the plan names");
    if (args->policy.method == BACKUP_METHOD_COMMAND || args->policy.encrypt ||
        args->policy.restore_test)
        return err_set(err, ERR_BACKUP, "this version makes no such backups");
    ErrCode code = dir_make(backup->folder, 0700, err);
    if (code == ERR_OK)
        code = check_version("pg_dump", args->pg_dump_version, facts->server_version, err);
    if (code == ERR_OK && args->policy.verify)
        code = check_version("pg_restore", args->pg_restore_version, facts->server_version, err);
    return code == ERR_OK ? check_room(backup, err) : code;
}

/* pg_dump opens it as the umask allows: it must find it closed to others. */
static ErrCode make_partial(const Backup *backup, Error *err)
{
    backup_remove_path(backup->partial);
    if (is_directory(backup)) {
        if (mkdir(backup->partial, 0700) == 0)
            return ERR_OK;
    } else {
        int fd = open(backup->partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd >= 0) {
            close(fd);
            return ERR_OK;
        }
    }
    return err_set(err, ERR_BACKUP, "can't create '%s': %s", backup->partial, strerror(errno));
}

static void keep_facts(Backup *backup, const DatabaseFacts *facts)
{
    Arena *arena = backup->arena;
    DatabaseFacts *kept = &backup->manifest.facts;
    *kept = *facts;
    kept->owner = arena_strdup(arena, facts->owner);
    kept->schema_owner = arena_strdup(arena, facts->schema_owner);
    kept->encoding = arena_strdup(arena, facts->encoding);
    kept->locale_provider = arena_strdup(arena, facts->locale_provider);
    kept->collate = arena_strdup(arena, facts->collate);
    kept->ctype = arena_strdup(arena, facts->ctype);
    kept->locale = arena_strdup(arena, facts->locale);
    kept->icu_rules = arena_strdup(arena, facts->icu_rules);
    kept->tablespace = arena_strdup(arena, facts->tablespace);
}

static void on_facts(const DatabaseFacts *facts, const Error *err, void *data)
{
    Backup *backup = data;
    Error failure;
    backup->reading = NULL;
    if (err != NULL) {
        fail(backup, err);
        return;
    }
    keep_facts(backup, facts);
    if (check_before(backup, &failure) != ERR_OK || make_partial(backup, &failure) != ERR_OK)
        fail(backup, &failure);
    else
        dump(backup);
}

static void on_begin(uv_async_t *async)
{
    Backup *backup = async->data;
    const BackupArgs *args = &backup->args;
    if (backup->cb == NULL)
        destroy(backup);
    else if (args->facts != NULL)
        on_facts(args->facts, NULL, backup);
    else
        backup->reading =
            facts_read(backup->loop, args->cluster, args->database, args->schema, on_facts, backup);
}

static void describe(Backup *backup)
{
    const BackupArgs *args = &backup->args;
    backup->manifest = (Manifest){
        .method = args->policy.method,
        .shard = args->shard,
        .cluster = args->cluster->name,
        .database = args->database,
        .schema = args->schema,
        .rollout = args->rollout,
        .plan = args->plan,
        .operation = args->operation,
        .rows = args->rows,
        .pg_dump_version = args->pg_dump_version,
        .compress = args->policy.compress,
        .started_unix_ms = clock_unix_ms(),
        .verified_unix_ms = args->policy.verify ? 1 : 0, /* the time is set when it is done */
        .needed_until_unix_ms = args->rollback_until_ms,
    };
}

Backup *backup_start(uv_loop_t *loop, const BackupArgs *args, BackupCb *cb, void *data)
{
    Backup *backup = xcalloc(1, sizeof(*backup));
    Arena *arena = arena_new();
    backup->loop = loop;
    backup->arena = arena;
    backup->args = *args;
    backup->args.rows = strlist_copy(arena, &args->rows);
    backup->args.database = arena_strdup(arena, args->database);
    backup->args.schema = arena_strdup(arena, args->schema);
    if (args->facts != NULL)
        backup->args.facts = arena_memdup(arena, args->facts, sizeof *args->facts);
    backup->cb = cb;
    backup->data = data;
    describe(backup);
    backup->folder = path_dirname(
        arena, backup_file_path(arena, args->directory, &args->shard, &args->operation, ""));
    backup->final = backup_file_path(arena, args->directory, &args->shard, &args->operation,
                                     is_directory(backup) ? ".dir" : ".dump");
    backup->relative = backup->final + strlen(args->directory) + 1;
    backup->partial = arena_printf(arena, "%s%s", backup->final, partial_ending);
    backup->started_ms = clock_monotonic_ms();
    uv_async_init(loop, &backup->begin, on_begin);
    backup->begin.data = backup;
    uv_async_send(&backup->begin);
    return backup;
}

void backup_abandon(Backup *backup)
{
    backup->cb = NULL;
    if (backup->reading != NULL) {
        facts_cancel(backup->reading);
        destroy(backup);
    } else if (backup->child != NULL) {
        child_kill(backup->child);
        backup_remove_path(backup->partial);
        destroy(backup);
    } /* else its next callback sees it */
}

/* --- cleaning --------------------------------------------------------------------------------- */

static void clean_folder(Arena *arena, const char *folder)
{
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return;
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        if (str_ends_with(entry->d_name, partial_ending))
            backup_remove_path(path_join(arena, folder, entry->d_name));
    closedir(dir);
}

void backup_clean(const char *directory)
{
    AUTO_ARENA Arena *arena = arena_new();
    DIR *dir = opendir(directory);
    if (dir == NULL)
        return;
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        Uuid shard;
        if (uuid_parse(entry->d_name, &shard))
            clean_folder(arena, path_join(arena, directory, entry->d_name));
    }
    closedir(dir);
}
