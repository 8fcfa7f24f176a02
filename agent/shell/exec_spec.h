/*
 * What a job is to do, from the verified order and from what this agent's ledger remembers of the
 * shard.
 */
#pragma once

#include "exec.h"

/* Borrows from the order, the plan and the ledger: for job_new(), which copies. Reads the manifest
 * of a backup that the ledger names. */
JobSpec exec_spec(const ExecWorld *world, const OrderPlan *plan, const OrderShard *of,
                  const ExecOrder *order);
/* The longest revision id that the job may write into the shard, in bytes. */
uint32_t exec_spec_id_width(const JobSpec *spec);
