#include "rewrite_forms.h"

#include <stdlib.h>
#include <string.h>

static size_t token_find(const SqlTokens *tokens, size_t from, PgQuery__Token token)
{
    while (from < tokens->count && tokens->items[from].token != token)
        from++;
    return from;
}

static const char *slice(const Rewrite *rewrite, size_t first, size_t end)
{
    return sql_slice(rewrite->arena, &rewrite->changes->tokens, first, end);
}

/* --- indexes ---------------------------------------------------------------------------------- */

/* What PostgreSQL calls the column of an expression. */
static const char *expression_name(const PgQuery__Node *node)
{
    switch (node == NULL ? PG_QUERY__NODE__NODE__NOT_SET : node->node_case) {
    case PG_QUERY__NODE__NODE_COLUMN_REF:
        return sql_string(node->column_ref->fields[node->column_ref->n_fields - 1]);
    case PG_QUERY__NODE__NODE_FUNC_CALL:
        return sql_string(node->func_call->funcname[node->func_call->n_funcname - 1]);
    case PG_QUERY__NODE__NODE_TYPE_CAST:
        return expression_name(node->type_cast->arg);
    case PG_QUERY__NODE__NODE_COALESCE_EXPR:
        return "coalesce";
    default:
        return "expr";
    }
}

const char *name_index(Arena *arena, const PgQuery__IndexStmt *index)
{
    StrList names = {0};
    if (index->idxname[0] != '\0')
        return sql_ident(arena, index->idxname);
    for (size_t i = 0; i < index->n_index_params + index->n_index_including_params; i++) {
        const PgQuery__Node *node = i < index->n_index_params
                                        ? index->index_params[i]
                                        : index->index_including_params[i - index->n_index_params];
        const PgQuery__IndexElem *element = node->index_elem;
        strlist_add(arena, &names,
                    element->name[0] != '\0' ? element->name : expression_name(element->expr));
    }
    return sql_ident(arena, name_default(arena, index->relation->relname,
                                         strlist_join(arena, &names, "_"), "idx"));
}

void rewrite_create_index(Rewrite *rewrite)
{
    const SqlTokens *tokens = &rewrite->changes->tokens;
    const PgQuery__IndexStmt *index = rewrite->changes->node->index_stmt;
    size_t at = token_find(tokens, 0, PG_QUERY__TOKEN__INDEX) + 1;
    bool named = index->idxname[0] != '\0';
    unit_add(rewrite->arena, &rewrite->units, "%s CONCURRENTLY %s%s%s", slice(rewrite, 0, at),
             named ? "" : name_index(rewrite->arena, index), named ? "" : " ",
             slice(rewrite, at, tokens->count));
}

void rewrite_drop_index(Rewrite *rewrite)
{
    static const char drop[] = "DROP INDEX ";
    if (str_ends_with(rewrite->change->text, " CASCADE"))
        rewrite->left = "DROP INDEX CONCURRENTLY takes no CASCADE";
    else
        unit_add(rewrite->arena, &rewrite->units, "DROP INDEX CONCURRENTLY %s",
                 rewrite->change->text + sizeof drop - 1);
}

void rewrite_reindex(Rewrite *rewrite)
{
    const SqlTokens *tokens = &rewrite->changes->tokens;
    const PgQuery__ReindexStmt *reindex = rewrite->changes->node->reindex_stmt;
    if (reindex->kind == PG_QUERY__REINDEX_OBJECT_TYPE__REINDEX_OBJECT_SYSTEM) {
        rewrite->left = "REINDEX SYSTEM can't be CONCURRENTLY";
        return;
    }
    size_t at = 1;
    if (at < tokens->count && tokens->items[at].token == PG_QUERY__TOKEN__ASCII_40)
        at = token_find(tokens, at, PG_QUERY__TOKEN__ASCII_41) + 1;
    bool whole = reindex->kind == PG_QUERY__REINDEX_OBJECT_TYPE__REINDEX_OBJECT_SCHEMA ||
                 reindex->kind == PG_QUERY__REINDEX_OBJECT_TYPE__REINDEX_OBJECT_DATABASE;
    unit_add(rewrite->arena, &rewrite->units, "%s%s CONCURRENTLY %s",
             whole ? "-- +rerunnable\n" : "", slice(rewrite, 0, at + 1),
             slice(rewrite, at + 1, tokens->count));
}

void rewrite_detach(Rewrite *rewrite)
{
    enum { VERSION_CONCURRENTLY = 140000 };
    const Change *change = rewrite->change;
    const TableFact *table =
        rewrite->facts == NULL ? NULL : fact_find(rewrite->facts, "table", NULL, NULL);
    if (table != NULL && fact_has(table, 'd'))
        rewrite->left = "beside a default partition PostgreSQL has no CONCURRENTLY for it";
    else if (table != NULL && strtol(table->b, NULL, 10) < VERSION_CONCURRENTLY)
        rewrite->left = "CONCURRENTLY comes with PostgreSQL 14";
    else
        unit_add(rewrite->arena, &rewrite->units, "%s %s CONCURRENTLY", change->head, change->text);
}

/* --- rows ------------------------------------------------------------------------------------- */

static void find_query(ProtobufCMessage *message, void *data)
{
    bool *found = data;
    *found = *found || message->descriptor == &pg_query__sub_link__descriptor;
}

/* Batches see what those before them have changed, which one statement does not. */
static const char *update_obstacle(const Rewrite *rewrite)
{
    PgQuery__UpdateStmt *update = rewrite->changes->node->update_stmt;
    bool query = false;
    sql_walk(&update->base, find_query, &query);
    if (query)
        return "it has a query in it, and later batches would ask it of changed rows";
    SqlTokens key = unit_key(rewrite);
    for (size_t i = 0; i < update->n_target_list; i++) {
        for (size_t k = 0; k < key.count; k += 2) {
            const char *column = sql_slice(rewrite->arena, &key, k, k + 1);
            if (sql_token_names(column, update->target_list[i]->res_target->name))
                return arena_printf(rewrite->arena,
                                    "it changes %s, the key by which its batches would go", column);
        }
    }
    return NULL;
}

void rewrite_update(Rewrite *rewrite)
{
    rewrite->left = update_obstacle(rewrite);
    if (rewrite->left == NULL)
        (void)unit_backfill(rewrite, &rewrite->units, rewrite->change->text, "");
}

/* --- constraints ------------------------------------------------------------------------------ */

void rewrite_set_not_null(Rewrite *rewrite)
{
    const Change *change = rewrite->change;
    const TableFact *column =
        rewrite->facts == NULL ? NULL : fact_find(rewrite->facts, "column", change->column, NULL);
    if (column != NULL && fact_has(column, 'n'))
        rewrite->left = "the column is NOT NULL already";
    else
        units_not_null(rewrite, &rewrite->units, change->head, change->column, change->column);
}

static StrList keys_of(Arena *arena, const PgQuery__Constraint *constraint)
{
    StrList keys = {0};
    if (constraint->contype == PG_QUERY__CONSTR_TYPE__CONSTR_CHECK)
        sql_columns(arena, constraint->raw_expr, &keys);
    else if (constraint->contype == PG_QUERY__CONSTR_TYPE__CONSTR_FOREIGN)
        keys = names_of(arena, constraint->fk_attrs, constraint->n_fk_attrs);
    else
        keys = names_of(arena, constraint->keys, constraint->n_keys);
    return keys;
}

void rewrite_constraint(Rewrite *rewrite)
{
    Arena *arena = rewrite->arena;
    const Change *change = rewrite->change;
    const PgQuery__Constraint *constraint = change->command->def->constraint;
    StrList keys = keys_of(arena, constraint);
    if (change->form == HAZARD_ADD_UNIQUE) {
        (void)units_unique(rewrite, &rewrite->units, constraint, &keys);
        return;
    }
    const TableFact *table =
        rewrite->facts == NULL ? NULL : fact_find(rewrite->facts, "table", NULL, NULL);
    if (change->form == HAZARD_ADD_FOREIGN_KEY && table != NULL && table->a[0] == 'p') {
        rewrite->left = "a foreign key of a partitioned table can't be NOT VALID";
        return;
    }
    const char *name = name_constraint(arena, change->table, constraint, &keys);
    /* Behind ADD, or behind ADD CONSTRAINT name. */
    size_t at = change->first + (constraint->conname[0] == '\0' ? 1 : 3);
    units_validated(arena, &rewrite->units, change->head, name, slice(rewrite, at, change->end));
}
