/*
 * Token digest: what decides "changed after it was applied". SHA-256 over PostgreSQL's token stream
 * (libpg_query), with comments dropped, white space ignored and unquoted words folded to lower
 * case; so line ends, layout and remarks may change. The rows behind a COPY count as they stand but
 * for their line ends. Text form "t1:" + 64 hex.
 */
#pragma once

#include "split.h"

enum { TOKEN_DIGEST_TEXT_SIZE = 3 + 65 };

typedef struct TokenSection {
    const char *sql;
    const StatementList *statements; /* what it was split into; NULL: no COPY is in it */
} TokenSection;

/* Over the sections in the given order. Where the lexer does not understand a text (newer syntax)
 * its bytes count. */
void token_digest(const TokenSection *sections, size_t count, char out[TOKEN_DIGEST_TEXT_SIZE]);
