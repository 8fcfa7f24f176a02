#include "backup_keep.h"

#include "backup_place.h"
#include "file.h"
#include "named_limits.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int oldest_first(const void *a, const void *b)
{
    const Manifest *x = a, *y = b;
    if (x->finished_unix_ms != y->finished_unix_ms)
        return x->finished_unix_ms < y->finished_unix_ms ? -1 : 1;
    return memcmp(&x->operation, &y->operation, sizeof x->operation);
}

/* What can be seen without reading it. */
static void look_at_files(Arena *arena, const char *folder, Manifest *manifest)
{
    bool in_directory = manifest->method == BACKUP_METHOD_DIRECTORY;
    if (in_directory)
        folder = path_join(arena, folder, manifest->file);
    for (size_t i = 0; i < manifest->file_count && manifest->damage[0] == '\0'; i++) {
        const ManifestFile *file = &manifest->files[i];
        struct stat status;
        if (stat(path_join(arena, folder, file->name), &status) != 0)
            manifest->damage = arena_printf(arena, "%s is not there", file->name);
        else if ((uint64_t)status.st_size != file->size_bytes)
            manifest->damage = arena_printf(arena, "%s has another size", file->name);
    }
}

KeptBackups kept_read(Arena *arena, const char *directory, const Uuid *shard)
{
    KeptBackups kept = {0};
    size_t capacity = 0;
    char uuid[UUID_TEXT_SIZE];
    uuid_format(shard, uuid);
    const char *folder = path_join(arena, directory, uuid);
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return kept;
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        Manifest manifest;
        if (!str_ends_with(entry->d_name, ".manifest") || kept.count == LIMIT_BACKUPS_PER_SHARD)
            continue;
        if (manifest_read(arena, path_join(arena, folder, entry->d_name), &manifest, NULL) !=
                ERR_OK ||
            !uuid_equal(&manifest.shard, shard)) {
            kept.unreadable++;
            continue;
        }
        if (kept.count == capacity) {
            capacity = capacity == 0 ? 16 : capacity * 2;
            kept.items = arena_grow(arena, kept.items, kept.count, capacity, sizeof(Manifest));
        }
        look_at_files(arena, folder, &manifest);
        kept.items[kept.count++] = manifest;
    }
    closedir(dir);
    if (kept.count > 0)
        qsort(kept.items, kept.count, sizeof(Manifest), oldest_first);
    return kept;
}

KeepReason *kept_decide(Arena *arena, const KeptBackups *kept, const RetentionRules *rules)
{
    RetainedBackup *backups = ARENA_ARRAY(arena, RetainedBackup, kept->count + 1);
    KeepReason *reasons = ARENA_ARRAY(arena, KeepReason, kept->count + 1);
    for (size_t i = 0; i < kept->count; i++) {
        const Manifest *manifest = &kept->items[i];
        backups[i] = (RetainedBackup){
            .finished_unix_ms = manifest->finished_unix_ms,
            .needed_until_unix_ms = manifest->needed_until_unix_ms,
            .verified = manifest->verified_unix_ms != 0,
            .damaged = manifest->damage[0] != '\0',
        };
    }
    retention_decide(backups, kept->count, rules, reasons);
    return reasons;
}

size_t kept_prune(const char *directory, const KeptBackups *kept, const KeepReason *reasons)
{
    size_t removed = 0;
    for (size_t i = 0; i < kept->count; i++) {
        if (reasons[i] != KEEP_NOTHING || kept->items[i].method == BACKUP_METHOD_COMMAND)
            continue;
        backup_remove(directory, &kept->items[i]);
        removed++;
    }
    return removed;
}
