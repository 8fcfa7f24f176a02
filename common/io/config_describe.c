#include "clock.h"
#include "config.h"

#include <inttypes.h>

static const char *kind_name(ConfigKind kind)
{
    switch (kind) {
    case CONFIG_STRING:
        return "text";
    case CONFIG_NAME:
        return "name";
    case CONFIG_PATH:
        return "path";
    case CONFIG_UUID:
        return "UUID";
    case CONFIG_INTEGER:
        return "whole number";
    case CONFIG_BOOL:
        return "true or false";
    case CONFIG_DURATION:
        return "duration";
    case CONFIG_SIZE:
        return "size";
    case CONFIG_ENUM:
        return "one of";
    case CONFIG_STRINGS:
        return "list of texts";
    case CONFIG_LABELS:
        return "mapping of texts";
    case CONFIG_TABLE:
        return "mapping";
    case CONFIG_TABLES:
        return "list of mappings";
    case CONFIG_NODE:
        return "see the guide";
    }
    return "";
}

static void describe_range(const ConfigField *field, Str *out)
{
    char low[DURATION_TEXT_SIZE];
    char high[DURATION_TEXT_SIZE];
    if (field->max == 0)
        return;
    switch (field->kind) {
    case CONFIG_INTEGER:
        str_printf(out, ", %" PRId64 " to %" PRId64, field->min, field->max);
        return;
    case CONFIG_DURATION:
        duration_format((uint64_t)field->min, low);
        duration_format((uint64_t)field->max, high);
        str_printf(out, ", %s to %s", low, high);
        return;
    case CONFIG_SIZE:
        size_format((uint64_t)field->min, low);
        size_format((uint64_t)field->max, high);
        str_printf(out, ", %s to %s", low, high);
        return;
    default:
        return;
    }
}

static void describe(const ConfigTable *table, int indent, Str *out)
{
    for (size_t i = 0; i < table->count; i++) {
        const ConfigField *field = &table->fields[i];
        str_printf(out, "%*s%s  %s", indent, "", field->key, kind_name(field->kind));
        const char *separator = " ";
        for (const ConfigWord *word = field->words; word != NULL && word->word != NULL; word++) {
            str_printf(out, "%s%s", separator, word->word);
            separator = ", ";
        }
        describe_range(field, out);
        str_printf(out, "%s%s%s\n", field->required ? ", required" : "",
                   field->help == NULL ? "" : ": ", field->help == NULL ? "" : field->help);
        if (field->table != NULL)
            describe(field->table, indent + 2, out);
    }
}

void config_describe(const ConfigTable *table, Str *out)
{
    describe(table, 0, out);
}
