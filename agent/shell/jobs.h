/*
 * All jobs of the agent: at most `concurrency` at work per cluster and one per shard, the others
 * in the order they came; one that stands back goes behind them. What has ended is remembered for a
 * while, so that an order that comes again is answered without touching the shard.
 */
#pragma once

#include "exec.h"

typedef struct Jobs Jobs;

/* Borrows the world, whose `changed` is set here. */
Jobs *jobs_new(ExecWorld *world);
void jobs_free(Jobs *jobs); /* NULL-safe; closes everything */

/* A verified order. Repeated: reports where the job stands. Of a later attempt or generation:
 * begins when the former has ended. */
void jobs_order(Jobs *jobs, SharedPlan *plan, const OrderShard *shard, const ExecOrder *order);
/* Answers for a job that is known without verifying its order again; false when it is not. */
bool jobs_answer(Jobs *jobs, const Uuid *rollout, const Uuid *shard, const ExecOrder *order);
/* Of one rollout, or of all (nil): finish the steps in hand, start none. */
void jobs_stop(Jobs *jobs, const Uuid *rollout);
void jobs_cancel(Jobs *jobs);
/* Every job reports where it stands. */
void jobs_report(Jobs *jobs);

uint32_t jobs_running(const Jobs *jobs); /* at work on their shards, or in doubt */
/* Whether one of them is on this shard. */
bool jobs_is_at_work(const Jobs *jobs, const Uuid *shard);
/* Not ended and not in doubt: what a stopping agent waits for. */
size_t jobs_unfinished(const Jobs *jobs);
/* Since the last call a job has ended. */
bool jobs_take_ended(Jobs *jobs);
