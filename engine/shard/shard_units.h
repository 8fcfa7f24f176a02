/*
 * The inside of a step with `transaction: none`, shared by engine/shard_units*.c. Internal.
 *
 * shard_units.c takes over what an earlier attempt left in pgtide.progress, goes through the units
 * in order, and ends the step. shard_units_outside.c runs one that can't be in a transaction:
 *
 *   look ─┬─ there ────────────────────────────────────────────────────────────▶ note it as done
 *         ├─ an index has the name ─ compare ─┬─ the same ──────────────────────▶ note it as done
 *         │                                   └─ another ▶ refuse
 *         ├─ left behind ─ clean up ─▶ look
 *         ├─ partitioned ─ note the intent ─ run the next piece ─ look ... (shard_units_pieces.c)
 *         └─ absent ─ note the intent ─ run it alone ─ look ─┬─ there ──────────▶ note it as done
 *                                                            ├─ left behind ─ clean up ▶ fail
 *                                                            └─ absent ▶ fail
 *
 * Each note is a transaction of its own under the version table's lock and the fence.
 */
#pragma once

#include "shard_step.h"
#include "units.h"

/* A row of pgtide.progress. */
typedef struct ProgressRow {
    const char *unit; /* its number there; NULL = there is none yet */
    const char *kind;
    const char *digest; /* hex */
    bool finished;
    bool matched; /* a unit of the file is the same statement */
    const char *what;
    const char *statement;
    const char *probe;
    const char *facts; /* NULL = none */
    const char *pid;   /* of the backend that ran it, and a moment at which that was its pid */
    const char *started;
} ProgressRow;

/* A unit and where it stands. */
typedef struct UnitRun {
    Unit unit;
    ProgressRow *row; /* of an earlier attempt or this one; NULL = none */
    bool orphan;      /* begun, and no longer in the file: only cleaned up after */
    bool rebuilt;     /* a leftover was cleaned up */
} UnitRun;

typedef struct ShardBatch ShardBatch; /* shard_batch.h */

typedef struct ShardUnits {
    UnitList list;
    UnitRun *runs; /* orphans first */
    size_t run_count;
    size_t orphan_count;
    size_t at;
    ProgressRow *rows;
    size_t row_count;
    bool begins_again; /* some backfill of the file may: half of one that it lacks is no harm */
    bool stop;         /* cancelled: nothing more is begun */

    /* Of the unit in hand. */
    ProbeState state;
    const char *facts;
    const char *message;
    StrList cleanup;
    size_t cleaned; /* how many of them have run */
    const char *index;
    bool after;            /* the statement has run */
    int rounds;            /* of cleaning up */
    int waits;             /* for an orphaned backend to be gone */
    Error outcome;         /* of the statement; ERR_OK = it ended without one */
    size_t at_sent;        /* index of the author's first setting in the batch in hand */
    FactsRun run;          /* of the author's statements in it */
    FactsMark alone_from;  /* where what runs alone began */
    uint64_t changed;      /* rows, as it says itself */
    uint64_t lock_wait_ms; /* of it, as far as it was seen */
    const char *sql;       /* what runs alone, until when, and its error */
    uint32_t sql_deadline_ms;
    Error sql_error;
    StepNext *then;
    bool begun;        /* the intent is noted, by this attempt */
    const char *piece; /* of an index on a partitioned table: what ran last */
    bool piece_waits;  /* for locks, as other statements do */
    ShardBatch *batch; /* of a backfill */
} ShardUnits;

ShardUnits *units_of(const StepOp *op);
UnitRun *units_run(const StepOp *op); /* in hand */
/* StepNext: the unit in hand is over. */
void units_next(StepOp *op);
void units_report(StepOp *op, const char *state);
/* step_fail() with a reply's error; `statement` as in step_describe(). */
void units_fail_reply(StepOp *op, const PgReply *reply, const Statement *statement);
/* The author's settings for the transaction in hand: path and timeouts, SET and RESET. Their first
 * answer is at `at_sent`. */
void units_add_author(StepOp *op, PgBatch *batch);
/* The one of those that failed; NULL = none. */
const Statement *units_failed_setting(const StepOp *op, const PgReply *reply);
/* Role and settings of the session are ours again. */
void units_add_reset(StepOp *op, PgBatch *batch);
/* Writes the row of the unit in hand: as finished or as begun. */
void units_add_row(StepOp *op, PgBatch *batch, bool finished);

/* Parts of shard_units_outside.c for shard_units_pieces.c. */
void units_run_alone(StepOp *op, const char *sql, uint32_t deadline_ms, StepNext *then);
uint32_t units_deadline_ms(const StepOp *op);
void units_look(StepOp *op);
void units_fail_statement(StepOp *op);
void units_note_begun(StepOp *op); /* StepNext */
/* The unit in hand is an index on a partitioned table, which lacks pieces. */
void units_build_pieces(StepOp *op);
/* StepNext: runs the unit in hand, which can't be in a transaction, and goes on to units_next(). */
void units_run_outside(StepOp *op);
/* StepNext: the same of a backfill. */
void batch_begin(StepOp *op);
/* How far the backfill in hand has come. */
void batch_progress(const StepOp *op, UnitProgress *progress);
