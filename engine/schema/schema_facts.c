#include "schema_facts.h"

#include "schema_list.h"

#include <string.h>

static void add(SchemaMake *make, const char *sql)
{
    strlist_add(make->arena, &make->sql, sql);
}

static bool same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static const char *value_of(const SchemaObject *object, const char *key)
{
    return object == NULL ? NULL : schema_attribute(object, key);
}

/* --- grants ----------------------------------------------------------------------------------- */

/* "app with grant option: SELECT, UPDATE" */
typedef struct Grant {
    const char *grantee;
    const char *privileges;
    bool grantable;
} Grant;

static Grant parse_grant(Arena *arena, const char *line)
{
    static const char option[] = " with grant option";
    Grant grant = {.privileges = ""};
    const char *colon = NULL;
    for (const char *at = strstr(line, ": "); at != NULL; at = strstr(at + 1, ": "))
        colon = at;
    if (colon == NULL) /* "none" */
        return grant;
    char *grantee = arena_strndup(arena, line, (size_t)(colon - line));
    grant.grantable = str_ends_with(grantee, option);
    if (grant.grantable)
        grantee[strlen(grantee) - strlen(option)] = '\0';
    grant.grantee = grantee;
    grant.privileges = colon + 2;
    return grant;
}

/* What PUBLIC has where nothing was granted. */
static const char *usual_grants(const SchemaObject *object)
{
    if (schema_is_routine(object))
        return "PUBLIC: EXECUTE";
    bool usage =
        schema_is(object, "type") || schema_is(object, "domain") || schema_is(object, "language") ||
        (schema_is(object, "default privileges") && str_ends_with(object->name, " ON TYPES") &&
         strstr(object->name, " IN SCHEMA ") == NULL);
    if (usage)
        return "PUBLIC: USAGE";
    bool execute = schema_is(object, "default privileges") &&
                   str_ends_with(object->name, " ON FUNCTIONS") &&
                   strstr(object->name, " IN SCHEMA ") == NULL;
    return execute ? "PUBLIC: EXECUTE" : NULL;
}

static const char *grants_of(const SchemaObject *object)
{
    const char *grants = schema_attribute(object, "grants");
    return grants != NULL ? grants : usual_grants(object);
}

/* "TABLE public.t", "FUNCTION f(integer)". */
static const char *grant_target(Arena *arena, const SchemaObject *object)
{
    if (schema_is(object, "column"))
        return arena_printf(arena, "TABLE %s", object->parent);
    if (schema_is(object, "view") || schema_is(object, "materialized view") ||
        schema_is(object, "foreign table"))
        return arena_printf(arena, "TABLE %s", object->name);
    if (schema_is(object, "aggregate"))
        return arena_printf(arena, "FUNCTION %s", object->name);
    if (schema_is(object, "server"))
        return arena_printf(arena, "FOREIGN SERVER %s", object->name);
    return arena_printf(arena, "%s %s", schema_kind_sql(arena, object), object->name);
}

/* The place of " ON TABLES" in default privileges' name. */
static const char *last_on(const char *name)
{
    const char *found = NULL;
    for (const char *at = strstr(name, " ON "); at != NULL; at = strstr(at + 1, " ON "))
        found = at;
    return found;
}

/* `privileges` are those of a column with its name behind each. */
static void grant_or_revoke(SchemaMake *make, const SchemaObject *object, const Grant *grant,
                            bool give)
{
    Arena *arena = make->arena;
    AUTO_STR Str privileges = {0};
    StrList list = schema_list(arena, give ? grant->privileges : "ALL");
    for (size_t i = 0; i < list.count; i++) {
        str_printf(&privileges, "%s%s", i == 0 ? "" : ", ", list.items[i]);
        if (schema_is(object, "column"))
            str_printf(&privileges, " (%s)", schema_column_name(object));
    }
    const char *end = arena_printf(arena, "%s %s%s", give ? "TO" : "FROM", grant->grantee,
                                   give && grant->grantable ? " WITH GRANT OPTION" : "");
    if (schema_is(object, "default privileges")) {
        const char *on = last_on(object->name);
        add(make, arena_printf(arena, "ALTER DEFAULT PRIVILEGES %.*s %s %s%s %s",
                               (int)(on - object->name), object->name, give ? "GRANT" : "REVOKE",
                               str_text(&privileges), on, end));
        return;
    }
    add(make, arena_printf(arena, "%s %s ON %s %s", give ? "GRANT" : "REVOKE",
                           str_text(&privileges), grant_target(arena, object), end));
}

static void give(SchemaMake *make, const SchemaObject *object, const char *grants)
{
    StrList lines = schema_lines(make->arena, grants);
    for (size_t i = 0; i < lines.count; i++) {
        Grant grant = parse_grant(make->arena, lines.items[i]);
        if (grant.grantee != NULL)
            grant_or_revoke(make, object, &grant, true);
    }
}

static void take(SchemaMake *make, const SchemaObject *object, const char *grants, StrList *done)
{
    StrList lines = schema_lines(make->arena, grants);
    for (size_t i = 0; i < lines.count; i++) {
        Grant grant = parse_grant(make->arena, lines.items[i]);
        if (grant.grantee == NULL || strlist_has(done, grant.grantee))
            continue;
        strlist_add(make->arena, done, grant.grantee);
        grant_or_revoke(make, object, &grant, false);
    }
}

void schema_grants_again(SchemaMake *make, const SchemaObject *object)
{
    give(make, object, schema_attribute(object, "grants"));
}

/* What ALTER DEFAULT PRIVILEGES has words for. */
static bool is_given(const SchemaObject *object)
{
    static const char *const kinds[] = {
        "table",    "foreign table", "view",      "materialized view",
        "sequence", "function",      "procedure", "aggregate",
        "type",     "domain",        "schema",
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (schema_is(object, kinds[i]))
            return true;
    }
    return false;
}

void schema_grants_only(SchemaMake *make, const SchemaModel *given_by, const SchemaObject *object)
{
    StrList done = {0};
    if (!is_given(object))
        return;
    take(make, object, usual_grants(object), &done);
    for (size_t i = 0; i < given_by->count; i++) {
        if (schema_is(&given_by->items[i], "default privileges"))
            take(make, object, schema_attribute(&given_by->items[i], "grants"), &done);
    }
    give(make, object, grants_of(object));
}

void schema_default_privileges_drop(SchemaMake *make, const SchemaObject *object)
{
    StrList done = {0};
    take(make, object, schema_attribute(object, "grants"), &done);
    give(make, object, usual_grants(object));
}

/* --- the rest --------------------------------------------------------------------------------- */

static void label(SchemaMake *make, const SchemaObject *object, const char *line, bool set)
{
    Arena *arena = make->arena;
    const char *words = line + strlen("FOR ");
    const char *provider = schema_list_key(arena, words);
    add(make, arena_printf(arena, "SECURITY LABEL FOR %s ON %s %s IS %s", provider,
                           schema_kind_sql(arena, object), object->name,
                           set ? words + strlen(provider) + 1 : "NULL"));
}

void schema_facts_sql(SchemaMake *make, const SchemaObject *from, const SchemaObject *to,
                      bool *changed)
{
    Arena *arena = make->arena;
    const char *owner = value_of(to, "owner");
    if (owner != NULL && !same(value_of(from, "owner"), owner))
        add(make, arena_printf(arena, "ALTER %s %s OWNER TO %s", schema_kind_sql(arena, to),
                               to->name, owner));
    const char *comment = value_of(to, "comment");
    if (!same(value_of(from, "comment"), comment))
        add(make, arena_printf(arena, "COMMENT ON %s %s IS %s", schema_kind_sql(arena, to),
                               to->name, comment == NULL ? "NULL" : comment));
    const char *labels = value_of(to, "security label");
    if (!same(value_of(from, "security label"), labels)) {
        StrList before = schema_lines(arena, value_of(from, "security label"));
        StrList after = schema_lines(arena, labels);
        for (size_t i = 0; i < before.count; i++)
            label(make, to, before.items[i], false);
        for (size_t i = 0; i < after.count; i++)
            label(make, to, after.items[i], true);
    }
    const char *before = from == NULL ? usual_grants(to) : grants_of(from);
    if (same(before, grants_of(to)))
        return;
    StrList done = {0};
    take(make, to, before, &done);
    give(make, to, grants_of(to));
    if (changed != NULL)
        *changed = done.count > 0;
}

void schema_view_column_plain(SchemaMake *make, const SchemaObject *column)
{
    SchemaObject plain = *column;
    plain.attribute_count = 0;
    if (schema_attribute(column, "default") != NULL)
        add(make,
            arena_printf(make->arena, "%sDROP DEFAULT", schema_column_alter(make->arena, column)));
    schema_facts_sql(make, column, &plain, NULL);
}
