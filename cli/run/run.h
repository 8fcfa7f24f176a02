/*
 * What a command does to databases. A `Run` is one database from its connection to its end; a
 * command's RunWork says what happens in between, by starting one operation after the other. All
 * runs of a command share the one loop of its RunFrame, a few at a time: --url is one of them,
 * --urls as many as its file names.
 *
 *   open -> begin -> (run_read, run_claim, run_steps, ... each goes on with `next`) -> run_end
 *
 * An operation that fails ends the run, unless the work wants to hear of it (run->failed). Ctrl-C
 * cancels what runs, and starts nothing more; a second one gives up waiting. A connection that is
 * lost in a step is made anew, and the shard claimed and read: then the answer is certain.
 */
#pragma once

#include "command.h"
#include "project.h"
#include "shard.h"
#include "tally.h"
#include "url_file.h"

#include <uv.h>

typedef struct Run Run;
typedef struct RunFrame RunFrame;
typedef struct HookSeries HookSeries;
typedef void RunNext(Run *run);

/* What the options say, the same for every run of the command. */
typedef struct RunSettings {
    const char *who;              /* user@host */
    const char *application_name; /* "pgtide user@host PID" */
    const char *unmanaged_reason; /* NULL = none */
    const char *tag;              /* kept with each history row; NULL = none */
    StrList assignments;          /* NAME=VALUE of -x, for placeholders */
    const char *schema;           /* the shard is this one; NULL = the whole database */
    StrList shared_schemas;
    uint32_t lock_timeout_ms;
    uint32_t lock_budget_ms;
    uint32_t lock_attempts; /* of a step */
    uint32_t wait_ms;       /* for the run lock */
    bool strict;
    bool single_transaction;
    bool dry_run;
    bool no_hooks;
} RunSettings;

typedef enum RunProject { RUN_PROJECT_NONE, RUN_PROJECT_OPTIONAL, RUN_PROJECT_NEEDED } RunProject;

/* Steps from the rows as they are. */
typedef ErrCode RunPlanFn(CommandContext *context, Arena *arena, const RevisionMap *map,
                          const StrList *rows, GraphSteps *ret_steps, Error *err);

typedef struct RunWork {
    RunProject project;
    RunNext *begin;  /* the database is connected */
    RunPlanFn *plan; /* of works that migrate: see run_migrate.h */
    bool stamps;     /* the plan's rows are written, no step is run */
    bool repeats;    /* repeatables that are new or changed follow, once every head is applied */
    /* Its lines for people once it has ended well, through run_say(). NULL: the command says all
     * itself, for people and programs. */
    void (*say)(Run *run);
    /* Its fields of the result, into an open object; also after a failure when there are several
     * databases. NULL: none. */
    void (*json)(Run *run, JsonWriter *json);
    void *shared; /* the command's own, for all runs */
} RunWork;

typedef enum RunPhase {
    RUN_IDLE,
    RUN_CONNECTING,
    RUN_ASKING, /* a read, a claim, a hook's SQL: what is cancelled leaves nothing */
    RUN_STEPPING,
    RUN_WAITING,    /* to try a step again that found a lock taken */
    RUN_COMMANDING, /* a hook's command */
    RUN_PROBING,    /* the outcome of a step is being found out */
    RUN_OVER,
} RunPhase;

/* What a step that lost its connection would have left. */
typedef struct RunInFlight {
    const char *revision;
    OperationId operation; /* of the last of several */
    StrList rows_after;
    bool transactional; /* without its COMMIT nothing of it stays */
    BackendId backend;
    uint32_t attempts;
} RunInFlight;

/* A backfill that has ended in this run; rows and batches from its beginning on. */
typedef struct RunBackfill {
    const char *revision;
    uint32_t unit;
    uint64_t rows;
    uint64_t batches;
} RunBackfill;

typedef struct RunBackfills {
    RunBackfill *items;
    size_t count;
} RunBackfills;

/* What is run again when a lock was not to be had. */
typedef struct RunAgain {
    RunNext *begin;
    const GraphStep *steps; /* NULL = a stamp */
    size_t count;
    const GraphStep *then;
    const StrList *before; /* of a stamp */
    const StrList *after;
    uint32_t tries; /* that failed */
    uint32_t over_budget;
} RunAgain;

enum { RUN_ACTIVITY_BYTES = 512 };

struct Run {
    RunFrame *frame;
    const UrlEntry *entry; /* which database */
    Arena *arena;          /* dropped with the run */
    ShardSession *session;
    uv_timer_t timer;
    RunPhase phase;
    RunNext *next;
    RunNext *failed;   /* what follows a failure instead of the end; NULL = the end */
    HookSeries *hooks; /* at work; NULL = none */
    Error error;       /* ERR_OK while nothing failed */
    RunOutcome outcome;
    bool has_failed_hook; /* ended well but for a hook: exit status 1 */
    uint64_t started_ms;
    void *data; /* the work's */

    /* What the last operation of its kind answered: readings and claims live until the next
     * operation on the session. */
    const DatabaseReading *reading;
    const ClaimResult *claim;
    StepResult step;
    size_t steps_done;         /* of the last run_steps() */
    const ShardSqlResult *sql; /* of the last run_sql(), while its `next` runs */

    /* From the last claim. */
    uint64_t fence;
    uint64_t epoch;
    Uuid fleet_id;

    const char *doing; /* for progress and notices: "upgrade 002_x" */
    StrList rows;      /* where the shard stands, as read last or as steps left it */
    bool rows_known;
    RunInFlight in_flight;
    RunAgain again;
    uint64_t random;                   /* of the pauses between tries */
    char activity[RUN_ACTIVITY_BYTES]; /* what the step in hand is at; '' = nothing to tell */
    uint64_t activity_said_ms;
    StepArgs ahead; /* of the step that follows, when its transaction is open already */
    bool has_ahead;
    RunBackfills backfills;
};

/* --- a command -------------------------------------------------------------------------------- */

/* Of commands that look at one database beside their files. */
#define RUN_ONE_OPTIONS                                                                            \
    {"url", 'u', "URL", "the database (PGTIDE_URL, then libpq's environment)"},                    \
        {"schema", 0, "SCHEMA", "the shard is this schema of the database"},                       \
    {                                                                                              \
        "shared-schema", 0, "SCHEMA", "searched after --schema (default: public; repeatable)"      \
    }
#define RUN_READ_OPTIONS                                                                           \
    RUN_ONE_OPTIONS,                                                                               \
        {"urls", 0, "FILE", "many databases, a line `[NAME ]URL [schema=NAME]` each; - is stdin"}, \
        {"jobs", 'j', "N", "how many databases of --urls at a time (default: 8)"},                 \
    {                                                                                              \
        "on-failure", 0, "WHEN",                                                                   \
            "start no more of --urls: stop, continue, or after N failures (default: stop)"         \
    }
#define RUN_WRITE_OPTIONS                                                                          \
    RUN_READ_OPTIONS, {"unmanaged", 0, "REASON", "go ahead although a fleet manages the shard"},   \
        {"lock-timeout", 0, "TIME", "how long to wait for a lock (default: 500ms)"},               \
        {"lock-attempts", 0, "N", "tries of a step that finds a lock taken (default: 10)"},        \
        {"lock-budget", 0, "TIME",                                                                 \
         "how long others may wait behind a step, or none (default: 1s)"},                         \
        {"wait", 0, "TIME", "how long to wait for another run on the shard (default: 10s)"},       \
    {                                                                                              \
        "tag", 0, "TEXT", "kept as the message of the history rows that are made"                  \
    }

/* What --help says of the exit status. */
#define RUN_EXIT_STATUS                                                                            \
    "Exit status: 0 done, or nothing to do; 1 failed, nothing half-done; 2 wrong use, project or " \
    "target, nothing changed; 3 there is a difference that was asked about (--strict, "            \
    "--check-heads); 4 the outcome is not known: read the shard with `pgtide current`; 5 refused;" \
    " 6 busy or unreachable, safe to try again; 130, 143 interrupted.\n\n"                         \
    "With --urls: 0 all are done; 4 when an outcome is not known; else 130 or 143 when "           \
    "interrupted; else 1 when any failed; else 6 when the others were busy or unreachable; else "  \
    "3 when there is a difference."

/* What the options of RUN_WRITE_OPTIONS say, or those of them that the command has. */
ErrCode run_settings_read(CommandContext *context, RunSettings *ret_settings,
                          Error *err) MUST_CHECK;
/* Notes names given with -x that no file of the project declares: a misspelt one would otherwise
 * only be seen by its placeholder's default. */
void run_warn_of_assignments(CommandContext *context, const RevisionMap *map,
                             const StrList *assignments);
/* Reads options, project and --urls, runs the work on every database, reports and returns: for one
 * database its error, for several ERR_OK with context->exit_status. */
ErrCode run_databases(CommandContext *context, const RunWork *work, Error *err) MUST_CHECK;

/* --- operations: each goes on with `next` ----------------------------------------------------- */

void run_read(Run *run, const ReadArgs *args, RunNext *next);
/* Adopts when needed, takes the run lock and the fence. `id_width` as in ClaimArgs. */
void run_claim(Run *run, uint32_t id_width, RunNext *next);
/* One step; `then` follows at once where all goes well (NULL = it does not, or nothing does), by
 * another run_step(). */
void run_step(Run *run, const GraphStep *step, const GraphStep *then, RunNext *next);
/* Several are one transaction, as is what is rehearsed. */
void run_steps(Run *run, const GraphStep *steps, size_t count, bool rehearse, RunNext *next);
void run_stamp(Run *run, const StrList *before, const StrList *after, RunNext *next);
void run_sql(Run *run, const ShardSqlArgs *args, RunNext *next);

void run_end(Run *run);
/* Ends the run with this error, or hands it to run->failed. */
void run_fail(Run *run, const Error *err);
/* False, and the run has failed, when a signal came: nothing new is started then. */
bool run_may_go_on(Run *run);

/* --- what it says ----------------------------------------------------------------------------- */

CommandContext *run_context(const Run *run);
void *run_shared(const Run *run); /* RunWork's */
const RunSettings *run_settings(const Run *run);
const Project *run_project(const Run *run); /* NULL without a project */
RevisionMap *run_map(const Run *run);       /* likewise */
bool run_is_one_of_many(const Run *run);
/* Lines for people. Of one of many databases they begin with its name. */
void run_say(Run *run, const char *fmt, ...) PRINTF_LIKE(2, 3);
void run_note(Run *run, const char *fmt, ...) PRINTF_LIKE(2, 3);
const char *run_rows_text(Arena *arena, const StrList *rows); /* "base" for none */
