#include "schema_model.h"

#include <stdlib.h>
#include <string.h>

const char *schema_attribute(const SchemaObject *object, const char *key)
{
    for (size_t i = 0; i < object->attribute_count; i++) {
        if (strcmp(object->attributes[i].key, key) == 0)
            return object->attributes[i].value;
    }
    return NULL;
}

static int compare_to(const SchemaObject *object, const char *kind, const char *name)
{
    int order = strcmp(object->kind, kind);
    return order != 0 ? order : strcmp(object->name, name);
}

SchemaObject *schema_find(const SchemaModel *model, const char *kind, const char *name)
{
    size_t from = 0, to = model->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = compare_to(&model->items[middle], kind, name);
        if (order == 0)
            return &model->items[middle];
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

SchemaObject *schema_parent(const SchemaModel *model, const SchemaObject *object)
{
    static const char *const wholes[] = {"table", "view", "materialized view", "foreign table",
                                         "domain"};
    for (size_t i = 0; object->parent != NULL && i < sizeof wholes / sizeof wholes[0]; i++) {
        SchemaObject *found = schema_find(model, wholes[i], object->parent);
        if (found != NULL)
            return found;
    }
    return NULL;
}

/* --- putting in order ------------------------------------------------------------------------- */

/* An object and where it was gathered. */
typedef struct Gathered {
    SchemaObject object;
    size_t index;
} Gathered;

static int compare_gathered(const void *a, const void *b)
{
    const Gathered *left = a, *right = b;
    int order = compare_to(&left->object, right->object.kind, right->object.name);
    return order != 0 ? order : (left->index > right->index) - (left->index < right->index);
}

static int compare_keys(const void *a, const void *b)
{
    const SchemaAttribute *left = a, *right = b;
    return strcmp(left->key, right->key);
}

bool schema_is_implied(const SchemaObject *object)
{
    if (strcmp(object->kind, "column") != 0)
        return false;
    for (size_t i = 0; i < object->attribute_count; i++) {
        if (strcmp(object->attributes[i].key, "inherited") != 0)
            return false;
    }
    return true;
}

enum { LEFT_OUT = -1 };

/* Objects for which `keep` is false go; who needs one of them needs its whole, if that is there. */
static void compact(SchemaModel *model, const bool *keep, const ptrdiff_t *wholes, ptrdiff_t *moved)
{
    size_t count = 0;
    for (size_t i = 0; i < model->count; i++)
        moved[i] = keep[i] ? (ptrdiff_t)count++ : LEFT_OUT;
    for (size_t i = 0; i < model->count; i++) {
        SchemaObject object = model->items[i];
        size_t needs = 0;
        for (size_t j = 0; j < object.need_count; j++) {
            size_t needed = object.needs[j].object;
            ptrdiff_t whole = wholes[needed];
            ptrdiff_t to = keep[needed] || whole == LEFT_OUT ? moved[needed] : moved[whole];
            if (to != LEFT_OUT && to != moved[i])
                object.needs[needs++] =
                    (SchemaNeed){.object = (size_t)to, .by_default = object.needs[j].by_default};
        }
        object.need_count = needs;
        if (keep[i])
            model->items[moved[i]] = object;
    }
    model->count = count;
}

void schema_model_finish(Arena *arena, SchemaModel *model)
{
    size_t count = model->count;
    Gathered *sorted = ARENA_ARRAY(arena, Gathered, count + 1);
    ptrdiff_t *moved = ARENA_ARRAY(arena, ptrdiff_t, count + 1);
    ptrdiff_t *wholes = ARENA_ARRAY(arena, ptrdiff_t, count + 1);
    bool *keep = ARENA_ARRAY(arena, bool, count + 1);
    for (size_t i = 0; i < count; i++)
        sorted[i] = (Gathered){.object = model->items[i], .index = i};
    if (count > 0)
        qsort(sorted, count, sizeof(Gathered), compare_gathered);
    for (size_t i = 0; i < count; i++) {
        moved[sorted[i].index] = (ptrdiff_t)i;
        model->items[i] = sorted[i].object;
    }
    for (size_t i = 0; i < count; i++) {
        SchemaObject *object = &model->items[i];
        for (size_t j = 0; j < object->need_count; j++)
            object->needs[j].object = (size_t)moved[object->needs[j].object];
        if (object->attribute_count > 0)
            qsort(object->attributes, object->attribute_count, sizeof(SchemaAttribute),
                  compare_keys);
    }
    for (size_t i = 0; i < count; i++) {
        const SchemaObject *object = &model->items[i];
        const SchemaObject *whole = schema_parent(model, object);
        bool partial =
            whole == NULL || (schema_is_implied(object) && strcmp(whole->kind, "table") != 0 &&
                              strcmp(whole->kind, "foreign table") != 0);
        wholes[i] = whole == NULL ? LEFT_OUT : whole - model->items;
        keep[i] = object->parent == NULL || !partial;
    }
    compact(model, keep, wholes, moved);
}

/* --- parts ------------------------------------------------------------------------------------ */

SchemaParts schema_parts(Arena *arena, const SchemaModel *model)
{
    SchemaParts parts = {.first = ARENA_ARRAY(arena, size_t, model->count + 2),
                         .items = ARENA_ARRAY(arena, size_t, model->count + 1)};
    size_t *whole = ARENA_ARRAY(arena, size_t, model->count + 1);
    for (size_t i = 0; i < model->count; i++) {
        const SchemaObject *found = schema_parent(model, &model->items[i]);
        whole[i] = found == NULL ? model->count : (size_t)(found - model->items);
        if (found != NULL)
            parts.first[whole[i] + 2]++;
    }
    for (size_t i = 1; i < model->count + 2; i++)
        parts.first[i] += parts.first[i - 1];
    for (size_t i = 0; i < model->count; i++) {
        if (whole[i] != model->count)
            parts.items[parts.first[whole[i] + 1]++] = i;
    }
    return parts;
}
