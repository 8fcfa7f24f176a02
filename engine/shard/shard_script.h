/*
 * What a step runs: the statements of a revision's section, checked before anything is sent.
 * Internal to engine/shard*.c.
 */
#pragma once

#include "script.h"
#include "shard.h"

typedef struct StepScript {
    const Script *script; /* NULL for a stamp */
    const StatementList *author;
    const StatementList *verify; /* NULL = none to run */
} StepScript;

/* Refuses, with the line, what can't run in one transaction. */
ErrCode shard_statements_check(const char *file, const StatementList *statements,
                               Error *err) MUST_CHECK;
/* The same for a section of a revision; with `transaction: none`, what makes no unit (units.h). */
ErrCode shard_script_choose(const Script *script, Direction direction, bool run_verify,
                            StepScript *ret, Error *err) MUST_CHECK;
/* Whether a statement may throw prepared statements away, ours among them. A function that does is
 * not seen; it fails what it was called by, once (see step_reopen()). */
bool shard_script_deallocates(const StepScript *script);
/* Whether a statement may leave prepared statements behind. A function that does is not seen; what
 * it left ends with the session. */
bool shard_script_prepares(const StepScript *script);
/* One batch item for a statement, with its rows if it has some. */
void shard_statement_add(PgBatch *batch, const Statement *statement);
/* Where in the file a statement failed. */
void shard_statement_place(Error *err, const char *file, const Statement *statement,
                           const PgReply *reply);
/* search_path for author statements; pg_temp is last, so that no temporary table shadows. */
const char *shard_script_path(Arena *arena, const PgConn *conn, const ShardTarget *target,
                              const char *session_path);
