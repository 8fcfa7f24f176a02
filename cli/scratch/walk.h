/*
 * Every revision up, down and up again on a scratch database, in the graph's order, with rows in
 * its tables: what `pgtide test` finds out about a project's revisions.
 */
#pragma once

#include "trial.h"

typedef enum WalkVerdict {
    WALK_PASSED,
    WALK_REORDERED,    /* passed, but columns have changed their order */
    WALK_IRREVERSIBLE, /* says so; only its upgrade was tried */
    WALK_FAILED,
    WALK_NOT_TRIED,  /* behind one that can't be upgraded */
    WALK_NOT_NEEDED, /* not tried: its `when-fingerprint` is not the schema before it */
} WalkVerdict;

typedef enum WalkPhase { WALK_UPGRADE, WALK_DOWNGRADE, WALK_SECOND_UPGRADE } WalkPhase;

/* One revision's trial. Texts live in the walk's arena. */
typedef struct WalkResult {
    const Script *script;
    WalkVerdict verdict;
    WalkPhase phase;          /* of the failure */
    Error error;              /* of a step that failed; ERR_OK: see `difference` */
    const char *difference;   /* a unified diff of the objects; '' = none */
    const char *without_rows; /* why rows could not be had in the tables; '' = they were there */
    const char *unfilled;     /* lines "table: reason" of tables that stayed empty */
    uint64_t upgrade_ms;
    uint64_t downgrade_ms;
    uint64_t duration_ms; /* of the whole trial */
} WalkResult;

typedef void WalkTell(const WalkResult *result, void *data);

typedef struct Walk {
    Arena *arena;
    Scratch *scratch;
    const GraphSteps *steps; /* upgrades from nothing; borrows */
    WalkTell *tell;          /* called after each trial */
    void *data;
    Trial *trial; /* at the end where the last step led; owned, for trial_close() */
} Walk;

/* Errors are of the scratch database, not of revisions: those are told. The trial is there after
 * an error too, if it could be had. */
ErrCode walk_run(Walk *walk, Error *err) MUST_CHECK;
const char *walk_verdict_name(WalkVerdict verdict); /* "passed" */
const char *walk_phase_name(WalkPhase phase);       /* "second upgrade" */
