/*
 * Versions of PostgreSQL's own tools, as numbers like a server's: 150014, and 170000 for "17beta1".
 */
#pragma once

#include "error.h"

#include <stdint.h>

/* Of what a tool says to --version, "pg_dump (PostgreSQL) 15.14 (Debian ...)"; 0 = not
 * understood. */
uint32_t tool_version_parse(const char *text);

/* Whether pg_dump or pg_restore of that version (0 = it is not there) serves that server: an older
 * one refuses. The error is of `code`. */
ErrCode tool_version_check(const char *name, uint32_t version, uint32_t server_version,
                           ErrCode code, Error *err) MUST_CHECK;
/* The same of pg_restore, which since version 17 begins with SET transaction_timeout, whatever the
 * server: one that does not know it ends the restore. */
ErrCode tool_version_check_restore(uint32_t version, uint32_t server_version, ErrCode code,
                                   Error *err) MUST_CHECK;
