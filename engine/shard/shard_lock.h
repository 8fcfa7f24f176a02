/*
 * The run lock: one run at a time works on a shard. A session's advisory lock, whose key is a class
 * of ours and a hash of the shard's schema, in the shard's database; the server gives it back when
 * the session ends, however it ends. It is polled and never waited for in the server, where a
 * waiter would hold a snapshot that CREATE INDEX CONCURRENTLY waits for. It keeps people and agents
 * out of each other's way; what keeps a shard right is its fence. Internal to engine/shard*.c.
 */
#pragma once

#include "shard_session.h"

/* Of pg_try_advisory_lock(class, object); '' = the whole database. */
typedef struct ShardLockKey {
    int32_t class;
    int32_t object;
} ShardLockKey;
ShardLockKey shard_lock_key(const char *schema);

/* Adds one try; nothing through a pooler, whose session is not ours. The first after BEGIN. */
void shard_lock_add(ShardSession *session, PgBatch *batch);
/* The try's answer: false = somebody else holds it. */
bool shard_lock_read(ShardSession *session, const PgResult *result);

/* Tries again for `wait_ms`, with no transaction open in between. Afterwards the session has the
 * lock, or its error is BUSY and names the holder, INTERRUPTED, or a failure. */
typedef void ShardLockCb(void *data);
void shard_lock_wait(ShardSession *session, uint32_t wait_ms, ShardLockCb *cb, void *data);
/* Gives it back, where the session has it. */
void shard_lock_release_add(ShardSession *session, PgBatch *batch);
