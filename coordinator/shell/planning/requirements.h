/*
 * What a plan requires before it is started: that a rollout of the same bundle has succeeded
 * elsewhere in the fleet, in staging for instance.
 */
#pragma once

#include "coordinator.h"

/* ERR_REFUSED with the shard that is missing, or with what no rollout has done. */
ErrCode requirements_check(const Coordinator *coordinator, const PlanHeader *header,
                           Error *err) MUST_CHECK;
