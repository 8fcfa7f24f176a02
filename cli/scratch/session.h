/*
 * A plain connection whose queries wait for their answer; for what is no step on a shard.
 */
#pragma once

#include "pg.h"
#include "split.h"
#include "wait.h"

typedef struct Session Session;

/* Given the answers of a batch that succeeded; they live until it returns. */
typedef void SessionRead(const PgReply *reply, void *data);

/* `database` overrides the keywords' dbname; NULL leaves it. Returns owned. */
ErrCode session_open(Wait *wait, const PgKeyword *conninfo, size_t count, const char *database,
                     Session **ret_session, Error *err) MUST_CHECK;
void session_close(Session *session); /* NULL-safe */

/* One statement that may need to be outside of a transaction. */
ErrCode session_run(Session *session, const char *sql, Error *err) MUST_CHECK;
/* Several in one transaction. `read` may be NULL. */
ErrCode session_batch(Session *session, const PgBatch *batch, SessionRead *read, void *data,
                      Error *err) MUST_CHECK;
/* Where the last batch failed: which of its statements, and where in it (see PgReply). */
typedef struct SessionFailure {
    size_t statement;
    int position;
    uint32_t copy_line;
} SessionFailure;
SessionFailure session_failure(const Session *session);
/* Of the server's messages while something runs. */
void session_on_notice(Session *session, PgNoticeCb *cb, void *data);
/* An author's statement, whose error has its file, line and column. */
ErrCode session_statement(Session *session, const char *file, const Statement *statement,
                          Error *err) MUST_CHECK;
