#include "schema_json.h"

#include "named_limits.h"
#include "schema_canon.h"

#include <jansson.h>
#include <string.h>

static const char format_name[] = "pgtide-schema-1";

/* --- writing ---------------------------------------------------------------------------------- */

static void write_needs(JsonWriter *json, const SchemaModel *model, const SchemaObject *object,
                        bool by_default)
{
    AUTO_ARENA Arena *arena = arena_new();
    json_field_array(json, by_default ? "default_needs" : "needs");
    for (size_t i = 0; i < object->need_count; i++) {
        const SchemaObject *needed = &model->items[object->needs[i].object];
        if (object->needs[i].by_default != by_default)
            continue;
        json_array_begin(json);
        json_text(json, needed->kind);
        json_text(json, needed->name);
        json_array_end(json);
    }
    json_array_end(json);
}

static void write_object(JsonWriter *json, const SchemaModel *model, const SchemaObject *object)
{
    json_object_begin(json);
    json_field_string(json, "kind", object->kind);
    json_field_string(json, "name", object->name);
    if (object->parent != NULL)
        json_field_string(json, "parent", object->parent);
    if (object->position != 0)
        json_field_uint(json, "position", object->position);
    if (object->not_null_name != NULL)
        json_field_string(json, "not_null_name", object->not_null_name);
    json_field_object(json, "attributes");
    for (size_t i = 0; i < object->attribute_count; i++)
        json_field_string(json, object->attributes[i].key, object->attributes[i].value);
    json_object_end(json);
    write_needs(json, model, object, false);
    if (strcmp(object->kind, "column") == 0)
        write_needs(json, model, object, true);
    json_object_end(json);
}

void schema_json_write(const SchemaModel *model, JsonWriter *json)
{
    char fingerprint[FINGERPRINT_TEXT_SIZE];
    schema_fingerprint(model, fingerprint);
    json_object_begin(json);
    json_field_string(json, "format", format_name);
    json_field_string(json, "fingerprint", fingerprint);
    json_field_string(json, "schema", model->schema);
    json_field_bool(json, "owners", model->owners);
    if (model->server_major != 0)
        json_field_uint(json, "server_major", model->server_major);
    json_field_array(json, "objects");
    for (size_t i = 0; i < model->count; i++)
        write_object(json, model, &model->items[i]);
    json_array_end(json);
    json_object_end(json);
}

/* --- reading ---------------------------------------------------------------------------------- */

static ErrCode malformed(Error *err, const char *what)
{
    err_set(err, ERR_CONFIG, "this is no schema dump: %s", what);
    err_hint(err, "`pgtide schema dump --json` writes one.");
    return ERR_CONFIG;
}

static const char *read_text(Arena *arena, const json_t *object, const char *key)
{
    return arena_strdup(arena, json_string_value(json_object_get(object, key)));
}

static bool read_attributes(Arena *arena, json_t *value, SchemaObject *object)
{
    json_t *attributes = json_object_get(value, "attributes");
    if (!json_is_object(attributes))
        return false;
    object->attributes = ARENA_ARRAY(arena, SchemaAttribute, json_object_size(attributes) + 1);
    const char *key;
    json_t *text;
    json_object_foreach(attributes, key, text)
    {
        if (!json_is_string(text))
            return false;
        object->attributes[object->attribute_count++] = (SchemaAttribute){
            arena_strdup(arena, key), arena_strdup(arena, json_string_value(text))};
    }
    return true;
}

static bool read_needs(Arena *arena, json_t *value, const SchemaModel *model, SchemaObject *object)
{
    static const char *const keys[] = {"needs", "default_needs"};
    size_t count = 0;
    for (size_t i = 0; i < 2; i++)
        count += json_array_size(json_object_get(value, keys[i]));
    object->needs = ARENA_ARRAY(arena, SchemaNeed, count + 1);
    for (size_t i = 0; i < 2; i++) {
        size_t index;
        json_t *need;
        json_array_foreach(json_object_get(value, keys[i]), index, need)
        {
            const char *kind = json_string_value(json_array_get(need, 0));
            const char *name = json_string_value(json_array_get(need, 1));
            const SchemaObject *found =
                kind == NULL || name == NULL ? NULL : schema_find(model, kind, name);
            if (found == NULL)
                return false;
            object->needs[object->need_count++] =
                (SchemaNeed){.object = (size_t)(found - model->items), .by_default = i == 1};
        }
    }
    return true;
}

static ErrCode read_model(Arena *arena, json_t *root, SchemaModel *ret_model, Error *err)
{
    const char *format = json_string_value(json_object_get(root, "format"));
    json_t *objects = json_object_get(root, "objects");
    if (format == NULL || strcmp(format, format_name) != 0 || !json_is_array(objects))
        return malformed(err, "\"format\" is not \"pgtide-schema-1\"");
    size_t count = json_array_size(objects);
    if (count > LIMIT_SCHEMA_OBJECTS)
        return err_set(err, ERR_LIMIT, "a schema dump of more than %d objects",
                       LIMIT_SCHEMA_OBJECTS);
    SchemaModel model = {.items = ARENA_ARRAY(arena, SchemaObject, count + 1), .count = count};
    model.schema = read_text(arena, root, "schema");
    model.owners = json_is_true(json_object_get(root, "owners"));
    model.server_major = (uint32_t)json_integer_value(json_object_get(root, "server_major"));
    if (model.schema == NULL)
        return malformed(err, "\"schema\" is missing");
    for (size_t i = 0; i < count; i++) {
        json_t *value = json_array_get(objects, i);
        SchemaObject *object = &model.items[i];
        object->kind = read_text(arena, value, "kind");
        object->name = read_text(arena, value, "name");
        object->parent = read_text(arena, value, "parent");
        object->not_null_name = read_text(arena, value, "not_null_name");
        object->position = (uint32_t)json_integer_value(json_object_get(value, "position"));
        if (object->kind == NULL || object->name == NULL || !read_attributes(arena, value, object))
            return malformed(err, "an object has no kind, name or attributes");
    }
    schema_model_finish(arena, &model);
    for (size_t i = 0; i < count; i++) {
        json_t *value = json_array_get(objects, i);
        SchemaObject *object =
            schema_find(&model, json_string_value(json_object_get(value, "kind")),
                        json_string_value(json_object_get(value, "name")));
        if (object == NULL || object->needs != NULL || !read_needs(arena, value, &model, object))
            return malformed(err, "an object is there twice, or needs one that is not there");
    }
    *ret_model = model;
    return ERR_OK;
}

ErrCode schema_json_read(Arena *arena, const char *text, size_t length, SchemaModel *ret_model,
                         Error *err)
{
    json_error_t where;
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
    if (root == NULL)
        return malformed(err, where.text);
    json_t *result = json_object_get(root, "result");
    ErrCode code = read_model(arena, result == NULL ? root : result, ret_model, err);
    json_decref(root);
    return code;
}
