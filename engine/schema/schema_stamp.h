/*
 * The stamp of a database's catalogs: a short text that is another one after every change of a
 * schema in it (DDL, GRANT, COMMENT), and the same after changes of rows, VACUUM and ANALYZE. It
 * costs a small part of reading the schemas. Stamps of two databases are never the same, so that
 * one says only whether to read again. What it does not see is what lies outside the database: a
 * role that is renamed.
 */
#pragma once

#include "pg.h"

enum { SCHEMA_STAMP_SIZE = 80 };

/* In a transaction of its own, in one round trip. */
void schema_stamp_queries(PgBatch *batch);
/* ERR_INTERNAL: these are not the answers to exactly those queries. */
ErrCode schema_stamp_answer(const PgReply *reply, char out[SCHEMA_STAMP_SIZE],
                            Error *err) MUST_CHECK;
