/*
 * What libpq says when something fails, as Error values. Internal to common/pg.
 */
#pragma once

#include "error.h"

#include <libpq-fe.h>

/* A failed connection. The connection's verbosity must be PQERRORS_VERBOSE, which is the only way
 * to learn a refusal's SQLSTATE. */
ErrCode pg_error_connect(const PGconn *pg, Error *err);
/* A statement the server refused. DETAIL goes to `detail`, which never leaves the host. */
ErrCode pg_error_result(const PGresult *result, Error *err);
/* The connection broke. */
ErrCode pg_error_lost(const PGconn *pg, Error *err);
/* The connection is gone with it: severity FATAL or PANIC, or libpq's own word that it broke. */
bool pg_error_is_fatal(const PGresult *result);
