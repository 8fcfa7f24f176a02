/*
 * SQL text into statements, by PostgreSQL's own lexer (psqlscan): quotes, dollar quotes, nested
 * comments and BEGIN ATOMIC bodies are what the server takes them for.
 */
#pragma once

#include "arena.h"

typedef struct Statement {
    const char *text; /* without the semicolon and leading comments; NUL-terminated */
    size_t length;
    int line;                  /* of its first token, 1-based, in the file */
    const char *first_keyword; /* upper case; '' when it begins with no word */
} Statement;

/*
 * Splits `length` bytes that begin on `first_line` of the file `path` (both for messages). Empty
 * statements are left out; a last statement needs no semicolon. Refused with line (ERR_SCRIPT):
 * psql's backslash commands, COPY ... FROM STDIN, an unterminated quote, comment or parenthesis.
 */
ErrCode sql_split(Arena *arena, const char *path, const char *text, size_t length, int first_line,
                  Statement **ret_statements, size_t *ret_count, Error *err) MUST_CHECK;

/* BEGIN, COMMIT, END, ROLLBACK, ABORT, SAVEPOINT, RELEASE, START, PREPARE TRANSACTION. */
bool sql_is_transaction_control(const Statement *statement);

/* How a statement behaves outside of a transaction block. */
typedef enum SqlForm {
    SQL_FORM_ORDINARY,    /* may run in a transaction */
    SQL_FORM_CONCURRENT,  /* CREATE INDEX, DROP INDEX, REINDEX ... CONCURRENTLY, DETACH PARTITION
                             ... CONCURRENTLY: outside only, its outcome stands in the catalog */
    SQL_FORM_OUTSIDE_ONLY /* VACUUM, ALTER SYSTEM, CREATE/DROP DATABASE or TABLESPACE, ...: outside
                             only, and nothing tells afterwards whether it ran */
} SqlForm;
SqlForm sql_form(const Statement *statement);
static inline bool sql_is_nontransactional(const Statement *statement)
{
    return sql_form(statement) != SQL_FORM_ORDINARY;
}

/* The statements of a revision that runs in one transaction: ERR_SCRIPT with file and line for
 * transaction control and for what can't run inside one. */
ErrCode sql_check_transactional(const char *path, const Statement *statements, size_t count,
                                Error *err) MUST_CHECK;
/* Those of a revision with `transaction: none`: explicit BEGIN ... COMMIT blocks must be closed
 * and hold nothing that can't run inside; SQL_FORM_OUTSIDE_ONLY is refused in this version. */
ErrCode sql_check_nontransactional(const char *path, const Statement *statements, size_t count,
                                   Error *err) MUST_CHECK;
