/*
 * The revisions as a graph, and what it takes to get a shard from its rows to a target.
 *
 * Two kinds of edges: `revises` (parents) and `depends-on`. What is applied on a shard is every
 * ancestor-or-self of its rows over both; its rows are the maximal elements of what is applied.
 * Order is deterministic: revisions are sorted by id, so a directory and a bundle of the same files
 * give the same steps.
 *
 * A RevisionMap borrows its scripts. Texts in results are ids of scripts (same lifetime as the
 * map's scripts), arrays live in the arena given. Row lists are sorted bytewise.
 */
#pragma once

#include "script.h"
#include "states.h"

typedef struct RevisionMap RevisionMap;

/*
 * Checks and builds. Errors (ERR_GRAPH, with file and line): a parent or dependency that does not
 * exist, two files with one id, a revision that revises or depends on itself, a cycle (its members
 * named), a label used twice or equal to an id. More than LIMIT_REVISIONS is ERR_LIMIT. The map
 * lives in `arena`.
 */
ErrCode graph_build(Arena *arena, const Script *const *scripts, size_t count, RevisionMap **ret_map,
                    Error *err) MUST_CHECK;

size_t graph_count(const RevisionMap *map);
const Script *graph_script(const RevisionMap *map, size_t index); /* by id order */
const Script *graph_find(const RevisionMap *map, const char *id); /* full id; NULL when unknown */

/* Nobody revises it. (graph_real_heads: nor depends on it.) */
StrList graph_heads(Arena *arena, const RevisionMap *map);
StrList graph_real_heads(Arena *arena, const RevisionMap *map);
StrList graph_bases(Arena *arena, const RevisionMap *map);
/* Revisions that several others revise. */
StrList graph_branch_points(Arena *arena, const RevisionMap *map);
StrList graph_children(Arena *arena, const RevisionMap *map, const char *id);
/* Labels of its branch: own ones and those that spread to it. */
StrList graph_labels(Arena *arena, const RevisionMap *map, const char *id);
/* All revisions, newest first, in the order they would be taken back. */
StrList graph_order(Arena *arena, const RevisionMap *map);

/*
 * One absolute identifier: [branch@]symbol, where symbol is a full id, a label, a unique prefix,
 * `head`, `heads` or `base` (no ids). Relative forms are ERR_TARGET here. Errors: REVISION_UNKNOWN
 * (also for an ambiguous prefix), MULTIPLE_HEADS (`head` with several).
 */
ErrCode graph_resolve(Arena *arena, const RevisionMap *map, const char *text, StrList *ret_ids,
                      Error *err) MUST_CHECK;
/* The same where exactly one revision is wanted. */
ErrCode graph_resolve_one(Arena *arena, const RevisionMap *map, const char *text,
                          const Script **ret_script, Error *err) MUST_CHECK;

typedef struct GraphStep {
    const Script *script;
    Direction direction;
    StrList rows_before; /* sorted */
    StrList rows_after;  /* sorted; equals the next step's rows_before */
} GraphStep;

typedef struct GraphPlan {
    GraphStep *steps;
    size_t step_count; /* 0: nothing to do */
    StrList rows_before;
    StrList rows_after;
    const char *warning; /* NULL = none; one sentence for the user */
} GraphPlan;

/*
 * From `rows` (any order, as read) to `target`. Upgrade takes head, heads, ids, labels, prefixes,
 * L@head, +N, L@+N, ID+N, ID-N; downgrade takes base, ids, L@base, -N, L@-N, ID+N, ID-N. Going
 * nowhere is no error. Errors: REVISION_UNKNOWN (a row or the target), MULTIPLE_HEADS, TARGET,
 * LIMIT.
 */
ErrCode graph_plan_upgrade(Arena *arena, const RevisionMap *map, const StrList *rows,
                           const char *target, GraphPlan *ret_plan, Error *err) MUST_CHECK;
ErrCode graph_plan_downgrade(Arena *arena, const RevisionMap *map, const StrList *rows,
                             const char *target, GraphPlan *ret_plan, Error *err) MUST_CHECK;
/* The rows after stamping `targets` (absolute identifiers); `purge` forgets the rows first and is
 * the only form that accepts unknown rows. */
ErrCode graph_plan_stamp(Arena *arena, const RevisionMap *map, const StrList *rows,
                         const StrList *targets, bool purge, StrList *ret_rows_after,
                         Error *err) MUST_CHECK;

/* What is applied with these rows, sorted by id. */
ErrCode graph_applied(Arena *arena, const RevisionMap *map, const StrList *rows, StrList *ret_ids,
                      Error *err) MUST_CHECK;
/* Is every one of `ids` among what is applied with `rows`? */
ErrCode graph_is_applied(const RevisionMap *map, const StrList *rows, const StrList *ids,
                         bool *ret_applied, Error *err) MUST_CHECK;
/* history's A:B, inclusive, newest first; `rows` stands for `current`, NULL where no shard is
 * known. */
ErrCode graph_range(Arena *arena, const RevisionMap *map, const StrList *rows, const char *range,
                    StrList *ret_ids, Error *err) MUST_CHECK;
