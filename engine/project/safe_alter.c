/*
 * ALTER TABLE and DROP as safe statements.
 */
#include "safe_tree.h"

#include <string.h>

/* --- ALTER TABLE ------------------------------------------------------------------------------ */

typedef struct AlterForm {
    PgQuery__AlterTableType type;
    SafeForm form;
    bool needs_if; /* only with IF [NOT] EXISTS */
    bool removes;
    const char *kind;
    const char *name; /* NULL: the command's own */
} AlterForm;

static const AlterForm alter_forms[] = {
    {PG_QUERY__ALTER_TABLE_TYPE__AT_DropColumn, SAFE_FORM_NO_COLUMN, true, true, "column", NULL},
    {PG_QUERY__ALTER_TABLE_TYPE__AT_DropConstraint, SAFE_FORM_NO_CONSTRAINT, true, true,
     "constraint", NULL},
    {PG_QUERY__ALTER_TABLE_TYPE__AT_DropIdentity, SAFE_FORM_NO_IDENTITY, true, true, "identity of",
     NULL},
    {PG_QUERY__ALTER_TABLE_TYPE__AT_SetNotNull, SAFE_FORM_NOT_NULL, false, false, "NOT NULL of",
     NULL},
    {PG_QUERY__ALTER_TABLE_TYPE__AT_DropNotNull, SAFE_FORM_NULLABLE, false, true, "NOT NULL of",
     NULL},
    {PG_QUERY__ALTER_TABLE_TYPE__AT_ValidateConstraint, SAFE_FORM_VALIDATED, false, false,
     "validation of", NULL},
    {PG_QUERY__ALTER_TABLE_TYPE__AT_EnableRowSecurity, SAFE_FORM_ROW_SECURITY, false, false,
     "row security of", "enabled"},
    {PG_QUERY__ALTER_TABLE_TYPE__AT_DisableRowSecurity, SAFE_FORM_ROW_SECURITY, false, true,
     "row security of", "disabled"},
    {PG_QUERY__ALTER_TABLE_TYPE__AT_ForceRowSecurity, SAFE_FORM_ROW_SECURITY, false, false,
     "row security of", "forced"},
    {PG_QUERY__ALTER_TABLE_TYPE__AT_NoForceRowSecurity, SAFE_FORM_ROW_SECURITY, false, true,
     "row security of", "unforced"},
};

static const char *alter_refused(PgQuery__AlterTableType type)
{
    switch (type) {
    case PG_QUERY__ALTER_TABLE_TYPE__AT_AddConstraint:
    case PG_QUERY__ALTER_TABLE_TYPE__AT_AddIndexConstraint:
        return "ALTER TABLE ... ADD CONSTRAINT";
    case PG_QUERY__ALTER_TABLE_TYPE__AT_AddIdentity:
        return "ALTER TABLE ... ADD GENERATED";
    case PG_QUERY__ALTER_TABLE_TYPE__AT_AlterColumnType:
        return "ALTER TABLE ... TYPE";
    case PG_QUERY__ALTER_TABLE_TYPE__AT_AttachPartition:
    case PG_QUERY__ALTER_TABLE_TYPE__AT_DetachPartition:
    case PG_QUERY__ALTER_TABLE_TYPE__AT_DetachPartitionFinalize:
        return "ALTER TABLE ... PARTITION";
    case PG_QUERY__ALTER_TABLE_TYPE__AT_AddInherit:
    case PG_QUERY__ALTER_TABLE_TYPE__AT_DropInherit:
        return "ALTER TABLE ... INHERIT";
    default:
        return NULL;
    }
}

static ErrCode alter_command(FormReader *reader, const PgQuery__AlterTableStmt *alter,
                             const PgQuery__AlterTableCmd *command, bool *ret_asked)
{
    static const char hint[] = "Put it into a revision, or guard it with a DO block.";
    const char *refused = alter_refused(command->subtype);
    if (refused != NULL)
        return form_refuse(reader, refused, hint);
    if (command->subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_AddColumn) {
        if (!command->missing_ok)
            return form_refuse(reader, "ALTER TABLE ... ADD COLUMN",
                               "Write ADD COLUMN IF NOT EXISTS.");
        form_ask_of(reader, SAFE_FORM_COLUMN, false, "column", alter->relation,
                    command->def->column_def->colname, alter->missing_ok);
        *ret_asked = true;
        return ERR_OK;
    }
    for (size_t i = 0; i < sizeof alter_forms / sizeof alter_forms[0]; i++) {
        const AlterForm *form = &alter_forms[i];
        if (form->type != command->subtype)
            continue;
        if (form->needs_if && !command->missing_ok)
            return form_refuse(reader, "ALTER TABLE ... DROP", "Write DROP ... IF EXISTS.");
        form_ask_of(reader, form->form, form->removes, form->kind, alter->relation,
                    form->name != NULL ? form->name : command->name, alter->missing_ok);
        *ret_asked = true;
        return ERR_OK;
    }
    *ret_asked = false;
    return ERR_OK;
}

ErrCode form_alter_table(FormReader *reader, const PgQuery__AlterTableStmt *alter)
{
    bool all_asked = true;
    for (size_t i = 0; i < alter->n_cmds; i++) {
        bool asked = false;
        if (alter->cmds[i]->node_case == PG_QUERY__NODE__NODE_ALTER_TABLE_CMD) {
            ErrCode code = alter_command(reader, alter, alter->cmds[i]->alter_table_cmd, &asked);
            if (code != ERR_OK)
                return code;
        }
        all_asked = all_asked && asked;
    }
    reader->safe->relation = tree_quoted(reader->arena, tree_range(alter->relation));
    /* One command that is not known: the whole statement is run each time. */
    if (!all_asked) {
        reader->safe->asked = false;
        reader->safe->what = arena_printf(reader->arena, "ALTER TABLE %s",
                                          tree_plain(reader->arena, tree_range(alter->relation)));
    }
    return ERR_OK;
}

/* --- DROP ------------------------------------------------------------------------------------- */

static void drop_relation(FormReader *reader, TreeName name)
{
    SafeQuestion *question =
        form_ask(reader, SAFE_FORM_NO_RELATION, true, "relation", tree_plain(reader->arena, name));
    question->schema = arena_strdup(reader->arena, name.schema);
    question->relation = arena_strdup(reader->arena, name.name);
    reader->safe->relation = tree_quoted(reader->arena, name);
}

/* DROP TRIGGER t ON schema.table: the names are schema, table, t. */
static void drop_of_relation(FormReader *reader, SafeForm form, const char *kind,
                             const PgQuery__List *names)
{
    if (names->n_items < 2)
        return;
    TreeName of = tree_name(names->items, names->n_items - 1);
    PgQuery__RangeVar range = PG_QUERY__RANGE_VAR__INIT;
    range.schemaname = (char *)(uintptr_t)of.schema;
    range.relname = (char *)(uintptr_t)of.name;
    form_ask_of(reader, form, true, kind, &range, tree_string(names->items[names->n_items - 1]),
                true);
}

static void drop_named(FormReader *reader, SafeForm form, const char *kind, const char *name)
{
    SafeQuestion *question = form_ask(reader, form, true, kind, name);
    question->name = arena_strdup(reader->arena, name);
}

static bool drop_function(FormReader *reader, const PgQuery__ObjectWithArgs *object)
{
    if (object->args_unspecified)
        return false;
    AUTO_STR Str text = {0};
    TreeName name = tree_name(object->objname, object->n_objname);
    str_printf(&text, "%s(", tree_quoted(reader->arena, name));
    for (size_t i = 0; i < object->n_objargs; i++) {
        const PgQuery__Node *argument = object->objargs[i];
        const char *type = argument->node_case == PG_QUERY__NODE__NODE_TYPE_NAME
                               ? tree_type(reader->arena, argument->type_name)
                               : NULL;
        if (type == NULL)
            return false;
        str_printf(&text, "%s%s", i == 0 ? "" : ",", type);
    }
    str_append_char(&text, ')');
    form_ask(reader, SAFE_FORM_NO_FUNCTION, true, "function", tree_plain(reader->arena, name))
        ->detail = arena_strdup(reader->arena, str_text(&text));
    return true;
}

static bool drop_type(FormReader *reader, const PgQuery__TypeName *name)
{
    const char *type = tree_type(reader->arena, name);
    if (type == NULL)
        return false;
    form_ask(reader, SAFE_FORM_NO_TYPE, true, "type",
             tree_plain(reader->arena, tree_name(name->names, name->n_names)))
        ->detail = type;
    return true;
}

/* False: not one of the forms that are asked. */
static bool drop_object(FormReader *reader, PgQuery__ObjectType kind, const PgQuery__Node *object)
{
    const PgQuery__List *list =
        object->node_case == PG_QUERY__NODE__NODE_LIST ? object->list : NULL;
    switch (kind) {
    case PG_QUERY__OBJECT_TYPE__OBJECT_TABLE:
    case PG_QUERY__OBJECT_TYPE__OBJECT_VIEW:
    case PG_QUERY__OBJECT_TYPE__OBJECT_MATVIEW:
    case PG_QUERY__OBJECT_TYPE__OBJECT_SEQUENCE:
    case PG_QUERY__OBJECT_TYPE__OBJECT_INDEX:
    case PG_QUERY__OBJECT_TYPE__OBJECT_FOREIGN_TABLE:
        if (list != NULL)
            drop_relation(reader, tree_name(list->items, list->n_items));
        return list != NULL;
    case PG_QUERY__OBJECT_TYPE__OBJECT_TRIGGER:
        if (list != NULL)
            drop_of_relation(reader, SAFE_FORM_NO_TRIGGER, "trigger", list);
        return list != NULL;
    case PG_QUERY__OBJECT_TYPE__OBJECT_POLICY:
        if (list != NULL)
            drop_of_relation(reader, SAFE_FORM_NO_POLICY, "policy", list);
        return list != NULL;
    case PG_QUERY__OBJECT_TYPE__OBJECT_RULE:
        if (list != NULL)
            drop_of_relation(reader, SAFE_FORM_NO_RULE, "rule", list);
        return list != NULL;
    case PG_QUERY__OBJECT_TYPE__OBJECT_SCHEMA:
        drop_named(reader, SAFE_FORM_NO_SCHEMA, "schema", tree_string(object));
        return true;
    case PG_QUERY__OBJECT_TYPE__OBJECT_EXTENSION:
        drop_named(reader, SAFE_FORM_NO_EXTENSION, "extension", tree_string(object));
        return true;
    case PG_QUERY__OBJECT_TYPE__OBJECT_TYPE:
    case PG_QUERY__OBJECT_TYPE__OBJECT_DOMAIN:
        return object->node_case == PG_QUERY__NODE__NODE_TYPE_NAME &&
               drop_type(reader, object->type_name);
    case PG_QUERY__OBJECT_TYPE__OBJECT_FUNCTION:
    case PG_QUERY__OBJECT_TYPE__OBJECT_PROCEDURE:
    case PG_QUERY__OBJECT_TYPE__OBJECT_ROUTINE:
    case PG_QUERY__OBJECT_TYPE__OBJECT_AGGREGATE:
        return object->node_case == PG_QUERY__NODE__NODE_OBJECT_WITH_ARGS &&
               drop_function(reader, object->object_with_args);
    default:
        return false;
    }
}

ErrCode form_drop(FormReader *reader, const PgQuery__DropStmt *drop)
{
    if (!drop->missing_ok)
        return form_refuse(reader, "DROP without IF EXISTS", "Write DROP ... IF EXISTS.");
    bool all_asked = true;
    for (size_t i = 0; i < drop->n_objects; i++)
        all_asked = drop_object(reader, drop->remove_type, drop->objects[i]) && all_asked;
    if (!all_asked)
        reader->safe->asked = false;
    return ERR_OK;
}
