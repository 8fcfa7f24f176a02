/*
 * A child process whose standard output is read line by line while it runs: no shell, standard
 * input empty, the end of what it says on stderr kept. Used for readers that another program's own
 * interpreter must run.
 */
#pragma once

#include "error.h"

enum { CHILD_ERRORS_BYTES = 4096 };

typedef struct ChildLines {
    const char *const *argv; /* argv[0] is looked up in PATH when it has no slash; ended by NULL */
    const char *directory;   /* where it runs */
    size_t line_bytes_max;
    size_t output_bytes_max;
    uint32_t silence_ms_max; /* without a byte on either stream it is killed */
    /* A whole line, without its end; NUL-terminated, valid while this runs. An error ends the
     * child and is returned by child_lines_run(). */
    ErrCode (*line)(char *text, size_t length, void *data, Error *err);
    void *data;
} ChildLines;

typedef struct ChildEnd {
    int exit_status; /* 128 + signal for one that was killed */
    char errors[CHILD_ERRORS_BYTES + 1];
} ChildEnd;

/* Waits until the child has ended. ERR_NOT_FOUND (no such program), ERR_IO, ERR_LIMIT, ERR_TIMEOUT,
 * ERR_INTERRUPTED (a signal came; the child is gone) or what `line` returned; `ret_end` is set in
 * every case but the first two. */
ErrCode child_lines_run(const ChildLines *args, ChildEnd *ret_end, Error *err) MUST_CHECK;
