#include "schema_tell.h"

#include "schema_diff_json.h"

void schema_tell_versions(CommandContext *context, const SchemaModel *from, const SchemaModel *to)
{
    if (from->server_major == 0 || to->server_major == 0 || from->server_major == to->server_major)
        return;
    note(context,
         "PostgreSQL %u wrote the one schema, and PostgreSQL %u the other: they may write the same "
         "thing differently, which looks like a difference",
         from->server_major, to->server_major);
}

void schema_tell_operation(CommandContext *context, const SchemaOperation *operation)
{
    const char *name = schema_change_name(operation->change);
    if (operation->reason != NULL) {
        say(context, "%s %s %s: %s", name, operation->kind, operation->name, operation->reason);
        return;
    }
    const char *loss = schema_operation_loss(operation);
    say(context, "%s %s %s%s", name, operation->kind, operation->name,
        loss == NULL ? "" : arena_printf(context->arena, " (%s)", loss));
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
    (void)schema_diff_json(json, key, diff, SIZE_MAX);
}
