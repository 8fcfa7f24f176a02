/*
 * Making a connection whose password is asked for: once before it, and once more when the server
 * has refused what was known, since it may have been changed in the meantime.
 */
#include "pg_conn.h"

#include <stdlib.h>
#include <string.h>

struct PgLogin {
    Arena *arena;
    PgKeyword *keywords; /* the last one is the password's */
    size_t count;        /* without it */
    uint32_t timeout_ms;
    uint64_t number; /* of the password tried last */
    bool asking;
    bool again; /* this is the second try */
    Error error;
};

static void on_no_password(uv_timer_t *timer)
{
    PgConn *conn = timer->data;
    Error err = conn->login->error;
    conn->state = PG_STATE_LOST;
    pg_login_end(conn);
    conn->connect_cb(conn, &err, conn->data);
}

static void on_password(const char *password, uint64_t number, const Error *err, void *data)
{
    PgConn *conn = data;
    PgLogin *login = conn->login;
    login->asking = false;
    if (err != NULL) {
        login->error = *err;
        uv_timer_start(&conn->defer, on_no_password, 0, 0);
        return;
    }
    login->number = number;
    login->keywords[login->count] = (PgKeyword){"password", password};
    pg_connect_start(conn, login->keywords, login->count + 1, login->timeout_ms);
    login->keywords[login->count].value = NULL;
}

static void ask(PgConn *conn, uint64_t refused)
{
    conn->login->asking = true;
    conn->passwords->ask(conn->passwords, conn->loop, refused, on_password, conn);
}

void pg_login_start(PgConn *conn, const PgKeyword *keywords, size_t count, uint32_t timeout_ms)
{
    PgLogin *login = xcalloc(1, sizeof *login);
    login->arena = arena_new();
    login->keywords = ARENA_ARRAY(login->arena, PgKeyword, count + 1);
    for (size_t i = 0; i < count; i++)
        if (keywords[i].value != NULL)
            login->keywords[login->count++] =
                (PgKeyword){arena_strdup(login->arena, keywords[i].name),
                            arena_strdup(login->arena, keywords[i].value)};
    login->timeout_ms = timeout_ms;
    conn->login = login;
    ask(conn, 0);
}

bool pg_login_again(PgConn *conn, Error *err)
{
    PgLogin *login = conn->login;
    if (login == NULL ||
        (strcmp(err->sqlstate, "28P01") != 0 && strcmp(err->sqlstate, "28000") != 0))
        return false;
    if (login->again) {
        err_hint(err, "The password was fetched anew and refused again: check the command that "
                      "gives it, and what the server asks of this role (pg_hba.conf).");
        return false;
    }
    login->again = true;
    conn->state = PG_STATE_CONNECTING;
    ask(conn, login->number);
    return true;
}

void pg_login_end(PgConn *conn)
{
    PgLogin *login = conn->login;
    if (login == NULL)
        return;
    conn->login = NULL;
    if (login->asking)
        conn->passwords->cancel(conn->passwords, conn);
    arena_free(login->arena);
    free(login);
}
