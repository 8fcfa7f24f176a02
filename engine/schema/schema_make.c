#include "schema_make.h"

#include "schema_list.h"
#include "schema_not_null.h"

#include <stdlib.h>
#include <string.h>

bool schema_is(const SchemaObject *object, const char *kind)
{
    return strcmp(object->kind, kind) == 0;
}

bool schema_is_table(const SchemaObject *object)
{
    return schema_is(object, "table") || schema_is(object, "foreign table");
}

bool schema_is_routine(const SchemaObject *object)
{
    return schema_is(object, "function") || schema_is(object, "procedure") ||
           schema_is(object, "aggregate");
}

const char *schema_kind_sql(Arena *arena, const SchemaObject *object)
{
    char *text = arena_strdup(arena, object->kind);
    for (char *at = text; *at != '\0'; at++)
        *at = (char)(*at >= 'a' && *at <= 'z' ? *at - 'a' + 'A' : *at);
    return text;
}

static void add(SchemaMake *make, const char *sql)
{
    strlist_add(make->arena, &make->sql, sql);
}

static void add_lines(SchemaMake *make, const char *lines)
{
    StrList list = schema_lines(make->arena, lines);
    for (size_t i = 0; i < list.count; i++)
        add(make, list.items[i]);
}

/* --- columns ---------------------------------------------------------------------------------- */

const char *schema_column_name(const SchemaObject *column)
{
    return column->name + strlen(column->parent) + 1;
}

const char *schema_column_alter(Arena *arena, const SchemaObject *column)
{
    return arena_printf(arena, "ALTER TABLE %s ALTER COLUMN %s ", column->parent,
                        schema_column_name(column));
}

static bool is_inherited(const SchemaObject *column)
{
    return schema_attribute(column, "inherited") != NULL;
}

const SchemaObject *schema_column_above(const SchemaModel *model, const SchemaObject *column)
{
    AUTO_ARENA Arena *arena = arena_new();
    const SchemaObject *table = schema_parent(model, column);
    if (table == NULL || !is_inherited(column))
        return NULL;
    const char *parent = schema_attribute(table, "partition of");
    StrList parents = schema_list(arena, schema_attribute(table, "inherits"));
    if (parent == NULL && parents.count > 0)
        parent = parents.items[0];
    if (parent == NULL)
        return NULL;
    const char *name = arena_printf(arena, "%s.%s", parent, schema_column_name(column));
    return schema_find(model, "column", name);
}

/* What a sequence of this type has unless it is said otherwise. */
static const char *usual_sequence(Arena *arena, const char *type)
{
    const char *max = strcmp(type, "smallint") == 0  ? "32767"
                      : strcmp(type, "integer") == 0 ? "2147483647"
                                                     : "9223372036854775807";
    return arena_printf(arena,
                        "INCREMENT BY 1 MINVALUE 1 MAXVALUE %s START WITH 1 CACHE 1 NO CYCLE", max);
}

/* "ALWAYS AS IDENTITY (INCREMENT BY 2 ...)", without what says nothing. */
static void append_identity(Str *out, const char *identity, const char *type)
{
    AUTO_ARENA Arena *arena = arena_new();
    const char *usual = arena_printf(arena, " (%s)", usual_sequence(arena, type));
    size_t length = strlen(identity), usual_length = strlen(usual);
    if (length > usual_length && strcmp(identity + length - usual_length, usual) == 0)
        length -= usual_length;
    str_printf(out, " GENERATED %.*s", (int)length, identity);
}

static void append_column(Str *out, const SchemaObject *column)
{
    str_printf(out, "%s %s", schema_column_name(column), schema_attribute(column, "type"));
    static const char *const words[][2] = {
        {"collation", "COLLATE"},
        {"default", "DEFAULT"},
        {"generated", "GENERATED ALWAYS AS"},
    };
    const char *identity = schema_attribute(column, "identity");
    const char *options = schema_attribute(column, "server options");
    if (options != NULL)
        str_printf(out, " OPTIONS (%s)", options);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const char *value = schema_attribute(column, words[i][0]);
        if (value != NULL)
            str_printf(out, " %s %s", words[i][1], value);
    }
    if (identity != NULL)
        append_identity(out, identity, schema_attribute(column, "type"));
    schema_not_null_append(out, column);
}

void schema_make_column_extras(SchemaMake *make, const SchemaObject *column)
{
    Arena *arena = make->arena;
    const char *alter = schema_column_alter(arena, column);
    const char *storage = schema_attribute(column, "storage");
    static const char *const words[][2] = {
        {"compression", "SET COMPRESSION "},
        {"statistics", "SET STATISTICS "},
    };
    if (storage != NULL)
        add(make,
            arena_printf(arena, "%sSET STORAGE %.*s", alter, (int)strcspn(storage, ","), storage));
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const char *value = schema_attribute(column, words[i][0]);
        if (value != NULL)
            add(make, arena_printf(arena, "%s%s%s", alter, words[i][1], value));
    }
    const char *options = schema_attribute(column, "options");
    if (options != NULL)
        add(make, arena_printf(arena, "%sSET (%s)", alter, options));
}

static void make_own_extras(SchemaMake *make, const SchemaObject *column)
{
    schema_make_column_extras(make, column);
    schema_not_null_unproven(make, column);
}

/* What an inherited column has beside its parent's, or a view's column at all. */
static void make_overrides(SchemaMake *make, const SchemaObject *column)
{
    const char *alter = schema_column_alter(make->arena, column);
    const char *value = schema_attribute(column, "default");
    if (value != NULL)
        add(make, arena_printf(make->arena, "%sSET DEFAULT %s", alter, value));
    schema_not_null_add(make, column);
    schema_make_column_extras(make, column);
}

static const char *make_column(SchemaMake *make, const SchemaObject *column)
{
    if (is_inherited(column) || schema_attribute(column, "type") == NULL) {
        make_overrides(make, column);
        return NULL;
    }
    AUTO_STR Str text = {0};
    str_printf(&text, "ALTER TABLE %s ADD COLUMN ", column->parent);
    append_column(&text, column);
    add(make, str_text(&text));
    make_own_extras(make, column);
    return NULL;
}

bool schema_has_rows(const SchemaObject *object)
{
    return schema_is(object, "column") && schema_attribute(object, "type") != NULL &&
           schema_attribute(object, "generated") == NULL;
}

/* --- tables ----------------------------------------------------------------------------------- */

/* The own columns of a table in their order. */
static int compare_positions(const void *a, const void *b)
{
    const SchemaObject *left = *(SchemaObject *const *)a, *right = *(SchemaObject *const *)b;
    return (left->position > right->position) - (left->position < right->position);
}

static SchemaObject **columns_of(SchemaMake *make, const SchemaObject *table, size_t *ret_count)
{
    size_t index = (size_t)(table - make->model->items);
    size_t from = make->parts->first[index], to = make->parts->first[index + 1];
    SchemaObject **columns = ARENA_ARRAY(make->arena, SchemaObject *, to - from + 1);
    size_t count = 0;
    for (size_t i = from; i < to; i++) {
        SchemaObject *part = &make->model->items[make->parts->items[i]];
        if (schema_is(part, "column"))
            columns[count++] = part;
    }
    if (count > 0)
        qsort(columns, count, sizeof(SchemaObject *), compare_positions);
    *ret_count = count;
    return columns;
}

static void append_columns(Str *out, SchemaObject *const *columns, size_t count)
{
    bool some = false;
    str_append(out, " (");
    for (size_t i = 0; i < count; i++) {
        if (is_inherited(columns[i]))
            continue;
        str_append(out, some ? ",\n    " : "\n    ");
        append_column(out, columns[i]);
        some = true;
    }
    str_append(out, some ? "\n)" : ")");
}

static void append_options(Str *out, const SchemaObject *table)
{
    const char *options = schema_attribute(table, "options");
    const char *toast = schema_attribute(table, "toast options");
    if (options != NULL || toast != NULL)
        str_printf(out, " WITH (%s%s%s)", options == NULL ? "" : options,
                   options == NULL || toast == NULL ? "" : ", ", toast == NULL ? "" : toast);
}

static void append_clause(Str *out, const SchemaObject *object, const char *key, const char *word)
{
    const char *value = schema_attribute(object, key);
    if (value != NULL)
        str_printf(out, " %s %s", word, value);
}

static void make_table_extras(SchemaMake *make, const SchemaObject *table)
{
    Arena *arena = make->arena;
    const char *security = schema_attribute(table, "row security");
    const char *identity = schema_attribute(table, "replica identity");
    if (security != NULL && strncmp(security, "enabled", 7) == 0)
        add(make, arena_printf(arena, "ALTER TABLE %s ENABLE ROW LEVEL SECURITY", table->name));
    if (security != NULL && strstr(security, "forced") != NULL)
        add(make, arena_printf(arena, "ALTER TABLE %s FORCE ROW LEVEL SECURITY", table->name));
    if (identity != NULL && strcmp(identity, "index") != 0)
        add(make, arena_printf(arena, "ALTER TABLE %s REPLICA IDENTITY %s", table->name, identity));
}

static const char *make_table(SchemaMake *make, const SchemaObject *table)
{
    if (schema_attribute(table, "of type") != NULL)
        return "tables of a composite type are not made";
    size_t count;
    SchemaObject **columns = columns_of(make, table, &count);
    bool foreign = schema_is(table, "foreign table");
    const char *whole = schema_attribute(table, "partition of");
    AUTO_STR Str text = {0};
    str_printf(&text, "CREATE %s%sTABLE %s", foreign ? "FOREIGN " : "",
               schema_attribute(table, "unlogged") != NULL ? "UNLOGGED " : "", table->name);
    if (whole != NULL) {
        str_printf(&text, " PARTITION OF %s %s", whole, schema_attribute(table, "bounds"));
    } else {
        append_columns(&text, columns, count);
        const char *inherits = schema_attribute(table, "inherits");
        if (inherits != NULL)
            str_printf(&text, " INHERITS (%s)", inherits);
    }
    append_clause(&text, table, "partition by", "PARTITION BY");
    append_clause(&text, table, "access method", "USING");
    append_options(&text, table);
    append_clause(&text, table, "tablespace", "TABLESPACE");
    append_clause(&text, table, "server", "SERVER");
    const char *options = schema_attribute(table, "server options");
    if (options != NULL)
        str_printf(&text, " OPTIONS (%s)", options);
    add(make, str_text(&text));
    for (size_t i = 0; i < count; i++) {
        if (is_inherited(columns[i]))
            make_overrides(make, columns[i]);
        else
            make_own_extras(make, columns[i]);
    }
    make_table_extras(make, table);
    return NULL;
}

/* --- the others ------------------------------------------------------------------------------- */

const char *schema_view_sql(Arena *arena, const SchemaObject *view, bool replace)
{
    AUTO_STR Str text = {0};
    bool stored = schema_is(view, "materialized view");
    str_printf(&text, "CREATE %s%s %s", replace ? "OR REPLACE " : "",
               stored ? "MATERIALIZED VIEW" : "VIEW", view->name);
    append_clause(&text, view, "access method", "USING");
    append_options(&text, view);
    append_clause(&text, view, "tablespace", "TABLESPACE");
    str_printf(&text, " AS\n%s", schema_attribute(view, "query"));
    if (stored && schema_attribute(view, "populated") != NULL)
        str_append(&text, "\nWITH NO DATA");
    return arena_strdup(arena, str_text(&text));
}

static void make_sequence(SchemaMake *make, const SchemaObject *sequence)
{
    /* "AS integer INCREMENT BY ..." */
    const char *parameters = schema_attribute(sequence, "parameters");
    const char *settings = strstr(parameters, " INCREMENT BY ");
    const char *type =
        str_starts_with(parameters, "AS ") && settings != NULL
            ? arena_strndup(make->arena, parameters + 3, (size_t)(settings - parameters) - 3)
            : "";
    bool usual = settings != NULL && strcmp(settings + 1, usual_sequence(make->arena, type)) == 0;
    if (usual)
        parameters = strcmp(type, "bigint") == 0 ? "" : arena_printf(make->arena, " AS %s", type);
    else
        parameters = arena_printf(make->arena, " %s", parameters);
    add(make, arena_printf(make->arena, "CREATE %sSEQUENCE %s%s",
                           schema_attribute(sequence, "unlogged") != NULL ? "UNLOGGED " : "",
                           sequence->name, parameters));
}

static void make_domain(SchemaMake *make, const SchemaObject *domain)
{
    AUTO_STR Str text = {0};
    str_append(&text, schema_attribute(domain, "definition"));
    append_clause(&text, domain, "default", "DEFAULT");
    schema_not_null_append(&text, domain);
    add(make, str_text(&text));
}

static const char *make_type(SchemaMake *make, const SchemaObject *type)
{
    const char *labels = schema_attribute(type, "labels");
    const char *attributes = schema_attribute(type, "attributes");
    const char *form = schema_attribute(type, "form");
    if (strcmp(form, "base") == 0)
        return "base types stand on functions in C, and are made by their extension or by hand";
    if (strcmp(form, "enum") == 0)
        add(make, arena_printf(make->arena, "CREATE TYPE %s AS ENUM (%s)", type->name,
                               labels == NULL ? "" : labels));
    else if (strcmp(form, "composite") == 0)
        add(make, arena_printf(make->arena, "CREATE TYPE %s AS (%s)", type->name,
                               attributes == NULL ? "" : attributes));
    else
        add(make, schema_attribute(type, "definition"));
    return NULL;
}

static const char *make_defined(SchemaMake *make, const SchemaObject *object)
{
    const char *definition = schema_attribute(object, "definition");
    const char *valid = schema_attribute(object, "valid");
    if (definition == NULL)
        return "what makes it is not in its description: it holds a secret, or is of a kind that "
               "pgtide does not make";
    if (valid != NULL)
        return "an index that is not valid is what a failed build leaves; none is made";
    add(make, definition);
    add_lines(make, schema_attribute(object, "after"));
    return NULL;
}

const char *schema_make(SchemaMake *make, const SchemaObject *object)
{
    if (schema_is_table(object))
        return make_table(make, object);
    if (schema_is(object, "column"))
        return make_column(make, object);
    if (schema_is(object, "type"))
        return make_type(make, object);
    if (schema_is(object, "default privileges"))
        return NULL;
    if (schema_is(object, "domain"))
        make_domain(make, object);
    else if (schema_is(object, "sequence"))
        make_sequence(make, object);
    else if (schema_is(object, "view") || schema_is(object, "materialized view"))
        add(make, schema_view_sql(make->arena, object, false));
    else if (schema_is(object, "schema"))
        add(make, arena_printf(make->arena, "CREATE SCHEMA %s", object->name));
    else if (schema_is(object, "extension"))
        add(make, arena_printf(make->arena, "CREATE EXTENSION %s SCHEMA %s VERSION '%s'",
                               object->name, schema_attribute(object, "in schema"),
                               schema_attribute(object, "version")));
    else
        return make_defined(make, object);
    return NULL;
}

/* --- dropping --------------------------------------------------------------------------------- */

size_t schema_constraint_name(const SchemaObject *constraint, bool *ret_domain)
{
    AUTO_ARENA Arena *arena = arena_new();
    const char *domain = arena_printf(arena, " ON DOMAIN %s", constraint->parent);
    *ret_domain = str_ends_with(constraint->name, domain); /* a name in quotes may have it inside */
    return strlen(constraint->name) -
           (*ret_domain ? strlen(domain) : strlen(" ON ") + strlen(constraint->parent));
}

const char *schema_drop_sql(Arena *arena, const SchemaObject *object)
{
    if (schema_is(object, "column"))
        return arena_printf(arena, "ALTER TABLE %s DROP COLUMN %s", object->parent,
                            schema_column_name(object));
    if (schema_is(object, "constraint")) {
        bool domain;
        size_t length = schema_constraint_name(object, &domain);
        return arena_printf(arena, "ALTER %s %s DROP CONSTRAINT %.*s", domain ? "DOMAIN" : "TABLE",
                            object->parent, (int)length, object->name);
    }
    return arena_printf(arena, "DROP %s %s", schema_kind_sql(arena, object), object->name);
}
