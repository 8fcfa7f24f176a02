/*
 * The inside of a command that runs on databases, shared by cli/run*.c: the loop, the databases
 * that are left, and what is shown meanwhile.
 */
#pragma once

#include "run.h"
#include "run_plan.h"

/* What became of a database, for the summary. */
typedef struct RunEnding {
    const char *name;
    RunOutcome outcome;
    const char *rows; /* where it stands; NULL = not known */
} RunEnding;

/* A line on stderr that is drawn anew while something runs; only on a terminal. */
typedef struct RunProgress {
    bool shown; /* wanted at all */
    bool drawn; /* stands there now */
    uv_timer_t timer;
} RunProgress;

struct RunFrame {
    CommandContext *context;
    const RunWork *work;
    RunSettings settings;
    Project project;
    RevisionMap *map; /* NULL = no project */
    RunPlanMemo memo;

    UrlFile databases;
    bool many; /* --urls was given */
    FailurePolicy policy;
    uint32_t jobs_max;

    uv_loop_t loop;
    ServerPaces *paces; /* of backfills on all databases */
    uv_signal_t interrupt;
    uv_signal_t terminate;
    int signals;     /* received so far */
    int last_signal; /* its number; 0 = none */
    Run **active;
    size_t active_count;
    size_t next; /* database to start */
    RunTally tally;
    RunEnding *endings; /* of those that are neither done nor had nothing to do */
    size_t ending_count;
    RunProgress progress;
    uint64_t started_ms;
    Error error;   /* of the only database */
    bool given_up; /* a second signal: threads may be stuck in calls that nobody waits for */
};

/* run_options.c */
/* The databases that the options name, and how many at a time. */
ErrCode run_databases_read(RunFrame *frame, Error *err) MUST_CHECK;

/* run.c */
/* Connects and goes on with the work; ends by run_frame_ended(). */
Run *run_start(RunFrame *frame, const UrlEntry *entry);
/* A signal came, the first or a later one. */
void run_interrupt(Run *run);

/* run_backfill.c */
void run_keep_backfill(Run *run, const UnitProgress *progress);
void run_backfills_json(const Run *run, JsonWriter *json);

/* run_retry.c */
/* Whether the operation in run->again will be begun once more after a pause, which is said. */
bool run_retry_later(Run *run, const Error *err);
void run_retry_interrupt(Run *run);

/* run_many.c */
/* A run is over; it frees itself behind this. */
void run_frame_ended(Run *run);

/* run_report.c */
void run_progress_start(RunFrame *frame);
void run_progress_stop(RunFrame *frame);
void run_report_interrupted(RunFrame *frame);
void run_report_activity(Run *run, const Activity *activity);
void run_report_ended(Run *run);
void run_report_summary(RunFrame *frame);
