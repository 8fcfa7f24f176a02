/*
 * The parts of a script for psql. Internal to engine/offline*.c.
 */
#pragma once

#include "script.h"

/* Literals, in standard quotes or E''. NULL gives NULL. */
const char *offline_literal(Arena *arena, const char *text);
const char *offline_array(Arena *arena, const StrList *list); /* text[] */
const char *offline_identifier(Arena *arena, const char *name);
/* For a comment on one line: control characters become '?'. */
const char *offline_remark(Arena *arena, const char *text);

/* A query of shard_queries.h: expressions for $1, $2, ..., the version table for %s. */
const char *offline_query(Arena *arena, const char *query, const char *const *params, size_t count);

/* DO with a body that may hold anything. */
void offline_do(Str *out, const char *body);
/* A statement of an author's as psql sends it on unchanged, with the rows behind a COPY. */
void offline_statement(Arena *arena, const Statement *statement, Str *out);
/* +verify: like statements, but the script stops when the last one answers a single false. */
/* One with `-- +batch`: over a key as a whole, until no row changes as a loop that commits. */
void offline_batch(Arena *arena, const Statement *statement, Str *out);
void offline_verify(Arena *arena, const Script *script, Str *out);
