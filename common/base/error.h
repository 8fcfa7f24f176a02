/*
 * Errors as values.
 *
 * A function that can fail returns an ErrCode (ERR_OK is 0) and fills its last argument, an Error
 * that the caller owns. Nobody below main or a shell prints or logs an error: callees describe it
 * once, callers may prefix it with err_wrap(). Texts: `message` is lower case without a final
 * period, `detail` holds facts (host, database, server text), `hint` is a full sentence that says
 * what to do next. `err` may be NULL where a caller only wants the code.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum ErrCode {
#define X(name, text, exit_status, retry, hint) ERR_##name,
#include "errors.def"
#undef X
    ERR_COUNT
} ErrCode;

/* What a caller may do after the error: try again, look first (the outcome is unknown), or not
 * again. */
typedef enum RetryClass { RETRY_SAFE, RETRY_PROBE_FIRST, RETRY_NEVER } RetryClass;

typedef struct Error {
    ErrCode code;
    char message[256];
    char detail[512];
    char hint[256];
    char sqlstate[6];
    char file[256];
    int line;          /* 1-based; 0 when no line is known */
    int column;        /* characters from 1 in that line; 0 when not known */
    char source[256];  /* that line, or the part of it around the column; '' when not known */
    int source_column; /* where in `source` the column is */
} Error;

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

/* Sets code and message, clears the other fields, puts the code's default hint. Returns `code`. */
ErrCode err_set(Error *err, ErrCode code, const char *fmt, ...) PRINTF_LIKE(3, 4);
void err_detail(Error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
void err_hint(Error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
void err_at(Error *err, const char *file, int line);
/* After err_at(): the column, and the line's text (cut around the column when it is long). */
void err_source(Error *err, const char *line_text, size_t length, int column);
/* Both, from a place in a text that begins at the beginning of the file's line `first_line`. */
void err_place(Error *err, const char *file, const char *text, int first_line, const char *place);
void err_sqlstate(Error *err, const char *sqlstate);
/* Prefixes the message ("context: message") and returns the code, for `return err_wrap(...)`. */
ErrCode err_wrap(Error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
void err_clear(Error *err);

const char *err_code_name(ErrCode code); /* "SIGNATURE_INVALID" */
/* The code whose name is `name`, or ERR_INTERNAL. */
ErrCode err_code_from_name(const char *name);
int err_exit_status(ErrCode code);
RetryClass err_retry_class(ErrCode code);
const char *err_code_text(ErrCode code); /* one sentence for docs/errors.md */
const char *err_default_hint(ErrCode code);

/* Memory is gone: says so on stderr and aborts. A stopped process is safe here (persist, then
 * send). */
_Noreturn void die_out_of_memory(void);
