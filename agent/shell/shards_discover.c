#include "shards_discover.h"

#include "named_limits.h"

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
        ErrCode code = shard_labels_parse(list->arena, text, &labels, err);
        if (code == ERR_OK)
            code = shard_names_add(list, pg_text(result, row, 0), schema, labels, err);
        if (code != ERR_OK)
            return code;
    }
    return ERR_OK;
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

static ErrCode parse_json(Arena *arena, const char *text, LabelList *labels, Error *err)
{
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    ErrCode code = json_is_object(object)
                       ? ERR_OK
                       : err_set(err, ERR_CONFIG, "labels are not a JSON object: %.80s", text);
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        if (code == ERR_OK && !json_is_string(value))
            code = err_set(err, ERR_CONFIG, "the value of label '%.80s' is not a text", key);
        if (code == ERR_OK)
            code = add_label(arena, labels, key, strlen(key), json_string_value(value),
                             json_string_length(value), err);
    }
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
