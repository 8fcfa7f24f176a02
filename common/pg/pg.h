/*
 * One PostgreSQL connection on a libuv loop.
 *
 * A connection is made, then carries one batch at a time: statements pipelined in one round trip
 * (more, where one of them is a COPY with its rows), or one simple query. Every operation has a
 * callback that runs exactly once, never inside the call that started it, unless the connection is
 * closed first (then never). A lost connection is said apart from a refused statement, since only
 * the caller knows what was in flight. Nothing is printed; server notices go to the notice callback
 * or nowhere. `application_name` is pgtide unless it is given, and the client encoding UTF-8 on
 * every connection.
 */
#pragma once

#include "str.h"

#include <stddef.h>
#include <uv.h>

typedef struct PgConn PgConn;

/* Nothing is asked of a server older than this, as PQserverVersion() has it. */
enum { PG_SERVER_VERSION_MIN = 130000 };

/* A libpq connection keyword ("host", "port", "user", "dbname", ...) and its value. */
typedef struct PgKeyword {
    const char *name;
    const char *value;
} PgKeyword;

/* Where passwords come from that change. `number` (from 1) names one for a later question; texts
 * live until the callback returns. */
typedef void PgPasswordCb(const char *password, uint64_t number, const Error *err, void *data);
typedef struct PgPasswords PgPasswords;
struct PgPasswords {
    /* Answers once, now or later, unless it is cancelled. `refused` names one that a server has not
     * taken: another is wanted; 0 = none. */
    void (*ask)(PgPasswords *passwords, uv_loop_t *loop, uint64_t refused, PgPasswordCb *cb,
                void *data);
    void (*cancel)(PgPasswords *passwords, void *data); /* what was asked with this `data` */
    const char *(*known)(const PgPasswords *passwords); /* the last it gave; NULL = none yet */
};

/* One statement of a batch. Parameters are text; NULL is SQL NULL. */
typedef struct PgStatement {
    const char *sql;
    const char *const *params;
    int param_count;
    const char *copy_data; /* rows for COPY ... FROM STDIN; NULL = no such statement */
    size_t copy_length;
    bool prepared; /* by pg_batch_add_prepared() */
    bool foreign;  /* by pg_batch_add_foreign() */
} PgStatement;

/* Statements to be sent together; arena, texts and rows are borrowed until the callback has run. */
typedef struct PgBatch {
    Arena *arena; /* borrows */
    PgStatement *items;
    size_t count;
    size_t capacity;
    bool never_cancel; /* at the deadline the connection is dropped at once: for COMMIT, where a
                          cancel would only stop the wait for its replication */
} PgBatch;

/* The answer to one statement; valid while the batch's callback runs. */
typedef struct PgResult {
    void *handle; /* a PGresult */
} PgResult;

/* What became of a batch; everything in it is valid while its callback runs. */
typedef struct PgReply {
    const Error *error;      /* NULL: every statement succeeded */
    const PgResult *results; /* of the statements that succeeded, in order */
    size_t count;
    size_t failed;      /* with a server error: index of the statement that failed */
    int position;       /* where in it: characters from 1; 0 when the server does not say */
    uint32_t copy_line; /* or in which line of a COPY's rows, from 1; 0 likewise */
    bool lost;       /* the connection is gone; what was in flight may or may not have happened */
    bool timed_out;  /* the deadline passed; error is what the cancelled statement said */
    bool unprepared; /* what failed is one of pg_batch_add_prepared()'s: somebody has deallocated
                        what the server knew. All of them are forgotten: the same batch would run */
} PgReply;

typedef void PgConnectCb(PgConn *conn, const Error *err, void *data); /* err NULL: connected */
typedef void PgBatchCb(PgConn *conn, const PgReply *reply, void *data);
typedef void PgNoticeCb(const char *severity, const char *message, void *data);

PgConn *pg_conn_new(uv_loop_t *loop); /* returns owned; pg_close() frees it */
/* Rolls back what is open by dropping the connection; no callback runs any more. NULL-safe. The
 * memory goes when the loop has closed its handles, so the loop must run once more. */
void pg_close(PgConn *conn);
/* While a batch runs. The callback may neither send nor close. */
void pg_on_notice(PgConn *conn, PgNoticeCb *cb, void *data);

/* Before pg_connect(), which then asks for the password, and once more when the server refuses it
 * (28P01, 28000). Borrows; NULL changes nothing. */
void pg_use_passwords(PgConn *conn, PgPasswords *passwords);

/* Connects. Texts are copied. `timeout_ms` covers name resolution and authentication, not the wait
 * for a password that is asked for. A server older than PG_SERVER_VERSION_MIN is left again
 * (ERR_SERVER_VERSION). Anything but a unix socket without a password connects in the
 * thread pool: names resolve blocking and SCRAM costs 3 ms of CPU. */
void pg_connect(PgConn *conn, const PgKeyword *keywords, size_t count, uint32_t timeout_ms,
                PgConnectCb *cb, void *data);

PgBatch pg_batch(Arena *arena);
void pg_batch_add(PgBatch *batch, const char *sql); /* without parameters */
void pg_batch_add_params(PgBatch *batch, const char *sql, int param_count,
                         const char *const *params); /* the array is copied, texts borrowed */
/* The same for a text that comes again and again: the server parses it once a connection, and plans
 * it a few times. It is found by its text, so it must be ours and say little that varies. */
void pg_batch_add_prepared(PgBatch *batch, const char *sql, int param_count,
                           const char *const *params);
/* A text that is not ours, which may answer with any number of rows: the first two are kept, so
 * that one can be told from more. */
void pg_batch_add_foreign(PgBatch *batch, const char *sql);
void pg_batch_add_copy(PgBatch *batch, const char *sql, const char *data, size_t length);

/* Sends a batch through the extended protocol, each statement with its own Parse, and one Sync at
 * the end: after an error the rest is skipped. A COPY with rows can't be pipelined: what is before
 * it, itself, and what is behind it are sent one after the other. Outside an explicit transaction a
 * batch without such a COPY is one transaction. `deadline_ms` 0 = none; after it the statement is
 * cancelled, and when that does not help either, the connection is dropped (`lost`). */
void pg_send(PgConn *conn, const PgBatch *batch, uint32_t deadline_ms, PgBatchCb *cb, void *data);
/* One simple query, which may hold several statements; the reply has a result for each. COPY from
 * or to the client is refused. */
void pg_send_simple(PgConn *conn, const char *sql, uint32_t deadline_ms, PgBatchCb *cb, void *data);
/* Statements may have been deallocated: they are prepared anew, under other names. */
void pg_forget_prepared(PgConn *conn);
/* Asks the server to cancel what runs (in the thread pool). The batch's callback still runs. */
void pg_cancel(PgConn *conn);

bool pg_is_connected(const PgConn *conn);
int pg_backend_pid(const PgConn *conn);
int pg_server_version(const PgConn *conn); /* as 150020 */
bool pg_is_remote(const PgConn *conn);     /* not a unix socket */
/* In a transaction block (failed ones too). */
bool pg_in_transaction(const PgConn *conn);

/* An identifier quoted by libpq, which knows the connection's encoding. */
/* NULL when the name is not valid UTF-8 or the connection is gone. */
const char *pg_identifier(const PgConn *conn, Arena *arena, const char *name);
/* A literal likewise, with its quotes. */
const char *pg_literal(const PgConn *conn, Arena *arena, const char *text);
/* Reads a url or keyword string into keywords (in `arena`); environment and defaults are left to
 * libpq. The text may hold a password: it is in no error message. */
ErrCode pg_parse_conninfo(Arena *arena, const char *text, const PgKeyword **ret_keywords,
                          size_t *ret_count, Error *err) MUST_CHECK;

size_t pg_rows(const PgResult *result);
size_t pg_columns(const PgResult *result);
const char *pg_column_name(const PgResult *result, int column);      /* '' when there is none */
const char *pg_text(const PgResult *result, size_t row, int column); /* '' for NULL */
bool pg_is_null(const PgResult *result, size_t row, int column);
bool pg_bool(const PgResult *result, size_t row, int column);
uint64_t pg_u64(const PgResult *result, size_t row, int column); /* 0 when not a number */
int64_t pg_i64(const PgResult *result, size_t row, int column);
/* One row of one boolean column, which is false. */
bool pg_is_false(const PgResult *result);
const char *pg_tag(const PgResult *result); /* "COMMIT", "UPDATE 1" */
size_t pg_affected(const PgResult *result);
/* A text[] or name[] value as a list; false when it is not one-dimensional without NULLs. */
bool pg_array_parse(Arena *arena, const char *text, StrList *out);
const char *pg_array_format(Arena *arena, const StrList *list); /* {"a","b"} */
