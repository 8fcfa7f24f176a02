/*
 * Everything that can happen to a job. The shell makes one of these of each command, each callback
 * of the shard's session, each end of a backup, each durable ledger record and each timer, and
 * hands it to job_step().
 *
 * An event borrows what it points to: it must live until the step returns.
 */
#pragma once

#include "message.h"

typedef enum JobEventKind {
    JOB_EVENT_UNSPECIFIED,
    JOB_EVENT_START,          /* there is room for this job; again after QUEUE */
    JOB_EVENT_CONNECTED,      /* answers CONNECT */
    JOB_EVENT_CONNECT_FAILED, /* answers CONNECT; failed */
    JOB_EVENT_CLAIMED,        /* answers CLAIM; claimed */
    JOB_EVENT_CLAIM_FAILED,   /* answers CLAIM; failed */
    JOB_EVENT_RECORDED,       /* answers LEDGER opened: it is durable */
    JOB_EVENT_BACKUP_DONE,    /* answers BACKUP: verified, in place, in the ledger; backup */
    JOB_EVENT_BACKUP_FAILED,  /* answers BACKUP; failed */
    JOB_EVENT_STEP_DONE,      /* answers STEP: committed and read again; step_done */
    JOB_EVENT_STEP_FAILED,    /* answers STEP; failed */
    JOB_EVENT_RESTORED,       /* answers RESTORE: complete and checked */
    JOB_EVENT_SWAPPED,        /* answers SWAP: committed */
    JOB_EVENT_RESTORE_FAILED, /* answers RESTORE and SWAP; failed */
    JOB_EVENT_LOST,           /* the connection is gone and no answer will come */
    JOB_EVENT_STOP,           /* finish the step in hand, start none */
    JOB_EVENT_TIMER,          /* the time asked for by TIMER has come */
    JOB_EVENT_QUERY,          /* the order came again: say where you stand */
    JOB_EVENT_COUNT
} JobEventKind;

/* What a failure means for what may be done next. */
typedef enum JobFailureClass {
    JOB_FAILURE_UNSPECIFIED,
    JOB_FAILURE_FINAL,   /* nothing of the operation has happened; trying again does not help */
    JOB_FAILURE_RETRY,   /* nothing of the operation has happened; trying again may help */
    JOB_FAILURE_UNKNOWN, /* only reading the shard tells whether it has happened */
    JOB_FAILURE_CLASS_COUNT
} JobFailureClass;

typedef struct JobFailure {
    JobFailureClass failure_class;
    bool session_dead;   /* the session must be closed; a new one claims anew */
    const Error *error;  /* code, message, sqlstate, hint, line */
    const StrList *rows; /* as read last; NULL = not read */
} JobFailure;

/* One row of pgtide.history, oldest first in CLAIMED. */
typedef struct JobHistory {
    Uuid rollout;
    uint32_t generation;
    Direction direction; /* unspecified: none of ours (stamp, external, adopt) */
    const char *revision;
    StrList rows_before;
    StrList rows_after;
    bool succeeded;
    uint64_t started_unix_ms;
} JobHistory;

typedef struct JobClaimed {
    uint64_t fence;
    StrList rows;              /* version rows, sorted */
    const JobHistory *history; /* of this rollout, and of the one a plan takes back */
    size_t history_count;
    bool elsewhere; /* not the database, or schema, that the plan names: only after a restore */
} JobClaimed;

typedef struct JobStepDone {
    StrList rows; /* as read after the commit */
} JobStepDone;

typedef struct JobEvent {
    JobEventKind kind;
    uint64_t now_ms;  /* monotonic */
    uint64_t unix_ms; /* wall clock: only for the days of `rollback-until` */
    union {
        JobFailure failed;
        JobClaimed claimed;
        BackupInfo backup;
        JobStepDone step_done;
    };
} JobEvent;
