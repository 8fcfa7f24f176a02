#include "schema_cast.h"

#include "str.h"

#include <stdlib.h>
#include <string.h>

/* "timestamp(3) without time zone" is "timestamp without time zone" and "3". */
typedef struct Type {
    const char *base;
    const char *modifier; /* NULL = none */
} Type;

static Type parse_type(Arena *arena, const char *text)
{
    size_t length = *text == '"' ? strlen(text) : strcspn(text, "(");
    if (text[length] == '\0')
        return (Type){.base = text};
    size_t inner = strcspn(text + length + 1, ")");
    const char *rest = text + length + 1 + inner;
    return (Type){
        .base = arena_printf(arena, "%.*s%s", (int)length, text, *rest == ')' ? rest + 1 : rest),
        .modifier = arena_strndup(arena, text + length + 1, inner),
    };
}

static const char *const text_kinds[] = {"text", "character varying", "character", "bpchar", NULL};
static const char *const bit_kinds[] = {"bit", "bit varying", NULL};
static const char *const integers[] = {"smallint", "integer", "bigint", NULL};
static const char *const times[] = {"time without time zone", "time with time zone", "interval",
                                    NULL};
static const char *const timestamps[] = {"timestamp without time zone", "timestamp with time zone",
                                         NULL};

static bool both_of(const char *const *kinds, const char *from, const char *to)
{
    bool has_from = false, has_to = false;
    for (size_t i = 0; kinds[i] != NULL; i++) {
        has_from = has_from || strcmp(kinds[i], from) == 0;
        has_to = has_to || strcmp(kinds[i], to) == 0;
    }
    return has_from && has_to;
}

/* Whatever the modifiers, and whatever the values. */
static const char *const pairs[][2] = {
    {"smallint", "real"},
    {"smallint", "double precision"},
    {"integer", "double precision"},
    {"real", "double precision"},
    {"boolean", "integer"},
    {"cidr", "inet"},
    {"json", "jsonb"},
    {"jsonb", "json"},
    {"date", "timestamp without time zone"},
    {"date", "timestamp with time zone"},
};

static long precision(const char *modifier)
{
    enum { MOST_DIGITS = 6 }; /* of a time */
    return modifier == NULL ? MOST_DIGITS : strtol(modifier, NULL, 10);
}

/* "10,2" has 2. */
static long scale(const char *modifier)
{
    const char *comma = strchr(modifier, ',');
    return comma == NULL ? 0 : strtol(comma + 1, NULL, 10);
}

static bool keeps_numbers(const Type *from, const Type *to)
{
    bool whole = both_of(integers, from->base, from->base);
    if (whole && both_of(integers, to->base, to->base))
        return true; /* one that is too large is refused */
    if (strcmp(to->base, "numeric") != 0 || (!whole && strcmp(from->base, "numeric") != 0))
        return false;
    if (to->modifier == NULL)
        return true;
    if (whole)
        return scale(to->modifier) >= 0;
    return from->modifier != NULL && scale(to->modifier) >= scale(from->modifier);
}

static bool keeps(const Type *from, const Type *to)
{
    bool same = strcmp(from->base, to->base) == 0;
    if (same && to->modifier == NULL)
        return true;
    if (strcmp(to->base, "text") == 0 ||
        (strcmp(to->base, "character varying") == 0 && to->modifier == NULL))
        return true;
    if (both_of(text_kinds, from->base, to->base) || both_of(bit_kinds, from->base, to->base))
        return true; /* one that is too long is refused */
    if (keeps_numbers(from, to))
        return true;
    if ((same && both_of(times, to->base, to->base)) || both_of(timestamps, from->base, to->base))
        return precision(to->modifier) >= precision(from->modifier);
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        if (strcmp(pairs[i][0], from->base) == 0 && strcmp(pairs[i][1], to->base) == 0)
            return true;
    }
    return same && from->modifier != NULL && strcmp(from->modifier, to->modifier) == 0;
}

SchemaCast schema_cast(const char *from, const char *to)
{
    AUTO_ARENA Arena *arena = arena_new();
    static const char array[] = "[]";
    bool arrays = str_ends_with(from, array) && str_ends_with(to, array);
    size_t cut = arrays ? strlen(array) : 0;
    Type before = parse_type(arena, arena_strndup(arena, from, strlen(from) - cut));
    Type after = parse_type(arena, arena_strndup(arena, to, strlen(to) - cut));
    return (SchemaCast){
        .assigns = strcmp(before.base, after.base) == 0 ||
                   both_of(text_kinds, before.base, after.base) ||
                   both_of(bit_kinds, before.base, after.base),
        .keeps = keeps(&before, &after),
    };
}
