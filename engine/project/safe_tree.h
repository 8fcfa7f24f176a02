/*
 * Inside of safe_forms.c: small readers of libpg_query's parse tree. Internal.
 */
#pragma once

#include "safe_forms.h"

#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>

/* A statement under reading. */
typedef struct FormReader {
    Arena *arena;
    SafeQuestions *questions;
    size_t index;
    size_t asked; /* questions added so far for this statement */
    SafeStatement *safe;
    Error *err;
} FormReader;

typedef struct TreeName {
    const char *schema; /* '' = none given */
    const char *name;
} TreeName;

/* The last one or two of a list of names. */
TreeName tree_name(PgQuery__Node *const *nodes, size_t count);
TreeName tree_range(const PgQuery__RangeVar *range);
const char *tree_string(const PgQuery__Node *node); /* '' when it is none */
/* As SQL that to_regtype() reads; NULL for what it can't (%TYPE, SETOF). */
const char *tree_type(Arena *arena, const PgQuery__TypeName *type);
/* "schema"."name", each part quoted. */
const char *tree_quoted(Arena *arena, TreeName name);
/* schema.name as people write it. */
const char *tree_plain(Arena *arena, TreeName name);

/* Adds a question; the first one says what the statement is about. */
SafeQuestion *form_ask(FormReader *reader, SafeForm form, bool removes, const char *kind,
                       const char *what);
/* The same about something of a relation. */
SafeQuestion *form_ask_of(FormReader *reader, SafeForm form, bool removes, const char *kind,
                          const PgQuery__RangeVar *relation, const char *name, bool lenient);
ErrCode form_refuse(FormReader *reader, const char *what, const char *hint);

/* CREATE OR REPLACE FUNCTION or PROCEDURE: asked when all of it can be compared. */
void form_function(FormReader *reader, const PgQuery__CreateFunctionStmt *create);
/* ALTER TABLE and its kin. */
ErrCode form_alter_table(FormReader *reader, const PgQuery__AlterTableStmt *alter);
/* DROP ... of anything. */
ErrCode form_drop(FormReader *reader, const PgQuery__DropStmt *drop);
