/*
 * Names of what a statement makes or takes away, by its tree. Internal to engine, engine/lint and
 * engine/compat. Texts borrow from the tree.
 */
#pragma once

#include "sql_tree.h"

typedef enum SqlMadeKind {
    SQL_MADE_NOTHING,
    SQL_MADE_RELATION, /* tables, views, materialized views */
    SQL_MADE_SEQUENCE,
    SQL_MADE_FUNCTION, /* procedures too */
    SQL_MADE_TYPE,     /* domains too */
    SQL_MADE_SCHEMA,
} SqlMadeKind;

typedef struct SqlMade {
    SqlMadeKind kind;
    SqlName name;
    bool replaces;   /* OR REPLACE: what was there gives way */
    bool if_missing; /* IF NOT EXISTS: what was there stays */
} SqlMade;

SqlMade sql_made(const PgQuery__Node *node);

/* The last one or two of a list of strings. */
SqlName sql_name_of(PgQuery__Node *const *items, size_t count);
/* What DROP or ALTER names: a list, a type's name, a function, a string; '' when it is none. */
SqlName sql_object_name(const PgQuery__Node *object);
