#include "split.h"
#include "split_words.h"

#include <string.h>

enum { FEW_WORDS_LENGTH_MAX = 60 };

bool statement_is_transaction_control(const Statement *statement)
{
    static const char *const words[] = {"BEGIN",     "COMMIT",  "END",   "ROLLBACK", "ABORT",
                                        "SAVEPOINT", "RELEASE", "START", NULL};
    return word_is_one_of(statement->first_keyword, words) ||
           (strcmp(statement->first_keyword, "PREPARE") == 0 &&
            strcmp(statement->second_keyword, "TRANSACTION") == 0);
}

/* Whether at most one of `more` follows one of `first`, and nothing else. */
static bool ends_after(const Statement *statement, const char *const *first,
                       const char *const *more)
{
    Words words = {.at = statement->text};
    if (!words_next(&words) || !word_is_one_of(words.word, first))
        return false;
    if (!words_next(&words))
        return true;
    return word_is_one_of(words.word, more) && !words_next(&words);
}

bool statement_begins_block(const Statement *statement)
{
    static const char *const begin[] = {"BEGIN", NULL};
    static const char *const start[] = {"START", NULL};
    static const char *const more[] = {"WORK", "TRANSACTION", NULL};
    return ends_after(statement, begin, more) ||
           (ends_after(statement, start, more + 1) && statement->second_keyword[0] != '\0');
}

bool statement_ends_block(const Statement *statement)
{
    static const char *const end[] = {"COMMIT", "END", NULL};
    static const char *const more[] = {"WORK", "TRANSACTION", NULL};
    return ends_after(statement, end, more);
}

bool statement_is_concurrent(const Statement *statement)
{
    const char *first = statement->first_keyword;
    const char *second = statement->second_keyword;
    if (strcmp(first, "CREATE") == 0 && strcmp(second, "INDEX") != 0 &&
        strcmp(second, "UNIQUE") != 0)
        return false;
    if (strcmp(first, "CREATE") == 0 ||
        (strcmp(first, "DROP") == 0 && strcmp(second, "INDEX") == 0))
        return words_have_pair(statement->text, "INDEX", "CONCURRENTLY");
    if (strcmp(first, "REINDEX") == 0)
        return words_have(statement->text, "CONCURRENTLY");
    return strcmp(first, "ALTER") == 0 && strcmp(second, "TABLE") == 0 &&
           words_have_pair(statement->text, "DETACH", "PARTITION") &&
           words_have(statement->text, "CONCURRENTLY");
}

/* REINDEX SCHEMA, DATABASE and SYSTEM commit table by table. */
static bool reindexes_many(const Statement *statement)
{
    static const char *const kinds[] = {"SCHEMA", "DATABASE", "SYSTEM", NULL};
    Words words = {.at = statement->text};
    words_next(&words);
    while (words_next(&words)) {
        if (words.depth == 0 && words.word[0] != '\0')
            return word_is_one_of(words.word, kinds);
    }
    return false;
}

bool statement_needs_no_transaction(const Statement *statement)
{
    static const char *const objects[] = {"DATABASE", "TABLESPACE", "SUBSCRIPTION", NULL};
    const char *first = statement->first_keyword;
    const char *second = statement->second_keyword;
    if (statement_is_concurrent(statement) || strcmp(first, "VACUUM") == 0)
        return true;
    if (strcmp(first, "REINDEX") == 0)
        return reindexes_many(statement);
    if (strcmp(first, "CREATE") == 0 || strcmp(first, "DROP") == 0)
        return word_is_one_of(second, objects);
    if (strcmp(first, "ALTER") == 0)
        return strcmp(second, "SYSTEM") == 0 ||
               (strcmp(second, "DATABASE") == 0 &&
                words_have_pair(statement->text, "SET", "TABLESPACE"));
    if (strcmp(first, "DISCARD") == 0)
        return strcmp(second, "ALL") == 0;
    return strcmp(first, "CLUSTER") == 0 && second[0] == '\0' &&
           *words_skip_blank(statement->text + strlen("CLUSTER")) == '\0';
}

const char *statement_in_few_words(Arena *arena, const char *text)
{
    AUTO_STR Str out = {0};
    const char *at = text;
    for (; *at != '\0' && *at != '\'' && *at != '$'; at++) {
        bool blank = *at == ' ' || *at == '\n' || *at == '\t' || *at == '\r';
        bool continues = ((unsigned char)*at & 0xC0) == 0x80;
        if (out.length >= FEW_WORDS_LENGTH_MAX && !continues)
            break;
        if (!blank)
            str_append_char(&out, *at);
        else if (out.length > 0 && out.data[out.length - 1] != ' ')
            str_append_char(&out, ' ');
    }
    if (*at != '\0')
        str_append(&out, "...");
    return arena_strdup(arena, str_text(&out));
}
