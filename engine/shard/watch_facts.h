/*
 * What a look at a running statement says, in words and numbers: whom it waits for, who waits for
 * it, how far an index is. Pure; the looks are shard_watch.c's.
 */
#pragma once

#include "activity.h"

/* A row of pg_stat_activity as far as it is visible; '' for NULL. */
typedef struct WatchSession {
    const char *state;
    const char *query;
    const char *backend_type;
} WatchSession;

/* A row of pg_stat_progress_create_index; phase '' = there is none. */
typedef struct WatchBuild {
    const char *command;
    const char *phase;
    uint64_t blocks_done;
    uint64_t blocks_total;
    uint64_t tuples_done;
    uint64_t tuples_total;
    uint64_t partitions_done;
    uint64_t partitions_total;
} WatchBuild;

/* "SELECT", "idle in transaction", "autovacuum", "prepared transaction" (pid 0); "not visible" when
 * the role may not know. Never anything else of the query. */
const char *watch_query_class(Arena *arena, uint32_t pid, const WatchSession *session);
/* "ALTER TABLE users ADD COLUMN bio text": the beginning of a statement, up to whatever may hold a
 * value; at most 60 bytes. */
const char *watch_statement(Arena *arena, const char *query);
/* Of the whole build, 0 to 99: each phase has a share, as the work of a large table is usually
 * spread; no phase's own figure is shown as the whole. */
uint32_t watch_build_percent(const WatchBuild *build);
