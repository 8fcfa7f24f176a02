#include "blob.h"

#include "digest.h"
#include "file.h"
#include "str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct BlobStore {
    char *directory;
    int fd; /* of the directory: names below are relative to it */
    uint64_t limit_bytes;
};

enum {
    NAME_SIZE = DIGEST_HEX_SIZE + 8,
    PARTS_MAX = 16, /* begun and not finished: nobody is bound to finish what they begin */
};

static void blob_name(const Digest *digest, char out[NAME_SIZE])
{
    digest_hex(digest, out);
}

static void part_name(const Digest *digest, char out[NAME_SIZE])
{
    digest_hex(digest, out);
    memcpy(out + DIGEST_HEX_SIZE - 1, ".part", sizeof ".part");
}

static ErrCode io_error(Error *err, const BlobStore *store, const char *what, const char *name)
{
    return err_set(err, ERR_IO, "can't %s %s/%s: %s", what, store->directory, name,
                   strerror(errno));
}

static ErrCode not_found(Error *err, const char *name)
{
    return err_set(err, ERR_NOT_FOUND, "no blob %.12s…", name);
}

ErrCode blob_store_open(const char *directory, uint64_t limit_bytes, BlobStore **ret_store,
                        Error *err)
{
    ErrCode code = dir_make(directory, 0700, err);
    if (code != ERR_OK) {
        return code;
    }
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return err_set(err, ERR_IO, "can't open %s: %s", directory, strerror(errno));
    }
    BlobStore *store = xcalloc(1, sizeof *store);
    store->directory = xstrdup(directory);
    store->fd = fd;
    store->limit_bytes = limit_bytes;
    *ret_store = store;
    return ERR_OK;
}

void blob_store_close(BlobStore *store)
{
    if (store == NULL) {
        return;
    }
    close(store->fd);
    free(store->directory);
    free(store);
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool name_size(const BlobStore *store, const char *name, uint64_t *ret_size)
{
    struct stat info;
    if (fstatat(store->fd, name, &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(info.st_mode)) {
        return false;
    }
    *ret_size = (uint64_t)info.st_size;
    return true;
}

bool blob_has(const BlobStore *store, const Digest *digest)
{
    char name[NAME_SIZE];
    uint64_t size;
    blob_name(digest, name);
    return name_size(store, name, &size);
}

char *blob_path(const BlobStore *store, Arena *arena, const Digest *digest)
{
    char name[NAME_SIZE];
    blob_name(digest, name);
    return arena_printf(arena, "%s/%s", store->directory, name);
}

ErrCode blob_read(const BlobStore *store, Arena *arena, const Digest *digest, uint8_t **ret_bytes,
                  size_t *ret_length, Error *err)
{
    char name[NAME_SIZE];
    blob_name(digest, name);
    if (!blob_has(store, digest)) {
        return not_found(err, name);
    }
    uint8_t *bytes;
    size_t length;
    ErrCode code = file_read_all(arena, blob_path(store, arena, digest), store->limit_bytes, &bytes,
                                 &length, err);
    if (code != ERR_OK) {
        return code;
    }
    Digest found = sha256_bytes(bytes, length);
    if (!digest_equal(&found, digest)) {
        return err_set(err, ERR_DIGEST_MISMATCH, "blob %.12s… is damaged on disk", name);
    }
    *ret_bytes = bytes;
    *ret_length = length;
    return ERR_OK;
}

static ErrCode read_at(const BlobStore *store, int fd, const char *name, uint64_t offset,
                       void *buffer, size_t capacity, size_t *ret_length, Error *err)
{
    size_t length = 0;
    while (length < capacity) {
        ssize_t got =
            pread(fd, (uint8_t *)buffer + length, capacity - length, (off_t)(offset + length));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return io_error(err, store, "read", name);
        }
        if (got == 0) {
            break;
        }
        length += (size_t)got;
    }
    *ret_length = length;
    return ERR_OK;
}

ErrCode blob_read_piece(const BlobStore *store, const Digest *digest, uint64_t offset, void *buffer,
                        size_t capacity, size_t *ret_length, uint64_t *ret_total, Error *err)
{
    char name[NAME_SIZE];
    blob_name(digest, name);
    uint64_t total;
    if (!name_size(store, name, &total)) {
        return not_found(err, name);
    }
    if (offset > total) {
        return err_set(err, ERR_PROTOCOL, "an offset beyond the end of blob %.12s…", name);
    }
    int fd = openat(store->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return io_error(err, store, "open", name);
    }
    ErrCode code = read_at(store, fd, name, offset, buffer, capacity, ret_length, err);
    close(fd);
    if (code == ERR_OK) {
        *ret_total = total;
    }
    return code;
}

/* --- writing ---------------------------------------------------------------------------------- */

ErrCode blob_put(BlobStore *store, const void *bytes, size_t length, Digest *ret_digest, Error *err)
{
    if (length > store->limit_bytes) {
        return err_set(err, ERR_LIMIT, "a blob of %zu bytes, at most %llu are allowed", length,
                       (unsigned long long)store->limit_bytes);
    }
    Digest digest = sha256_bytes(bytes, length);
    if (!blob_has(store, &digest)) {
        AUTO_ARENA Arena *arena = arena_new();
        ErrCode code =
            file_write_atomic(blob_path(store, arena, &digest), bytes, length, 0600, err);
        if (code != ERR_OK) {
            return code;
        }
    }
    *ret_digest = digest;
    return ERR_OK;
}

/* Makes room for one more part: the one that was written to the longest ago goes. */
static void drop_old_parts(const BlobStore *store)
{
    int fd = openat(store->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        if (fd >= 0) {
            close(fd);
        }
        return;
    }
    char oldest[NAME_SIZE] = "";
    struct timespec since = {0};
    size_t count = 0;
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        struct stat info;
        if (!str_ends_with(entry->d_name, ".part") || strlen(entry->d_name) >= NAME_SIZE ||
            fstatat(store->fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
            continue;
        }
        count++;
        if (oldest[0] == '\0' || info.st_mtim.tv_sec < since.tv_sec ||
            (info.st_mtim.tv_sec == since.tv_sec && info.st_mtim.tv_nsec < since.tv_nsec)) {
            memcpy(oldest, entry->d_name, strlen(entry->d_name) + 1);
            since = info.st_mtim;
        }
    }
    closedir(dir);
    if (count >= PARTS_MAX) {
        (void)unlinkat(store->fd, oldest, 0);
    }
}

ErrCode blob_put_begin(BlobStore *store, const Digest *digest, uint64_t total, uint64_t *ret_offset,
                       Error *err)
{
    if (total > store->limit_bytes) {
        return err_set(err, ERR_LIMIT, "a blob of %llu bytes, at most %llu are allowed",
                       (unsigned long long)total, (unsigned long long)store->limit_bytes);
    }
    char name[NAME_SIZE];
    uint64_t size = 0;
    if (blob_has(store, digest)) {
        *ret_offset = total;
        return ERR_OK;
    }
    part_name(digest, name);
    bool begun = name_size(store, name, &size);
    if (begun && size > total) {
        blob_put_abandon(store, digest); /* another total was announced before: begin anew */
        size = 0;
    }
    if (!begun) {
        drop_old_parts(store);
    }
    int fd = openat(store->fd, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return io_error(err, store, "create", name);
    }
    close(fd);
    *ret_offset = size;
    return ERR_OK;
}

static ErrCode write_at(const BlobStore *store, int fd, const char *name, uint64_t offset,
                        const uint8_t *bytes, size_t length, Error *err)
{
    while (length > 0) {
        ssize_t put = pwrite(fd, bytes, length, (off_t)offset);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return io_error(err, store, "write", name);
        }
        bytes += put;
        offset += (uint64_t)put;
        length -= (size_t)put;
    }
    return ERR_OK;
}

ErrCode blob_put_append(BlobStore *store, const Digest *digest, uint64_t offset, const void *bytes,
                        size_t length, uint64_t *ret_offset, Error *err)
{
    char name[NAME_SIZE];
    uint64_t size;
    part_name(digest, name);
    if (!name_size(store, name, &size)) {
        return err_set(err, ERR_STATE, "a piece of a blob that was not begun");
    }
    if (offset < size && length <= size - offset) {
        *ret_offset = size; /* sent twice */
        return ERR_OK;
    }
    if (offset != size) {
        return err_set(err, ERR_PROTOCOL, "a piece at %llu where %llu bytes have arrived",
                       (unsigned long long)offset, (unsigned long long)size);
    }
    if (length > store->limit_bytes || size > store->limit_bytes - length) {
        return err_set(err, ERR_LIMIT, "a blob beyond %llu bytes",
                       (unsigned long long)store->limit_bytes);
    }
    int fd = openat(store->fd, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return io_error(err, store, "open", name);
    }
    ErrCode code = write_at(store, fd, name, offset, bytes, length, err);
    close(fd);
    if (code == ERR_OK) {
        *ret_offset = size + length;
    }
    return code;
}

static ErrCode sync_part(const BlobStore *store, const char *name, Error *err)
{
    int fd = openat(store->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return errno == ENOENT ? err_set(err, ERR_STATE, "the end of a blob that was not begun")
                               : io_error(err, store, "open", name);
    }
    int result = fsync(fd);
    if (result != 0) {
        ErrCode code = io_error(err, store, "sync", name);
        close(fd);
        return code;
    }
    close(fd);
    return ERR_OK;
}

ErrCode blob_put_finish(BlobStore *store, const Digest *digest, Error *err)
{
    if (blob_has(store, digest)) {
        blob_put_abandon(store, digest);
        return ERR_OK;
    }
    AUTO_ARENA Arena *arena = arena_new();
    char part[NAME_SIZE];
    char name[NAME_SIZE];
    part_name(digest, part);
    blob_name(digest, name);
    ErrCode code = sync_part(store, part, err);
    if (code != ERR_OK) {
        return code;
    }
    Digest found;
    code = sha256_file(arena_printf(arena, "%s/%s", store->directory, part), store->limit_bytes,
                       &found, NULL, err);
    if (code != ERR_OK) {
        return code;
    }
    if (!digest_equal(&found, digest)) {
        blob_put_abandon(store, digest);
        return err_set(err, ERR_DIGEST_MISMATCH, "what arrived is not blob %.12s…", name);
    }
    if (renameat(store->fd, part, store->fd, name) != 0) {
        return io_error(err, store, "rename", part);
    }
    return fsync(store->fd) == 0 ? ERR_OK : io_error(err, store, "sync", ".");
}

void blob_put_abandon(BlobStore *store, const Digest *digest)
{
    char name[NAME_SIZE];
    part_name(digest, name);
    (void)unlinkat(store->fd, name, 0);
}

ErrCode blob_remove(BlobStore *store, const Digest *digest, Error *err)
{
    char name[NAME_SIZE];
    blob_name(digest, name);
    if (unlinkat(store->fd, name, 0) != 0 && errno != ENOENT) {
        return io_error(err, store, "remove", name);
    }
    return ERR_OK;
}

/* The name of a finished blob: 64 hex digits. */
static bool name_is_blob(const char *name, Digest *ret_digest)
{
    return strlen(name) == DIGEST_HEX_SIZE - 1 &&
           hex_decode(name, ret_digest->bytes, sizeof ret_digest->bytes);
}

ErrCode blob_visit(BlobStore *store, BlobVisit visit, void *context, Error *err)
{
    int fd = openat(store->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        ErrCode code = io_error(err, store, "list", ".");
        if (fd >= 0) {
            close(fd);
        }
        return code;
    }
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        Digest digest;
        struct stat info;
        if (name_is_blob(entry->d_name, &digest) &&
            fstatat(store->fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0) {
            visit(context, &digest, (uint64_t)info.st_mtim.tv_sec * 1000);
        }
    }
    closedir(dir);
    return ERR_OK;
}
