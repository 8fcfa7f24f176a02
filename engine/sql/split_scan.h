/*
 * psqlscan over one text, from statement to statement, up to any line's end and on from there; it
 * knows where the rows behind a COPY ... FROM STDIN are, which are no SQL. Internal to
 * engine/split*.c.
 */
#pragma once

#include "postgres_fe.h"

#include "fe_utils/psqlscan.h"
#include "mb/pg_wchar.h"

#include <stdbool.h>

typedef enum Found {
    FOUND_STATEMENT, /* [begin, end) is a statement and its semicolon */
    FOUND_COPY,      /* the same, and rows follow it */
    FOUND_ESCAPE,    /* a psql command, or an escape of psql's own, at `end` */
    FOUND_STOP,      /* all is read up to the place given */
} Found;

typedef struct Scanner {
    PsqlScanState scan;
    PQExpBufferData buffer; /* what the lexer made of the statement in hand */
    promptStatus_t prompt;  /* what the statement in hand lacks */
    const char *begin;      /* of the statement in hand, or of the blanks before it */
    const char *end;
    const char *fed; /* up to where the lexer has been given the text */
    const char *piece_end;
    bool open;            /* the lexer is in the middle of what it was given */
    bool over;            /* the statement in hand has been found: the next one begins at `end` */
    bool lost;            /* behind an escape, where places in the text are not known any more */
    const char *rows;     /* behind a COPY; NULL = not in rows */
    const char *rows_end; /* of the last rows that were closed */
} Scanner;

/* `text` begins a line. */
void scanner_begin(Scanner *scanner, const char *text);
void scanner_free(Scanner *scanner);
/* Goes on to the next find, at most to `stop`, which is a line's end or the text's. */
Found scanner_next(Scanner *scanner, const char *stop);
/* At the text's end: FOUND_STATEMENT for a last one without semicolon, which may be blank, or
 * FOUND_ESCAPE. */
Found scanner_rest(Scanner *scanner);
/* Whether the statement in hand has more in it than blanks and comments. */
bool scanner_in_statement(const Scanner *scanner);
