#include "facts.h"

void facts_add(Arena *arena, FactList *list, const StatementFacts *item)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 8 : list->capacity * 2;
        list->items = arena_grow(arena, list->items, list->count, capacity, sizeof *list->items);
        list->capacity = capacity;
    }
    list->items[list->count++] = *item;
}

FactList facts_clone(Arena *arena, const FactList *list)
{
    FactList copy = {0};
    for (size_t i = 0; i < list->count; i++) {
        StatementFacts item = list->items[i];
        item.revision = arena_strdup(arena, item.revision);
        item.what = arena_strdup(arena, item.what);
        facts_add(arena, &copy, &item);
    }
    return copy;
}

/* Whether `a` is rather kept than `b`. */
static bool outweighs(const StatementFacts *a, const StatementFacts *b)
{
    if (a->failed != b->failed)
        return a->failed;
    return a->duration_ms > b->duration_ms;
}

static void drop_lightest(FactList *list)
{
    size_t lightest = 0;
    for (size_t i = 1; i < list->count; i++) {
        if (!outweighs(&list->items[i], &list->items[lightest]))
            lightest = i;
    }
    for (size_t i = lightest; i + 1 < list->count; i++)
        list->items[i] = list->items[i + 1];
    list->count--;
}

void facts_keep_longest(FactList *list, size_t limit)
{
    while (list->count > limit)
        drop_lightest(list);
}

const StatementFacts *facts_longest(const FactList *list)
{
    const StatementFacts *longest = NULL;
    for (size_t i = 0; i < list->count; i++) {
        if (longest == NULL || list->items[i].duration_ms > longest->duration_ms)
            longest = &list->items[i];
    }
    return longest;
}
