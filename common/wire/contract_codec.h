/*
 * The part of a plan that contract steps ask for: protobuf <-> ContractPlan. As plan_codec.h.
 */
#pragma once

#include "plan.h"

#include "plan.pb-c.h"

/* NULL is a plan without contract steps. With some, `gates` must have the gate that is named,
 * before a wave. */
ErrCode contract_decode(Arena *arena, const Pgtide__V1__Contract *in, const GatePlan *gates,
                        size_t gate_count, ContractPlan *out, Error *err) MUST_CHECK;
Pgtide__V1__Contract *contract_encode(Arena *arena, const ContractPlan *contract);
