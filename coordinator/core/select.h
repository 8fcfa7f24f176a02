/*
 * Selections: which shards of the fleet a rollout is about.
 *
 *   tier in (free, pro) and region = eu and not (canary or region != us)
 *   version >= 15 and size < 10GiB and rows = 008_x and state != unreachable
 *
 * `key = value`, `key != value`, `key in (a, b)`, `key not in (a, b)`, a bare `key` (the label is
 * there and is not "false"), `not`, `and`, `or`, parentheses; `not` binds closest, then `and`.
 * Words are [A-Za-z0-9_./-]+ or quoted with ' or ". The empty selection matches everything.
 *
 * Fields of every shard: name (cluster/database[/schema] as shown), host, cluster, database,
 * schema, agent, role (primary, standby), state (as shown), rows (`=` and `in`: it is among the
 * shard's version rows), version (of the server: 15 is any 15.x), size (bytes, KiB, MiB, GiB,
 * TiB). version and size may be compared with < <= > >= too. Every other key is a label, and
 * label.KEY or a quoted key is the label where a field has its name. A label that a shard does not
 * have equals nothing: `=` and `in` are false, `!=` and `not in` are true. So does a version that
 * is not known.
 */
#pragma once

#include "plan.h"

typedef struct Selection Selection;

/* What a selection is matched against. */
typedef struct SelectTarget {
    const char *name;
    const char *host;
    const char *cluster;
    const char *database;
    const char *schema;
    const char *agent;
    const char *role;
    ShardState state;
    const StrList *rows;
    uint32_t server_version; /* as 150014; 0 = not known */
    uint64_t size_bytes;
    const LabelList *labels;
} SelectTarget;

/* The result lives in `arena`. ERR_USAGE names the column (from 1) in the message. */
MUST_CHECK ErrCode select_parse(const char *text, Arena *arena, const Selection **ret_selection,
                                Error *err);
bool select_matches(const Selection *selection, const SelectTarget *target);
