#include "pg_error.h"

#include "pg.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The SQLSTATE in a verbose libpq message ("...: FATAL:  28P01: password ..."), or NULL. */
static const char *find_sqlstate(const char *message)
{
    for (const char *at = strstr(message, ":  "); at != NULL; at = strstr(at + 3, ":  ")) {
        const char *code = at + 3;
        size_t length = strspn(code, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        if (length == 5 && code[5] == ':' && code[6] == ' ')
            return code;
    }
    return NULL;
}

static void copy_line(char *to, size_t size, const char *from)
{
    size_t length = strcspn(from, "\r\n");
    if (length >= size)
        length = size - 1;
    memcpy(to, from, length);
    to[length] = '\0';
}

static ErrCode connect_code(const char *sqlstate, const char *text)
{
    if (strncmp(sqlstate, "28", 2) == 0 || strstr(text, "no password supplied") != NULL)
        return ERR_AUTH;
    return strcmp(sqlstate, "53300") == 0 ? ERR_BUSY : ERR_CONNECT;
}

static void describe_place(const PGconn *pg, Error *err)
{
    if (pg == NULL || PQhost(pg) == NULL)
        return;
    const char *database = PQdb(pg);
    const char *user = PQuser(pg);
    err_detail(err, "host %s, port %s, database %s, user %s", PQhost(pg), PQport(pg),
               database == NULL ? "" : database, user == NULL ? "" : user);
}

ErrCode pg_error_connect(const PGconn *pg, Error *err)
{
    const char *raw = pg == NULL ? "" : PQerrorMessage(pg);
    char sqlstate[6] = "";
    char text[200];
    const char *found = find_sqlstate(raw);
    if (found != NULL) {
        memcpy(sqlstate, found, 5);
        sqlstate[5] = '\0';
        copy_line(text, sizeof text, found + 7);
    } else {
        const char *reason = strstr(raw, "failed: ");
        copy_line(text, sizeof text, reason == NULL ? raw : reason + 8);
    }
    ErrCode code = connect_code(sqlstate, text);
    err_set(err, code, "can't connect: %s", text[0] == '\0' ? "no reason given" : text);
    err_sqlstate(err, sqlstate);
    describe_place(pg, err);
    if (strcmp(sqlstate, "3D000") == 0)
        err_hint(err, "Check the database's name.");
    if (code == ERR_BUSY)
        err_hint(err, "The server has no connection left; raise max_connections or wait.");
    return code;
}

ErrCode pg_error_version(const PGconn *pg, Error *err)
{
    const char *version = PQparameterStatus(pg, "server_version");
    err_set(err, ERR_SERVER_VERSION, "the server is PostgreSQL %.60s, older than %d",
            version == NULL ? "of no known version" : version, PG_SERVER_VERSION_MIN / 10000);
    describe_place(pg, err);
    return ERR_SERVER_VERSION;
}

static ErrCode statement_code(const char *sqlstate)
{
    if (strcmp(sqlstate, "55P03") == 0)
        return ERR_LOCK_TIMEOUT;
    if (strcmp(sqlstate, "40P01") == 0 || strcmp(sqlstate, "40001") == 0)
        return ERR_BUSY;
    if (strncmp(sqlstate, "57P0", 4) == 0 || strncmp(sqlstate, "08", 2) == 0)
        return ERR_CONNECT;
    return ERR_SQL;
}

/* Where the server says what is wrong and not what to do. */
static const char *statement_hint(const char *sqlstate)
{
    if (strcmp(sqlstate, "25006") == 0)
        return "Connect to the primary; if it is one, default_transaction_read_only is on.";
    if (strcmp(sqlstate, "42501") == 0)
        return "Connect as a role that may do this, or grant it.";
    return NULL;
}

ErrCode pg_error_result(const PGresult *result, Error *err)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
    char fallback[200];
    copy_line(fallback, sizeof fallback, PQresultErrorMessage(result));
    ErrCode code = statement_code(sqlstate == NULL ? "" : sqlstate);
    err_set(err, code, "%s", primary == NULL ? fallback : primary);
    err_sqlstate(err, sqlstate);
    if (detail != NULL)
        err_detail(err, "%s", detail);
    if (hint == NULL && sqlstate != NULL)
        hint = statement_hint(sqlstate);
    if (hint != NULL)
        err_hint(err, "%s", hint);
    return code;
}

/* "COPY t, line 3: ..." is one line of the context, the word for line in the server's language. */
uint32_t pg_error_copy_line(const PGresult *result)
{
    const char *at = PQresultErrorField(result, PG_DIAG_CONTEXT);
    while (at != NULL && strncmp(at, "COPY ", 5) != 0) {
        at = strchr(at, '\n');
        at = at == NULL ? NULL : at + 1;
    }
    at = at == NULL ? NULL : strstr(at, ", ");
    if (at == NULL)
        return 0;
    at += strcspn(at, "0123456789\n");
    return (uint32_t)strtoul(at, NULL, 10);
}

ErrCode pg_error_lost(const PGconn *pg, Error *err)
{
    char text[200];
    copy_line(text, sizeof text, pg == NULL ? "" : PQerrorMessage(pg));
    return err_set(err, ERR_CONNECT, "connection lost: %s",
                   text[0] == '\0' ? "the server closed it" : text);
}

bool pg_error_is_fatal(const PGresult *result)
{
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    /* A server's error has a SQLSTATE; without one libpq itself says that the connection broke. */
    if (severity == NULL && PQresultErrorField(result, PG_DIAG_SQLSTATE) == NULL)
        return true;
    return severity != NULL && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0);
}
