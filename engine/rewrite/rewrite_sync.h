/*
 * Inside of the forms in phases: a column that a trigger keeps like another one, and copies of what
 * hangs on a column. Internal to engine/rewrite.
 */
#pragma once

#include "rewrite_forms.h"

typedef struct Sync {
    const char *trigger;  /* quoted; it fires behind the author's own */
    const char *function; /* quoted, with the table's schema */
} Sync;

Sync sync_name(const Rewrite *rewrite, const char *column);
/* The statements that make it. `body`: plpgsql between BEGIN and RETURN NEW. */
void sync_create(const Rewrite *rewrite, const Sync *sync, const char *body, StrList *statements);
void sync_replace(const Rewrite *rewrite, const Sync *sync, const char *body, StrList *statements);
void sync_drop(const Rewrite *rewrite, const Sync *sync, StrList *statements);

/* Whether the definition, an index's or a constraint's behind ALTER TABLE t ADD CONSTRAINT n, has
 * to do with the column. */
bool definition_has(Arena *arena, const char *definition, const char *column);
/* CREATE INDEX CONCURRENTLY of the same index under another name, of `table` as the author writes
 * it, on `to` instead of `from`; NULL when it can't be written. `name` is quoted. */
const char *index_copy(Arena *arena, const char *definition, SqlName table, const char *name,
                       const char *from, const char *to);
/* The constraint's definition on `to` instead of `from`, without NOT VALID. */
const char *constraint_copy(Arena *arena, const char *definition, const char *from, const char *to);
/* Of a foreign key that refers to `from`. */
const char *reference_copy(Arena *arena, const char *definition, const char *from, const char *to);
/* FOREIGN KEY ... REFERENCES t (column): of the referred side. */
bool reference_has(Arena *arena, const char *definition, const char *column);
