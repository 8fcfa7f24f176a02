/*
 * What statements do to the relations of a database that is not in use: which locks they take and
 * how long those are held, what they rewrite, scan and build. For rehearsals on a copy.
 *
 * PostgreSQL itself says what is rewritten, scanned and built, in messages of level DEBUG1, also of
 * empty tables; locks are read from pg_locks after each statement of a transaction, and a changed
 * filenode tells what no message does. Only relations count that were there when the transaction
 * began: what a revision makes itself is nobody else's yet.
 *
 * The caller runs: trace_begin() with the answer to trace_sql_snapshot; for each statement
 * trace_statement(), then the statement under client_min_messages = debug1 with trace_notice() for
 * each message, then trace_take() with its cost and the answer to trace_sql_look(). trace_finish()
 * once, at the end. Texts are copied into the trace's arena.
 */
#pragma once

#include "facts.h"
#include "pg.h"
#include "split.h"

typedef enum TraceClass {
    TRACE_INSTANT, /* its time does not grow with the tables */
    TRACE_ROWS,    /* it changes rows: at most all of its tables' */
    TRACE_SCAN,
    TRACE_BUILD, /* an index */
    TRACE_REWRITE,
    TRACE_CLASS_COUNT
} TraceClass;

typedef struct TraceLock {
    const char *relation; /* quoted and qualified */
    const char *mode;     /* "ACCESS EXCLUSIVE" */
    int strength;         /* of the mode, from 1 (ROW SHARE) to 7 (ACCESS EXCLUSIVE) */
    uint64_t held_ms;     /* from the statement's beginning to the transaction's end */
    uint64_t held_estimate_ms;
} TraceLock;

typedef struct TracedStatement {
    StatementFacts cost;
    uint32_t transaction; /* statements of one have the same number */
    bool alone;           /* outside a transaction: locks are what its form is known to take */
    TraceLock *locks;     /* that it took, the strongest first */
    size_t lock_count;
    StrList rewritten; /* tables */
    StrList scanned;   /* tables */
    StrList built;     /* indexes, by their bare names */
    StrList built_on;  /* their tables */
    StrList held;      /* tables that were locked against everything before it began */
    StrList changed;   /* tables whose rows it may change */
    TraceClass trace_class;
    uint64_t bytes;       /* of the tables it works through, where it was run */
    uint64_t real_bytes;  /* and in the database that is meant */
    uint64_t estimate_ms; /* there */
} TracedStatement;

typedef struct TraceRelation {
    uint32_t oid;
    const char *name; /* quoted and qualified */
    const char *bare;
    char kind;
    uint32_t table_oid; /* of an index */
    uint64_t filenode;
    uint64_t bytes;
    int held; /* the strength of the transaction's strongest lock on it; 0 = none */
} TraceRelation;

typedef struct Trace {
    Arena *arena;
    TracedStatement *items;
    size_t count;
    size_t capacity;
    TraceRelation *relations; /* of the transaction in hand, by oid */
    size_t relation_count;
    uint32_t transactions;
    bool in_statement;
    bool validates_key; /* a foreign key: the message does not name its table */
} Trace;

extern const char trace_sql_snapshot[];
/* A revision that makes a whole schema holds thousands of locks: only those on what was there are
 * asked for. */
const char *trace_sql_look(const Trace *trace, Arena *arena);

/* ERR_LIMIT: too many relations. */
ErrCode trace_begin(Trace *trace, const PgResult *snapshot, Error *err) MUST_CHECK;
/* A statement is about to run; what it locks if that can't be read afterwards (alone): a table's
 * bare name, or NULL, and the strength of its lock. */
void trace_statement(Trace *trace, const char *revision, const Statement *statement);
void trace_alone(Trace *trace, const char *table, int strength);
void trace_notice(Trace *trace, const char *severity, const char *message);
/* `look`: the answer to trace_sql_look() in the same transaction; NULL for one that ran alone. */
void trace_take(Trace *trace, const StatementFacts *cost, const PgResult *look);

/* Bytes of a table in the database that is meant, by its quoted and qualified name. */
typedef uint64_t TraceSize(const char *table, void *data);
void trace_finish(Trace *trace, TraceSize *size, void *data);

const char *trace_class_name(TraceClass trace_class); /* instant, rows, scan, build, rewrite */
/* Bytes worked through in a second where nothing was measured; 0 for `instant`. */
uint64_t trace_default_rate(TraceClass trace_class);
/* Locks of this strength keep others from reading (7), or from writing (4 and more). */
enum { TRACE_STOPS_WRITES = 4, TRACE_STOPS_READS = 7 };
const char *trace_mode_name(int strength); /* "SHARE" */
