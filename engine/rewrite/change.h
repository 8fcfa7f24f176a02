/*
 * A statement as the changes it makes: each subcommand of ALTER TABLE is one, with its own text.
 * Internal to engine/rewrite and engine/lint.
 */
#pragma once

#include "hazard.h"
#include "sql_tree.h"

typedef struct Change {
    HazardForm form;
    SqlName table;        /* '' = of none */
    const char *relation; /* the table as the author writes it, with its schema */
    const char *head;     /* "ALTER TABLE ONLY messages", what a subcommand stands behind */
    const char *text;     /* the subcommand; of other statements the whole */
    size_t first;         /* its tokens */
    size_t end;
    const char *column;              /* '' = none */
    const char *to;                  /* of a rename: the new name */
    bool lenient;                    /* IF EXISTS, IF NOT EXISTS */
    PgQuery__AlterTableCmd *command; /* NULL = not of ALTER TABLE */
} Change;

typedef struct Changes {
    const Statement *statement;
    PgQuery__Node
        *node; /* NULL: the parser does not know the statement; then there is one change */
    SqlTokens tokens;
    Change *items;
    size_t count;
} Changes;

/* Tables that the statements so far have made. */
typedef struct NewTables {
    SqlName *items;
    size_t count;
    size_t capacity;
} NewTables;

bool new_tables_has(const NewTables *made, SqlName name);

/* At least one change. Those on tables of `made` have the form NONE; tables that the statement
 * makes are added. */
Changes changes_read(Arena *arena, const Statement *statement, NewTables *made);
/* "SET NOT NULL, of messages.body" */
const char *change_describe(Arena *arena, const Change *change);

/* Whether each evaluation may give another value; of functions that are not known it is assumed. */
bool expression_is_volatile(PgQuery__Node *expression);
/* serial, serial4, bigserial, ...: the integer type, else NULL. */
const char *serial_type(const PgQuery__TypeName *type);
/* The column's constraint of that type, or NULL. */
PgQuery__Constraint *column_constraint(const PgQuery__ColumnDef *column, PgQuery__ConstrType type);
