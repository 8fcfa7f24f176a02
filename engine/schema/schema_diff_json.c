#include "schema_diff_json.h"

#include <string.h>

static size_t count_bytes(const SchemaOperation *operation)
{
    enum { KEYS = 160 }; /* what is around its texts */
    size_t bytes = KEYS + strlen(operation->name);
    for (size_t i = 0; i < operation->sql.count; i++)
        bytes += strlen(operation->sql.items[i]);
    return bytes;
}

static void write_operation(JsonWriter *json, const SchemaOperation *operation)
{
    json_object_begin(json);
    json_field_string(json, "change", schema_change_name(operation->change));
    json_field_string(json, "kind", operation->kind);
    json_field_string(json, "name", operation->name);
    json_field_strings(json, "sql", &operation->sql);
    json_field_bool(json, "destructive", operation->destructive);
    json_field_bool(json, "alone", operation->alone);
    if (operation->reason != NULL)
        json_field_string(json, "reason", operation->reason);
    json_object_end(json);
}

size_t schema_diff_json(JsonWriter *json, const char *key, const SchemaDiff *diff, size_t bytes_max)
{
    size_t told = 0, bytes = 0;
    json_field_array(json, key);
    for (; told < diff->count; told++) {
        bytes += count_bytes(&diff->items[told]);
        if (bytes > bytes_max)
            break;
        write_operation(json, &diff->items[told]);
    }
    json_array_end(json);
    return told;
}
