#include "shard_lock.h"

#include "digest.h"
#include "shard_queries.h"

#include <string.h>

enum {
    LOCK_CLASS = 0x70677469, /* "pgti" */
    LOCK_POLL_MS_MIN = 20,
    LOCK_POLL_MS_MAX = 250,
    LOCK_ANSWER_DEADLINE_MS = 10000,
};

typedef struct LockWait {
    ShardSession *session;
    ShardLockCb *cb;
    void *data;
    uint64_t until_ms;
    uint32_t pause_ms;
    bool asked; /* who holds it */
} LockWait;

/* --- the lock --------------------------------------------------------------------------------- */

ShardLockKey shard_lock_key(const char *schema)
{
    Digest digest = sha256_bytes(schema, strlen(schema));
    ShardLockKey key = {.class = LOCK_CLASS};
    memcpy(&key.object, digest.bytes, sizeof key.object);
    return key;
}

static const char *lock_class(ShardSession *session)
{
    return arena_printf(session->arena, "%d", shard_lock_key(shard_schema(session)).class);
}

static const char *lock_object(ShardSession *session)
{
    return arena_printf(session->arena, "%d", shard_lock_key(shard_schema(session)).object);
}

void shard_lock_add(ShardSession *session, PgBatch *batch)
{
    const char *params[] = {
        arena_printf(session->arena, "%d", pg_backend_pid(session->conn)),
        lock_class(session),
        lock_object(session),
    };
    pg_batch_add_params(batch, shard_sql_lock, 3, params);
}

bool shard_lock_read(ShardSession *session, const PgResult *result)
{
    session->has_run_lock = pg_bool(result, 0, 0);
    return session->has_run_lock || pg_is_null(result, 0, 0);
}

void shard_lock_release_add(ShardSession *session, PgBatch *batch)
{
    if (!session->has_run_lock)
        return;
    const char *params[] = {lock_class(session), lock_object(session)};
    pg_batch_add_params(batch, shard_sql_unlock, 2, params);
    session->has_run_lock = false;
}

/* --- waiting ---------------------------------------------------------------------------------- */

static void try_again(LockWait *wait);

static void end(LockWait *wait)
{
    wait->cb(wait->data);
}

static void on_pause_over(uv_timer_t *timer)
{
    try_again(timer->data);
}

static void pause_then_try(LockWait *wait)
{
    shard_timer_start(wait->session, wait->pause_ms, on_pause_over, wait);
    wait->pause_ms *= 2;
    if (wait->pause_ms > LOCK_POLL_MS_MAX)
        wait->pause_ms = LOCK_POLL_MS_MAX;
}

static void name_holder(LockWait *wait, const PgResult *holder)
{
    Error *err = &wait->session->error;
    const char *pid = pg_text(holder, 0, 0);
    const char *since = pg_text(holder, 0, 3);
    err_set(err, ERR_BUSY, "%s is at work on this shard (server process %s%s%s)",
            pg_text(holder, 0, 1), pid, *since == '\0' ? "" : ", connected since ", since);
    err_detail(err, "user %s%s%s", pg_text(holder, 0, 2),
               pg_is_null(holder, 0, 4) ? "" : ", state: ", pg_text(holder, 0, 4));
    err_hint(err,
             "Wait for it to end. If nobody is behind it any more: SELECT "
             "pg_terminate_backend(%s);",
             pid);
}

static void on_holder(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    LockWait *wait = data;
    ShardSession *session = wait->session;
    if (reply->error != NULL) {
        shard_reply_error(session, reply);
        end(wait);
    } else if (pg_rows(&reply->results[0]) > 0) {
        name_holder(wait, &reply->results[0]);
        end(wait);
    } else if (!wait->asked) {
        wait->asked = true; /* it has just gone */
        try_again(wait);
    } else {
        err_set(&session->error, ERR_BUSY, "others work on this shard, one after the other");
        end(wait);
    }
}

static void ask_holder(LockWait *wait)
{
    ShardSession *session = wait->session;
    PgBatch batch = pg_batch(session->arena);
    const char *params[] = {lock_class(session), lock_object(session)};
    pg_batch_add_params(&batch, shard_sql_lock_holder, 2, params);
    shard_send(session, &batch, on_holder, wait);
}

static void on_tried(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    LockWait *wait = data;
    ShardSession *session = wait->session;
    if (reply->error != NULL)
        shard_reply_error(session, reply);
    else if (shard_lock_read(session, &reply->results[reply->count - 1]))
        err_clear(&session->error);
    else if (uv_now(session->loop) >= wait->until_ms)
        return ask_holder(wait);
    else
        return pause_then_try(wait);
    end(wait);
}

static void try_again(LockWait *wait)
{
    ShardSession *session = wait->session;
    session->deadline_ms = uv_now(session->loop) + LOCK_ANSWER_DEADLINE_MS;
    PgBatch batch = pg_batch(session->arena);
    if (session->cancelled) {
        err_set(&session->error, ERR_INTERRUPTED, "interrupted; nothing changed");
        end(wait);
        return;
    }
    shard_lock_add(session, &batch);
    shard_send(session, &batch, on_tried, wait);
}

static void on_rolled_back(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    LockWait *wait = data;
    if (reply->error != NULL) {
        shard_reply_error(wait->session, reply);
        end(wait);
    } else if (uv_now(wait->session->loop) >= wait->until_ms) {
        ask_holder(wait);
    } else {
        pause_then_try(wait);
    }
}

void shard_lock_wait(ShardSession *session, uint32_t wait_ms, ShardLockCb *cb, void *data)
{
    LockWait *wait = ARENA_NEW(session->arena, LockWait);
    *wait = (LockWait){
        .session = session,
        .cb = cb,
        .data = data,
        .until_ms = uv_now(session->loop) + wait_ms,
        .pause_ms = LOCK_POLL_MS_MIN,
    };
    PgBatch batch = pg_batch(session->arena);
    if (pg_in_transaction(session->conn))
        pg_batch_add(&batch, "ROLLBACK");
    shard_stay_add(session->conn, &batch);
    shard_send(session, &batch, on_rolled_back, wait);
}
