/*
 * A section of a revision with `transaction: none` as units: what commits together (DESIGN.md
 * section 4). A unit is
 *
 *   - a lone statement, or a block BEGIN ... COMMIT: runs in a transaction of ours together with
 *     the row that says that it has run, so it happens once;
 *   - a known statement that can't run in a transaction (probe.h): the catalog tells whether it has
 *     happened;
 *   - a statement with `-- +batch ...` before it (batch.h): many transactions of ours, each with
 * how far it has come;
 *   - any other statement, with `-- +rerunnable` or `-- +probe SELECT ...` before it: runs outside
 *     a transaction, again where it is not known to have ended.
 *
 * SET and RESET are no units: they hold for the units behind them, each time those run.
 */
#pragma once

#include "batch.h"
#include "probe.h"
#include "split.h"

#include "ids.h"

typedef enum UnitKind {
    UNIT_UNSPECIFIED,
    UNIT_TRANSACTION,
    UNIT_CATALOG,
    UNIT_RERUNNABLE,
    UNIT_PROBED,
    UNIT_BATCH,
    UNIT_KIND_COUNT,
} UnitKind;

typedef struct Unit {
    UnitKind kind;
    StatementList statements; /* of a block without its BEGIN and COMMIT; else one */
    const Statement *place;   /* where it begins: its statement, or the block's BEGIN */
    const char *what;         /* in few words, for people */
    Digest digest;            /* of its tokens: comments and layout are not in it */
    const Probe *probe;       /* UNIT_CATALOG */
    const Batch *batch;       /* UNIT_BATCH */
    size_t setting_count;     /* of UnitList.settings, the first so many hold for it */
} Unit;

typedef struct UnitList {
    Unit *items;
    size_t count;
    StatementList settings; /* SET and RESET, in order */
} UnitList;

const char *unit_kind_name(UnitKind kind); /* transaction, catalog, rerunnable, probed, batch */

/* Errors (SCRIPT, with file and line): what can be in no unit, and what can't run in a transaction
 * without a way to tell whether it has run. */
ErrCode units_make(Arena *arena, const char *file, const StatementList *statements,
                   UnitList *ret_units, Error *err) MUST_CHECK;
