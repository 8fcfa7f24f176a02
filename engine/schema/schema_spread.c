#include "schema_differ.h"

#include <string.h>

static const char *const ranks[] = {
    "schema",
    "extension",
    "collation",
    "type",
    "domain",
    "sequence",
    "function",
    "procedure",
    "language",
    "aggregate",
    "operator",
    "operator family",
    "operator class",
    "cast",
    "conversion",
    "transform",
    "access method",
    "text search parser",
    "text search template",
    "text search dictionary",
    "text search configuration",
    "foreign data wrapper",
    "server",
    "user mapping",
    "table",
    "foreign table",
    "column",
    "constraint",
    "index",
    "statistics",
    "view",
    "materialized view",
    "rule",
    "policy",
    "trigger",
    "publication",
    "subscription",
    "event trigger",
    "default privileges",
};

size_t schema_rank(const char *kind)
{
    size_t count = sizeof ranks / sizeof ranks[0];
    for (size_t i = 0; i < count; i++) {
        if (strcmp(ranks[i], kind) == 0)
            return i;
    }
    return count;
}

/* --- pairs ------------------------------------------------------------------------------------ */

/* What others may use until they are altered. */
static bool is_late_kind(const SchemaObject *object)
{
    static const char *const kinds[] = {
        "schema",
        "extension",
        "collation",
        "type",
        "domain",
        "sequence",
        "function",
        "procedure",
        "aggregate",
        "language",
        "text search dictionary",
        "text search configuration",
        "server",
        "foreign data wrapper",
        "access method",
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (schema_is(object, kinds[i]))
            return true;
    }
    return false;
}

/* Kinds that share their names. */
static bool name_is_taken(const SchemaModel *to, const SchemaObject *object)
{
    static const char *const relations[] = {
        "table", "foreign table", "view", "materialized view", "sequence", "index",
        "type",  "domain",        NULL};
    static const char *const routines[] = {"function", "procedure", "aggregate", NULL};
    const char *const *kinds = schema_is_routine(object) ? routines : relations;
    for (size_t i = 0; kinds[i] != NULL; i++) {
        if (schema_find(to, kinds[i], object->name) != NULL)
            return true;
    }
    return false;
}

static void judge(SchemaDiffer *differ, size_t index)
{
    const SchemaObject *object = &differ->from->items[index];
    SchemaOld *old = &differ->old[index];
    if (old->partner == SCHEMA_NONE) {
        old->fate = SCHEMA_FATE_DROP;
        old->with_whole = schema_attribute(object, "inherited") != NULL; /* with its parent's */
        old->late = is_late_kind(object) && !name_is_taken(differ->to, object);
        old->destructive = schema_is(object, "table") || schema_has_rows(object) ||
                           schema_is(object, "sequence") || schema_is(object, "extension");
        return;
    }
    SchemaMake make = {.arena = differ->arena, .model = differ->to, .parts = &differ->to_parts};
    SchemaAltered altered = schema_alter(&make, object, &differ->to->items[old->partner]);
    static const SchemaFate fates[] = {
        [SCHEMA_ALTER_SAME] = SCHEMA_FATE_SAME,
        [SCHEMA_ALTER_PLACE] = SCHEMA_FATE_ALTER,
        [SCHEMA_ALTER_ANEW] = SCHEMA_FATE_ANEW,
        [SCHEMA_ALTER_CANNOT] = SCHEMA_FATE_STUCK,
    };
    old->fate = fates[altered.how];
    old->retyped = altered.retyped;
    old->destructive = altered.destructive;
    old->reason = altered.reason;
}

static void pair(SchemaDiffer *differ)
{
    for (size_t i = 0; i < differ->from->count; i++)
        differ->old[i].partner = SCHEMA_NONE;
    for (size_t j = 0; j < differ->to->count; j++) {
        const SchemaObject *object = &differ->to->items[j];
        const SchemaObject *found = schema_find(differ->from, object->kind, object->name);
        differ->new[j].partner = found == NULL ? SCHEMA_NONE : found - differ->from->items;
        if (found != NULL)
            differ->old[found - differ->from->items].partner = (ptrdiff_t)j;
    }
}

static SchemaUsers users_of(Arena *arena, const SchemaModel *model)
{
    size_t total = 0;
    SchemaUsers users = {.first = ARENA_ARRAY(arena, size_t, model->count + 2)};
    for (size_t i = 0; i < model->count; i++) {
        total += model->items[i].need_count;
        for (size_t j = 0; j < model->items[i].need_count; j++)
            users.first[model->items[i].needs[j].object + 2]++;
    }
    users.items = ARENA_ARRAY(arena, SchemaNeed, total + 1);
    for (size_t i = 1; i < model->count + 2; i++)
        users.first[i] += users.first[i - 1];
    for (size_t i = 0; i < model->count; i++) {
        for (size_t j = 0; j < model->items[i].need_count; j++) {
            const SchemaNeed *need = &model->items[i].needs[j];
            users.items[users.first[need->object + 1]++] =
                (SchemaNeed){.object = i, .by_default = need->by_default};
        }
    }
    return users;
}

/* --- spreading -------------------------------------------------------------------------------- */

/* Objects from which something still has to spread. */
typedef struct Queue {
    size_t *items;
    size_t count;
    size_t capacity;
} Queue;

static void push(SchemaDiffer *differ, Queue *queue, size_t index)
{
    if (queue->count == queue->capacity) {
        size_t capacity = queue->capacity == 0 ? 256 : 2 * queue->capacity;
        queue->items =
            arena_grow(differ->arena, queue->items, queue->count, capacity, sizeof(size_t));
        queue->capacity = capacity;
    }
    queue->items[queue->count++] = index;
}

static void stick(SchemaDiffer *differ, size_t index, const SchemaObject *user)
{
    SchemaOld *old = &differ->old[index];
    old->fate = SCHEMA_FATE_STUCK;
    old->reason =
        arena_printf(differ->arena, "%s %s is made of it, and holds rows", user->kind, user->name);
}

static void make_anew(SchemaDiffer *differ, Queue *queue, size_t index, bool with_whole)
{
    SchemaOld *old = &differ->old[index];
    if (old->fate == SCHEMA_FATE_SAME || old->fate == SCHEMA_FATE_ALTER)
        old->fate = SCHEMA_FATE_ANEW;
    old->with_whole = old->with_whole || with_whole;
    old->late = false;
    push(differ, queue, index);
}

/* The server looks after what only has to be built again when a type changes. */
static bool survives_retyping(const SchemaObject *user)
{
    if (schema_is(user, "constraint"))
        return strcmp(schema_attribute(user, "type"), "foreign key") != 0;
    return schema_is(user, "index") || schema_is(user, "statistics") ||
           schema_is(user, "sequence") || schema_is_table(user);
}

static void spread_to_column(SchemaDiffer *differ, Queue *queue, size_t index, size_t user_index,
                             bool by_default)
{
    const SchemaObject *user = &differ->from->items[user_index];
    SchemaOld *user_old = &differ->old[user_index];
    if (by_default && schema_attribute(user, "generated") != NULL)
        make_anew(differ, queue, user_index, false);
    else if (by_default)
        user_old->default_off = true;
    else if (schema_attribute(user, "type") != NULL)
        stick(differ, index, user);
}

/* `index` goes, is made anew, or changes its type; `user` stands on it. */
static void spread_to(SchemaDiffer *differ, Queue *queue, size_t index, const SchemaNeed *use)
{
    const SchemaObject *object = &differ->from->items[index];
    const SchemaObject *user = &differ->from->items[use->object];
    SchemaOld *old = &differ->old[index], *user_old = &differ->old[use->object];
    bool goes = old->fate == SCHEMA_FATE_DROP || old->fate == SCHEMA_FATE_ANEW;
    bool owned = schema_is(user, "sequence") && schema_is(object, "column");
    if (owned && goes) {
        user_old->with_whole = user_old->fate == SCHEMA_FATE_DROP;
        user_old->disowned = user_old->fate != SCHEMA_FATE_DROP;
        return;
    }
    if (user_old->fate == SCHEMA_FATE_DROP && user_old->late && goes && !old->late) {
        user_old->late = false;
        push(differ, queue, use->object);
    }
    bool leaves_it = user_old->fate == SCHEMA_FATE_ALTER && old->late;
    if (user_old->fate > SCHEMA_FATE_ALTER || leaves_it)
        return;
    if (!goes && survives_retyping(user))
        return;
    if (schema_is(user, "column"))
        spread_to_column(differ, queue, index, use->object, use->by_default);
    else if (schema_is_table(user) || schema_is(user, "domain") ||
             (schema_is(user, "type") && schema_attribute(user, "attributes") != NULL))
        stick(differ, index, user);
    else if (!schema_is(user, "schema") && !schema_is(user, "extension"))
        make_anew(differ, queue, use->object, false);
}

static void spread_from(SchemaDiffer *differ, Queue *queue, size_t index)
{
    const SchemaOld *old = &differ->old[index];
    bool goes = old->fate == SCHEMA_FATE_DROP || old->fate == SCHEMA_FATE_ANEW;
    if (!goes && !old->retyped)
        return;
    for (size_t i = differ->users.first[index]; i < differ->users.first[index + 1]; i++) {
        if (old->fate != SCHEMA_FATE_STUCK)
            spread_to(differ, queue, index, &differ->users.items[i]);
    }
    if (!goes || old->fate == SCHEMA_FATE_STUCK)
        return;
    for (size_t i = differ->from_parts.first[index]; i < differ->from_parts.first[index + 1]; i++) {
        size_t part = differ->from_parts.items[i];
        if (!differ->old[part].with_whole)
            make_anew(differ, queue, part, true);
    }
}

void schema_spread(SchemaDiffer *differ)
{
    Queue queue = {0};
    pair(differ);
    differ->users = users_of(differ->arena, differ->from);
    for (size_t i = 0; i < differ->from->count; i++) {
        judge(differ, i);
        const SchemaOld *old = &differ->old[i];
        if (old->fate == SCHEMA_FATE_DROP || old->fate == SCHEMA_FATE_ANEW || old->retyped)
            push(differ, &queue, i);
    }
    while (queue.count > 0)
        spread_from(differ, &queue, queue.items[--queue.count]);
}
