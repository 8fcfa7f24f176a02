/*
 * Statements that the server keeps under a name. Each is prepared in the batch that needs it first;
 * an error before it skips its Parse, which then goes with the next batch.
 */
#include "pg_conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 32 };

static void name_of(const PgPrepared *prepared, char *name)
{
    snprintf(name, NAME_SIZE, "pgtide_%zu", prepared->number);
}

static PgPrepared *find(PgConn *conn, const char *sql)
{
    for (size_t i = 0; i < conn->prepared_count; i++) {
        if (strcmp(conn->prepared[i].sql, sql) == 0)
            return &conn->prepared[i];
    }
    if (conn->prepared_count == PG_PREPARED_MAX)
        return NULL;
    PgPrepared *prepared = &conn->prepared[conn->prepared_count++];
    *prepared = (PgPrepared){.sql = xstrdup(sql), .number = ++conn->prepared_names};
    return prepared;
}

bool pg_prepared_send(PgConn *conn, const PgStatement *statement, size_t index, bool *ret_full)
{
    PgPrepared *prepared = find(conn, statement->sql);
    *ret_full = prepared == NULL;
    if (prepared == NULL)
        return false;
    char name[NAME_SIZE];
    name_of(prepared, name);
    if (!prepared->sent) {
        if (PQsendPrepare(conn->pg, name, statement->sql, statement->param_count, NULL) != 1)
            return false;
        prepared->sent = true;
        conn->parses[conn->parse_count++] = (PgParse){.before = index, .prepared = prepared};
    }
    return PQsendQueryPrepared(conn->pg, name, statement->param_count, statement->params, NULL,
                               NULL, 0) == 1;
}

bool pg_prepared_is_due(const PgConn *conn)
{
    return conn->parsed < conn->parse_count && conn->parses[conn->parsed].before == conn->answered;
}

void pg_prepared_answered(PgConn *conn, bool ready)
{
    conn->parses[conn->parsed].prepared->ready = ready;
}

void pg_prepared_settle(PgConn *conn)
{
    for (size_t i = 0; i < conn->parse_count; i++)
        conn->parses[i].prepared->sent = conn->parses[i].prepared->ready;
    conn->parse_count = conn->parsed = 0;
}

void pg_forget_prepared(PgConn *conn)
{
    for (size_t i = 0; i < conn->prepared_count; i++)
        free(conn->prepared[i].sql);
    conn->prepared_count = conn->parse_count = conn->parsed = 0;
}
