/*
 * One database from the command line: the asynchronous engine/shard.h as calls that wait. Ctrl-C
 * cancels what runs; a second one gives up waiting for an answer.
 */
#pragma once

#include "command.h"
#include "project.h"
#include "shard.h"

#include <uv.h>

typedef struct Single {
    CommandContext *context;
    uv_loop_t loop;
    uv_signal_t interrupt;
    uv_signal_t terminate;
    int signals; /* received so far */
    ShardTarget target;
    ShardSession *session;
    const char *who;
    bool done;
    /* Of the last call. */
    ErrCode code;
    Error error;
    const ClaimResult *claim;
    const DatabaseReading *reading;
    StepResult step;
    /* From the last claim: what steps need. */
    uint64_t fence;
    uint64_t epoch;
    Uuid fleet_id;
} Single;

/* --url, --schema, --shared-schema: every command of one database has them. */
#define SINGLE_OPTIONS                                                                             \
    {"url", 'u', "URL", "the database (PGTIDE_URL, then libpq's environment)"},                    \
        {"schema", 0, "SCHEMA", "the shard is this schema of the database"},                       \
    {                                                                                              \
        "shared-schema", 0, "SCHEMA", "searched after --schema (default: public; repeatable)"      \
    }
#define SINGLE_WRITE_OPTIONS                                                                       \
    SINGLE_OPTIONS, {"unmanaged", 0, "REASON", "go ahead although a fleet manages the shard"},     \
    {                                                                                              \
        "lock-timeout", 0, "TIME", "how long to wait for a lock (default: 500ms)"                  \
    }

/* Connects. single_close() also after a failure. */
ErrCode single_open(Single *single, CommandContext *context, Error *err) MUST_CHECK;
void single_close(Single *single);
/* Adopts when needed and claims; single->claim lives until the next call. */
ErrCode single_claim(Single *single, Error *err) MUST_CHECK;
ErrCode single_read(Single *single, const ReadArgs *args, Error *err) MUST_CHECK;
/* One step. When the connection is lost the shard is claimed anew and read, so that the answer is
 * certain where the server can be reached. */
ErrCode single_step(Single *single, const GraphStep *step, Error *err) MUST_CHECK;
ErrCode single_stamp(Single *single, const StrList *before, const StrList *after,
                     Error *err) MUST_CHECK;

/* What a command wants to do from these rows; run once before anything is written, so that a wrong
 * target changes nothing, and again on the rows that the claim found if they are others. */
typedef ErrCode SinglePlan(CommandContext *context, const RevisionMap *map, const StrList *rows,
                           GraphSteps *ret_steps, Error *err);
/* Does it, on the claimed shard. */
typedef ErrCode SingleAct(Single *single, const StrList *rows, const GraphSteps *steps, Error *err);
/* The frame of upgrade, downgrade and stamp: project, connection, plan, claim, act. */
ErrCode single_migrate(CommandContext *context, SinglePlan *plan, SingleAct *act,
                       Error *err) MUST_CHECK;

/* upgrade and downgrade: all steps, each with a line; writes the JSON result. */
ErrCode single_run(Single *single, const StrList *rows, const GraphSteps *steps,
                   Error *err) MUST_CHECK;
const char *single_rows_text(Arena *arena, const StrList *rows);
