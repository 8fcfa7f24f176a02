/*
 * Making a connection: by libpq's polling interface on the loop for unix sockets, in the thread
 * pool for everything else.
 */
#include "pg_conn.h"
#include "pg_error.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONNECT_KEYWORDS_MAX = 64,
    CONNECT_SLICE_MS = 100, /* how soon an abandoned attempt notices */
    CONNECT_DEFAULT_MS = 10000,
};

struct ConnectJob {
    uv_work_t work;
    PgConn *conn;
    const char *names[CONNECT_KEYWORDS_MAX + 8];
    const char *values[CONNECT_KEYWORDS_MAX + 8];
    size_t count;
    uint64_t deadline_ns;
    atomic_bool abandoned;
    PGconn *pg;
};

static void job_free(ConnectJob *job)
{
    for (size_t i = 0; i < job->count; i++) {
        free((char *)job->names[i]);
        if (job->values[i] != NULL) {
            explicit_bzero((char *)job->values[i], strlen(job->values[i]));
            free((char *)job->values[i]);
        }
    }
    free(job);
}

static void job_add(ConnectJob *job, const char *name, const char *value)
{
    if (job->count >= CONNECT_KEYWORDS_MAX + 4)
        return;
    job->names[job->count] = xstrdup(name);
    job->values[job->count++] = xstrdup(value);
}

static const char *given(const PgKeyword *keywords, size_t count, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(keywords[i].name, name) == 0 && keywords[i].value != NULL)
            value = keywords[i].value;
    }
    return value;
}

static bool has(const PgKeyword *keywords, size_t count, const char *name, const char *variable)
{
    return given(keywords, count, name) != NULL ||
           (variable != NULL && getenv(variable) != NULL && *getenv(variable) != '\0');
}

/* A unix socket and no password: neither names to resolve nor SCRAM to compute. */
static bool is_cheap(const PgKeyword *keywords, size_t count)
{
    if (has(keywords, count, "hostaddr", "PGHOSTADDR") ||
        has(keywords, count, "service", "PGSERVICE") ||
        has(keywords, count, "password", "PGPASSWORD") ||
        has(keywords, count, "passfile", "PGPASSFILE"))
        return false;
    const char *host = given(keywords, count, "host");
    if (host == NULL)
        host = getenv("PGHOST");
    if (host == NULL || *host == '\0')
        return true;
    return (*host == '/' || *host == '@') && strchr(host, ',') == NULL;
}

static ConnectJob *job_new(PgConn *conn, const PgKeyword *keywords, size_t count)
{
    ConnectJob *job = xcalloc(1, sizeof *job);
    job->conn = conn;
    for (size_t i = 0; i < count && i < CONNECT_KEYWORDS_MAX; i++) {
        if (keywords[i].value != NULL)
            job_add(job, keywords[i].name, keywords[i].value);
    }
    /* The last of a name wins in libpq. */
    if (given(keywords, count, "application_name") == NULL)
        job_add(job, "application_name", "pgtide");
    job_add(job, "client_encoding", "UTF8");
    return job;
}

static PGconn *start(ConnectJob *job)
{
    PGconn *pg = PQconnectStartParams(job->names, job->values, 0);
    if (pg == NULL)
        die_out_of_memory();
    PQsetErrorVerbosity(pg, PQERRORS_VERBOSE);
    PQsetNoticeReceiver(pg, pg_notice, job->conn);
    return pg;
}

static void run_job(uv_work_t *work)
{
    ConnectJob *job = work->data;
    PGconn *pg = start(job);
    PostgresPollingStatusType status =
        PQstatus(pg) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
    while (status == PGRES_POLLING_READING || status == PGRES_POLLING_WRITING) {
        if (atomic_load(&job->abandoned) || uv_hrtime() > job->deadline_ns)
            break;
        short events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        struct pollfd wait = {.fd = PQsocket(pg), .events = events};
        if (poll(&wait, 1, CONNECT_SLICE_MS) > 0)
            status = PQconnectPoll(pg);
    }
    job->pg = pg;
}

static void job_done(uv_work_t *work, int ignored)
{
    (void)ignored;
    ConnectJob *job = work->data;
    PgConn *conn = job->conn;
    if (conn->job == job) {
        conn->job = NULL;
        conn->pg = job->pg;
        pg_connect_settle(conn);
    } else {
        PQfinish(job->pg);
    }
    job_free(job);
    pg_release(conn);
}

void pg_connect_abandon(PgConn *conn)
{
    if (conn->job != NULL)
        atomic_store(&conn->job->abandoned, true);
    conn->job = NULL;
}

static void on_connect_event(uv_poll_t *poll_handle, int status, int events)
{
    (void)status; /* libpq finds out by itself */
    (void)events;
    PgConn *conn = poll_handle->data;
    /* libpq may close its socket and open another in here, even with the same number. */
    pg_poll_stop(conn);
    switch (PQconnectPoll(conn->pg)) {
    case PGRES_POLLING_READING:
        pg_poll_start(conn, UV_READABLE, on_connect_event);
        return;
    case PGRES_POLLING_WRITING:
        pg_poll_start(conn, UV_WRITABLE, on_connect_event);
        return;
    default:
        pg_connect_settle(conn);
    }
}

static void on_start_failed(uv_timer_t *timer)
{
    pg_connect_settle(timer->data);
}

void pg_connect_start(PgConn *conn, const PgKeyword *keywords, size_t count, uint32_t timeout_ms)
{
    if (timeout_ms == 0)
        timeout_ms = CONNECT_DEFAULT_MS;
    ConnectJob *job = job_new(conn, keywords, count);
    uv_timer_start(&conn->timer, pg_connect_timeout, timeout_ms, 0);
    if (!is_cheap(keywords, count)) {
        job->deadline_ns = uv_hrtime() + (uint64_t)timeout_ms * 1000000;
        job->work.data = job;
        conn->job = job;
        conn->pending++;
        uv_queue_work(conn->loop, &job->work, run_job, job_done);
        return;
    }
    conn->pg = start(job);
    job_free(job);
    if (PQstatus(conn->pg) == CONNECTION_BAD)
        uv_timer_start(&conn->defer, on_start_failed, 0, 0);
    else
        pg_poll_start(conn, UV_WRITABLE, on_connect_event);
}

void pg_use_passwords(PgConn *conn, PgPasswords *passwords)
{
    conn->passwords = passwords;
}

void pg_connect(PgConn *conn, const PgKeyword *keywords, size_t count, uint32_t timeout_ms,
                PgConnectCb *cb, void *data)
{
    conn->state = PG_STATE_CONNECTING;
    conn->connect_cb = cb;
    conn->data = data;
    if (conn->passwords == NULL)
        pg_connect_start(conn, keywords, count, timeout_ms);
    else
        pg_login_start(conn, keywords, count, timeout_ms);
}
