#include "takes.h"

#include "named_limits.h"
#include "sql_made.h"

#include <string.h>

typedef struct TakesReader {
    Arena *arena;
    const char *revision;
    const char *file;
    const Statement *statement;
    TakenList *list;
    size_t first; /* of this script */
    TakenList given;
} TakesReader;

static Taken *add(TakesReader *reader, TakenList *list, TakenKind kind, TakenHow how, SqlName name)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 8 : list->capacity * 2;
        list->items =
            arena_grow(reader->arena, list->items, list->count, capacity, sizeof *list->items);
        list->capacity = capacity;
    }
    Taken *taken = &list->items[list->count++];
    *taken = (Taken){.kind = kind,
                     .how = how,
                     .word = taken_kind_name(kind),
                     .schema = name.schema,
                     .name = name.name,
                     .part = "",
                     .to = "",
                     .argument_count = -1,
                     .revision = reader->revision,
                     .file = reader->file,
                     .line = reader->statement->line};
    return taken;
}

static bool is_same(const Taken *a, const Taken *b)
{
    return a->kind == b->kind && strcmp(a->name, b->name) == 0 && strcmp(a->part, b->part) == 0 &&
           strcmp(a->schema, b->schema) == 0;
}

/* What the script has made itself, nobody else has used. */
static bool is_given(const TakesReader *reader, const Taken *taken)
{
    for (size_t i = 0; i < reader->given.count; i++) {
        const Taken *given = &reader->given.items[i];
        bool whole = given->kind == TAKEN_RELATION && taken->kind == TAKEN_COLUMN &&
                     strcmp(given->name, taken->name) == 0 &&
                     strcmp(given->schema, taken->schema) == 0;
        if (whole || is_same(given, taken))
            return true;
    }
    return false;
}

static void take(TakesReader *reader, const Taken *what)
{
    Taken *taken =
        add(reader, reader->list, what->kind, what->how, (SqlName){what->schema, what->name});
    taken->part = what->part == NULL ? "" : what->part;
    taken->to = what->to == NULL ? "" : what->to;
    if (what->word != NULL)
        taken->word = what->word;
    if (what->kind == TAKEN_FUNCTION)
        taken->argument_count = what->argument_count;
    if (is_given(reader, taken))
        reader->list->count--;
}

/* How a statement makes something. */
typedef enum Making {
    MAKING_NEW,    /* fails where there is one */
    MAKING_OVER,   /* OR REPLACE */
    MAKING_MISSING /* IF NOT EXISTS */
} Making;

/* It is there from here on; what was taken under this name before is replaced. Unless it is, only
 * what fails where there is one proves that the script has made it. */
static void give(TakesReader *reader, TakenKind kind, SqlName name, const char *part, Making making)
{
    Taken *given = add(reader, &reader->given, kind, TAKEN_REPLACED, name);
    given->part = part;
    bool taken = false;
    for (size_t i = reader->first; i < reader->list->count; i++) {
        Taken *old = &reader->list->items[i];
        if (!is_same(old, given))
            continue;
        old->how = kind == TAKEN_COLUMN ? TAKEN_CHANGED : TAKEN_REPLACED;
        taken = true;
    }
    if (!taken && making != MAKING_NEW)
        reader->given.count--;
    bool over = kind == TAKEN_RELATION || kind == TAKEN_FUNCTION;
    if (!taken && over && making != MAKING_MISSING)
        add(reader, reader->list, kind, TAKEN_REPLACED, name);
}

static Making making_of(bool replace, bool if_not_exists)
{
    return if_not_exists ? MAKING_MISSING : replace ? MAKING_OVER : MAKING_NEW;
}

static void unreadable(TakesReader *reader, const char *what)
{
    add(reader, reader->list, TAKEN_UNREADABLE, TAKEN_DROPPED, (SqlName){"", what});
}

/* --- names ------------------------------------------------------------------------------------ */

static int argument_count(const PgQuery__Node *object)
{
    if (object->node_case != PG_QUERY__NODE__NODE_OBJECT_WITH_ARGS ||
        object->object_with_args->args_unspecified)
        return -1;
    return (int)object->object_with_args->n_objargs;
}

static const char *word_of(PgQuery__ObjectType type, TakenKind kind)
{
    switch (type) {
    case PG_QUERY__OBJECT_TYPE__OBJECT_TABLE:
        return "table";
    case PG_QUERY__OBJECT_TYPE__OBJECT_VIEW:
        return "view";
    case PG_QUERY__OBJECT_TYPE__OBJECT_MATVIEW:
        return "materialized view";
    case PG_QUERY__OBJECT_TYPE__OBJECT_FOREIGN_TABLE:
        return "foreign table";
    case PG_QUERY__OBJECT_TYPE__OBJECT_PROCEDURE:
        return "procedure";
    case PG_QUERY__OBJECT_TYPE__OBJECT_AGGREGATE:
        return "aggregate";
    case PG_QUERY__OBJECT_TYPE__OBJECT_DOMAIN:
        return "domain";
    default:
        return taken_kind_name(kind);
    }
}

/* UNREADABLE: of a kind that nobody uses by its name. */
static TakenKind kind_of(PgQuery__ObjectType type)
{
    switch (type) {
    case PG_QUERY__OBJECT_TYPE__OBJECT_TABLE:
    case PG_QUERY__OBJECT_TYPE__OBJECT_VIEW:
    case PG_QUERY__OBJECT_TYPE__OBJECT_MATVIEW:
    case PG_QUERY__OBJECT_TYPE__OBJECT_FOREIGN_TABLE:
        return TAKEN_RELATION;
    case PG_QUERY__OBJECT_TYPE__OBJECT_SEQUENCE:
        return TAKEN_SEQUENCE;
    case PG_QUERY__OBJECT_TYPE__OBJECT_FUNCTION:
    case PG_QUERY__OBJECT_TYPE__OBJECT_PROCEDURE:
    case PG_QUERY__OBJECT_TYPE__OBJECT_ROUTINE:
    case PG_QUERY__OBJECT_TYPE__OBJECT_AGGREGATE:
        return TAKEN_FUNCTION;
    case PG_QUERY__OBJECT_TYPE__OBJECT_TYPE:
    case PG_QUERY__OBJECT_TYPE__OBJECT_DOMAIN:
        return TAKEN_TYPE;
    case PG_QUERY__OBJECT_TYPE__OBJECT_SCHEMA:
        return TAKEN_SCHEMA;
    default:
        return TAKEN_UNREADABLE;
    }
}

/* --- statements ------------------------------------------------------------------------------- */

/* DROP TRIGGER name ON table: the table's name comes before. */
static void read_drop_attached(TakesReader *reader, const PgQuery__Node *object)
{
    if (object->node_case != PG_QUERY__NODE__NODE_LIST || object->list->n_items < 2)
        return;
    const PgQuery__List *list = object->list;
    SqlName of = sql_name_of(list->items, list->n_items - 1);
    take(reader, &(Taken){.kind = TAKEN_ATTACHED,
                          .schema = of.schema,
                          .name = of.name,
                          .part = sql_string(list->items[list->n_items - 1])});
}

static void read_drop(TakesReader *reader, const PgQuery__DropStmt *drop)
{
    bool attached = drop->remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_TRIGGER ||
                    drop->remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_POLICY ||
                    drop->remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_RULE;
    TakenKind kind = kind_of(drop->remove_type);
    bool extension = drop->remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_EXTENSION;
    if (extension || (kind == TAKEN_UNREADABLE && !attached &&
                      drop->behavior == PG_QUERY__DROP_BEHAVIOR__DROP_CASCADE))
        unreadable(reader, extension ? "DROP EXTENSION" : "DROP ... CASCADE");
    for (size_t i = 0; i < drop->n_objects; i++) {
        if (attached)
            read_drop_attached(reader, drop->objects[i]);
        if (kind == TAKEN_UNREADABLE)
            continue;
        SqlName name = sql_object_name(drop->objects[i]);
        take(reader, &(Taken){.kind = kind,
                              .word = word_of(drop->remove_type, kind),
                              .schema = name.schema,
                              .name = name.name,
                              .argument_count = argument_count(drop->objects[i])});
    }
}

static void take_part(TakesReader *reader, const Taken *what, SqlName of, const char *part)
{
    Taken taken = *what;
    taken.schema = of.schema;
    taken.name = of.name;
    taken.part = part;
    take(reader, &taken);
}

static void read_alter(TakesReader *reader, const PgQuery__AlterTableStmt *alter)
{
    SqlName name = sql_range_name(alter->relation);
    const char *word = alter->objtype == PG_QUERY__OBJECT_TYPE__OBJECT_TYPE ? "attribute" : NULL;
    const Taken drop = {.kind = TAKEN_COLUMN, .how = TAKEN_DROPPED, .word = word};
    const Taken change = {.kind = TAKEN_COLUMN, .how = TAKEN_CHANGED, .word = word};
    const Taken constraint = {.kind = TAKEN_ATTACHED, .how = TAKEN_DROPPED};
    for (size_t i = 0; i < alter->n_cmds; i++) {
        const PgQuery__AlterTableCmd *command = alter->cmds[i]->alter_table_cmd;
        switch (command->subtype) {
        case PG_QUERY__ALTER_TABLE_TYPE__AT_DropColumn:
            take_part(reader, &drop, name, command->name);
            break;
        case PG_QUERY__ALTER_TABLE_TYPE__AT_AlterColumnType:
            take_part(reader, &change, name, command->name);
            break;
        case PG_QUERY__ALTER_TABLE_TYPE__AT_DropConstraint:
            take_part(reader, &constraint, name, command->name);
            break;
        case PG_QUERY__ALTER_TABLE_TYPE__AT_AddColumn:
            if (command->def != NULL && command->def->node_case == PG_QUERY__NODE__NODE_COLUMN_DEF)
                give(reader, TAKEN_COLUMN, name, command->def->column_def->colname,
                     making_of(false, command->missing_ok));
            break;
        default:
            break;
        }
    }
}

static void read_rename(TakesReader *reader, const PgQuery__RenameStmt *rename)
{
    bool attribute = rename->rename_type == PG_QUERY__OBJECT_TYPE__OBJECT_ATTRIBUTE;
    bool column = attribute || rename->rename_type == PG_QUERY__OBJECT_TYPE__OBJECT_COLUMN;
    TakenKind kind = column ? TAKEN_COLUMN : kind_of(rename->rename_type);
    if (kind == TAKEN_UNREADABLE)
        return;
    SqlName name = kind == TAKEN_SCHEMA       ? (SqlName){"", rename->subname}
                   : rename->relation != NULL ? sql_range_name(rename->relation)
                                              : sql_object_name(rename->object);
    take(reader, &(Taken){.kind = kind,
                          .how = TAKEN_RENAMED,
                          .word = attribute ? "attribute"
                                  : column  ? NULL
                                            : word_of(rename->rename_type, kind),
                          .schema = name.schema,
                          .name = name.name,
                          .part = column ? rename->subname : "",
                          .to = sql_ident(reader->arena, rename->newname),
                          .argument_count = -1});
    if (column)
        give(reader, kind, name, rename->newname, MAKING_NEW);
    else
        give(reader, kind, (SqlName){name.schema, rename->newname}, "", MAKING_NEW);
}

static void read_move(TakesReader *reader, const PgQuery__AlterObjectSchemaStmt *move)
{
    TakenKind kind = kind_of(move->object_type);
    if (kind == TAKEN_UNREADABLE)
        return;
    SqlName name =
        move->relation != NULL ? sql_range_name(move->relation) : sql_object_name(move->object);
    take(reader, &(Taken){.kind = kind,
                          .how = TAKEN_RENAMED,
                          .word = word_of(move->object_type, kind),
                          .schema = name.schema,
                          .name = name.name,
                          .to = sql_qualified(reader->arena, (SqlName){move->newschema, name.name}),
                          .argument_count = -1});
}

static void read_label(TakesReader *reader, const PgQuery__AlterEnumStmt *alter)
{
    SqlName name = sql_name_of(alter->type_name, alter->n_type_name);
    if (alter->old_val != NULL && alter->old_val[0] != '\0')
        take(reader, &(Taken){.kind = TAKEN_LABEL,
                              .how = TAKEN_RENAMED,
                              .schema = name.schema,
                              .name = name.name,
                              .part = alter->old_val,
                              .to = alter->new_val});
}

static void read_create(TakesReader *reader, const PgQuery__Node *node)
{
    static const TakenKind kinds[] = {
        [SQL_MADE_RELATION] = TAKEN_RELATION, [SQL_MADE_SEQUENCE] = TAKEN_SEQUENCE,
        [SQL_MADE_FUNCTION] = TAKEN_FUNCTION, [SQL_MADE_TYPE] = TAKEN_TYPE,
        [SQL_MADE_SCHEMA] = TAKEN_SCHEMA,
    };
    SqlMade made = sql_made(node);
    if (made.kind != SQL_MADE_NOTHING)
        give(reader, kinds[made.kind], made.name, "", making_of(made.replaces, made.if_missing));
}

static void read_statement(TakesReader *reader)
{
    PgQuery__ParseResult *tree = sql_tree(reader->arena, reader->statement->text);
    const PgQuery__Node *node = tree == NULL ? NULL : tree->stmts[0]->stmt;
    if (node == NULL) {
        unreadable(reader, "a statement that pgtide's parser does not know");
        return;
    }
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_DROP_STMT:
        read_drop(reader, node->drop_stmt);
        break;
    case PG_QUERY__NODE__NODE_ALTER_TABLE_STMT:
        read_alter(reader, node->alter_table_stmt);
        break;
    case PG_QUERY__NODE__NODE_RENAME_STMT:
        read_rename(reader, node->rename_stmt);
        break;
    case PG_QUERY__NODE__NODE_ALTER_OBJECT_SCHEMA_STMT:
        read_move(reader, node->alter_object_schema_stmt);
        break;
    case PG_QUERY__NODE__NODE_ALTER_ENUM_STMT:
        read_label(reader, node->alter_enum_stmt);
        break;
    case PG_QUERY__NODE__NODE_DO_STMT:
        unreadable(reader, "a DO block");
        break;
    case PG_QUERY__NODE__NODE_CALL_STMT:
        unreadable(reader, "a CALL");
        break;
    case PG_QUERY__NODE__NODE_DROP_OWNED_STMT:
        unreadable(reader, "DROP OWNED");
        break;
    default:
        read_create(reader, node);
        break;
    }
}

ErrCode takes_read(Arena *arena, const Script *script, TakenList *list, Error *err)
{
    TakesReader reader = {.arena = arena,
                          .revision = arena_strdup(arena, script->id),
                          .file = arena_strdup(arena, script->file),
                          .list = list,
                          .first = list->count};
    for (size_t i = 0; i < script->upgrade.statements.count; i++) {
        reader.statement = &script->upgrade.statements.items[i];
        read_statement(&reader);
        if (list->count <= LIMIT_COMPAT_TAKEN)
            continue;
        err_set(err, ERR_LIMIT, "the revisions take away more than %d things", LIMIT_COMPAT_TAKEN);
        err_at(err, script->file, reader.statement->line);
        err_hint(err, "Ask about fewer revisions at once.");
        return ERR_LIMIT;
    }
    return ERR_OK;
}

/* --- words ------------------------------------------------------------------------------------ */

bool taken_is_missed(const Taken *taken)
{
    return taken->how != TAKEN_REPLACED && taken->kind != TAKEN_ATTACHED &&
           taken->kind != TAKEN_UNREADABLE;
}

bool taken_is_attribute(const Taken *taken)
{
    return taken->kind == TAKEN_COLUMN && strcmp(taken->word, "attribute") == 0;
}

bool takes_anything(const TakenList *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (taken_is_missed(&list->items[i]) || list->items[i].kind == TAKEN_UNREADABLE)
            return true;
    }
    return false;
}

const char *taken_kind_name(TakenKind kind)
{
    static const char *const names[] = {
        [TAKEN_RELATION] = "relation",   [TAKEN_COLUMN] = "column",
        [TAKEN_SEQUENCE] = "sequence",   [TAKEN_FUNCTION] = "function",
        [TAKEN_TYPE] = "type",           [TAKEN_LABEL] = "label",
        [TAKEN_SCHEMA] = "schema",       [TAKEN_ATTACHED] = "attached",
        [TAKEN_UNREADABLE] = "statement"};
    return names[kind];
}

const char *taken_how_name(TakenHow how)
{
    static const char *const names[] = {[TAKEN_DROPPED] = "dropped",
                                        [TAKEN_RENAMED] = "renamed",
                                        [TAKEN_CHANGED] = "changed",
                                        [TAKEN_REPLACED] = "replaced"};
    return names[how];
}

const char *taken_describe(Arena *arena, const Taken *taken)
{
    if (taken->kind == TAKEN_UNREADABLE)
        return arena_printf(arena, "may take something away: %s", taken->name);
    const char *verb = taken->how == TAKEN_DROPPED   ? "drops"
                       : taken->how == TAKEN_RENAMED ? "renames"
                                                     : "changes";
    const char *name = sql_qualified(arena, (SqlName){taken->schema, taken->name});
    if (taken->kind == TAKEN_LABEL)
        name = arena_printf(arena, "'%s' of %s", taken->part, name);
    else if (taken->part[0] != '\0')
        name = arena_printf(arena, "%s.%s", name, sql_ident(arena, taken->part));
    return arena_printf(arena, "%s %s %s%s%s", verb, taken->word, name,
                        taken->to[0] == '\0' ? "" : " to ", taken->to);
}
