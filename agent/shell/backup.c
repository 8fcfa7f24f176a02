#include "backup.h"

#include "child.h"
#include "clock.h"
#include "digest.h"
#include "file.h"
#include "json.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    BACKUP_SPARE_BYTES = 16 * 1024 * 1024, /* left free for everybody else */
    BACKUP_ARGUMENTS_MAX = 16,
};

struct Backup {
    uv_loop_t *loop;
    Arena *arena;
    BackupArgs args;
    BackupCb *cb; /* NULL: abandoned */
    void *data;
    Child *child;
    uv_work_t work;
    uv_async_t begin; /* the first turn, so that nothing is reported inside backup_start() */
    const char *folder;
    const char *relative;
    const char *final;
    const char *partial;
    uint64_t started_ms;
    uint64_t started_unix_ms;
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
    uv_close((uv_handle_t *)&backup->begin, on_begin_closed);
}

static void finish(Backup *backup)
{
    bool failed = backup->error.code != ERR_OK;
    if (failed)
        unlink(backup->partial);
    BackupCb *cb = backup->cb;
    backup->cb = NULL;
    if (cb != NULL)
        cb(failed ? NULL : &backup->info, failed ? &backup->error : NULL, backup->data);
    destroy(backup);
}

static void fail(Backup *backup, const char *message, const char *detail)
{
    err_set(&backup->error, ERR_BACKUP, "%s", message);
    err_detail(&backup->error, "%s", detail);
    finish(backup);
}

/* --- putting it in place (in the thread pool) ------------------------------------------------- */

static ErrCode sync_file(const char *path, Error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool fine = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return fine ? ERR_OK : err_set(err, ERR_IO, "can't sync '%s'", path);
}

static ErrCode write_manifest(const Backup *backup, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    AUTO_STR Str text = {0};
    char shard[UUID_TEXT_SIZE], rollout[UUID_TEXT_SIZE];
    char operation[OPERATION_TEXT_SIZE], digest[DIGEST_TEXT_SIZE];
    uuid_format(&backup->args.shard, shard);
    uuid_format(&backup->args.rollout, rollout);
    operation_format(&backup->args.operation, operation);
    digest_format(&backup->info.sha256, digest);
    JsonWriter json = json_writer(&text);
    json_object_begin(&json);
    json_field_int(&json, "pgtide", 1);
    json_field_string(&json, "shard", shard);
    json_field_string(&json, "cluster", backup->args.cluster->name);
    json_field_string(&json, "database", backup->args.database);
    json_field_string(&json, "schema", backup->args.schema);
    json_field_string(&json, "rollout", rollout);
    json_field_string(&json, "operation", operation);
    json_field_strings(&json, "rows", &backup->args.rows);
    json_field_string(&json, "file", path_basename(backup->final));
    json_field_string(&json, "sha256", digest);
    json_field_uint(&json, "size_bytes", backup->info.size_bytes);
    json_field_string(&json, "format", "pg_dump custom");
    json_field_uint(&json, "server_version", backup->args.server_version);
    json_field_uint(&json, "pg_dump_version", backup->args.pg_dump_version);
    json_field_bool(&json, "read_in_full", backup->args.policy.verify);
    json_field_time(&json, "started", backup->started_unix_ms);
    json_field_time(&json, "finished", clock_unix_ms());
    json_object_end(&json);
    str_append_char(&text, '\n');
    size_t stem = strlen(backup->final) - strlen(".dump");
    char *path = arena_printf(arena, "%.*s.manifest", (int)stem, backup->final);
    return file_write_atomic(path, text.data, text.length, 0600, err);
}

typedef struct OldBackup {
    char name[64];
    struct timespec modified;
} OldBackup;

static int newest_first(const void *a, const void *b)
{
    const struct timespec *x = &((const OldBackup *)a)->modified;
    const struct timespec *y = &((const OldBackup *)b)->modified;
    if (x->tv_sec != y->tv_sec)
        return x->tv_sec < y->tv_sec ? 1 : -1;
    return x->tv_nsec < y->tv_nsec ? 1 : x->tv_nsec > y->tv_nsec ? -1 : 0;
}

/* Older dumps of the same shard than the newest `keep`; what can't be removed stays. */
static void remove_old(const Backup *backup)
{
    enum { SCAN_MAX = 4096 };
    uint32_t keep = backup->args.policy.keep;
    DIR *dir = keep == 0 ? NULL : opendir(backup->folder);
    if (dir == NULL)
        return;
    AUTO_ARENA Arena *arena = arena_new();
    OldBackup *found = ARENA_ARRAY(arena, OldBackup, SCAN_MAX);
    size_t count = 0;
    for (const struct dirent *entry = readdir(dir); entry != NULL && count < SCAN_MAX;
         entry = readdir(dir)) {
        struct stat status;
        if (!str_ends_with(entry->d_name, ".dump") || strlen(entry->d_name) >= sizeof found->name ||
            fstatat(dirfd(dir), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(status.st_mode))
            continue;
        memcpy(found[count].name, entry->d_name, strlen(entry->d_name) + 1);
        found[count++].modified = status.st_mtim;
    }
    qsort(found, count, sizeof *found, newest_first);
    for (size_t i = keep; i < count; i++) {
        size_t stem = strlen(found[i].name) - strlen(".dump");
        unlinkat(dirfd(dir), arena_printf(arena, "%.*s.manifest", (int)stem, found[i].name), 0);
        unlinkat(dirfd(dir), found[i].name, 0);
    }
    closedir(dir);
}

static void place(uv_work_t *work)
{
    Backup *backup = work->data;
    Error *err = &backup->error;
    ErrCode code = sha256_file(backup->partial, UINT64_MAX, &backup->info.sha256,
                               &backup->info.size_bytes, err);
    if (code == ERR_OK)
        code = sync_file(backup->partial, err);
    if (code == ERR_OK && rename(backup->partial, backup->final) != 0)
        code = err_set(err, ERR_IO, "can't rename '%s'", backup->partial);
    if (code == ERR_OK)
        code = dir_sync(backup->folder, err);
    if (code == ERR_OK)
        code = write_manifest(backup, err);
    if (code == ERR_OK)
        remove_old(backup);
    if (code != ERR_OK)
        err->code = ERR_BACKUP;
}

static void on_placed(uv_work_t *work, int status)
{
    Backup *backup = work->data;
    if (backup->cb == NULL) {
        destroy(backup); /* abandoned, yet whole: it stays */
        return;
    }
    if (status != 0)
        err_set(&backup->error, ERR_BACKUP, "the backup was interrupted");
    backup->info.path = backup->relative;
    backup->info.duration_ms = clock_monotonic_ms() - backup->started_ms;
    finish(backup);
}

static void start_placing(Backup *backup)
{
    backup->work.data = backup;
    uv_queue_work(backup->loop, &backup->work, place, on_placed);
}

/* --- dump and read ---------------------------------------------------------------------------- */

static const char *program(const Backup *backup, const char *name)
{
    const char *directory = backup->args.cluster->pg_bin;
    return directory == NULL ? name : path_join(backup->arena, directory, name);
}

static char *variable(const Backup *backup, const char *name, const char *value)
{
    return arena_printf(backup->arena, "%s=%s", name, value);
}

/* No secret: the password file is named, not read. */
static const char **environment(const Backup *backup)
{
    static const char *const passed[] = {
        "PATH",      "HOME",          "LANG",      "TZ",      "TMPDIR", "LD_LIBRARY_PATH",
        "PGSSLMODE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY"};
    const ClusterSettings *cluster = backup->args.cluster;
    const char **env = ARENA_ARRAY(backup->arena, const char *, 24);
    size_t count = 0;
    for (size_t i = 0; i < sizeof passed / sizeof passed[0]; i++)
        if (getenv(passed[i]) != NULL)
            env[count++] = variable(backup, passed[i], getenv(passed[i]));
    env[count++] = variable(backup, "PGHOST", cluster->host);
    env[count++] = arena_printf(backup->arena, "PGPORT=%d", (int)cluster->port);
    env[count++] = variable(backup, "PGUSER", cluster->user);
    env[count++] = variable(backup, "PGDATABASE", backup->args.database);
    env[count++] = variable(backup, "PGAPPNAME", "pgtide backup");
    env[count++] = variable(backup, "PGCONNECT_TIMEOUT", "10");
    if (cluster->passfile != NULL)
        env[count++] = variable(backup, "PGPASSFILE", cluster->passfile);
    return env;
}

/* As a pattern that means only this name. */
static char *quote_pattern(const Backup *backup, const char *name)
{
    AUTO_STR Str text = {0};
    str_append_char(&text, '"');
    for (; *name != '\0'; name++) {
        if (*name == '"')
            str_append_char(&text, '"');
        str_append_char(&text, *name);
    }
    str_append_char(&text, '"');
    return arena_strdup(backup->arena, str_text(&text));
}

static void run(Backup *backup, const char *name, const char **argv, ChildCb *cb)
{
    ChildArgs args = {.program = program(backup, name), .argv = argv, .env = environment(backup)};
    argv[0] = name;
    Error err;
    ErrCode code = child_start(backup->loop, &args, cb, backup, &backup->child, &err);
    if (code != ERR_OK) {
        backup->child = NULL;
        fail(backup, err.message, "");
    }
}

/* The last line that says something. */
static const char *last_line(const Backup *backup, const char *text)
{
    size_t end = strlen(text);
    while (end > 0 && (text[end - 1] == '\n' || text[end - 1] == '\r'))
        end--;
    size_t start = end;
    while (start > 0 && text[start - 1] != '\n')
        start--;
    return arena_strndup(backup->arena, text + start, end - start);
}

static bool succeeded(Backup *backup, const ChildResult *result, const char *name)
{
    backup->child = NULL;
    if (result->exit_status == 0 && result->term_signal == 0)
        return true;
    char message[256];
    if (result->term_signal != 0)
        snprintf(message, sizeof message, "%s was ended by signal %d", name, result->term_signal);
    else
        snprintf(message, sizeof message, "%s ended with status %d: %.180s", name,
                 (int)result->exit_status, last_line(backup, result->errors));
    fail(backup, message, result->errors);
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
    const char **argv = ARENA_ARRAY(backup->arena, const char *, BACKUP_ARGUMENTS_MAX);
    size_t count = 1;
    argv[count++] = "--file=/dev/null"; /* reading the list alone misses what is cut off */
    argv[count++] = backup->partial;
    run(backup, "pg_restore", argv, on_read_in_full);
}

static void dump(Backup *backup)
{
    Arena *arena = backup->arena;
    const char **argv = ARENA_ARRAY(arena, const char *, BACKUP_ARGUMENTS_MAX);
    size_t count = 1;
    argv[count++] = "--format=custom";
    argv[count++] = arena_printf(arena, "--compress=%u", backup->args.policy.compress);
    argv[count++] = "--no-password";
    uint32_t lock_ms = backup->args.lock_timeout_ms == 0 ? 500 : backup->args.lock_timeout_ms;
    argv[count++] = arena_printf(arena, "--lock-wait-timeout=%u", lock_ms * 20);
    if (backup->args.schema[0] != '\0') {
        argv[count++] =
            arena_printf(arena, "--schema=%s", quote_pattern(backup, backup->args.schema));
        argv[count++] = "--strict-names";
    }
    argv[count++] = arena_printf(arena, "--file=%s", backup->partial);
    run(backup, "pg_dump", argv, on_dumped);
}

/* --- the start -------------------------------------------------------------------------------- */

static ErrCode check_before(Backup *backup, Error *err)
{
    const BackupArgs *args = &backup->args;
    ErrCode code = dir_make(backup->folder, 0700, err);
    if (code != ERR_OK)
        return code;
    if (args->pg_dump_version == 0) {
        err_set(err, ERR_BACKUP, "there is no pg_dump");
        err_hint(err, "Install postgresql-client, or say where it is with 'pg-bin'.");
        return ERR_BACKUP;
    }
    if (args->pg_dump_version / 10000 < args->server_version / 10000)
        return err_set(err, ERR_BACKUP, "pg_dump %u is older than the server, %u",
                       args->pg_dump_version / 10000, args->server_version / 10000);
    struct statvfs space;
    if (statvfs(backup->folder, &space) != 0)
        return err_set(err, ERR_BACKUP, "can't tell how much is free below the backups");
    uint64_t free_bytes = (uint64_t)space.f_bavail * space.f_frsize;
    if (free_bytes < args->database_bytes + BACKUP_SPARE_BYTES) {
        char has[SIZE_TEXT_SIZE], needs[SIZE_TEXT_SIZE];
        size_format(free_bytes >> 20 << 20, has);
        size_format((args->database_bytes + BACKUP_SPARE_BYTES) >> 20 << 20, needs);
        return err_set(err, ERR_BACKUP, "%s are free for backups, the database needs up to %s", has,
                       needs);
    }
    return ERR_OK;
}

static ErrCode make_partial(const Backup *backup, Error *err)
{
    unlink(backup->partial);
    int fd = open(backup->partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(err, ERR_BACKUP, "can't create '%s': %s", backup->partial, strerror(errno));
    close(fd);
    return ERR_OK;
}

static void on_begin(uv_async_t *async)
{
    Backup *backup = async->data;
    if (backup->cb == NULL) {
        destroy(backup);
        return;
    }
    ErrCode code = check_before(backup, &backup->error);
    if (code != ERR_OK) {
        backup->error.code = ERR_BACKUP;
        finish(backup);
        return;
    }
    /* pg_dump opens it as the umask allows: it must find it closed to others. */
    code = make_partial(backup, &backup->error);
    if (code != ERR_OK)
        finish(backup);
    else
        dump(backup);
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
    backup->cb = cb;
    backup->data = data;
    char shard[UUID_TEXT_SIZE], operation[OPERATION_TEXT_SIZE];
    uuid_format(&args->shard, shard);
    operation_format(&args->operation, operation);
    backup->folder = path_join(arena, args->directory, shard);
    backup->relative = arena_printf(arena, "%s/%s.dump", shard, operation);
    backup->final = path_join(arena, args->directory, backup->relative);
    backup->partial = arena_printf(arena, "%s.partial", backup->final);
    backup->started_ms = clock_monotonic_ms();
    backup->started_unix_ms = clock_unix_ms();
    uv_async_init(loop, &backup->begin, on_begin);
    backup->begin.data = backup;
    uv_async_send(&backup->begin);
    return backup;
}

void backup_abandon(Backup *backup)
{
    backup->cb = NULL;
    if (backup->child == NULL)
        return; /* its next callback sees it */
    child_kill(backup->child);
    unlink(backup->partial);
    destroy(backup);
}

static int remove_partial(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)where;
    if (type == FTW_F && str_ends_with(path, ".dump.partial"))
        unlink(path);
    return 0;
}

void backup_clean(const char *directory)
{
    enum { DESCRIPTORS = 8 };
    nftw(directory, remove_partial, DESCRIPTORS, FTW_PHYS);
}
