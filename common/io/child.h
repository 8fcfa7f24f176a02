/*
 * A child process in the loop: no shell, an environment of our making, nothing or a given text on
 * its standard input, the beginning of its output and the end of what it says on stderr kept.
 */
#pragma once

#include "arena.h"

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

/* A piece of its output. */
typedef void ChildOutput(const char *bytes, size_t length, void *data);

typedef struct ChildArgs {
    const char *program; /* looked up in PATH when it has no slash */
    const char *const *argv;
    const char *const *env; /* "NAME=value", ended by NULL */
    const char *directory;  /* where it runs; NULL = here */
    const void *input;      /* for its standard input, copied; NULL = it has none. The
                             * process ignores SIGPIPE then */
    size_t input_length;
    ChildOutput *output; /* given all of its output, of which then nothing is kept; may be NULL */
    int input_fd;        /* becomes its standard input, borrowed; 0 = nothing to read */
    int output_fd;       /* becomes its standard output, borrowed; 0 = as above */
    bool aloud;          /* it says all on our stderr, of which nothing is kept */
} ChildArgs;

/* Our environment with `added` ("NAME=value"; "NAME" alone takes one away), both ended by NULL. */
const char *const *child_environment(Arena *arena, const char *const *added);

/* ERR_IO when it can't be started. The callback runs exactly once, never inside this call, unless
 * it is killed first. Returns a handle that is valid until the callback. */
ErrCode child_start(uv_loop_t *loop, const ChildArgs *args, ChildCb *cb, void *data,
                    Child **ret_child, Error *err) MUST_CHECK;
/* Sends it, and all it started, a signal. What is left of them when it has ended by SIGTERM or
 * SIGKILL is killed. */
void child_signal(Child *child, int signal);
/* Ends the process and all it started; no callback runs. */
void child_kill(Child *child);
