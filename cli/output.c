#include "cli.h"

#include "clock.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

volatile sig_atomic_t interrupted_by;

const char *context_option(const CommandContext *context, const char *name)
{
    for (size_t i = context->option_count; i > 0; i--) {
        if (strcmp(context->option_names[i - 1], name) == 0)
            return context->option_values[i - 1];
    }
    return NULL;
}

bool context_has(const CommandContext *context, const char *name)
{
    return context_option(context, name) != NULL;
}

StrList context_options(CommandContext *context, const char *name)
{
    StrList values = {0};
    for (size_t i = 0; i < context->option_count; i++) {
        if (strcmp(context->option_names[i], name) == 0)
            strlist_add(context->arena, &values, context->option_values[i]);
    }
    return values;
}

const char *context_argument(const CommandContext *context, size_t index)
{
    return index < context->arguments.count ? context->arguments.items[index] : NULL;
}

ErrCode context_duration(const CommandContext *context, const char *name, uint64_t fallback_ms,
                         uint64_t *ret_ms, Error *err)
{
    const char *text = context_option(context, name);
    if (text == NULL) {
        *ret_ms = fallback_ms;
        return ERR_OK;
    }
    if (!duration_parse(text, ret_ms)) {
        err_set(err, ERR_USAGE, "--%s must be a duration, not '%s'", name, text);
        err_hint(err, "Durations are written 500ms, 30s, 5m, 2h or 7d.");
        return ERR_USAGE;
    }
    return ERR_OK;
}

ErrCode context_number(const CommandContext *context, const char *name, uint32_t fallback,
                       uint32_t most, uint32_t *ret_number, Error *err)
{
    const char *text = context_option(context, name);
    if (text == NULL) {
        *ret_number = fallback;
        return ERR_OK;
    }
    size_t digits = strspn(text, "0123456789");
    bool fits = digits >= 1 && digits <= 9 && text[digits] == '\0';
    uint32_t number = fits ? (uint32_t)strtoul(text, NULL, 10) : 0;
    if (number < 1 || number > most)
        return err_set(err, ERR_USAGE, "--%s must be a whole number from 1 to %u, not '%.40s'",
                       name, most, text);
    *ret_number = number;
    return ERR_OK;
}

void say(CommandContext *context, const char *fmt, ...)
{
    if (context->json || context->quiet)
        return;
    va_list args;
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

void note(CommandContext *context, const char *fmt, ...)
{
    if (context->quiet)
        return;
    fflush(stdout);
    fputs("pgtide: note: ", stderr);
    va_list args;
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
}

JsonWriter context_json(CommandContext *context)
{
    return json_writer(&context->json_result);
}

static void print_result(CommandContext *context)
{
    AUTO_STR Str out = {0};
    JsonWriter json = json_writer(&out);
    json_object_begin(&json);
    json_field_int(&json, "pgtide", 1);
    json_field_string(&json, "command", context->command == NULL ? "" : context->command->words);
    json_key(&json, "result");
    if (context->json_result.length == 0)
        json_none(&json);
    else
        json_raw(&json, context->json_result.data, context->json_result.length);
    json_object_end(&json);
    puts(str_text(&out));
    fflush(stdout);
}

void context_json_flush(CommandContext *context)
{
    print_result(context);
    str_clear(&context->json_result);
}

static void field_or_null(JsonWriter *json, const char *key, const char *text)
{
    json_field_string(json, key, text[0] == '\0' ? NULL : text);
}

void write_error(JsonWriter *json, const Error *err)
{
    json_object_begin(json);
    json_field_string(json, "code", err_code_name(err->code));
    json_field_string(json, "message", err->message);
    field_or_null(json, "detail", err->detail);
    field_or_null(json, "hint", err->hint);
    field_or_null(json, "file", err->file);
    if (err->line > 0)
        json_field_int(json, "line", err->line);
    else
        json_field_null(json, "line");
    if (err->column > 0)
        json_field_int(json, "column", err->column);
    else
        json_field_null(json, "column");
    field_or_null(json, "source", err->source);
    field_or_null(json, "sqlstate", err->sqlstate);
    json_object_end(json);
}

static void print_error_json(const CommandContext *context, const Error *err)
{
    AUTO_STR Str out = {0};
    JsonWriter json = json_writer(&out);
    json_object_begin(&json);
    json_field_int(&json, "pgtide", 1);
    json_field_string(&json, "command", context->command == NULL ? "" : context->command->words);
    json_key(&json, "error");
    write_error(&json, err);
    json_object_end(&json);
    puts(str_text(&out));
}

const char *plain_text(Arena *arena, const char *text)
{
    char *copy = arena_strdup(arena, text);
    for (char *at = copy; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        if (c < 0x20 || c == 0x7F)
            *at = c == '\n' || c == '\t' ? ' ' : '?';
        else if (c == 0xC2 && (unsigned char)at[1] >= 0x80 && (unsigned char)at[1] < 0xA0)
            at[0] = ' ', at[1] = '?'; /* a control of two bytes */
    }
    return copy;
}

/* Server texts may hold anything: what could steer a terminal is shown as '?'. */
static void print_safely(const char *label, const char *text)
{
    if (text[0] == '\0')
        return;
    fprintf(stderr, "%s", label);
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        if (c == '\n')
            fputs("\n    ", stderr);
        else
            fputc(c < 0x20 || c == 0x7F ? '?' : c, stderr);
    }
    fputc('\n', stderr);
}

static void print_place(const Error *err)
{
    char place[sizeof err->file + 32];
    if (err->file[0] == '\0' || err->line == 0)
        snprintf(place, sizeof place, "%s", err->file);
    else if (err->column == 0)
        snprintf(place, sizeof place, "%s:%d", err->file, err->line);
    else
        snprintf(place, sizeof place, "%s:%d:%d", err->file, err->line, err->column);
    print_safely("  at: ", place);
}

/* The line, and a caret below the column: under each character before it a blank, or the line's
 * own tab. */
static void print_source(const Error *err)
{
    if (err->source[0] == '\0')
        return;
    fputs("    ", stderr);
    for (const char *at = err->source; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        fputc((c < 0x20 && c != '\t') || c == 0x7F ? '?' : c, stderr);
    }
    fputs("\n    ", stderr);
    const char *at = err->source;
    for (int column = 1; column < err->source_column && *at != '\0'; column++) {
        fputc(*at == '\t' ? '\t' : ' ', stderr);
        at++;
        while (((unsigned char)*at & 0xC0) == 0x80)
            at++;
    }
    fputs("^\n", stderr);
}

void show_error(const Error *err)
{
    fflush(stdout);
    print_safely("pgtide: error: ", err->message);
    print_place(err);
    print_source(err);
    print_safely("  detail: ", err->detail);
    print_safely("  SQLSTATE: ", err->sqlstate);
    print_safely("  hint: ", err->hint);
}

/* `| head` has seen enough: no failure of ours. */
static bool reader_is_gone(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

int output_finish(CommandContext *context, ErrCode code, const Error *err, bool json)
{
    if (code != ERR_OK) {
        if (json)
            print_error_json(context, err);
        else
            show_error(err);
        return code == ERR_INTERRUPTED && interrupted_by != 0 ? 128 + interrupted_by
                                                              : err_exit_status(code);
    }
    if (json && context->json && context->json_result.length > 0)
        print_result(context);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        if (reader_is_gone())
            return context->exit_status;
        fputs("pgtide: error: can't write to standard output\n", stderr);
        return 1;
    }
    return context->exit_status;
}
