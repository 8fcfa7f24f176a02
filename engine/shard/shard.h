/*
 * One shard: claim it, run steps on it, read it. The exactly-once contract of DESIGN.md section 6
 * lives here and nowhere else; the agent and the command line both go through these functions.
 *
 * Everything is asynchronous on a libuv loop. One operation at a time per session; its callback
 * runs exactly once, never inside the call that started it. Results and errors handed to a
 * callback, and all they point to, live until the next operation on the session or its close. A
 * callback may start the next operation or close the session. `err` is NULL on success.
 *
 * When shard_is_alive() is false after an error (`needs_claim` of a step), close the session, open
 * another and claim: that is always the way to learn what an unknown outcome was.
 */
#pragma once

#include "activity.h"
#include "backfill.h"
#include "facts.h"
#include "ids.h"
#include "pg.h"
#include "states.h"
#include "str.h"

typedef struct Script Script;
typedef struct StatementList StatementList;
typedef struct ShardSession ShardSession;
typedef struct ServerPaces ServerPaces; /* server_pace.h */

/* Which shard, and what it is expected to be. Copied by shard_open(). */
typedef struct ShardTarget {
    const PgKeyword *conninfo; /* libpq keywords; libpq's environment fills what is missing */
    size_t conninfo_count;
    PgPasswords *passwords;       /* borrowed by the session; NULL = the keywords' */
    const char *database;         /* overrides a dbname keyword; NULL leaves it */
    const char *schema;           /* '' or NULL = the whole database */
    StrList shared_schemas;       /* after the tenant's schema in the search path of steps */
    uint64_t system_identifier;   /* 0 = not pinned */
    uint32_t database_oid;        /* 0 = not pinned */
    Uuid fleet_id;                /* nil = unmanaged, the command line */
    Uuid shard_uuid;              /* written at adoption; nil = none */
    uint32_t connect_timeout_ms;  /* 0 = 10 s */
    const char *application_name; /* names the holder of the run lock to others; NULL = pgtide */
} ShardTarget;

/* A backend that may outlive its client, for the agent's ledger: its pid, and a moment of the
 * server's clock at which it had that pid, which tell it from a later one. */
typedef struct BackendId {
    int pid;
    char start[40]; /* seconds since 1970, as text; '' before the first claim or read */
} BackendId;

typedef struct HistoryEntry {
    int64_t seq;
    bool has_operation;
    OperationId operation;
    const char *rollout; /* '' = none */
    uint32_t generation;
    uint32_t attempt;
    const char *revision;
    const char *direction; /* upgrade|downgrade|stamp|restore|external|adopt */
    StrList rows_before;
    StrList rows_after;
    const char *who;
    const char *outcome; /* succeeded|failed|unknown */
    const char *sqlstate;
    const char *message;
    uint64_t started_unix_ms;
    uint64_t finished_unix_ms;
    const char *facts; /* JSON, as shard_facts.h writes it; '' = none, or not asked for */
} HistoryEntry;

/* A unit of a step outside a transaction that is not recorded yet (pgtide.progress). */
typedef struct UnitRecord {
    const char *revision;
    const char *direction;
    const char *what;
    uint32_t unit;
    const char *kind;
    uint64_t started_unix_ms;
    uint64_t finished_unix_ms; /* 0 = it was begun */
    uint64_t rows;             /* of a backfill, so far */
    uint64_t rows_total;       /* about; 0 = not known */
    bool at_work;              /* its backend is there */
} UnitRecord;

/* --- claim ------------------------------------------------------------------------------------ */

/* `fleet adopt`: a person has said what this database is. In the claim's transaction the row that
 * was seen becomes that of the target's shard_uuid, here; a history row `adopt` says so. Done
 * again under the same operation it changes nothing. */
typedef struct ShardAdoption {
    OperationId operation;
    Uuid row_uuid;             /* of the row that was seen; nil = there was none, or without uuid */
    Uuid row_fleet;            /* a row of this other fleet's is taken over; nil = only ours */
    uint32_t schema_oid;       /* that was seen */
    const char *former_schema; /* the row is under this name: the schema was renamed; '' = no */
    const char *message;
} ShardAdoption;

typedef struct ClaimArgs {
    uint64_t epoch;      /* the coordinator's; 0 for the command line, which keeps the row's */
    const char *rollout; /* uuid text; NULL or '' = none */
    const char *source_rollout;    /* whose steps `rollout` takes back: its history comes first */
    const char *who;               /* user@host, or the agent's name */
    bool adopt;                    /* create what is missing, take over an unmanaged shard */
    bool accept_identity;          /* a clone or restore becomes the shard */
    const ShardAdoption *adoption; /* NULL = none; borrowed until the callback */
    const char *unmanaged_reason;  /* the command line on a fleet's shard; NULL = refuse */
    BackendId orphan;              /* pid 0 = none; terminated before the row is locked */
    uint32_t lock_timeout_ms;      /* 0 = 500 */
    uint32_t deadline_ms;          /* for the whole claim; 0 = 60 s */
    uint32_t run_lock_wait_ms; /* how long to poll for the run lock, which the session then holds */
    uint32_t id_width;         /* of the longest revision id to come: a narrower version_num is
                                  widened; 0 = leave it */
    bool rehearse; /* commits nothing: the transaction, with what was made in it, stays open for
                      shard_steps() with `rehearse`, which rolls it back */
} ClaimArgs;

typedef struct ClaimResult {
    uint64_t fence; /* ours now: pass it to every step */
    uint64_t epoch; /* the row's now: likewise */
    Uuid fleet_id;  /* the row's now: likewise */
    Uuid shard_uuid;
    StrList rows; /* version rows, sorted bytewise */
    bool adopted_now;
    bool moved_outside; /* rows differ from the last history row's: recorded as external */
    uint32_t version_column_width; /* 0 = unlimited (text) */
    uint32_t widened_from;         /* version_num was this wide before this claim; 0 = as it was */
    const HistoryEntry *history;   /* of this rollout (or the last ones without), oldest first */
    size_t history_count;
    uint64_t system_identifier;
    uint32_t database_oid;
    uint32_t schema_oid; /* 0 for a whole database */
    uint32_t timeline;
    uint32_t server_version;
    const char *version_schema; /* where alembic_version is */
} ClaimResult;

/* A NOTICE or WARNING of the server's while something runs; may neither start nor close anything.
 */
typedef void ShardNoticeCb(ShardSession *session, const char *severity, const char *message,
                           void *data);
typedef void ShardOpenCb(ShardSession *session, const Error *err, void *data);
typedef void ShardClaimCb(ShardSession *session, const ClaimResult *result, const Error *err,
                          void *data);

/* Connects. The session is returned at once, owned by the caller, for shard_close(). */
ShardSession *shard_open(uv_loop_t *loop, const ShardTarget *target, ShardOpenCb *cb, void *data);
/* Drops the connection (an open transaction rolls back); no callback runs any more. The loop must
 * run once more to free it. NULL-safe. */
void shard_close(ShardSession *session);
void shard_on_notice(ShardSession *session, ShardNoticeCb *cb, void *data); /* NULL = nowhere */
bool shard_is_alive(const ShardSession *session);                           /* still connected */
/* Known after shard_open; `start` after the first claim or read. */
BackendId shard_backend(const ShardSession *session);
/* Cancels the running operation, which then ends with ERR_INTERRUPTED. A COMMIT in flight is
 * waited for instead: it can't be taken back. */
void shard_cancel(ShardSession *session);
/* Ends a running backfill between two batches, with ERR_INTERRUPTED and its position kept; one that
 * the running step comes to later ends before it begins. False when none is running now. */
bool shard_stop_soon(ShardSession *session);
/* Whether the running operation, or the last one, has sent a COMMIT: who drops the connection now
 * does not know what became of it. Otherwise the server rolls back what is open. */
bool shard_has_sent_commit(const ShardSession *session);

/* Locks the shard's row, raises its fence and reads where it stands. Errors: CLONE, STALE,
 * FLEET_MANAGED, REFUSED, UNTRUSTED_LEDGER, POOLED_CONNECTION, LOCK_TIMEOUT, STATE (standby; not
 * adopted and !adopt), CONNECT, SQL, INTERRUPTED, TIMEOUT. A claim that failed changed nothing
 * that a later claim does not see. */
void shard_claim(ShardSession *session, const ClaimArgs *args, ShardClaimCb *cb, void *data);

/* --- step ------------------------------------------------------------------------------------- */

/* Where a step with `transaction: none` stands. */
typedef struct UnitProgress {
    uint32_t unit; /* from 1 */
    uint32_t count;
    const char *what; /* "CREATE INDEX CONCURRENTLY messages_channel" */
    /* started, done, rebuilt; already-done: the catalog or the progress rows show its effect, and
     * it is not run again. */
    const char *state;
    /* Of a backfill, from its beginning on: rows that it has passed (or changed, where it has no
     * key) and batches. */
    bool is_backfill;
    uint64_t rows;
    uint64_t batches;
} UnitProgress;
/* Must not close the session. */
typedef void ShardActivityCb(ShardSession *session, const Activity *activity, void *data);
/* Must not close the session. */
typedef void ShardUnitCb(ShardSession *session, const UnitProgress *progress, void *data);

typedef struct StepArgs StepArgs;
struct StepArgs {
    OperationId operation;
    const char *rollout; /* uuid text; NULL or '' = none */
    uint32_t generation;
    uint32_t attempt;
    const char *revision;
    Direction direction;
    const Script *script; /* borrows until the callback */
    StrList rows_before;  /* sorted */
    StrList rows_after;   /* sorted */
    uint64_t fence;       /* from the claim */
    uint64_t epoch;       /* from the claim */
    Uuid fleet_id;        /* from the claim */
    const char *who;
    uint32_t lock_timeout_ms;      /* 0 = 500; the revision's header wins */
    uint32_t statement_timeout_ms; /* 0 = none; the revision's header wins */
    uint32_t lock_budget_ms;       /* how long others may wait behind it; 0 = 1 s; or
                                      LOCK_BUDGET_NONE; the revision's header wins */
    uint32_t deadline_ms;          /* for the whole step; 0 = none */
    bool run_verify;               /* the +verify section, upgrades only */
    const char *message;           /* kept with the history row; NULL = none */
    ShardUnitCb *unit_cb;          /* told of each unit of `transaction: none`; NULL = nobody */
    void *unit_data;
    ShardActivityCb *activity_cb; /* told about once a second while a step is long; NULL = nobody */
    void *activity_data;
    const BackfillPolicy *backfill; /* NULL = the defaults; borrows until the callback */
    ServerPaces *paces; /* shared by all sessions: servers' limits and turns count; NULL = not */
    /* The step that follows at once if this one succeeds: its transaction is opened in the round
     * trip that reads after COMMIT, and shard_step() of that operation goes on in it. Anything else
     * that is started on the session instead rolls it back. NULL = none is known; of several in one
     * transaction it is not looked at. Borrowed during the call. */
    const StepArgs *then;
};

typedef struct StepResult {
    bool already_done;     /* this operation had succeeded before; nothing ran now */
    StrList not_needed;    /* steps that were recorded and not run: their `when-fingerprint` is not
                              what the schema was before them */
    bool not_committed;    /* COMMIT was never sent: with an error, and at a rehearsal's end */
    bool needs_claim;      /* with an error: the session is dead, claim anew to know */
    bool failure_recorded; /* with an error: a failed row is in the history */
    StrList rows;          /* as read from the shard last; without error, rows_after */
    uint64_t duration_ms;
    FactList facts; /* of the author's statements, when one was slow or has failed; else empty */
} StepResult;

/* `result` is never NULL. Errors: LOCK_TIMEOUT or BUSY (deadlock, serialization: nothing changed,
 * try again), LOCK_BUDGET (others waited behind it for too long: it was cancelled), SQL and VERIFY
 * (rolled back and recorded; with the line in the file), FENCED, OVERTAKEN (rows are not
 * rows_before), CONNECT (lost before COMMIT was sent), UNKNOWN (lost around COMMIT), DIVERGED
 * (committed, but rows or history are not what they must be), SCRIPT (refused before the start),
 * UNTRUSTED_LEDGER, INTERRUPTED, TIMEOUT. */
typedef void ShardStepCb(ShardSession *session, const StepResult *result, const Error *err,
                         void *data);
void shard_step(ShardSession *session, const StepArgs *args, ShardStepCb *cb, void *data);

/* Several steps in one transaction: all of them or none. With `rehearse` it is rolled back where
 * COMMIT would be sent, and nothing is recorded; without error it would have been committed, and
 * `rows` are those that it still has. */
typedef struct StepsArgs {
    const StepArgs *items; /* each continues where the one before ends; all transactional. Fence,
                              epoch and fleet are the first one's; deadlines add up */
    size_t count;
    bool rehearse;
} StepsArgs;

/* `done`: how many steps had run without error when it ended. Errors as of a step. */
typedef void ShardStepsCb(ShardSession *session, const StepResult *result, size_t done,
                          const Error *err, void *data);
void shard_steps(ShardSession *session, const StepsArgs *args, ShardStepsCb *cb, void *data);

/* Statements that are no step: hooks, safe statements. One transaction, the author's search path;
 * needs no claim and touches nothing of pgtide's. */
typedef struct ShardSqlArgs {
    const StatementList *statements; /* borrows until the callback */
    const char *file;                /* for errors */
    uint32_t lock_timeout_ms;        /* 0 = 500 */
    uint32_t statement_timeout_ms;   /* 0 = none */
    uint32_t deadline_ms;            /* 0 = none */
    bool read_only;
    bool all_rows; /* the last statement's rows are all wanted; else the first two at most */
} ShardSqlArgs;

/* What the last statement answered; valid while the callback runs. */
typedef struct ShardSqlResult {
    size_t row_count;
    size_t column_count;
    const char *const *values; /* row by row; NULL is SQL NULL */
} ShardSqlResult;
typedef void ShardSqlCb(ShardSession *session, const ShardSqlResult *result, const Error *err,
                        void *data);
void shard_run_sql(ShardSession *session, const ShardSqlArgs *args, ShardSqlCb *cb, void *data);

/* What shard_step() would refuse of this script before anything is sent: for checking a whole run
 * before its first step. */
ErrCode shard_step_check(const Script *script, Direction direction, bool run_verify,
                         Error *err) MUST_CHECK;

typedef struct StampArgs {
    OperationId operation; /* all zero: the history row has none */
    const char *rollout;
    StrList rows_before;
    StrList rows_after;
    uint64_t fence;
    uint64_t epoch;
    Uuid fleet_id;
    const char *who;
    const char *message; /* NULL = none */
    uint32_t lock_timeout_ms;
} StampArgs;

/* Sets the version rows without running anything; recorded with direction stamp. */
void shard_stamp(ShardSession *session, const StampArgs *args, ShardStepCb *cb, void *data);

/* --- read ------------------------------------------------------------------------------------- */

/* What a shard says of itself. Nothing here was written by reading it. */
typedef struct ShardReading {
    const char *schema;     /* '' = the whole database */
    StrList rows;           /* sorted; empty also when there is no version table */
    bool rows_unread;       /* there is one, but not one that this role may read or should */
    bool adopted;           /* has a row in pgtide.shard */
    bool trusted;           /* the ledger's relations are ones we may write; see message */
    const char *message;    /* why not */
    bool identity_mismatch; /* the row names another server, database or schema */
    Uuid shard_uuid;
    Uuid fleet_id;
    uint64_t fence;
    uint64_t epoch;
    uint32_t schema_oid;
    /* As the row says; 0 without one. */
    uint64_t row_system_identifier;
    uint32_t row_database_oid;
    uint32_t row_schema_oid;
    bool origin_present; /* the database and schema that the row names are on this very server */
} ShardReading;

/* The last upgrade of a revision or repeatable that succeeded, by the history. */
typedef struct AppliedRevision {
    const char *revision; /* "R:NAME" for a repeatable */
    const char *token_digest;
    uint64_t finished_unix_ms;
} AppliedRevision;

typedef struct DatabaseReading {
    uint64_t system_identifier;
    uint32_t database_oid;
    const char *database;
    uint64_t size_bytes; /* 0 unless asked for */
    uint32_t server_version;
    uint32_t timeline; /* 0 on a standby */
    bool in_recovery;
    bool pooled; /* through a pooler: reads only */
    ShardReading *shards;
    size_t shard_count;
    const HistoryEntry *history; /* of the session's own shard, oldest first */
    size_t history_count;
    const UnitRecord *units; /* with `with_record` */
    size_t unit_count;
    const AppliedRevision *applied; /* with `with_applied`; sorted bytewise by revision */
    size_t applied_count;
} DatabaseReading;

typedef struct ReadArgs {
    const char *schema_like; /* LIKE pattern of further schemas that are shards; NULL = only the
                                session's own */
    bool with_size;
    uint32_t history_limit; /* newest rows of the session's own shard */
    bool with_applied;
    bool with_record;     /* facts with the history, and units under way */
    uint32_t deadline_ms; /* 0 = 30 s */
} ReadArgs;

typedef void ShardReadCb(ShardSession *session, const DatabaseReading *reading, const Error *err,
                         void *data);
/* Reads without writing, also on a standby and through a pooler. shards[0] is the session's own
 * shard; with `schema_like` the matching schemas follow, sorted by name. */
void shard_read(ShardSession *session, const ReadArgs *args, ShardReadCb *cb, void *data);
