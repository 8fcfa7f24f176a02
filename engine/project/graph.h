/*
 * The revision graph: what a target means, which steps lead there, and which version rows stand
 * after each step.
 *
 * Edges are `revises` and `depends_on`; `applied` is everything at or below the rows over both;
 * rows are always the maximal elements of what is applied (Alembic's meaning). Order is always the
 * same for the same files.
 */
#pragma once

#include "script.h"
#include "states.h"

typedef struct RevisionMap RevisionMap;

typedef struct GraphStep {
    const char *revision;
    const Script *script; /* of an upgrade from nothing it may be a baseline */
    Direction direction;
    StrList rows_before; /* sorted */
    StrList rows_after;  /* sorted */
} GraphStep;

typedef struct GraphSteps {
    GraphStep *items;
    size_t count;
    StrList rows_after;  /* sorted; the rows given when there is no step */
    const char *warning; /* one sentence for the user; NULL = none */
} GraphSteps;

/* Revisions make the graph; repeatables and baselines are kept beside it. Checks the whole:
 * duplicate ids, missing parents, cycles, label clashes (ERR_GRAPH with the file). Borrows the
 * scripts; the map lives in `arena`. */
ErrCode graph_build(Arena *arena, Script *const *scripts, size_t count, RevisionMap **ret_map,
                    Error *err) MUST_CHECK;

/* Words that mean something as a target, so that no revision or label can have them. */
bool graph_is_reserved(const char *name);

size_t graph_count(const RevisionMap *map);
const Script *graph_script_at(const RevisionMap *map, size_t index); /* sorted by id */
const Script *graph_find(const RevisionMap *map, const char *id);    /* NULL when unknown */
StrList graph_heads(Arena *arena, const RevisionMap *map); /* nothing revises them; sorted */
StrList graph_children(Arena *arena, const RevisionMap *map, const char *id); /* that revise it */

/* What a listing says of a revision. */
typedef struct GraphMarks {
    bool head;           /* nothing revises it */
    bool effective_head; /* a head that something depends on: it has no row while that is applied */
    bool branch_point;   /* several revise it */
    bool merge_point;    /* it revises several */
} GraphMarks;

GraphMarks graph_marks(const RevisionMap *map, const char *id);
/* The labels of the branch that a revision is on: its own, those of its ancestors, and those of
 * what stands on it as far as there is no fork and no merge. Sorted. */
StrList graph_branch_labels(Arena *arena, const RevisionMap *map, const char *id);
/* Repeatable revisions, sorted by name. */
size_t graph_repeatable_count(const RevisionMap *map);
const Script *graph_repeatable_at(const RevisionMap *map, size_t index);
/* The baseline that stands for `id` and all below it; NULL = none. */
const Script *graph_baseline(const RevisionMap *map, const char *id);
/* Newest first, each revision before its parents. */
void graph_newest_first(Arena *arena, const RevisionMap *map, const Script ***ret_scripts,
                        size_t *ret_count);

/* Every ancestor-or-self of the rows. ERR_REVISION_UNKNOWN names a row that no file has. */
ErrCode graph_applied(Arena *arena, const RevisionMap *map, const StrList *rows,
                      StrList *ret_applied, Error *err) MUST_CHECK;
/* Revisions by id, unique prefix, label, `head`, `heads`, `label@head`, or counted: id+N, id-N, -N
 * (down from each head), +N (from base). At least one; with `graph_resolve_one` exactly one. */
ErrCode graph_resolve(Arena *arena, const RevisionMap *map, const char *text,
                      const Script ***ret_scripts, size_t *ret_count, Error *err) MUST_CHECK;
ErrCode graph_resolve_one(Arena *arena, const RevisionMap *map, const char *text,
                          const char **ret_id, Error *err) MUST_CHECK;

/* `history -r`: "A:B", "A:", ":B", ":", both ends included, newest first; `rows` are what `current`
 * means, NULL when no database was asked (then `current` is an error). A start -N counts down from
 * the heads, an end +N up from the start; either stops at base or tip. */
ErrCode graph_range(Arena *arena, const RevisionMap *map, const StrList *rows, const char *text,
                    const Script ***ret_scripts, size_t *ret_count, Error *err) MUST_CHECK;

/* Steps from `rows` to `target` (head, heads, id, prefix, label, +N, id+N, label@head …), oldest
 * first. From no rows the baseline that stands for most of them is the first step. */
ErrCode graph_upgrade(Arena *arena, const RevisionMap *map, const StrList *rows, const char *target,
                      GraphSteps *ret_steps, Error *err) MUST_CHECK;
/* Steps from `rows` down to `target` (base, id, -N, id-N …), newest first. */
ErrCode graph_downgrade(Arena *arena, const RevisionMap *map, const StrList *rows,
                        const char *target, GraphSteps *ret_steps, Error *err) MUST_CHECK;
/* What one step of `revision` between these rows runs: from no rows its baseline if there is one,
 * as graph_upgrade() does. ERR_REFUSED: the step back from a baseline, which several downgrades
 * are needed for. */
ErrCode graph_step_script(const RevisionMap *map, const char *revision, Direction direction,
                          const StrList *rows_before, const StrList *rows_after,
                          const Script **ret_script, Error *err) MUST_CHECK;
/* The rows after stamping: `targets` are ids, head, heads or base; `purge` forgets the present rows
 * first. */
ErrCode graph_stamp(Arena *arena, const RevisionMap *map, const StrList *rows,
                    const StrList *targets, bool purge, StrList *ret_rows, Error *err) MUST_CHECK;
