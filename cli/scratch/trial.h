/*
 * A scratch database on which revisions are tried: steps as on any shard, and questions about what
 * they left.
 */
#pragma once

#include "graph.h"
#include "schema_source.h"
#include "schema_text.h"
#include "scratch.h"
#include "session.h"

typedef struct Trial Trial;

/* A new scratch database, adopted. Returns owned. */
ErrCode trial_open(Scratch *scratch, Trial **ret_trial, Error *err) MUST_CHECK;
/* The same for a tenant that is a schema of it, which is made. */
ErrCode trial_open_schema(Scratch *scratch, const char *schema, Trial **ret_trial,
                          Error *err) MUST_CHECK;
/* Drops the database. NULL-safe. */
void trial_close(Trial *trial);
/* Leaves it to scratch_close(), which keeps it if that is wanted. NULL-safe. */
void trial_leave(Trial *trial);
const char *trial_database(const Trial *trial);
uint32_t trial_server_version(const Trial *trial); /* as 150014 */

/* With its +verify section. */
ErrCode trial_step(Trial *trial, const GraphStep *step, Error *err) MUST_CHECK;
/* Whether the last step ran; else it was only recorded, for its `when-fingerprint`. */
bool trial_was_needed(const Trial *trial);
/* Generated rows into the tables that are empty. `ret_unfilled`: "table: reason" lines of those
 * that stayed so, in `arena`. */
ErrCode trial_fill(Trial *trial, Arena *arena, const char **ret_unfilled, Error *err) MUST_CHECK;
ErrCode trial_schema(Trial *trial, Arena *arena, SchemaText *ret_text, Error *err) MUST_CHECK;
ErrCode trial_data(Trial *trial, Arena *arena, SchemaText *ret_text, Error *err) MUST_CHECK;
/* One author's statement in a transaction of its own, under the usual search path. */
ErrCode trial_statement(Trial *trial, const char *file, const Statement *statement,
                        Error *err) MUST_CHECK;
/* The schema as a model; it lives in the context's arena. */
ErrCode trial_model(Trial *trial, CommandContext *context, const SchemaReadArgs *args,
                    SchemaModel *ret_model, Error *err) MUST_CHECK;
/* A query of ours; `read` is given its answer. */
ErrCode trial_query(Trial *trial, const char *sql, SessionRead *read, void *data,
                    Error *err) MUST_CHECK;
