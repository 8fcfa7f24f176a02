/*
 * Splits SQL into statements with PostgreSQL's own client lexer (psqlscan): dollar quotes, BEGIN
 * ATOMIC bodies, rules and nested comments are its business, not ours.
 */
#pragma once

#include "str.h"

/* A part of a statement's text that stands for a placeholder of its source. */
typedef struct Replaced {
    size_t at; /* in the text */
    size_t length;
    size_t source_length;
} Replaced;

typedef struct BatchOptions BatchOptions; /* batch.h */

typedef struct Statement {
    const char *text;          /* without the final semicolon; in the arena */
    const char *source;        /* its place in the text it was split from, which goes on behind;
                                  NULL = made up, and only the line is known */
    int line;                  /* of its first token, in the file, 1-based */
    int column;                /* of that token in its line, characters from 1 */
    const char *first_keyword; /* upper case; '' when it does not begin with a word */
    const char *second_keyword;
    const char *copy_data; /* COPY ... FROM STDIN: the rows behind it, without the line \.; NULL */
    size_t copy_length;
    const char *probe; /* `-- +probe SELECT ...` before it: true when its effect is there; NULL */
    bool rerunnable;   /* `-- +rerunnable` before it */
    const BatchOptions *batch; /* `-- +batch ...` before it; NULL */
    const Replaced *replaced;  /* where the text differs from the source, in order */
    size_t replaced_count;
} Statement;

typedef struct StatementList {
    Statement *items;
    size_t count;
} StatementList;

/* `sql` begins a line, the file's `first_line`; `file` is for errors. Empty statements are dropped.
 * Rows behind COPY ... FROM STDIN go from the next line to a line `\.`, as psql reads them. Errors
 * (ERR_SCRIPT, with file, line and column): psql commands, unterminated quotes and rows, binary
 * rows, standard_conforming_strings turned off; ERR_LIMIT: too many. */
ErrCode sql_split(Arena *arena, const char *file, const char *sql, size_t length, int first_line,
                  StatementList *ret_list, Error *err) MUST_CHECK;

/* Another text in its place: its keywords are read anew. */
void statement_set_text(Arena *arena, Statement *statement, const char *text);
/* Where a statement failed: file, line, column and that line's text. `position` as the server
 * counts it, characters from 1 in the statement's text; 0 = not known, then it is the first token.
 */
void statement_place_error(Error *err, const char *file, const Statement *statement, int position);
/* The same for a line of a COPY's rows, from 1. */
void statement_place_row(Error *err, const char *file, const Statement *statement, uint32_t row);

/* BEGIN, COMMIT, ROLLBACK, SAVEPOINT and kin: never an author's business in a transactional
 * revision. */
bool statement_is_transaction_control(const Statement *statement);
/* Those of them that begin and end a block: BEGIN or START TRANSACTION, COMMIT or END, without
 * modes, AND CHAIN or PREPARED. */
bool statement_begins_block(const Statement *statement);
bool statement_ends_block(const Statement *statement);
/* Forms that PostgreSQL refuses inside a transaction block (CONCURRENTLY, VACUUM, CREATE DATABASE,
 * …). */
bool statement_needs_no_transaction(const Statement *statement);
/* Those of them whose outcome can be read from the catalog afterwards: CREATE INDEX, DROP INDEX,
 * REINDEX and DETACH PARTITION with CONCURRENTLY. */
bool statement_is_concurrent(const Statement *statement);

/* A statement's beginning on one line, cut between characters; for people. What is quoted is not in
 * it, nor what comes behind: it may be a password. */
const char *statement_in_few_words(Arena *arena, const char *text);

/* Where a place in a text lies: the text is fed in pieces up to that place. Pieces follow each
 * other in memory and end at line ends. */
typedef struct SqlLines SqlLines;
SqlLines *sql_lines_new(void);        /* returns owned */
void sql_lines_free(SqlLines *lines); /* NULL-safe */
void sql_lines_feed(SqlLines *lines, const char *text, size_t length);
bool sql_lines_in_text(const SqlLines *lines);      /* of a quote, a comment, or COPY's rows */
bool sql_lines_in_statement(const SqlLines *lines); /* behind its first token */
void sql_lines_reset(SqlLines *lines);              /* back to the beginning of a text */
