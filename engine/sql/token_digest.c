#include "token_digest.h"

#include "digest.h"

#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>

#include <ctype.h>
#include <string.h>

static bool is_comment(PgQuery__Token token)
{
    return token == PG_QUERY__TOKEN__SQL_COMMENT || token == PG_QUERY__TOKEN__C_COMMENT;
}

/* Quoted identifiers and literals count as they stand; words, keywords and operators in lower case.
 */
static void token_add(Sha256 *hash, const char *text, size_t length, bool quoted)
{
    static const uint8_t separator = 0;
    quoted = quoted || memchr(text, '\'', length) != NULL || memchr(text, '"', length) != NULL ||
             text[0] == '$';
    for (size_t i = 0; i < length; i++) {
        char c = quoted ? text[i] : (char)tolower((unsigned char)text[i]);
        if (quoted && c == '\r' && i + 1 < length && text[i + 1] == '\n')
            continue;
        sha256_update(hash, &c, 1);
    }
    sha256_update(hash, &separator, 1);
}

/* Where the token really ends: the scanner gives too short an end for some (U&"x", a string in
 * several pieces), but between two tokens there is nothing else than white space. */
static size_t token_end(const PgQuery__ScanResult *tokens, size_t index, const char *sql,
                        size_t length)
{
    size_t end = index + 1 < tokens->n_tokens ? (size_t)tokens->tokens[index + 1]->start : length;
    while (end > 0 && isspace((unsigned char)sql[end - 1]))
        end--;
    return end;
}

static bool tokens_add(Sha256 *hash, const char *sql)
{
    PgQueryScanResult scanned = pg_query_scan(sql);
    if (scanned.error != NULL) {
        pg_query_free_scan_result(scanned);
        return false;
    }
    PgQuery__ScanResult *tokens =
        pg_query__scan_result__unpack(NULL, scanned.pbuf.len, (const uint8_t *)scanned.pbuf.data);
    size_t length = strlen(sql);
    for (size_t i = 0; tokens != NULL && i < tokens->n_tokens; i++) {
        const PgQuery__ScanToken *token = tokens->tokens[i];
        size_t from = (size_t)token->start;
        size_t to = token_end(tokens, i, sql, length);
        if (!is_comment(token->token) && from < to && to <= length)
            token_add(hash, sql + from, to - from, to > (size_t)token->end);
    }
    if (tokens != NULL)
        pg_query__scan_result__free_unpacked(tokens, NULL);
    pg_query_free_scan_result(scanned);
    return tokens != NULL;
}

/* Where the lexer does not understand a text its bytes count. */
static void text_add(Sha256 *hash, const char *sql)
{
    if (!tokens_add(hash, sql))
        sha256_update(hash, sql, strlen(sql));
}

static void rows_add(Sha256 *hash, const char *rows, size_t length)
{
    static const char begin = '\2';
    Sha256 content;
    sha256_init(&content);
    for (size_t i = 0; i < length;) {
        const char *carriage = memchr(rows + i, '\r', length - i);
        size_t part = carriage == NULL ? length - i : (size_t)(carriage - rows) - i;
        sha256_update(&content, rows + i, part);
        i += part;
        if (i < length && (i + 1 == length || rows[i + 1] != '\n'))
            sha256_update(&content, rows + i, 1);
        i += i < length;
    }
    Digest digest = sha256_final(&content);
    sha256_update(hash, &begin, 1);
    sha256_update(hash, digest.bytes, sizeof digest.bytes);
}

static bool has_rows(const StatementList *statements)
{
    for (size_t i = 0; statements != NULL && i < statements->count; i++) {
        if (statements->items[i].copy_data != NULL)
            return true;
    }
    return false;
}

/* Rows are no SQL: with them the statements count one by one. */
static void section_add(Sha256 *hash, const TokenSection *section)
{
    if (!has_rows(section->statements)) {
        text_add(hash, section->sql);
        return;
    }
    for (size_t i = 0; i < section->statements->count; i++) {
        const Statement *statement = &section->statements->items[i];
        text_add(hash, statement->text);
        text_add(hash, ";");
        if (statement->copy_data != NULL)
            rows_add(hash, statement->copy_data, statement->copy_length);
    }
}

void token_digest(const TokenSection *sections, size_t count, char out[TOKEN_DIGEST_TEXT_SIZE])
{
    static const char end_of_section = '\1';
    Sha256 hash;
    sha256_init(&hash);
    for (size_t i = 0; i < count; i++) {
        section_add(&hash, &sections[i]);
        sha256_update(&hash, &end_of_section, 1);
    }
    Digest digest = sha256_final(&hash);
    memcpy(out, "t1:", 3);
    digest_hex(&digest, out + 3);
}
