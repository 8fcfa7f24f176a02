/*
 * Selections: which shards of the fleet a rollout is about.
 *
 *   tier in (free, pro) and region = eu and not (canary or region != us)
 *
 * `key = value`, `key != value`, `key in (a, b)`, `key not in (a, b)`, a bare `key` (the label is
 * there and is not "false"), `not`, `and`, `or`, parentheses; `not` binds closest, then `and`.
 * Keys are labels; host, cluster, database and schema are always there. A label that a shard does
 * not have equals nothing: `=` and `in` are false, `!=` and `not in` are true. Words are
 * [A-Za-z0-9_./-]+ or quoted with ' or ". The empty selection matches everything.
 */
#pragma once

#include "plan.h"

typedef struct Selection Selection;

/* What a selection is matched against. */
typedef struct SelectTarget {
    const char *host;
    const char *cluster;
    const char *database;
    const char *schema;
    const LabelList *labels;
} SelectTarget;

/* The result lives in `arena`. ERR_USAGE names the column (from 1) in the message. */
MUST_CHECK ErrCode select_parse(const char *text, Arena *arena, const Selection **ret_selection,
                                Error *err);
bool select_matches(const Selection *selection, const SelectTarget *target);
