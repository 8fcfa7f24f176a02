#include "rewrite_sync.h"

#include <string.h>

/* --- triggers --------------------------------------------------------------------------------- */

Sync sync_name(const Rewrite *rewrite, const char *column)
{
    Arena *arena = rewrite->arena;
    SqlName table = rewrite->change->table;
    /* BEFORE triggers fire in the order of their names, and the author's may change the column. */
    const char *name = name_made(arena, table, column, "sync");
    const char *last = name[0] == '"' ? arena_printf(arena, "\"zz_%s", name + 1)
                                      : arena_printf(arena, "zz_%s", name);
    return (Sync){
        .trigger = last,
        .function = table.schema[0] == '\0'
                        ? name
                        : arena_printf(arena, "%s.%s", sql_ident(arena, table.schema), name),
    };
}

static void function_statement(const Rewrite *rewrite, const Sync *sync, const char *create,
                               const char *body, StrList *statements)
{
    unit_statement(rewrite->arena, statements,
                   "%s FUNCTION %s() RETURNS trigger LANGUAGE plpgsql AS $pgtide$\n"
                   "#variable_conflict use_column\nBEGIN\n%s    RETURN NEW;\nEND\n$pgtide$",
                   create, sync->function, body);
}

void sync_create(const Rewrite *rewrite, const Sync *sync, const char *body, StrList *statements)
{
    function_statement(rewrite, sync, "CREATE", body, statements);
    unit_statement(rewrite->arena, statements,
                   "CREATE TRIGGER %s BEFORE INSERT OR UPDATE ON %s\n"
                   "    FOR EACH ROW EXECUTE FUNCTION %s()",
                   sync->trigger, rewrite->change->relation, sync->function);
}

void sync_replace(const Rewrite *rewrite, const Sync *sync, const char *body, StrList *statements)
{
    function_statement(rewrite, sync, "CREATE OR REPLACE", body, statements);
}

void sync_drop(const Rewrite *rewrite, const Sync *sync, StrList *statements)
{
    unit_statement(rewrite->arena, statements, "DROP TRIGGER %s ON %s", sync->trigger,
                   rewrite->change->relation);
    unit_statement(rewrite->arena, statements, "DROP FUNCTION %s()", sync->function);
}

/* --- copies ----------------------------------------------------------------------------------- */

static PgQuery__ParseResult *definition_tree(Arena *arena, const char *definition)
{
    bool whole = str_starts_with(definition, "CREATE ");
    return sql_tree(arena,
                    whole ? definition
                          : arena_printf(arena, "ALTER TABLE t ADD CONSTRAINT n %s", definition));
}

static PgQuery__Constraint *constraint_of(const PgQuery__ParseResult *tree)
{
    return tree->stmts[0]->stmt->alter_table_stmt->cmds[0]->alter_table_cmd->def->constraint;
}

/* A definition speaks of a column where renaming it would change what is written. */
bool definition_has(Arena *arena, const char *definition, const char *column)
{
    PgQuery__ParseResult *tree = definition_tree(arena, definition);
    if (tree == NULL)
        return true;
    const char *before = sql_deparse(arena, tree);
    sql_rename_column(arena, tree, column, "pgtide_other");
    const char *after = sql_deparse(arena, tree);
    return before == NULL || after == NULL || strcmp(before, after) != 0;
}

const char *index_copy(Arena *arena, const char *definition, SqlName table, const char *name,
                       const char *from, const char *to)
{
    PgQuery__ParseResult *tree = definition_tree(arena, definition);
    if (tree == NULL || tree->stmts[0]->stmt->node_case != PG_QUERY__NODE__NODE_INDEX_STMT)
        return NULL;
    PgQuery__IndexStmt *index = tree->stmts[0]->stmt->index_stmt;
    index->idxname = arena_strdup(arena, name); /* the deparser writes it as it is */
    index->concurrent = true;
    index->relation->schemaname =
        arena_strdup(arena, table.schema); /* the server names one always */
    sql_rename_column(arena, tree, from, to);
    return sql_deparse(arena, tree);
}

static const char *constraint_text(Arena *arena, PgQuery__ParseResult *tree)
{
    static const char front[] = "ALTER TABLE t ADD CONSTRAINT n ";
    constraint_of(tree)->skip_validation = false;
    constraint_of(tree)->initially_valid = true;
    const char *text = sql_deparse(arena, tree);
    return text != NULL && str_starts_with(text, front) ? text + sizeof front - 1 : NULL;
}

const char *constraint_copy(Arena *arena, const char *definition, const char *from, const char *to)
{
    PgQuery__ParseResult *tree = definition_tree(arena, definition);
    if (tree == NULL)
        return NULL;
    sql_rename_column(arena, tree, from, to);
    return constraint_text(arena, tree);
}

static size_t referred(const PgQuery__Constraint *constraint, const char *column)
{
    size_t at = 0;
    while (at < constraint->n_pk_attrs && strcmp(sql_string(constraint->pk_attrs[at]), column) != 0)
        at++;
    return at;
}

bool reference_has(Arena *arena, const char *definition, const char *column)
{
    PgQuery__ParseResult *tree = definition_tree(arena, definition);
    return tree == NULL || referred(constraint_of(tree), column) < constraint_of(tree)->n_pk_attrs;
}

const char *reference_copy(Arena *arena, const char *definition, const char *from, const char *to)
{
    PgQuery__ParseResult *tree = definition_tree(arena, definition);
    if (tree == NULL)
        return NULL;
    PgQuery__Constraint *constraint = constraint_of(tree);
    size_t at = referred(constraint, from);
    if (at < constraint->n_pk_attrs)
        constraint->pk_attrs[at]->string->sval = arena_strdup(arena, to);
    return constraint_text(arena, tree);
}
