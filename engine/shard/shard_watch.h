/*
 * A second connection that looks on while a statement of a step takes its time: whom it waits for,
 * who waits for it, how far an index is. When others have waited behind it for longer than the lock
 * budget, the step's own statement is cancelled; nobody else's is touched.
 *
 * It is opened when a batch has been without an answer for WATCH_AFTER_MS, is kept for the
 * session's life, and asks one query at a time, each a transaction of its own: a snapshot that
 * stayed would be one that CREATE INDEX CONCURRENTLY waits for. Without it (no connection left, no
 * answer) a step goes on all the same, and lock_timeout is what limits it. A COMMIT is not watched.
 * Internal to engine/shard*.c.
 */
#pragma once

#include "shard.h"

enum { WATCH_AFTER_MS = 100 };

typedef struct ShardWatch ShardWatch;

typedef struct WatchArgs {
    uint32_t lock_budget_ms; /* LOCK_BUDGET_NONE = no limit */
    ShardActivityCb *activity_cb;
    void *activity_data;
} WatchArgs;

/* From now on what shard_send() sends is watched, until shard_watch_end(). */
void shard_watch_begin(ShardSession *session, const WatchArgs *args);
/* Which unit of `transaction: none` is in hand, for whoever is told. */
void shard_watch_unit(ShardSession *session, uint32_t unit, uint32_t unit_count);
void shard_watch_end(ShardSession *session);
void shard_watch_free(ShardWatch *watch); /* NULL-safe */

/* A wait for a lock, by the server's clock: from when, and until when it was seen at least. */
typedef struct WatchWait {
    double since_s; /* since 1970 */
    double until_s;
} WatchWait;
/* Those of the batch in hand, or the last one; short ones are not seen. */
const WatchWait *shard_watch_waits(const ShardSession *session, size_t *ret_count);

/* Before a step: whether the transaction that the last one waited for in vain is still there, with
 * its locks. False, and no callback: nothing is known of one. With `is_there` the session's error
 * is LOCK_TIMEOUT: to queue for the lock once more would only hold up those who come behind. */
typedef void WatchBlockerCb(ShardSession *session, bool is_there, void *data);
bool shard_watch_ask_blocker(ShardSession *session, WatchBlockerCb *cb, void *data);

/* For shard_send(): around one batch. */
bool shard_watch_is_on(const ShardSession *session);
void shard_watch_sent(ShardSession *session, PgBatchCb *cb, void *data);
void shard_watch_answered(PgConn *conn, const PgReply *reply, void *session);

/* Adds to the session's error, which is the reply's, what was seen of the batch: that it was
 * cancelled by the budget (LOCK_TIMEOUT while it waited itself, else LOCK_BUDGET), or who had the
 * lock that was not granted. */
void shard_watch_explain(ShardSession *session, const PgReply *reply);
