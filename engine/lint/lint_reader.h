/*
 * A section under reading, statement by statement. Internal to engine/lint.
 */
#pragma once

#include "change.h"
#include "lint_add.h"

/* A constraint that the section has added. */
typedef struct LintConstraint {
    SqlName table;
    const char *name;
    bool not_valid;
    unsigned transaction;
} LintConstraint;

typedef struct LintConstraints {
    LintConstraint *items;
    size_t count;
    size_t capacity;
} LintConstraints;

typedef struct LintReader {
    Arena *arena;
    const Script *script;
    LintFindings *findings;
    const Statement *statement;
    const Changes *changes;      /* of it */
    NewTables made;              /* by the statements so far */
    LintConstraints constraints; /* the same */
    StrList altered;             /* tables of ALTER TABLE in the transaction in hand */
    StrList altered_told;
    unsigned transaction; /* its number */
    bool in_block;
} LintReader;

/* A finding about the statement in hand. */
LintFinding *lint_found(const LintReader *reader, LintRule rule, const char *what);
/* A column that a table gets, or its new type. */
void lint_column(const LintReader *reader, SqlName table, const PgQuery__ColumnDef *column);
void lint_new_table(const LintReader *reader, const PgQuery__CreateStmt *create);
/* Identifiers that are too long. */
void lint_names(const LintReader *reader);
const char *lint_of_table(Arena *arena, const char *what, SqlName table); /* "TRUNCATE, of t" */
