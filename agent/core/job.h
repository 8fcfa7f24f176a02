/*
 * One job: all steps of one order on one shard. Pure: it is told what happened (job_event.h) and
 * answers with what to do (job_effect.h); it has no clock, no I/O and no randomness but its seed.
 *
 *   idle ─START→ connecting ─→ claiming ─→ recording ─→ backing-up ─→ stepping ─→ done
 *                    ▲             ▲            each step again ─────────┘
 *                    └── waiting ──┘  (lock timeout, lost connection: after a jittered pause)
 *
 * A lock that can't be had JOB_TRIES_IN_A_ROW times makes the job stand back: it closes its
 * session, waits for longer, is queued, and goes on by START where there is room again.
 *
 * A restore is one step of another kind: recording ─→ restoring ─→ swapping ─→ connecting, and what
 * the claim then reads says whether the new database is in place.
 *
 * In every state, what the job believes about the shard is what the last claim or step read there.
 *   connecting  no session
 *   claiming    a session; nothing of this job runs on the shard
 *   recording   claimed; the ledger learns which backend may be left behind
 *   backing-up  claimed, rows are the plan's rows before, nothing done yet
 *   stepping    exactly one step is running
 *   restoring   claimed; the backup is read back under a name of ours, the shard is as it was
 *   swapping    one transaction gives the shard's name to what was restored, or does not
 *   waiting     nothing is running
 *   queued      nothing is running, no session; others of the cluster go first
 *   done        the last report says how it ended; nothing is running, the session is closed
 * While the job is *in doubt* (a step's outcome is not known) the states connecting, claiming and
 * waiting only serve to read: they never end in anything but a claim, however long that takes, and
 * the job reports `unknown`.
 */
#pragma once

#include "job_effect.h"
#include "job_event.h"
#include "plan.h"

typedef struct Job Job;

typedef enum JobKind {
    JOB_KIND_UNSPECIFIED,
    JOB_FORWARD,   /* the plan's steps, in its direction */
    JOB_TAKE_BACK, /* the inverse of what history says was done, newest first */
    JOB_RESTORE,   /* a backup in the place of the shard, from the plan's rows before to after */
    JOB_KIND_COUNT
} JobKind;

/* A step of the plan, with the rows projected over the bundle's graph. */
typedef struct JobStep {
    const char *revision;
    StrList rows_before; /* sorted */
    StrList rows_after;  /* sorted */
} JobStep;

typedef struct JobSpec {
    Uuid rollout_id;
    Uuid shard;
    uint32_t index;
    uint32_t generation; /* from 1 */
    uint32_t attempt;    /* from 1 */
    Direction direction; /* of the steps to be run now */
    JobKind kind;
    StrList plan_rows_before;
    StrList plan_rows_after;
    /* JOB_FORWARD: what to do. JOB_TAKE_BACK of another rollout: the approved list, which must be
     * what history says. Otherwise empty. */
    const JobStep *steps;
    size_t step_count;

    /* JOB_TAKE_BACK */
    Uuid source_rollout; /* whose steps: this rollout's, or PlanHeader.rollback_of */
    bool take_back_allowed;
    uint64_t take_back_within_ms; /* after the first step started; 0 = no limit */

    bool backup_wanted;
    bool has_backup; /* taken before, for this plan and shard */
    BackupInfo backup;

    bool in_doubt;          /* a former life of the agent may have left a step of this job unread */
    uint32_t lock_attempts; /* per step and claim; 0 = 1 */
    uint32_t connect_attempts; /* 0 = JOB_CONNECT_ATTEMPTS */
    uint64_t seed;             /* of the jitter */
} JobSpec;

enum {
    JOB_CONNECT_ATTEMPTS = 12, /* half a minute: a server's restart is no failure */
    JOB_RETRY_WAIT_MS = 250,   /* doubles up to the maximum; half of it is jitter */
    JOB_RETRY_WAIT_MS_MAX = 5000,
    JOB_PROBE_WAIT_MS_MAX = 30000,
    JOB_RESTORE_ATTEMPTS = 3, /* each reads the backup anew */
    JOB_TRIES_IN_A_ROW = 3,   /* to get a lock, before others have their turn */
    JOB_STAND_BACK_MS = 10000,
    JOB_STAND_BACK_MS_MAX = 60000,
    /* A moment's stall of the disk is no reason to give up; what stalls others each time is. */
    JOB_OVER_BUDGET_TRIES = 3,
};

typedef enum JobState {
    JOB_IDLE,
    JOB_CONNECTING,
    JOB_CLAIMING,
    JOB_RECORDING,
    JOB_BACKING_UP,
    JOB_STEPPING,
    JOB_RESTORING,
    JOB_SWAPPING,
    JOB_WAITING,
    JOB_QUEUED,
    JOB_DONE,
    JOB_STATE_COUNT
} JobState;

/* Copies the spec. Returns owned. */
Job *job_new(const JobSpec *spec);
void job_free(Job *job); /* NULL-safe */

/* One event. ERR_STATE: this event is not possible in this state (a defect of the shell); nothing
 * changed, no effects. Late timers, further stops and queries are always possible. */
MUST_CHECK ErrCode job_step(Job *job, const JobEvent *event, JobEffects *effects, Error *err);

JobState job_state(const Job *job);
bool job_is_done(const Job *job);
bool job_is_in_doubt(const Job *job);
bool job_is_stopping(const Job *job);
/* It has given its place to others: waits for its turn to come, or is queued. */
bool job_stands_back(const Job *job);
JobOutcome job_outcome(const Job *job);  /* unspecified until done, unknown while in doubt */
const JobSpec *job_spec(const Job *job); /* borrows */
/* Where it stands, as REPORT would say it; texts borrow from the job until its next step. */
void job_report(const Job *job, uint64_t now_ms, JobReport *out);

const char *job_state_name(JobState state);
const char *job_event_name(JobEventKind kind);
