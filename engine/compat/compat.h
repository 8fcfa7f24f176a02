/*
 * Who in one database uses what revisions take away: objects of it, and statements that it was
 * asked. The caller runs the queries, in one read-only transaction and in their order, and gives
 * back their rows:
 *
 *   compat_path_sql                 no rows that matter
 *   compat_objects_sql()            compat_read_objects()
 *   compat_statements_sql()         compat_sample_read(); NULL: cannot tell, `untold` says why
 *
 * compat_judge() then makes the list of uses. Texts live in the arena that is given; rows are
 * copied. No I/O.
 */
#pragma once

#include "query.h"

typedef struct CompatRows {
    size_t count;
    size_t columns;
    const char *const *values; /* row by row; NULL is SQL NULL */
} CompatRows;

/* One that uses it. */
typedef struct CompatUse {
    size_t taken;     /* index */
    const char *kind; /* "view", "function", "query", ... */
    const char *name; /* "public.names"; of a query its queryid */
    CompatSure sure;
    const char *why;   /* NULL: the catalog says so */
    const char *user;  /* of a query: whose */
    const char *shown; /* of a query: its text; NULL = it is not shown */
    const char *since; /* of a query: since when its calls count, where known */
    uint64_t calls;
} CompatUse;

/* One entry of pg_stat_statements. */
typedef struct CompatStatement {
    const char *user;
    const char *id; /* '' = none */
    const char *since;
    const char *text;
    uint64_t calls;
} CompatStatement;

typedef struct CompatSample {
    CompatStatement *items;
    size_t count;
    uint64_t evicted;  /* entries that had to go since they count */
    const char *since; /* since when they count; '' = not known */
} CompatSample;

typedef struct CompatReport {
    Arena *arena;
    const TakenList *taken;
    CompatFound *found; /* as many as taken */
    CompatUse *uses;
    size_t use_count;
    size_t use_capacity;
    const char *untold; /* why statements can't be told; NULL = they can */
    const char *role;   /* whose session it is */
    const char *schema; /* of pg_stat_statements, quoted */
    bool has_info;      /* it tells when it was reset */
    bool forgotten;     /* statements may have been called that are not known any more */
    StrList notes;      /* what can't be told, beside that */
} CompatReport;

extern const char compat_path_sql[];

/* Borrows `taken`. */
CompatReport compat_report(Arena *arena, const TakenList *taken);
const char *compat_objects_sql(const CompatReport *report);
ErrCode compat_read_objects(CompatReport *report, const CompatRows *rows, Error *err) MUST_CHECK;
const char *compat_statements_sql(const CompatReport *report);
ErrCode compat_sample_read(Arena *arena, const CompatRows *rows, CompatSample *ret_sample,
                           Error *err) MUST_CHECK;

/* What compat_judge() wants of a sample of before, in another arena. */
CompatSample compat_sample_keep(Arena *arena, const CompatSample *sample);

typedef struct CompatJudgeArgs {
    const CompatSample *before; /* NULL = everything since the statistics count */
    const CompatSample *now;    /* NULL = statements can't be told */
    const StrList *ignore;      /* roles whose statements do not count; NULL = none */
    const StrList *own;         /* fingerprints of the revisions' own statements: those of the
                                   session's role are not counted; NULL = none */
} CompatJudgeArgs;
/* Adds the uses by statements, after those by objects. */
void compat_judge(CompatReport *report, const CompatJudgeArgs *args);

/* What libpg_query makes the same of statements that differ in constants only; '' = unreadable. */
const char *compat_fingerprint(Arena *arena, const char *text);
