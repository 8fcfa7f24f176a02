#include "error.h"

#include "str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct CodeRow {
    const char *name;
    const char *text;
    int exit_status;
    RetryClass retry;
    const char *hint;
} CodeRow;

static const CodeRow rows[ERR_COUNT] = {
#define X(name, text, exit_status, retry, hint) {#name, text, exit_status, retry, hint},
#include "errors.def"
#undef X
};

ErrCode err_set(Error *err, ErrCode code, const char *fmt, ...)
{
    if (err == NULL)
        return code;
    err_clear(err);
    err->code = code;
    va_list args;
    va_start(args, fmt);
    vsnprintf(err->message, sizeof err->message, fmt, args);
    va_end(args);
    str_mend_utf8(err->message);
    snprintf(err->hint, sizeof err->hint, "%s", rows[code].hint);
    return code;
}

void err_detail(Error *err, const char *fmt, ...)
{
    if (err == NULL)
        return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(err->detail, sizeof err->detail, fmt, args);
    va_end(args);
    str_mend_utf8(err->detail);
}

void err_hint(Error *err, const char *fmt, ...)
{
    if (err == NULL)
        return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(err->hint, sizeof err->hint, fmt, args);
    va_end(args);
    str_mend_utf8(err->hint);
}

void err_at(Error *err, const char *file, int line)
{
    if (err == NULL)
        return;
    snprintf(err->file, sizeof err->file, "%s", file);
    err->line = line;
    err->column = err->source_column = 0;
    err->source[0] = '\0';
}

/* The byte of the `column`-th character, counted from 1. */
static size_t column_byte(const char *text, size_t length, int column)
{
    size_t at = 0;
    for (int seen = 1; at < length; at++) {
        bool begins = ((unsigned char)text[at] & 0xC0) != 0x80;
        if (begins && seen++ == column)
            break;
    }
    return at;
}

void err_source(Error *err, const char *line_text, size_t length, int column)
{
    if (err == NULL)
        return;
    size_t at = column_byte(line_text, length, column);
    size_t room = sizeof err->source - 1;
    size_t begin = length <= room || at < room / 2 ? 0 : at - room / 2;
    while (begin < length && ((unsigned char)line_text[begin] & 0xC0) == 0x80)
        begin++;
    size_t end = length - begin <= room ? length : begin + room;
    while (end < length && end > begin && ((unsigned char)line_text[end] & 0xC0) == 0x80)
        end--;
    memcpy(err->source, line_text + begin, end - begin);
    err->source[end - begin] = '\0';
    err->column = column;
    err->source_column = 1;
    for (size_t i = begin + 1; i <= at; i++) /* at the end it is the place behind the last one */
        err->source_column += i == length || ((unsigned char)line_text[i] & 0xC0) != 0x80;
}

void err_place(Error *err, const char *file, const char *text, int first_line, const char *place)
{
    int line = first_line;
    int column = 1;
    const char *begin = text;
    for (const char *at = text; at < place; at++) {
        if (*at == '\n') {
            line++;
            begin = at + 1;
            column = 1;
        } else {
            column += ((unsigned char)*at & 0xC0) != 0x80;
        }
    }
    size_t length = strcspn(begin, "\n");
    if (length > 0 && begin[length - 1] == '\r')
        length--;
    err_at(err, file, line);
    err_source(err, begin, length, column);
}

void err_sqlstate(Error *err, const char *sqlstate)
{
    if (err == NULL)
        return;
    snprintf(err->sqlstate, sizeof err->sqlstate, "%s", sqlstate == NULL ? "" : sqlstate);
}

ErrCode err_wrap(Error *err, const char *fmt, ...)
{
    if (err == NULL)
        return ERR_INTERNAL;
    char context[sizeof err->message];
    va_list args;
    va_start(args, fmt);
    vsnprintf(context, sizeof context, fmt, args);
    va_end(args);
    char both[2 * sizeof err->message + 2];
    snprintf(both, sizeof both, "%s: %s", context, err->message);
    both[sizeof err->message - 1] = '\0';
    memcpy(err->message, both, strlen(both) + 1);
    str_mend_utf8(err->message);
    return err->code;
}

void err_clear(Error *err)
{
    if (err != NULL)
        memset(err, 0, sizeof *err);
}

const char *err_code_name(ErrCode code)
{
    return rows[code].name;
}

ErrCode err_code_from_name(const char *name)
{
    for (int i = 0; i < ERR_COUNT; i++) {
        if (strcmp(rows[i].name, name) == 0)
            return (ErrCode)i;
    }
    return ERR_INTERNAL;
}

int err_exit_status(ErrCode code)
{
    return rows[code].exit_status;
}

RetryClass err_retry_class(ErrCode code)
{
    return rows[code].retry;
}

const char *err_code_text(ErrCode code)
{
    return rows[code].text;
}

const char *err_default_hint(ErrCode code)
{
    return rows[code].hint;
}

void die_out_of_memory(void)
{
    static const char text[] = "pgtide: out of memory; stopping here is safe\n";
    fwrite(text, 1, sizeof text - 1, stderr);
    abort();
}
