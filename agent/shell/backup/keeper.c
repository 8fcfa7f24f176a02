#include "keeper.h"

#include "backup_command.h"
#include "backup_keep.h"
#include "backup_place.h"
#include "backup_tools.h"
#include "clock.h"
#include "file.h"
#include "log.h"
#include "named_limits.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEEPER_TASKS_MAX = 4096 };

typedef struct Task {
    BackupVerb verb;
    BackupRef ref;
    bool at_work; /* a job is, on its shard */
} Task;

/* A command's backup that its own program has to look at, or let go. */
typedef struct CommandTask {
    const Manifest *manifest;
    const BackupCommand *command;
} CommandTask;

struct Keeper {
    KeeperSettings settings;
    Task *tasks; /* the first is at work while `busy` */
    size_t count;
    bool busy;
    bool closed;
    bool list_again; /* after the tasks */
    uint64_t snapshot;
    uv_work_t work;
    Arena *arena; /* of the task at work */
    BackupEntry *entries;
    size_t entry_count;
    CommandTask *commands;
    size_t command_count;
    Child *child;
};

static void next(Keeper *keeper);

/* --- listing (in the thread pool) ------------------------------------------------------------- */

static RetentionRules rules_of(const Keeper *keeper, bool at_work)
{
    const BackupSettings *backup = &keeper->settings.agent->backup;
    return (RetentionRules){
        .keep = (uint32_t)backup->keep,
        .keep_for_ms = backup->keep_for_ms,
        .at_work = at_work,
        .now_unix_ms = clock_unix_ms(),
    };
}

static const BackupCommand *command_of(const Keeper *keeper, const Manifest *manifest)
{
    return manifest->method == BACKUP_METHOD_COMMAND
               ? agent_settings_find_backup_command(keeper->settings.agent, manifest->command)
               : NULL;
}

/* '' when it may go. */
static const char *why_kept(const Keeper *keeper, const Manifest *manifest, KeepReason reason)
{
    const BackupCommand *command = command_of(keeper, manifest);
    if (reason != KEEP_NOTHING)
        return keep_reason_text(reason);
    if (manifest->method == BACKUP_METHOD_COMMAND && (command == NULL || command->prune.count == 0))
        return "its command's own rules";
    return "";
}

static BackupEntry entry_of(const Keeper *keeper, const Manifest *manifest, KeepReason reason)
{
    char shard[UUID_TEXT_SIZE];
    uuid_format(&manifest->shard, shard);
    return (BackupEntry){
        .shard = manifest->shard,
        .operation = manifest->operation,
        .cluster = manifest->cluster,
        .database = manifest->database,
        .schema = manifest->schema,
        .rollout_id = manifest->rollout,
        .info = {.path = arena_printf(keeper->arena, "%s/%s", shard, manifest->file),
                 .sha256 = manifest->sha256,
                 .size_bytes = manifest->size_bytes,
                 .duration_ms = manifest->finished_unix_ms - manifest->started_unix_ms,
                 .method = manifest->method,
                 .encrypted = manifest->encrypted,
                 .verified = manifest->verified_unix_ms != 0 && manifest->damage[0] == '\0',
                 .restore_test_ms = manifest->restore_tested_ms},
        .command = manifest->command,
        .id = manifest->id,
        .rows = manifest->rows,
        .damage = manifest->damage,
        .kept = why_kept(keeper, manifest, reason),
        .database_bytes = manifest->facts.size_bytes,
        .started_unix_ms = manifest->started_unix_ms,
        .finished_unix_ms = manifest->finished_unix_ms,
        .verified_unix_ms = manifest->verified_unix_ms,
        .checked_unix_ms = manifest->checked_unix_ms,
    };
}

static void list_shard(Keeper *keeper, const Uuid *shard, size_t *capacity)
{
    RetentionRules rules = rules_of(keeper, false);
    KeptBackups kept = kept_read(keeper->arena, keeper->settings.directory, shard);
    const KeepReason *reasons = kept_decide(keeper->arena, &kept, &rules);
    for (size_t i = 0; i < kept.count; i++) {
        if (keeper->entry_count == *capacity) {
            *capacity = *capacity == 0 ? 64 : *capacity * 2;
            keeper->entries = arena_grow(keeper->arena, keeper->entries, keeper->entry_count,
                                         *capacity, sizeof(BackupEntry));
        }
        keeper->entries[keeper->entry_count++] = entry_of(keeper, &kept.items[i], reasons[i]);
    }
}

static void list_all(Keeper *keeper)
{
    size_t capacity = 0;
    DIR *dir = opendir(keeper->settings.directory);
    if (dir == NULL)
        return;
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        Uuid shard;
        if (uuid_parse(entry->d_name, &shard))
            list_shard(keeper, &shard, &capacity);
    }
    closedir(dir);
}

/* --- verifying and pruning (in the thread pool) ----------------------------------------------- */

static void add_command(Keeper *keeper, const Manifest *manifest, const BackupCommand *command)
{
    keeper->commands = arena_grow(keeper->arena, keeper->commands, keeper->command_count,
                                  keeper->command_count + 1, sizeof(CommandTask));
    Manifest *copy = arena_memdup(keeper->arena, manifest, sizeof *manifest);
    keeper->commands[keeper->command_count++] = (CommandTask){copy, command};
}

/* `damage` '' = it is right. */
static void note_check(const Keeper *keeper, Manifest manifest, const char *damage)
{
    Error err;
    manifest.checked_unix_ms = clock_unix_ms();
    if (damage[0] == '\0')
        manifest.verified_unix_ms = manifest.checked_unix_ms;
    manifest.damage = damage;
    if (manifest_write(keeper->settings.directory, &manifest, &err) != ERR_OK)
        log_failure(LOG_WARN, "backup.check_not_noted", &err, NULL);
}

static void verify(Keeper *keeper, const BackupRef *ref)
{
    Manifest manifest;
    Error err;
    if (manifest_find(keeper->arena, keeper->settings.directory, &ref->shard, &ref->operation,
                      &manifest, &err) != ERR_OK) {
        log_failure(LOG_WARN, "backup.not_verified", &err, NULL);
        return;
    }
    if (manifest.method != BACKUP_METHOD_COMMAND) {
        bool right = backup_compare(keeper->settings.directory, &manifest, &err) == ERR_OK;
        note_check(keeper, manifest, right ? "" : err.message);
        return;
    }
    const BackupCommand *command = command_of(keeper, &manifest);
    if (command == NULL || command->verify.count == 0)
        note_check(keeper, manifest, "this agent has no command that verifies it");
    else
        add_command(keeper, &manifest, command);
}

static void prune(Keeper *keeper, const Task *task)
{
    RetentionRules rules = rules_of(keeper, task->at_work);
    const char *directory = keeper->settings.directory;
    KeptBackups kept = kept_read(keeper->arena, directory, &task->ref.shard);
    const KeepReason *reasons = kept_decide(keeper->arena, &kept, &rules);
    size_t removed = kept_prune(directory, &kept, reasons);
    for (size_t i = 0; i < kept.count; i++) {
        const BackupCommand *command = command_of(keeper, &kept.items[i]);
        if (reasons[i] == KEEP_NOTHING && command != NULL && command->prune.count > 0)
            add_command(keeper, &kept.items[i], command);
    }
    if (removed > 0)
        log_event(LOG_INFO, "backup.pruned", "removed", LOG_UINT(removed), NULL);
}

static void work(uv_work_t *handle)
{
    Keeper *keeper = handle->data;
    const Task *task = &keeper->tasks[0];
    if (task->verb == BACKUP_VERB_LIST)
        list_all(keeper);
    else if (task->verb == BACKUP_VERB_VERIFY)
        verify(keeper, &task->ref);
    else
        prune(keeper, task);
}

/* --- in the loop ------------------------------------------------------------------------------ */

static void destroy(Keeper *keeper)
{
    arena_free(keeper->arena);
    free(keeper->tasks);
    free(keeper);
}

static void tell(Keeper *keeper)
{
    BackupListing part = {.snapshot = ++keeper->snapshot};
    for (size_t first = 0; !part.last; first += LIMIT_SHARDS_PER_INVENTORY) {
        size_t left = keeper->entry_count - first;
        part.items = keeper->entries + first;
        part.last = left <= LIMIT_SHARDS_PER_INVENTORY;
        part.count = part.last ? left : LIMIT_SHARDS_PER_INVENTORY;
        keeper->settings.listed(keeper->settings.context, &part);
        part.part++;
    }
}

static void task_done(Keeper *keeper)
{
    if (keeper->tasks[0].verb == BACKUP_VERB_LIST)
        tell(keeper);
    memmove(keeper->tasks, keeper->tasks + 1, --keeper->count * sizeof(Task));
    arena_reset(keeper->arena);
    keeper->entries = NULL;
    keeper->commands = NULL;
    keeper->entry_count = keeper->command_count = 0;
    keeper->busy = false;
    next(keeper);
}

static void run_command(Keeper *keeper);

static void on_command(const ChildResult *result, void *data)
{
    Keeper *keeper = data;
    const CommandTask *task = &keeper->commands[--keeper->command_count];
    Error err;
    bool fine = tool_result(task->command->name, result, &err) == ERR_OK;
    keeper->child = NULL;
    if (keeper->tasks[0].verb == BACKUP_VERB_VERIFY)
        note_check(keeper, *task->manifest, fine ? "" : err.message);
    else if (fine)
        backup_remove(keeper->settings.directory, task->manifest);
    else
        log_failure(LOG_WARN, "backup.not_pruned", &err, NULL);
    run_command(keeper);
}

static void run_command(Keeper *keeper)
{
    while (keeper->command_count > 0) {
        const CommandTask *task = &keeper->commands[keeper->command_count - 1];
        const ClusterSettings *cluster =
            agent_settings_find_cluster(keeper->settings.agent, task->manifest->cluster);
        const StrList *argv = keeper->tasks[0].verb == BACKUP_VERB_VERIFY ? &task->command->verify
                                                                          : &task->command->prune;
        ChildArgs args = {.program = argv->items[0], .argv = strlist_argv(keeper->arena, argv)};
        Error err;
        ErrCode code =
            cluster == NULL ? err_set(&err, ERR_BACKUP, "its cluster is not configured") : ERR_OK;
        if (code == ERR_OK) {
            args.env = command_environment(keeper->arena, cluster, task->manifest);
            code =
                child_start(keeper->settings.loop, &args, on_command, keeper, &keeper->child, &err);
            tool_environment_wipe(args.env);
        }
        if (code == ERR_OK)
            return;
        keeper->child = NULL;
        log_failure(LOG_WARN, "backup.command_not_run", &err, NULL);
        if (keeper->tasks[0].verb == BACKUP_VERB_VERIFY)
            note_check(keeper, *task->manifest, err.message);
        keeper->command_count--;
    }
    task_done(keeper);
}

static void on_worked(uv_work_t *handle, int status)
{
    (void)status;
    Keeper *keeper = handle->data;
    if (keeper->closed)
        destroy(keeper);
    else
        run_command(keeper);
}

static void next(Keeper *keeper)
{
    if (keeper->busy)
        return;
    if (keeper->count == 0) {
        if (!keeper->list_again)
            return;
        keeper->list_again = false;
        keeper->tasks[keeper->count++] = (Task){.verb = BACKUP_VERB_LIST};
    }
    Task *task = &keeper->tasks[0];
    task->at_work = ledger_find_job(keeper->settings.ledger, &task->ref.shard) != NULL;
    keeper->busy = true;
    keeper->work.data = keeper;
    uv_queue_work(keeper->settings.loop, &keeper->work, work, on_worked);
}

void keeper_list(Keeper *keeper)
{
    keeper->list_again = true;
    next(keeper);
}

void keeper_work(Keeper *keeper, const BackupWork *asked)
{
    if (asked->verb != BACKUP_VERB_LIST)
        for (size_t i = 0; i < asked->count && keeper->count < KEEPER_TASKS_MAX; i++)
            keeper->tasks[keeper->count++] = (Task){.verb = asked->verb, .ref = asked->items[i]};
    keeper_list(keeper);
}

Keeper *keeper_new(const KeeperSettings *settings)
{
    Keeper *keeper = xcalloc(1, sizeof(*keeper));
    keeper->settings = *settings;
    keeper->tasks = xcalloc(KEEPER_TASKS_MAX + 1, sizeof(Task));
    keeper->arena = arena_new();
    keeper->snapshot = clock_unix_ms(); /* rises over restarts too */
    return keeper;
}

void keeper_free(Keeper *keeper)
{
    if (keeper == NULL)
        return;
    keeper->closed = true;
    if (keeper->child != NULL) {
        child_kill(keeper->child);
        destroy(keeper);
    } else if (!keeper->busy) {
        destroy(keeper);
    } /* else its work's end sees it */
}
