#include "lint_reader.h"

#include "sql_made.h"
#include "units.h"

#include <stdlib.h>
#include <string.h>

LintFinding *lint_found(const LintReader *reader, LintRule rule, const char *what)
{
    return lint_add(reader->arena, reader->findings, rule, reader->script, reader->statement, what);
}

const char *lint_of_table(Arena *arena, const char *what, SqlName table)
{
    if (table.name[0] == '\0')
        return what;
    return table.schema[0] == '\0'
               ? arena_printf(arena, "%s, of %s", what, table.name)
               : arena_printf(arena, "%s, of %s.%s", what, table.schema, table.name);
}

static void found_of(const LintReader *reader, LintRule rule, const char *what, SqlName table)
{
    lint_found(reader, rule, lint_of_table(reader->arena, what, table));
}

/* --- hazards ---------------------------------------------------------------------------------- */

static const LintRule rule_of_form[HAZARD_COUNT] = {
#define HAZARD(name, id, severity, form) [HAZARD_##form] = LINT_##name,
#define RULE(name, id, severity, decided, class, lock, why, safe)
#include "lint_rules.def"
#undef HAZARD
#undef RULE
};

static bool is_time(const PgQuery__TypeName *type)
{
    const char *name = type->n_names == 0 ? "" : sql_string(type->names[type->n_names - 1]);
    return strcmp(name, "timestamp") == 0 || strcmp(name, "timestamptz") == 0;
}

static void hazard_found(const LintReader *reader, const Change *change)
{
    LintFinding *finding =
        lint_found(reader, rule_of_form[change->form], change_describe(reader->arena, change));
    if (change->first < reader->changes->tokens.count)
        lint_place(finding, reader->changes->tokens.items[change->first].from);
    if (change->form == HAZARD_COLUMN_TYPE && is_time(change->command->def->column_def->type_name))
        finding->info.why = arena_printf(
            reader->arena, "%s; between timestamp and timestamptz they are when TimeZone is UTC",
            finding->info.why);
}

static void read_hazard(const LintReader *reader, const Change *change)
{
    Hazard hazard = {change->form, reader->statement, "", reader->in_block};
    if (!hazard_is_meant(reader->script, &hazard)) {
        hazard_found(reader, change);
        return;
    }
    bool drops = change->form == HAZARD_DROP_COLUMN || change->form == HAZARD_DROP_TABLE;
    if (drops && reader->script->phase == SCRIPT_PHASE_CONTRACT)
        lint_found(reader, LINT_CONTRACT_LOSES, change_describe(reader->arena, change));
}

/* --- constraints ------------------------------------------------------------------------------ */

static const LintConstraint *find_constraint(const LintReader *reader, SqlName table,
                                             const char *name)
{
    for (size_t i = 0; i < reader->constraints.count; i++) {
        const LintConstraint *item = &reader->constraints.items[i];
        if (strcmp(item->name, name) == 0 && sql_name_equal(item->table, table))
            return item;
    }
    return NULL;
}

static void remember_constraint(LintReader *reader, SqlName table, const char *name, bool not_valid)
{
    LintConstraints *list = &reader->constraints;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 8 : list->capacity * 2;
        list->items =
            arena_grow(reader->arena, list->items, list->count, capacity, sizeof *list->items);
        list->capacity = capacity;
    }
    list->items[list->count++] = (LintConstraint){table, name, not_valid, reader->transaction};
}

/* --- subcommands of ALTER TABLE --------------------------------------------------------------- */

static const char *of_column(const LintReader *reader, const char *what, const Change *change)
{
    return arena_printf(reader->arena, "%s, of %s.%s", what, change->table.name, change->column);
}

static void read_validate(const LintReader *reader, const Change *change)
{
    const LintConstraint *added = find_constraint(reader, change->table, change->command->name);
    if (added != NULL && added->not_valid && added->transaction == reader->transaction)
        lint_found(reader, LINT_VALIDATE_TOGETHER,
                   of_column(reader, "VALIDATE CONSTRAINT", change));
}

static void read_drop_constraint(const LintReader *reader, const Change *change)
{
    if (find_constraint(reader, change->table, change->command->name) == NULL)
        lint_found(reader, LINT_DROP_CONSTRAINT, of_column(reader, "DROP CONSTRAINT", change));
}

static void read_command(LintReader *reader, const Change *change)
{
    const PgQuery__AlterTableCmd *command = change->command;
    bool made = new_tables_has(&reader->made, change->table);
    switch (command->subtype) {
    case PG_QUERY__ALTER_TABLE_TYPE__AT_AddColumn:
        lint_column(reader, change->table, command->def->column_def);
        break;
    case PG_QUERY__ALTER_TABLE_TYPE__AT_AddConstraint:
        remember_constraint(reader, change->table, command->def->constraint->conname,
                            command->def->constraint->skip_validation && !made);
        break;
    case PG_QUERY__ALTER_TABLE_TYPE__AT_ValidateConstraint:
        read_validate(reader, change);
        break;
    case PG_QUERY__ALTER_TABLE_TYPE__AT_DropConstraint:
        if (!made)
            read_drop_constraint(reader, change);
        break;
    case PG_QUERY__ALTER_TABLE_TYPE__AT_DropNotNull:
        if (!made)
            lint_found(reader, LINT_DROP_NOT_NULL, of_column(reader, "DROP NOT NULL", change));
        break;
    default:
        break;
    }
}

/* Once for each table and transaction. VALIDATE is better alone. */
static void read_alter_table(LintReader *reader, const Change *first)
{
    SqlName table = first->table;
    const char *name = sql_qualified(reader->arena, table);
    if (new_tables_has(&reader->made, table) ||
        first->command->subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_ValidateConstraint)
        return;
    if (!strlist_has(&reader->altered, name)) {
        strlist_add(reader->arena, &reader->altered, name);
    } else if (!strlist_has(&reader->altered_told, name)) {
        strlist_add(reader->arena, &reader->altered_told, name);
        found_of(reader, LINT_SEVERAL_ALTERS, "another ALTER TABLE", table);
    }
}

/* --- other statements ------------------------------------------------------------------------- */

static void read_domain(const LintReader *reader, const PgQuery__AlterDomainStmt *alter)
{
    bool check = strcmp(alter->subtype, "C") == 0 && alter->def != NULL &&
                 !alter->def->constraint->skip_validation;
    if (check || strcmp(alter->subtype, "O") == 0)
        lint_found(reader, LINT_DOMAIN_CONSTRAINT,
                   check ? "ALTER DOMAIN ADD CONSTRAINT" : "ALTER DOMAIN SET NOT NULL");
}

static void read_enum(const LintReader *reader, const PgQuery__AlterEnumStmt *alter)
{
    if (alter->old_val[0] != '\0')
        lint_found(reader, LINT_RENAME_ENUM_VALUE,
                   arena_printf(reader->arena, "RENAME VALUE, of %s", alter->old_val));
    else if (alter->new_val_neighbor[0] == '\0')
        lint_found(reader, LINT_ENUM_ORDER,
                   arena_printf(reader->arena, "ADD VALUE, of %s", alter->new_val));
}

static void read_truncate(const LintReader *reader, const PgQuery__TruncateStmt *truncate)
{
    const char *what = truncate->behavior == PG_QUERY__DROP_BEHAVIOR__DROP_CASCADE
                           ? "TRUNCATE ... CASCADE"
                           : "TRUNCATE";
    for (size_t i = 0; i < truncate->n_relations; i++) {
        SqlName table = sql_range_name(truncate->relations[i]->range_var);
        if (new_tables_has(&reader->made, table))
            continue;
        found_of(reader, LINT_TRUNCATE, what, table);
        return;
    }
}

/* `WHERE true`, but for the place where a backfill puts its range. */
static const char batch_mark[] = "/*+batch*/";

static bool is_everywhere(const LintReader *reader, const PgQuery__Node *where)
{
    if (where == NULL)
        return true;
    return where->node_case == PG_QUERY__NODE__NODE_A_CONST &&
           where->a_const->val_case == PG_QUERY__A__CONST__VAL_BOOLVAL &&
           where->a_const->boolval->boolval && strstr(reader->statement->text, batch_mark) == NULL;
}

static void read_delete(const LintReader *reader, const PgQuery__DeleteStmt *delete)
{
    SqlName table = sql_range_name(delete->relation);
    if (is_everywhere(reader, delete->where_clause) && delete->n_using_clause == 0 &&
        !new_tables_has(&reader->made, table))
        found_of(reader, LINT_DELETE_ALL, "DELETE of every row", table);
}

/* WITH gone AS (DELETE ...) SELECT ... */
static void read_with(const LintReader *reader, const PgQuery__WithClause *with)
{
    for (size_t i = 0; with != NULL && i < with->n_ctes; i++) {
        const PgQuery__Node *query = with->ctes[i]->common_table_expr->ctequery;
        if (query->node_case == PG_QUERY__NODE__NODE_DELETE_STMT) {
            read_delete(reader, query->delete_stmt);
        } else if (query->node_case == PG_QUERY__NODE__NODE_UPDATE_STMT) {
            const PgQuery__UpdateStmt *update = query->update_stmt;
            SqlName table = sql_range_name(update->relation);
            if (is_everywhere(reader, update->where_clause) && update->n_from_clause == 0 &&
                !new_tables_has(&reader->made, table))
                found_of(reader, LINT_UPDATE_ALL, "UPDATE of every row", table);
        }
    }
}

/* What a later statement makes again was only rebuilt. */
static bool is_made_again(const LintReader *reader, SqlMadeKind kind, SqlName name)
{
    const StatementList *list = &reader->script->upgrade.statements;
    for (const Statement *later = reader->statement + 1; later < list->items + list->count;
         later++) {
        PgQuery__ParseResult *tree = sql_tree(reader->arena, later->text);
        SqlMade made = {SQL_MADE_NOTHING, {"", ""}, false, false};
        if (tree != NULL)
            made = sql_made(tree->stmts[0]->stmt);
        if (made.kind == kind && kind != SQL_MADE_NOTHING && sql_name_equal(made.name, name))
            return true;
    }
    return false;
}

static void read_drop(const LintReader *reader, const PgQuery__DropStmt *drop)
{
    static const struct {
        PgQuery__ObjectType type;
        SqlMadeKind made;
        const char *what;
    } kinds[] = {
        {PG_QUERY__OBJECT_TYPE__OBJECT_VIEW, SQL_MADE_RELATION, "DROP VIEW"},
        {PG_QUERY__OBJECT_TYPE__OBJECT_MATVIEW, SQL_MADE_RELATION, "DROP MATERIALIZED VIEW"},
        {PG_QUERY__OBJECT_TYPE__OBJECT_TYPE, SQL_MADE_TYPE, "DROP TYPE"},
        {PG_QUERY__OBJECT_TYPE__OBJECT_DOMAIN, SQL_MADE_TYPE, "DROP DOMAIN"},
        {PG_QUERY__OBJECT_TYPE__OBJECT_FUNCTION, SQL_MADE_FUNCTION, "DROP FUNCTION"},
        {PG_QUERY__OBJECT_TYPE__OBJECT_PROCEDURE, SQL_MADE_FUNCTION, "DROP PROCEDURE"},
        {PG_QUERY__OBJECT_TYPE__OBJECT_SEQUENCE, SQL_MADE_SEQUENCE, "DROP SEQUENCE"},
        {PG_QUERY__OBJECT_TYPE__OBJECT_EXTENSION, SQL_MADE_NOTHING, "DROP EXTENSION"},
    };
    if (drop->remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_SCHEMA)
        lint_found(reader, LINT_DROP_SCHEMA, "DROP SCHEMA");
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        for (size_t k = 0; kinds[i].type == drop->remove_type && k < drop->n_objects; k++) {
            SqlName name = sql_object_name(drop->objects[k]);
            if (!is_made_again(reader, kinds[i].made, name))
                found_of(reader, LINT_DROP_OBJECT, kinds[i].what, name);
        }
    }
}

static void read_move(const LintReader *reader, const PgQuery__AlterObjectSchemaStmt *move)
{
    SqlName table = {"", ""};
    if (move->relation != NULL)
        table = sql_range_name(move->relation);
    if (move->relation == NULL || !new_tables_has(&reader->made, table))
        found_of(reader, LINT_SET_SCHEMA, "SET SCHEMA", table);
}

/* Weaker ones keep nobody from writing. */
static void read_lock(const LintReader *reader, const PgQuery__LockStmt *lock)
{
    enum { MODE_SHARE = 5 };
    if (lock->mode >= MODE_SHARE && lock->n_relations > 0)
        found_of(reader, LINT_LOCK_TABLE, "LOCK TABLE",
                 sql_range_name(lock->relations[0]->range_var));
}

static void read_index(const LintReader *reader, const PgQuery__IndexStmt *index)
{
    SqlName table = sql_range_name(index->relation);
    if (index->unique && !new_tables_has(&reader->made, table))
        found_of(reader, LINT_UNIQUE_FAILS, "CREATE UNIQUE INDEX", table);
}

static bool is_zero(const PgQuery__Node *node)
{
    if (node->node_case != PG_QUERY__NODE__NODE_A_CONST)
        return false;
    const PgQuery__AConst *value = node->a_const;
    if (value->val_case == PG_QUERY__A__CONST__VAL_SVAL)
        return value->sval->sval[0] == '0' && strtol(value->sval->sval, NULL, 10) == 0;
    return value->val_case == PG_QUERY__A__CONST__VAL_IVAL && value->ival->ival == 0;
}

static void read_setting(const LintReader *reader, const PgQuery__VariableSetStmt *set)
{
    if (set->kind == PG_QUERY__VARIABLE_SET_KIND__VAR_SET_VALUE && set->n_args == 1 &&
        strcmp(set->name, "lock_timeout") == 0 && is_zero(set->args[0]))
        lint_found(reader, LINT_LOCK_TIMEOUT_OFF, "SET lock_timeout to 0");
}

static void read_rename(const LintReader *reader, const PgQuery__RenameStmt *rename)
{
    if (rename->rename_type == PG_QUERY__OBJECT_TYPE__OBJECT_SCHEMA)
        lint_found(reader, LINT_RENAME_SCHEMA,
                   arena_printf(reader->arena, "RENAME SCHEMA, of %s", rename->subname));
}

static void read_node(const LintReader *reader, const PgQuery__Node *node)
{
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_CREATE_STMT:
        lint_new_table(reader, node->create_stmt);
        break;
    case PG_QUERY__NODE__NODE_CREATE_DOMAIN_STMT:
        if (node->create_domain_stmt->n_constraints > 0)
            lint_found(reader, LINT_DOMAIN, "CREATE DOMAIN with a constraint");
        break;
    case PG_QUERY__NODE__NODE_ALTER_DOMAIN_STMT:
        read_domain(reader, node->alter_domain_stmt);
        break;
    case PG_QUERY__NODE__NODE_CREATE_ENUM_STMT:
        lint_found(reader, LINT_ENUM, "CREATE TYPE ... AS ENUM");
        break;
    case PG_QUERY__NODE__NODE_ALTER_ENUM_STMT:
        read_enum(reader, node->alter_enum_stmt);
        break;
    case PG_QUERY__NODE__NODE_RENAME_STMT:
        read_rename(reader, node->rename_stmt);
        break;
    case PG_QUERY__NODE__NODE_DROP_STMT:
        read_drop(reader, node->drop_stmt);
        break;
    case PG_QUERY__NODE__NODE_ALTER_OBJECT_SCHEMA_STMT:
        read_move(reader, node->alter_object_schema_stmt);
        break;
    case PG_QUERY__NODE__NODE_LOCK_STMT:
        read_lock(reader, node->lock_stmt);
        break;
    case PG_QUERY__NODE__NODE_DO_STMT:
    case PG_QUERY__NODE__NODE_EXECUTE_STMT:
        lint_found(reader, LINT_OPAQUE,
                   statement_in_few_words(reader->arena, reader->statement->text));
        break;
    case PG_QUERY__NODE__NODE_SELECT_STMT:
        read_with(reader, node->select_stmt->with_clause);
        break;
    case PG_QUERY__NODE__NODE_INSERT_STMT:
        read_with(reader, node->insert_stmt->with_clause);
        break;
    case PG_QUERY__NODE__NODE_DROPDB_STMT:
        lint_found(reader, LINT_DROP_DATABASE, "DROP DATABASE");
        break;
    case PG_QUERY__NODE__NODE_TRUNCATE_STMT:
        read_truncate(reader, node->truncate_stmt);
        break;
    case PG_QUERY__NODE__NODE_DELETE_STMT:
        read_delete(reader, node->delete_stmt);
        break;
    case PG_QUERY__NODE__NODE_INDEX_STMT:
        read_index(reader, node->index_stmt);
        break;
    case PG_QUERY__NODE__NODE_VARIABLE_SET_STMT:
        read_setting(reader, node->variable_set_stmt);
        break;
    default:
        break;
    }
}

/* --- sections --------------------------------------------------------------------------------- */

static bool changes_alter(const Changes *changes)
{
    return changes->count > 0 && changes->items[0].command != NULL;
}

static void read_statement(LintReader *reader)
{
    const Changes *changes = reader->changes;
    if (changes->node == NULL) {
        if (reader->statement->copy_data == NULL)
            lint_found(reader, LINT_UNKNOWN,
                       statement_in_few_words(reader->arena, reader->statement->text));
        return;
    }
    if (changes_alter(changes))
        read_alter_table(reader, &changes->items[0]);
    for (size_t i = 0; i < changes->count; i++) {
        const Change *change = &changes->items[i];
        if (change->form != HAZARD_NONE)
            read_hazard(reader, change);
        if (change->command != NULL)
            read_command(reader, change);
    }
    read_node(reader, changes->node);
    lint_names(reader);
}

/* Where the next transaction begins, tables may be altered anew. */
static void next_transaction(LintReader *reader)
{
    reader->transaction++;
    reader->altered.count = reader->altered_told.count = 0;
}

static void enter_statement(LintReader *reader, const Statement *statement)
{
    reader->statement = statement;
    if (reader->script->transactional)
        return;
    bool begins = statement_begins_block(statement), ends = statement_ends_block(statement);
    if (begins || ends)
        reader->in_block = begins;
    if (!reader->in_block || begins)
        next_transaction(reader);
}

static void read_upgrade(LintReader *reader)
{
    const StatementList *list = &reader->script->upgrade.statements;
    for (size_t i = 0; i < list->count; i++) {
        enter_statement(reader, &list->items[i]);
        Changes changes = changes_read(reader->arena, &list->items[i], &reader->made);
        reader->changes = &changes;
        read_statement(reader);
    }
}

/* What a downgrade takes away it is meant to; what it works through counts at night too. */
static void read_downgrade(LintReader *reader)
{
    const StatementList *list = &reader->script->downgrade.statements;
    for (size_t i = 0; i < list->count; i++) {
        enter_statement(reader, &list->items[i]);
        Changes changes = changes_read(reader->arena, &list->items[i], &reader->made);
        reader->changes = &changes;
        for (size_t k = 0; k < changes.count; k++) {
            const Change *change = &changes.items[k];
            Hazard hazard = {change->form, reader->statement, "", reader->in_block};
            if (change->form != HAZARD_NONE &&
                hazard_info(change->form)->cost != HAZARD_COST_INSTANT &&
                !hazard_is_meant(reader->script, &hazard))
                hazard_found(reader, change);
        }
    }
}

/* --- files ------------------------------------------------------------------------------------ */

/* Without the files around it there is nothing to be said. */
static bool lacks_expand(Arena *arena, const Script *script, const RevisionMap *map)
{
    StrList rows = {0}, below;
    Error ignored;
    strlist_add(arena, &rows, script->id);
    if (map == NULL || graph_applied(arena, map, &rows, &below, &ignored) != ERR_OK)
        return false;
    for (size_t i = 0; i < below.count; i++) {
        if (graph_find(map, below.items[i])->phase == SCRIPT_PHASE_EXPAND)
            return false;
    }
    return true;
}

static void read_file(const LintReader *reader, const RevisionMap *map)
{
    const Script *script = reader->script;
    if (script->phase == SCRIPT_PHASE_CONTRACT && lacks_expand(reader->arena, script, map))
        lint_found(reader, LINT_CONTRACT_ALONE, "phase: contract");
    if (script->irreversible != NULL)
        lint_found(reader, LINT_IRREVERSIBLE, script->irreversible);
    if (script->lock_timeout_ms == 0)
        lint_found(reader, LINT_LOCK_TIMEOUT_OFF, "lock-timeout: 0");
}

/* What only shows when units are made: a statement outside a transaction that can't be told to have
 * run. */
static void check_units(const LintReader *reader, const StatementList *statements)
{
    UnitList units;
    Error err;
    if (reader->script->transactional ||
        units_make(reader->arena, reader->script->file, statements, &units, &err) == ERR_OK)
        return;
    lint_refused(reader->arena, reader->script->file, &err, reader->findings);
    reader->findings->items[reader->findings->count - 1].revision = reader->script->id;
}

void lint_statements(Arena *arena, const Script *script, const RevisionMap *map,
                     LintFindings *findings)
{
    LintReader reader = {.arena = arena, .script = script, .findings = findings};
    read_file(&reader, map);
    read_upgrade(&reader);
    check_units(&reader, &script->upgrade.statements);
    LintReader back = {.arena = arena, .script = script, .findings = findings};
    read_downgrade(&back);
    check_units(&back, &script->downgrade.statements);
}
