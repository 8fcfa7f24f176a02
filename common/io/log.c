#include "log.h"

#include "clock.h"
#include "json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static LogFormat log_format = LOG_LOGFMT;
static LogLevel log_level = LOG_INFO;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_setup(LogFormat format, LogLevel level)
{
    log_format = format;
    log_level = level;
}

bool log_is_on(LogLevel level)
{
    return level >= log_level;
}

const char *log_uint(char out[24], uint64_t number)
{
    snprintf(out, 24, "%" PRIu64, number);
    return out;
}

const char *log_int(char out[24], int64_t number)
{
    snprintf(out, 24, "%" PRId64, number);
    return out;
}

/* A line being built: JSON's escapes serve logfmt's quoted values as well. */
typedef struct Line {
    Str *out;
    LogFormat format;
    JsonWriter json;
} Line;

static bool is_bare(const char *value)
{
    if (*value == '\0')
        return false;
    for (const char *at = value; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        if (c <= ' ' || c >= 0x7F || c == '"' || c == '=' || c == '\\')
            return false;
    }
    return true;
}

static void add_pair(Line *line, const char *key, const char *value)
{
    if (line->format == LOG_JSON) {
        json_field_string(&line->json, key, value);
        return;
    }
    if (line->out->length > 0)
        str_append_char(line->out, ' ');
    str_append(line->out, key);
    str_append_char(line->out, '=');
    if (is_bare(value)) {
        str_append(line->out, value);
        return;
    }
    JsonWriter quoted = json_writer(line->out);
    json_text(&quoted, value);
}

static void add_if_said(Line *line, const char *key, const char *value)
{
    if (value[0] != '\0')
        add_pair(line, key, value);
}

static void add_error(Line *line, const Error *error)
{
    add_pair(line, "code", err_code_name(error->code));
    add_if_said(line, "message", error->message);
    add_if_said(line, "detail", error->detail);
    add_if_said(line, "hint", error->hint);
    add_if_said(line, "sqlstate", error->sqlstate);
    add_if_said(line, "file", error->file);
    if (error->line > 0)
        add_pair(line, "line", LOG_INT(error->line));
}

void log_render(Str *out, LogFormat format, uint64_t unix_ms, LogLevel level, const char *event,
                const Error *error, va_list pairs)
{
    AUTO_STR Str text = {0};
    Line line = {.out = &text, .format = format, .json = json_writer(&text)};
    char ts[TIME_TEXT_SIZE];
    time_format_rfc3339(unix_ms, ts);
    if (format == LOG_JSON)
        json_object_begin(&line.json);
    add_pair(&line, "ts", ts);
    add_pair(&line, "level", level_names[level]);
    add_pair(&line, "event", event);
    if (error != NULL)
        add_error(&line, error);
    const char *key;
    while ((key = va_arg(pairs, const char *)) != NULL) {
        const char *value = va_arg(pairs, const char *);
        if (value != NULL)
            add_pair(&line, key, value);
    }
    if (format == LOG_JSON)
        json_object_end(&line.json);
    str_append_char(&text, '\n');
    str_append_bytes(out, text.data, text.length);
}

static void write_line(LogLevel level, const char *event, const Error *error, va_list pairs)
{
    if (!log_is_on(level))
        return;
    AUTO_STR Str out = {0};
    log_render(&out, log_format, clock_unix_ms(), level, event, error, pairs);
    /* A log that cannot be written has nowhere to say so. */
    ssize_t put = write(STDERR_FILENO, out.data, out.length);
    (void)put;
}

void log_event(LogLevel level, const char *event, ...)
{
    va_list pairs;
    va_start(pairs, event);
    write_line(level, event, NULL, pairs);
    va_end(pairs);
}

void log_failure(LogLevel level, const char *event, const Error *error, ...)
{
    va_list pairs;
    va_start(pairs, error);
    write_line(level, event, error, pairs);
    va_end(pairs);
}
