#include "lint_reader.h"

#include <string.h>

enum { NAME_BYTES_MAX = 63 };

/* --- types ------------------------------------------------------------------------------------ */

static const char *type_name(const PgQuery__TypeName *type)
{
    return type == NULL || type->n_names == 0 ? "" : sql_string(type->names[type->n_names - 1]);
}

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (strcmp(name, *names) == 0)
            return true;
    }
    return false;
}

static void column_found(const LintReader *reader, LintRule rule, SqlName table,
                         const PgQuery__ColumnDef *column, const char *type)
{
    lint_found(reader, rule,
               arena_printf(reader->arena, "%s, of %s.%s", type, table.name, column->colname));
}

void lint_column(const LintReader *reader, SqlName table, const PgQuery__ColumnDef *column)
{
    static const struct {
        const char *type;
        LintRule rule;
        bool limited; /* only with a length */
    } types[] = {
        {"json", LINT_JSON, false},
        {"bpchar", LINT_CHAR, false},
        {"varchar", LINT_VARCHAR, true},
        {"timestamp", LINT_TIMESTAMP, false},
    };
    const char *type = type_name(column->type_name);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        bool limited = column->type_name != NULL && column->type_name->n_typmods > 0;
        if (strcmp(type, types[i].type) == 0 && (limited || !types[i].limited))
            column_found(reader, types[i].rule, table, column,
                         strcmp(type, "bpchar") == 0 ? "char" : type);
    }
    if (column->type_name != NULL && serial_type(column->type_name) != NULL)
        column_found(reader, LINT_SERIAL, table, column, type);
}

/* --- new tables ------------------------------------------------------------------------------- */

static bool is_key(const PgQuery__CreateStmt *create, const PgQuery__ColumnDef *column)
{
    if (column_constraint(column, PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY) != NULL)
        return true;
    for (size_t i = 0; i < create->n_table_elts; i++) {
        const PgQuery__Node *node = create->table_elts[i];
        if (node->node_case == PG_QUERY__NODE__NODE_CONSTRAINT &&
            node->constraint->contype == PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY &&
            node->constraint->n_keys == 1 &&
            strcmp(sql_string(node->constraint->keys[0]), column->colname) == 0)
            return true;
    }
    return false;
}

void lint_new_table(const LintReader *reader, const PgQuery__CreateStmt *create)
{
    static const char *const small[] = {"int4",        "int2",    "serial", "serial4",
                                        "smallserial", "serial2", NULL};
    SqlName table = sql_range_name(create->relation);
    bool temporary = strcmp(create->relation->relpersistence, "t") == 0;
    if (table.schema[0] == '\0' && !temporary)
        lint_found(reader, LINT_UNQUALIFIED, lint_of_table(reader->arena, "CREATE TABLE", table));
    for (size_t i = 0; i < create->n_table_elts; i++) {
        if (create->table_elts[i]->node_case != PG_QUERY__NODE__NODE_COLUMN_DEF)
            continue;
        const PgQuery__ColumnDef *column = create->table_elts[i]->column_def;
        lint_column(reader, table, column);
        const char *type = type_name(column->type_name);
        if (is_one_of(type, small) && is_key(create, column))
            column_found(reader, LINT_KEY_SIZE, table, column, "PRIMARY KEY");
    }
}

/* --- names ------------------------------------------------------------------------------------ */

void lint_names(const LintReader *reader)
{
    const SqlTokens *tokens = &reader->changes->tokens;
    for (size_t i = 0; i < tokens->count; i++) {
        const SqlToken *token = &tokens->items[i];
        size_t quotes = tokens->text[token->from] == '"' ? 2 : 0;
        if (token->token != PG_QUERY__TOKEN__IDENT ||
            token->to - token->from <= NAME_BYTES_MAX + quotes)
            continue;
        LintFinding *finding = lint_found(
            reader, LINT_LONG_NAME,
            arena_strndup(reader->arena, tokens->text + token->from, token->to - token->from));
        lint_place(finding, token->from);
    }
}
