/*
 * Token digest: what decides "changed after it was applied". SHA-256 over PostgreSQL's token stream
 * (libpg_query), with comments dropped, white space ignored and unquoted words folded to lower
 * case; so line ends, layout and remarks may change. Text form "t1:" + 64 hex.
 */
#pragma once

#include "str.h"

enum { TOKEN_DIGEST_TEXT_SIZE = 3 + 65 };

/* Over the sections in the given order. Where the lexer does not understand a text (newer syntax)
 * its bytes count. */
void token_digest(const char *const *sections, size_t count, char out[TOKEN_DIGEST_TEXT_SIZE]);
