/*
 * Statements that hold an application up: by a lock held while a table is read, written or indexed,
 * by a lock that everything else waits behind, or by taking away what the application before it
 * uses. By the parse tree alone: which tables are large or busy is not known here, and a statement
 * that the parser does not know (newer syntax) is no hazard.
 */
#pragma once

#include "script.h"

typedef enum HazardForm {
    HAZARD_NONE,
#define X(name, what, lock, cost, why, help, safe) HAZARD_##name,
#include "hazard_forms.def"
#undef X
    HAZARD_COUNT
} HazardForm;

/* What happens under the lock. */
typedef enum HazardCost {
    HAZARD_COST_INSTANT, /* nothing, but what waits for the lock is waited for in turn */
    HAZARD_COST_SCAN,
    HAZARD_COST_BUILD,
    HAZARD_COST_REWRITE,
    HAZARD_COST_ROWS, /* rows are locked, not the table */
} HazardCost;

/* What pgtide can do about it. */
typedef enum HazardHelp {
    HAZARD_HELP_SEQUENCE, /* the same by other statements */
    HAZARD_HELP_PHASES,   /* an expand and a contract revision */
    HAZARD_HELP_ADVICE,   /* say what to do */
} HazardHelp;

typedef struct HazardInfo {
    const char *what; /* "SET NOT NULL" */
    const char *lock; /* "ACCESS EXCLUSIVE" */
    const char *why;  /* what is wrong with it */
    const char *safe; /* what does the same */
    HazardCost cost;
    HazardHelp help;
} HazardInfo;

const HazardInfo *hazard_info(HazardForm form); /* not for NONE */
const char *hazard_cost_name(HazardCost cost);  /* instant, scan, build, rewrite, rows */

typedef struct Hazard {
    HazardForm form;
    const Statement *statement;
    const char *what; /* "SET NOT NULL, of messages.body" */
    bool in_block;    /* BEGIN ... COMMIT of `transaction: none` */
} Hazard;

typedef struct HazardList {
    Hazard *items;
    size_t count;
} HazardList;

/* In the order of the statements. Those on tables that the same statements make are left out: they
 * have no rows, and nobody knows them. */
HazardList hazards_find(Arena *arena, const StatementList *statements);

/* Whoever wrote it has thought about it: in a block of `transaction: none` that was written as one,
 * a key by an index there, and what the phases of a change are for. */
bool hazard_is_meant(const Script *script, const Hazard *hazard);

/* The table of forms in docs/safe-migrations.md. */
void hazards_markdown(Str *out);
