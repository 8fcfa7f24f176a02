/*
 * A child process in the loop: no shell, an environment of our making, the beginning of its output
 * and the end of what it says on stderr kept.
 */
#pragma once

#include "error.h"

#include <stddef.h>
#include <uv.h>

enum {
    CHILD_OUTPUT_BYTES = 4096,
    CHILD_STDERR_BYTES = 1024,
};

typedef struct Child Child;

typedef struct ChildResult {
    int64_t exit_status; /* of a process that ended by itself */
    int term_signal;     /* 0 = ended by itself */
    const char *output;  /* first bytes of stdout, when wanted */
    const char *errors;  /* last bytes of stderr */
} ChildResult;

typedef void ChildCb(const ChildResult *result, void *data);

typedef struct ChildArgs {
    const char *program; /* looked up in PATH when it has no slash */
    const char *const *argv;
    const char *const *env; /* "NAME=value", ended by NULL */
} ChildArgs;

/* ERR_IO when it can't be started. The callback runs exactly once, never inside this call, unless
 * it is killed first. Returns a handle that is valid until the callback. */
ErrCode child_start(uv_loop_t *loop, const ChildArgs *args, ChildCb *cb, void *data,
                    Child **ret_child, Error *err) MUST_CHECK;
/* Ends the process and all it started; no callback runs. */
void child_kill(Child *child);
