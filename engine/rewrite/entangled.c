#include "entangled.h"

#include <string.h>

bool change_is_drop(const Change *change)
{
    return change->form == HAZARD_DROP_COLUMN || change->form == HAZARD_DROP_TABLE;
}

/* --- names ------------------------------------------------------------------------------------ */

/* What it works on stands in its strings, if anywhere. */
static bool is_opaque(const Changes *changes)
{
    return changes->node == NULL || changes->node->node_case == PG_QUERY__NODE__NODE_DO_STMT;
}

static bool is_named(Arena *arena, const Changes *changes, const Change *change, SqlName table,
                     const char *column)
{
    const char *text = changes->statement->text;
    bool has_table = strcmp(change->table.name, table.name) == 0;
    bool has_column = column[0] == '\0';
    for (size_t i = change->first; i < change->end; i++) {
        const char *token = sql_slice(arena, &changes->tokens, i, i + 1);
        has_table = has_table || sql_token_names(token, table.name);
        has_column = has_column || sql_token_names(token, column);
    }
    if (is_opaque(changes))
        return strcasestr(text, table.name) != NULL && strcasestr(text, column) != NULL;
    return has_table && has_column;
}

/* By its name before or behind the change. */
static bool is_about(Arena *arena, const Changes *changes, const Change *change, const Change *own)
{
    bool table = own->form == HAZARD_RENAME_TABLE;
    bool column = own->form == HAZARD_RENAME_COLUMN;
    SqlName other = {own->table.schema, table ? own->to : own->table.name};
    return is_named(arena, changes, change, own->table, own->column) ||
           is_named(arena, changes, change, other, column ? own->to : own->column);
}

/* --- rows that are carried elsewhere ---------------------------------------------------------- */

/* Whole rows, which have the column in them without its name. */
typedef struct WholeRows {
    Arena *arena;
    StrList tables; /* as the statement calls them */
    bool found;
} WholeRows;

static void take_table(ProtobufCMessage *message, void *data)
{
    WholeRows *rows = data;
    if (message->descriptor != &pg_query__range_var__descriptor)
        return;
    const PgQuery__RangeVar *range = (PgQuery__RangeVar *)message;
    strlist_add(rows->arena, &rows->tables,
                range->alias == NULL ? range->relname : range->alias->aliasname);
}

static void find_row(ProtobufCMessage *message, void *data)
{
    WholeRows *rows = data;
    if (message->descriptor == &pg_query__a__star__descriptor)
        rows->found = true;
    if (message->descriptor != &pg_query__column_ref__descriptor)
        return;
    const PgQuery__ColumnRef *ref = (PgQuery__ColumnRef *)message;
    if (ref->n_fields > 0 && strlist_has(&rows->tables, sql_string(ref->fields[ref->n_fields - 1])))
        rows->found = true;
}

static bool has_whole_rows(Arena *arena, const Changes *changes)
{
    WholeRows rows = {.arena = arena};
    sql_walk(&changes->node->base, take_table, &rows);
    sql_walk(&changes->node->base, find_row, &rows);
    return rows.found;
}

/* Whether a statement before the drop may carry elsewhere what was in it: what is written there
 * between that and a contract revision would be lost. */
static bool may_carry(Arena *arena, const Changes *changes, const Change *change, const Change *own)
{
    if (changes->node == NULL)
        return is_about(arena, changes, change, own);
    switch (changes->node->node_case) {
    case PG_QUERY__NODE__NODE_CALL_STMT:
    case PG_QUERY__NODE__NODE_EXECUTE_STMT:
        return true;
    case PG_QUERY__NODE__NODE_SELECT_STMT:
        if (expression_is_volatile(changes->node))
            return true;
        break;
    case PG_QUERY__NODE__NODE_INSERT_STMT:
    case PG_QUERY__NODE__NODE_UPDATE_STMT:
    case PG_QUERY__NODE__NODE_DELETE_STMT:
    case PG_QUERY__NODE__NODE_MERGE_STMT:
    case PG_QUERY__NODE__NODE_COPY_STMT:
    case PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT:
        break;
    case PG_QUERY__NODE__NODE_DO_STMT:
        return is_named(arena, changes, change, own->table, "");
    default:
        return change->form == HAZARD_COLUMN_TYPE && is_about(arena, changes, change, own);
    }
    return is_about(arena, changes, change, own) ||
           (is_named(arena, changes, change, own->table, "") && has_whole_rows(arena, changes));
}

/* --- what has to come behind a drop ----------------------------------------------------------- */

/* DROP TYPE and the like fail while the column is there, and with CASCADE take it along. */
static bool may_need_gone(const Changes *changes)
{
    const PgQuery__Node *node = changes->node;
    if (strcmp(changes->statement->first_keyword, "DROP") != 0)
        return false;
    if (node == NULL || node->node_case != PG_QUERY__NODE__NODE_DROP_STMT ||
        node->drop_stmt->behavior == PG_QUERY__DROP_BEHAVIOR__DROP_CASCADE)
        return true;
    switch (node->drop_stmt->remove_type) {
    case PG_QUERY__OBJECT_TYPE__OBJECT_INDEX:
    case PG_QUERY__OBJECT_TYPE__OBJECT_MATVIEW:
    case PG_QUERY__OBJECT_TYPE__OBJECT_POLICY:
    case PG_QUERY__OBJECT_TYPE__OBJECT_RULE:
    case PG_QUERY__OBJECT_TYPE__OBJECT_TABLE:
    case PG_QUERY__OBJECT_TYPE__OBJECT_TRIGGER:
    case PG_QUERY__OBJECT_TYPE__OBJECT_VIEW:
        return false;
    default:
        return true;
    }
}

/* --- the whole -------------------------------------------------------------------------------- */

bool change_is_entangled(Arena *arena, const Changes *statements, size_t count,
                         const Change *change)
{
    bool drop = change_is_drop(change);
    bool behind = false;
    for (size_t i = 0; i < count; i++) {
        if (drop && behind && may_need_gone(&statements[i]))
            return true;
        for (size_t k = 0; k < statements[i].count; k++) {
            const Change *other = &statements[i].items[k];
            if (other == change)
                behind = true;
            else if (drop && !behind ? may_carry(arena, &statements[i], other, change)
                                     : is_about(arena, &statements[i], other, change))
                return true;
        }
    }
    return false;
}

bool change_is_met(Arena *arena, const Changes *statement, const Change *change)
{
    if (change_is_drop(change) && may_need_gone(statement))
        return true;
    for (size_t k = 0; k < statement->count; k++) {
        if (is_about(arena, statement, &statement->items[k], change))
            return true;
    }
    return false;
}
