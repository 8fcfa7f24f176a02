#include "shard_watch.h"

#include "clock.h"
#include "plan.h"
#include "shard_session.h"
#include "watch_facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WATCH_PAUSE_MS = 100, /* between two looks, and at most a tenth of the budget */
    WATCH_PAUSE_MS_MIN = 20,
    WATCH_CONNECT_MS = 5000,
    WATCH_ANSWER_MS = 5000,
    WATCH_TELL_MS = 1000,
    WATCH_REOPEN_MS = 200,
    WATCH_REOPEN_MAX = 3, /* in one batch */
    WATCH_WAITS_MAX = 64, /* of one batch; more are not kept */
    VERSION_WITH_WAITSTART = 140000,
};

typedef enum WatchState {
    WATCH_CLOSED,
    WATCH_CONNECTING,
    WATCH_IDLE,
    WATCH_ASKING,
    WATCH_GIVEN_UP, /* until the next batch */
} WatchState;

struct ShardWatch {
    ShardSession *session;
    WatchArgs args;
    bool on; /* between begin and end */
    uint32_t unit;
    uint32_t unit_count;
    uv_timer_t *timer;
    PgConn *conn; /* NULL = none */
    WatchState state;
    bool is_set_up;
    Arena *asking; /* of the query in hand */
    uint64_t asked_ms;
    uint64_t asked_of; /* `batch` then */

    /* Of the batch in hand. */
    bool busy;
    int given_up;   /* so many connections */
    uint64_t batch; /* its number */
    PgBatchCb *cb;
    void *data;
    Arena *seen;                  /* what `activity` points to */
    Activity activity;            /* as of the last look that found something, in this batch */
    const char *seen_transaction; /* of its blocker */
    bool cancelled;               /* over the budget: it was told to stop */
    bool waited;                  /* it waited for a lock itself then */
    uint32_t waiting;
    uint64_t longest_ms;
    WatchWait waits[WATCH_WAITS_MAX];
    size_t wait_count;

    /* Whom the last step waited for in vain. */
    Arena *blocked;
    const char *blocker; /* for people; NULL = nobody */
    bool gives_way;      /* an autovacuum goes away because somebody waits for it */
    const char *transaction;
    Error failure; /* the step's */
    WatchBlockerCb *blocker_cb;
    void *blocker_data;

    ActivityKind told; /* by us, last */
    uint64_t told_ms;
};

/* --- the query -------------------------------------------------------------------------------- */

/* pg_blocking_pids() stops the lock manager for a moment, so it is asked for few: those who wait
 * for a lock, at most as many as this. Whoever waits for the version table is another run of ours,
 * or Alembic: that they wait is what the lock is for. Who waits for a virtual transaction is a
 * CONCURRENTLY, perhaps on another table: it is in no hurry. */
#define WAITING_MAX "200"

#define WATCH_QUERY(since, own)                                                                    \
    "WITH RECURSIVE me AS MATERIALIZED (SELECT pg_blocking_pids($1::int4) AS pids),"               \
    " waiting AS MATERIALIZED (SELECT l.pid, " since " AS since FROM pg_locks l"                   \
    "  WHERE NOT l.granted AND l.pid <> $1::int4 AND l.locktype <> 'virtualxid'"                   \
    "  AND NOT coalesce(l.relation = to_regclass($2)::oid, false)"                                 \
    "  GROUP BY l.pid LIMIT " WAITING_MAX "),"                                                     \
    " edges AS MATERIALIZED (SELECT pid, since, pg_blocking_pids(pid) AS by FROM waiting),"        \
    " behind AS (SELECT pid, since FROM edges WHERE $1::int4 = ANY (by)"                           \
    "  UNION SELECT e.pid, e.since FROM edges e JOIN behind b ON b.pid = ANY (e.by)),"             \
    " blocker AS (SELECT u.pid, s.usename, s.application_name, s.state, left(s.query, 200) AS q,"  \
    "  s.backend_type, s.xact_start FROM me, unnest(me.pids) AS u (pid)"                           \
    "  LEFT JOIN pg_stat_activity s ON s.pid = u.pid WHERE u.pid <> pg_backend_pid()"              \
    "  ORDER BY coalesce(s.wait_event_type = 'Lock', false), s.xact_start LIMIT 1)"                \
    " SELECT a.query, p.command, p.phase, p.blocks_done, p.blocks_total, p.tuples_done,"           \
    " p.tuples_total, p.partitions_done, p.partitions_total, b.pid, b.usename,"                    \
    " b.application_name, b.state, b.q, b.backend_type,"                                           \
    " (extract(epoch FROM clock_timestamp() - b.xact_start) * 1000)::int8,"                        \
    " (SELECT count(*) FROM behind),"                                                              \
    " (SELECT (extract(epoch FROM clock_timestamp() - min(since)) * 1000)::int8 FROM behind),"     \
    " (SELECT max(t.virtualtransaction) FROM pg_locks t WHERE t.pid = b.pid),"                     \
    " (SELECT extract(epoch FROM " own ") FROM pg_locks l WHERE l.pid = $1::int4"                  \
    "  AND NOT l.granted), extract(epoch FROM clock_timestamp())"                                  \
    " FROM pg_stat_activity a"                                                                     \
    " LEFT JOIN pg_stat_progress_create_index p ON p.pid = a.pid LEFT JOIN blocker b ON true"      \
    " WHERE a.pid = $1::int4 AND a.datname = current_database()"                                   \
    " AND extract(epoch FROM a.backend_start) <= $3::numeric"

static const char watch_sql[] = WATCH_QUERY("min(l.waitstart)", "min(l.waitstart)");
static const char watch_sql_before_14[] = WATCH_QUERY(
    "(SELECT w.query_start FROM pg_stat_activity w WHERE w.pid = l.pid)", "min(NULL::timestamptz)");

enum {
    SEEN_QUERY,
    SEEN_COMMAND,
    SEEN_PHASE,
    SEEN_BLOCKS_DONE,
    SEEN_BLOCKS_TOTAL,
    SEEN_TUPLES_DONE,
    SEEN_TUPLES_TOTAL,
    SEEN_PARTITIONS_DONE,
    SEEN_PARTITIONS_TOTAL,
    SEEN_BLOCKER,
    SEEN_USER,
    SEEN_APPLICATION,
    SEEN_STATE,
    SEEN_BLOCKER_QUERY,
    SEEN_BACKEND_TYPE,
    SEEN_SINCE_MS,
    SEEN_WAITING,
    SEEN_LONGEST_MS,
    SEEN_TRANSACTION,
    SEEN_WAIT_SINCE,
    SEEN_NOW,
};

/* --- what was seen ---------------------------------------------------------------------------- */

static void read_blocker(ShardWatch *watch, const PgResult *row)
{
    Activity *activity = &watch->activity;
    activity->has_blocker = !pg_is_null(row, 0, SEEN_BLOCKER);
    if (!activity->has_blocker)
        return;
    WatchSession session = {
        .state = pg_text(row, 0, SEEN_STATE),
        .query = pg_text(row, 0, SEEN_BLOCKER_QUERY),
        .backend_type = pg_text(row, 0, SEEN_BACKEND_TYPE),
    };
    Blocker *blocker = &activity->blocker;
    blocker->pid = (uint32_t)pg_u64(row, 0, SEEN_BLOCKER);
    blocker->user = pg_text(row, 0, SEEN_USER);
    blocker->application = pg_text(row, 0, SEEN_APPLICATION);
    blocker->query_class = watch_query_class(watch->seen, blocker->pid, &session);
    blocker->since_ms = pg_u64(row, 0, SEEN_SINCE_MS);
    watch->seen_transaction = arena_strdup(watch->seen, pg_text(row, 0, SEEN_TRANSACTION));
}

static void read_build(ShardWatch *watch, const PgResult *row)
{
    WatchBuild build = {
        .command = pg_text(row, 0, SEEN_COMMAND),
        .phase = pg_text(row, 0, SEEN_PHASE),
        .blocks_done = pg_u64(row, 0, SEEN_BLOCKS_DONE),
        .blocks_total = pg_u64(row, 0, SEEN_BLOCKS_TOTAL),
        .tuples_done = pg_u64(row, 0, SEEN_TUPLES_DONE),
        .tuples_total = pg_u64(row, 0, SEEN_TUPLES_TOTAL),
        .partitions_done = pg_u64(row, 0, SEEN_PARTITIONS_DONE),
        .partitions_total = pg_u64(row, 0, SEEN_PARTITIONS_TOTAL),
    };
    Activity *activity = &watch->activity;
    if (build.phase[0] == '\0')
        return;
    activity->kind = ACTIVITY_BUILD;
    activity->percent = watch_build_percent(&build);
    activity->done = build.blocks_total > 0 ? build.blocks_done : build.tuples_done;
    activity->total = build.blocks_total > 0 ? build.blocks_total : build.tuples_total;
}

static void read_row(ShardWatch *watch, const PgResult *row)
{
    Activity *activity = &watch->activity;
    arena_reset(watch->seen);
    watch->seen_transaction = NULL;
    *activity = (Activity){
        .what = watch_statement(watch->seen, pg_text(row, 0, SEEN_QUERY)),
        .unit = watch->unit,
        .unit_count = watch->unit_count,
        .waiting_behind = (uint32_t)pg_u64(row, 0, SEEN_WAITING),
    };
    read_blocker(watch, row);
    if (activity->has_blocker)
        activity->kind = ACTIVITY_LOCK_WAIT;
    read_build(watch, row);
    *activity = activity_copy(watch->seen, activity);
}

/* A wait that goes on is the one of the last look. */
static void note_wait(ShardWatch *watch, const PgResult *row)
{
    if (pg_is_null(row, 0, SEEN_WAIT_SINCE))
        return;
    double since_s = strtod(pg_text(row, 0, SEEN_WAIT_SINCE), NULL);
    double now_s = strtod(pg_text(row, 0, SEEN_NOW), NULL);
    WatchWait *last = watch->wait_count == 0 ? NULL : &watch->waits[watch->wait_count - 1];
    if (last != NULL && since_s <= last->until_s)
        last->until_s = now_s;
    else if (watch->wait_count < WATCH_WAITS_MAX)
        watch->waits[watch->wait_count++] = (WatchWait){.since_s = since_s, .until_s = now_s};
}

const WatchWait *shard_watch_waits(const ShardSession *session, size_t *ret_count)
{
    *ret_count = session->watch == NULL ? 0 : session->watch->wait_count;
    return session->watch == NULL ? NULL : session->watch->waits;
}

/* --- what follows from it --------------------------------------------------------------------- */

static uint32_t pause_ms(const ShardWatch *watch)
{
    uint32_t pause = watch->args.lock_budget_ms / 10;
    if (pause > WATCH_PAUSE_MS)
        return WATCH_PAUSE_MS;
    return pause < WATCH_PAUSE_MS_MIN ? WATCH_PAUSE_MS_MIN : pause;
}

/* What was seen last is gone with the next look. */
static void note_blocker(ShardWatch *watch)
{
    const Blocker *blocker = &watch->activity.blocker;
    arena_reset(watch->blocked);
    watch->blocker = blocker_text(watch->blocked, blocker);
    watch->transaction = arena_strdup(watch->blocked, watch->seen_transaction);
    watch->gives_way = strcmp(blocker->query_class, "autovacuum") == 0;
}

/* The next look would come too late. */
static void judge(ShardWatch *watch, uint64_t longest_ms)
{
    uint32_t budget_ms = watch->args.lock_budget_ms;
    if (watch->activity.waiting_behind == 0 || budget_ms == LOCK_BUDGET_NONE || watch->cancelled ||
        longest_ms + pause_ms(watch) < budget_ms)
        return;
    watch->cancelled = true;
    watch->waited = watch->activity.has_blocker;
    watch->waiting = watch->activity.waiting_behind;
    watch->longest_ms = longest_ms;
    if (watch->waited)
        note_blocker(watch);
    pg_cancel(watch->session->conn);
}

static void tell(ShardWatch *watch)
{
    const Activity *activity = &watch->activity;
    uint64_t now_ms = uv_now(watch->session->loop);
    if (watch->args.activity_cb == NULL ||
        (activity->kind == ACTIVITY_UNSPECIFIED && watch->told == ACTIVITY_UNSPECIFIED) ||
        (activity->kind == watch->told && now_ms < watch->told_ms + WATCH_TELL_MS))
        return;
    watch->told = activity->kind;
    watch->told_ms = now_ms;
    watch->args.activity_cb(watch->session, activity, watch->args.activity_data);
}

/* --- looking ---------------------------------------------------------------------------------- */

static void on_time(uv_timer_t *timer);

static void look_again(ShardWatch *watch)
{
    uint64_t took_ms = uv_now(watch->session->loop) - watch->asked_ms;
    uint64_t pause = pause_ms(watch);
    uv_timer_start(watch->timer, on_time, took_ms > pause ? took_ms : pause, 0);
}

/* The connection is no use. Another one may be: this one may have been cut off for being idle. */
static void give_up(ShardWatch *watch)
{
    pg_close(watch->conn);
    watch->conn = NULL;
    watch->is_set_up = false;
    watch->state = WATCH_CLOSED;
    if (watch->busy && watch->given_up++ < WATCH_REOPEN_MAX)
        uv_timer_start(watch->timer, on_time, WATCH_REOPEN_MS, 0);
    else if (watch->busy)
        watch->state = WATCH_GIVEN_UP;
}

static void on_looked(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    ShardWatch *watch = data;
    watch->state = WATCH_IDLE;
    /* No row: that connection leads to another server, where our backend is not. */
    if (reply->error != NULL || pg_rows(&reply->results[reply->count - 1]) != 1) {
        give_up(watch);
        return;
    }
    watch->is_set_up = true;
    if (!watch->busy)
        return;
    if (watch->asked_of == watch->batch) {
        const PgResult *row = &reply->results[reply->count - 1];
        read_row(watch, row);
        note_wait(watch, row);
        judge(watch, pg_u64(row, 0, SEEN_LONGEST_MS));
        tell(watch);
    }
    look_again(watch);
}

static void look(ShardWatch *watch)
{
    const ShardSession *session = watch->session;
    arena_reset(watch->asking);
    PgBatch batch = pg_batch(watch->asking);
    if (!watch->is_set_up) {
        pg_batch_add(&batch, "SET search_path = pg_catalog, pg_temp");
        shard_stay_add(watch->conn, &batch);
    }
    const char *params[] = {
        arena_printf(watch->asking, "%d", session->backend.pid),
        session->version_table,
        session->backend.start,
    };
    bool has_waitstart = pg_server_version(watch->conn) >= VERSION_WITH_WAITSTART;
    pg_batch_add_prepared(&batch, has_waitstart ? watch_sql : watch_sql_before_14, 3, params);
    watch->state = WATCH_ASKING;
    watch->asked_ms = uv_now(session->loop);
    watch->asked_of = watch->batch;
    pg_send(watch->conn, &batch, WATCH_ANSWER_MS, on_looked, watch);
}

static void on_connected(PgConn *conn, const Error *err, void *data)
{
    (void)conn;
    ShardWatch *watch = data;
    watch->state = WATCH_IDLE;
    if (err != NULL)
        give_up(watch);
    else if (watch->busy)
        look(watch);
}

/* As the session's own, but for its name. */
static void open_connection(ShardWatch *watch)
{
    const ShardTarget *target = &watch->session->target;
    AUTO_ARENA Arena *arena = arena_new();
    PgKeyword *keywords = ARENA_ARRAY(arena, PgKeyword, target->conninfo_count + 1);
    memcpy(keywords, target->conninfo, target->conninfo_count * sizeof *keywords);
    const char *name = target->application_name;
    if (strncmp(name, "pgtide", 6) == 0)
        name += strcspn(name, " ");
    keywords[target->conninfo_count] =
        (PgKeyword){"application_name", arena_printf(arena, "pgtide watch%s", name)};
    watch->conn = pg_conn_new(watch->session->loop);
    watch->state = WATCH_CONNECTING;
    pg_use_passwords(watch->conn, target->passwords);
    pg_connect(watch->conn, keywords, target->conninfo_count + 1, WATCH_CONNECT_MS, on_connected,
               watch);
}

static void on_time(uv_timer_t *timer)
{
    ShardWatch *watch = timer->data;
    if (!watch->busy)
        return;
    if (watch->state == WATCH_CLOSED)
        open_connection(watch);
    else if (watch->state == WATCH_IDLE)
        look(watch);
}

/* --- whom a step waited for in vain ----------------------------------------------------------- */

static void on_blocker(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    ShardWatch *watch = data;
    ShardSession *session = watch->session;
    watch->state = WATCH_IDLE;
    bool is_there = reply->error == NULL && pg_bool(&reply->results[0], 0, 0);
    if (reply->error != NULL)
        give_up(watch);
    if (is_there) {
        session->error = watch->failure;
        (void)snprintf(session->error.message, sizeof session->error.message,
                       "%s still holds the lock; it was not queued for", watch->blocker);
    } else {
        watch->blocker = NULL;
    }
    watch->blocker_cb(session, is_there, watch->blocker_data);
}

bool shard_watch_ask_blocker(ShardSession *session, WatchBlockerCb *cb, void *data)
{
    ShardWatch *watch = session->watch;
    if (watch == NULL || watch->blocker == NULL || watch->gives_way || watch->state != WATCH_IDLE)
        return false;
    arena_reset(watch->asking);
    PgBatch batch = pg_batch(watch->asking);
    pg_batch_add_params(&batch,
                        "SELECT EXISTS (SELECT FROM pg_catalog.pg_locks"
                        " WHERE virtualtransaction = $1)",
                        1, &watch->transaction);
    watch->blocker_cb = cb;
    watch->blocker_data = data;
    watch->state = WATCH_ASKING;
    pg_send(watch->conn, &batch, WATCH_ANSWER_MS, on_blocker, watch);
    return true;
}

/* --- around a batch --------------------------------------------------------------------------- */

bool shard_watch_is_on(const ShardSession *session)
{
    return session->watch != NULL && session->watch->on;
}

void shard_watch_sent(ShardSession *session, PgBatchCb *cb, void *data)
{
    ShardWatch *watch = session->watch;
    watch->busy = true;
    watch->batch++;
    watch->cb = cb;
    watch->data = data;
    watch->cancelled = false;
    watch->given_up = 0;
    watch->wait_count = 0;
    watch->activity = (Activity){0};
    if (watch->state == WATCH_GIVEN_UP)
        watch->state = WATCH_CLOSED;
    uv_timer_start(watch->timer, on_time, WATCH_AFTER_MS, 0);
}

void shard_watch_answered(PgConn *conn, const PgReply *reply, void *data)
{
    ShardSession *session = data;
    ShardWatch *watch = session->watch;
    watch->busy = false;
    uv_timer_stop(watch->timer);
    watch->cb(conn, reply, watch->data);
}

void shard_watch_explain(ShardSession *session, const PgReply *reply)
{
    ShardWatch *watch = session->watch;
    Error *err = &session->error;
    if (watch == NULL || !watch->on || reply->lost)
        return;
    AUTO_ARENA Arena *arena = arena_new();
    if (watch->cancelled && strcmp(err->sqlstate, "57014") == 0) {
        char budget[DURATION_TEXT_SIZE];
        duration_format(watch->args.lock_budget_ms, budget);
        const char *held = arena_printf(
            arena, "%u session%s waited behind it, the longest for %llu.%llu s (lock budget %s)",
            watch->waiting, watch->waiting == 1 ? "" : "s",
            (unsigned long long)watch->longest_ms / 1000,
            (unsigned long long)watch->longest_ms / 100 % 10, budget);
        if (watch->waited)
            err_set(err, ERR_LOCK_TIMEOUT, "cancelled while it waited for a lock that %s holds: %s",
                    watch->blocker, held);
        else
            err_set(err, ERR_LOCK_BUDGET, "cancelled: %s", held);
        err_sqlstate(err, "57014");
    } else if (err->code == ERR_LOCK_TIMEOUT && watch->activity.has_blocker) {
        note_blocker(watch);
        err_set(err, ERR_LOCK_TIMEOUT, "a lock was not granted in time: %s holds it",
                watch->blocker);
        err_sqlstate(err, "55P03");
    }
}

/* --- around a step ---------------------------------------------------------------------------- */

static ShardWatch *watch_new(ShardSession *session)
{
    ShardWatch *watch = xcalloc(1, sizeof *watch);
    watch->session = session;
    watch->asking = arena_new();
    watch->seen = arena_new();
    watch->blocked = arena_new();
    watch->timer = xcalloc(1, sizeof *watch->timer);
    uv_timer_init(session->loop, watch->timer);
    watch->timer->data = watch;
    return watch;
}

void shard_watch_begin(ShardSession *session, const WatchArgs *args)
{
    if (session->watch == NULL)
        session->watch = watch_new(session);
    ShardWatch *watch = session->watch;
    watch->args = *args;
    watch->on = true;
    watch->unit = watch->unit_count = 0;
    watch->told = ACTIVITY_UNSPECIFIED;
}

void shard_watch_unit(ShardSession *session, uint32_t unit, uint32_t unit_count)
{
    if (session->watch == NULL)
        return;
    session->watch->unit = unit;
    session->watch->unit_count = unit_count;
}

void shard_watch_end(ShardSession *session)
{
    ShardWatch *watch = session->watch;
    if (watch == NULL)
        return;
    watch->on = false;
    if (session->error.code == ERR_LOCK_TIMEOUT)
        watch->failure = session->error;
    else
        watch->blocker = NULL;
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle);
}

void shard_watch_free(ShardWatch *watch)
{
    if (watch == NULL)
        return;
    pg_close(watch->conn);
    uv_close((uv_handle_t *)watch->timer, on_timer_closed);
    arena_free(watch->asking);
    arena_free(watch->seen);
    arena_free(watch->blocked);
    free(watch);
}
