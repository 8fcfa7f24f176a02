/*
 * Statements that hold an application up (hazard.h), written anew: the same end by statements that
 * each commit alone and never read, write or index a table under a lock that others wait for. What
 * takes something away from the application before it becomes two revisions: one expands, and the
 * other contracts once that application is gone.
 *
 * All of it is text from text. What has to be known of tables comes from a query whose rows the
 * caller brings; without them what needs them is left as it is.
 */
#pragma once

#include "hazard.h"
#include "script.h"

#include "states.h"

/* A row of rewrite_facts_query(): five texts, '' for NULL. */
typedef struct TableFact {
    const char *kind;
    const char *name;
    const char *a;
    const char *b;
    const char *c;
} TableFact;

enum { TABLE_FACT_COLUMNS = 5 };

typedef struct TableFacts {
    const char *schema; /* as the statements say it; '' = by the search path */
    const char *name;
    TableFact *items; /* none: no such table */
    size_t count;
} TableFacts;

typedef struct FactsList {
    TableFacts *items; /* none: no database was asked */
    size_t count;
} FactsList;

/* The tables that have hazards, with no rows yet. */
FactsList rewrite_tables(Arena *arena, const Script *script);
/* One SELECT for the author's search path. */
const char *rewrite_facts_query(Arena *arena, const TableFacts *table);

/* What became of one change that is a hazard, or (form NONE) of a statement that the parser does
 * not know. */
typedef struct RewriteNote {
    HazardForm form;
    Direction direction;
    int line;
    const char *what;            /* "SET NOT NULL, of messages.body" */
    const char *left;            /* why it stays as it is; NULL = written anew */
    bool phased;                 /* its end is in the contract revision */
    const char *caution;         /* what may make the safe form fail; NULL = nothing is known */
    const struct Change *change; /* for rewrite_meets() */
} RewriteNote;

/* A revision's sections, ended by a newline. */
typedef struct RewriteText {
    const char *upgrade;
    const char *downgrade;
} RewriteText;

typedef struct Rewritten {
    RewriteNote *notes;
    size_t note_count;
    bool changed;      /* something was written anew */
    bool contracts;    /* the revision itself only contracts: there is nothing to expand */
    bool has_contract; /* there is a second revision */
    RewriteText text;  /* each unit commits alone: for `transaction: none` */
    RewriteText contract;
} Rewritten;

/* Errors (SCRIPT, with file and line): what has no meaning where each statement commits alone. */
ErrCode rewrite_script(Arena *arena, const Script *script, const FactsList *facts,
                       Rewritten *ret_rewritten, Error *err) MUST_CHECK;
/* Of a revision that runs before the contract: its first statement that has to do with a change in
 * two phases, and which change that is. NULL when it has none. */
const Statement *rewrite_meets(Arena *arena, const Rewritten *rewritten, const Script *script,
                               const char **ret_what);
/* The whole file: the script's header, with `transaction: none` and its phase, and the text. The
 * original sections follow the header as comments. */
const char *rewrite_file(Arena *arena, const Script *script, const Rewritten *rewritten);
