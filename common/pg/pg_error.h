/*
 * What libpq says when something fails, as Error values. Internal to common/pg.
 */
#pragma once

#include "error.h"

#include <libpq-fe.h>

/* A failed connection. The connection's verbosity must be PQERRORS_VERBOSE, which is the only way
 * to learn a refusal's SQLSTATE. */
ErrCode pg_error_connect(const PGconn *pg, Error *err);
/* A server that is connected and older than PG_SERVER_VERSION_MIN. */
ErrCode pg_error_version(const PGconn *pg, Error *err);
/* A statement the server refused. DETAIL goes to `detail`, which never leaves the host. */
ErrCode pg_error_result(const PGresult *result, Error *err);
/* The line of a COPY's rows in which a statement failed, from 1; 0 = not known. */
uint32_t pg_error_copy_line(const PGresult *result);
/* The connection broke. */
ErrCode pg_error_lost(const PGconn *pg, Error *err);
/* The connection is gone with it: severity FATAL or PANIC, or libpq's own word that it broke. */
bool pg_error_is_fatal(const PGresult *result);
