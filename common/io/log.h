/*
 * One line per fact on stderr, logfmt or JSON: ts, level, event, then key and value pairs.
 *
 * For shells and mains only: callees return errors, they never log. Event names are fixed words
 * ("job.finished"), what varies goes into values. Whatever could move a terminal's cursor (C0, C1,
 * invalid UTF-8) is escaped. Values must not be secrets. One write(2) a line, so lines of several
 * threads do not mix.
 */
#pragma once

#include "str.h"

typedef enum LogLevel { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR } LogLevel;
typedef enum LogFormat { LOG_LOGFMT, LOG_JSON } LogFormat;

/* Before threads start. Default: logfmt, info. */
void log_setup(LogFormat format, LogLevel level);
bool log_is_on(LogLevel level);

/* Pairs of texts, ended by NULL; a NULL value is left out:
 * log_event(LOG_INFO, "job.finished", "shard", name, "steps", LOG_UINT(n), NULL). */
void log_event(LogLevel level, const char *event, ...) __attribute__((sentinel));
/* The same with an error's code, message, detail, hint, sqlstate, file and line before the pairs.
 */
void log_failure(LogLevel level, const char *event, const Error *error, ...)
    __attribute__((sentinel));

/* Numbers as text that lives as long as the enclosing block. */
#define LOG_UINT(number) log_uint((char[24]){0}, (number))
#define LOG_INT(number) log_int((char[24]){0}, (number))
const char *log_uint(char out[24], uint64_t number);
const char *log_int(char out[24], int64_t number);

/* The line itself (with its newline), for tests and for other sinks. */
void log_render(Str *out, LogFormat format, uint64_t unix_ms, LogLevel level, const char *event,
                const Error *error, va_list pairs);
