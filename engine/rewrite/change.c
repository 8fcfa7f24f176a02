#include "change.h"

#include <string.h>

typedef struct ChangeReader {
    Arena *arena;
    Changes *changes;
    NewTables *made;
} ChangeReader;

/* --- names ------------------------------------------------------------------------------------ */

bool new_tables_has(const NewTables *made, SqlName name)
{
    for (size_t i = 0; i < made->count; i++) {
        if (sql_name_equal(made->items[i], name))
            return true;
    }
    return false;
}

static void add_made(const ChangeReader *reader, SqlName name)
{
    NewTables *made = reader->made;
    if (made->count == made->capacity) {
        size_t capacity = made->capacity == 0 ? 8 : made->capacity * 2;
        made->items =
            arena_grow(reader->arena, made->items, made->count, capacity, sizeof *made->items);
        made->capacity = capacity;
    }
    made->items[made->count++] = name;
}

/* The one or two last of a list of names. */
static SqlName list_name(const PgQuery__Node *object)
{
    const PgQuery__List *list = object->list;
    return (SqlName){
        .schema = list->n_items > 1 ? sql_string(list->items[list->n_items - 2]) : "",
        .name = list->n_items > 0 ? sql_string(list->items[list->n_items - 1]) : "",
    };
}

static Change *add(const ChangeReader *reader, HazardForm form, SqlName table)
{
    Changes *changes = reader->changes;
    Change *change = &changes->items[changes->count++];
    *change = (Change){
        .form = new_tables_has(reader->made, table) ? HAZARD_NONE : form,
        .table = table,
        .relation = table.name[0] == '\0' ? "" : sql_qualified(reader->arena, table),
        .head = "",
        .text = changes->statement->text,
        .end = changes->tokens.count,
        .column = "",
        .to = "",
    };
    return change;
}

/* --- expressions ------------------------------------------------------------------------------ */

/* The usual functions of defaults that give one value for the whole statement. */
static const char *const steady_functions[] = {
    "abs",
    "array_fill",
    "btrim",
    "ceil",
    "concat",
    "concat_ws",
    "current_database",
    "current_schema",
    "current_setting",
    "date",
    "date_trunc",
    "decode",
    "encode",
    "floor",
    "format",
    "json_build_array",
    "json_build_object",
    "jsonb_build_array",
    "jsonb_build_object",
    "left",
    "length",
    "lower",
    "lpad",
    "ltrim",
    "make_date",
    "make_interval",
    "md5",
    "now",
    "point",
    "repeat",
    "replace",
    "right",
    "round",
    "rpad",
    "rtrim",
    "statement_timestamp",
    "string_to_array",
    "substring",
    "timezone",
    "to_char",
    "to_date",
    "to_json",
    "to_jsonb",
    "to_timestamp",
    "to_tsvector",
    "transaction_timestamp",
    "upper",
};

static void find_volatile(ProtobufCMessage *message, void *data)
{
    bool *found = data;
    if (message->descriptor != &pg_query__func_call__descriptor)
        return;
    const PgQuery__FuncCall *call = (PgQuery__FuncCall *)message;
    const char *name =
        call->n_funcname == 0 ? "" : sql_string(call->funcname[call->n_funcname - 1]);
    for (size_t i = 0; i < sizeof steady_functions / sizeof *steady_functions; i++) {
        if (strcmp(name, steady_functions[i]) == 0)
            return;
    }
    *found = true;
}

bool expression_is_volatile(PgQuery__Node *expression)
{
    bool found = false;
    if (expression != NULL)
        sql_walk(&expression->base, find_volatile, &found);
    return found;
}

const char *serial_type(const PgQuery__TypeName *type)
{
    static const char *const types[][2] = {
        {"serial", "integer"}, {"serial4", "integer"},      {"bigserial", "bigint"},
        {"serial8", "bigint"}, {"smallserial", "smallint"}, {"serial2", "smallint"},
    };
    const char *name = type->n_names == 1 ? sql_string(type->names[0]) : "";
    for (size_t i = 0; i < sizeof types / sizeof *types && type->n_array_bounds == 0; i++) {
        if (strcmp(name, types[i][0]) == 0)
            return types[i][1];
    }
    return NULL;
}

PgQuery__Constraint *column_constraint(const PgQuery__ColumnDef *column, PgQuery__ConstrType type)
{
    for (size_t i = 0; i < column->n_constraints; i++) {
        PgQuery__Constraint *constraint = column->constraints[i]->constraint;
        if (constraint->contype == type)
            return constraint;
    }
    return NULL;
}

/* --- subcommands of ALTER TABLE --------------------------------------------------------------- */

static HazardForm form_of_column(const PgQuery__ColumnDef *column)
{
    const PgQuery__Constraint *given =
        column_constraint(column, PG_QUERY__CONSTR_TYPE__CONSTR_DEFAULT);
    bool key = column_constraint(column, PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY) != NULL;
    if (column_constraint(column, PG_QUERY__CONSTR_TYPE__CONSTR_GENERATED) != NULL)
        return HAZARD_ADD_COLUMN_GENERATED;
    if (serial_type(column->type_name) != NULL ||
        column_constraint(column, PG_QUERY__CONSTR_TYPE__CONSTR_IDENTITY) != NULL)
        return HAZARD_ADD_COLUMN_SERIAL;
    if (given != NULL && expression_is_volatile(given->raw_expr))
        return HAZARD_ADD_COLUMN_VOLATILE;
    if (given == NULL &&
        (key || column_constraint(column, PG_QUERY__CONSTR_TYPE__CONSTR_NOTNULL) != NULL))
        return HAZARD_ADD_COLUMN_NOT_NULL;
    /* Without a default there is nothing that a foreign key would have to look up. */
    if (key || column_constraint(column, PG_QUERY__CONSTR_TYPE__CONSTR_CHECK) != NULL ||
        column_constraint(column, PG_QUERY__CONSTR_TYPE__CONSTR_UNIQUE) != NULL ||
        (given != NULL && column_constraint(column, PG_QUERY__CONSTR_TYPE__CONSTR_FOREIGN) != NULL))
        return HAZARD_ADD_COLUMN_CHECKED;
    return HAZARD_NONE;
}

static HazardForm form_of_constraint(const PgQuery__Constraint *constraint)
{
    bool by_index = constraint->indexname[0] != '\0';
    switch (constraint->contype) {
    case PG_QUERY__CONSTR_TYPE__CONSTR_CHECK:
        return constraint->skip_validation ? HAZARD_NONE : HAZARD_ADD_CHECK;
    case PG_QUERY__CONSTR_TYPE__CONSTR_FOREIGN:
        return constraint->skip_validation ? HAZARD_NONE : HAZARD_ADD_FOREIGN_KEY;
    case PG_QUERY__CONSTR_TYPE__CONSTR_UNIQUE:
        return by_index ? HAZARD_NONE : HAZARD_ADD_UNIQUE;
    case PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY:
        return by_index ? HAZARD_PRIMARY_KEY_USING_INDEX : HAZARD_ADD_UNIQUE;
    case PG_QUERY__CONSTR_TYPE__CONSTR_EXCLUSION:
        return HAZARD_ADD_EXCLUSION;
    default:
        return HAZARD_NONE;
    }
}

static HazardForm form_of_command(const PgQuery__AlterTableCmd *command)
{
    switch (command->subtype) {
    case PG_QUERY__ALTER_TABLE_TYPE__AT_AddColumn:
        return form_of_column(command->def->column_def);
    case PG_QUERY__ALTER_TABLE_TYPE__AT_AddConstraint:
        return form_of_constraint(command->def->constraint);
    case PG_QUERY__ALTER_TABLE_TYPE__AT_SetNotNull:
        return HAZARD_SET_NOT_NULL;
    case PG_QUERY__ALTER_TABLE_TYPE__AT_AlterColumnType:
        return HAZARD_COLUMN_TYPE;
    case PG_QUERY__ALTER_TABLE_TYPE__AT_DropColumn:
        return HAZARD_DROP_COLUMN;
    case PG_QUERY__ALTER_TABLE_TYPE__AT_SetLogged:
    case PG_QUERY__ALTER_TABLE_TYPE__AT_SetUnLogged:
    case PG_QUERY__ALTER_TABLE_TYPE__AT_SetTableSpace:
    case PG_QUERY__ALTER_TABLE_TYPE__AT_SetAccessMethod:
        return HAZARD_STORAGE;
    case PG_QUERY__ALTER_TABLE_TYPE__AT_AttachPartition:
        return HAZARD_ATTACH_PARTITION;
    case PG_QUERY__ALTER_TABLE_TYPE__AT_DetachPartition:
        return command->def->partition_cmd->concurrent ? HAZARD_NONE : HAZARD_DETACH_PARTITION;
    default:
        return HAZARD_NONE;
    }
}

static bool is(const SqlTokens *tokens, size_t at, PgQuery__Token token)
{
    return at < tokens->count && tokens->items[at].token == token;
}

/* Behind ALTER TABLE [IF EXISTS] [ONLY] name [*]: the first subcommand's first token. */
static size_t commands_begin(const SqlTokens *tokens, const PgQuery__RangeVar *relation)
{
    size_t at = 2;
    if (is(tokens, at, PG_QUERY__TOKEN__IF_P))
        at += 2;
    bool only = is(tokens, at, PG_QUERY__TOKEN__ONLY);
    at += only;
    bool braced = is(tokens, at, PG_QUERY__TOKEN__ASCII_40);
    at += braced;
    at += relation->catalogname[0] != '\0' ? 5 : relation->schemaname[0] != '\0' ? 3 : 1;
    at += braced;
    at += is(tokens, at, PG_QUERY__TOKEN__ASCII_42);
    return at;
}

/* Where the subcommand that begins at `at` ends: at a comma outside of brackets. */
static size_t command_end(const SqlTokens *tokens, size_t at)
{
    int depth = 0;
    for (; at < tokens->count; at++) {
        PgQuery__Token token = tokens->items[at].token;
        if (token == PG_QUERY__TOKEN__ASCII_40 || token == PG_QUERY__TOKEN__ASCII_91)
            depth++;
        else if (token == PG_QUERY__TOKEN__ASCII_41 || token == PG_QUERY__TOKEN__ASCII_93)
            depth--;
        else if (token == PG_QUERY__TOKEN__ASCII_44 && depth == 0)
            break;
    }
    return at;
}

static void read_command(const ChangeReader *reader, const PgQuery__AlterTableStmt *alter,
                         PgQuery__AlterTableCmd *command)
{
    Change *change = add(reader, form_of_command(command), sql_range_name(alter->relation));
    change->command = command;
    change->lenient = alter->missing_ok;
    change->column = command->name;
    if (command->subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_AddColumn) {
        change->column = command->def->column_def->colname;
        change->lenient = change->lenient || command->missing_ok;
    }
}

static void read_alter_table(const ChangeReader *reader, const PgQuery__AlterTableStmt *alter)
{
    Changes *changes = reader->changes;
    const SqlTokens *tokens = &changes->tokens;
    size_t at = commands_begin(tokens, alter->relation);
    const char *head = sql_slice(reader->arena, tokens, 0, at);
    for (size_t i = 0; i < alter->n_cmds; i++) {
        read_command(reader, alter, alter->cmds[i]->alter_table_cmd);
        Change *change = &changes->items[i];
        change->head = head;
        change->first = at;
        change->end = command_end(tokens, at);
        change->text = sql_slice(reader->arena, tokens, change->first, change->end);
        at = change->end + 1;
    }
}

/* --- statements ------------------------------------------------------------------------------- */

static void read_rename(const ChangeReader *reader, const PgQuery__RenameStmt *rename)
{
    bool column = rename->rename_type == PG_QUERY__OBJECT_TYPE__OBJECT_COLUMN &&
                  rename->relation_type == PG_QUERY__OBJECT_TYPE__OBJECT_TABLE;
    bool table = rename->rename_type == PG_QUERY__OBJECT_TYPE__OBJECT_TABLE;
    Change *change = add(reader,
                         column  ? HAZARD_RENAME_COLUMN
                         : table ? HAZARD_RENAME_TABLE
                                 : HAZARD_NONE,
                         sql_range_name(rename->relation));
    change->column = rename->subname;
    change->to = rename->newname;
    change->lenient = rename->missing_ok;
    if (table && change->form == HAZARD_NONE)
        add_made(reader, (SqlName){change->table.schema, change->to});
}

static void read_drop(const ChangeReader *reader, const PgQuery__DropStmt *drop)
{
    bool index = drop->remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_INDEX;
    bool table = drop->remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_TABLE;
    HazardForm form = index && !drop->concurrent ? HAZARD_DROP_INDEX
                      : table                    ? HAZARD_DROP_TABLE
                                                 : HAZARD_NONE;
    if (form == HAZARD_NONE) {
        add(reader, form, (SqlName){"", ""});
        return;
    }
    for (size_t i = 0; i < drop->n_objects; i++) {
        SqlName name = list_name(drop->objects[i]);
        Change *change = add(reader, form, name);
        change->lenient = drop->missing_ok;
        change->text =
            arena_printf(reader->arena, "DROP %s%s %s%s", index ? "INDEX" : "TABLE",
                         drop->missing_ok ? " IF EXISTS" : "", sql_qualified(reader->arena, name),
                         drop->behavior == PG_QUERY__DROP_BEHAVIOR__DROP_CASCADE ? " CASCADE" : "");
    }
}

static bool reindex_is_concurrent(const PgQuery__ReindexStmt *reindex)
{
    for (size_t i = 0; i < reindex->n_params; i++) {
        if (strcmp(reindex->params[i]->def_elem->defname, "concurrently") == 0)
            return true;
    }
    return false;
}

static HazardForm form_of_vacuum(const PgQuery__VacuumStmt *vacuum)
{
    for (size_t i = 0; i < vacuum->n_options; i++) {
        if (strcmp(vacuum->options[i]->def_elem->defname, "full") == 0)
            return HAZARD_REWRITE_TABLE;
    }
    return HAZARD_NONE;
}

static HazardForm form_of_update(const PgQuery__UpdateStmt *update)
{
    return update->where_clause == NULL && update->n_from_clause == 0 &&
                   update->n_returning_list == 0 && update->with_clause == NULL
               ? HAZARD_UPDATE_ALL
               : HAZARD_NONE;
}

/* IF NOT EXISTS proves nothing: the table may have been there, with rows. */
static void read_made(const ChangeReader *reader, SqlName name, bool if_not_exists)
{
    add(reader, HAZARD_NONE, name);
    if (!if_not_exists)
        add_made(reader, name);
}

static void read_node(const ChangeReader *reader)
{
    const PgQuery__Node *node = reader->changes->node;
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_CREATE_STMT:
        read_made(reader, sql_range_name(node->create_stmt->relation),
                  node->create_stmt->if_not_exists);
        break;
    case PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT:
        read_made(reader, sql_range_name(node->create_table_as_stmt->into->rel),
                  node->create_table_as_stmt->if_not_exists);
        break;
    case PG_QUERY__NODE__NODE_INDEX_STMT:
        add(reader, node->index_stmt->concurrent ? HAZARD_NONE : HAZARD_CREATE_INDEX,
            sql_range_name(node->index_stmt->relation));
        break;
    case PG_QUERY__NODE__NODE_REINDEX_STMT:
        add(reader, reindex_is_concurrent(node->reindex_stmt) ? HAZARD_NONE : HAZARD_REINDEX,
            sql_range_name(node->reindex_stmt->relation));
        break;
    case PG_QUERY__NODE__NODE_RENAME_STMT:
        read_rename(reader, node->rename_stmt);
        break;
    case PG_QUERY__NODE__NODE_DROP_STMT:
        read_drop(reader, node->drop_stmt);
        break;
    case PG_QUERY__NODE__NODE_UPDATE_STMT:
        add(reader, form_of_update(node->update_stmt), sql_range_name(node->update_stmt->relation));
        break;
    case PG_QUERY__NODE__NODE_REFRESH_MAT_VIEW_STMT:
        add(reader, node->refresh_mat_view_stmt->concurrent ? HAZARD_NONE : HAZARD_REFRESH,
            sql_range_name(node->refresh_mat_view_stmt->relation));
        break;
    case PG_QUERY__NODE__NODE_CLUSTER_STMT:
        add(reader, HAZARD_REWRITE_TABLE, sql_range_name(node->cluster_stmt->relation));
        break;
    case PG_QUERY__NODE__NODE_VACUUM_STMT:
        add(reader, form_of_vacuum(node->vacuum_stmt), (SqlName){"", ""});
        break;
    default:
        add(reader, HAZARD_NONE, (SqlName){"", ""});
        break;
    }
}

/* Of a table, with subcommands that the lexer's commas tell apart as the parser does. */
static bool is_alter_table(const Changes *changes)
{
    const PgQuery__Node *node = changes->node;
    if (node->node_case != PG_QUERY__NODE__NODE_ALTER_TABLE_STMT ||
        node->alter_table_stmt->objtype != PG_QUERY__OBJECT_TYPE__OBJECT_TABLE)
        return false;
    const SqlTokens *tokens = &changes->tokens;
    size_t at = commands_begin(tokens, node->alter_table_stmt->relation);
    size_t count = 0;
    for (; at < tokens->count; at = command_end(tokens, at) + 1)
        count++;
    return count == node->alter_table_stmt->n_cmds;
}

Changes changes_read(Arena *arena, const Statement *statement, NewTables *made)
{
    Changes changes = {.statement = statement, .tokens = sql_tokens(arena, statement->text)};
    ChangeReader reader = {arena, &changes, made};
    const PgQuery__ParseResult *tree = statement->copy_data == NULL && changes.tokens.count > 0
                                           ? sql_tree(arena, statement->text)
                                           : NULL;
    changes.node = tree == NULL ? NULL : tree->stmts[0]->stmt;
    bool alter = changes.node != NULL && is_alter_table(&changes);
    size_t room = 1;
    if (alter)
        room = changes.node->alter_table_stmt->n_cmds;
    else if (changes.node != NULL && changes.node->node_case == PG_QUERY__NODE__NODE_DROP_STMT)
        room = changes.node->drop_stmt->n_objects + 1;
    changes.items = ARENA_ARRAY(arena, Change, room);
    if (alter)
        read_alter_table(&reader, changes.node->alter_table_stmt);
    else if (changes.node != NULL)
        read_node(&reader);
    else
        add(&reader, HAZARD_NONE, (SqlName){"", ""});
    return changes;
}

const char *change_describe(Arena *arena, const Change *change)
{
    const char *name = change->table.schema[0] == '\0'
                           ? change->table.name
                           : arena_printf(arena, "%s.%s", change->table.schema, change->table.name);
    const char *what = hazard_info(change->form)->what;
    if (change->form == HAZARD_ADD_UNIQUE)
        what = change->command->def->constraint->contype == PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY
                   ? "ADD PRIMARY KEY"
                   : "ADD UNIQUE";
    if (name[0] == '\0')
        return what;
    return change->column[0] == '\0'
               ? arena_printf(arena, "%s, of %s", what, name)
               : arena_printf(arena, "%s, of %s.%s", what, name, change->column);
}
