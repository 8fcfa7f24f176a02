#include "backup_room.h"

#include "backup_keep.h"
#include "backup_size.h"
#include "clock.h"

#include <sys/statvfs.h>

/* The newest of the same kind. */
static BackupMeasure former_measure(const char *directory, const Manifest *manifest)
{
    AUTO_ARENA Arena *arena = arena_new();
    KeptBackups kept = kept_read(arena, directory, &manifest->shard);
    BackupMeasure measure = {0};
    for (size_t i = 0; i < kept.count; i++) {
        const Manifest *former = &kept.items[i];
        if (former->method == manifest->method)
            measure =
                (BackupMeasure){former->facts.size_bytes, former->size_bytes, former->compress};
    }
    return measure;
}

static void refuse(uint64_t free_bytes, uint64_t needed, uint64_t others, uint64_t reserve,
                   const Manifest *manifest, Error *err)
{
    char has[SIZE_TEXT_SIZE], needs[SIZE_TEXT_SIZE];
    size_format(free_bytes >> 20 << 20, has);
    size_format(((needed >> 20) + 1) << 20, needs);
    err_set(err, ERR_BACKUP, "%s are free for backups, this one takes about %s", has, needs);
    err_detail(err,
               "a database of %llu bytes, %llu bytes for backups under way, a reserve of %llu "
               "bytes",
               (unsigned long long)manifest->facts.size_bytes, (unsigned long long)others,
               (unsigned long long)reserve);
    err_hint(err, "Make room below the agent's state directory, or lower 'backup.reserve'.");
}

ErrCode room_claim(BackupRoom *room, const char *directory, const Manifest *manifest,
                   uint64_t reserve_bytes, uint64_t *ret_claimed, Error *err)
{
    BackupMeasure former = former_measure(directory, manifest);
    uint64_t others = room == NULL ? 0 : room->claimed_bytes;
    uint64_t needed = backup_size_estimate(manifest->facts.size_bytes, manifest->compress, &former);
    struct statvfs space;
    if (statvfs(directory, &space) != 0)
        return err_set(err, ERR_BACKUP, "can't tell how much is free below the backups");
    uint64_t free_bytes = (uint64_t)space.f_bavail * space.f_frsize;
    bool fits = free_bytes >= others && free_bytes - others >= reserve_bytes &&
                free_bytes - others - reserve_bytes >= needed;
    if (!fits) {
        refuse(free_bytes, needed, others, reserve_bytes, manifest, err);
        return ERR_BACKUP;
    }
    if (room != NULL)
        room->claimed_bytes += needed;
    *ret_claimed = needed;
    return ERR_OK;
}
