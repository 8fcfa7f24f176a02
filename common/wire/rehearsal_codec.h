/*
 * A plan's rehearsal: protobuf <-> RehearsalPlan, and as JSON. As plan_codec.h.
 */
#pragma once

#include "json.h"
#include "plan.h"

#include "plan.pb-c.h"

/* NULL is a plan without one. */
ErrCode rehearsal_decode(Arena *arena, const Pgtide__V1__Rehearsal *in, RehearsalPlan *out,
                         Error *err) MUST_CHECK;
Pgtide__V1__Rehearsal *rehearsal_encode(Arena *arena, const RehearsalPlan *rehearsal);
/* The key `rehearsal` of an open object: null, or what it says, and of which shard most. */
void rehearsal_view(const PlanHeader *header, const PlanShard *shards, JsonWriter *json);
