#include "states.h"

#include <stddef.h>
#include <string.h>

static const char *const shard_states[SHARD_STATE_COUNT] = {
    "unspecified", "new",      "current",         "pending",     "running",     "failed",
    "unknown",     "diverged", "rollback-failed", "quarantined", "unreachable",
};

static const char *const rollout_states[ROLLOUT_STATE_COUNT] = {
    "unspecified", "draft",        "approved",    "running",   "paused",
    "halted",      "rolling-back", "rolled-back", "succeeded", "aborted",
};

static const char *const directions[DIRECTION_COUNT] = {"unspecified", "upgrade", "downgrade",
                                                        "restore"};

static const char *const outcomes[OUTCOME_COUNT] = {
    "unspecified", "succeeded",       "failed",    "unknown", "diverged",
    "stopped",     "rollback-failed", "overtaken", "refused", "unreachable",
};

static const char *const phases[PHASE_COUNT] = {
    "unspecified", "accepted", "connecting", "claiming", "backup", "step",
    "waiting",     "probing",  "done",       "restore",  "swap",
};

static const char *word(const char *const *words, int count, int value)
{
    return value < 0 || value >= count ? words[0] : words[value];
}

static int value_of(const char *const *words, int count, const char *name)
{
    for (int i = 1; i < count; i++) {
        if (strcmp(words[i], name) == 0)
            return i;
    }
    return 0;
}

const char *shard_state_name(ShardState state)
{
    return word(shard_states, SHARD_STATE_COUNT, (int)state);
}

const char *rollout_state_name(RolloutState state)
{
    return word(rollout_states, ROLLOUT_STATE_COUNT, (int)state);
}

const char *direction_name(Direction direction)
{
    return word(directions, DIRECTION_COUNT, (int)direction);
}

const char *outcome_name(JobOutcome outcome)
{
    return word(outcomes, OUTCOME_COUNT, (int)outcome);
}

const char *phase_name(JobPhase phase)
{
    return word(phases, PHASE_COUNT, (int)phase);
}

ShardState shard_state_from_name(const char *name)
{
    return (ShardState)value_of(shard_states, SHARD_STATE_COUNT, name);
}

Direction direction_from_name(const char *name)
{
    return (Direction)value_of(directions, DIRECTION_COUNT, name);
}

bool rollout_state_is_terminal(RolloutState state)
{
    return state == ROLLOUT_ROLLED_BACK || state == ROLLOUT_SUCCEEDED || state == ROLLOUT_ABORTED;
}
