/*
 * Programs of the coordinator's configuration: what gates ask and what events are told to.
 */
#pragma once

#include "child.h"
#include "str.h"

typedef struct CommandArgs {
    const StrList *argv;
    const char *const *told; /* its environment beside PATH: "NAME=value", ended by NULL */
    const Str *input;        /* for its standard input; NULL = it has none */
} CommandArgs;

/* As child_start(): how long it may take is its caller's to watch. */
ErrCode command_start(uv_loop_t *loop, const CommandArgs *args, ChildCb *cb, void *data,
                      Child **ret_child, Error *err) MUST_CHECK;
/* The last line that it said, for people, on stderr if it said anything there. Not ended. */
const char *command_said(const ChildResult *result, int *ret_length);
