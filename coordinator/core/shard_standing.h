/*
 * How a shard stands, from what is known of it: what the fleet's view calls it, and what keeps it
 * out of plans.
 */
#pragma once

#include "states.h"
#include "str.h"

/* What is known of a shard that an agent lists. */
typedef struct StandingFacts {
    ShardState quarantined_as; /* SHARD_UNSPECIFIED: it is not quarantined */
    bool has_fault;            /* whether it is the shard it says it is is doubtful */
    bool agent_connected;
    bool reachable; /* its agent can connect to it */
    bool stale;     /* listed longer ago than the coordinator trusts */
    bool standby;
    bool pooled; /* reached through a pooler */
    bool adopted;
    const StrList *rows; /* as listed */

    /* The rollout that has it in hand, or had it last. */
    ShardState rollout_state; /* of the shard in it; SHARD_UNSPECIFIED: there is none */
    bool rollout_open;
    const StrList *rollout_rows; /* as it left them; NULL or none: it does not know */
} StandingFacts;

/* Whose word the state is. */
typedef enum StandingSource {
    STANDING_QUARANTINE,
    STANDING_FAULT,
    STANDING_AGENT_AWAY,
    STANDING_NO_CONNECTION,
    STANDING_STALE,
    STANDING_STANDBY,
    STANDING_ROLLOUT,
    STANDING_LISTING,
    STANDING_SOURCE_COUNT
} StandingSource;

typedef struct Standing {
    ShardState state;
    StandingSource source;
} Standing;

Standing standing_of(const StandingFacts *facts);

/* Why no plan may have a shard. */
typedef enum ShardBarrier {
    SHARD_BARRIER_NONE,
    /* The plan is made without it and says so. */
    SHARD_BARRIER_QUARANTINED,
    SHARD_BARRIER_IDENTITY, /* a clone, a restore, another fleet's: see ShardFault */
    SHARD_BARRIER_STANDBY,
    SHARD_BARRIER_POOLED,
    SHARD_BARRIER_GONE, /* known, and its agent lists it no more */
    /* For the time being: a plan without it would be smaller than its author thinks, so it is
     * refused. */
    SHARD_BARRIER_UNREACHABLE,
    SHARD_BARRIER_STALE,    /* it was listed too long ago */
    SHARD_BARRIER_UNLISTED, /* known, and its agent has not been heard of */
    SHARD_BARRIER_COUNT
} ShardBarrier;

/* Of a shard that is listed: never GONE or UNLISTED. What its rollout says is not looked at. */
ShardBarrier shard_barrier_of(const StandingFacts *facts);
const char *shard_barrier_name(ShardBarrier barrier); /* "unreachable" */
bool shard_barrier_is_passing(ShardBarrier barrier);  /* UNREACHABLE and after it */
