#include "rewrite_forms.h"

#include <string.h>

/* ADD COLUMN in pieces: the column alone, what of its constraints costs nothing, and the rest. */
typedef struct NewColumn {
    Rewrite *rewrite;
    const PgQuery__ColumnDef *definition;
    const char *name; /* quoted */
    const char *head; /* "ALTER TABLE t" */
    StrList first;    /* statements of one transaction that make it */
    StrList after;    /* units, once its rows are filled in */
    bool not_null;
    bool filled; /* its rows have the value without a backfill */
} NewColumn;

static bool is_attribute(const PgQuery__Constraint *constraint)
{
    return constraint->contype >= PG_QUERY__CONSTR_TYPE__CONSTR_ATTR_DEFERRABLE;
}

/* Where the pieces begin: the column's constraints, without their attributes. */
static size_t piece_end(const NewColumn *column, size_t index)
{
    const PgQuery__ColumnDef *definition = column->definition;
    const Rewrite *rewrite = column->rewrite;
    for (size_t i = index + 1; i < definition->n_constraints; i++) {
        const PgQuery__Constraint *next = definition->constraints[i]->constraint;
        if (!is_attribute(next))
            return sql_token_at(&rewrite->changes->tokens, (size_t)next->location);
    }
    return rewrite->change->end;
}

/* As the author wrote it, without CONSTRAINT name. */
static const char *piece_text(const NewColumn *column, size_t index)
{
    const SqlTokens *tokens = &column->rewrite->changes->tokens;
    const PgQuery__Constraint *constraint = column->definition->constraints[index]->constraint;
    size_t first = sql_token_at(tokens, (size_t)constraint->location);
    if (tokens->items[first].token == PG_QUERY__TOKEN__CONSTRAINT)
        first += 2;
    return sql_slice(column->rewrite->arena, tokens, first, piece_end(column, index));
}

/* DEFERRABLE stands behind the constraint as an attribute of its own. */
static void take_attributes(const PgQuery__ColumnDef *definition, size_t index,
                            PgQuery__Constraint *constraint)
{
    for (size_t i = index + 1; i < definition->n_constraints; i++) {
        const PgQuery__Constraint *next = definition->constraints[i]->constraint;
        if (!is_attribute(next))
            break;
        if (next->contype == PG_QUERY__CONSTR_TYPE__CONSTR_ATTR_DEFERRABLE ||
            next->contype == PG_QUERY__CONSTR_TYPE__CONSTR_ATTR_DEFERRED)
            constraint->deferrable = true;
        if (next->contype == PG_QUERY__CONSTR_TYPE__CONSTR_ATTR_DEFERRED)
            constraint->initdeferred = true;
    }
}

static void constraint_after(NewColumn *column, size_t index, StrList *last)
{
    Rewrite *rewrite = column->rewrite;
    Arena *arena = rewrite->arena;
    PgQuery__Constraint *constraint = column->definition->constraints[index]->constraint;
    StrList keys = {0};
    strlist_add(arena, &keys, column->definition->colname);
    const char *text = piece_text(column, index);
    const char *name;
    switch (constraint->contype) {
    case PG_QUERY__CONSTR_TYPE__CONSTR_NOTNULL:
        column->not_null = !column->filled;
        break;
    case PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY:
        column->not_null = true;
        /* fall through */
    case PG_QUERY__CONSTR_TYPE__CONSTR_UNIQUE:
        take_attributes(column->definition, index, constraint);
        (void)units_unique(rewrite, last, constraint, &keys);
        break;
    case PG_QUERY__CONSTR_TYPE__CONSTR_CHECK:
        keys = (StrList){0};
        sql_columns(arena, constraint->raw_expr, &keys);
        name = name_constraint(arena, rewrite->change->table, constraint, &keys);
        units_validated(arena, last, column->head, name, text);
        break;
    case PG_QUERY__CONSTR_TYPE__CONSTR_FOREIGN:
        name = name_constraint(arena, rewrite->change->table, constraint, &keys);
        units_validated(arena, last, column->head, name,
                        arena_printf(arena, "FOREIGN KEY (%s) %s", column->name, text));
        break;
    default:
        break;
    }
}

/* --- where its values come from --------------------------------------------------------------- */

static void from_default(NewColumn *column, const char *text)
{
    Arena *arena = column->rewrite->arena;
    unit_statement(arena, &column->first, "%s ADD COLUMN %s", column->head, text);
    const PgQuery__Constraint *given =
        column_constraint(column->definition, PG_QUERY__CONSTR_TYPE__CONSTR_DEFAULT);
    for (size_t i = 0; given != NULL && i < column->definition->n_constraints; i++) {
        if (column->definition->constraints[i]->constraint != given)
            continue;
        bool steady = !expression_is_volatile(given->raw_expr);
        const char *clause = piece_text(column, i);
        column->filled = steady;
        if (steady) { /* kept in the catalog: ADD COLUMN does not touch the rows */
            bool not_null = column_constraint(column->definition,
                                              PG_QUERY__CONSTR_TYPE__CONSTR_NOTNULL) != NULL;
            column->first = (StrList){0};
            unit_statement(arena, &column->first, "%s ADD COLUMN %s %s%s", column->head, text,
                           clause, not_null ? " NOT NULL" : "");
        } else {
            unit_statement(arena, &column->first, "%s ALTER COLUMN %s SET %s", column->head,
                           column->name, clause);
        }
    }
    if (given == NULL)
        column->filled = true;
}

/* A default is evaluated with the rights of whoever inserts. */
static void from_sequence(NewColumn *column, const char *sequence, const char *type, bool owned)
{
    Arena *arena = column->rewrite->arena;
    const char *relation = column->rewrite->change->relation;
    unit_statement(arena, &column->first, "%s ADD COLUMN %s %s", column->head, column->name, type);
    unit_statement(arena, &column->first, "CREATE SEQUENCE %s AS %s", sequence, type);
    if (owned) {
        unit_owner(arena, &column->first, "SEQUENCE", sequence, relation);
        unit_statement(arena, &column->first, "ALTER SEQUENCE %s OWNED BY %s.%s", sequence,
                       relation, column->name);
    }
    unit_statement(arena, &column->first, "GRANT USAGE ON SEQUENCE %s TO PUBLIC", sequence);
    unit_statement(arena, &column->first, "%s ALTER COLUMN %s SET DEFAULT nextval(%s)",
                   column->head, column->name, sql_literal(arena, sequence));
    column->not_null = true;
}

static const char *beside_table(const NewColumn *column, const char *name)
{
    const SqlName table = column->rewrite->change->table;
    Arena *arena = column->rewrite->arena;
    return table.schema[0] == '\0'
               ? name
               : arena_printf(arena, "%s.%s", sql_ident(arena, table.schema), name);
}

/* IDENTITY wants NOT NULL, so it comes last and takes over from a sequence of ours. */
static void take_identity(NewColumn *column, const char *sequence, const char *identity,
                          StrList *units)
{
    Arena *arena = column->rewrite->arena;
    StrList block = {0};
    unit_statement(arena, &block, "%s ALTER COLUMN %s DROP DEFAULT", column->head, column->name);
    unit_statement(arena, &block, "%s ALTER COLUMN %s ADD %s", column->head, column->name,
                   identity);
    unit_statement(arena, &block,
                   "SELECT setval(pg_get_serial_sequence(%s, %s), nextval(%s), false)",
                   sql_literal(arena, column->rewrite->change->relation),
                   sql_literal(arena, column->definition->colname), sql_literal(arena, sequence));
    unit_statement(arena, &block, "DROP SEQUENCE %s", sequence);
    unit_block(arena, units, &block);
}

/* --- the whole -------------------------------------------------------------------------------- */

/* Name and type, and what else stands before the first constraint. */
static const char *column_text(NewColumn *column)
{
    Rewrite *rewrite = column->rewrite;
    const Change *change = rewrite->change;
    const SqlTokens *tokens = &rewrite->changes->tokens;
    size_t first = change->first + 1;
    if (tokens->items[first].token == PG_QUERY__TOKEN__COLUMN)
        first++;
    size_t end = change->end;
    if (column->definition->n_constraints > 0) {
        const PgQuery__Constraint *begin = column->definition->constraints[0]->constraint;
        end = sql_token_at(tokens, (size_t)begin->location);
        const PgQuery__CollateClause *collate = column->definition->coll_clause;
        if (collate != NULL && collate->location > begin->location)
            rewrite->left = "COLLATE stands behind a constraint: write it behind the type";
    }
    return sql_slice(rewrite->arena, tokens, first, end);
}

static const char *identity_text(NewColumn *column)
{
    for (size_t i = 0; i < column->definition->n_constraints; i++) {
        const PgQuery__Constraint *constraint = column->definition->constraints[i]->constraint;
        if (constraint->contype != PG_QUERY__CONSTR_TYPE__CONSTR_IDENTITY)
            continue;
        if (constraint->n_options > 0)
            column->rewrite->left = "an identity with options is not known here";
        return piece_text(column, i);
    }
    return NULL;
}

static void write(NewColumn *column)
{
    Rewrite *rewrite = column->rewrite;
    Arena *arena = rewrite->arena;
    const PgQuery__ColumnDef *definition = column->definition;
    const char *text = column_text(column);
    const char *serial = serial_type(definition->type_name);
    const char *identity = identity_text(column);
    const char *sequence = NULL;
    StrList last = {0};
    if (identity != NULL) {
        sequence = beside_table(
            column, name_made(arena, rewrite->change->table, definition->colname, "values"));
        from_sequence(column, sequence, "bigint", false);
        column->first.items[0] = arena_printf(arena, "%s ADD COLUMN %s", column->head, text);
    } else if (serial != NULL) {
        sequence =
            beside_table(column, sql_ident(arena, name_default(arena, rewrite->change->table.name,
                                                               definition->colname, "seq")));
        from_sequence(column, sequence, serial, true);
    } else {
        from_default(column, text);
    }
    for (size_t i = 0; i < definition->n_constraints; i++)
        constraint_after(column, i, &last);
    unit_block(arena, &rewrite->units, &column->first);
    if (!column->filled)
        (void)unit_backfill(rewrite, &rewrite->units,
                            arena_printf(arena, "UPDATE %s SET %s = DEFAULT",
                                         rewrite->change->relation, column->name),
                            arena_printf(arena, "%s IS NULL", column->name));
    if (column->not_null)
        units_not_null(rewrite, &rewrite->units, column->head, definition->colname,
                       definition->colname);
    if (identity != NULL)
        take_identity(column, sequence, identity, &rewrite->units);
    units_append(arena, &rewrite->units, &last);
    if (serial != NULL && identity == NULL)
        unit_add(arena, &rewrite->units, "REVOKE USAGE ON SEQUENCE %s FROM PUBLIC", sequence);
}

void rewrite_add_column(Rewrite *rewrite)
{
    if (rewrite->change->lenient) {
        rewrite->left = "IF [NOT] EXISTS: what follows the column would have no such word";
        return;
    }
    NewColumn column = {
        .rewrite = rewrite,
        .definition = rewrite->change->command->def->column_def,
        .head = rewrite->change->head,
    };
    column.name = sql_ident(rewrite->arena, column.definition->colname);
    write(&column);
}
