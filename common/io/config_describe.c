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

/* "lead10 to 20"; nothing where there is no range. */
static void describe_range(const ConfigField *field, const char *lead, Str *out)
{
    char low[DURATION_TEXT_SIZE];
    char high[DURATION_TEXT_SIZE];
    if (field->max == 0)
        return;
    switch (field->kind) {
    case CONFIG_INTEGER:
        str_printf(out, "%s%" PRId64 " to %" PRId64, lead, field->min, field->max);
        return;
    case CONFIG_DURATION:
        duration_format((uint64_t)field->min, low);
        duration_format((uint64_t)field->max, high);
        str_printf(out, "%s%s to %s", lead, low, high);
        return;
    case CONFIG_SIZE:
        size_format((uint64_t)field->min, low);
        size_format((uint64_t)field->max, high);
        str_printf(out, "%s%s to %s", lead, low, high);
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
        describe_range(field, ", ", out);
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

/* --- Markdown --------------------------------------------------------------------------------- */

/* A bar would end the cell. */
static void append_cell(const char *text, Str *out)
{
    for (; *text != '\0'; text++) {
        if (*text == '|')
            str_append_char(out, '\\');
        str_append_char(out, *text);
    }
}

static void markdown_type(const ConfigField *field, Str *out)
{
    if (field->form != NULL) {
        append_cell(field->form, out);
        return;
    }
    const char *separator = "";
    for (const ConfigWord *word = field->words; word != NULL && word->word != NULL; word++) {
        str_printf(out, "%s`%s`", separator, word->word);
        separator = ", ";
    }
    if (field->words == NULL)
        str_append(out, kind_name(field->kind));
}

static const char *word_of(const ConfigField *field, int value)
{
    for (const ConfigWord *word = field->words; word->word != NULL; word++) {
        if (word->value == value)
            return word->word;
    }
    return "";
}

static void markdown_value(const ConfigField *field, const void *value, Str *out)
{
    char text[DURATION_TEXT_SIZE];
    switch (field->kind) {
    case CONFIG_STRING:
    case CONFIG_NAME:
    case CONFIG_PATH: {
        const char *given = *(const char *const *)value;
        if (given != NULL && given[0] != '\0')
            str_printf(out, "`%s`", given);
        return;
    }
    case CONFIG_INTEGER:
        str_printf(out, "%" PRId64, *(const int64_t *)value);
        return;
    case CONFIG_BOOL:
        str_append(out, *(const bool *)value ? "true" : "false");
        return;
    case CONFIG_DURATION:
        duration_format(*(const uint64_t *)value, text);
        str_append(out, text);
        return;
    case CONFIG_SIZE:
        size_format(*(const uint64_t *)value, text);
        str_append(out, text);
        return;
    case CONFIG_ENUM:
        str_printf(out, "`%s`", word_of(field, *(const int *)value));
        return;
    default:
        return;
    }
}

static void markdown_default(const ConfigField *field, const void *defaults, Str *out)
{
    if (field->required)
        str_append(out, "required");
    else if (field->without != NULL)
        append_cell(field->without, out);
    else if (defaults != NULL)
        markdown_value(field, (const char *)defaults + field->offset, out);
}

static void markdown_limits(const ConfigField *field, Str *out)
{
    describe_range(field, "", out);
    bool list = field->kind == CONFIG_STRINGS || field->kind == CONFIG_TABLES;
    if (list && field->max > 0)
        str_printf(out, "at most %" PRId64, field->max);
    if (field->kind == CONFIG_STRING && field->max > 0)
        str_printf(out, "%" PRId64 " bytes", field->max);
}

void config_markdown(const ConfigTable *table, const void *defaults, const char *prefix, Str *out)
{
    for (size_t i = 0; i < table->count; i++) {
        const ConfigField *field = &table->fields[i];
        str_printf(out, "| `%s%s` | ", prefix, field->key);
        markdown_type(field, out);
        str_append(out, " | ");
        markdown_default(field, defaults, out);
        str_append(out, " | ");
        markdown_limits(field, out);
        str_append(out, " | ");
        append_cell(field->help == NULL ? "" : field->help, out);
        str_append(out, " | ");
        if (field->example != NULL) {
            str_append_char(out, '`');
            append_cell(field->example, out);
            str_append_char(out, '`');
        }
        str_append(out, " |\n");
        if (field->table == NULL)
            continue;
        bool list = field->kind == CONFIG_TABLES;
        AUTO_STR Str inner = {0};
        str_printf(&inner, "%s%s%s.", prefix, field->key, list ? "[]" : "");
        const void *below = list               ? field->table->defaults
                            : defaults == NULL ? NULL
                                               : (const char *)defaults + field->offset;
        config_markdown(field->table, below, str_text(&inner), out);
    }
}
