/*
 * What is dangerous in a revision: findings by its parse trees, by how it stands among the others,
 * and by what a trace of it on a scratch database tells. Text and trace in, findings out; no server
 * is asked here.
 *
 * The caller runs, for each script: lint_statements(), lint_trace() when it was traced, then
 * lint_finish(). Findings live in the arena and borrow from the script.
 */
#pragma once

#include "graph.h"
#include "lint_rules.h"
#include "trace.h"

typedef enum LintDecided {
    LINT_PARSER, /* by the parse tree; a trace may drop what turns out to be harmless */
    LINT_TRACE,  /* only on a scratch database */
    LINT_FILES,  /* by the file's header, and the files around it */
} LintDecided;

/* What happens under the lock. */
typedef enum LintClass {
    LINT_NONE, /* locks have nothing to do with it */
    LINT_INSTANT,
    LINT_ROWS,
    LINT_SCAN,
    LINT_BUILD,
    LINT_REWRITE,
    LINT_CLASS_COUNT
} LintClass;

typedef struct LintInfo {
    LintDecided decided;
    LintClass lint_class;
    const char *lock; /* "ACCESS EXCLUSIVE"; '' = none, or it depends */
    const char *why;
    const char *safe;
    bool written; /* `pgtide revision --safe` writes the safe form */
} LintInfo;

LintInfo lint_info(LintRule rule);
const char *lint_class_name(LintClass lint_class);  /* none, instant, rows, scan, ... */
const char *lint_decided_name(LintDecided decided); /* parser, trace, files */

typedef struct LintFinding {
    LintRule rule;
    LintSeverity severity;
    LintInfo info;        /* of the rule, or more exactly of what was found */
    const char *revision; /* '' = not known */
    const char *file;
    int line;                   /* 0 = the whole file */
    int column;                 /* 0 = not known */
    const Statement *statement; /* NULL = none in particular */
    const char *what;           /* "SET NOT NULL, of messages.body" */
    const char *sqlstate;       /* of a statement that fails; '' */
    bool traced;                /* seen on a scratch database */
    const char *suppressed;     /* the reason that the file gives; NULL = it counts */
} LintFinding;

typedef struct LintFindings {
    LintFinding *items;
    size_t count;
    size_t capacity;
} LintFindings;

/* A foreign key that a revision adds and no index serves. */
typedef struct LintKey {
    const char *table; /* its bare name */
    const char *what;  /* "orders_customer_id_fkey, of orders (customer_id)" */
} LintKey;

/* What running a revision's upgrade on a scratch database told. */
typedef struct LintTraced {
    const TracedStatement *items;
    size_t count;
    const StrList *known; /* tables from before the revision, quoted and qualified; sorted */
    const LintKey *keys;
    size_t key_count;
    const Error *failure; /* NULL = it ran to its end */
} LintTraced;

/* By parse trees and files. `map`: the revisions around it, NULL = not known. */
void lint_statements(Arena *arena, const Script *script, const RevisionMap *map,
                     LintFindings *findings);
/* What the trace confirms, drops and adds, of findings from `first` on. */
void lint_trace(Arena *arena, const Script *script, const LintTraced *traced, size_t first,
                LintFindings *findings);
/* Severities, suppressions and order, of findings from `first` on; `traced`: lint_trace() saw them
 * all. */
void lint_finish(Arena *arena, const Script *script, const LintConfig *config, bool traced,
                 size_t first, LintFindings *findings);
/* A file that can't be a revision. */
void lint_refused(Arena *arena, const char *file, const Error *error, LintFindings *findings);

/* The tables of docs/lint.md: the rules, and the rules beside those of other tools. */
void lint_markdown(Str *out);
void lint_peers_markdown(Str *out);
