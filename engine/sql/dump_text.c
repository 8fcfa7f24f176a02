#include "dump_text.h"

#include "split.h"

#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>

#include <string.h>

/* --- psql's commands -------------------------------------------------------------------------- */

/* \restrict and kin stand on lines of their own; in a function's body such a line is the author's.
 */
static void append_without_commands(const char *text, size_t length, Str *out)
{
    SqlLines *lines = sql_lines_new();
    size_t at = 0;
    while (at < length) {
        const char *end = memchr(text + at, '\n', length - at);
        size_t line = end == NULL ? length - at : (size_t)(end - (text + at)) + 1;
        if (text[at] == '\\' && !sql_lines_in_text(lines)) {
            sql_lines_reset(lines);
        } else {
            sql_lines_feed(lines, text + at, line);
            str_append_bytes(out, text + at, line);
        }
        at += line;
    }
    sql_lines_free(lines);
}

/* --- statements that are left out ------------------------------------------------------------- */

static bool is_default_of(const char *text, const char *setting)
{
    static const char *const defaults[] = {" = ''", " = heap"};
    if (!str_starts_with(text, setting))
        return false;
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) {
        if (strcmp(text + strlen(setting), defaults[i]) == 0)
            return true;
    }
    return false;
}

/* Where tables are put is said by settings before them: kept once one is not the default. */
static bool places_tables(const char *text)
{
    return str_starts_with(text, "SET default_tablespace") ||
           str_starts_with(text, "SET default_table_access_method");
}

static bool keeps_places(const StatementList *statements)
{
    for (size_t i = 0; i < statements->count; i++) {
        const char *text = statements->items[i].text;
        if (places_tables(text) && !is_default_of(text, "SET default_tablespace") &&
            !is_default_of(text, "SET default_table_access_method"))
            return true;
    }
    return false;
}

static bool is_left_out(const Statement *statement, const char *owner_suffix, bool places)
{
    const char *text = statement->text;
    if (strcmp(statement->first_keyword, "SET") == 0)
        return !(places && places_tables(text));
    if (strcmp(statement->first_keyword, "ALTER") == 0)
        return str_ends_with(text, owner_suffix);
    /* Set by CREATE EXTENSION itself; only an owner may say it again. */
    if (str_starts_with(text, "COMMENT ON EXTENSION "))
        return true;
    if (strcmp(statement->first_keyword, "SELECT") == 0)
        return str_starts_with(text, "SELECT pg_catalog.set_config(") ||
               (str_starts_with(text, "SELECT pg_catalog.setval(") &&
                str_ends_with(text, ", 1, false)"));
    return false;
}

static bool makes_routine(const Statement *statement)
{
    return strcmp(statement->first_keyword, "CREATE") == 0 &&
           (strcmp(statement->second_keyword, "FUNCTION") == 0 ||
            strcmp(statement->second_keyword, "PROCEDURE") == 0);
}

/* --- names in public -------------------------------------------------------------------------- */

typedef struct Tokens {
    const char *sql;
    size_t length;
    PgQuery__ScanToken **items;
    size_t count;
} Tokens;

static bool token_is(const Tokens *tokens, size_t index, PgQuery__Token kind)
{
    return index < tokens->count && tokens->items[index]->token == kind;
}

static bool token_reads(const Tokens *tokens, size_t index, const char *word)
{
    if (index >= tokens->count)
        return false;
    size_t from = (size_t)tokens->items[index]->start;
    size_t length = strlen(word);
    if (from + length > tokens->length || memcmp(tokens->sql + from, word, length) != 0)
        return false;
    size_t next =
        index + 1 < tokens->count ? (size_t)tokens->items[index + 1]->start : tokens->length;
    return from + length <= next;
}

/* A literal that names a relation: 'public.x'::regclass, setval('public.x', ...). */
static bool names_relation(const Tokens *tokens, size_t index)
{
    bool cast = token_is(tokens, index + 1, PG_QUERY__TOKEN__TYPECAST) &&
                token_reads(tokens, index + 2, "regclass");
    bool call = index >= 2 && token_reads(tokens, index - 1, "(") &&
                token_reads(tokens, index - 2, "setval");
    return cast || call;
}

/* Leaves out "public." before names: bytes [from, to) of each place. */
static void append_unqualified(const Tokens *tokens, Str *out)
{
    static const char schema[] = "public.";
    size_t done = 0;
    for (size_t i = 0; i < tokens->count; i++) {
        size_t from = (size_t)tokens->items[i]->start;
        bool name = token_reads(tokens, i, "public") &&
                    token_is(tokens, i + 1, PG_QUERY__TOKEN__ASCII_46) &&
                    !(i > 0 && token_is(tokens, i - 1, PG_QUERY__TOKEN__ASCII_46));
        bool literal = token_is(tokens, i, PG_QUERY__TOKEN__SCONST) &&
                       token_reads(tokens, i, "'public.") && names_relation(tokens, i);
        if (!name && !literal)
            continue;
        from += literal;
        str_append_bytes(out, tokens->sql + done, from - done);
        done = from + strlen(schema);
    }
    str_append_bytes(out, tokens->sql + done, tokens->length - done);
}

/* What the scanner can't read stays as it is. */
static void append_statement(const char *sql, bool unqualify, Str *out)
{
    if (!unqualify || strstr(sql, "public.") == NULL) {
        str_append(out, sql);
        return;
    }
    PgQueryScanResult scanned = pg_query_scan(sql);
    PgQuery__ScanResult *result =
        scanned.error != NULL ? NULL
                              : pg_query__scan_result__unpack(NULL, scanned.pbuf.len,
                                                              (const uint8_t *)scanned.pbuf.data);
    if (result != NULL) {
        Tokens tokens = {sql, strlen(sql), result->tokens, result->n_tokens};
        append_unqualified(&tokens, out);
        pg_query__scan_result__free_unpacked(result, NULL);
    } else {
        str_append(out, sql);
    }
    pg_query_free_scan_result(scanned);
}

/* --- the whole -------------------------------------------------------------------------------- */

ErrCode dump_text_read(Arena *arena, const DumpTextArgs *args, const char **ret_sql,
                       size_t *ret_statements, Error *err)
{
    AUTO_STR Str plain = {0};
    AUTO_STR Str sql = {0};
    append_without_commands(args->text, args->length, &plain);
    StatementList statements;
    ErrCode code = sql_split(arena, "pg_dump", str_text(&plain), plain.length, 1, &statements, err);
    if (code != ERR_OK)
        return code;
    const char *owner = arena_printf(arena, " OWNER TO %s", args->owner);
    bool places = keeps_places(&statements);
    bool routines = false;
    size_t count = 0;
    for (size_t i = 0; i < statements.count; i++) {
        const Statement *statement = &statements.items[i];
        if (is_left_out(statement, owner, places))
            continue;
        routines = routines || makes_routine(statement);
        append_statement(statement->text, args->unqualify, &sql);
        str_append(&sql, ";\n\n");
        count++;
    }
    /* Functions come before the tables they speak of. */
    *ret_sql =
        arena_printf(arena, "%s%s", routines ? "SET LOCAL check_function_bodies = false;\n\n" : "",
                     str_text(&sql));
    *ret_statements = count;
    return ERR_OK;
}
