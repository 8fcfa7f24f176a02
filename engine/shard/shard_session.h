/*
 * The inside of a ShardSession, shared by engine/shard*.c. Internal.
 *
 * An operation (claim, step, read) is a struct in the session's arena with a callback for each
 * round trip. It begins with shard_begin(), which gives it a fresh arena, and ends by calling the
 * caller's callback as the last thing it does.
 */
#pragma once

#include "server_pace.h"
#include "shard.h"
#include "shard_watch.h"

typedef struct ShardRelation {
    const char *schema;
    const char *name;
    uint32_t schema_oid;
    bool readable;
    uint32_t width;
    const char *verdict; /* '' = may be trusted */
    bool suspect;        /* there is no verdict yet: it must be looked at exactly */
} ShardRelation;

/* Where a step's transaction found the shard, under the version table's lock. */
typedef struct ShardStand {
    bool fenced;     /* our row was updated */
    bool is_suspect; /* the version table was not read: it must be looked at exactly */
    uint32_t width;  /* of its column; 0 = any */
    StrList rows;
    const char *done; /* rows after this operation, which has succeeded before; NULL = it has not */
    const char *xid;
} ShardStand;

enum { SHARD_QUERIES_KEPT = 32 };

struct ShardSession {
    uv_loop_t *loop;
    PgConn *conn;
    Arena *arena; /* of the operation in hand or just over */
    Arena *own;   /* lives as long as the session */
    ShardTarget target;
    ShardOpenCb *open_cb;
    void *open_data;
    BackendId backend;
    bool running;
    bool cancelled;
    PaceTicket *ticket; /* of the backfill in hand; NULL = none */
    bool backfilling;   /* stop_soon counts: between two batches it can end */
    bool stop_soon;
    bool committing;      /* COMMIT is in flight: nothing cancels it any more */
    bool commit_sent;     /* at any time in this operation */
    uint64_t deadline_ms; /* uv_now() of the operation's end; 0 = none */
    Error error;          /* what the caller's callback is given */
    ShardNoticeCb *notice_cb;
    void *notice_data;
    ShardWatch *watch; /* NULL until a step began */
    uv_timer_t *timer; /* of a pause within an operation; NULL until one is made */
    bool has_run_lock;
    bool used;      /* author statements ran since shard_discard_add() */
    bool strangers; /* they may have left prepared statements of theirs */

    /* A transaction that the last step left open for the next one (StepArgs.then). */
    bool is_ahead;
    OperationId ahead;       /* whose it is */
    const ShardStand *stand; /* in `arena`; NULL = it has failed */

    uint32_t ledger_format; /* as the last claim found or made it; 0 before */

    /* Learnt by a claim or a read. */
    const char *version_schema; /* in `own`; NULL before */
    const char *version_table;  /* quoted and qualified */
    const char *path;           /* the session's search_path */
    uint32_t role_oid;          /* ours */
    uint64_t system_identifier; /* of the server */
    uint32_t database_owner_oid;
    const char *query_forms[SHARD_QUERIES_KEPT]; /* what shard_query() was asked, */
    const char *query_texts[SHARD_QUERIES_KEPT]; /* and what it answered, in `own` */
    size_t query_count;
};

/* What shard_look_read() finds in the answers to shard_look_add()'s statements. */
typedef struct ShardLook {
    uint64_t system_identifier;
    uint32_t database_oid;
    const char *database;
    int backend_pid;
    bool in_recovery;
    uint32_t timeline;
    bool has_schema; /* the shard's own schema exists (always for a whole database) */
    uint32_t schema_oid;
    const char *home;           /* schema for a version table still to be made; '' = none */
    bool has_ledger;            /* a schema pgtide exists */
    const char *ledger_verdict; /* of the schema; '' = may be trusted */
    uint64_t size_bytes;
    ShardRelation *relations; /* the shard's own version table first, when there is one */
    size_t relation_count;
    const ShardRelation *version; /* NULL = no version table */
    bool suspect;                 /* shard_look_exactly_add() must have the last word */
} ShardLook;

/* A fresh arena; the deadline counts from now. Returns the old arena, for arena_free() once the
 * arguments, which may lie in it, are copied. */
Arena *shard_begin(ShardSession *session, uint32_t deadline_ms);
void shard_end(ShardSession *session);
void shard_send(ShardSession *session, const PgBatch *batch, PgBatchCb *cb, void *op);
/* A pause within an operation; ends early when the operation is cancelled. */
void shard_timer_start(ShardSession *session, uint32_t pause_ms, uv_timer_cb cb, void *data);
/* Settings that authors made at session level end here; ours that must outlive it are made again.
 */
void shard_reset_add(ShardSession *session, PgBatch *batch);
/* The beginning of anything but the step that a transaction was left open for: rolls it back. */
void shard_abandon_add(ShardSession *session, PgBatch *batch);
/* What a revision left in the session is not there for the next: temporary tables, cursors,
 * channels, and prepared statements when its text mentions them (shard_script_prepares()). Its
 * advisory locks stay, as one of them is ours. */
void shard_discard_add(ShardSession *session, PgBatch *batch);
/* Settings of the session itself: how long it may be idle, and how soon a lost client is noticed.
 */
void shard_stay_add(const PgConn *conn, PgBatch *batch);

/* Copies a reply's error into the session's, with interruption and deadline told apart. */
ErrCode shard_reply_error(ShardSession *session, const PgReply *reply);
/* The quoted version table put into a query's %s; the same text each time in a session. */
const char *shard_query(ShardSession *session, const char *query);
/* The same for another shard's table, quoted and qualified; not remembered. */
const char *shard_query_of(const ShardSession *session, const char *version_table,
                           const char *query);
bool shard_rows_parse(ShardSession *session, const char *text, StrList *out);
const char *shard_uuid_param(ShardSession *session, const Uuid *uuid); /* NULL when nil */
const char *shard_u64_param(ShardSession *session, uint64_t number);
const char *shard_ms_param(ShardSession *session, uint64_t ms);
const char *shard_schema(const ShardSession *session);
const char *shard_text_or_null(const char *text); /* '' becomes NULL */
void shard_history_read(ShardSession *session, const PgResult *result, const HistoryEntry **ret,
                        size_t *ret_count);

/* The three statements that close the search path and look at identity and ledger. They must be
 * the first after BEGIN. */
void shard_look_add(ShardSession *session, PgBatch *batch, const char *schema_like, bool with_size,
                    uint32_t lock_timeout_ms);
void shard_look_read(ShardSession *session, const PgResult *results, ShardLook *look);
/* For a suspect look: two more statements, and what they answered. */
void shard_look_exactly_add(ShardSession *session, PgBatch *batch, const char *schema_like);
void shard_look_exactly_read(ShardSession *session, const PgResult *results, ShardLook *look);
/* One relation from a row of shard_sql_relations or shard_sql_relation, or of the quick ones. */
ShardRelation shard_relation_read(ShardSession *session, const PgResult *result, size_t row);
ShardRelation shard_quick_relation_read(ShardSession *session, const PgResult *result, size_t row);
/* Refuses relations that may not be trusted; fills the session's error. */
ErrCode shard_look_check_ledger(ShardSession *session, const ShardLook *look);
ErrCode shard_look_check_relation(ShardSession *session, const ShardRelation *relation);
