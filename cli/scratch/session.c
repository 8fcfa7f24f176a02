#include "session.h"

#include <stdlib.h>

struct Session {
    Wait *wait;
    PgConn *conn;
    SessionRead *read;
    void *data;
    SessionFailure failure; /* of the last batch */
};

static void on_connected(PgConn *conn, const Error *err, void *data)
{
    (void)conn;
    Session *session = data;
    wait_settle(session->wait, err);
}

static void on_reply(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    Session *session = data;
    session->failure = (SessionFailure){reply->failed, reply->position, reply->copy_line};
    if (reply->error == NULL && session->read != NULL)
        session->read(reply, session->data);
    wait_settle(session->wait, reply->error);
}

static void cancel(void *data)
{
    Session *session = data;
    if (pg_is_connected(session->conn))
        pg_cancel(session->conn);
}

ErrCode session_open(Wait *wait, const PgKeyword *conninfo, size_t count, const char *database,
                     Session **ret_session, Error *err)
{
    ErrCode code = wait_check(wait, err);
    if (code != ERR_OK)
        return code;
    AUTO_ARENA Arena *arena = arena_new();
    PgKeyword *keywords = ARENA_ARRAY(arena, PgKeyword, count + 1);
    for (size_t i = 0; i < count; i++)
        keywords[i] = conninfo[i];
    if (database != NULL)
        keywords[count++] = (PgKeyword){"dbname", database};
    Session *session = xcalloc(1, sizeof *session);
    session->wait = wait;
    session->conn = pg_conn_new(&wait->loop);
    wait_begin(wait, NULL, NULL);
    pg_connect(session->conn, keywords, count, 0, on_connected, session);
    code = wait_end(wait, err);
    if (code != ERR_OK) {
        session_close(session);
        return code;
    }
    *ret_session = session;
    return ERR_OK;
}

void session_close(Session *session)
{
    if (session == NULL)
        return;
    pg_close(session->conn);
    wait_drain(session->wait);
    free(session);
}

/* What was cancelled by a signal is interrupted, whatever the server calls it. */
static ErrCode finish(Session *session, Error *err)
{
    ErrCode code = wait_end(session->wait, err);
    return code != ERR_OK && session->wait->received > 0 && !session->wait->shielded
               ? wait_check(session->wait, err)
               : code;
}

ErrCode session_run(Session *session, const char *sql, Error *err)
{
    ErrCode code = wait_check(session->wait, err);
    if (code != ERR_OK)
        return code;
    session->read = NULL;
    wait_begin(session->wait, cancel, session);
    pg_send_simple(session->conn, sql, 0, on_reply, session);
    return finish(session, err);
}

ErrCode session_batch(Session *session, const PgBatch *batch, SessionRead *read, void *data,
                      Error *err)
{
    ErrCode code = wait_check(session->wait, err);
    if (code != ERR_OK)
        return code;
    session->read = read;
    session->data = data;
    wait_begin(session->wait, cancel, session);
    pg_send(session->conn, batch, 0, on_reply, session);
    return finish(session, err);
}

SessionFailure session_failure(const Session *session)
{
    return session->failure;
}

void session_on_notice(Session *session, PgNoticeCb *cb, void *data)
{
    pg_on_notice(session->conn, cb, data);
}

ErrCode session_statement(Session *session, const char *file, const Statement *statement,
                          Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    PgBatch batch = pg_batch(arena);
    pg_batch_add_foreign(&batch, statement->text);
    session->failure = (SessionFailure){0};
    ErrCode code = session_batch(session, &batch, NULL, NULL, err);
    if (code != ERR_OK && code != ERR_INTERRUPTED)
        statement_place_error(err, file, statement, session->failure.position);
    return code;
}
