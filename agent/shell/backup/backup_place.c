#include "backup_place.h"

#include "clock.h"
#include "digest.h"
#include "file.h"
#include "named_limits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static ErrCode sync_file(const char *path, Error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool fine = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return fine ? ERR_OK : err_set(err, ERR_IO, "can't sync '%s'", path);
}

/* --- reading ---------------------------------------------------------------------------------- */

static int compare_files(const void *a, const void *b)
{
    return strcmp(((const ManifestFile *)a)->name, ((const ManifestFile *)b)->name);
}

/* pg_dump's directories are flat. */
static ErrCode list_directory(Arena *arena, const char *path, ManifestFile **ret_files,
                              size_t *ret_count, Error *err)
{
    size_t count = 0, capacity = 0;
    ManifestFile *files = NULL;
    DIR *dir = opendir(path);
    if (dir == NULL)
        return err_set(err, ERR_IO, "can't list '%s': %s", path, strerror(errno));
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (count == capacity) {
            capacity = capacity == 0 ? 64 : capacity * 2;
            files = arena_grow(arena, files, count, capacity, sizeof *files);
        }
        files[count++].name = arena_strdup(arena, entry->d_name);
    }
    closedir(dir);
    if (count > LIMIT_BACKUP_FILES)
        return err_set(err, ERR_LIMIT, "a dump of more than %d files", LIMIT_BACKUP_FILES);
    if (count > 0)
        qsort(files, count, sizeof *files, compare_files);
    *ret_files = files;
    *ret_count = count;
    return ERR_OK;
}

static ErrCode read_directory(Arena *arena, const char *path, Manifest *manifest, Error *err)
{
    ManifestFile *files;
    size_t count;
    uint64_t size = 0;
    ErrCode code = list_directory(arena, path, &files, &count, err);
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        const char *file = path_join(arena, path, files[i].name);
        code = sha256_file(file, UINT64_MAX, &files[i].sha256, &files[i].size_bytes, err);
        if (code == ERR_OK)
            code = sync_file(file, err);
        size += files[i].size_bytes;
    }
    if (code != ERR_OK)
        return code;
    manifest->files = files;
    manifest->file_count = count;
    manifest->size_bytes = size;
    manifest->sha256 = manifest_files_digest(files, count);
    return dir_sync(path, err);
}

static ErrCode read_file(Arena *arena, const char *path, const char *name, Manifest *manifest,
                         Error *err)
{
    ErrCode code = sha256_file(path, UINT64_MAX, &manifest->sha256, &manifest->size_bytes, err);
    if (code != ERR_OK)
        return code;
    manifest->files = ARENA_NEW(arena, ManifestFile);
    manifest->files[0] = (ManifestFile){name, manifest->sha256, manifest->size_bytes};
    manifest->file_count = 1;
    return sync_file(path, err);
}

/* --- placing ---------------------------------------------------------------------------------- */

ErrCode backup_place(Arena *arena, const char *directory, const char *partial, const char *final,
                     Manifest *manifest, Error *err)
{
    ErrCode code = ERR_OK;
    manifest->file = "";
    if (partial != NULL) {
        manifest->file = path_basename(final);
        code = dir_exists(partial) ? read_directory(arena, partial, manifest, err)
                                   : read_file(arena, partial, manifest->file, manifest, err);
        if (code == ERR_OK && rename(partial, final) != 0)
            code = err_set(err, ERR_IO, "can't rename '%s': %s", partial, strerror(errno));
        if (code == ERR_OK)
            code = dir_sync(path_dirname(arena, final), err);
    }
    if (code != ERR_OK)
        return code;
    manifest->finished_unix_ms = clock_unix_ms();
    if (manifest->verified_unix_ms != 0) { /* it was asked for, and has just been done */
        manifest->verified_unix_ms = manifest->finished_unix_ms;
        manifest->checked_unix_ms = manifest->finished_unix_ms;
    }
    if (manifest->needed_until_unix_ms != 0)
        manifest->needed_until_unix_ms += manifest->finished_unix_ms;
    return manifest_write(directory, manifest, err);
}

/* --- comparing -------------------------------------------------------------------------------- */

static ErrCode compare_file(const char *path, const ManifestFile *file, Error *err)
{
    Digest digest;
    uint64_t size;
    if (sha256_file(path, UINT64_MAX, &digest, &size, err) != ERR_OK) {
        err->code = ERR_BACKUP;
        return ERR_BACKUP;
    }
    if (size != file->size_bytes)
        return err_set(err, ERR_BACKUP, "%.100s has %llu bytes instead of %llu", file->name,
                       (unsigned long long)size, (unsigned long long)file->size_bytes);
    if (!digest_equal(&digest, &file->sha256))
        return err_set(err, ERR_BACKUP, "the bytes of %.100s are not those that were written",
                       file->name);
    return ERR_OK;
}

ErrCode backup_compare(const char *directory, const Manifest *manifest, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    char shard[UUID_TEXT_SIZE];
    uuid_format(&manifest->shard, shard);
    const char *folder = path_join(arena, directory, shard);
    if (manifest->method == BACKUP_METHOD_DIRECTORY) {
        Digest all = manifest_files_digest(manifest->files, manifest->file_count);
        folder = path_join(arena, folder, manifest->file);
        if (!digest_equal(&all, &manifest->sha256))
            return err_set(err, ERR_BACKUP, "the manifest's list of files is not the one of then");
    } else if (manifest->file_count != 1 ||
               !digest_equal(&manifest->files[0].sha256, &manifest->sha256)) {
        return err_set(err, ERR_BACKUP, "the manifest contradicts itself");
    }
    for (size_t i = 0; i < manifest->file_count; i++) {
        const ManifestFile *file = &manifest->files[i];
        ErrCode code = compare_file(path_join(arena, folder, file->name), file, err);
        if (code != ERR_OK)
            return code;
    }
    return ERR_OK;
}

/* --- removing --------------------------------------------------------------------------------- */

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path) == 0 ? 0 : errno == ENOENT ? 0 : -1;
}

void backup_remove_path(const char *path)
{
    enum { DESCRIPTORS = 8 };
    nftw(path, remove_entry, DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
}

void backup_remove(const char *directory, const Manifest *manifest)
{
    AUTO_ARENA Arena *arena = arena_new();
    char shard[UUID_TEXT_SIZE];
    uuid_format(&manifest->shard, shard);
    if (manifest->file[0] != '\0')
        backup_remove_path(path_join(arena, path_join(arena, directory, shard), manifest->file));
    unlink(backup_file_path(arena, directory, &manifest->shard, &manifest->operation, ".manifest"));
}
