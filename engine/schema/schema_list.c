#include "schema_list.h"

#include <string.h>

/* Behind the quote that ends what begins at `at`. */
static const char *skip_quoted(const char *at)
{
    char quote = *at++;
    while (*at != '\0') {
        if (*at++ == quote) {
            if (*at != quote)
                return at;
            at++;
        }
    }
    return at;
}

StrList schema_list(Arena *arena, const char *text)
{
    StrList list = {0};
    if (text == NULL || *text == '\0')
        return list;
    const char *start = text, *at = text;
    int depth = 0;
    while (*at != '\0') {
        if (*at == '\'' || *at == '"') {
            at = skip_quoted(at);
            continue;
        }
        depth += (*at == '(') - (*at == ')');
        if (depth == 0 && at[0] == ',' && at[1] == ' ') {
            strlist_add(arena, &list, arena_strndup(arena, start, (size_t)(at - start)));
            at += 2;
            start = at;
            continue;
        }
        at++;
    }
    strlist_add(arena, &list, start);
    return list;
}

StrList schema_lines(Arena *arena, const char *text)
{
    StrList list = {0};
    const char *at = text;
    while (at != NULL && *at != '\0') {
        const char *end = at;
        while (*end != '\0' && *end != '\n')
            end = *end == '\'' || *end == '"' ? skip_quoted(end) : end + 1;
        strlist_add(arena, &list, arena_strndup(arena, at, (size_t)(end - at)));
        at = end + (*end == '\n');
    }
    return list;
}

const char *schema_list_key(Arena *arena, const char *item)
{
    const char *end = *item == '"' ? skip_quoted(item) : item + strcspn(item, " =");
    return arena_strndup(arena, item, (size_t)(end - item));
}

const char *schema_list_find(Arena *arena, const StrList *list, const char *key)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(schema_list_key(arena, list->items[i]), key) == 0)
            return list->items[i];
    }
    return NULL;
}
