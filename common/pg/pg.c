/*
 * A connection's life and its batches. A batch is sent in segments: a COPY with its rows by itself,
 * out of pipeline mode, and what is between two of them as one pipeline. Results are collected
 * until a segment's end (Sync in a pipeline, else the last NULL), and the next one is sent; after
 * the last one, or an error, all of them are handed over at once. Whatever ends a batch goes
 * through finish(), which waits for cancel requests under way: one that arrives late would hit the
 * next batch.
 */
#include "pg.h"

#include "pg_conn.h"
#include "pg_error.h"

#include <stdlib.h>
#include <string.h>

enum { CANCEL_GRACE_MS = 5000, CANCEL_AGAIN_MS = 500, COPY_CHUNK_BYTES = 64 * 1024 };

typedef struct CancelJob {
    uv_work_t work;
    PgConn *conn;
    PGcancel *cancel;
} CancelJob;

/* --- handles ---------------------------------------------------------------------------------- */

PgConn *pg_conn_new(uv_loop_t *loop)
{
    PgConn *conn = xcalloc(1, sizeof *conn);
    conn->loop = loop;
    conn->poll_fd = -1;
    uv_timer_init(loop, &conn->timer);
    uv_timer_init(loop, &conn->defer);
    conn->timer.data = conn;
    conn->defer.data = conn;
    conn->pending = 2;
    return conn;
}

void pg_release(PgConn *conn)
{
    conn->pending--;
    if (!conn->closing || conn->pending > 0)
        return;
    pg_forget_prepared(conn);
    free(conn);
}

static void on_timer_closed(uv_handle_t *handle)
{
    pg_release(handle->data);
}

static void on_poll_closed(uv_handle_t *handle)
{
    PgConn *conn = handle->data;
    free(handle);
    pg_release(conn);
}

void pg_poll_stop(PgConn *conn)
{
    if (conn->poll != NULL)
        uv_poll_stop(conn->poll);
}

static void poll_close(PgConn *conn)
{
    if (conn->poll == NULL)
        return;
    uv_poll_stop(conn->poll);
    uv_close((uv_handle_t *)conn->poll, on_poll_closed);
    conn->poll = NULL;
    conn->poll_fd = -1;
}

void pg_poll_start(PgConn *conn, int events, uv_poll_cb cb)
{
    int fd = PQsocket(conn->pg);
    if (fd != conn->poll_fd) {
        poll_close(conn);
        conn->poll = xcalloc(1, sizeof *conn->poll);
        conn->poll->data = conn;
        uv_poll_init(conn->loop, conn->poll, fd);
        conn->poll_fd = fd;
        conn->pending++;
    }
    uv_poll_start(conn->poll, events, cb);
}

static void clear_results(PGresult **results, size_t count, PGresult *failure)
{
    for (size_t i = 0; i < count; i++)
        PQclear(results[i]);
    free(results);
    PQclear(failure);
}

static void drop_rows(PgConn *conn)
{
    for (size_t i = 0; i < conn->row_count; i++)
        PQclear(conn->rows[i]);
    conn->row_count = 0;
}

static void drop_results(PgConn *conn)
{
    drop_rows(conn);
    clear_results(conn->results, conn->result_count, conn->failure);
    conn->results = NULL;
    conn->result_count = conn->result_capacity = 0;
    conn->failure = NULL;
}

static void drop_connection(PgConn *conn)
{
    poll_close(conn);
    PQfinish(conn->pg);
    conn->pg = NULL;
    conn->state = PG_STATE_LOST;
}

void pg_close(PgConn *conn)
{
    if (conn == NULL || conn->closing)
        return;
    conn->closing = true;
    pg_connect_abandon(conn);
    pg_login_end(conn);
    drop_connection(conn);
    drop_results(conn);
    uv_timer_stop(&conn->timer);
    uv_timer_stop(&conn->defer);
    uv_close((uv_handle_t *)&conn->timer, on_timer_closed);
    uv_close((uv_handle_t *)&conn->defer, on_timer_closed);
}

void pg_on_notice(PgConn *conn, PgNoticeCb *cb, void *data)
{
    conn->notice_cb = cb;
    conn->notice_data = data;
}

void pg_notice(void *arg, const PGresult *result)
{
    PgConn *conn = arg;
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    /* While connecting this may run in the thread pool, where nobody expects it. */
    if (conn->state == PG_STATE_BUSY && conn->notice_cb != NULL && message != NULL)
        conn->notice_cb(severity == NULL ? "NOTICE" : severity, message, conn->notice_data);
}

/* --- connecting ------------------------------------------------------------------------------- */

void pg_connect_settle(PgConn *conn)
{
    uv_timer_stop(&conn->timer);
    pg_poll_stop(conn);
    PgConnectCb *cb = conn->connect_cb;
    bool connected = PQstatus(conn->pg) == CONNECTION_OK;
    bool too_old = connected && PQserverVersion(conn->pg) < PG_SERVER_VERSION_MIN;
    if (connected && !too_old && PQsetnonblocking(conn->pg, 1) == 0 &&
        PQenterPipelineMode(conn->pg) == 1) {
        PQsetErrorVerbosity(conn->pg, PQERRORS_DEFAULT);
        conn->state = PG_STATE_IDLE;
        pg_login_end(conn);
        cb(conn, NULL, conn->data);
        return;
    }
    Error err;
    if (too_old)
        pg_error_version(conn->pg, &err);
    else
        pg_error_connect(conn->pg, &err);
    drop_connection(conn);
    if (pg_login_again(conn, &err))
        return;
    pg_login_end(conn);
    cb(conn, &err, conn->data);
}

void pg_connect_timeout(uv_timer_t *timer)
{
    PgConn *conn = timer->data;
    Error err;
    err_set(&err, ERR_CONNECT, "can't connect: no answer in time");
    if (conn->pg != NULL && PQhost(conn->pg) != NULL)
        err_detail(&err, "host %s, port %s", PQhost(conn->pg), PQport(conn->pg));
    pg_connect_abandon(conn);
    pg_login_end(conn);
    uv_timer_stop(&conn->defer);
    drop_connection(conn);
    conn->connect_cb(conn, &err, conn->data);
}

/* --- the end of a batch ----------------------------------------------------------------------- */

static bool set_pipeline(PgConn *conn, bool on)
{
    if (conn->simple == !on)
        return true;
    conn->simple = !on;
    return (on ? PQenterPipelineMode(conn->pg) : PQexitPipelineMode(conn->pg)) == 1;
}

static void deliver(PgConn *conn)
{
    PgResult *views = xcalloc(conn->result_count + 1, sizeof *views);
    for (size_t i = 0; i < conn->result_count; i++)
        views[i].handle = conn->results[i];
    Error error = conn->error;
    const char *position = PQresultErrorField(conn->failure, PG_DIAG_STATEMENT_POSITION);
    PgReply reply = {
        .error = conn->has_error ? &error : NULL,
        .results = views,
        .count = conn->result_count,
        .failed = conn->failed,
        .position = position == NULL ? 0 : atoi(position),
        .copy_line = pg_error_copy_line(conn->failure),
        .lost = conn->lost,
        .timed_out = conn->timed_out,
        .unprepared = conn->unprepared,
    };
    PGresult **results = conn->results;
    size_t count = conn->result_count;
    PGresult *failure = conn->failure;
    conn->results = NULL;
    conn->result_count = conn->result_capacity = 0;
    conn->failure = NULL;
    if (conn->state == PG_STATE_BUSY)
        conn->state = PG_STATE_IDLE;
    PgBatchCb *cb = conn->batch_cb;
    conn->batch_cb = NULL;
    cb(conn, &reply, conn->data); /* may send the next batch, or close */
    clear_results(results, count, failure);
    free(views);
}

static void finish(PgConn *conn)
{
    uv_timer_stop(&conn->timer);
    uv_timer_stop(&conn->defer);
    pg_poll_stop(conn);
    drop_rows(conn);
    conn->finished = true;
    pg_prepared_settle(conn);
    if (conn->unprepared)
        pg_forget_prepared(conn);
    if (conn->lost)
        drop_connection(conn);
    else if (!set_pipeline(conn, true))
        conn->lost = true;
    if (conn->cancel_jobs == 0)
        deliver(conn);
}

static void finish_lost(PgConn *conn)
{
    if (!conn->has_error)
        pg_error_lost(conn->pg, &conn->error);
    conn->has_error = true;
    conn->lost = true;
    finish(conn);
}

static void on_deferred(uv_timer_t *timer)
{
    finish_lost(timer->data);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void keep_result(PgConn *conn, PGresult *result)
{
    if (conn->result_count == conn->result_capacity) {
        conn->result_capacity = conn->result_capacity == 0 ? 16 : conn->result_capacity * 2;
        conn->results = xrealloc(conn->results, conn->result_capacity * sizeof *conn->results);
    }
    conn->results[conn->result_count++] = result;
}

/* Rows of a foreign statement come one by one. */
static void take_row(PgConn *conn, PGresult *row)
{
    if (conn->row_count < PG_FOREIGN_ROWS)
        conn->rows[conn->row_count++] = row;
    else
        PQclear(row);
}

/* Behind them comes what a statement without rows would answer: it gets those that were kept. */
static void keep_end(PgConn *conn, PGresult *end)
{
    for (size_t i = 0; i < conn->row_count; i++) {
        const PGresult *row = conn->rows[i];
        for (int field = 0; field < PQnfields(row); field++) {
            bool is_null = PQgetisnull(row, 0, field) == 1;
            if (!PQsetvalue(end, (int)i, field, is_null ? NULL : PQgetvalue(row, 0, field),
                            is_null ? -1 : PQgetlength(row, 0, field)))
                die_out_of_memory();
        }
    }
    drop_rows(conn);
    keep_result(conn, end);
}

static void keep_failure(PgConn *conn, PGresult *result)
{
    drop_rows(conn);
    if (conn->has_error) {
        if (pg_error_is_fatal(result))
            conn->lost = true;
        PQclear(result);
        return;
    }
    conn->has_error = true;
    pg_error_result(result, &conn->error);
    if (pg_error_is_fatal(result)) {
        conn->lost = true;
        conn->error.code = ERR_CONNECT;
    }
    conn->failure = result;
    conn->failed = conn->items == NULL ? conn->result_count : conn->answered;
    conn->unprepared = conn->items != NULL && conn->answered < conn->item_count &&
                       conn->items[conn->answered].prepared &&
                       strcmp(conn->error.sqlstate, "26000") == 0;
}

typedef enum Progress { PROGRESS_MORE, PROGRESS_END, PROGRESS_LOST } Progress;

static Progress take_result(PgConn *conn, PGresult *result)
{
    switch (PQresultStatus(result)) {
    case PGRES_PIPELINE_SYNC:
        PQclear(result);
        return PROGRESS_END;
    case PGRES_PIPELINE_ABORTED:
        PQclear(result);
        return PROGRESS_MORE;
    case PGRES_FATAL_ERROR:
    case PGRES_BAD_RESPONSE:
        keep_failure(conn, result);
        return conn->lost ? PROGRESS_LOST : PROGRESS_MORE;
    case PGRES_COPY_IN:
        if (conn->simple && conn->items != NULL && !conn->copying) {
            PQclear(result);
            conn->copying = true;
            return PROGRESS_MORE;
        }
        __attribute__((fallthrough));
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
        PQclear(result);
        conn->has_error = true;
        err_set(&conn->error, ERR_SQL, "COPY from or to the client is not supported");
        conn->failed = conn->answered;
        return PROGRESS_LOST; /* dropping the connection is the only clean way out */
    case PGRES_SINGLE_TUPLE:
        take_row(conn, result);
        return PROGRESS_MORE;
    default:
        if (pg_prepared_is_due(conn)) {
            pg_prepared_answered(conn, true);
            PQclear(result);
        } else {
            keep_end(conn, result);
        }
        return PROGRESS_MORE;
    }
}

/* What libpq does with the rows of the statement whose answer comes next is its to know before it
 * reads the first; later it takes no notice. */
static void choose_rows(PgConn *conn)
{
    if (conn->items != NULL && conn->answered < conn->item_count &&
        conn->items[conn->answered].foreign)
        (void)PQsetSingleRowMode(conn->pg);
}

static bool is_answered(PgConn *conn)
{
    choose_rows(conn);
    return PQisBusy(conn->pg) == 0;
}

static Progress take_results(PgConn *conn)
{
    while (!conn->copying && is_answered(conn)) {
        PGresult *result = PQgetResult(conn->pg);
        if (result == NULL && pg_prepared_is_due(conn)) {
            conn->parsed++;
            continue;
        }
        if (result == NULL) {
            conn->answered++;
            if (conn->simple)
                return PROGRESS_END;
            if (conn->answered > conn->expected)
                return PROGRESS_LOST;
            continue;
        }
        Progress progress = take_result(conn, result);
        if (progress != PROGRESS_MORE)
            return progress;
    }
    return PROGRESS_MORE;
}

/* Rows go in pieces, the next one when the socket has taken the one before. A server that refuses
 * them says so at their end. */
static Progress put_rows(PgConn *conn)
{
    const PgStatement *copy = &conn->items[conn->answered];
    while (conn->copying) {
        int left = PQflush(conn->pg);
        if (left != 0)
            return left < 0 ? PROGRESS_LOST : PROGRESS_MORE;
        size_t length = copy->copy_length - conn->copied;
        if (length > COPY_CHUNK_BYTES)
            length = COPY_CHUNK_BYTES;
        const char *rows = copy->copy_data + conn->copied;
        conn->copying = length > 0;
        int put =
            length > 0 ? PQputCopyData(conn->pg, rows, (int)length) : PQputCopyEnd(conn->pg, NULL);
        if (put != 1)
            return PROGRESS_LOST; /* 0 would mean no memory: what is put is buffered */
        conn->copied += length;
    }
    return PROGRESS_MORE;
}

static Progress exchange(PgConn *conn)
{
    Progress progress = take_results(conn);
    if (progress != PROGRESS_MORE || !conn->copying)
        return progress;
    progress = put_rows(conn);
    return progress != PROGRESS_MORE || conn->copying ? progress : take_results(conn);
}

/* --- segments --------------------------------------------------------------------------------- */

static bool send_statement(PgConn *conn, const PgStatement *statement)
{
    return PQsendQueryParams(conn->pg, statement->sql, statement->param_count, NULL,
                             statement->params, NULL, NULL, 0) == 1;
}

static bool send_pipelined(PgConn *conn, size_t at)
{
    const PgStatement *statement = &conn->items[at];
    bool full = !statement->prepared;
    return (statement->prepared && pg_prepared_send(conn, statement, at, &full)) ||
           (full && send_statement(conn, statement));
}

static bool has_segment(const PgConn *conn)
{
    return !conn->has_error && conn->items != NULL && conn->answered < conn->item_count;
}

/* What comes next: one COPY with rows, or all up to one. */
static bool send_segment(PgConn *conn)
{
    size_t at = conn->answered;
    if (at < conn->item_count && conn->items[at].copy_data != NULL) {
        conn->copied = 0;
        conn->expected = at + 1;
        return set_pipeline(conn, false) && send_statement(conn, &conn->items[at]);
    }
    bool sent = set_pipeline(conn, true);
    for (; sent && at < conn->item_count && conn->items[at].copy_data == NULL; at++)
        sent = send_pipelined(conn, at);
    conn->expected = at;
    return sent && PQpipelineSync(conn->pg) == 1;
}

static void on_batch_event(uv_poll_t *poll_handle, int status, int events);

/* Flushes what is left to send and waits for what comes next. */
static bool wait_more(PgConn *conn)
{
    int left = PQflush(conn->pg);
    if (left < 0)
        return false;
    /* Rows may be left even where the socket has just taken all that was put so far. */
    bool writes = left > 0 || conn->copying;
    pg_poll_start(conn, writes ? UV_READABLE | UV_WRITABLE : UV_READABLE, on_batch_event);
    return true;
}

static void on_batch_event(uv_poll_t *poll_handle, int status, int events)
{
    (void)events;
    PgConn *conn = poll_handle->data;
    bool readable = status < 0 || PQconsumeInput(conn->pg) == 1;
    /* An error the server sent before it closed is already in the buffer. */
    Progress progress = exchange(conn);
    if (progress == PROGRESS_END && has_segment(conn))
        progress = send_segment(conn) ? PROGRESS_MORE : PROGRESS_LOST;
    if (progress == PROGRESS_END) {
        finish(conn);
        return;
    }
    if (progress == PROGRESS_LOST || !readable || status < 0 ||
        PQstatus(conn->pg) == CONNECTION_BAD || !wait_more(conn))
        finish_lost(conn);
}

/* --- deadlines and cancelling ----------------------------------------------------------------- */

static void run_cancel(uv_work_t *work)
{
    CancelJob *job = work->data;
    char ignored[256];
    (void)PQcancel(job->cancel, ignored, sizeof ignored);
}

static void on_cancel_again(uv_timer_t *timer)
{
    pg_cancel(timer->data);
}

static void cancel_done(uv_work_t *work, int ignored)
{
    (void)ignored;
    CancelJob *job = work->data;
    PgConn *conn = job->conn;
    PQfreeCancel(job->cancel);
    free(job);
    conn->cancel_jobs--;
    if (!conn->closing && conn->finished && conn->cancel_jobs == 0 && conn->batch_cb != NULL)
        deliver(conn);
    else if (!conn->closing && !conn->finished && conn->cancel_jobs == 0)
        /* A server that is between two statements when it hears of it forgets it. */
        uv_timer_start(&conn->defer, on_cancel_again, CANCEL_AGAIN_MS, 0);
    pg_release(conn);
}

void pg_cancel(PgConn *conn)
{
    if (conn->state != PG_STATE_BUSY || conn->pg == NULL || conn->finished)
        return;
    PGcancel *cancel = PQgetCancel(conn->pg);
    if (cancel == NULL)
        return;
    CancelJob *job = xcalloc(1, sizeof *job);
    job->work.data = job;
    job->conn = conn;
    job->cancel = cancel;
    conn->cancel_jobs++;
    conn->pending++;
    uv_queue_work(conn->loop, &job->work, run_cancel, cancel_done);
}

static void on_grace_over(uv_timer_t *timer)
{
    finish_lost(timer->data);
}

static void on_deadline(uv_timer_t *timer)
{
    PgConn *conn = timer->data;
    conn->timed_out = true;
    if (conn->never_cancel) {
        err_set(&conn->error, ERR_CONNECT, "no answer in time");
        conn->has_error = true;
        finish_lost(conn);
        return;
    }
    pg_cancel(conn);
    uv_timer_start(&conn->timer, on_grace_over, CANCEL_GRACE_MS, 0);
}

/* --- sending ---------------------------------------------------------------------------------- */

static bool begin_batch(PgConn *conn, const PgStatement *items, size_t count, PgBatchCb *cb,
                        void *data)
{
    conn->items = items;
    conn->item_count = count;
    conn->expected = conn->answered = conn->failed = 0;
    conn->has_error = conn->lost = conn->timed_out = conn->finished = conn->copying = false;
    conn->unprepared = false;
    err_clear(&conn->error);
    conn->batch_cb = cb;
    conn->data = data;
    if (conn->state != PG_STATE_IDLE)
        return false;
    conn->state = PG_STATE_BUSY;
    return true;
}

static void end_sending(PgConn *conn, bool sent, uint32_t deadline_ms)
{
    if (!sent || !wait_more(conn)) {
        uv_timer_start(&conn->defer, on_deferred, 0, 0);
        return;
    }
    if (deadline_ms > 0)
        uv_timer_start(&conn->timer, on_deadline, deadline_ms, 0);
}

void pg_send(PgConn *conn, const PgBatch *batch, uint32_t deadline_ms, PgBatchCb *cb, void *data)
{
    bool sent = begin_batch(conn, batch->items, batch->count, cb, data);
    conn->never_cancel = batch->never_cancel;
    end_sending(conn, sent && send_segment(conn), deadline_ms);
}

void pg_send_simple(PgConn *conn, const char *sql, uint32_t deadline_ms, PgBatchCb *cb, void *data)
{
    bool sent = begin_batch(conn, NULL, 0, cb, data);
    conn->never_cancel = false;
    sent = sent && set_pipeline(conn, false) && PQsendQuery(conn->pg, sql) == 1;
    end_sending(conn, sent, deadline_ms);
}

/* --- asking ----------------------------------------------------------------------------------- */

bool pg_is_connected(const PgConn *conn)
{
    return conn->state == PG_STATE_IDLE || conn->state == PG_STATE_BUSY;
}

int pg_backend_pid(const PgConn *conn)
{
    return conn->pg == NULL ? 0 : PQbackendPID(conn->pg);
}

int pg_server_version(const PgConn *conn)
{
    return conn->pg == NULL ? 0 : PQserverVersion(conn->pg);
}

bool pg_is_remote(const PgConn *conn)
{
    const char *host = conn->pg == NULL ? NULL : PQhost(conn->pg);
    return host != NULL && *host != '\0' && *host != '/' && *host != '@';
}

bool pg_in_transaction(const PgConn *conn)
{
    if (conn->pg == NULL)
        return false;
    PGTransactionStatusType status = PQtransactionStatus(conn->pg);
    return status == PQTRANS_INTRANS || status == PQTRANS_INERROR;
}

static const char *take_quoted(Arena *arena, char *quoted)
{
    if (quoted == NULL)
        return NULL;
    const char *copy = arena_strdup(arena, quoted);
    PQfreemem(quoted);
    return copy;
}

const char *pg_identifier(const PgConn *conn, Arena *arena, const char *name)
{
    return conn->pg == NULL ? NULL
                            : take_quoted(arena, PQescapeIdentifier(conn->pg, name, strlen(name)));
}

const char *pg_literal(const PgConn *conn, Arena *arena, const char *text)
{
    return conn->pg == NULL ? NULL
                            : take_quoted(arena, PQescapeLiteral(conn->pg, text, strlen(text)));
}
