#include "schema_alter.h"

#include "schema_cast.h"
#include "schema_list.h"
#include "schema_not_null.h"

#include <string.h>

static void add(SchemaMake *make, const char *sql)
{
    strlist_add(make->arena, &make->sql, sql);
}

static bool same(const SchemaObject *from, const SchemaObject *to, const char *key)
{
    const char *a = schema_attribute(from, key), *b = schema_attribute(to, key);
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static const char *or_empty(const char *text)
{
    return text == NULL ? "" : text;
}

static SchemaAltered cannot(const char *reason)
{
    return (SchemaAltered){.how = SCHEMA_ALTER_CANNOT, .reason = reason};
}

/* --- options ---------------------------------------------------------------------------------- */

/* "ALTER ... SET (...)" and RESET from one list "a=1, b=2" to another. */
static void alter_options(SchemaMake *make, const char *alter, const char *before,
                          const char *after)
{
    Arena *arena = make->arena;
    StrList old = schema_list(arena, before), new = schema_list(arena, after), gone = {0};
    for (size_t i = 0; i < old.count; i++) {
        const char *key = schema_list_key(arena, old.items[i]);
        if (schema_list_find(arena, &new, key) == NULL)
            strlist_add(arena, &gone, key);
    }
    if (gone.count > 0)
        add(make, arena_printf(arena, "%sRESET (%s)", alter, strlist_join(arena, &gone, ", ")));
    if (new.count > 0)
        add(make, arena_printf(arena, "%sSET (%s)", alter, after));
}

/* "ALTER ... OPTIONS (DROP a, ADD b 'x')" from one list "a 'x', b 'y'" to another. */
static void alter_server_options(SchemaMake *make, const char *alter, const char *before,
                                 const char *after)
{
    Arena *arena = make->arena;
    StrList old = schema_list(arena, before), new = schema_list(arena, after), words = {0};
    for (size_t i = 0; i < old.count; i++) {
        const char *key = schema_list_key(arena, old.items[i]);
        strlist_add(arena, &words, arena_printf(arena, "DROP %s", key));
    }
    for (size_t i = 0; i < new.count; i++) {
        const char *key = schema_list_key(arena, new.items[i]);
        bool there = schema_list_find(arena, &old, key) != NULL;
        if (there) {
            const char *drop = arena_printf(arena, "DROP %s", key);
            for (size_t j = 0; j < words.count; j++) {
                if (strcmp(words.items[j], drop) == 0)
                    words.items[j] = arena_printf(arena, "SET %s", new.items[i]);
            }
        } else {
            strlist_add(arena, &words, arena_printf(arena, "ADD %s", new.items[i]));
        }
    }
    add(make, arena_printf(arena, "%sOPTIONS (%s)", alter, strlist_join(arena, &words, ", ")));
}

/* --- columns ---------------------------------------------------------------------------------- */

/* "ALWAYS AS IDENTITY (INCREMENT BY 1 ...)" as "SET GENERATED ALWAYS SET INCREMENT BY 1 ...". */
static const char *identity_settings(Arena *arena, const char *identity)
{
    AUTO_STR Str text = {0};
    const char *open = strchr(identity, '(');
    str_printf(&text, "SET GENERATED %s",
               str_starts_with(identity, "ALWAYS") ? "ALWAYS" : "BY DEFAULT");
    static const char *const first[] = {"INCREMENT", "MINVALUE", "MAXVALUE", "START",
                                        "CACHE",     "NO",       "CYCLE"};
    const char *at = open == NULL ? "" : open + 1;
    const char *word_before = "";
    while (*at != '\0' && *at != ')') {
        size_t length = strcspn(at, " )");
        const char *word = arena_strndup(arena, at, length);
        for (size_t i = 0; i < sizeof first / sizeof first[0]; i++) {
            if (strcmp(word, first[i]) == 0 && strcmp(word_before, "NO") != 0)
                str_append(&text, " SET");
        }
        str_printf(&text, " %s", word);
        word_before = word;
        at += length + (at[length] == ' ');
    }
    return arena_strdup(arena, str_text(&text));
}

/* The number behind a word of "ALWAYS AS IDENTITY (INCREMENT BY 1 ...)". */
static const char *identity_number(Arena *arena, const char *identity, const char *word)
{
    const char *at = strstr(identity, word);
    at = at == NULL ? "1" : at + strlen(word);
    return arena_strndup(arena, at, strcspn(at, " )"));
}

/* "it's" as a literal, whatever the server takes backslashes for. */
static const char *literal(Arena *arena, const char *text)
{
    AUTO_STR Str out = {0};
    str_append(&out, strchr(text, '\\') == NULL ? "'" : "E'");
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '\'' || *at == '\\')
            str_append_char(&out, *at);
        str_append_char(&out, *at);
    }
    str_append_char(&out, '\'');
    return arena_strdup(arena, str_text(&out));
}

/* The name itself of an identifier in SQL: a for "a". */
static const char *unquoted(Arena *arena, const char *identifier)
{
    AUTO_STR Str out = {0};
    if (*identifier != '"')
        return identifier;
    for (const char *at = identifier + 1; at[0] != '\0' && at[1] != '\0'; at++) {
        str_append_char(&out, *at);
        at += at[0] == '"';
    }
    return arena_strdup(arena, str_text(&out));
}

/* A new counter would give what rows already have. Rows before its start are not in its way; where
 * there are none behind it, setval() is given NULL, and does nothing. */
static void carry_counter_on(SchemaMake *make, const SchemaObject *column, const char *identity)
{
    Arena *arena = make->arena;
    const char *name = schema_column_name(column);
    bool down = *identity_number(arena, identity, "INCREMENT BY ") == '-';
    const char *start = identity_number(arena, identity, "START WITH ");
    const char *end = identity_number(arena, identity, down ? "MINVALUE " : "MAXVALUE ");
    add(make, arena_printf(arena,
                           "SELECT pg_catalog.setval(pg_catalog.pg_get_serial_sequence(%s, %s), "
                           "(SELECT pg_catalog.%s(%s) FROM %s WHERE %s BETWEEN %s AND %s))",
                           literal(arena, column->parent), literal(arena, unquoted(arena, name)),
                           down ? "min" : "max", name, column->parent, name, down ? end : start,
                           down ? start : end));
}

static void alter_identity(SchemaMake *make, const SchemaObject *from, const SchemaObject *to)
{
    Arena *arena = make->arena;
    const char *alter = schema_column_alter(arena, to);
    const char *identity = schema_attribute(to, "identity");
    if (schema_attribute(from, "identity") != NULL) {
        add(make, arena_printf(arena, "%s%s", alter, identity_settings(arena, identity)));
        return;
    }
    add(make, arena_printf(arena, "%sADD GENERATED %s", alter, identity));
    carry_counter_on(make, to, identity);
}

static void alter_storage(SchemaMake *make, const char *alter, const char *before,
                          const char *after)
{
    static const char usual[] = ", type has ";
    const char *mode = after != NULL ? after : strstr(before, usual) + strlen(usual);
    add(make,
        arena_printf(make->arena, "%sSET STORAGE %.*s", alter, (int)strcspn(mode, ","), mode));
}

/* A new type brings its own storage, and leaves the rest. */
static void alter_column_extras(SchemaMake *make, const SchemaObject *from, const SchemaObject *to,
                                bool retyped)
{
    Arena *arena = make->arena;
    const char *alter = schema_column_alter(arena, to);
    const char *storage_was = retyped ? NULL : schema_attribute(from, "storage");
    const char *storage_is = schema_attribute(to, "storage");
    if (storage_is != NULL ? retyped || !same(from, to, "storage") : storage_was != NULL)
        alter_storage(make, alter, storage_was, storage_is);
    const char *compression = schema_attribute(to, "compression");
    if (!same(from, to, "compression"))
        add(make, arena_printf(arena, "%sSET COMPRESSION %s", alter,
                               compression == NULL ? "default" : compression));
    const char *statistics = schema_attribute(to, "statistics");
    if (!same(from, to, "statistics"))
        add(make, arena_printf(arena, "%sSET STATISTICS %s", alter,
                               statistics == NULL ? "-1" : statistics));
    if (!same(from, to, "options"))
        alter_options(make, alter, schema_attribute(from, "options"),
                      schema_attribute(to, "options"));
    if (!same(from, to, "server options"))
        alter_server_options(make,
                             arena_printf(arena, "ALTER FOREIGN TABLE %s ALTER COLUMN %s ",
                                          to->parent, schema_column_name(to)),
                             schema_attribute(from, "server options"),
                             schema_attribute(to, "server options"));
}

/* The type, with a way to read the values there are where an assignment has none; whether it loses
 * none of them. The storage goes back to the type's. */
static bool alter_type(SchemaMake *make, const SchemaObject *from, const SchemaObject *to)
{
    Arena *arena = make->arena;
    const char *type = schema_attribute(to, "type");
    const char *collation = schema_attribute(to, "collation");
    SchemaCast cast = schema_cast(or_empty(schema_attribute(from, "type")), type);
    const char *reads =
        cast.assigns ? "" : arena_printf(arena, " USING %s::%s", schema_column_name(to), type);
    add(make, arena_printf(arena, "%sTYPE %s%s%s%s", schema_column_alter(arena, to), type,
                           collation == NULL ? "" : " COLLATE ", or_empty(collation), reads));
    return cast.keeps;
}

/* An inherited column without one of its own has its parent's. */
static const char *default_of(const SchemaModel *model, const SchemaObject *column)
{
    const char *value = schema_attribute(column, "default");
    const SchemaObject *above = value != NULL ? NULL : schema_column_above(model, column);
    return above == NULL ? value : default_of(model, above);
}

/* "RANGE (a, lower(b))" has a. */
static bool is_partition_key(const SchemaModel *model, const SchemaObject *column)
{
    AUTO_ARENA Arena *arena = arena_new();
    const SchemaObject *table = schema_parent(model, column);
    const char *key = table == NULL ? NULL : schema_attribute(table, "partition by");
    const char *open = key == NULL ? NULL : strchr(key, '(');
    if (open == NULL)
        return false;
    StrList list = schema_list(arena, arena_strndup(arena, open + 1, strlen(open) - 2));
    return schema_list_find(arena, &list, schema_column_name(column)) != NULL;
}

static SchemaAltered alter_column(SchemaMake *make, const SchemaObject *from,
                                  const SchemaObject *to)
{
    Arena *arena = make->arena;
    const char *alter = schema_column_alter(arena, to);
    if (!same(from, to, "inherited"))
        return cannot("columns do not change between inherited and own");
    bool retyped = !same(from, to, "type") || !same(from, to, "collation");
    if (retyped && is_partition_key(make->model, to))
        return cannot("its table is partitioned by it");
    const char *generated = schema_attribute(from, "generated");
    const char *generates = schema_attribute(to, "generated");
    if (generates != NULL && (retyped || !same(from, to, "generated")))
        return (SchemaAltered){.how = SCHEMA_ALTER_ANEW, .destructive = generated == NULL};
    if (generates == NULL && generated != NULL && str_ends_with(generated, " VIRTUAL"))
        return (SchemaAltered){.how = SCHEMA_ALTER_ANEW, .destructive = true}; /* none is stored */
    size_t before = make->sql.count;
    if (generated != NULL && generates == NULL)
        add(make, arena_printf(arena, "%sDROP EXPRESSION", alter));
    const char *default_was = schema_attribute(from, "default");
    const char *default_is = default_of(make->model, to);
    const char *identity_was = schema_attribute(from, "identity");
    const char *identity_is = schema_attribute(to, "identity");
    bool loses_identity = identity_was != NULL && identity_is == NULL; /* said before: let_go() */
    bool drop_default =
        default_was != NULL && strcmp(default_was, "NULL") != 0 && (retyped || default_is == NULL);
    if (drop_default)
        add(make, arena_printf(arena, "%sDROP DEFAULT", alter));
    bool keeps = !retyped || alter_type(make, from, to);
    if (default_is != NULL && (retyped || !same(from, to, "default")))
        add(make, arena_printf(arena, "%sSET DEFAULT %s", alter, default_is));
    if (!same(from, to, "not null"))
        schema_not_null_alter(make, from, to);
    if (identity_is != NULL && !same(from, to, "identity"))
        alter_identity(make, from, to);
    alter_column_extras(make, from, to, retyped);
    return (SchemaAltered){
        .how = make->sql.count > before || loses_identity ? SCHEMA_ALTER_PLACE : SCHEMA_ALTER_SAME,
        .retyped = retyped,
        .destructive = !keeps,
    };
}

/* --- tables ----------------------------------------------------------------------------------- */

static void alter_security(SchemaMake *make, const SchemaObject *from, const SchemaObject *to)
{
    static const char *const words[][2] = {{"enabled", "ROW LEVEL SECURITY"},
                                           {"forced", "FORCE ROW LEVEL SECURITY"}};
    const char *before = or_empty(schema_attribute(from, "row security"));
    const char *after = or_empty(schema_attribute(to, "row security"));
    for (size_t i = 0; i < 2; i++) {
        bool was = strstr(before, words[i][0]) != NULL, is = strstr(after, words[i][0]) != NULL;
        const char *verb = i == 0 ? (is ? "ENABLE " : "DISABLE ") : (is ? "" : "NO ");
        if (was != is)
            add(make,
                arena_printf(make->arena, "ALTER TABLE %s %s%s", to->name, verb, words[i][1]));
    }
}

static void alter_bounds(SchemaMake *make, const SchemaObject *from, const SchemaObject *to)
{
    const char *whole = schema_attribute(to, "partition of");
    add(make, arena_printf(make->arena, "ALTER TABLE %s DETACH PARTITION %s",
                           schema_attribute(from, "partition of"), to->name));
    add(make, arena_printf(make->arena, "ALTER TABLE %s ATTACH PARTITION %s %s", whole, to->name,
                           schema_attribute(to, "bounds")));
}

static SchemaAltered alter_table(SchemaMake *make, const SchemaObject *from, const SchemaObject *to)
{
    static const char *const fixed[] = {"partition by", "partition of", "inherits", "of type",
                                        "server"};
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        if (!same(from, to, fixed[i]))
            return cannot(arena_printf(make->arena,
                                       "\"%s\" differs: tables are not moved between parents, "
                                       "partitionings and servers",
                                       fixed[i]));
    }
    Arena *arena = make->arena;
    size_t before = make->sql.count;
    const char *alter = arena_printf(arena, "ALTER TABLE %s ", to->name);
    if (!same(from, to, "unlogged"))
        add(make, arena_printf(arena, "%sSET %s", alter,
                               schema_attribute(to, "unlogged") != NULL ? "UNLOGGED" : "LOGGED"));
    if (!same(from, to, "access method"))
        add(make, arena_printf(arena, "%sSET ACCESS METHOD %s", alter,
                               schema_attribute(to, "access method") == NULL
                                   ? "heap"
                                   : schema_attribute(to, "access method")));
    if (!same(from, to, "tablespace"))
        add(make, arena_printf(arena, "%sSET TABLESPACE %s", alter,
                               schema_attribute(to, "tablespace") == NULL
                                   ? "pg_default"
                                   : schema_attribute(to, "tablespace")));
    static const char *const options[] = {"options", "toast options"};
    for (size_t i = 0; i < 2; i++) {
        if (!same(from, to, options[i]))
            alter_options(make, alter, schema_attribute(from, options[i]),
                          schema_attribute(to, options[i]));
    }
    if (!same(from, to, "server options"))
        alter_server_options(make, arena_printf(arena, "ALTER FOREIGN TABLE %s ", to->name),
                             schema_attribute(from, "server options"),
                             schema_attribute(to, "server options"));
    if (!same(from, to, "row security"))
        alter_security(make, from, to);
    const char *identity = schema_attribute(to, "replica identity");
    if (!same(from, to, "replica identity") &&
        (identity == NULL || strcmp(identity, "index") != 0)) /* the index says it */
        add(make, arena_printf(arena, "%sREPLICA IDENTITY %s", alter,
                               identity == NULL ? "DEFAULT" : identity));
    if (!same(from, to, "bounds"))
        alter_bounds(make, from, to);
    bool changed = make->sql.count > before || !same(from, to, "replica identity");
    return (SchemaAltered){.how = changed ? SCHEMA_ALTER_PLACE : SCHEMA_ALTER_SAME};
}

/* --- types ------------------------------------------------------------------------------------ */

/* Labels are added before or behind those that are there; none is taken away. */
static SchemaAltered alter_enum(SchemaMake *make, const SchemaObject *from, const SchemaObject *to)
{
    Arena *arena = make->arena;
    StrList old = schema_list(arena, schema_attribute(from, "labels"));
    StrList new = schema_list(arena, schema_attribute(to, "labels"));
    size_t next = 0;
    for (size_t i = 0; i < new.count; i++)
        next += next < old.count && strcmp(old.items[next], new.items[i]) == 0;
    if (next < old.count)
        return cannot(
            "labels of an enum can't be taken away or change places: make a new type, and "
            "move the columns to it");
    if (old.count == new.count)
        return (SchemaAltered){.how = SCHEMA_ALTER_SAME};
    for (size_t i = 0; i < new.count; i++) {
        if (strlist_has(&old, new.items[i]))
            continue;
        const char *place = i > 0           ? arena_printf(arena, " AFTER %s", new.items[i - 1])
                            : old.count > 0 ? arena_printf(arena, " BEFORE %s", old.items[0])
                                            : "";
        add(make,
            arena_printf(arena, "ALTER TYPE %s ADD VALUE %s%s", to->name, new.items[i], place));
    }
    return (SchemaAltered){.how = SCHEMA_ALTER_PLACE, .alone = true};
}

static SchemaAltered alter_composite(SchemaMake *make, const SchemaObject *from,
                                     const SchemaObject *to)
{
    Arena *arena = make->arena;
    StrList old = schema_list(arena, schema_attribute(from, "attributes"));
    StrList new = schema_list(arena, schema_attribute(to, "attributes"));
    StrList reached = {0};
    bool retyped = false, loses = false;
    size_t before = make->sql.count;
    for (size_t i = 0; i < old.count; i++) {
        const char *key = schema_list_key(arena, old.items[i]);
        const char *kept = schema_list_find(arena, &new, key);
        if (kept == NULL) {
            add(make, arena_printf(arena, "ALTER TYPE %s DROP ATTRIBUTE %s", to->name, key));
            loses = true;
            continue;
        }
        strlist_add(arena, &reached, kept);
        retyped = retyped || strcmp(kept, old.items[i]) != 0;
        if (strcmp(kept, old.items[i]) != 0)
            add(make, arena_printf(arena, "ALTER TYPE %s ALTER ATTRIBUTE %s TYPE %s", to->name, key,
                                   kept + strlen(key) + 1));
    }
    for (size_t i = 0; i < new.count; i++) {
        if (strlist_has(&reached, new.items[i]))
            continue;
        strlist_add(arena, &reached, new.items[i]);
        add(make, arena_printf(arena, "ALTER TYPE %s ADD ATTRIBUTE %s", to->name, new.items[i]));
    }
    if (!strlist_equal(&reached, &new))
        return cannot("attributes of a composite type are only added at its end");
    bool changed = make->sql.count > before;
    return (SchemaAltered){.how = changed ? SCHEMA_ALTER_PLACE : SCHEMA_ALTER_SAME,
                           .retyped = retyped,
                           .destructive = loses};
}

static SchemaAltered alter_a_type(SchemaMake *make, const SchemaObject *from,
                                  const SchemaObject *to)
{
    if (!same(from, to, "form") || !same(from, to, "definition"))
        return (SchemaAltered){.how = SCHEMA_ALTER_ANEW};
    const char *form = schema_attribute(to, "form");
    if (strcmp(form, "enum") == 0)
        return alter_enum(make, from, to);
    if (strcmp(form, "composite") == 0)
        return alter_composite(make, from, to);
    return (SchemaAltered){.how = SCHEMA_ALTER_SAME};
}

static SchemaAltered alter_domain(SchemaMake *make, const SchemaObject *from,
                                  const SchemaObject *to)
{
    Arena *arena = make->arena;
    size_t before = make->sql.count;
    if (!same(from, to, "definition"))
        return (SchemaAltered){.how = SCHEMA_ALTER_ANEW};
    const char *value = schema_attribute(to, "default");
    if (!same(from, to, "default"))
        add(make, value == NULL
                      ? arena_printf(arena, "ALTER DOMAIN %s DROP DEFAULT", to->name)
                      : arena_printf(arena, "ALTER DOMAIN %s SET DEFAULT %s", to->name, value));
    if (!same(from, to, "not null"))
        schema_not_null_alter(make, from, to);
    bool changed = make->sql.count > before;
    return (SchemaAltered){.how = changed ? SCHEMA_ALTER_PLACE : SCHEMA_ALTER_SAME};
}

/* --- the others ------------------------------------------------------------------------------- */

/* The columns that were there stay at the front: CREATE OR REPLACE takes it. */
static bool may_replace_view(const SchemaObject *from, const SchemaObject *to)
{
    const char *before = or_empty(schema_attribute(from, "columns"));
    const char *after = or_empty(schema_attribute(to, "columns"));
    size_t length = strlen(before);
    return strncmp(before, after, length) == 0 && (after[length] == '\0' || after[length] == ',');
}

static SchemaAltered alter_view(SchemaMake *make, const SchemaObject *from, const SchemaObject *to)
{
    if (same(from, to, "query") && same(from, to, "options") && same(from, to, "columns"))
        return (SchemaAltered){.how = SCHEMA_ALTER_SAME};
    if (!may_replace_view(from, to))
        return (SchemaAltered){.how = SCHEMA_ALTER_ANEW};
    add(make, schema_view_sql(make->arena, to, true));
    return (SchemaAltered){.how = SCHEMA_ALTER_PLACE};
}

static SchemaAltered alter_stored_view(SchemaMake *make, const SchemaObject *from,
                                       const SchemaObject *to)
{
    static const char *const fixed[] = {"query", "columns", "access method", "tablespace"};
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        if (!same(from, to, fixed[i]))
            return (SchemaAltered){.how = SCHEMA_ALTER_ANEW};
    }
    Arena *arena = make->arena;
    size_t before = make->sql.count;
    if (!same(from, to, "options"))
        alter_options(make, arena_printf(arena, "ALTER MATERIALIZED VIEW %s ", to->name),
                      schema_attribute(from, "options"), schema_attribute(to, "options"));
    if (!same(from, to, "populated"))
        add(make, arena_printf(arena, "REFRESH MATERIALIZED VIEW %s%s", to->name,
                               schema_attribute(to, "populated") != NULL ? " WITH NO DATA" : ""));
    bool changed = make->sql.count > before;
    return (SchemaAltered){.how = changed ? SCHEMA_ALTER_PLACE : SCHEMA_ALTER_SAME};
}

static SchemaAltered alter_sequence(SchemaMake *make, const SchemaObject *from,
                                    const SchemaObject *to)
{
    size_t before = make->sql.count;
    if (!same(from, to, "parameters"))
        add(make, arena_printf(make->arena, "ALTER SEQUENCE %s %s", to->name,
                               schema_attribute(to, "parameters")));
    if (!same(from, to, "unlogged"))
        add(make, arena_printf(make->arena, "ALTER SEQUENCE %s SET %s", to->name,
                               schema_attribute(to, "unlogged") != NULL ? "UNLOGGED" : "LOGGED"));
    bool changed = make->sql.count > before; /* its owner column comes last, apart */
    return (SchemaAltered){.how = changed ? SCHEMA_ALTER_PLACE : SCHEMA_ALTER_SAME};
}

static SchemaAltered alter_extension(SchemaMake *make, const SchemaObject *from,
                                     const SchemaObject *to)
{
    size_t before = make->sql.count;
    if (!same(from, to, "version"))
        add(make, arena_printf(make->arena, "ALTER EXTENSION %s UPDATE TO '%s'", to->name,
                               schema_attribute(to, "version")));
    if (!same(from, to, "in schema"))
        add(make, arena_printf(make->arena, "ALTER EXTENSION %s SET SCHEMA %s", to->name,
                               schema_attribute(to, "in schema")));
    bool changed = make->sql.count > before;
    return (SchemaAltered){.how = changed ? SCHEMA_ALTER_PLACE : SCHEMA_ALTER_SAME};
}

static bool is_with(const char *longer, const char *shorter, const char *end)
{
    size_t length = strlen(shorter);
    return strncmp(longer, shorter, length) == 0 && strcmp(longer + length, end) == 0;
}

/* What of a constraint changes in its place; false = nothing else than another one does. */
static bool alter_constraint(SchemaMake *make, const SchemaObject *from, const SchemaObject *to)
{
    const char *before = or_empty(schema_attribute(from, "definition"));
    const char *after = or_empty(schema_attribute(to, "definition"));
    static const char not_enforced[] = " NOT ENFORCED";
    bool key = strcmp(or_empty(schema_attribute(to, "type")), "foreign key") == 0;
    const char *verb = NULL, *end = "";
    if (is_with(before, after, " NOT VALID")) {
        verb = "VALIDATE";
    } else if (key &&
               (is_with(before, after, not_enforced) || is_with(after, before, not_enforced))) {
        verb = "ALTER";
        end = is_with(before, after, not_enforced) ? " ENFORCED" : not_enforced;
    }
    if (verb == NULL)
        return false;
    bool domain;
    size_t name = schema_constraint_name(to, &domain);
    add(make,
        arena_printf(make->arena, "ALTER %s %s %s CONSTRAINT %.*s%s", domain ? "DOMAIN" : "TABLE",
                     to->parent, verb, (int)name, to->name, end));
    return true;
}

/* What is one statement, and more behind it. */
static SchemaAltered alter_defined(SchemaMake *make, const SchemaObject *from,
                                   const SchemaObject *to)
{
    if (same(from, to, "definition") && same(from, to, "after") && same(from, to, "valid"))
        return (SchemaAltered){.how = SCHEMA_ALTER_SAME};
    if ((schema_is(to, "function") || schema_is(to, "procedure")) && same(from, to, "arguments") &&
        same(from, to, "result")) {
        add(make, or_empty(schema_attribute(to, "definition")));
        return (SchemaAltered){.how = SCHEMA_ALTER_PLACE};
    }
    if (schema_is(to, "constraint") && alter_constraint(make, from, to))
        return (SchemaAltered){.how = SCHEMA_ALTER_PLACE};
    return (SchemaAltered){.how = SCHEMA_ALTER_ANEW};
}

SchemaAltered schema_alter(SchemaMake *make, const SchemaObject *from, const SchemaObject *to)
{
    static const struct {
        const char *kind;
        SchemaAltered (*alter)(SchemaMake *make, const SchemaObject *from, const SchemaObject *to);
    } kinds[] = {
        {"table", alter_table},
        {"foreign table", alter_table},
        {"column", alter_column},
        {"type", alter_a_type},
        {"domain", alter_domain},
        {"view", alter_view},
        {"materialized view", alter_stored_view},
        {"sequence", alter_sequence},
        {"extension", alter_extension},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (schema_is(to, kinds[i].kind))
            return kinds[i].alter(make, from, to);
    }
    return alter_defined(make, from, to);
}
