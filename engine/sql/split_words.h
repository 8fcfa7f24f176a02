/*
 * The tokens of a statement, as far as telling its form needs them: unquoted words, with quoted
 * things, comments and numbers stepped over. Internal to engine/split*.c.
 */
#pragma once

#include <stdbool.h>

enum { WORD_SIZE = 32 }; /* longer than any keyword; longer words are cut */

typedef struct Words {
    const char *at;
    int depth;            /* of parentheses */
    char word[WORD_SIZE]; /* upper case; '' for what is no unquoted word */
} Words;

/* The next token; `word` stays empty for quoted things, numbers and punctuation. */
bool words_next(Words *words);
/* `first` directly followed by `second`, outside of parentheses. */
bool words_have_pair(const char *text, const char *first, const char *second);
bool words_have(const char *text, const char *word);
bool words_take_rows(const char *text);                         /* COPY ... FROM STDIN */
bool word_is_one_of(const char *word, const char *const *list); /* ended by NULL */

bool words_is_space(char c);
const char *words_skip_line_comment(const char *at);
const char *words_skip_blank(const char *at); /* white space and comments */
