#include "shards_discover.h"

#include "named_limits.h"
#include "restore.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

ErrCode shard_names_add(ShardNameList *list, const char *database, const char *schema,
                        LabelList labels, Error *err)
{
    if (database[0] == '\0' || strlen(database) > LIMIT_NAME_BYTES ||
        strlen(schema) > LIMIT_NAME_BYTES)
        return err_set(err, ERR_CONFIG, "'%.80s' is not the name of a database", database);
    if (list->count == LIMIT_SHARDS_PER_AGENT)
        return err_set(err, ERR_LIMIT, "more than %d shards", LIMIT_SHARDS_PER_AGENT);
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        list->items =
            arena_grow(list->arena, list->items, list->count, capacity, sizeof(*list->items));
        list->capacity = capacity;
    }
    list->items[list->count++] = (ShardName){
        .database = arena_strdup(list->arena, database),
        .schema = arena_strdup(list->arena, schema),
        .labels = labels_merge(list->arena, &labels, 1),
    };
    return ERR_OK;
}

ErrCode shard_names_add_configured(ShardNameList *list, const ClusterSettings *cluster, Error *err)
{
    const ShardSettings *shards = cluster->shards.items;
    for (size_t i = 0; i < cluster->shards.count; i++) {
        ErrCode code =
            shard_names_add(list, shards[i].database, shards[i].schema, shards[i].labels, err);
        if (code != ERR_OK)
            return code;
    }
    return ERR_OK;
}

ErrCode shard_names_add_rows(ShardNameList *list, const PgResult *result, int column_count,
                             Error *err)
{
    for (size_t row = 0; row < pg_rows(result); row++) {
        LabelList labels = {0};
        const char *schema = column_count > 1 ? pg_text(result, row, 1) : "";
        const char *text = column_count > 2 ? pg_text(result, row, 2) : "";
        if (restore_is_ours(pg_text(result, row, 0)) || restore_is_ours(schema))
            continue;
        ErrCode code = shard_labels_parse(list->arena, text, &labels, err);
        if (code == ERR_OK)
            code = shard_names_add(list, pg_text(result, row, 0), schema, labels, err);
        if (code != ERR_OK)
            return code;
    }
    return ERR_OK;
}

static ErrCode add_labels(Arena *arena, const json_t *object, LabelList *labels, Error *err);

static ErrCode element_text(const json_t *value, const char *key, const char **ret_text, Error *err)
{
    if (!json_is_string(value) ||
        strlen(json_string_value(value)) != json_string_length(value)) /* a NUL inside */
        return err_set(err, ERR_CONFIG, "'%s' is not a text", key);
    *ret_text = json_string_value(value);
    return ERR_OK;
}

static ErrCode add_element(ShardNameList *list, json_t *element, Error *err)
{
    const char *database = NULL, *schema = "";
    LabelList labels = {.items = ARENA_ARRAY(list->arena, Label, LIMIT_LABELS)};
    const char *key;
    json_t *value;
    if (!json_is_object(element))
        return err_set(err, ERR_CONFIG, "not an object");
    json_object_foreach(element, key, value)
    {
        ErrCode code = ERR_OK;
        if (strcmp(key, "database") == 0)
            code = element_text(value, key, &database, err);
        else if (strcmp(key, "schema") == 0)
            code = element_text(value, key, &schema, err);
        else if (strcmp(key, "labels") == 0 && json_is_object(value))
            code = add_labels(list->arena, value, &labels, err);
        else
            code = err_set(err, ERR_CONFIG,
                           strcmp(key, "labels") == 0 ? "'%.80s' is not an object"
                                                      : "unknown key '%.80s'",
                           key);
        if (code != ERR_OK)
            return code;
    }
    if (database == NULL)
        return err_set(err, ERR_CONFIG, "'database' is missing");
    if (restore_is_ours(database) || restore_is_ours(schema))
        return ERR_OK;
    return shard_names_add(list, database, schema, labels, err);
}

ErrCode shard_names_add_json(ShardNameList *list, const char *text, size_t length, Error *err)
{
    json_error_t where;
    json_t *array = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
    ErrCode code = ERR_OK;
    size_t former = list->count;
    if (array == NULL)
        code = err_set(err, ERR_CONFIG, "line %d is not JSON: %.160s", where.line, where.text);
    else if (!json_is_array(array))
        code = err_set(err, ERR_CONFIG, "not a JSON array");
    for (size_t i = 0; code == ERR_OK && i < json_array_size(array); i++) {
        code = add_element(list, json_array_get(array, i), err);
        if (code != ERR_OK)
            err_wrap(err, "element %zu", i + 1);
    }
    if (code != ERR_OK)
        list->count = former; /* all of it or nothing */
    json_decref(array);
    return code;
}

static int compare_names(const void *a, const void *b)
{
    const ShardName *x = a, *y = b;
    int order = strcmp(x->database, y->database);
    return order != 0 ? order : strcmp(x->schema, y->schema);
}

/* A merge sort (glibc's qsort with memory to spare) keeps the first of equals in front, but no
 * standard says so: equal ones are told apart by where they stand. */
static int compare_places(const void *a, const void *b)
{
    const ShardName *x = *(ShardName *const *)a, *y = *(ShardName *const *)b;
    int order = compare_names(x, y);
    return order != 0 ? order : x < y ? -1 : x > y;
}

ShardNames shard_names_finish(ShardNameList *list)
{
    ShardName **places = ARENA_ARRAY(list->arena, ShardName *, list->count + 1);
    for (size_t i = 0; i < list->count; i++)
        places[i] = &list->items[i];
    qsort(places, list->count, sizeof *places, compare_places);
    ShardNames names = {.items = ARENA_ARRAY(list->arena, ShardName, list->count + 1)};
    for (size_t i = 0; i < list->count; i++)
        if (i == 0 || compare_names(places[i - 1], places[i]) != 0)
            names.items[names.count++] = *places[i];
    return names;
}

/* --- labels ----------------------------------------------------------------------------------- */

static ErrCode add_label(Arena *arena, LabelList *labels, const char *key, size_t key_length,
                         const char *value, size_t value_length, Error *err)
{
    if (labels->count == LIMIT_LABELS)
        return err_set(err, ERR_LIMIT, "more than %d labels", LIMIT_LABELS);
    if (key_length == 0 || key_length > LIMIT_LABEL_BYTES || value_length > LIMIT_LABEL_BYTES)
        return err_set(err, ERR_CONFIG, "a label's key or value has a wrong length");
    labels->items[labels->count++] =
        (Label){arena_strndup(arena, key, key_length), arena_strndup(arena, value, value_length)};
    return ERR_OK;
}

static ErrCode add_labels(Arena *arena, const json_t *object, LabelList *labels, Error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        if (!json_is_string(value))
            return err_set(err, ERR_CONFIG, "the value of label '%.80s' is not a text", key);
        ErrCode code = add_label(arena, labels, key, strlen(key), json_string_value(value),
                                 json_string_length(value), err);
        if (code != ERR_OK)
            return code;
    }
    return ERR_OK;
}

static ErrCode parse_json(Arena *arena, const char *text, LabelList *labels, Error *err)
{
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    ErrCode code = json_is_object(object)
                       ? add_labels(arena, object, labels, err)
                       : err_set(err, ERR_CONFIG, "labels are not a JSON object: %.80s", text);
    json_decref(object);
    return code;
}

static ErrCode parse_pairs(Arena *arena, const char *text, LabelList *labels, Error *err)
{
    static const char separators[] = " ,\t\n";
    for (text += strspn(text, separators); *text != '\0'; text += strspn(text, separators)) {
        size_t length = strcspn(text, separators);
        const char *equals = memchr(text, '=', length);
        if (equals == NULL)
            return err_set(err, ERR_CONFIG, "label '%.*s' is not key=value",
                           length > 80 ? 80 : (int)length, text);
        size_t key = (size_t)(equals - text);
        ErrCode code = add_label(arena, labels, text, key, equals + 1, length - key - 1, err);
        if (code != ERR_OK)
            return code;
        text += length;
    }
    return ERR_OK;
}

ErrCode shard_labels_parse(Arena *arena, const char *text, LabelList *ret_labels, Error *err)
{
    LabelList labels = {.items = ARENA_ARRAY(arena, Label, LIMIT_LABELS)};
    const char *start = text + strspn(text, " \t\n");
    ErrCode code = *start == '{' ? parse_json(arena, start, &labels, err)
                                 : parse_pairs(arena, start, &labels, err);
    if (code == ERR_OK)
        *ret_labels = labels;
    return code;
}
