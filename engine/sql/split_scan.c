#include "split_scan.h"

#include "error.h"
#include "split_words.h"

#include <string.h>

static const PsqlScanCallbacks no_variables;

void scanner_begin(Scanner *scanner, const char *text)
{
    *scanner = (Scanner){.scan = psql_scan_create(&no_variables),
                         .prompt = PROMPT_READY,
                         .begin = text,
                         .end = text,
                         .fed = text};
    initPQExpBuffer(&scanner->buffer);
}

void scanner_free(Scanner *scanner)
{
    if (scanner->open)
        psql_scan_finish(scanner->scan);
    psql_scan_destroy(scanner->scan);
    termPQExpBuffer(&scanner->buffer);
}

static const char *next_line(const char *at, const char *stop)
{
    const char *newline = at < stop ? memchr(at, '\n', (size_t)(stop - at)) : NULL;
    return newline == NULL ? stop : newline + 1;
}

/* The first line at or behind `at` that is `\.`, which ends rows as psql reads them; `stop` when
 * there is none. */
static const char *find_mark(const char *at, const char *stop)
{
    while (at < stop) {
        const char *next = next_line(at, stop);
        size_t length = (size_t)(next - at);
        if (length >= 2 && at[0] == '\\' && at[1] == '.' &&
            (length == 2 || (length == 3 && (at[2] == '\n' || at[2] == '\r')) ||
             (length == 4 && at[2] == '\r' && at[3] == '\n')))
            return at;
        at = next;
    }
    return stop;
}

/* Whether the rows end before `stop`; then SQL goes on behind their mark. */
static bool rows_close(Scanner *scanner, const char *stop)
{
    const char *mark = find_mark(scanner->fed, stop);
    scanner->fed = mark;
    if (mark == stop)
        return false;
    scanner->rows_end = mark;
    scanner->rows = NULL;
    scanner->fed = scanner->begin = scanner->end = next_line(mark, stop);
    return true;
}

/*
 * The lexer gives its text verbatim but for leading blanks and line comments, which it drops, and
 * for psql's own escapes (\; and :{?name}), which it rewrites. So skipping those blanks finds the
 * statement's place in the text, and a difference there is such an escape.
 */
static bool locate(Scanner *scanner)
{
    const char *at = scanner->begin;
    for (;;) {
        if (words_is_space(*at))
            at++;
        else if (at[0] == '-' && at[1] == '-')
            at = words_skip_line_comment(at);
        else
            break;
    }
    size_t same = 0;
    while (same < scanner->buffer.len && at[same] == scanner->buffer.data[same])
        same++;
    scanner->begin = at;
    scanner->end = at + same;
    return same == scanner->buffer.len;
}

static Found escape(Scanner *scanner)
{
    scanner->lost = true;
    return FOUND_ESCAPE;
}

static Found statement_found(Scanner *scanner)
{
    scanner->over = true;
    if (!scanner->lost && !locate(scanner))
        return escape(scanner);
    if (scanner->lost || !words_take_rows(scanner->buffer.data))
        return FOUND_STATEMENT;
    /* Rows begin on the next line, whatever else is on this one; what the lexer was given ends
     * where they may end. */
    psql_scan_finish(scanner->scan);
    scanner->open = false;
    scanner->rows = scanner->fed = next_line(scanner->end, scanner->piece_end);
    return FOUND_COPY;
}

/* What ends at a line \. is given to the lexer in one piece, so that a text with many COPYs is not
 * given again from each of them on. */
static void piece_open(Scanner *scanner, const char *stop)
{
    scanner->piece_end = find_mark(next_line(scanner->fed, stop), stop);
    psql_scan_setup(scanner->scan, scanner->fed, (int)(scanner->piece_end - scanner->fed), PG_UTF8,
                    true);
    scanner->open = true;
}

Found scanner_next(Scanner *scanner, const char *stop)
{
    if (scanner->over) {
        resetPQExpBuffer(&scanner->buffer);
        scanner->begin = scanner->end;
        scanner->over = false;
        scanner->prompt = PROMPT_READY;
    }
    if (scanner->rows != NULL && !rows_close(scanner, stop))
        return FOUND_STOP;
    for (;;) {
        if (!scanner->open && scanner->fed == stop)
            return FOUND_STOP;
        if (!scanner->open)
            piece_open(scanner, stop);
        PsqlScanResult result = psql_scan(scanner->scan, &scanner->buffer, &scanner->prompt);
        if (PQExpBufferDataBroken(scanner->buffer))
            die_out_of_memory();
        if (result == PSCAN_SEMICOLON)
            return statement_found(scanner);
        if (result == PSCAN_BACKSLASH) {
            scanner->over = true;
            locate(scanner);
            return escape(scanner);
        }
        psql_scan_finish(scanner->scan);
        scanner->open = false;
        scanner->fed = scanner->piece_end;
    }
}

Found scanner_rest(Scanner *scanner)
{
    return locate(scanner) ? FOUND_STATEMENT : escape(scanner);
}

bool scanner_in_statement(const Scanner *scanner)
{
    return *words_skip_blank(scanner->buffer.data) != '\0';
}
