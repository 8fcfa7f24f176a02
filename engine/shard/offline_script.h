/*
 * What a run would do, as a script for psql: the same statements, the same version rows and the
 * same history, each revision in a transaction of its own that first makes sure of the rows it
 * begins with. Nothing here talks to a server. What the script must know of one it asks for itself:
 * where the version table is, whether the bookkeeping exists, which repeatables are due.
 */
#pragma once

#include "graph.h"

typedef struct OfflineArgs {
    const char *title;  /* for the first line: "upgrade from base to 003_last" */
    const char *schema; /* '' = the whole database */
    StrList shared_schemas;
    const char *who;              /* user@host */
    const char *message;          /* of the history rows; NULL = none */
    const char *unmanaged_reason; /* NULL = a shard of a fleet is refused */
    uint32_t lock_timeout_ms;     /* a revision's header wins */
    const StrList *rows_before;   /* the script begins at these, or stops; NULL = at any */
    const GraphStep *steps;       /* placeholders bound */
    size_t step_count;
    const Script *const *repeatables; /* run behind the steps where they are due */
    size_t repeatable_count;
    const StrList *stamp; /* instead of steps: the rows to write; NULL = none */
    StrList rows_after;   /* in the end */
} OfflineArgs;

/* What a step would refuse, and rows behind COPY in a repeatable. ERR_SCRIPT, with file and line.
 */
ErrCode offline_check(const OfflineArgs *args, Error *err) MUST_CHECK;
/* Whether the script only records it: it can't know whether the schema is the step's
 * `when-fingerprint`. */
bool offline_leaves_out(const GraphStep *step);
/* Appends the script. */
void offline_write(Arena *arena, const OfflineArgs *args, Str *out);
