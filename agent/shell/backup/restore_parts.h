/*
 * Inside of the restore_*.c files.
 *
 *   restore.c              the start, the end, the backup's manifest and bytes; clearing
 *   restore_read.c         the programs that read the backup back
 *   restore_first.c        what the first halves of both kinds of shards have in common
 *   restore_database.c     a shard that is a database: the first half
 *   restore_swap.c         and the second
 *   restore_schema.c       a shard that is a schema: the first half
 *   restore_schema_swap.c  and the second
 *   restore_hold.c         writers held off, and what was written since; of both kinds
 *   restore_sql.c          long queries
 */
#pragma once

#include "manifest.h"
#include "pg.h"
#include "pipeline.h"
#include "restore.h"

#define RESTORE_NEW "pgtide_new_"
#define RESTORE_OLD "pgtide_old_"

enum {
    RESTORE_CONNECT_MS = 10000,
    RESTORE_QUERY_MS = 60000,
    RESTORE_CREATE_MS = 10 * 60 * 1000,
    RESTORE_NAME_BYTES = 64,
    RESTORE_POLL_MS = 50,
    RESTORE_SWAP_ATTEMPTS = 5,       /* sessions that came back each time */
    RESTORE_DROP_ATTEMPTS = 60,      /* of a schema whose neighbours are busy */
    RESTORE_LOCK_CLASS = 0x70677472, /* "pgtr": advisory locks, beside those of runs */
    RESTORE_LOCK_TIMEOUT_MS = 500,   /* where the plan says 0 */
};

typedef void RestoreThen(Restore *restore);

typedef struct RestoreSwap {
    PgConn *old;    /* on the shard: holds its writers off */
    PgConn *fresh;  /* on what was restored */
    PgConn *server; /* on the maintenance database: renames */
    Arena *arena;   /* of this attempt */
    uint32_t lock_tries;
    uint32_t tries;
    const char *history; /* JSON: rows of the shard's history that the backup has not */
    RestoreThen *after;  /* where a pause leads */
    RestoreThen *held;   /* what follows when writers are held off */
    RestoreThen *kept;   /* what follows when nothing would be lost, or may be */
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
    Pipeline *pipeline; /* NULL: nothing is being read back */
    RestoreThen *read;  /* what follows when it has been */
    RestoreClear *clear;
    PgConn *conn;
    bool working; /* in the thread pool */
    bool created; /* there is a database, or a schema, to be dropped */
    bool in_place;
    Manifest manifest; /* of the backup */
    const char *path;
    const BackupCommand *command; /* that made the backup, and restores it; NULL = a dump */
    const char *fresh_name;       /* pgtide_new_... */
    const char *old_name;         /* pgtide_old_... */
    const char *application;
    const char *create_sql;
    const char *away_sql; /* a schema: gives what was restored its name, and the shard its own */
    uint32_t fresh_oid;   /* of the schema */
    uint32_t drop_tries;
    const char *history_end; /* the highest seq in the backup */
    const char *counts;      /* of its tables, as text */
    RestoreSwap swap;
};

static inline bool restore_is_of_schema(const Restore *restore)
{
    return restore->args.schema[0] != '\0';
}

static inline uint32_t restore_lock_timeout_ms(const Restore *restore)
{
    uint32_t timeout_ms = restore->args.lock_timeout_ms;
    return timeout_ms == 0 ? RESTORE_LOCK_TIMEOUT_MS : timeout_ms;
}

/* Ends this part of the work; runs the callback. */
void restore_done(Restore *restore);
void restore_fail(Restore *restore, JobFailureClass failed, ErrCode code, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* With the error of a reply or a connection. */
void restore_fail_with(Restore *restore, JobFailureClass failed, const Error *err,
                       const char *doing);
/* With `restore->error`, finally. */
void restore_refuse(Restore *restore);
/* Whether there was an error, which then ends this part. A lost connection has changed nothing that
 * stays, unless it was lost around a COMMIT. */
bool restore_fails(Restore *restore, const PgReply *reply, const char *doing);
bool restore_fails_to_connect(Restore *restore, const Error *err, const char *where);
/* A connection of this restore on a database. */
PgConn *restore_connect(Restore *restore, const char *database, PgConnectCb *cb);
void restore_pause_then(Restore *restore, uint32_t pause_ms, RestoreThen *after);
void restore_swap_close(Restore *restore);

/* --- first half ------------------------------------------------------------------------------- */

void restore_database_start(Restore *restore);
void restore_schema_start(Restore *restore);
/* What hangs on the schema from outside, by name. */
ErrCode restore_refuse_dependents(const char *dependents, Error *err);
/* The statement that drops what was restored. */
const char *restore_drop_sql(Restore *restore);

/* Only where the agent may know and look: on the server's own host, as a role that is told where
 * the data are. */
ErrCode restore_check_space(const char *data_directory, uint64_t bytes, Error *err) MUST_CHECK;
/* What reads the backup back into the database `into`, or, for a schema, through psql with these
 * statements before and after it. */
void restore_read(Restore *restore, const char *into, const char *before, const char *after,
                  RestoreThen *then);
/* Result 0 of a reply: the version rows as an array; they must be the plan's rows after. */
bool restore_rows_fail(Restore *restore, const PgResult *result);
/* The version table of a schema, quoted. */
const char *restore_version_table(const PgConn *conn, Arena *arena, const char *schema);
/* Ends the first half, once what was restored is counted by the query that restore_sql_count has
 * made. */
void restore_count(Restore *restore, PgConn *conn, const PgResult *query);

/* --- second half ------------------------------------------------------------------------------ */

/* On a connection of its own to the shard's database, `swap.old`: locks the shard's tables against
 * writers, then `held`. */
void restore_hold(Restore *restore, RestoreThen *held);
/* Whether this restore's claim still holds and the rows are the plan's; fails when not. Results:
 * fence and epoch; the version rows as an array. */
bool restore_is_moved(Restore *restore, const PgResult *claim, const PgResult *rows);
/* Then `kept`, unless the shard was written since the backup and that may not be lost. */
void restore_look_for_loss(Restore *restore, RestoreThen *kept);
/* What of the catalog was changed since the backup by nobody that the history knows, in one schema
 * or '' = in all: a text, NULL when nothing was. */
void restore_add_catalog(Restore *restore, PgBatch *batch, const char *schema);
/* Into pgtide.history, where the connection is. */
void restore_add_history(Restore *restore, PgBatch *batch);
void restore_schema_swap(Restore *restore);
/* Of the COMMIT that ends a swap: it is done, undone, or not known. */
void restore_committed(Restore *restore, const PgReply *reply);

/* --- queries ---------------------------------------------------------------------------------- */

/* Makes a query, which answers: "name rows" of every user table and "name value" of every sequence,
 * a line each, sorted; and the names of tables with newer rows. Parameters: the horizon (0: nothing
 * counts as newer), the schema of the version table, the schema looked at, whose name is then not
 * part of the lines ('' = all). */
extern const char restore_sql_count[];
/* What of the catalog was changed by nobody that the history knows; parameters: the horizon, the
 * schema looked at ('' = all). */
extern const char restore_sql_catalog[];
/* What hangs on the schema from outside, or is no part of its dump: none of it would follow to what
 * was restored. Parameter: the schema's name. One text, NULL: nothing. */
extern const char restore_sql_dependents[];
/* Statements that take default privileges away, and that give them back: those in schema $1, said
 * of schema $2; $1 '': the current role's that are in none. Either is NULL when there are none. */
extern const char restore_sql_defaults[];
/* Statements that give schema $2 what belongs to schema $1: owner, grants, comment,
 * security labels. */
extern const char restore_sql_belongings[];
