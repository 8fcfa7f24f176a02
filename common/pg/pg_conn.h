/*
 * The inside of a PgConn, shared by pg_connect.c (making the connection) and pg.c (batches).
 * Internal to common/pg.
 */
#pragma once

#include "pg.h"

#include <libpq-fe.h>

typedef enum PgState {
    PG_STATE_NEW,
    PG_STATE_CONNECTING,
    PG_STATE_IDLE,
    PG_STATE_BUSY,
    PG_STATE_LOST, /* no connection, or none any more */
} PgState;

typedef struct ConnectJob ConnectJob;
typedef struct PgLogin PgLogin;

/* A statement that the server knows by a name, or will. */
typedef struct PgPrepared {
    char *sql;
    size_t number; /* in its name */
    bool sent;     /* with its Parse in the batch in hand, unless `ready` */
    bool ready;    /* the server has said so */
} PgPrepared;

/* A Parse by itself, sent before the statement with this index. */
typedef struct PgParse {
    size_t before;
    PgPrepared *prepared;
} PgParse;

enum {
    PG_PREPARED_MAX = 64, /* what comes after them is sent as it is */
    PG_FOREIGN_ROWS = 2,  /* kept of a foreign statement */
};

struct PgConn {
    uv_loop_t *loop;
    PGconn *pg; /* NULL before and after */
    PgState state;
    bool closing;
    int pending; /* open handles and jobs in the thread pool: freed when closing and 0 */

    uv_poll_t *poll; /* NULL while there is no socket; its own allocation, sockets change */
    int poll_fd;
    uv_timer_t timer; /* deadline of what runs */
    uv_timer_t defer; /* runs callbacks outside the call that caused them */

    PgConnectCb *connect_cb;
    PgBatchCb *batch_cb;
    void *data;
    PgNoticeCb *notice_cb;
    void *notice_data;
    ConnectJob *job;        /* the connect under way in the thread pool */
    PgPasswords *passwords; /* NULL: the keywords have it, or libpq finds it */
    PgLogin *login;         /* NULL unless connecting with them */

    /* The batch in hand. */
    const PgStatement *items; /* borrowed; NULL for a simple query */
    size_t item_count;
    bool simple; /* not in pipeline mode: a simple query or a COPY with its rows */
    bool never_cancel;
    size_t expected; /* statements sent */
    size_t answered; /* statements whose answer is complete */
    bool copying;    /* the server takes rows */
    size_t copied;   /* bytes of them that are sent */
    PGresult **results;
    size_t result_count;
    size_t result_capacity;
    PGresult *rows[PG_FOREIGN_ROWS]; /* of the foreign statement that is being answered */
    size_t row_count;
    PGresult *failure; /* the server's error, kept for its texts */
    size_t failed;
    Error error;
    bool has_error;
    bool lost;
    bool timed_out;
    PgPrepared prepared[PG_PREPARED_MAX];
    size_t prepared_count;
    size_t prepared_names;           /* given so far: none is used twice */
    PgParse parses[PG_PREPARED_MAX]; /* in the batch in hand, in order */
    size_t parse_count;
    size_t parsed;   /* how many of them are answered */
    bool unprepared; /* see PgReply */
    int cancel_jobs; /* the reply waits for them, so that a late cancel can't hit the next batch */
    bool finished;
};

/* Replaces the poll handle when libpq's socket changed, and waits for `events`. */
void pg_poll_start(PgConn *conn, int events, uv_poll_cb cb);
void pg_poll_stop(PgConn *conn);
void pg_release(PgConn *conn); /* one handle or job less */
void pg_notice(void *conn, const PGresult *result);
void pg_connect_start(PgConn *conn, const PgKeyword *keywords, size_t count, uint32_t timeout_ms);
/* The connection is up or refused: `conn->pg` is set. */
void pg_connect_settle(PgConn *conn);
void pg_connect_abandon(PgConn *conn); /* the job in the thread pool goes on without us */
void pg_connect_timeout(uv_timer_t *timer);

/* pg_login.c: a connection whose password is asked for. */
void pg_login_start(PgConn *conn, const PgKeyword *keywords, size_t count, uint32_t timeout_ms);
/* The server's refusal may be a password's that has changed: true when another one is asked for,
 * and the connection will be tried again. */
bool pg_login_again(PgConn *conn, Error *err);
void pg_login_end(PgConn *conn); /* it is over, however */

/* pg_prepared.c */
/* Sends a statement by its name, with its Parse in front of it where the server does not know it
 * yet; false also when there is no room for one more name (*ret_full). */
bool pg_prepared_send(PgConn *conn, const PgStatement *statement, size_t index, bool *ret_full);
/* The next answer is to a Parse by itself. */
bool pg_prepared_is_due(const PgConn *conn);
void pg_prepared_answered(PgConn *conn, bool ready);
/* A batch begins, or is over. */
void pg_prepared_settle(PgConn *conn);
