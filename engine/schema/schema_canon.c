#include "schema_canon.h"

#include "digest.h"

#include <stdio.h>
#include <string.h>

/* A value of several lines has each behind a bar, so that none can look like something else. */
static void write_attribute(Str *out, const char *margin, const SchemaAttribute *attribute)
{
    if (strchr(attribute->value, '\n') == NULL) {
        str_printf(out, "%s  %s: %s\n", margin, attribute->key, attribute->value);
        return;
    }
    str_printf(out, "%s  %s:\n", margin, attribute->key);
    const char *at = attribute->value;
    for (;;) {
        size_t length = strcspn(at, "\n");
        str_printf(out, "%s    | ", margin);
        str_append_bytes(out, at, length);
        str_append_char(out, '\n');
        if (at[length] == '\0')
            return;
        at += length + 1;
    }
}

static void write_object(Str *out, const char *margin, const SchemaObject *object)
{
    str_printf(out, "%s%s %s\n", margin, object->kind, object->name);
    for (size_t i = 0; i < object->attribute_count; i++)
        write_attribute(out, margin, &object->attributes[i]);
}

static void write_part(Str *out, const SchemaObject *part)
{
    if (schema_attribute(part, "inherited") == NULL || !schema_is_implied(part))
        write_object(out, "  ", part);
}

void schema_text_write(const SchemaModel *model, Str *out)
{
    AUTO_ARENA Arena *arena = arena_new();
    SchemaParts parts = schema_parts(arena, model);
    for (size_t i = 0; i < model->count; i++) {
        if (model->items[i].parent != NULL)
            continue;
        write_object(out, "", &model->items[i]);
        for (size_t j = parts.first[i]; j < parts.first[i + 1]; j++)
            write_part(out, &model->items[parts.items[j]]);
    }
}

void schema_fingerprint(const SchemaModel *model, char out[FINGERPRINT_TEXT_SIZE])
{
    AUTO_STR Str text = {0};
    schema_text_write(model, &text);
    Digest digest = sha256_bytes(str_text(&text), text.length);
    memcpy(out, "f1:", 3);
    digest_hex(&digest, out + 3);
}
