/*
 * Safe statements: the idempotent SQL in the directory safe, which may run at every start of an
 * application. Of the usual forms (ADD COLUMN IF NOT EXISTS, DROP TABLE IF EXISTS, ...) the parse
 * tree tells what they would make or take away, and one query asks the catalogs whether that is
 * still to be done. Statements of other forms are run each time. What can't be run twice is refused
 * when it is read.
 */
#pragma once

#include "split.h"

/* A file of the directory `safe`, or of a bundle. */
typedef struct SafeFile {
    const char *name; /* "010_users.sql", without a directory */
    const uint8_t *bytes;
    size_t length;
} SafeFile;

typedef struct SafeFiles {
    SafeFile *items; /* sorted bytewise by name */
    size_t count;
} SafeFiles;

typedef struct SafeStatement {
    const char *file; /* for messages */
    const Statement *statement;
    const char *what;     /* "column users.bio"; of an unknown form the text's beginning */
    bool asked;           /* the catalogs know whether it is to be done; false: run each time */
    bool removes;         /* its effect is that `what` is gone */
    const char *relation; /* whose lock it will want, quoted; '' = not known */
} SafeStatement;

typedef struct SafeQuestion SafeQuestion;

typedef struct SafeList {
    SafeStatement *items; /* in the order of files and lines */
    size_t count;
    SafeQuestion *questions; /* internal */
    size_t question_count;
} SafeList;

/* The directory's *.sql files. ERR_NOT_FOUND names the directory, ERR_LIMIT. */
ErrCode safe_files_load(Arena *arena, const char *directory, SafeFiles *ret_files,
                        Error *err) MUST_CHECK;
/* Reads all files' statements. `directory` is only put before names in messages; '' = nothing.
 * ERR_SCRIPT with file and line. */
ErrCode safe_list_read(Arena *arena, const char *directory, const SafeFiles *files,
                       SafeList *ret_list, Error *err) MUST_CHECK;

/* What a question's answer says of one statement. */
typedef enum SafeState {
    SAFE_UNASKED, /* no known form */
    SAFE_PRESENT, /* nothing to do */
    SAFE_MISSING, /* to be run */
    SAFE_INVALID, /* an INVALID index: running it would change nothing */
} SafeState;

/* One SELECT for the author's search path, whose answer safe_answer_read() understands. `schema`
 * is the tenant's, '' = none. */
StatementList safe_question(Arena *arena, const SafeList *list, const char *schema);

typedef struct SafeAnswer {
    SafeState *states; /* one for each statement */
    size_t missing;    /* asked, and to be run */
    bool in_recovery;
    bool has_schema; /* the tenant's schema is there; true without one */
} SafeAnswer;

/* Reads the question's rows: two columns, row by row. False when they are not what was asked for.
 */
bool safe_answer_read(Arena *arena, const SafeList *list, const char *const *values,
                      size_t row_count, size_t column_count, SafeAnswer *ret_answer);

/* For the author's search path: one text that names the sessions which hold the statement's
 * relation, or NULL. Only for statements with a `relation`. */
StatementList safe_blockers(Arena *arena, const SafeStatement *safe);
