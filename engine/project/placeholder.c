#include "placeholder.h"

#include "named_limits.h"
#include "script_reader.h"
#include "split_scan.h"
#include "split_words.h"

#include <string.h>

/* --- assignments ------------------------------------------------------------------------------ */

static size_t name_length(const char *assignment)
{
    return strcspn(assignment, "=");
}

static bool assigns(const char *assignment, const char *name)
{
    size_t length = name_length(assignment);
    return assignment[length] == '=' && strlen(name) == length &&
           strncmp(assignment, name, length) == 0;
}

ErrCode placeholder_check(const StrList *assignments, Error *err)
{
    for (size_t i = 0; i < assignments->count; i++) {
        const char *text = assignments->items[i];
        size_t length = name_length(text);
        if (length == 0 || text[length] == '\0') {
            err_set(err, ERR_USAGE, "-x needs NAME=VALUE");
            return ERR_USAGE;
        }
        if (strlen(text) - length - 1 > LIMIT_PLACEHOLDER_VALUE_BYTES)
            return err_set(err, ERR_LIMIT, "the value of -x %.*s has more than %d bytes",
                           (int)(length < 63 ? length : 63), text, LIMIT_PLACEHOLDER_VALUE_BYTES);
        if (!str_is_utf8(text, strlen(text)))
            return err_set(err, ERR_USAGE, "-x: the name or the value is not UTF-8 text");
    }
    return ERR_OK;
}

StrList placeholders_unknown(Arena *arena, const Script *const *scripts, size_t count,
                             const StrList *assignments)
{
    StrList unknown = {0};
    for (size_t i = 0; i < assignments->count; i++) {
        const char *text = assignments->items[i];
        bool declared = false;
        for (size_t j = 0; j < count && !declared; j++) {
            for (size_t k = 0; k < scripts[j]->placeholder_count && !declared; k++)
                declared = assigns(text, scripts[j]->placeholders[k].name);
        }
        const char *name = arena_strndup(arena, text, name_length(text));
        if (!declared && !strlist_has(&unknown, name))
            strlist_add(arena, &unknown, name);
    }
    return unknown;
}

/* --- one text --------------------------------------------------------------------------------- */

typedef struct Binder {
    Arena *arena;
    const Script *script;
    const char **values; /* of the script's placeholders */
    PsqlScanState scan;
    PQExpBufferData output; /* what the lexer made of the text */
    /* Of the text in hand. */
    Replaced *replaced;
    const char **texts; /* what stands in their place */
    size_t count;
    size_t capacity;
    size_t plain_end; /* where the value ends that the lexer is reading itself */
} Binder;

/* As libpq quotes: a quote is doubled; in a literal with backslashes these too, and it gets an E,
 * which is the same whatever standard_conforming_strings is. */
static char *quoted(const char *value, PsqlScanQuoteType quote)
{
    AUTO_STR Str out = {0};
    char mark = quote == PQUOTE_SQL_IDENT ? '"' : '\'';
    bool escapes = mark == '\'' && strchr(value, '\\') != NULL;
    str_append(&out, escapes ? " E" : "");
    str_append_char(&out, mark);
    for (const char *at = value; *at != '\0'; at++) {
        if (*at == mark || (escapes && *at == '\\'))
            str_append_char(&out, *at);
        str_append_char(&out, *at);
    }
    str_append_char(&out, mark);
    return str_take(&out);
}

static void replaced_add(Binder *binder, const char *text, size_t source_length)
{
    if (binder->count == binder->capacity) {
        size_t capacity = binder->capacity == 0 ? 8 : 2 * binder->capacity;
        binder->replaced = arena_grow(binder->arena, binder->replaced, binder->count, capacity,
                                      sizeof *binder->replaced);
        binder->texts = arena_grow(binder->arena, binder->texts, binder->count, capacity,
                                   sizeof *binder->texts);
        binder->capacity = capacity;
    }
    binder->replaced[binder->count] = (Replaced){binder->output.len, strlen(text), source_length};
    binder->texts[binder->count++] = arena_strdup(binder->arena, text);
}

/* The lexer met a variable. What is returned is its to free. */
static char *get_variable(const char *name, PsqlScanQuoteType quote, void *passthrough)
{
    Binder *binder = passthrough;
    const Script *script = binder->script;
    if (binder->output.len < binder->plain_end)
        return NULL; /* inside of a value */
    for (size_t i = 0; i < script->placeholder_count; i++) {
        if (strcmp(script->placeholders[i].name, name) != 0)
            continue;
        bool plain = quote == PQUOTE_PLAIN;
        char *text = plain ? xstrdup(binder->values[i]) : quoted(binder->values[i], quote);
        replaced_add(binder, text, strlen(name) + (plain ? 1 : 3));
        if (plain)
            binder->plain_end = binder->output.len + strlen(text);
        return text;
    }
    return NULL;
}

static const PsqlScanCallbacks callbacks = {get_variable};

/* The text with the values in it, put together from the text itself and the places found. */
static const char *text_bound(const Binder *binder, const char *text)
{
    AUTO_STR Str out = {0};
    size_t from = 0;
    for (size_t i = 0; i < binder->count; i++) {
        size_t place = from + binder->replaced[i].at - out.length;
        str_append_bytes(&out, text + from, place - from);
        str_append(&out, binder->texts[i]);
        from = place + binder->replaced[i].source_length;
    }
    str_append(&out, text + from);
    return arena_strdup(binder->arena, str_text(&out));
}

/* Whether a text is still one statement: no semicolon, psql command, open quote or parenthesis. */
static bool is_one_statement(const char *text)
{
    Scanner scanner;
    scanner_begin(&scanner, text);
    bool one = scanner_next(&scanner, text + strlen(text)) == FOUND_STOP &&
               scanner_rest(&scanner) == FOUND_STATEMENT && scanner_in_statement(&scanner) &&
               (scanner.prompt == PROMPT_READY || scanner.prompt == PROMPT_CONTINUE);
    scanner_free(&scanner);
    return one;
}

/* False when the values make something else of it than one statement. */
static bool bind_text(Binder *binder, const char *text, const char **ret_text)
{
    promptStatus_t prompt;
    binder->replaced = NULL;
    binder->texts = NULL;
    binder->count = binder->capacity = binder->plain_end = 0;
    resetPQExpBuffer(&binder->output);
    psql_scan_reset(binder->scan);
    psql_scan_setup(binder->scan, text, (int)strlen(text), PG_UTF8, true);
    PsqlScanResult result = psql_scan(binder->scan, &binder->output, &prompt);
    if (PQExpBufferDataBroken(binder->output))
        die_out_of_memory();
    psql_scan_finish(binder->scan);
    if (result == PSCAN_SEMICOLON || result == PSCAN_BACKSLASH)
        return false;
    *ret_text = binder->count == 0 ? text : text_bound(binder, text);
    return strcmp(*ret_text, binder->output.data) == 0 && is_one_statement(*ret_text);
}

/* --- scripts ---------------------------------------------------------------------------------- */

static ErrCode refuse(const Script *script, const Statement *statement, Error *err)
{
    err_set(err, ERR_SCRIPT, "with the values of its placeholders this is not one statement");
    err_hint(err, "Write :'name' for a literal and :\"name\" for an identifier.");
    statement_place_error(err, script->file, statement, 0);
    return ERR_SCRIPT;
}

static ErrCode statement_bind(Binder *binder, Statement *statement, Error *err)
{
    const char *text;
    if (statement->probe != NULL && strchr(statement->probe, ':') != NULL &&
        !bind_text(binder, statement->probe, &statement->probe))
        return refuse(binder->script, statement, err);
    if (strchr(statement->text, ':') == NULL)
        return ERR_OK;
    if (!bind_text(binder, statement->text, &text) ||
        words_take_rows(text) != (statement->copy_data != NULL))
        return refuse(binder->script, statement, err);
    if (binder->count == 0)
        return ERR_OK;
    statement_set_text(binder->arena, statement, text);
    statement->replaced = binder->replaced;
    statement->replaced_count = binder->count;
    return ERR_OK;
}

static ErrCode section_bind(Binder *binder, const Script *bound, ScriptSection *section,
                            bool verify, Error *err)
{
    StatementList *list = &section->statements;
    if (list->count == 0)
        return ERR_OK;
    list->items = arena_memdup(binder->arena, list->items, list->count * sizeof *list->items);
    for (size_t i = 0; i < list->count; i++) {
        ErrCode code = statement_bind(binder, &list->items[i], err);
        if (code != ERR_OK)
            return code;
    }
    return script_statements_check(bound, list, verify, err);
}

static ErrCode values_find(Arena *arena, const Script *script, const StrList *assignments,
                           const char ***ret_values, Error *err)
{
    const char **values = ARENA_ARRAY(arena, const char *, script->placeholder_count);
    for (size_t i = 0; i < script->placeholder_count; i++) {
        const Placeholder *placeholder = &script->placeholders[i];
        values[i] = placeholder->fallback;
        for (size_t j = assignments->count; j > 0; j--) {
            const char *text = assignments->items[j - 1];
            if (assigns(text, placeholder->name)) {
                values[i] = text + name_length(text) + 1;
                break;
            }
        }
        if (values[i] == NULL) {
            err_set(err, ERR_USAGE, "placeholder '%s' of %.150s has no value", placeholder->name,
                    script->id);
            err_hint(err, "Give it one with `-x %s=VALUE`, or a default in `placeholders:`.",
                     placeholder->name);
            err_at(err, script->file, placeholder->line);
            return ERR_USAGE;
        }
    }
    *ret_values = values;
    return ERR_OK;
}

ErrCode script_bind(Arena *arena, const Script *script, const StrList *assignments,
                    const Script **ret_script, Error *err)
{
    Binder binder = {.arena = arena, .script = script};
    ErrCode code = placeholder_check(assignments, err);
    if (code == ERR_OK)
        code = values_find(arena, script, assignments, &binder.values, err);
    if (code != ERR_OK)
        return code;
    if (script->placeholder_count == 0) {
        *ret_script = script;
        return ERR_OK;
    }
    Script *bound = arena_memdup(arena, script, sizeof *script);
    binder.scan = psql_scan_create(&callbacks);
    psql_scan_set_passthrough(binder.scan, &binder);
    initPQExpBuffer(&binder.output);
    code = section_bind(&binder, bound, &bound->upgrade, false, err);
    if (code == ERR_OK)
        code = section_bind(&binder, bound, &bound->downgrade, false, err);
    if (code == ERR_OK)
        code = section_bind(&binder, bound, &bound->verify, true, err);
    psql_scan_destroy(binder.scan);
    termPQExpBuffer(&binder.output);
    if (code == ERR_OK)
        *ret_script = bound;
    return code;
}
