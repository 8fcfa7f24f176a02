#include "jobs.h"

#include <stdlib.h>
#include <string.h>

enum { JOBS_ENDED_MAX = 4096 };

struct Jobs {
    ExecWorld *world;
    Exec **items; /* in the order they came, or were queued again */
    size_t count;
    size_t capacity;
    bool took_ended; /* one has ended since jobs_take_ended() */
    uv_async_t wake;
};

/* --- scheduling ------------------------------------------------------------------------------- */

static size_t cluster_index(const Jobs *jobs, const Exec *exec)
{
    const AgentSettings *settings = jobs->world->settings;
    size_t count = agent_settings_cluster_count(settings);
    size_t i = 0;
    while (i < count && strcmp(agent_settings_cluster(settings, i)->name, exec_cluster(exec)) != 0)
        i++;
    return i;
}

/* Another job on the same shard has not ended: the fence would refuse one of the two. */
static bool shard_is_taken(const Jobs *jobs, const Exec *exec)
{
    for (size_t i = 0; i < jobs->count; i++) {
        const Exec *other = jobs->items[i];
        if (other != exec && exec_is_started(other) && !exec_is_done(other) &&
            uuid_equal(&exec_shard(other)->uuid, &exec_shard(exec)->uuid))
            return true;
    }
    return false;
}

static void forget_old(Jobs *jobs)
{
    size_t ended = 0;
    for (size_t i = 0; i < jobs->count; i++)
        ended += exec_is_done(jobs->items[i]);
    size_t kept = 0;
    for (size_t i = 0; i < jobs->count; i++) {
        if (exec_is_done(jobs->items[i]) && ended > JOBS_ENDED_MAX) {
            exec_free(jobs->items[i]);
            ended--;
        } else {
            jobs->items[kept++] = jobs->items[i];
        }
    }
    jobs->count = kept;
}

static void schedule(Jobs *jobs)
{
    forget_old(jobs);
    size_t clusters = agent_settings_cluster_count(jobs->world->settings);
    size_t *at_work = xcalloc(clusters + 1, sizeof(*at_work));
    for (size_t i = 0; i < jobs->count; i++)
        if (exec_is_at_work(jobs->items[i]))
            at_work[cluster_index(jobs, jobs->items[i])]++;
    size_t room = (size_t)jobs->world->settings->concurrency;
    for (size_t i = 0; i < jobs->count; i++) {
        Exec *exec = jobs->items[i];
        if (!exec_wants_start(exec))
            continue;
        size_t cluster = cluster_index(jobs, exec);
        if (at_work[cluster] >= room || shard_is_taken(jobs, exec))
            continue;
        at_work[cluster]++;
        exec_start(exec);
    }
    free(at_work);
}

static void on_wake(uv_async_t *async)
{
    schedule(async->data);
}

static void on_changed(void *context, Exec *exec)
{
    Jobs *jobs = context;
    if (exec_is_done(exec))
        jobs->took_ended = true;
    uv_async_send(&jobs->wake);
}

static void on_queued(void *context, Exec *exec)
{
    Jobs *jobs = context;
    size_t kept = 0;
    for (size_t i = 0; i < jobs->count; i++)
        if (jobs->items[i] != exec)
            jobs->items[kept++] = jobs->items[i];
    jobs->items[kept] = exec;
    uv_async_send(&jobs->wake);
}

/* --- orders ----------------------------------------------------------------------------------- */

static Exec *find(const Jobs *jobs, const Uuid *rollout, const Uuid *shard)
{
    for (size_t i = jobs->count; i-- > 0;) { /* the newest first */
        const JobSpec *spec = job_spec(exec_job(jobs->items[i]));
        if (uuid_equal(&spec->shard, shard) && uuid_equal(&spec->rollout_id, rollout))
            return jobs->items[i];
    }
    return NULL;
}

/* The order is a later one than the job's. */
static bool is_later(const JobSpec *spec, const ExecOrder *order)
{
    if (order->generation != spec->generation)
        return order->generation > spec->generation;
    return order->attempt > spec->attempt;
}

bool jobs_answer(Jobs *jobs, const Uuid *rollout, const Uuid *shard, const ExecOrder *order)
{
    Exec *exec = find(jobs, rollout, shard);
    if (exec == NULL || is_later(job_spec(exec_job(exec)), order))
        return false;
    exec_query(exec);
    return true;
}

static void add(Jobs *jobs, Exec *exec)
{
    if (jobs->count == jobs->capacity) {
        jobs->capacity = jobs->capacity == 0 ? 64 : jobs->capacity * 2;
        jobs->items = xrealloc(jobs->items, jobs->capacity * sizeof(*jobs->items));
    }
    jobs->items[jobs->count++] = exec;
}

static void remove_job(Jobs *jobs, Exec *exec)
{
    size_t kept = 0;
    for (size_t i = 0; i < jobs->count; i++)
        if (jobs->items[i] != exec)
            jobs->items[kept++] = jobs->items[i];
    jobs->count = kept;
    exec_free(exec);
}

void jobs_order(Jobs *jobs, SharedPlan *plan, const OrderShard *shard, const ExecOrder *order)
{
    const Uuid *rollout = &plan->order.header.rollout_id;
    if (jobs_answer(jobs, rollout, &shard->shard.uuid, order))
        return;
    Exec *former = find(jobs, rollout, &shard->shard.uuid);
    if (former != NULL && (exec_is_done(former) || !exec_is_started(former)))
        remove_job(jobs, former);
    else if (former != NULL)
        exec_stop(former); /* the new one waits for its end */
    Exec *exec = exec_new(jobs->world, plan, shard, order);
    add(jobs, exec);
    exec_query(exec);
    uv_async_send(&jobs->wake);
}

void jobs_stop(Jobs *jobs, const Uuid *rollout)
{
    for (size_t i = 0; i < jobs->count; i++)
        if (uuid_is_nil(rollout) ||
            uuid_equal(&job_spec(exec_job(jobs->items[i]))->rollout_id, rollout))
            exec_stop(jobs->items[i]);
}

void jobs_cancel(Jobs *jobs)
{
    for (size_t i = 0; i < jobs->count; i++)
        exec_cancel(jobs->items[i]);
}

void jobs_report(Jobs *jobs)
{
    for (size_t i = 0; i < jobs->count; i++)
        exec_query(jobs->items[i]);
}

/* --- questions -------------------------------------------------------------------------------- */

uint32_t jobs_running(const Jobs *jobs)
{
    uint32_t running = 0;
    for (size_t i = 0; i < jobs->count; i++)
        running += exec_is_started(jobs->items[i]) && !exec_is_done(jobs->items[i]);
    return running;
}

bool jobs_is_at_work(const Jobs *jobs, const Uuid *shard)
{
    for (size_t i = 0; i < jobs->count; i++)
        if (exec_is_started(jobs->items[i]) && !exec_is_done(jobs->items[i]) &&
            uuid_equal(&exec_shard(jobs->items[i])->uuid, shard))
            return true;
    return false;
}

size_t jobs_unfinished(const Jobs *jobs)
{
    size_t unfinished = 0;
    for (size_t i = 0; i < jobs->count; i++)
        unfinished += !exec_is_done(jobs->items[i]) && !job_is_in_doubt(exec_job(jobs->items[i]));
    return unfinished;
}

bool jobs_take_ended(Jobs *jobs)
{
    bool ended = jobs->took_ended;
    jobs->took_ended = false;
    return ended;
}

/* --- life ------------------------------------------------------------------------------------- */

Jobs *jobs_new(ExecWorld *world)
{
    Jobs *jobs = xcalloc(1, sizeof(*jobs));
    jobs->world = world;
    world->changed = on_changed;
    world->queued = on_queued;
    world->jobs = jobs;
    uv_async_init(world->loop, &jobs->wake, on_wake);
    jobs->wake.data = jobs;
    return jobs;
}

static void on_wake_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void jobs_free(Jobs *jobs)
{
    if (jobs == NULL)
        return;
    for (size_t i = 0; i < jobs->count; i++)
        exec_free(jobs->items[i]);
    free(jobs->items);
    uv_close((uv_handle_t *)&jobs->wake, on_wake_closed);
}
