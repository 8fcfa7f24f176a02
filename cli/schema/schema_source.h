/*
 * Where a schema is read from: a database, files of SQL that are run on a scratch database, or a
 * dump in JSON.
 */
#pragma once

#include "command.h"
#include "schema_read.h"
#include "scratch.h"
#include "session.h"

/* What a command's --schema and --owners say. ERR_USAGE. */
ErrCode schema_source_args(const CommandContext *context, SchemaReadArgs *ret_args,
                           Error *err) MUST_CHECK;
/* The database of --url, else PGTIDE_URL, else libpq's environment (no keywords). ERR_USAGE. */
ErrCode schema_source_url(CommandContext *context, const PgKeyword **ret_conninfo,
                          size_t *ret_count, Error *err) MUST_CHECK;
/* `database` as in session_open(). The model lives in the context's arena. */
ErrCode schema_source_database(CommandContext *context, Wait *wait, const PgKeyword *conninfo,
                               size_t conninfo_count, const char *database,
                               const SchemaReadArgs *args, SchemaModel *ret_model,
                               Error *err) MUST_CHECK;

/* Of a connection that is there, which knows the catalogs already if it has read them before. */
ErrCode schema_source_session(CommandContext *context, Session *session, const SchemaReadArgs *args,
                              SchemaModel *ret_model, Error *err) MUST_CHECK;

/* SQL as text, run on a scratch database; `name` is for errors. The text is written to. */
ErrCode schema_source_text(CommandContext *context, Wait *wait, const char *name, char *text,
                           const SchemaReadArgs *args, Scratch **scratch, SchemaModel *ret_model,
                           Error *err) MUST_CHECK;
/* A source in words: a url, a file or a folder of SQL, or a dump in JSON. `scratch` is opened when
 * the first needs it, and then the caller's to close. ERR_NOT_FOUND, ERR_SQL with file and line. */
ErrCode schema_source_read(CommandContext *context, Wait *wait, const char *source,
                           const SchemaReadArgs *args, Scratch **scratch, SchemaModel *ret_model,
                           Error *err) MUST_CHECK;
