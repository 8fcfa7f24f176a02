#include "schema_not_null.h"

#include <string.h>

typedef struct NotNull {
    const char *words;    /* "yes" and the like; NULL = it may be null */
    const char *own_name; /* quoted; NULL = the server chose it, */
    const char *name;     /* and this is what it chose, if it keeps names at all */
    bool no_inherit;
    bool not_valid;
} NotNull;

static const char first_word[] = "CONSTRAINT ";

/* A name in quotes may end like any of these: they are taken off from the end. */
static bool cut_end(size_t *length, const char *words, const char *end)
{
    size_t end_length = strlen(end);
    if (*length < end_length || strncmp(words + *length - end_length, end, end_length) != 0)
        return false;
    *length -= end_length;
    return true;
}

static NotNull read_not_null(Arena *arena, const SchemaObject *object)
{
    NotNull result = {.words = schema_attribute(object, "not null"), .name = object->not_null_name};
    if (result.words == NULL)
        return result;
    size_t length = strlen(result.words);
    result.not_valid = cut_end(&length, result.words, " NOT VALID");
    result.no_inherit = cut_end(&length, result.words, " NO INHERIT");
    (void)cut_end(&length, result.words, " NOT NULL");
    if (str_starts_with(result.words, first_word)) {
        size_t start = strlen(first_word);
        result.own_name = arena_strndup(arena, result.words + start, length - start);
        result.name = result.own_name;
    }
    return result;
}

bool schema_is_not_null(const SchemaObject *object)
{
    AUTO_ARENA Arena *arena = arena_new();
    NotNull not_null = read_not_null(arena, object);
    return not_null.words != NULL && !not_null.not_valid;
}

static bool is_plain(const NotNull *not_null)
{
    return strcmp(not_null->words, "yes") == 0;
}

void schema_not_null_append(Str *out, const SchemaObject *object)
{
    AUTO_ARENA Arena *arena = arena_new();
    NotNull not_null = read_not_null(arena, object);
    if (not_null.words == NULL || not_null.not_valid)
        return;
    if (!is_plain(&not_null))
        str_printf(out, " %s", not_null.words);
    else if (schema_attribute(object, "identity") == NULL) /* which is never null */
        str_append(out, " NOT NULL");
}

/* "ALTER TABLE t " of a column, "ALTER DOMAIN d ". */
static const char *alter_of(Arena *arena, const SchemaObject *object)
{
    return schema_is(object, "domain") ? arena_printf(arena, "ALTER DOMAIN %s ", object->name)
                                       : arena_printf(arena, "ALTER TABLE %s ", object->parent);
}

static void add(SchemaMake *make, const char *before, const char *after)
{
    strlist_add(make->arena, &make->sql, arena_printf(make->arena, "%s%s", before, after));
}

/* "SET NOT NULL" or "DROP NOT NULL" */
static void set_or_drop(SchemaMake *make, const SchemaObject *object, const char *words)
{
    add(make,
        schema_is(object, "domain") ? alter_of(make->arena, object)
                                    : schema_column_alter(make->arena, object),
        words);
}

void schema_not_null_add(SchemaMake *make, const SchemaObject *object)
{
    NotNull not_null = read_not_null(make->arena, object);
    if (not_null.words == NULL)
        return;
    if (is_plain(&not_null)) {
        set_or_drop(make, object, "SET NOT NULL");
        return;
    }
    AUTO_STR Str text = {0};
    if (not_null.own_name != NULL)
        str_printf(&text, "%s%s ", first_word, not_null.own_name);
    str_append(&text, "NOT NULL");
    if (!schema_is(object, "domain"))
        str_printf(&text, " %s", schema_column_name(object));
    str_printf(&text, "%s%s", not_null.no_inherit ? " NO INHERIT" : "",
               not_null.not_valid ? " NOT VALID" : "");
    add(make, arena_printf(make->arena, "%sADD ", alter_of(make->arena, object)), str_text(&text));
}

void schema_not_null_unproven(SchemaMake *make, const SchemaObject *column)
{
    if (read_not_null(make->arena, column).not_valid)
        schema_not_null_add(make, column);
}

/* A child has it with its parent's. */
static bool has_from_above(const SchemaModel *model, const SchemaObject *column)
{
    AUTO_ARENA Arena *arena = arena_new();
    const SchemaObject *above = schema_column_above(model, column);
    if (above == NULL)
        return false;
    NotNull not_null = read_not_null(arena, above);
    return not_null.words != NULL ? !not_null.no_inherit : has_from_above(model, above);
}

static bool same_name(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

void schema_not_null_alter(SchemaMake *make, const SchemaObject *from, const SchemaObject *to)
{
    Arena *arena = make->arena;
    NotNull before = read_not_null(arena, from), after = read_not_null(arena, to);
    bool renamed = !same_name(before.own_name, after.own_name);
    bool changed =
        renamed || before.no_inherit != after.no_inherit || before.not_valid != after.not_valid;
    if (after.words == NULL) {
        if (schema_is(to, "domain") || !has_from_above(make->model, to))
            set_or_drop(make, to, "DROP NOT NULL");
        return;
    }
    if (before.words == NULL) {
        schema_not_null_add(make, to);
        return;
    }
    bool loses_proof = after.not_valid && !before.not_valid;
    if (loses_proof || (changed && (before.name == NULL || after.name == NULL))) {
        set_or_drop(make, to, "DROP NOT NULL");
        schema_not_null_add(make, to);
        return;
    }
    const char *alter = alter_of(arena, to);
    if (renamed)
        add(make, alter,
            arena_printf(arena, "RENAME CONSTRAINT %s TO %s", before.name, after.name));
    const char *name = renamed ? after.name : before.name;
    if (before.no_inherit != after.no_inherit)
        add(make, alter,
            arena_printf(arena, "ALTER CONSTRAINT %s %sINHERIT", name,
                         after.no_inherit ? "NO " : ""));
    if (before.not_valid && !after.not_valid)
        add(make, alter, arena_printf(arena, "VALIDATE CONSTRAINT %s", name));
}
