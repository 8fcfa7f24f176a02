/*
 * Splits SQL into statements with PostgreSQL's own client lexer (psqlscan): dollar quotes, BEGIN
 * ATOMIC bodies, rules and nested comments are its business, not ours.
 */
#pragma once

#include "str.h"

typedef struct Statement {
    const char *text;          /* without the final semicolon; in the arena */
    int line;                  /* of its first token, in the file, 1-based */
    int column;                /* of that token in its line, characters from 1 */
    const char *first_keyword; /* upper case; '' when it does not begin with a word */
    const char *second_keyword;
    const char *copy_data; /* COPY ... FROM STDIN: the rows behind it, without the line \.; NULL */
    size_t copy_length;
    const char *probe; /* `-- +probe SELECT ...` before it: true when its effect is there; NULL */
    bool rerunnable;   /* `-- +rerunnable` before it */
} Statement;

typedef struct StatementList {
    Statement *items;
    size_t count;
} StatementList;

/* `first_line` is the file's line of the text's first byte; `file` is for errors. Empty statements
 * are dropped. Errors (ERR_SCRIPT, with file and line): psql commands, unterminated quotes, COPY …
 * FROM STDIN, too many. */
ErrCode sql_split(Arena *arena, const char *file, const char *sql, size_t length, int first_line,
                  StatementList *ret_list, Error *err) MUST_CHECK;

/* BEGIN, COMMIT, ROLLBACK, SAVEPOINT and kin: never an author's business in a transactional
 * revision. */
bool statement_is_transaction_control(const Statement *statement);
/* Forms that PostgreSQL refuses inside a transaction block (CONCURRENTLY, VACUUM, CREATE DATABASE,
 * …). */
bool statement_needs_no_transaction(const Statement *statement);
/* Those of them whose outcome can be read from the catalog afterwards: CREATE INDEX, DROP INDEX,
 * REINDEX and DETACH PARTITION with CONCURRENTLY. */
bool statement_is_concurrent(const Statement *statement);

/* Whether a place in a text lies inside of a quote or comment: the text is fed in pieces up to that
 * place. Pieces must end at line ends. */
typedef struct SqlLines SqlLines;
SqlLines *sql_lines_new(void);        /* returns owned */
void sql_lines_free(SqlLines *lines); /* NULL-safe */
void sql_lines_feed(SqlLines *lines, const char *text, size_t length);
bool sql_lines_in_text(const SqlLines *lines);
void sql_lines_reset(SqlLines *lines); /* back to the beginning of a text */
