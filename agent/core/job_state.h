/*
 * Inside of job.c and job_report.c: what a job remembers.
 */
#pragma once

#include "job.h"

struct Job {
    Arena *arena;       /* spec, rows, texts: lives as long as the job */
    Arena *claim_arena; /* steps as of the last claim */
    JobSpec spec;
    JobState state;
    JobState resume; /* where waiting leads: connecting, claiming, stepping or queued */
    JobPhase phase;
    bool has_session;
    bool in_doubt;
    bool confirming; /* in doubt only until the first look: the server has said that it swapped */
    bool stopping;
    bool ledger_open; /* the ledger says that a backend may be left behind */
    bool left_behind; /* a step ended without an answer on its session, and no claim since */
    bool restored;    /* in this claim: what SWAP would put in place is complete */
    bool started;
    uint64_t started_ms;
    uint64_t ended_ms;
    uint64_t timer_ms; /* while waiting */
    uint64_t random;
    uint32_t connect_tries;
    uint32_t claim_tries;
    uint32_t step_tries;
    uint32_t over_budget; /* of them, how often others had waited behind it for too long */
    uint32_t probe_tries;
    JobStep *steps;
    size_t step_count;
    size_t done;
    StrList rows;
    Error failure; /* code ERR_OK: none */
    bool has_backup;
    BackupInfo backup;
    JobOutcome outcome;
};
