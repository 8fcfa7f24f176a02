/*
 * Where a database stands by another tool's version table, in our terms: which revisions its keys
 * are, whether they fit together, and the version rows that say the same.
 */
#pragma once

#include "graph.h"
#include "import.h"

/* A statement of a tool's, with `table` ("name" or "schema.name"; NULL = the tool's own) for its
 * table. ERR_USAGE: `table` has other characters than letters, digits and '_'. */
ErrCode applied_statement(Arena *arena, const ImportTool *tool, const char *sql, const char *table,
                          const char **ret_sql, Error *err) MUST_CHECK;

typedef struct AppliedKeys {
    StrList applied;   /* as applied_sql gives them */
    StrList half_done; /* as half_done_sql does */
} AppliedKeys;

typedef struct AppliedState {
    StrList rows;    /* sorted */
    size_t count;    /* revisions that are applied by it */
    StrList ignored; /* keys of other projects in the same table */
} AppliedState;

/* `present` are the version rows that the shard has; with `purge` they do not matter. Errors:
 * NOT_FOUND (no revision was imported from the tool), STATE (a migration broke off, is not known
 * here, or was applied without one that it builds on; the shard stands where the tool has never
 * been). */
ErrCode applied_rows(Arena *arena, const ImportTool *tool, const RevisionMap *map,
                     const AppliedKeys *keys, const StrList *present, bool purge,
                     AppliedState *ret_state, Error *err) MUST_CHECK;
