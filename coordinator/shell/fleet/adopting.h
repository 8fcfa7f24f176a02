/*
 * `fleet adopt` in the coordinator: whether it makes sense before the agent is asked (relay.h), and
 * what the fleet knows (shard_memory.h) when the agent has done it.
 */
#pragma once

#include "coordinator.h"

#include "adoption.h"

/* What is shown of the listing that the adoption was made from must still be so. ERR_NOT_FOUND,
 * ERR_STATE, ERR_STALE, ERR_BUSY. */
ErrCode adopting_check(const Coordinator *coordinator, const Adoption *adoption,
                       Error *err) MUST_CHECK;
/* The relay has just been given the request: what comes of it is taken note of. Copies. */
void adopting_follow(Coordinator *coordinator, const Adoption *adoption);
