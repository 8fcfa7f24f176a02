/*
 * A program that an operator has configured, run for what it prints: no shell, a time limit, a
 * limit on its output, and no password of ours in its environment.
 */
#pragma once

#include "error.h"
#include "str.h"

#include <uv.h>

typedef struct OutputCommand OutputCommand;

typedef struct OutputCommandArgs {
    const StrList *argv; /* borrows until it has started */
    size_t output_bytes_max;
    uint32_t deadline_ms;
    bool is_secret; /* what it prints leaves no copy in our memory */
} OutputCommandArgs;

/* `err` NULL: it ended with status 0, and `output` is all that it printed, ended by a NUL that is
 * not counted. What it printed is in no error. */
typedef void OutputCommandCb(const char *output, size_t length, const Error *err, void *data);

/* The callback runs exactly once, never inside this call; then the handle is gone. */
OutputCommand *output_command_start(uv_loop_t *loop, const OutputCommandArgs *args,
                                    OutputCommandCb *cb, void *data);
void output_command_cancel(OutputCommand *command); /* no callback any more; NULL-safe */
