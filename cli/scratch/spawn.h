/*
 * Runs a program and waits for it: no shell, its output in memory.
 */
#pragma once

#include "str.h"
#include "wait.h"

typedef struct SpawnArgs {
    const char *program;     /* looked up in PATH when it has no slash */
    const char *const *argv; /* ended by NULL */
    const char *const *env;  /* added to ours, as in child_environment(); NULL = none */
    const char *directory;   /* where it runs; NULL = here */
    size_t output_limit;     /* bytes of its output; more is ERR_LIMIT; 0 = the output is dropped */
} SpawnArgs;

/* `ret_output` may be NULL. ERR_IO when it can't be started or does not end with status 0 (the end
 * of what it said on stderr is the detail), ERR_INTERRUPTED. A program that is interrupted is ended
 * with all it started. */
ErrCode spawn_run(Wait *wait, const SpawnArgs *args, Str *ret_output, Error *err) MUST_CHECK;
