/*
 * Whole files and directories: read with a limit, write so that a crash leaves the old content or
 * the new one.
 *
 * Errors name the path and the system's reason. A missing file is ERR_NOT_FOUND, one in the way
 * ERR_EXISTS, a larger one than allowed ERR_LIMIT, everything else ERR_IO: also a directory, a pipe
 * or a device where a file is to be read.
 */
#pragma once

#include "arena.h"

#include <sys/types.h>

/* The whole content, into the arena; a NUL follows the last byte. */
ErrCode file_read_all(Arena *arena, const char *path, size_t limit, uint8_t **ret_bytes,
                      size_t *ret_length, Error *err) MUST_CHECK;
/* The same for a text: refuses (ERR_CONFIG, with the line) what is not UTF-8 or holds a NUL. A
 * byte order mark at the start is dropped. */
ErrCode file_read_text(Arena *arena, const char *path, size_t limit, char **ret_text,
                       size_t *ret_length, Error *err) MUST_CHECK;

/* For reading; the caller closes it. */
ErrCode file_open(const char *path, int *ret_fd, Error *err) MUST_CHECK;

/* Replaces `path` as a whole: temporary file beside it, fsync, rename, fsync of the directory.
 * `mode` is narrowed by the umask. */
ErrCode file_write_atomic(const char *path, const void *bytes, size_t length, mode_t mode,
                          Error *err) MUST_CHECK;
/* The same, but never over something that exists (ERR_EXISTS). */
ErrCode file_write_new(const char *path, const void *bytes, size_t length, mode_t mode,
                       Error *err) MUST_CHECK;
/* Makes a rename, link or unlink in `directory` durable. */
ErrCode dir_sync(const char *directory, Error *err) MUST_CHECK;

/* Like mkdir -p: parents too, no error when it exists as a directory. */
ErrCode dir_make(const char *path, mode_t mode, Error *err) MUST_CHECK;

bool file_exists(const char *path); /* anything at all, also a directory */
bool dir_exists(const char *path);

/* "dir/name"; `name` alone when it is absolute or `dir` is empty. */
char *path_join(Arena *arena, const char *dir, const char *name);
char *path_dirname(Arena *arena, const char *path); /* "." when there is no slash */
const char *path_basename(const char *path);        /* after the last slash; borrows */
