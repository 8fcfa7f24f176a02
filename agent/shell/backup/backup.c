#include "backup.h"

#include "backup_command.h"
#include "backup_facts.h"
#include "backup_keep.h"
#include "backup_place.h"
#include "backup_recipients.h"
#include "backup_room.h"
#include "backup_scratch.h"
#include "backup_stream.h"
#include "backup_tools.h"
#include "clock.h"
#include "digest.h"
#include "file.h"
#include "log.h"
#include "tool_version.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char partial_ending[] = ".partial";

/* One thing at a time: at most one of reading, scratch, child, stream and placing is under way. */
struct Backup {
    uv_loop_t *loop;
    Arena *arena;
    BackupArgs args;
    BackupCb *cb; /* NULL: abandoned */
    void *data;
    FactsReading *reading;
    Scratch *scratch;
    Child *child;
    Stream *stream;
    bool placing; /* in the thread pool */
    uv_work_t work;
    uv_async_t begin; /* the first turn, so that nothing is reported inside backup_start() */
    const char *folder;
    const char *relative;
    const char *final;
    const char *partial;      /* NULL: a command keeps it */
    const char *scratch_name; /* a scratch database that has to be dropped; NULL = none */
    CommandTail *tail;
    uint64_t claimed_bytes; /* of the room */
    uint64_t started_ms;
    uint64_t test_ms; /* when the restore test began */
    Manifest manifest;
    BackupInfo info;
    Error error;
};

static bool is_directory(const Backup *backup)
{
    return backup->args.policy.method == BACKUP_METHOD_DIRECTORY;
}

static bool is_command(const Backup *backup)
{
    return backup->args.policy.method == BACKUP_METHOD_COMMAND;
}

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
    if (failed && backup->partial != NULL)
        backup_remove_path(backup->partial);
    BackupCb *cb = backup->cb;
    backup->cb = NULL;
    if (cb != NULL)
        cb(failed ? NULL : &backup->info, failed ? &backup->error : NULL, backup->data);
    destroy(backup);
}

/* --- putting it in place (in the thread pool) ------------------------------------------------- */

/* What the plan's `keep` lets go, now that there is a newer one. */
static void remove_old(const Backup *backup)
{
    AUTO_ARENA Arena *arena = arena_new();
    const BackupArgs *args = &backup->args;
    RetentionRules rules = {
        .keep = args->policy.keep,
        .keep_for_ms = args->settings->keep_for_ms,
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

/* --- the end of making it: the scratch database goes, whatever came of it ----------------------
 */

static void end_or_place(Backup *backup)
{
    if (backup->error.code != ERR_OK)
        finish(backup);
    else
        start_placing(backup);
}

/* One that can't be dropped now is dropped at the next start. */
static void on_dropped(const Error *err, void *data)
{
    Backup *backup = data;
    backup->scratch = NULL;
    if (err != NULL)
        log_failure(LOG_WARN, "backup.scratch_left", err, "database", backup->scratch_name, NULL);
    backup->scratch_name = NULL;
    end_or_place(backup);
}

static void conclude(Backup *backup)
{
    if (backup->scratch_name == NULL)
        end_or_place(backup);
    else
        backup->scratch = scratch_drop(backup->loop, backup->args.cluster, backup->scratch_name,
                                       on_dropped, backup);
}

/* Whatever went wrong: there is no backup. */
static void fail(Backup *backup, const Error *err)
{
    backup->error = *err;
    backup->error.code = ERR_BACKUP;
    conclude(backup);
}

/* --- children --------------------------------------------------------------------------------- */

static void start(Backup *backup, const ChildArgs *args, ChildCb *cb)
{
    Error err;
    ErrCode code = child_start(backup->loop, args, cb, backup, &backup->child, &err);
    tool_environment_wipe(args->env);
    if (code != ERR_OK) {
        backup->child = NULL;
        fail(backup, &err);
    }
}

static void run(Backup *backup, const ToolArgs *tool, ChildCb *cb)
{
    const ClusterSettings *cluster = backup->args.cluster;
    ChildArgs args = {
        .program = tool_program(backup->arena, cluster, tool->items[0]),
        .argv = tool->items,
        .env = tool_environment(backup->arena, cluster, backup->args.database, 0),
    };
    start(backup, &args, cb);
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

/* --- the restore test ------------------------------------------------------------------------- */

/* Roles, publications and comments need not be ours to make; what counts is every row, constraint
 * and index. `path` NULL: from its standard input. */
static ToolArgs restore_tool(Backup *backup, const char *path)
{
    ToolArgs tool = tool_args(backup->arena, "pg_restore");
    tool_arg(&tool, "--dbname=%s", backup->scratch_name);
    tool_arg(&tool, "--exit-on-error");
    tool_arg(&tool, "--no-owner");
    tool_arg(&tool, "--no-privileges");
    tool_arg(&tool, "--no-comments");
    tool_arg(&tool, "--no-publications");
    tool_arg(&tool, "--no-subscriptions");
    tool_arg(&tool, "--no-security-labels");
    tool_arg(&tool, "--no-password");
    if (is_directory(backup) && backup->args.policy.jobs > 1)
        tool_arg(&tool, "--jobs=%u", backup->args.policy.jobs);
    if (path != NULL)
        tool_arg(&tool, "%s", path);
    return tool;
}

static ToolArgs reading_tool(Backup *backup, const char *path)
{
    ToolArgs tool = tool_args(backup->arena, "pg_restore");
    tool_arg(&tool, "--file=/dev/null"); /* reading the list alone misses what is cut off */
    if (path != NULL)
        tool_arg(&tool, "%s", path);
    return tool;
}

static void note_test_time(Backup *backup)
{
    uint64_t took_ms = clock_monotonic_ms() - backup->test_ms;
    backup->manifest.restore_tested_ms = took_ms == 0 ? 1 : took_ms;
}

static void on_restored(const ChildResult *result, void *data)
{
    Backup *backup = data;
    if (!succeeded(backup, result, "pg_restore"))
        return;
    note_test_time(backup);
    conclude(backup);
}

static void start_stream(Backup *backup);

static void on_scratch(const Error *err, void *data)
{
    Backup *backup = data;
    backup->scratch = NULL;
    if (err != NULL) {
        Error failure = *err;
        err_wrap(&failure, "can't make a database for the restore test");
        err_hint(&failure, "The agent's role needs CREATEDB for 'restore-test: true'.");
        fail(backup, &failure);
        return;
    }
    backup->test_ms = clock_monotonic_ms();
    if (backup->manifest.encrypted) {
        start_stream(backup);
    } else {
        ToolArgs tool = restore_tool(backup, backup->partial);
        run(backup, &tool, on_restored);
    }
}

static void make_scratch(Backup *backup)
{
    backup->scratch_name = scratch_name(backup->arena, &backup->args.operation);
    backup->scratch = scratch_create(backup->loop, backup->args.cluster, backup->scratch_name,
                                     &backup->manifest.facts, on_scratch, backup);
}

/* --- dump and read ---------------------------------------------------------------------------- */

static void on_read_in_full(const ChildResult *result, void *data)
{
    Backup *backup = data;
    if (succeeded(backup, result, "pg_restore"))
        conclude(backup);
}

static void on_dumped(const ChildResult *result, void *data)
{
    Backup *backup = data;
    if (!succeeded(backup, result, "pg_dump"))
        return;
    if (backup->args.policy.restore_test) {
        make_scratch(backup);
    } else if (backup->args.policy.verify) {
        ToolArgs tool = reading_tool(backup, backup->partial);
        run(backup, &tool, on_read_in_full);
    } else {
        conclude(backup);
    }
}

static ToolArgs dump_tool(Backup *backup)
{
    const BackupPolicy *policy = &backup->args.policy;
    ToolArgs tool = tool_args(backup->arena, "pg_dump");
    uint32_t lock_ms = backup->args.lock_timeout_ms == 0 ? 500 : backup->args.lock_timeout_ms;
    tool_arg(&tool, "--format=%s", is_directory(backup) ? "directory" : "custom");
    if (is_directory(backup))
        tool_arg(&tool, "--jobs=%u", policy->jobs == 0 ? 1 : policy->jobs);
    tool_arg(&tool, "--compress=%u", policy->compress);
    tool_arg(&tool, "--dbname=%s", tool_database(backup->arena, backup->args.database));
    tool_arg(&tool, "--no-password");
    tool_arg(&tool, "--lock-wait-timeout=%u", lock_ms * 20);
    if (backup->args.schema[0] != '\0') {
        tool_arg(&tool, "--schema=%s", tool_pattern(backup->arena, backup->args.schema));
        tool_arg(&tool, "--strict-names");
    }
    if (!backup->manifest.encrypted)
        tool_arg(&tool, "--file=%s", backup->partial);
    return tool;
}

static void on_streamed(const Digest *plaintext, const Error *err, void *data)
{
    Backup *backup = data;
    backup->stream = NULL;
    if (err != NULL) {
        fail(backup, err);
        return;
    }
    backup->manifest.plaintext_sha256 = *plaintext;
    if (backup->args.policy.restore_test)
        note_test_time(backup);
    conclude(backup);
}

/* What was encrypted can't be read again here: it is read on its way. */
static void start_stream(Backup *backup)
{
    const BackupArgs *args = &backup->args;
    Error err;
    ToolArgs reader =
        args->policy.restore_test ? restore_tool(backup, NULL) : reading_tool(backup, NULL);
    StreamArgs stream = {
        .cluster = args->cluster,
        .dump = dump_tool(backup),
        .env = tool_environment(backup->arena, args->cluster, args->database, 0),
        .recipients = args->settings->age_recipients,
        .reader = args->policy.restore_test || args->policy.verify ? &reader : NULL,
        .path = backup->partial,
    };
    ErrCode code = stream_start(backup->loop, &stream, on_streamed, backup, &backup->stream, &err);
    tool_environment_wipe(stream.env);
    if (code != ERR_OK) {
        backup->stream = NULL;
        fail(backup, &err);
    }
}

/* --- a command -------------------------------------------------------------------------------- */

static void on_command_output(const char *bytes, size_t length, void *data)
{
    Backup *backup = data;
    command_tail_add(backup->tail, bytes, length);
}

static void run_command(Backup *backup, const StrList *argv, ChildCb *cb)
{
    ChildArgs args = {
        .program = argv->items[0],
        .argv = strlist_argv(backup->arena, argv),
        .env = command_environment(backup->arena, backup->args.cluster, &backup->manifest),
        .output = on_command_output,
    };
    start(backup, &args, cb);
}

static void on_command_verified(const ChildResult *result, void *data)
{
    Backup *backup = data;
    if (succeeded(backup, result, "the verifying command"))
        conclude(backup);
}

static void on_command_done(const ChildResult *result, void *data)
{
    Backup *backup = data;
    Error err;
    if (!succeeded(backup, result, "the backup command"))
        return;
    if (command_answer(backup->arena, backup->tail, &backup->manifest, &err) != ERR_OK)
        fail(backup, &err);
    else if (backup->args.policy.verify)
        run_command(backup, &backup->args.command->verify, on_command_verified);
    else
        conclude(backup);
}

/* --- the start -------------------------------------------------------------------------------- */

static ErrCode check_tools(const Backup *backup, Error *err)
{
    const BackupArgs *args = &backup->args;
    uint32_t server = backup->manifest.facts.server_version;
    ErrCode code = tool_version_check("pg_dump", args->pg_dump_version, server, ERR_BACKUP, err);
    if (code == ERR_OK && (args->policy.verify || args->policy.restore_test))
        code = tool_version_check_restore(args->pg_restore_version, server, ERR_BACKUP, err);
    if (code != ERR_OK)
        err_hint(err, "Install postgresql-client-%u; the cluster's 'pg-bin' says where it is.",
                 server / 10000);
    return code;
}

static ErrCode check_encryption(Backup *backup, Error *err)
{
    const BackupArgs *args = &backup->args;
    if (!args->policy.encrypt && !args->settings->require_encryption)
        return ERR_OK;
    if (is_directory(backup)) {
        err_set(err, ERR_BACKUP, "a directory can't be encrypted: pg_dump writes it as it is");
        err_hint(err, "Use 'method: dump'; this host takes no unencrypted dump.");
        return ERR_BACKUP;
    }
    if (args->settings->age_recipients == NULL) {
        err_set(err, ERR_BACKUP, "this agent has no age recipients to encrypt to");
        err_hint(err, "Name a file of them with 'backup.age-recipients'.");
        return ERR_BACKUP;
    }
    backup->manifest.encrypted = true;
    return recipients_load(backup->arena, args->settings->age_recipients,
                           &backup->manifest.recipients, err);
}

static ErrCode check_command(const Backup *backup, Error *err)
{
    const BackupArgs *args = &backup->args;
    if (args->command == NULL)
        return err_set(err, ERR_BACKUP, "this agent has no backup command '%s'",
                       args->policy.command);
    if (args->policy.verify && args->command->verify.count == 0) {
        err_set(err, ERR_BACKUP, "backup command '%s' can't verify", args->command->name);
        err_hint(err, "Give it a 'verify', or ask for backups with 'verify: false'.");
        return ERR_BACKUP;
    }
    return ERR_OK;
}

static ErrCode check_dump(Backup *backup, Error *err)
{
    const BackupArgs *args = &backup->args;
    ErrCode code = check_tools(backup, err);
    if (code == ERR_OK)
        code = check_encryption(backup, err);
    if (code == ERR_OK)
        code = room_claim(args->room, args->directory, &backup->manifest,
                          args->settings->reserve_bytes, &backup->claimed_bytes, err);
    return code;
}

static ErrCode check_before(Backup *backup, Error *err)
{
    const BackupArgs *args = &backup->args;
    const DatabaseFacts *facts = &backup->manifest.facts;
    if (args->system_identifier != 0 && (facts->system_identifier != args->system_identifier ||
                                         facts->database_oid != args->database_oid))
        return err_set(err, ERR_BACKUP, "the database is not the one that the plan names");
    ErrCode code = dir_make(backup->folder, 0700, err);
    if (code != ERR_OK)
        return code;
    return is_command(backup) ? check_command(backup, err) : check_dump(backup, err);
}

/* A directory has a name of its own each time: a pg_dump of a killed life may still be writing into
 * the former one. */
static void name_files(Backup *backup)
{
    Arena *arena = backup->arena;
    const BackupArgs *args = &backup->args;
    uint32_t draw = 0;
    if (is_directory(backup) && !secure_random(&draw, sizeof draw))
        draw = (uint32_t)getpid();
    const char *ending = is_command(backup)           ? ".manifest"
                         : is_directory(backup)       ? ".dir"
                         : backup->manifest.encrypted ? ".dump.age"
                                                      : ".dump";
    backup->final =
        backup_file_path(arena, args->directory, &args->shard, &args->operation, ending);
    backup->relative = backup->final + strlen(args->directory) + 1;
    if (is_command(backup))
        backup->partial = NULL;
    else if (is_directory(backup))
        backup->partial = arena_printf(arena, "%s.%08x%s", backup->final, draw, partial_ending);
    else
        backup->partial = arena_printf(arena, "%s%s", backup->final, partial_ending);
}

/* pg_dump opens it as the umask allows: it must find it closed to others. */
static ErrCode make_partial(const Backup *backup, Error *err)
{
    if (backup->partial == NULL)
        return ERR_OK;
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

static void make(Backup *backup)
{
    if (is_command(backup)) {
        run_command(backup, &backup->args.command->command, on_command_done);
    } else if (backup->manifest.encrypted && backup->args.policy.restore_test) {
        make_scratch(backup);
    } else if (backup->manifest.encrypted) {
        start_stream(backup);
    } else {
        ToolArgs tool = dump_tool(backup);
        run(backup, &tool, on_dumped);
    }
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
    backup->manifest.facts = facts_copy(backup->arena, facts);
    ErrCode code = check_before(backup, &failure);
    if (code == ERR_OK) {
        name_files(backup);
        code = make_partial(backup, &failure);
    }
    if (code != ERR_OK)
        fail(backup, &failure);
    else
        make(backup);
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
    bool verified = args->policy.verify || args->policy.restore_test;
    backup->manifest = (Manifest){
        .method = args->policy.method,
        .command = args->policy.command,
        .shard = args->shard,
        .cluster = args->cluster->name,
        .database = args->database,
        .schema = args->schema,
        .rollout = args->rollout,
        .plan = args->plan,
        .operation = args->operation,
        .rows = args->rows,
        .pg_dump_version = is_command(backup) ? 0 : args->pg_dump_version,
        .compress = args->policy.compress,
        .started_unix_ms = clock_unix_ms(),
        .verified_unix_ms = verified ? 1 : 0, /* the time is set when it is done */
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
    backup->args.policy.command = arena_strdup(arena, args->policy.command);
    if (args->facts != NULL)
        backup->args.facts = arena_memdup(arena, args->facts, sizeof *args->facts);
    backup->cb = cb;
    backup->data = data;
    backup->tail = ARENA_NEW(arena, CommandTail);
    describe(backup);
    backup->folder = path_dirname(
        arena, backup_file_path(arena, args->directory, &args->shard, &args->operation, ""));
    backup->started_ms = clock_monotonic_ms();
    uv_async_init(loop, &backup->begin, on_begin);
    backup->begin.data = backup;
    uv_async_send(&backup->begin);
    return backup;
}

/* --- abandoning ------------------------------------------------------------------------------- */

static void on_dropped_alone(const Error *err, void *data)
{
    (void)data;
    if (err != NULL)
        log_failure(LOG_WARN, "backup.scratch_left", err, NULL);
}

void backup_abandon(Backup *backup)
{
    backup->cb = NULL;
    bool begun = backup->reading != NULL || backup->scratch != NULL || backup->child != NULL ||
                 backup->stream != NULL;
    if (backup->reading != NULL)
        facts_cancel(backup->reading);
    if (backup->scratch != NULL)
        scratch_cancel(backup->scratch);
    if (backup->child != NULL)
        child_kill(backup->child);
    if (backup->stream != NULL)
        stream_abandon(backup->stream);
    if (!begun)
        return; /* its next callback sees it */
    if (backup->scratch_name != NULL)
        (void)scratch_drop(backup->loop, backup->args.cluster, backup->scratch_name,
                           on_dropped_alone, NULL);
    if (backup->partial != NULL)
        backup_remove_path(backup->partial);
    destroy(backup);
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
