#include "split_words.h"

#include <string.h>

static bool is_word_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_word_part(char c)
{
    return is_word_start(c) || (c >= '0' && c <= '9') || c == '$';
}

bool words_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

const char *words_skip_line_comment(const char *at)
{
    while (*at != '\0' && *at != '\n' && *at != '\r')
        at++;
    return at;
}

static const char *skip_block_comment(const char *at)
{
    int depth = 0;
    while (*at != '\0') {
        if (at[0] == '/' && at[1] == '*') {
            depth++;
            at += 2;
        } else if (at[0] == '*' && at[1] == '/') {
            at += 2;
            if (--depth == 0)
                break;
        } else {
            at++;
        }
    }
    return at;
}

const char *words_skip_blank(const char *at)
{
    for (;;) {
        if (words_is_space(*at))
            at++;
        else if (at[0] == '-' && at[1] == '-')
            at = words_skip_line_comment(at);
        else if (at[0] == '/' && at[1] == '*')
            at = skip_block_comment(at);
        else
            return at;
    }
}

static const char *skip_quoted(const char *at, bool backslashes)
{
    char quote = *at++;
    while (*at != '\0') {
        if (backslashes && at[0] == '\\' && at[1] != '\0')
            at += 2;
        else if (at[0] == quote && at[1] == quote)
            at += 2;
        else if (*at++ == quote)
            break;
    }
    return at;
}

/* "$tag$ ... $tag$"; NULL when no dollar quote begins here. */
static const char *skip_dollar_quoted(const char *at)
{
    const char *end = at + 1;
    if (is_word_start(*end)) {
        while (is_word_part(*end) && *end != '$')
            end++;
    }
    if (*end != '$')
        return NULL;
    size_t length = (size_t)(end + 1 - at);
    for (const char *close = end + 1; (close = strchr(close, '$')) != NULL; close++) {
        if (strncmp(close, at, length) == 0)
            return close + length;
    }
    return at + strlen(at);
}

static void word_take(Words *words)
{
    size_t length = 0;
    const char *at = words->at;
    for (; is_word_part(*at); at++) {
        if (length + 1 < WORD_SIZE)
            words->word[length++] = *at >= 'a' && *at <= 'z' ? (char)(*at - 'a' + 'A') : *at;
    }
    words->word[length] = '\0';
    if (*at == '\'' && (strcmp(words->word, "E") == 0))
        at = skip_quoted(at, true);
    words->at = at;
}

/* The next token; `word` stays empty for quoted things, numbers and punctuation. */
bool words_next(Words *words)
{
    const char *at = words_skip_blank(words->at);
    words->at = at;
    words->word[0] = '\0';
    if (*at == '\0')
        return false;
    const char *after = *at == '$' ? skip_dollar_quoted(at) : NULL;
    if (after != NULL) {
        words->at = after;
    } else if (is_word_start(*at)) {
        word_take(words);
    } else if (*at == '\'' || *at == '"') {
        words->at = skip_quoted(at, false);
    } else if (*at >= '0' && *at <= '9') {
        while (is_word_part(*words->at) || *words->at == '.')
            words->at++;
    } else {
        words->depth += *at == '(' ? 1 : (*at == ')' ? -1 : 0);
        words->at++;
    }
    return true;
}

bool word_is_one_of(const char *word, const char *const *list)
{
    for (; *list != NULL; list++) {
        if (strcmp(word, *list) == 0)
            return true;
    }
    return false;
}

/* `first` directly followed by `second`, outside of parentheses. */
bool words_have_pair(const char *text, const char *first, const char *second)
{
    Words words = {.at = text};
    bool after_first = false;
    while (words_next(&words)) {
        if (after_first && strcmp(words.word, second) == 0)
            return true;
        after_first = words.depth == 0 && strcmp(words.word, first) == 0;
    }
    return false;
}

bool words_have(const char *text, const char *word)
{
    Words words = {.at = text};
    while (words_next(&words)) {
        if (strcmp(words.word, word) == 0)
            return true;
    }
    return false;
}

bool words_take_rows(const char *text)
{
    Words words = {.at = text};
    return words_next(&words) && strcmp(words.word, "COPY") == 0 &&
           words_have_pair(text, "FROM", "STDIN");
}
