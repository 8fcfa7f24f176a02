/*
 * A program that an operator has configured, run for what it prints: no shell, a time limit, a
 * limit on its output, and no password of ours in its environment.
 */
#pragma once

#include "error.h"
#include "str.h"

#include <uv.h>

typedef struct DiscoverCommand DiscoverCommand;

/* `err` NULL: it ended with status 0, and `output` is all that it printed, ended by a NUL that is
 * not counted. */
typedef void DiscoverCommandCb(const char *output, size_t length, const Error *err, void *data);

/* The callback runs exactly once, never inside this call; then the handle is gone. Borrows `argv`.
 */
DiscoverCommand *discover_command_start(uv_loop_t *loop, const StrList *argv, DiscoverCommandCb *cb,
                                        void *data);
void discover_command_cancel(DiscoverCommand *command); /* no callback any more; NULL-safe */
