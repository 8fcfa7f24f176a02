/*
 * Reads a schema from the catalogs of a database: all of it, or one schema of it. The queries go in
 * one round trip, in one transaction of their own, so the connection must not be in one, unless
 * `inside` says that it is. Left out are pgtide's own schema and version table, and what belongs to
 * extensions.
 */
#pragma once

#include "pg.h"
#include "schema_model.h"

typedef struct SchemaReadArgs {
    const char *schema; /* its objects alone, without its name; NULL or '' = the whole database */
    bool owners;        /* tell who owns what */
    bool inside;        /* within the transaction that is open, which goes on as it was */
} SchemaReadArgs;

void schema_read_queries(PgBatch *batch, const SchemaReadArgs *args);
/* The model in the answers to exactly those queries; in `arena`. ERR_NOT_FOUND: no such schema;
 * ERR_LIMIT. */
ErrCode schema_read_answer(Arena *arena, const PgReply *reply, const SchemaReadArgs *args,
                           SchemaModel *ret_model, Error *err) MUST_CHECK;
