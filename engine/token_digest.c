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

static bool section_add(Sha256 *hash, const char *sql)
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

void token_digest(const char *const *sections, size_t count, char out[TOKEN_DIGEST_TEXT_SIZE])
{
    static const char end_of_section = '\1';
    Sha256 hash;
    sha256_init(&hash);
    for (size_t i = 0; i < count; i++) {
        if (!section_add(&hash, sections[i]))
            sha256_update(&hash, sections[i], strlen(sections[i]));
        sha256_update(&hash, &end_of_section, 1);
    }
    Digest digest = sha256_final(&hash);
    memcpy(out, "t1:", 3);
    digest_hex(&digest, out + 3);
}
