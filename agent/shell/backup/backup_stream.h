/*
 * An encrypted dump: pg_dump's output through this process, hashed on its way, to age, which writes
 * the file, and to a pg_restore that reads it in full. Nothing of it touches the disk unencrypted.
 */
#pragma once

#include "backup_tools.h"

typedef struct Stream Stream;

typedef struct StreamArgs {
    const ClusterSettings *cluster;
    ToolArgs dump;          /* writes to its stdout */
    const char *const *env; /* of pg_dump and of the reader */
    const char *recipients; /* file */
    const ToolArgs *reader; /* reads the dump on its stdin; NULL = none */
    const char *path;       /* what age writes; there and empty */
} StreamArgs;

/* `plaintext` is the digest of what pg_dump wrote. */
typedef void StreamCb(const Digest *plaintext, const Error *err, void *data);

/* The callback runs exactly once, never inside this call, unless it is abandoned first. Copies what
 * it needs of the arguments. ERR_IO: nothing was started. */
ErrCode stream_start(uv_loop_t *loop, const StreamArgs *args, StreamCb *cb, void *data,
                     Stream **ret_stream, Error *err) MUST_CHECK;
/* Ends all of it; no callback runs. */
void stream_abandon(Stream *stream);
