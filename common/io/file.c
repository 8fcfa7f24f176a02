#include "file.h"

#include "str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static ErrCode fail(Error *err, int error, const char *verb, const char *path)
{
    ErrCode code = ERR_IO;
    if (error == ENOENT || error == ENOTDIR)
        code = ERR_NOT_FOUND;
    else if (error == EEXIST)
        code = ERR_EXISTS;
    err_set(err, code, "cannot %s '%s': %s", verb, path, strerror(error));
    if (error == ENOENT)
        err_hint(err, "Check the path; it is relative to the current directory unless it starts "
                      "with a slash.");
    else if (error == EACCES || error == EPERM)
        err_hint(err, "Check the owner and mode of the file and of the directories above it.");
    else if (error == EEXIST)
        err_hint(err, "Choose another name, or move the existing file away first.");
    else if (error == ENOSPC || error == EDQUOT)
        err_hint(err, "Free some space on that file system and try again.");
    else if (error == EROFS)
        err_hint(err, "The file system is mounted read-only; choose another directory.");
    return code;
}

static void close_quietly(int fd)
{
    int saved = errno;
    close(fd);
    errno = saved;
}

enum { READ_CHUNK_BYTES = 64 * 1024 };

static const char *kind_of(mode_t mode)
{
    return S_ISDIR(mode) ? "a directory" : S_ISFIFO(mode) ? "a pipe" : "a device";
}

static ErrCode check_regular(int fd, const char *path, Error *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return fail(err, errno, "read", path);
    if (S_ISREG(info.st_mode))
        return ERR_OK;
    err_set(err, ERR_IO, "cannot read '%s': it is %s, not a file", path, kind_of(info.st_mode));
    err_hint(err, "Give the path of a file.");
    return ERR_IO;
}

ErrCode file_open(const char *path, int *ret_fd, Error *err)
{
    /* A pipe that nobody writes to must not keep us waiting. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fail(err, errno, "open", path);
    ErrCode code = check_regular(fd, path, err);
    if (code == ERR_OK)
        *ret_fd = fd;
    else
        close_quietly(fd);
    return code;
}

static ErrCode read_descriptor(int fd, const char *path, size_t limit, Str *out, Error *err)
{
    char chunk[READ_CHUNK_BYTES];
    for (;;) {
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail(err, errno, "read", path);
        if (got == 0)
            return ERR_OK;
        if ((size_t)got > limit - out->length) {
            err_set(err, ERR_LIMIT, "'%s' is larger than %zu bytes", path, limit);
            err_hint(err, "Check that this is the file you meant; larger ones are refused.");
            return ERR_LIMIT;
        }
        str_append_bytes(out, chunk, (size_t)got);
    }
}

static ErrCode read_file(const char *path, size_t limit, Str *out, Error *err)
{
    int fd;
    ErrCode code = file_open(path, &fd, err);
    if (code != ERR_OK)
        return code;
    code = read_descriptor(fd, path, limit, out, err);
    close_quietly(fd);
    return code;
}

ErrCode file_read_all(Arena *arena, const char *path, size_t limit, uint8_t **ret_bytes,
                      size_t *ret_length, Error *err)
{
    AUTO_STR Str content = {0};
    ErrCode code = read_file(path, limit, &content, err);
    if (code != ERR_OK)
        return code;
    *ret_bytes = (uint8_t *)arena_strndup(arena, str_text(&content), content.length);
    *ret_length = content.length;
    return ERR_OK;
}

static ErrCode check_text(const char *path, const char *text, size_t length, Error *err)
{
    if (str_is_utf8(text, length))
        return ERR_OK;
    /* A newline never stands inside a UTF-8 sequence, so the file can be judged line by line. */
    int line = 1;
    const char *start = text;
    const char *end = text + length;
    while (start < end) {
        const char *newline = memchr(start, '\n', (size_t)(end - start));
        const char *stop = newline == NULL ? end : newline + 1;
        if (!str_is_utf8(start, (size_t)(stop - start)))
            break;
        start = stop;
        line++;
    }
    err_set(err, ERR_CONFIG, "'%s' is not a UTF-8 text", path);
    err_at(err, path, line);
    err_hint(err, "Save the file as UTF-8; NUL bytes are not allowed.");
    return ERR_CONFIG;
}

ErrCode file_read_text(Arena *arena, const char *path, size_t limit, char **ret_text,
                       size_t *ret_length, Error *err)
{
    AUTO_STR Str content = {0};
    ErrCode code = read_file(path, limit, &content, err);
    if (code != ERR_OK)
        return code;
    const char *text = str_text(&content);
    size_t length = content.length;
    if (str_starts_with(text, "\xEF\xBB\xBF")) {
        text += 3;
        length -= 3;
    }
    code = check_text(path, text, length, err);
    if (code != ERR_OK)
        return code;
    *ret_text = arena_strndup(arena, text, length);
    *ret_length = length;
    return ERR_OK;
}

static ErrCode write_all(int fd, const void *bytes, size_t length, const char *path, Error *err)
{
    const char *at = bytes;
    while (length > 0) {
        ssize_t put = write(fd, at, length);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return fail(err, errno, "write", path);
        at += put;
        length -= (size_t)put;
    }
    return fsync(fd) == 0 ? ERR_OK : fail(err, errno, "sync", path);
}

static void directory_of(const char *path, Str *out)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        str_append(out, ".");
    else
        str_append_bytes(out, path, slash == path ? 1 : (size_t)(slash - path));
}

ErrCode dir_sync(const char *directory, Error *err)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail(err, errno, "open directory", directory);
    /* EINVAL: a file system that cannot sync directories has nothing to sync. */
    int error = fsync(fd) == 0 || errno == EINVAL ? 0 : errno;
    close(fd);
    return error == 0 ? ERR_OK : fail(err, error, "sync directory", directory);
}

/* Opens a file of a name nobody else has, beside `path`. */
static int open_temporary(const char *path, mode_t mode, Str *name)
{
    static unsigned counter;
    for (int attempt = 0; attempt < 100; attempt++) {
        unsigned number = __atomic_fetch_add(&counter, 1, __ATOMIC_RELAXED);
        str_clear(name);
        str_printf(name, "%s.%ld-%u.tmp", path, (long)getpid(), number);
        int fd = open(str_text(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

/* Gives the finished file its name; `replace` decides what happens to one that has it already. */
static int place(const char *temporary, const char *path, bool replace)
{
    if (replace)
        return rename(temporary, path);
    if (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (link(temporary, path) != 0)
        return -1;
    unlink(temporary);
    return 0;
}

static ErrCode write_whole(const char *path, const void *bytes, size_t length, mode_t mode,
                           bool replace, Error *err)
{
    struct stat info;
    if (!replace && lstat(path, &info) == 0)
        return fail(err, EEXIST, "create", path);
    AUTO_STR Str temporary = {0};
    AUTO_STR Str directory = {0};
    directory_of(path, &directory);
    int fd = open_temporary(path, mode, &temporary);
    if (fd < 0)
        return fail(err, errno, "create", path);
    ErrCode code = write_all(fd, bytes, length, path, err);
    if (close(fd) != 0 && code == ERR_OK)
        code = fail(err, errno, "write", path);
    if (code == ERR_OK && place(str_text(&temporary), path, replace) != 0)
        code = fail(err, errno, "create", path);
    if (code != ERR_OK) {
        unlink(str_text(&temporary));
        return code;
    }
    return dir_sync(str_text(&directory), err);
}

ErrCode file_write_atomic(const char *path, const void *bytes, size_t length, mode_t mode,
                          Error *err)
{
    return write_whole(path, bytes, length, mode, /* replace= */ true, err);
}

ErrCode file_write_new(const char *path, const void *bytes, size_t length, mode_t mode, Error *err)
{
    return write_whole(path, bytes, length, mode, /* replace= */ false, err);
}

static ErrCode make_one(const char *path, mode_t mode, Error *err)
{
    if (mkdir(path, mode) == 0)
        return ERR_OK;
    int error = errno;
    if (dir_exists(path))
        return ERR_OK;
    if (error == EEXIST) {
        err_set(err, ERR_IO, "cannot make directory '%s': a file of that name is in the way", path);
        return ERR_IO;
    }
    return fail(err, error, "make directory", path);
}

ErrCode dir_make(const char *path, mode_t mode, Error *err)
{
    AUTO_STR Str partial = {0};
    for (const char *at = path; *at != '\0'; at++) {
        bool inner_slash = *at == '/' && at != path && at[-1] != '/';
        if (inner_slash) {
            ErrCode code = make_one(str_text(&partial), mode, err);
            if (code != ERR_OK)
                return code;
        }
        str_append_char(&partial, *at);
    }
    return make_one(path, mode, err);
}

bool file_exists(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0;
}

bool dir_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

char *path_join(Arena *arena, const char *dir, const char *name)
{
    if (name[0] == '/' || dir[0] == '\0')
        return arena_strdup(arena, name);
    const char *separator = str_ends_with(dir, "/") ? "" : "/";
    return arena_printf(arena, "%s%s%s", dir, separator, name);
}

char *path_dirname(Arena *arena, const char *path)
{
    AUTO_STR Str directory = {0};
    directory_of(path, &directory);
    return arena_strdup(arena, str_text(&directory));
}

const char *path_basename(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}
