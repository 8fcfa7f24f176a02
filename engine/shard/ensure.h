/*
 * Ensures the safe statements of safe.h on one database or tenant's schema: one query asks the
 * catalogs about all of them, then only what is missing is run, each statement in a short
 * transaction of its own that gives up its lock soon and tries again. Needs no adoption, touches no
 * version row and nothing else of pgtide's.
 *
 * Asynchronous on a libuv loop, as shard.h: the callback runs exactly once, never inside the call
 * that started it, unless ensure_free() comes first.
 */
#pragma once

#include "safe.h"
#include "shard.h"

#include <signal.h>

typedef struct Ensure Ensure;

typedef struct EnsureArgs {
    const SafeList *safe;              /* borrows until the end */
    bool check_only;                   /* ask, run nothing */
    uint32_t lock_timeout_ms;          /* of one attempt; 0 = 500 */
    uint32_t attempts;                 /* at one statement; 0 = 5 */
    const char *schema;                /* the session's tenant; '' or NULL = none; borrows */
    const volatile sig_atomic_t *stop; /* not 0: start nothing more; NULL = none */
} EnsureArgs;

typedef enum EnsureState {
    ENSURE_NOT_REACHED, /* after a failure; statements of no known form with `check_only` */
    ENSURE_PRESENT,     /* nothing to do */
    ENSURE_MISSING,     /* with `check_only` */
    ENSURE_DONE,        /* was missing, was run */
    ENSURE_RAN,         /* no known form: run each time */
    ENSURE_FAILED,
} EnsureState;

typedef struct EnsureResult {
    const EnsureState *states; /* one for each statement */
    size_t present;
    size_t missing;
    size_t done;
    size_t ran;
    bool asked;       /* the catalogs have answered */
    uint32_t retries; /* attempts that were tried again */
} EnsureResult;

/* `result` is never NULL; it and `err` live until ensure_free(). Errors: those of shard_open() and
 * shard_run_sql() with the statement's file and line; NOT_FOUND (no such schema), STATE (a standby
 * where something is missing; an INVALID index), LOCK_TIMEOUT with who blocks, INTERRUPTED. What
 * was done before the error stays done. */
typedef void EnsureCb(Ensure *ensure, const EnsureResult *result, const Error *err, void *data);

/* Begins on a connected session, which must stay open until the end. Returns owned, for
 * ensure_free(). */
Ensure *ensure_start(uv_loop_t *loop, ShardSession *session, const EnsureArgs *args, EnsureCb *cb,
                     void *data);
/* Before its end only together with the session, which must be closed first. The loop must run
 * once more. NULL-safe. */
void ensure_free(Ensure *ensure);
