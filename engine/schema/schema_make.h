/*
 * The SQL that makes an object of a model, and the SQL that drops one.
 */
#pragma once

#include "schema_model.h"

typedef struct SchemaMake {
    Arena *arena;
    const SchemaModel *model;
    const SchemaParts *parts; /* of the model */
    StrList sql;              /* is added to */
} SchemaMake;

/* "ALTER TABLE public.t ALTER COLUMN c " of a column. */
const char *schema_column_alter(Arena *arena, const SchemaObject *column);
/* "c" of "public.t.c", quoted. */
const char *schema_column_name(const SchemaObject *column);
/* The column that an inherited one comes from, of the first parent; or NULL. */
const SchemaObject *schema_column_above(const SchemaModel *model, const SchemaObject *column);
/* How long the name of a constraint is in that of the object: "k ON public.t", "k ON DOMAIN
 * public.d"; of which of the two it is. */
size_t schema_constraint_name(const SchemaObject *constraint, bool *ret_domain);
/* Everything of a column that its definition has no words for. */
void schema_make_column_extras(SchemaMake *make, const SchemaObject *column);
/* "CREATE VIEW name WITH (...) AS query"; `replace` adds OR REPLACE. */
const char *schema_view_sql(Arena *arena, const SchemaObject *view, bool replace);

/* The object without comment, grants and owner; a table with its columns. NULL, or why it can't be
 * made. */
const char *schema_make(SchemaMake *make, const SchemaObject *object);
const char *schema_drop_sql(Arena *arena, const SchemaObject *object);

/* "MATERIALIZED VIEW" */
const char *schema_kind_sql(Arena *arena, const SchemaObject *object);
bool schema_is(const SchemaObject *object, const char *kind);
bool schema_is_table(const SchemaObject *object); /* foreign ones too */
bool schema_is_routine(const SchemaObject *object);
/* A column of a table whose rows are its own. */
bool schema_has_rows(const SchemaObject *object);
