/*
 * Inside of restore.c and restore_swap.c.
 */
#pragma once

#include "child.h"
#include "pg.h"
#include "restore.h"

enum {
    RESTORE_CONNECT_MS = 10000,
    RESTORE_QUERY_MS = 60000,
    RESTORE_CREATE_MS = 10 * 60 * 1000,
    RESTORE_NAME_BYTES = 64,
    RESTORE_POLL_MS = 50,
    RESTORE_SWAP_ATTEMPTS = 5, /* sessions that came back each time */
};

typedef struct RestoreSwap {
    PgConn *old;    /* on the shard: holds its writers off */
    PgConn *fresh;  /* on what was restored */
    PgConn *server; /* on the maintenance database: renames */
    Arena *arena;   /* of this attempt */
    uint32_t lock_tries;
    uint32_t tries;
    const char *history;             /* JSON: rows of the shard's history that the backup has not */
    void (*after)(Restore *restore); /* where a pause leads */
} RestoreSwap;

struct Restore {
    uv_loop_t *loop;
    Arena *arena;
    RestoreArgs args;
    RestoreCb *cb; /* NULL: freed */
    void *data;
    Error error;
    JobFailureClass failed;
    uv_work_t work;
    uv_timer_t timer;
    Child *child;
    PgConn *conn;
    bool working; /* in the thread pool */
    bool created; /* there is a database to be dropped */
    bool in_place;
    const char *path;
    bool is_directory;      /* of several files, read at the same time */
    const char *fresh_name; /* pgtide_new_... */
    const char *old_name;   /* pgtide_old_... */
    const char *application;
    const char *create_sql;
    uint64_t horizon; /* of the backup: transactions from here on may not be in it; 0 = not known */
    const char *history_end; /* the highest seq in the backup */
    const char *counts;      /* of its tables, as text */
    RestoreSwap swap;
};

/* Ends this part of the work; runs the callback. */
void restore_done(Restore *restore);
void restore_fail(Restore *restore, JobFailureClass failed, ErrCode code, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* With the error of a reply or a connection. */
void restore_fail_with(Restore *restore, JobFailureClass failed, const Error *err,
                       const char *doing);
/* A connection of this restore on a database. */
PgConn *restore_connect(Restore *restore, const char *database, PgConnectCb *cb);
void restore_swap_close(Restore *restore);

/* Makes a query, which answers: "name rows" of every user table and "name value" of every sequence,
 * a line each, sorted; and the names of tables with newer rows. Parameters: the horizon (0: nothing
 * counts as newer), the schema of the version table. */
extern const char restore_sql_count[];
/* What of the catalog was changed by nobody that the history knows; parameter: the horizon. */
extern const char restore_sql_catalog[];
