#include "shard_standing.h"

/* What a rollout has left behind is shown until the shard is moved by something else. One that it
 * left diverged or halfway back is quarantined until a person releases it, who has looked: then the
 * rollout is believed no more. */
static bool rollout_still_tells(const StandingFacts *facts)
{
    if (facts->rollout_open)
        return true;
    switch (facts->rollout_state) {
    case SHARD_FAILED:
    case SHARD_UNKNOWN:
        return facts->rollout_rows == NULL || facts->rollout_rows->count == 0 ||
               strlist_equal(facts->rollout_rows, facts->rows);
    default:
        return false;
    }
}

static bool is_new(const StandingFacts *facts)
{
    return !facts->adopted && facts->rows->count == 0;
}

Standing standing_of(const StandingFacts *facts)
{
    ShardState at_rest = is_new(facts) ? SHARD_NEW : SHARD_CURRENT;
    if (facts->quarantined_as != SHARD_UNSPECIFIED)
        return (Standing){facts->quarantined_as, STANDING_QUARANTINE};
    if (facts->has_fault)
        return (Standing){SHARD_QUARANTINED, STANDING_FAULT};
    if (!facts->agent_connected)
        return (Standing){SHARD_UNREACHABLE, STANDING_AGENT_AWAY};
    if (!facts->reachable)
        return (Standing){SHARD_UNREACHABLE, STANDING_NO_CONNECTION};
    if (facts->stale)
        return (Standing){SHARD_UNREACHABLE, STANDING_STALE};
    if (facts->standby)
        return (Standing){at_rest, STANDING_STANDBY};
    if (facts->rollout_state != SHARD_UNSPECIFIED && rollout_still_tells(facts))
        return (Standing){facts->rollout_state, STANDING_ROLLOUT};
    return (Standing){at_rest, STANDING_LISTING};
}

ShardBarrier shard_barrier_of(const StandingFacts *facts)
{
    if (facts->standby)
        return SHARD_BARRIER_STANDBY;
    if (facts->quarantined_as != SHARD_UNSPECIFIED)
        return SHARD_BARRIER_QUARANTINED;
    if (facts->has_fault)
        return SHARD_BARRIER_IDENTITY;
    if (facts->pooled)
        return SHARD_BARRIER_POOLED;
    if (!facts->agent_connected || !facts->reachable)
        return SHARD_BARRIER_UNREACHABLE;
    return facts->stale ? SHARD_BARRIER_STALE : SHARD_BARRIER_NONE;
}

static const char *const barrier_names[SHARD_BARRIER_COUNT] = {
    [SHARD_BARRIER_NONE] = "",
    [SHARD_BARRIER_QUARANTINED] = "quarantined",
    [SHARD_BARRIER_IDENTITY] = "identity",
    [SHARD_BARRIER_STANDBY] = "standby",
    [SHARD_BARRIER_POOLED] = "pooled",
    [SHARD_BARRIER_GONE] = "gone",
    [SHARD_BARRIER_UNREACHABLE] = "unreachable",
    [SHARD_BARRIER_STALE] = "stale",
    [SHARD_BARRIER_UNLISTED] = "unlisted",
};

const char *shard_barrier_name(ShardBarrier barrier)
{
    return barrier_names[barrier];
}

bool shard_barrier_is_passing(ShardBarrier barrier)
{
    return barrier >= SHARD_BARRIER_UNREACHABLE;
}
