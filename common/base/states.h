/*
 * The words for states, directions and outcomes: one enum each, the same words in proto, SQL, JSON
 * and page. Value 0 is "unspecified" everywhere and refused wherever it comes from outside. Values
 * equal those in proto/plan.proto and proto/report.proto.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* A shard's state, in the fleet's view and in a rollout's. */
typedef enum ShardState {
    SHARD_UNSPECIFIED,
    SHARD_NEW,             /* found, never adopted: no version rows, no pgtide schema */
    SHARD_CURRENT,         /* every target head is among its applied revisions */
    SHARD_PENDING,         /* has steps before it */
    SHARD_RUNNING,         /* a job is at work on it */
    SHARD_FAILED,          /* a step failed; it stands at its last completed step */
    SHARD_UNKNOWN,         /* the outcome of a step has not been read yet */
    SHARD_DIVERGED,        /* rows are not what its history says */
    SHARD_ROLLBACK_FAILED, /* a downgrade failed; quarantined with that reason */
    SHARD_QUARANTINED,     /* no rollout touches it until a person says so */
    SHARD_UNREACHABLE,     /* its server or agent does not answer */
    SHARD_STATE_COUNT
} ShardState;

typedef enum RolloutState {
    ROLLOUT_UNSPECIFIED,
    ROLLOUT_DRAFT,
    ROLLOUT_APPROVED,
    ROLLOUT_RUNNING,
    ROLLOUT_PAUSED, /* by an operator; resume goes on */
    ROLLOUT_HALTED, /* stopped itself: budget or gate, policy "pause"; or draining before its policy
                       acts */
    ROLLOUT_ROLLING_BACK,
    ROLLOUT_ROLLED_BACK, /* terminal */
    ROLLOUT_SUCCEEDED,   /* terminal */
    ROLLOUT_ABORTED,     /* terminal */
    ROLLOUT_STATE_COUNT
} RolloutState;

typedef enum Direction {
    DIRECTION_UNSPECIFIED,
    DIRECTION_UPGRADE,
    DIRECTION_DOWNGRADE,
    DIRECTION_RESTORE, /* from a backup, into a new database that takes the old one's name */
    DIRECTION_COUNT
} Direction;

/* How one job ended on its shard, as its agent read it from the shard. */
typedef enum JobOutcome {
    OUTCOME_UNSPECIFIED,
    OUTCOME_SUCCEEDED, /* all steps done, rows are the plan's rows after (or, downgrading, before)
                        */
    OUTCOME_FAILED,    /* a step failed and was rolled back; earlier steps stand */
    OUTCOME_UNKNOWN,   /* not readable yet; the agent goes on trying to read */
    OUTCOME_DIVERGED,  /* rows are not what history says */
    OUTCOME_STOPPED,   /* told to stop; stands between steps */
    OUTCOME_ROLLBACK_FAILED, /* a downgrade failed */
    OUTCOME_OVERTAKEN,       /* something else moved the shard since; nothing done */
    OUTCOME_REFUSED, /* the agent refused the command or the shard (trust, clone, pooled, fenced) */
    OUTCOME_UNREACHABLE, /* could not connect; nothing done */
    OUTCOME_COUNT
} JobOutcome;

/* Where a running job is, for progress. */
typedef enum JobPhase {
    PHASE_UNSPECIFIED,
    PHASE_ACCEPTED,
    PHASE_CONNECTING,
    PHASE_CLAIMING, /* adopting if new, locking the row, bumping the fence, reading rows and history
                     */
    PHASE_BACKUP,
    PHASE_STEP,
    PHASE_WAITING, /* before a retry (lock timeout, connection) */
    PHASE_PROBING, /* outcome unknown: reconnecting to read */
    PHASE_DONE,
    PHASE_RESTORE, /* a backup is read back beside the shard */
    PHASE_SWAP,    /* what was restored takes the shard's place */
    PHASE_COUNT
} JobPhase;

const char *shard_state_name(ShardState state); /* "rollback-failed" */
const char *rollout_state_name(RolloutState state);
const char *direction_name(Direction direction);
const char *outcome_name(JobOutcome outcome);
const char *phase_name(JobPhase phase);
/* 0 (unspecified) when the word is unknown. */
ShardState shard_state_from_name(const char *name);
Direction direction_from_name(const char *name);
bool rollout_state_is_terminal(RolloutState state);
