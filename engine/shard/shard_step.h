/*
 * The inside of a step, shared by shard_step.c (its frame: preamble, COMMIT, failure, after),
 * shard_body.c (what runs in between), shard_steps.c and shard_units.c. Internal.
 *
 * A StepOp is one call of shard_step(), shard_stamp() or shard_steps(). It opens a transaction with
 * step_open(), which goes on to the `next` it was given while the transaction is open and the shard
 * is what it must be; runs what it has to run; ends the transaction with step_commit(), which goes
 * on in the same way; and ends itself with step_read_after(). A step outside a transaction does the
 * first three as often as it needs to. Whatever goes wrong puts an error into the session and calls
 * step_fail().
 */
#pragma once

#include "shard_facts.h"
#include "shard_script.h"
#include "shard_session.h"

typedef struct StepOp StepOp;
typedef void StepNext(StepOp *op);

/* One revision in one direction, or a stamp. */
typedef struct StepItem {
    StepArgs args;           /* copied */
    const char *direction;   /* as the history has it */
    const char *message;     /* kept with the history row; NULL = none */
    StepScript script;       /* all NULL for a stamp */
    const char *operation;   /* hex, NULL = none */
    const char *rows_before; /* as arrays */
    const char *rows_after;
    StrList gone; /* the version rows that go, and those that come */
    StrList come;
    /* Where in its batch each answer is. */
    size_t at_fence; /* of an item that is not the first; SIZE_MAX = not asked, as with all */
    FactsRun run;    /* of the author's statements */
    size_t at_verify;
    size_t at_gone;
    size_t at_come;
    size_t at_history;
    size_t at_reassert;
    size_t at_deferred;
} StepItem;

struct StepOp {
    ShardSession *session;
    StepItem *items; /* each continues where the one before ends; fence and fleet are the first's */
    size_t count;
    size_t done;     /* items that ran without error: items[done] is in hand */
    bool rehearse;   /* roll back where COMMIT would be sent */
    ShardStepCb *cb; /* one of them */
    ShardStepsCb *steps_cb;
    void *data;
    StepResult result;
    uint64_t started_ms;
    size_t at_preamble; /* where in the first batch its answers begin */
    bool plain;         /* no prepared statements: an author's may deallocate them */
    bool prepares;      /* statements of an author's may stay prepared */
    bool reopened;      /* the transaction in hand is a second attempt */
    StepNext *opened;   /* what follows step_open() */
    bool ours;          /* the preamble held: a failure may be recorded */
    bool committed;     /* some transaction of this op is: its failure leaves something */
    const char *fleet;
    StepItem *then;          /* the step that follows; NULL = none is known */
    const ShardStand *found; /* in a transaction that is open already; NULL = there is none */
    size_t at_after;
    const char *recorded; /* after COMMIT: rows that the history says */
    StepNext *believed;   /* the version table was looked at exactly: its rows are in `stand` */
    StepNext *disbelieved;
    const char *deferred; /* SET CONSTRAINTS ... DEFERRED for the next item; NULL = none to set */
    ShardStand stand;     /* of the transaction in hand */
    StepNext *next;
    StepNext *refused; /* a preamble failed, and the error is set; NULL = step_fail() */
    StepNext *failing; /* adds to an error before it is recorded; NULL = nothing to add */
    void *units;       /* shard_units.c's */
    FactList facts;    /* of the statements that have run */
    size_t fact_from;  /* where those of the item in hand begin */
    StepNext *kept;    /* what follows step_keep_facts() */
};

/* Copies the arguments. Afterwards the session's error is that of the first item that must be
 * refused before the start, if any. */
StepOp *step_new(ShardSession *session, const StepArgs *args, size_t count, const char *message);
/* Refuses what has to be refused, never inside the call that asked; otherwise step_open(). */
void step_begin(StepOp *op, StepNext *next);
StepItem *step_item(const StepOp *op); /* in hand, or the last when all are done */

/* BEGIN; our settings; the version table's lock; fence, rows and history checked; `xid` is known.
 * When the step had succeeded before, the op ends without error. */
void step_open(StepOp *op, StepNext *next);
/* After an answer with `unprepared`: rolls back and opens the same transaction again, in which
 * nothing is prepared; false when it has been. Nothing has happened by it: an author who throws the
 * session's prepared statements away does not know that some of them are ours. */
bool step_reopen(StepOp *op, const PgReply *reply);
/* A statement of ours, prepared where that is safe. */
void step_add(StepOp *op, PgBatch *batch, const char *sql, int param_count,
              const char *const *params);
/* COMMIT alone in its round trip; lost means ERR_UNKNOWN, and the op ends. */
void step_commit(StepOp *op, StepNext *next);
/* Reads rows and history again and ends the op; opens the transaction of the step that follows. */
void step_read_after(StepOp *op);
/* Rolls back, records the session's error in the history while the shard is ours, ends the op. */
void step_fail(StepOp *op);
void step_fail_reply(StepOp *op, const PgReply *reply); /* with a reply's error */
/* Puts a reply's error into the session, with the file's line of `statement`; NULL = it was one of
 * ours that failed. step_fail() is to follow. */
void step_describe(StepOp *op, const PgReply *reply, const Statement *statement);

/* BEGIN's companions within a transaction: settings of ours, the operation in our row. */
void step_add_enter(StepOp *op, const StepItem *item, PgBatch *batch);
size_t step_add_fence(StepOp *op, const StepItem *item, PgBatch *batch);
/* Settings for author statements (path, timeouts), and back to ours (role too); each ends with the
 * mark of `run`, which shard_facts.h is about. */
void step_add_author_settings(StepOp *op, PgBatch *batch, FactsRun *run);
void step_add_own_settings(StepOp *op, PgBatch *batch, FactsRun *run);
/* The author's statements with marks between them. */
void step_add_measured(StepOp *op, PgBatch *batch, const StatementList *statements, FactsRun *run);
/* What `run` has cost goes to the op's facts. */
void step_take_facts(StepOp *op, const PgReply *reply, const FactsRun *run);
/* Puts the op's facts into the history row that was just inserted in the transaction in hand, when
 * some statement was slow; goes on to `next`. */
void step_keep_facts(StepOp *op, StepNext *next);
/* Those of the item in hand as the history has them; NULL = none, or the ledger has no place. */
const char *step_facts_text(const StepOp *op);
void step_add_statements(PgBatch *batch, const StatementList *statements);
/* Fence, epoch, fleet, version rows and transaction id once more; the answer's index goes to
 * `at_reassert`, and step_reassert_holds() says whether it is what it must be. */
void step_add_reassert(StepOp *op, PgBatch *batch);
bool step_reassert_holds(StepOp *op, const PgReply *reply, const StrList *rows);

/* StepNext: the bodies of transactional items, one after the other; then COMMIT and the end. */
void step_body(StepOp *op);
/* Instead of step_begin(), for `transaction: none`: as many transactions as it takes. */
void step_units(StepOp *op);
/* StepNext: step_body() where the item's `when-fingerprint` is what the schema is now, and
 * step_record() where it is not. */
void step_body_if_needed(StepOp *op);
/* StepNext: version rows and history row of the item in hand without its statements; then COMMIT
 * and the end. */
void step_record(StepOp *op);
