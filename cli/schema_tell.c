#include "schema_tell.h"

void schema_tell_operation(CommandContext *context, const SchemaOperation *operation)
{
    const char *name = schema_change_name(operation->change);
    if (operation->reason != NULL) {
        say(context, "%s %s %s: %s", name, operation->kind, operation->name, operation->reason);
        return;
    }
    say(context, "%s %s %s%s", name, operation->kind, operation->name,
        operation->destructive ? " (rows are lost)" : "");
    for (size_t i = 0; i < operation->sql.count; i++) {
        AUTO_STR Str text = {0};
        for (const char *at = operation->sql.items[i]; *at != '\0'; at++) {
            str_append_char(&text, *at);
            if (*at == '\n')
                str_append(&text, "    ");
        }
        say(context, "    %s;", str_text(&text));
    }
}

void schema_tell_json(JsonWriter *json, const char *key, const SchemaDiff *diff)
{
    json_field_array(json, key);
    for (size_t i = 0; i < diff->count; i++) {
        const SchemaOperation *operation = &diff->items[i];
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
    json_array_end(json);
}
