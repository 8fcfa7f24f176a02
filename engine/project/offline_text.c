#include "offline_text.h"

#include "batch.h"
#include "split_scan.h"
#include "split_words.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

/* --- values ----------------------------------------------------------------------------------- */

static const char *quoted(Arena *arena, const char *text, char mark)
{
    AUTO_STR Str out = {0};
    bool escapes = mark == '\'' && strchr(text, '\\') != NULL;
    str_append(&out, escapes ? "E" : "");
    str_append_char(&out, mark);
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == mark || (escapes && *at == '\\'))
            str_append_char(&out, *at);
        str_append_char(&out, *at);
    }
    str_append_char(&out, mark);
    return arena_strdup(arena, str_text(&out));
}

const char *offline_literal(Arena *arena, const char *text)
{
    return text == NULL ? "NULL" : quoted(arena, text, '\'');
}

const char *offline_identifier(Arena *arena, const char *name)
{
    return quoted(arena, name, '"');
}

const char *offline_array(Arena *arena, const StrList *list)
{
    AUTO_STR Str out = {0};
    str_append(&out, "ARRAY[");
    for (size_t i = 0; i < list->count; i++)
        str_printf(&out, "%s%s", i == 0 ? "" : ", ", offline_literal(arena, list->items[i]));
    str_append(&out, "]::pg_catalog.text[]");
    return arena_strdup(arena, str_text(&out));
}

const char *offline_remark(Arena *arena, const char *text)
{
    char *copy = arena_strdup(arena, text);
    for (char *at = copy; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7F)
            *at = '?';
    }
    return copy;
}

const char *offline_query(Arena *arena, const char *query, const char *const *params, size_t count)
{
    AUTO_STR Str out = {0};
    for (const char *at = query; *at != '\0'; at++) {
        if (at[0] == '$' && isdigit((unsigned char)at[1])) {
            size_t number = 0;
            for (; isdigit((unsigned char)at[1]); at++)
                number = 10 * number + (size_t)(at[1] - '0');
            str_append(&out, number >= 1 && number <= count ? params[number - 1] : "NULL");
        } else if (at[0] == '%' && at[1] == 's') {
            str_append(&out, ":pgtide_version");
            at++;
        } else {
            str_append_char(&out, *at);
        }
    }
    return arena_strdup(arena, str_text(&out));
}

/* --- statements ------------------------------------------------------------------------------- */

void offline_do(Str *out, const char *body)
{
    char mark[32] = "$pgtide$";
    for (int i = 1; strstr(body, mark) != NULL; i++)
        snprintf(mark, sizeof mark, "$pgtide%d$", i);
    str_printf(out, "DO %s\n%s\n%s;\n", mark, body, mark);
}

/* What psql would take for a variable is a slice's end or an author's mistake: a blank behind the
 * colon says the same to the server, and nothing to psql. */
static char *apart(const char *name, PsqlScanQuoteType quote, void *passthrough)
{
    (void)passthrough;
    const char *mark = quote == PQUOTE_SQL_LITERAL ? "'" : quote == PQUOTE_SQL_IDENT ? "\"" : "";
    Str out = {0};
    str_printf(&out, ": %s%s%s", mark, name, mark);
    return str_take(&out);
}

static const PsqlScanCallbacks callbacks = {apart};

static const char *without_variables(Arena *arena, const char *text)
{
    promptStatus_t prompt;
    PQExpBufferData output;
    if (strchr(text, ':') == NULL)
        return text;
    PsqlScanState scan = psql_scan_create(&callbacks);
    initPQExpBuffer(&output);
    psql_scan_setup(scan, text, (int)strlen(text), PG_UTF8, true);
    (void)psql_scan(scan, &output, &prompt);
    if (PQExpBufferDataBroken(output))
        die_out_of_memory();
    const char *result = arena_strdup(arena, output.data);
    psql_scan_finish(scan);
    psql_scan_destroy(scan);
    termPQExpBuffer(&output);
    return result;
}

/* Behind a comment at its end a semicolon would be part of the comment. */
static const char *end_of(const char *text)
{
    const char *line = strrchr(text, '\n');
    return strstr(line == NULL ? text : line, "--") != NULL ? "\n;\n" : ";\n";
}

void offline_statement(Arena *arena, const Statement *statement, Str *out)
{
    const char *text = without_variables(arena, statement->text);
    str_append(out, text);
    str_append(out, end_of(text));
    if (statement->copy_data == NULL)
        return;
    str_append_bytes(out, statement->copy_data, statement->copy_length);
    str_append(out, "\\.\n");
}

enum { UNTIL_ROUNDS_MAX = 1000000 }; /* where the file says no number */

void offline_batch(Arena *arena, const Statement *statement, Str *out)
{
    const BatchOptions *options = statement->batch;
    if (options->form == BATCH_RANGES) {
        str_append(out, "-- +batch: all in one transaction here; only pgtide runs it in batches\n");
        offline_statement(arena, statement, out);
        return;
    }
    uint64_t rounds = options->batches_max > 0 ? options->batches_max : UNTIL_ROUNDS_MAX;
    str_append(out, "-- +batch until=no-rows: each round is a transaction of its own\n");
    offline_do(out, arena_printf(arena,
                                 "BEGIN\n"
                                 "    FOR pgtide_round IN 1 .. %" PRIu64 " LOOP\n"
                                 "        %s\n"
                                 "        ;\n"
                                 "        IF NOT FOUND THEN RETURN; END IF;\n"
                                 "        COMMIT;\n"
                                 "    END LOOP;\n"
                                 "    RAISE EXCEPTION 'pgtide: %" PRIu64
                                 " batches, and it still changes rows';\n"
                                 "END",
                                 rounds, statement->text, rounds));
}

/* --- +verify ---------------------------------------------------------------------------------- */

/* The keyword that says what a statement is, behind its WITH and opening parentheses. */
static bool main_keyword(const char *text, Words *words)
{
    static const char *const keywords[] = {"SELECT", "VALUES", "TABLE", "INSERT",
                                           "UPDATE", "DELETE", "MERGE", NULL};
    bool with = false;
    *words = (Words){.at = text};
    while (words_next(words)) {
        with = with || (words->depth == 0 && strcmp(words->word, "WITH") == 0);
        if ((words->depth == 0 || !with) && word_is_one_of(words->word, keywords))
            return true;
        if (!with && words->word[0] != '\0')
            return false;
    }
    return false;
}

static bool has_word_outside(const char *text, const char *word)
{
    Words words = {.at = text};
    while (words_next(&words)) {
        if (words.depth == 0 && strcmp(words.word, word) == 0)
            return true;
    }
    return false;
}

/* Whether it answers rows, which PL/pgSQL can read; a SELECT INTO makes a table instead. */
static bool answers_rows(const char *text)
{
    static const char *const reads[] = {"SELECT", "VALUES", "TABLE", NULL};
    Words words;
    if (!main_keyword(text, &words))
        return false;
    if (word_is_one_of(words.word, reads))
        return !has_word_outside(text, "INTO");
    return has_word_outside(text, "RETURNING");
}

static void last_verify(Arena *arena, const Script *script, const Statement *statement, Str *out)
{
    char mark[32] = "$verify$";
    for (int i = 1; strstr(statement->text, mark) != NULL; i++)
        snprintf(mark, sizeof mark, "$verify%d$", i);
    const char *place = arena_printf(arena, "pgtide: the +verify section of %s says false (%s:%d)",
                                     script->id, script->file, statement->line);
    offline_do(out, arena_printf(
                        arena,
                        "DECLARE\n"
                        "    answer record;\n"
                        "    answers pg_catalog.int8;\n"
                        "BEGIN\n"
                        "    EXECUTE %s%s%s INTO answer;\n"
                        "    GET DIAGNOSTICS answers = ROW_COUNT;\n"
                        "    IF answers OPERATOR(pg_catalog.=) 1 AND (SELECT pg_catalog.count(*)\n"
                        "        OPERATOR(pg_catalog.=) 1 AND pg_catalog.bool_and(value\n"
                        "        OPERATOR(pg_catalog.=) 'false'::pg_catalog.jsonb)\n"
                        "        FROM pg_catalog.jsonb_each(pg_catalog.to_jsonb(answer))) THEN\n"
                        "        RAISE EXCEPTION USING MESSAGE = %s;\n"
                        "    END IF;\n"
                        "END",
                        mark, statement->text, mark, offline_literal(arena, place)));
}

void offline_verify(Arena *arena, const Script *script, Str *out)
{
    const StatementList *list = &script->verify.statements;
    for (size_t i = 0; i < list->count; i++) {
        const Statement *statement = &list->items[i];
        if (i + 1 == list->count && answers_rows(statement->text))
            last_verify(arena, script, statement, out);
        else
            offline_statement(arena, statement, out);
    }
}
