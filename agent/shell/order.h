/*
 * What an agent believes of an order before it touches a shard: the plan was written by an operator
 * and approved by enough others, the bundle was signed for release and is the plan's, and the shard
 * is the plan's, is this agent's, and goes in a direction the plan allows. All of it follows from
 * signatures and digests; nothing is taken on the coordinator's word.
 */
#pragma once

#include "bundle.h"
#include "job.h"
#include "message.h"
#include "plan_codec.h"

/* A plan that has been verified. Lives in the arena it was made in. */
typedef struct OrderPlan {
    Digest digest;
    PlanHeader header;
    Bundle bundle;
    size_t approval_count;           /* distinct operators beside the author */
    uint64_t approved_until_unix_ms; /* the plan and the approvals that count hold so long */
} OrderPlan;

/* One order on one shard, verified. */
typedef struct OrderShard {
    PlanShard shard;
    JobKind kind;
    Uuid source_rollout;    /* JOB_TAKE_BACK: whose steps */
    bool take_back_allowed; /* by policy, or because taking back is the plan */
    uint64_t take_back_within_ms;
    JobStep *steps;
    size_t step_count;
} OrderShard;

/* The dossier and the bundle file as fetched. Borrows `bundle` bytes and `trust`. */
ErrCode order_plan_open(Arena *arena, const Trust *trust, const RunShards *run, ByteSpan dossier,
                        ByteSpan bundle, uint64_t now_unix_ms, OrderPlan *ret_plan,
                        Error *err) MUST_CHECK;
/* One shard that is to be looked at: the plan's, in its place, and this agent's. */
ErrCode order_look_open(Arena *arena, const OrderPlan *plan, const char *agent,
                        const ShardOrder *order, PlanShard *ret_shard, Error *err) MUST_CHECK;
/* One order of the command. Whether the cluster and database are configured is the caller's. */
ErrCode order_shard_open(Arena *arena, const OrderPlan *plan, const char *agent,
                         const ShardOrder *order, uint64_t now_unix_ms, OrderShard *ret_shard,
                         Error *err) MUST_CHECK;
/* Texts and rows too, but for `steps`, which are borrowed, and the labels, which are left out: what
 * a job needs when the arena that the order was opened in is gone. */
OrderShard order_shard_copy(Arena *arena, const OrderShard *from);
