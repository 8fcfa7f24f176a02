/*
 * The text of a gate by SQL: one SELECT. It runs on shards without a release key's signature, so
 * nothing else is let in, and what is runs in a READ ONLY transaction.
 */
#pragma once

#include "error.h"

/* The same for another text of a plan's author; `what` begins the message. */
ErrCode select_sql_check(const char *what, const char *text, Error *err) MUST_CHECK;
/* ERR_CONFIG with the parser's words: several statements, another one than SELECT, INTO. */
ErrCode gate_sql_check(const char *name, const char *text, Error *err) MUST_CHECK;
