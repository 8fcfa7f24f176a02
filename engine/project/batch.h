/*
 * `-- +batch ...` before a statement of a revision with `transaction: none`: it runs again and
 * again, each time on a part of the rows and in a transaction of its own. Two forms:
 *
 *   -- +batch key=id table=messages size=10000
 *   UPDATE messages SET length = length(body) WHERE MARK true;
 *
 * goes through the table in the order of a unique key. MARK stands for a comment of `+batch` alone;
 * it and the `true` behind it are replaced by the range of keys of each batch, so that the file
 * runs whole in psql.
 *
 *   -- +batch until=no-rows
 *   UPDATE messages SET pinned = false WHERE id IN
 *       (SELECT id FROM messages WHERE pinned IS NULL LIMIT MARK 10000);
 *
 * is repeated as it stands until it changes no row; where its LIMIT is marked, that number adapts.
 *
 * Here is what the file alone tells; no server is asked.
 */
#pragma once

#include "split.h"

typedef enum BatchForm {
    BATCH_RANGES,
    BATCH_UNTIL_NO_ROWS,
} BatchForm;

/* What the annotation says. */
struct BatchOptions {
    BatchForm form;
    StrList key;   /* columns, as the catalog has them */
    StrList table; /* its schema, where it is given, and its name; none where UNTIL leaves it out */
    const char *alias;    /* what the statement calls it; '' = found in the statement */
    uint32_t size;        /* rows of the first batch; 0 = not given */
    int64_t target_ms;    /* how long a batch should take; 0 = its size is fixed; -1 = not given */
    uint32_t pause_ms;    /* between two batches */
    uint64_t batches_max; /* of UNTIL; 0 = by the size of its table */
};

/* A statement ready to run in batches. */
typedef struct Batch {
    const BatchOptions *options;
    const Statement *statement;
    StrList table;     /* as in the options, or the one that the statement changes */
    const char *alias; /* before the key's columns, quoted */
    bool has_mark;
    size_t mark_at; /* what is replaced, in the statement's text */
    size_t mark_length;
    uint32_t size; /* of the first batch; 0 = the statement's own, which is not known */
} Batch;

/* What the catalog says of a key's column; texts are SQL. */
typedef struct BatchColumn {
    const char *name; /* quoted */
    const char *type;
} BatchColumn;

/* A range of keys: behind `from` up to and with `to`. Values are SQL literals. */
typedef struct BatchRange {
    const BatchColumn *columns;
    size_t column_count;
    const char *operators;   /* the schema, quoted, of > and <= */
    const char *const *from; /* NULL = from the first on */
    const char *const *to;
} BatchRange;

/* The text behind `-- +batch`. Errors (SCRIPT) are without a place. */
ErrCode batch_options_parse(Arena *arena, const char *text, const BatchOptions **ret_options,
                            Error *err) MUST_CHECK;
/* A statement with `batch` set. Errors: SCRIPT, with file and line. */
ErrCode batch_make(Arena *arena, const char *file, const Statement *statement,
                   const Batch **ret_batch, Error *err) MUST_CHECK;

/* Columns and values as one SQL condition, in parentheses; names behind `alias` where it is given.
 */
const char *batch_condition(Arena *arena, const char *alias, const BatchRange *range);
/* The statement with something else in place of its mark. Places in it are found as in the file. */
Statement batch_statement(Arena *arena, const Batch *batch, const char *replacement);
