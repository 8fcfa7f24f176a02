/*
 * One job and the world: carries out what the core decides (job_effect.h) with a session on the
 * shard, the ledger, pg_dump and the bus, and tells it what came of it (job_event.h).
 */
#pragma once

#include "backup.h"
#include "job.h"
#include "ledger.h"
#include "order.h"
#include "shards.h"

typedef struct Exec Exec;

/* A verified plan, shared by its jobs. */
typedef struct SharedPlan {
    Arena *arena;
    OrderPlan order; /* in the arena */
    size_t users;
    bool outdated; /* verified by a trust file that is not in force any more */
} SharedPlan;

/* What all jobs of an agent share. Borrowed; outlives them. */
typedef struct ExecWorld {
    uv_loop_t *loop;
    const AgentSettings *settings;
    Ledger *ledger;
    Shards *shards;
    Uuid fleet_id;
    const char *backup_directory;
    BackupRoom *backup_room;
    ServerPaces *paces;
    /* A report to be sent; copied by the receiver. */
    void (*report)(void *context, const JobReport *report);
    void *context;
    /* The job has ended, began or ended being in doubt, or stands back: there may be room for
     * others. Must not free the job. Set by jobs.h. */
    void (*changed)(void *jobs, Exec *exec);
    /* The job goes behind the others, for exec_start() when its turn comes. Likewise. */
    void (*queued)(void *jobs, Exec *exec);
    void *jobs;
} ExecWorld;

typedef struct ExecOrder {
    uint32_t generation;
    uint32_t attempt;
    Direction direction;
} ExecOrder;

/* Takes a share of the plan until the job has ended; copies what it needs of `shard`. Returns
 * owned. */
Exec *exec_new(const ExecWorld *world, SharedPlan *plan, const OrderShard *shard,
               const ExecOrder *order);
/* Closes what is open. Not from within its callbacks. NULL-safe. */
void exec_free(Exec *exec);

void exec_start(Exec *exec);
void exec_stop(Exec *exec);   /* finish the step in hand, start none */
void exec_query(Exec *exec);  /* report where it stands */
void exec_cancel(Exec *exec); /* interrupt the step in hand; after exec_stop() */

const Job *exec_job(const Exec *exec);
const char *exec_cluster(const Exec *exec);
const PlanShard *exec_shard(const Exec *exec);
bool exec_is_started(const Exec *exec);
bool exec_wants_start(const Exec *exec); /* not started, or queued again */
bool exec_is_done(const Exec *exec);
/* Works on its shard now: counts against the cluster's concurrency. */
bool exec_is_at_work(const Exec *exec);
