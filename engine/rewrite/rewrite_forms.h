/*
 * Inside of rewrite.c: how each form is written. Internal to engine/rewrite.
 */
#pragma once

#include "change.h"
#include "rewrite.h"

/* A change under rewriting. A unit is a whole statement with its semicolon and the annotations
 * before it, or a block BEGIN; ... COMMIT;. */
typedef struct Rewrite {
    Arena *arena;
    const TableFacts *facts; /* of its table; NULL = no database was asked */
    const Changes *changes;
    const Change *change;
    const Change *inverse; /* the change of the downgrade that takes this one back; NULL = none */
    const Changes *inverse_of; /* the statement that `inverse` is a part of */
    StrList units;
    StrList undo; /* of a change in phases: in the place of `inverse` */
    StrList contract;
    StrList contract_undo;
    const char
        *key_from; /* what the key's column `key_to` is called in the facts; NULL = the same */
    const char *key_to;
    const char *left;    /* why it stays as it is; NULL = it was written */
    const char *caution; /* what may make it fail; NULL = nothing */
} Rewrite;

/* Each fills `units`, or `left`. */
void rewrite_create_index(Rewrite *rewrite);
void rewrite_drop_index(Rewrite *rewrite);
void rewrite_reindex(Rewrite *rewrite);
void rewrite_detach(Rewrite *rewrite);
void rewrite_update(Rewrite *rewrite);
void rewrite_set_not_null(Rewrite *rewrite);
void rewrite_constraint(Rewrite *rewrite); /* CHECK, FOREIGN KEY, UNIQUE, PRIMARY KEY */
void rewrite_add_column(Rewrite *rewrite);
/* These fill `undo`, `contract` and `contract_undo` too. */
void rewrite_rename_column(Rewrite *rewrite);
void rewrite_rename_table(Rewrite *rewrite);
void rewrite_column_type(Rewrite *rewrite);

/* --- units ------------------------------------------------------------------------------------ */

/* One statement, given without its semicolon. */
void unit_add(Arena *arena, StrList *units, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Several, in one transaction: takes the statements. */
void unit_block(Arena *arena, StrList *units, const StrList *statements);
void unit_statement(Arena *arena, StrList *statements, const char *fmt, ...) PRINTF_LIKE(3, 4);
void units_append(Arena *arena, StrList *units, const StrList *more);
/* Gives a SEQUENCE or VIEW (`kind`) to the owner that the table has where the statement runs. Both
 * names are as SQL writes them. */
void unit_owner(Arena *arena, StrList *statements, const char *kind, const char *name,
                const char *table);

/* The columns that batches go by, with commas between them: a guess where no database was asked.
 * No tokens when the table has no key. */
SqlTokens unit_key(const Rewrite *rewrite);
/* `body` is an UPDATE up to its condition, which is given apart ('' = none). False, and `left` is
 * said, when the table has no key. */
bool unit_backfill(Rewrite *rewrite, StrList *units, const char *body, const char *condition);
/* CHECK (column IS NOT NULL) and what makes it NOT NULL; `head` is "ALTER TABLE t". `about`: the
 * column as people know it. */
void units_not_null(Rewrite *rewrite, StrList *units, const char *head, const char *column,
                    const char *about);
/* Adds a constraint, given without NOT VALID, and validates it. `name` is quoted. */
void units_validated(Arena *arena, StrList *units, const char *head, const char *name,
                     const char *definition);
/* A unique index and the constraint by it. False, and `left` is said, when it can't be written. */
bool units_unique(Rewrite *rewrite, StrList *units, const PgQuery__Constraint *constraint,
                  const StrList *keys);

/* --- names ------------------------------------------------------------------------------------ */

enum { NAME_BYTES_MAX = 63 };

/* As PostgreSQL names what has no name: first[_second]_label, the longer ones cut. */
const char *name_default(Arena *arena, const char *first, const char *second, const char *label);
/* A name of ours: pgtide_COLUMN_ROLE_HASH, where the hash is of table, column and role. */
const char *name_plain(Arena *arena, SqlName table, const char *column, const char *role);
/* The same, quoted. */
const char *name_made(Arena *arena, SqlName table, const char *column, const char *role);
/* The constraint's own name, or PostgreSQL's for it; quoted. `keys`: the columns it is about. */
const char *name_constraint(Arena *arena, SqlName table, const PgQuery__Constraint *constraint,
                            const StrList *keys);
/* The index's own name, or PostgreSQL's for it; quoted. */
const char *name_index(Arena *arena, const PgQuery__IndexStmt *index);
StrList names_of(Arena *arena, PgQuery__Node *const *nodes, size_t count);
const char *names_sql(Arena *arena, const StrList *names); /* "a, \"B\"" */

/* --- facts ------------------------------------------------------------------------------------ */

/* The first fact of the kind with that name (NULL = any), behind `after` (NULL = from the first).
 * NULL when there is none. */
const TableFact *fact_find(const TableFacts *facts, const char *kind, const char *name,
                           const TableFact *after);
bool fact_has(const TableFact *fact, char flag); /* in its field `c` */
