#include "clock.h"
#include "config_internal.h"
#include "file.h"
#include "named_limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- problems ---- */

void config_problem_at(Config *config, int line, int column, const char *text)
{
    if (config->problem_count == CONFIG_PROBLEMS_MAX) {
        config->problems_untold++;
        return;
    }
    if (config->problem_count == config->problem_capacity) {
        size_t capacity = config->problem_capacity == 0 ? 8 : config->problem_capacity * 2;
        config->problems = arena_grow(config->arena, config->problems, config->problem_count,
                                      capacity, sizeof(ConfigProblem));
        config->problem_capacity = capacity;
    }
    size_t at = config->problem_count++;
    for (; at > 0; at--) {
        const ConfigProblem *before = &config->problems[at - 1];
        if (before->line < line || (before->line == line && before->column <= column))
            break;
        config->problems[at] = *before;
    }
    config->problems[at] = (ConfigProblem){.line = line, .column = column, .text = text};
}

void config_problem(Config *config, const ConfigNode *node, const char *fmt, ...)
{
    char text[sizeof((Error *)0)->message];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    config_problem_at(config, node->line, node->column, arena_strdup(config->arena, text));
}

const char *config_shown(const Config *config, const char *text)
{
    size_t length = strlen(text);
    bool cut = length > CONFIG_QUOTE_BYTES;
    if (cut) {
        length = CONFIG_QUOTE_BYTES;
        while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80)
            length--; /* not within a UTF-8 sequence */
    }
    AUTO_STR Str out = {0};
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        bool c1 = c == 0xC2 && (unsigned char)text[i + 1] < 0xA0; /* a two-byte control */
        if (c1)
            i++;
        str_append_char(&out, c < 0x20 || c == 0x7F || c1 ? '?' : (char)c);
    }
    str_append(&out, cut ? "..." : "");
    return arena_strdup(config->arena, str_text(&out));
}

/* "'waves[0].bake'", or "the file" for the root. */
static const char *subject(const ConfigNode *node)
{
    const char *path = config_node_path(node);
    return path[0] == '\0' ? "the file" : arena_printf(node->config->arena, "'%s'", path);
}

static const char *actual(const ConfigNode *node)
{
    switch (node->kind) {
    case CONFIG_NODE_NULL:
        return "empty";
    case CONFIG_NODE_SEQUENCE:
        return "a list";
    case CONFIG_NODE_MAPPING:
        return "a mapping";
    case CONFIG_NODE_SCALAR:
        break;
    }
    return arena_printf(node->config->arena, "\"%s\"", config_shown(node->config, node->text));
}

void config_problem_type(Config *config, const ConfigNode *node, const char *expected)
{
    config_problem(config, node, "%s must be %s, not %s", subject(node), expected, actual(node));
}

void config_problem_unknown_key(Config *config, const ConfigNode *mapping, size_t index,
                                const char *const *known, size_t known_count)
{
    const ConfigKey *key = &mapping->keys[index];
    const char *path = config_key_path(mapping, key->text);
    const char *nearest = str_nearest(key->text, known, known_count);
    const char *text =
        nearest == NULL
            ? arena_printf(config->arena, "unknown key '%s'", path)
            : arena_printf(config->arena, "unknown key '%s' (did you mean '%s'?)", path, nearest);
    config_problem_at(config, key->line, key->column, text);
}

size_t config_problem_count(const Config *config)
{
    return config->problem_count;
}

const char *config_problem_text(const Config *config, size_t index)
{
    const ConfigProblem *problem = &config->problems[index];
    return arena_printf(config->arena, "%s:%d:%d: %s", config->path, problem->line, problem->column,
                        problem->text);
}

void config_error_at(const Config *config, int line, int column, Error *err)
{
    if (err == NULL)
        return;
    err_at(err, config->path, line);
    err->column = column;
}

ErrCode config_finish(const Config *config, Error *err)
{
    if (config->problem_count == 0)
        return ERR_OK;
    const ConfigProblem *first = &config->problems[0];
    err_set(err, ERR_CONFIG, "%s", first->text);
    config_error_at(config, first->line, first->column, err);
    if (config->problem_count == 1)
        return ERR_CONFIG;
    AUTO_STR Str all = {0};
    size_t told = 0;
    for (; told < config->problem_count; told++) {
        const char *text = config_problem_text(config, told);
        if (all.length + strlen(text) + 32 > sizeof err->detail)
            break;
        str_printf(&all, "%s%s", told == 0 ? "" : "\n", text);
    }
    size_t untold = config->problem_count - told + config->problems_untold;
    if (untold > 0)
        str_printf(&all, "\nand %zu more", untold);
    err_detail(err, "%s", str_text(&all));
    return ERR_CONFIG;
}

/* ---- scalars ---- */

static bool put_text(Config *config, const ConfigNode *node, const ConfigField *field, void *out)
{
    if (node->kind != CONFIG_NODE_SCALAR) {
        config_problem_type(config, node, "a text");
        return false;
    }
    int64_t length = (int64_t)strlen(node->text);
    int64_t max = field->max == 0 ? LIMIT_TEXT_BYTES : field->max;
    if (length < field->min) {
        if (length == 0)
            config_problem(config, node, "%s must not be empty", subject(node));
        else
            config_problem(config, node, "%s must have at least %" PRId64 " bytes", subject(node),
                           field->min);
        return false;
    }
    if (length > max) {
        config_problem(config, node, "%s must have at most %" PRId64 " bytes, not %" PRId64,
                       subject(node), max, length);
        return false;
    }
    *(const char **)out = node->text;
    return true;
}

static bool put_name(Config *config, const ConfigNode *node, void *out)
{
    if (node->kind != CONFIG_NODE_SCALAR || !name_is_valid(node->text)) {
        config_problem_type(config, node,
                            "a name (a-z, 0-9, - and _, at most 63, first a letter or digit)");
        return false;
    }
    *(const char **)out = node->text;
    return true;
}

static bool put_path(Config *config, const ConfigNode *node, void *out)
{
    if (node->kind != CONFIG_NODE_SCALAR || node->text[0] == '\0' ||
        strlen(node->text) > LIMIT_TEXT_BYTES) {
        config_problem_type(config, node, "a path");
        return false;
    }
    bool here = strcmp(config->directory, ".") == 0;
    *(const char **)out =
        here ? node->text : path_join(config->arena, config->directory, node->text);
    return true;
}

static bool put_uuid(Config *config, const ConfigNode *node, void *out)
{
    Uuid uuid;
    if (node->kind != CONFIG_NODE_SCALAR || !uuid_parse(node->text, &uuid)) {
        config_problem_type(config, node, "a UUID in lower case");
        return false;
    }
    *(Uuid *)out = uuid;
    return true;
}

static bool parse_integer(const char *text, int64_t *out)
{
    const char *digits = text[0] == '-' ? text + 1 : text;
    if (digits[0] == '\0' || strspn(digits, "0123456789") != strlen(digits))
        return false;
    errno = 0;
    *out = strtoll(text, NULL, 10);
    return errno == 0;
}

static bool put_integer(Config *config, const ConfigNode *node, const ConfigField *field, void *out)
{
    int64_t number = 0;
    if (node->kind != CONFIG_NODE_SCALAR || !parse_integer(node->text, &number)) {
        config_problem_type(config, node, "a whole number");
        return false;
    }
    int64_t max = field->max == 0 && field->min >= 0 ? INT64_MAX : field->max;
    if (number >= field->min && number <= max) {
        *(int64_t *)out = number;
        return true;
    }
    if (max == INT64_MAX)
        config_problem(config, node, "%s must be at least %" PRId64 ", not %" PRId64, subject(node),
                       field->min, number);
    else
        config_problem(config, node, "%s must be from %" PRId64 " to %" PRId64 ", not %" PRId64,
                       subject(node), field->min, max, number);
    return false;
}

static bool put_bool(Config *config, const ConfigNode *node, void *out)
{
    bool is_true = node->kind == CONFIG_NODE_SCALAR && strcmp(node->text, "true") == 0;
    bool is_false = node->kind == CONFIG_NODE_SCALAR && strcmp(node->text, "false") == 0;
    if (!is_true && !is_false) {
        config_problem_type(config, node, "true or false");
        return false;
    }
    *(bool *)out = is_true;
    return true;
}

typedef bool (*ParseQuantity)(const char *text, uint64_t *out);
typedef void (*FormatQuantity)(uint64_t value, char *out);

/* Durations and sizes differ only in their texts. */
static bool put_quantity(Config *config, const ConfigNode *node, const ConfigField *field,
                         void *out)
{
    bool duration = field->kind == CONFIG_DURATION;
    ParseQuantity parse = duration ? duration_parse : size_parse;
    FormatQuantity format = duration ? duration_format : size_format;
    uint64_t value = 0;
    if (node->kind != CONFIG_NODE_SCALAR || !parse(node->text, &value)) {
        config_problem_type(config, node, duration ? DURATION_FORMS : SIZE_FORMS);
        return false;
    }
    uint64_t min = (uint64_t)field->min;
    uint64_t max = field->max == 0 ? UINT64_MAX : (uint64_t)field->max;
    if (value >= min && value <= max) {
        *(uint64_t *)out = value;
        return true;
    }
    char low[DURATION_TEXT_SIZE];
    char high[DURATION_TEXT_SIZE];
    format(min, low);
    format(max, high);
    const char *shown = config_shown(config, node->text);
    if (field->max == 0)
        config_problem(config, node, "%s must be at least %s, not %s", subject(node), low, shown);
    else
        config_problem(config, node, "%s must be from %s to %s, not %s", subject(node), low, high,
                       shown);
    return false;
}

static bool put_enum(Config *config, const ConfigNode *node, const ConfigField *field, void *out)
{
    StrList words = {0};
    for (const ConfigWord *word = field->words; word->word != NULL; word++) {
        if (node->kind == CONFIG_NODE_SCALAR && strcmp(word->word, node->text) == 0) {
            memcpy(out, &word->value, sizeof word->value);
            return true;
        }
        strlist_add(config->arena, &words, word->word);
    }
    const char *expected =
        arena_printf(config->arena, "one of %s", strlist_join(config->arena, &words, ", "));
    const char *nearest =
        node->kind == CONFIG_NODE_SCALAR ? str_nearest(node->text, words.items, words.count) : NULL;
    if (nearest == NULL)
        config_problem_type(config, node, expected);
    else
        config_problem(config, node, "%s must be %s, not %s (did you mean '%s'?)", subject(node),
                       expected, actual(node), nearest);
    return false;
}

/* ---- lists and tables ---- */

static bool check_items(Config *config, const ConfigNode *node, const ConfigField *field)
{
    int64_t count = (int64_t)node->count;
    int64_t max = field->max == 0 ? LIMIT_CONFIG_ITEMS : field->max;
    if (count >= field->min && count <= max)
        return true;
    if (count < field->min)
        config_problem(config, node, "%s must have at least %" PRId64 " %s", subject(node),
                       field->min, field->min == 1 ? "item" : "items");
    else
        config_problem(config, node, "%s must have at most %" PRId64 " items, not %" PRId64,
                       subject(node), max, count);
    return false;
}

static bool put_strings(Config *config, const ConfigNode *node, const ConfigField *field, void *out)
{
    if (node->kind != CONFIG_NODE_SEQUENCE) {
        config_problem_type(config, node, "a list of texts");
        return false;
    }
    bool ok = check_items(config, node, field);
    static const ConfigField item = {.kind = CONFIG_STRING};
    StrList list = {0};
    for (size_t i = 0; i < node->count; i++) {
        const char *text = "";
        ok = put_text(config, node->items[i], &item, &text) && ok;
        strlist_add(config->arena, &list, text);
    }
    if (ok)
        *(StrList *)out = list;
    return ok;
}

static bool put_labels(Config *config, const ConfigNode *node, void *out)
{
    if (node->kind != CONFIG_NODE_MAPPING) {
        config_problem_type(config, node, "a mapping of texts");
        return false;
    }
    static const ConfigField labels = {.max = LIMIT_LABELS};
    static const ConfigField value = {.kind = CONFIG_STRING, .max = LIMIT_LABEL_BYTES};
    bool ok = check_items(config, node, &labels);
    LabelList list = {.items = ARENA_ARRAY(config->arena, Label, node->count + 1),
                      .count = node->count};
    for (size_t i = 0; i < node->count; i++) {
        list.items[i].key = node->keys[i].text;
        ok = put_text(config, node->items[i], &value, &list.items[i].value) && ok;
        if (node->keys[i].text[0] == '\0') {
            config_problem(config, node->items[i], "%s has an empty key", subject(node));
            ok = false;
        }
    }
    if (ok)
        *(LabelList *)out = list;
    return ok;
}

static bool put_tables(Config *config, const ConfigNode *node, const ConfigField *field, void *out)
{
    if (node->kind != CONFIG_NODE_SEQUENCE) {
        config_problem_type(config, node, "a list of mappings");
        return false;
    }
    bool ok = check_items(config, node, field);
    const ConfigTable *table = field->table;
    ConfigList list = {.items = arena_alloc(config->arena, table->size * (node->count + 1)),
                       .count = node->count};
    for (size_t i = 0; i < node->count; i++) {
        char *item = (char *)list.items + i * table->size;
        if (table->defaults != NULL)
            memcpy(item, table->defaults, table->size);
        ok = config_read(config, node->items[i], table, item) && ok;
    }
    if (ok)
        *(ConfigList *)out = list;
    return ok;
}

bool config_read_value(Config *config, const ConfigNode *node, const ConfigField *field, void *out)
{
    switch (field->kind) {
    case CONFIG_STRING:
        return put_text(config, node, field, out);
    case CONFIG_NAME:
        return put_name(config, node, out);
    case CONFIG_PATH:
        return put_path(config, node, out);
    case CONFIG_UUID:
        return put_uuid(config, node, out);
    case CONFIG_INTEGER:
        return put_integer(config, node, field, out);
    case CONFIG_BOOL:
        return put_bool(config, node, out);
    case CONFIG_DURATION:
    case CONFIG_SIZE:
        return put_quantity(config, node, field, out);
    case CONFIG_ENUM:
        return put_enum(config, node, field, out);
    case CONFIG_STRINGS:
        return put_strings(config, node, field, out);
    case CONFIG_LABELS:
        return put_labels(config, node, out);
    case CONFIG_TABLE:
        return config_read(config, node, field->table, out);
    case CONFIG_TABLES:
        return put_tables(config, node, field, out);
    case CONFIG_NODE:
        *(const ConfigNode **)out = node;
        return true;
    }
    return false;
}

static const ConfigField *find_field(const ConfigTable *table, const char *key)
{
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->fields[i].key, key) == 0)
            return &table->fields[i];
    }
    return NULL;
}

static void report_unknown(Config *config, const ConfigNode *mapping, size_t index,
                           const ConfigTable *table)
{
    StrList known = {0};
    for (size_t i = 0; i < table->count; i++)
        strlist_add(config->arena, &known, table->fields[i].key);
    config_problem_unknown_key(config, mapping, index, known.items, known.count);
}

bool config_read(Config *config, const ConfigNode *mapping, const ConfigTable *table, void *out)
{
    if (mapping->kind != CONFIG_NODE_MAPPING) {
        config_problem_type(config, mapping, "a mapping");
        return false;
    }
    bool ok = true;
    for (size_t i = 0; i < mapping->count; i++) {
        const ConfigField *field = find_field(table, mapping->keys[i].text);
        if (field == NULL) {
            report_unknown(config, mapping, i, table);
            ok = false;
            continue;
        }
        void *place = (char *)out + field->offset;
        ok = config_read_value(config, mapping->items[i], field, place) && ok;
    }
    for (size_t i = 0; i < table->count; i++) {
        const ConfigField *field = &table->fields[i];
        if (!field->required || config_node_get(mapping, field->key) != NULL)
            continue;
        config_problem(config, mapping, "'%s' is missing", config_key_path(mapping, field->key));
        ok = false;
    }
    return ok;
}
