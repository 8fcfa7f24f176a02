#include "schema_differ.h"

#include "schema_make.h"

#include <ctype.h>
#include <string.h>

/* --- words in SQL ----------------------------------------------------------------------------- */

static bool is_word_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

/* The end of what begins at `at`: a literal, a name with its dots, or one character. */
static const char *token_end(const char *at, bool dotted)
{
    if (*at == '\'') {
        for (at++; *at != '\0' && *at != '\''; at++)
            ;
        return *at == '\0' ? at : at + 1;
    }
    const char *start = at;
    for (;;) {
        if (*at == '"') {
            for (at++; *at != '\0' && *at != '"'; at++)
                ;
            at += *at != '\0';
        } else {
            while (is_word_char(*at))
                at++;
        }
        bool goes_on = dotted && at > start && *at == '.' && (is_word_char(at[1]) || at[1] == '"');
        if (!goes_on)
            return at > start ? at : start + 1;
        at++;
    }
}

/* `dotted`: whole names with their dots are compared, else each part of one. */
static const char *replace_word(Arena *arena, const char *text, const char *from, const char *to,
                                bool dotted)
{
    AUTO_STR Str out = {0};
    size_t length = strlen(from);
    for (const char *at = text; *at != '\0';) {
        const char *end = token_end(at, dotted);
        bool found = (size_t)(end - at) == length && strncmp(at, from, length) == 0;
        str_append_bytes(&out, found ? to : at, found ? strlen(to) : (size_t)(end - at));
        at = end;
    }
    return arena_strdup(arena, str_text(&out));
}

/* --- columns ---------------------------------------------------------------------------------- */

/* Views keep the names of their columns, and functions their texts: both are compared as they are.
 */
static bool follows_names(const SchemaObject *object, const char *key)
{
    static const char *const keys[] = {"definition", "after",        "default",  "generated",
                                       "owned by",   "partition of", "inherits", "partition by"};
    if (schema_is_routine(object))
        return false;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (strcmp(keys[i], key) == 0)
            return true;
    }
    return false;
}

static void replace_in(Arena *arena, SchemaObject *object, const char *from, const char *to,
                       bool dotted)
{
    for (size_t i = 0; i < object->attribute_count; i++) {
        SchemaAttribute *attribute = &object->attributes[i];
        if (follows_names(object, attribute->key))
            attribute->value = replace_word(arena, attribute->value, from, to, dotted);
    }
}

/* "... REFERENCES public.users(id, name) ...": the columns in it. */
static void replace_referenced(Arena *arena, SchemaObject *object, const char *table,
                               const char *from, const char *to)
{
    const char *mark = arena_printf(arena, " REFERENCES %s(", table);
    for (size_t i = 0; i < object->attribute_count; i++) {
        SchemaAttribute *attribute = &object->attributes[i];
        const char *at = strstr(attribute->value, mark);
        if (at == NULL || strcmp(attribute->key, "definition") != 0)
            continue;
        const char *columns = at + strlen(mark);
        size_t length = strcspn(columns, ")");
        attribute->value = arena_printf(
            arena, "%.*s%s%s", (int)(columns - attribute->value), attribute->value,
            replace_word(arena, arena_strndup(arena, columns, length), from, to, false),
            columns + length);
    }
}

static ErrCode rename_column(Arena *arena, SchemaModel *model, const SchemaRename *rename,
                             Error *err)
{
    SchemaObject *column = schema_find(model, "column", rename->from);
    if (column == NULL || schema_attribute(column, "type") == NULL)
        return err_set(err, ERR_NOT_FOUND, "--rename: no column %.200s", rename->from);
    const char *name = arena_printf(arena, "%s.%s", column->parent, rename->to);
    if (schema_find(model, "column", name) != NULL)
        return err_set(err, ERR_EXISTS, "--rename: there is a column %.200s already", name);
    const char *before = schema_column_name(column), *table = column->parent;
    for (size_t i = 0; i < model->count; i++) {
        SchemaObject *object = &model->items[i];
        bool part = object->parent != NULL && strcmp(object->parent, table) == 0;
        if (part)
            replace_in(arena, object, before, rename->to, false);
        else if (schema_is(object, "sequence"))
            replace_in(arena, object, rename->from, name, true);
        if (schema_is(object, "constraint"))
            replace_referenced(arena, object, table, before, rename->to);
        if (object == schema_find(model, "table", table))
            replace_in(arena, object, before, rename->to, false);
    }
    column->name = name;
    return ERR_OK;
}

/* --- tables ----------------------------------------------------------------------------------- */

/* "public." of "public.users". */
static const char *schema_prefix(Arena *arena, const char *name)
{
    const char *end = name;
    for (const char *at = name; *at != '\0';) {
        const char *next = token_end(at, false);
        end = *at == '.' ? next : end;
        at = next;
    }
    return arena_strndup(arena, name, (size_t)(end - name));
}

static ErrCode rename_table(Arena *arena, SchemaModel *model, const SchemaRename *rename,
                            Error *err)
{
    SchemaObject *table = schema_find(model, "table", rename->from);
    if (table == NULL)
        return err_set(err, ERR_NOT_FOUND, "--rename: no table %.200s", rename->from);
    const char *name = arena_printf(arena, "%s%s", schema_prefix(arena, rename->from), rename->to);
    if (schema_find(model, "table", name) != NULL)
        return err_set(err, ERR_EXISTS, "--rename: there is a table %.200s already", name);
    size_t length = strlen(rename->from);
    for (size_t i = 0; i < model->count; i++) {
        SchemaObject *object = &model->items[i];
        replace_in(arena, object, rename->from, name, true);
        for (size_t j = 0; schema_is(object, "sequence") && j < object->attribute_count; j++) {
            SchemaAttribute *attribute = &object->attributes[j];
            if (strcmp(attribute->key, "owned by") == 0 &&
                strncmp(attribute->value, rename->from, length) == 0 &&
                attribute->value[length] == '.')
                attribute->value = arena_printf(arena, "%s%s", name, attribute->value + length);
        }
        if (object->parent == NULL || strcmp(object->parent, rename->from) != 0)
            continue;
        object->parent = name;
        if (schema_is(object, "column"))
            object->name = arena_printf(arena, "%s%s", name, object->name + length);
        else if (str_ends_with(object->name, rename->from) && !schema_is(object, "index"))
            object->name = arena_printf(arena, "%.*s%s", (int)(strlen(object->name) - length),
                                        object->name, name);
    }
    table->name = name;
    return ERR_OK;
}

/* What something is called when all renames from the `index`th on are done. */
static const char *final_name(Arena *arena, const SchemaRename *renames, size_t count, size_t index)
{
    const SchemaRename *rename = &renames[index];
    const char *name = arena_printf(arena, "%s%s", schema_prefix(arena, rename->from), rename->to);
    for (size_t i = index + 1; i < count; i++) {
        size_t length = strlen(renames[i].from);
        bool of_table = strcmp(rename->kind, "column") == 0 &&
                        strcmp(renames[i].kind, "table") == 0 &&
                        strncmp(name, renames[i].from, length) == 0 && name[length] == '.';
        if (of_table)
            name = arena_printf(arena, "%s%s%s", schema_prefix(arena, renames[i].from),
                                renames[i].to, name + length);
    }
    return name;
}

/* A slip of the pen would rename something only to drop it. */
static ErrCode check_names(Arena *arena, const SchemaModel *to, const SchemaRename *renames,
                           size_t count, Error *err)
{
    for (size_t i = 0; i < count; i++) {
        const char *name = final_name(arena, renames, count, i);
        if (schema_find(to, renames[i].kind, name) == NULL)
            return err_set(err, ERR_NOT_FOUND, "--rename: no %s %.200s in the second schema",
                           renames[i].kind, name);
    }
    return ERR_OK;
}

ErrCode schema_rename(Arena *arena, const SchemaModel *model, const SchemaModel *to,
                      const SchemaRename *renames, size_t count, SchemaModel *ret_model, Error *err)
{
    SchemaModel copy = *model;
    copy.items = arena_memdup(arena, model->items, model->count * sizeof(SchemaObject));
    for (size_t i = 0; i < copy.count; i++) {
        SchemaObject *object = &copy.items[i];
        object->attributes = arena_memdup(arena, object->attributes,
                                          object->attribute_count * sizeof(SchemaAttribute));
        object->needs = arena_memdup(arena, object->needs, object->need_count * sizeof(SchemaNeed));
    }
    ErrCode code = ERR_OK;
    for (size_t i = 0; i < count && code == ERR_OK; i++) {
        code = strcmp(renames[i].kind, "column") == 0
                   ? rename_column(arena, &copy, &renames[i], err)
                   : rename_table(arena, &copy, &renames[i], err);
        if (code == ERR_OK)
            schema_model_finish(arena, &copy);
    }
    if (code == ERR_OK)
        code = check_names(arena, to, renames, count, err);
    if (code == ERR_OK)
        *ret_model = copy;
    return code;
}
