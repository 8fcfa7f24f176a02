#include "schema_diff.h"

#include "schema_differ.h"
#include "schema_facts.h"

#include <stdlib.h>
#include <string.h>

const char *schema_change_name(SchemaChange change)
{
    static const char *const names[] = {
        [SCHEMA_CHANGE_CREATE] = "create", [SCHEMA_CHANGE_ALTER] = "alter",
        [SCHEMA_CHANGE_DROP] = "drop",     [SCHEMA_CHANGE_REBUILD] = "rebuild",
        [SCHEMA_CHANGE_RENAME] = "rename", [SCHEMA_CHANGE_CANNOT] = "cannot",
    };
    return names[change];
}

const char *schema_operation_loss(const SchemaOperation *operation)
{
    if (!operation->destructive)
        return NULL;
    return operation->change == SCHEMA_CHANGE_ALTER ? "values may be lost" : "rows are lost";
}

static SchemaOperation *append(Arena *arena, SchemaDiff *diff, size_t *capacity,
                               SchemaChange change, const SchemaObject *object)
{
    if (diff->count == *capacity) {
        size_t grown = *capacity == 0 ? 64 : 2 * *capacity;
        diff->items = arena_grow(arena, diff->items, diff->count, grown, sizeof(SchemaOperation));
        *capacity = grown;
    }
    SchemaOperation *operation = &diff->items[diff->count++];
    *operation = (SchemaOperation){.change = change, .kind = object->kind, .name = object->name};
    return operation;
}

static SchemaOperation *operation_add(SchemaDiffer *differ, SchemaChange change,
                                      const SchemaObject *object)
{
    return append(differ->arena, &differ->diff, &differ->capacity, change, object);
}

static void operation_sql(SchemaDiffer *differ, SchemaOperation *operation, const char *sql)
{
    strlist_add(differ->arena, &operation->sql, sql);
}

static void cannot(SchemaDiffer *differ, const SchemaObject *object, const char *reason)
{
    operation_add(differ, SCHEMA_CHANGE_CANNOT, object)->reason = reason;
    differ->diff.cannot++;
}

static SchemaMake maker(SchemaDiffer *differ)
{
    return (SchemaMake){.arena = differ->arena, .model = differ->to, .parts = &differ->to_parts};
}

/* --- before anything else --------------------------------------------------------------------- */

/* New labels of enums can't be used in the transaction that adds them. */
static void add_labels(SchemaDiffer *differ)
{
    for (size_t i = 0; i < differ->from->count; i++) {
        SchemaMake make = maker(differ);
        const SchemaObject *object = &differ->from->items[i];
        if (differ->old[i].fate != SCHEMA_FATE_ALTER || !schema_is(object, "type"))
            continue;
        SchemaAltered altered =
            schema_alter(&make, object, &differ->to->items[differ->old[i].partner]);
        if (!altered.alone)
            continue;
        SchemaOperation *operation = operation_add(differ, SCHEMA_CHANGE_ALTER, object);
        operation->sql = make.sql;
        operation->alone = true;
    }
}

/* A serial's sequence whose column counts by an identity then: what is asked for the column's
 * sequence must not find this one. */
static bool is_replaced_by_identity(const SchemaDiffer *differ, const SchemaObject *object)
{
    const char *owner = schema_is(object, "sequence") ? schema_attribute(object, "owned by") : NULL;
    const SchemaObject *column = owner == NULL ? NULL : schema_find(differ->to, "column", owner);
    return column != NULL && schema_attribute(column, "identity") != NULL;
}

static void let_go(SchemaDiffer *differ)
{
    for (size_t i = 0; i < differ->from->count; i++) {
        const SchemaObject *object = &differ->from->items[i];
        const SchemaOld *old = &differ->old[i];
        if (old->default_off && old->fate <= SCHEMA_FATE_ALTER)
            operation_sql(differ, operation_add(differ, SCHEMA_CHANGE_ALTER, object),
                          arena_printf(differ->arena, "%sDROP DEFAULT",
                                       schema_column_alter(differ->arena, object)));
        bool loses_identity =
            old->partner != SCHEMA_NONE && old->fate == SCHEMA_FATE_ALTER &&
            schema_attribute(object, "identity") != NULL &&
            schema_attribute(&differ->to->items[old->partner], "identity") == NULL;
        if (loses_identity) { /* its sequence's name may be wanted; its counter goes with it */
            SchemaOperation *operation = operation_add(differ, SCHEMA_CHANGE_ALTER, object);
            operation->destructive = true;
            operation_sql(differ, operation,
                          arena_printf(differ->arena, "%sDROP IDENTITY",
                                       schema_column_alter(differ->arena, object)));
        }
        bool kept = schema_is(object, "sequence") && old->partner != SCHEMA_NONE &&
                    old->fate <= SCHEMA_FATE_ALTER;
        bool leaves = kept && schema_attribute(object, "owned by") != NULL &&
                      (old->disowned ||
                       schema_attribute(&differ->to->items[old->partner], "owned by") == NULL);
        leaves = leaves || (old->fate == SCHEMA_FATE_DROP && !old->with_whole &&
                            is_replaced_by_identity(differ, object));
        if (leaves)
            operation_sql(
                differ, operation_add(differ, SCHEMA_CHANGE_ALTER, object),
                arena_printf(differ->arena, "ALTER SEQUENCE %s OWNED BY NONE", object->name));
    }
}

/* --- drops, from the top down ----------------------------------------------------------------- */

/* Of a table that would have to change as a whole: what is said of the table is said of it. */
static bool is_part_of_stuck(const SchemaDiffer *differ, size_t index)
{
    const SchemaObject *whole = schema_parent(differ->from, &differ->from->items[index]);
    return whole != NULL && differ->old[whole - differ->from->items].fate == SCHEMA_FATE_STUCK;
}

/* A foreign key of a table that goes to one that goes too: both could refer to each other. */
static bool is_tie(const SchemaDiffer *differ, const SchemaObject *object)
{
    if (!schema_is(object, "constraint") ||
        strcmp(schema_attribute(object, "type"), "foreign key") != 0)
        return false;
    for (size_t i = 0; i < object->need_count; i++) {
        const SchemaObject *needed = &differ->from->items[object->needs[i].object];
        const char *table = needed->parent != NULL ? needed->parent : needed->name;
        SchemaFate fate = differ->old[object->needs[i].object].fate;
        if ((fate == SCHEMA_FATE_DROP || fate == SCHEMA_FATE_ANEW) &&
            strcmp(table, object->parent) != 0)
            return true;
    }
    return false;
}

static void drop(SchemaDiffer *differ, size_t index, bool late)
{
    SchemaOld *old = &differ->old[index];
    bool goes = old->fate == SCHEMA_FATE_DROP || old->fate == SCHEMA_FATE_ANEW;
    if (!goes || old->dropped || (old->late && !late) || is_part_of_stuck(differ, index))
        return;
    old->dropped = true;
    for (size_t i = differ->users.first[index]; i < differ->users.first[index + 1]; i++)
        drop(differ, differ->users.items[i].object, late);
    for (size_t i = differ->from_parts.first[index]; i < differ->from_parts.first[index + 1]; i++)
        drop(differ, differ->from_parts.items[i], late);
    const SchemaObject *object = &differ->from->items[index];
    const SchemaObject *whole = schema_parent(differ->from, object);
    if (old->with_whole && !is_tie(differ, object)) {
        if (whole != NULL)
            drop(differ, (size_t)(whole - differ->from->items), late);
        return;
    }
    SchemaChange change =
        old->fate == SCHEMA_FATE_DROP ? SCHEMA_CHANGE_DROP : SCHEMA_CHANGE_REBUILD;
    if (schema_is(object, "default privileges")) {
        SchemaMake make = maker(differ);
        schema_default_privileges_drop(&make, object);
        operation_add(differ, change, object)->sql = make.sql;
        return;
    }
    if (schema_is(object, "column") && schema_attribute(object, "type") == NULL) {
        SchemaMake make = maker(differ);
        schema_view_column_plain(&make, object);
        operation_add(differ, SCHEMA_CHANGE_ALTER, object)->sql = make.sql;
        return;
    }
    SchemaOperation *operation = operation_add(differ, change, object);
    operation->destructive = old->destructive;
    operation_sql(differ, operation, schema_drop_sql(differ->arena, object));
}

/* --- creations and alterations, from the bottom up -------------------------------------------- */

bool schema_is_made(const SchemaDiffer *differ, size_t new_index)
{
    ptrdiff_t partner = differ->new[new_index].partner;
    return partner == SCHEMA_NONE || differ->old[partner].fate == SCHEMA_FATE_ANEW;
}

static void own(SchemaDiffer *differ, size_t index)
{
    const SchemaObject *sequence = &differ->to->items[index];
    const char *owner = schema_attribute(sequence, "owned by");
    ptrdiff_t partner = differ->new[index].partner;
    if (owner == NULL)
        return;
    const char *before =
        partner == SCHEMA_NONE ? NULL : schema_attribute(&differ->from->items[partner], "owned by");
    bool stays = !schema_is_made(differ, index) && !differ->old[partner].disowned &&
                 before != NULL && strcmp(before, owner) == 0;
    if (stays)
        return;
    SchemaOperation *operation = append(differ->arena, &differ->later, &differ->later_capacity,
                                        SCHEMA_CHANGE_ALTER, sequence);
    operation_sql(
        differ, operation,
        arena_printf(differ->arena, "ALTER SEQUENCE %s OWNED BY %s", sequence->name, owner));
}

static bool is_inline_column(const SchemaDiffer *differ, const SchemaObject *object)
{
    const SchemaObject *whole = schema_parent(differ->to, object);
    return schema_is(object, "column") && whole != NULL && schema_is_table(whole) &&
           schema_is_made(differ, (size_t)(whole - differ->to->items));
}

static void make_object(SchemaDiffer *differ, size_t index, SchemaMake *make)
{
    const SchemaObject *object = &differ->to->items[index];
    ptrdiff_t partner = differ->new[index].partner;
    bool inline_column = is_inline_column(differ, object);
    const char *reason = inline_column ? NULL : schema_make(make, object);
    if (reason == NULL && partner == SCHEMA_NONE && strlist_has(&differ->in_the_way, object->name))
        reason = "something that can't be dropped has its name";
    size_t made = make->sql.count;
    bool given = differ->given && reason == NULL && !schema_is(object, "default privileges") &&
                 schema_rank(object->kind) < schema_rank("column") && !inline_column;
    schema_facts_sql(make, NULL, object, NULL);
    if (given)
        schema_grants_only(make, differ->from, object);
    bool comes_along = inline_column || schema_attribute(object, "inherited") != NULL;
    if (reason == NULL && made == 0 && make->sql.count == 0 && !comes_along)
        reason = "nothing of it can be said in SQL";
    if (reason != NULL) {
        cannot(differ, object, reason);
        return;
    }
    if (make->sql.count == 0)
        return;
    SchemaChange change = inline_column            ? SCHEMA_CHANGE_ALTER
                          : partner == SCHEMA_NONE ? SCHEMA_CHANGE_CREATE
                                                   : SCHEMA_CHANGE_REBUILD;
    bool last = schema_is(object, "default privileges");
    SchemaOperation *operation =
        last ? append(differ->arena, &differ->later, &differ->later_capacity, change, object)
             : operation_add(differ, change, object);
    operation->sql = make->sql;
}

static void alter_object(SchemaDiffer *differ, size_t index, SchemaMake *make)
{
    const SchemaObject *to = &differ->to->items[index];
    size_t partner = (size_t)differ->new[index].partner;
    const SchemaObject *from = &differ->from->items[partner];
    const SchemaOld *old = &differ->old[partner];
    bool changed = false;
    if (old->fate == SCHEMA_FATE_STUCK)
        cannot(differ, to, old->reason);
    else if (!schema_alter(make, from, to).alone)
        changed = false;
    else
        make->sql = (StrList){0}; /* it was said at the beginning */
    const char *value = schema_attribute(to, "default");
    if (old->default_off && value != NULL && old->fate <= SCHEMA_FATE_ALTER)
        strlist_add(differ->arena, &make->sql,
                    arena_printf(differ->arena, "%sSET DEFAULT %s",
                                 schema_column_alter(differ->arena, to), value));
    schema_facts_sql(make, from, to, &changed);
    if (differ->new[index].regrant)
        schema_grants_again(make, to);
    size_t first = differ->to_parts.first[index], end = differ->to_parts.first[index + 1];
    for (size_t i = first; changed && i < end; i++)
        differ->new[differ->to_parts.items[i]].regrant = true;
    if (make->sql.count == 0)
        return;
    SchemaOperation *operation = operation_add(differ, SCHEMA_CHANGE_ALTER, to);
    operation->sql = make->sql;
    operation->destructive = old->destructive;
}

static void visit(SchemaDiffer *differ, size_t index);

static void visit_needs(SchemaDiffer *differ, const SchemaObject *object)
{
    for (size_t i = 0; i < object->need_count; i++) {
        const SchemaObject *needed = &differ->to->items[object->needs[i].object];
        if (!schema_is(object, "sequence") || !schema_is(needed, "column"))
            visit(differ, object->needs[i].object);
    }
}

/* A column that comes with a parent's is there once that one is. */
static void visit_inherited(SchemaDiffer *differ, const SchemaObject *column,
                            const SchemaObject *table)
{
    if (schema_attribute(column, "inherited") == NULL)
        return;
    for (size_t i = 0; i < table->need_count; i++) {
        size_t parent = table->needs[i].object;
        size_t end = differ->to_parts.first[parent + 1];
        for (size_t k = differ->to_parts.first[parent]; k < end; k++) {
            const SchemaObject *part = &differ->to->items[differ->to_parts.items[k]];
            if (schema_is(part, "column") &&
                strcmp(schema_column_name(part), schema_column_name(column)) == 0)
                visit(differ, differ->to_parts.items[k]);
        }
    }
}

static void visit(SchemaDiffer *differ, size_t index)
{
    const SchemaObject *object = &differ->to->items[index];
    const SchemaObject *whole = schema_parent(differ->to, object);
    size_t whole_index = whole == NULL ? 0 : (size_t)(whole - differ->to->items);
    if (whole != NULL)
        visit(differ, whole_index);
    if (differ->new[index].visited || is_inline_column(differ, object))
        return;
    differ->new[index].visited = true;
    ptrdiff_t before = whole == NULL ? SCHEMA_NONE : differ->new[whole_index].partner;
    if (before != SCHEMA_NONE && differ->old[before].fate == SCHEMA_FATE_STUCK)
        return;
    visit_needs(differ, object);
    if (whole != NULL)
        visit_inherited(differ, object, whole);
    bool made = schema_is_made(differ, index);
    bool with_columns = made && schema_is_table(object);
    size_t first = differ->to_parts.first[index], end = differ->to_parts.first[index + 1];
    for (size_t i = first; with_columns && i < end; i++) {
        const SchemaObject *part = &differ->to->items[differ->to_parts.items[i]];
        if (schema_is(part, "column"))
            visit_needs(differ, part);
    }
    SchemaMake make = maker(differ);
    if (made)
        make_object(differ, index, &make);
    else
        alter_object(differ, index, &make);
    for (size_t i = first; with_columns && i < end; i++) {
        SchemaMake column = maker(differ);
        if (schema_is(&differ->to->items[differ->to_parts.items[i]], "column"))
            make_object(differ, differ->to_parts.items[i], &column);
    }
    if (schema_is(object, "sequence"))
        own(differ, index);
}

/* --- the order -------------------------------------------------------------------------------- */

typedef struct Ranked {
    size_t index;
    size_t rank;
    uint32_t position;
} Ranked;

static int compare_ranked(const void *a, const void *b)
{
    const Ranked *left = a, *right = b;
    if (left->rank != right->rank)
        return left->rank < right->rank ? -1 : 1;
    if (left->position != right->position)
        return left->position < right->position ? -1 : 1;
    return (left->index > right->index) - (left->index < right->index);
}

static Ranked *ranked(Arena *arena, const SchemaModel *model)
{
    Ranked *items = ARENA_ARRAY(arena, Ranked, model->count + 1);
    for (size_t i = 0; i < model->count; i++)
        items[i] = (Ranked){.index = i,
                            .rank = schema_rank(model->items[i].kind),
                            .position = model->items[i].position};
    if (model->count > 0)
        qsort(items, model->count, sizeof(Ranked), compare_ranked);
    return items;
}

static void rename_all(SchemaDiffer *differ, const SchemaRename *renames, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const SchemaObject named = {.kind = renames[i].kind, .name = renames[i].from};
        const char *dot = NULL; /* before the column's name */
        bool quoted = false;
        for (const char *at = renames[i].from; *at != '\0'; at++) {
            quoted = quoted != (*at == '"');
            dot = *at == '.' && !quoted ? at : dot;
        }
        SchemaOperation *operation = operation_add(differ, SCHEMA_CHANGE_RENAME, &named);
        if (strcmp(renames[i].kind, "column") == 0)
            operation_sql(differ, operation,
                          arena_printf(differ->arena, "ALTER TABLE %.*s RENAME COLUMN %s TO %s",
                                       (int)(dot - renames[i].from), renames[i].from, dot + 1,
                                       renames[i].to));
        else
            operation_sql(differ, operation,
                          arena_printf(differ->arena, "ALTER TABLE %s RENAME TO %s",
                                       renames[i].from, renames[i].to));
    }
}

static void write_operations(SchemaDiffer *differ)
{
    Ranked *old = ranked(differ->arena, differ->from);
    Ranked *new = ranked(differ->arena, differ->to);
    let_go(differ);
    for (size_t i = differ->from->count; i-- > 0;)
        drop(differ, old[i].index, false);
    for (size_t i = 0; i < differ->to->count; i++)
        visit(differ, new[i].index);
    for (size_t i = 0; i < differ->later.count; i++) {
        const SchemaObject named = {.kind = differ->later.items[i].kind};
        *operation_add(differ, SCHEMA_CHANGE_ALTER, &named) = differ->later.items[i];
    }
    for (size_t i = differ->from->count; i-- > 0;)
        drop(differ, old[i].index, true);
    for (size_t i = 0; i < differ->from->count; i++) {
        if (differ->old[i].fate == SCHEMA_FATE_STUCK && differ->old[i].partner == SCHEMA_NONE)
            cannot(differ, &differ->from->items[i], differ->old[i].reason);
    }
}

ErrCode schema_diff(Arena *arena, const SchemaModel *from, const SchemaModel *to,
                    const SchemaRename *renames, size_t rename_count, SchemaDiff *ret_diff,
                    Error *err)
{
    SchemaModel renamed = *from;
    if (rename_count > 0) {
        ErrCode code = schema_rename(arena, from, to, renames, rename_count, &renamed, err);
        if (code != ERR_OK)
            return code;
    }
    SchemaDiffer differ = {
        .arena = arena,
        .from = &renamed,
        .to = to,
        .from_parts = schema_parts(arena, &renamed),
        .to_parts = schema_parts(arena, to),
        .old = ARENA_ARRAY(arena, SchemaOld, renamed.count + 1),
        .new = ARENA_ARRAY(arena, SchemaNew, to->count + 1),
    };
    for (size_t i = 0; i < renamed.count; i++)
        differ.given = differ.given || schema_is(&renamed.items[i], "default privileges");
    schema_spread(&differ);
    for (size_t i = 0; i < renamed.count; i++) {
        if (differ.old[i].fate == SCHEMA_FATE_STUCK && differ.old[i].partner == SCHEMA_NONE)
            strlist_add(arena, &differ.in_the_way, renamed.items[i].name);
    }
    add_labels(&differ);
    rename_all(&differ, renames, rename_count);
    write_operations(&differ);
    *ret_diff = differ.diff;
    return ERR_OK;
}
