/*
 * The inside of a backfill (UNIT_BATCH), shared by engine/shard_units_batch*.c. Internal.
 *
 *   begin ─ look at the table, read the position ─┬─ noted before ─────────────────────▶ next
 *                                                 └─ new: find the last key, note it ──▶ next
 *
 *   next ─ stop asked? ─ open ─ find the range ─ run the statement on it ─ note the position ─
 *     ▲                                                                      └─ COMMIT ─┬─▶ end
 *     └──── pause ◀── a lock was not to be had: rolled back ────────────────────────────┘
 *
 * The last key is found once, at the beginning, and kept: rows that come behind it are not the
 * backfill's, so it ends. The position is in the batch's own transaction, so each batch happens
 * once, whatever is killed when.
 */
#pragma once

#include "pace.h"
#include "shard_units.h"

/* How far it has come. Values as the server writes them. */
typedef struct BatchPosition {
    StrList last;  /* key; none = no batch yet, or none is needed */
    uint64_t done; /* rows passed; of UNTIL, rows changed */
    uint64_t changed;
    uint64_t batches;
} BatchPosition;

struct ShardBatch {
    const Batch *batch;
    ArenaMark mark; /* what is allocated behind it is of the batch in hand */
    StrList stand;  /* the shard's rows, which no batch moves */

    /* Of the catalog. */
    const char *table; /* quoted and qualified */
    uint32_t table_oid;
    BatchColumn *columns;
    StrList readers; /* each column as text, SQL */
    const char *operators;
    StrList key; /* its columns' names, quoted */

    StrList bound;          /* the last key; none = the table was empty */
    uint64_t total;         /* rows; 0 = not known */
    BatchPosition position; /* as it is committed */
    uint32_t rows;          /* of the next batch; 0 = the statement's own */
    PaceLimits limits;
    BackfillPolicy policy;

    /* The batch in hand. */
    StrList upper; /* its last key */
    uint64_t passed;
    uint64_t affected;
    bool final;
    BatchPosition next;  /* where it leads */
    Statement statement; /* as it is sent */
    uint64_t begun_ms;

    FactsMark from_mark;  /* where it began */
    StatementFacts facts; /* of this attempt's batches; texts are not set */

    uint32_t waiting;       /* sessions that waited for the last batch */
    size_t at_waiting;      /* where in its batch that is answered */
    uint32_t tries;         /* in a row that failed for a lock */
    uint64_t stuck_from_ms; /* when the first of them was; later by what it was held back since */
    uint64_t gated_ms;      /* since when its server holds the next one back; 0 = it does not */
    uint64_t told_ms;       /* when its activity was told last, and what was done by then */
    uint64_t told_done;
    uint64_t rate_per_s;
    char held_back[120]; /* why it had to wait last, and when; 0 = never */
    uint64_t held_ms;
};

ShardBatch *batch_of(const StepOp *op); /* in hand */

/* StepNext: one batch, or the end. */
void batch_next(StepOp *op);
/* When its server can bear it batch_run(), in shard_batch_gate.c. */
void batch_gate(StepOp *op);
void batch_run(StepOp *op);
void batch_fail(StepOp *op); /* with the session's error */
/* Whether it is to end here; then it has. */
bool batch_must_stop(StepOp *op);
void batch_hold(StepOp *op, const char *reason); /* it has to wait */
void batch_tell(StepOp *op);                     /* of its activity, not more than once a second */
/* Another backfill's turn; NULL-safe of its ticket. */
void batch_end_turn(ShardSession *session);
void batch_leave_server(ShardSession *session);
/* Values of the key as SQL literals; NULL when one can't be sent. */
const char *const *batch_literals(const StepOp *op, const StrList *values);
/* A row's key, in `column`; false with the session's error when a part of it is NULL. */
bool batch_read_key(StepOp *op, const PgResult *row, int column, StrList *ret_key);
/* Writes a position; whether its answer says so, else false with the session's error. */
void batch_add_position(StepOp *op, PgBatch *batch, const BatchPosition *position, bool finished);
bool batch_position_stands(StepOp *op, const PgResult *answer);
