/*
 * YAML events to a tree of nodes. Events instead of libyaml's documents: aliases are seen before
 * they multiply, and keys keep their own places.
 */
#include "config_internal.h"
#include "file.h"
#include "named_limits.h"

#include <string.h>
#include <yaml.h>

typedef struct Builder {
    Config *config;
    Error *err;
    ConfigNode *open[LIMIT_CONFIG_DEPTH];
    size_t depth;
    bool has_key; /* the open mapping's last key waits for its value */
    ConfigKey key;
    bool key_is_duplicate; /* its value is parsed and dropped */
    size_t documents;
} Builder;

static ErrCode refuse(Builder *builder, const yaml_event_t *event, const char *text)
{
    err_set(builder->err, ERR_CONFIG, "%s", text);
    config_error_at(builder->config, (int)event->start_mark.line + 1,
                    (int)event->start_mark.column + 1, builder->err);
    return ERR_CONFIG;
}

static ConfigNode *new_node(Builder *builder, const yaml_event_t *event, ConfigNodeKind kind)
{
    ConfigNode *node = ARENA_NEW(builder->config->arena, ConfigNode);
    node->config = builder->config;
    node->kind = kind;
    node->line = (int)event->start_mark.line + 1;
    node->column = (int)event->start_mark.column + 1;
    return node;
}

static void grow(Arena *arena, ConfigNode *node)
{
    if (node->count < node->capacity)
        return;
    size_t capacity = node->capacity == 0 ? 8 : node->capacity * 2;
    node->items = arena_grow(arena, node->items, node->count, capacity, sizeof(ConfigNode *));
    if (node->kind == CONFIG_NODE_MAPPING)
        node->keys = arena_grow(arena, node->keys, node->count, capacity, sizeof(ConfigKey));
    node->capacity = capacity;
}

/* Hangs a finished or just opened node under the open collection. */
static ErrCode attach(Builder *builder, const yaml_event_t *event, ConfigNode *node)
{
    if (builder->depth == 0) {
        builder->config->root = node;
        return ERR_OK;
    }
    ConfigNode *parent = builder->open[builder->depth - 1];
    node->parent = parent;
    if (parent->count == LIMIT_CONFIG_ITEMS)
        return refuse(builder, event, "too many items in one list or mapping");
    bool drop = false;
    if (parent->kind == CONFIG_NODE_MAPPING) {
        node->key = builder->key.text;
        drop = builder->key_is_duplicate;
    } else {
        node->index = parent->count;
    }
    builder->has_key = false;
    if (drop)
        return ERR_OK;
    grow(builder->config->arena, parent);
    if (parent->kind == CONFIG_NODE_MAPPING)
        parent->keys[parent->count] = builder->key;
    parent->items[parent->count++] = node;
    return ERR_OK;
}

static ErrCode take_key(Builder *builder, const yaml_event_t *event)
{
    ConfigNode *mapping = builder->open[builder->depth - 1];
    Config *config = builder->config;
    const char *text = (const char *)event->data.scalar.value;
    if (event->data.scalar.length > LIMIT_LABEL_BYTES)
        return refuse(builder, event, "a key is too long");
    if (strlen(text) != event->data.scalar.length)
        return refuse(builder, event, "a key holds a NUL");
    builder->key = (ConfigKey){
        .text = arena_strdup(config->arena, text),
        .line = (int)event->start_mark.line + 1,
        .column = (int)event->start_mark.column + 1,
    };
    builder->has_key = true;
    builder->key_is_duplicate = false;
    for (size_t i = 0; i < mapping->count; i++) {
        if (strcmp(mapping->keys[i].text, text) != 0)
            continue;
        const char *problem = arena_printf(config->arena, "duplicate key '%s' (first on line %d)",
                                           config_key_path(mapping, text), mapping->keys[i].line);
        config_problem_at(config, builder->key.line, builder->key.column, problem);
        builder->key_is_duplicate = true;
        break;
    }
    return ERR_OK;
}

static bool expects_key(const Builder *builder)
{
    return builder->depth > 0 && builder->open[builder->depth - 1]->kind == CONFIG_NODE_MAPPING &&
           !builder->has_key;
}

static bool is_null_word(const char *text)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(text, words[i]) == 0)
            return true;
    }
    return false;
}

static ErrCode take_scalar(Builder *builder, const yaml_event_t *event)
{
    if (event->data.scalar.anchor != NULL)
        return refuse(builder, event, "anchors are not supported");
    if (event->data.scalar.tag != NULL)
        return refuse(builder, event, "tags are not supported");
    if (expects_key(builder))
        return take_key(builder, event);
    const char *text = (const char *)event->data.scalar.value;
    if (strlen(text) != event->data.scalar.length)
        return refuse(builder, event, "a text holds a NUL");
    bool quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    bool null = !quoted && is_null_word(text);
    ConfigNode *node = new_node(builder, event, null ? CONFIG_NODE_NULL : CONFIG_NODE_SCALAR);
    node->text = null ? NULL : arena_strdup(builder->config->arena, text);
    return attach(builder, event, node);
}

static ErrCode open_collection(Builder *builder, const yaml_event_t *event, ConfigNodeKind kind)
{
    bool mapping = kind == CONFIG_NODE_MAPPING;
    const void *anchor =
        mapping ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;
    const void *tag = mapping ? event->data.mapping_start.tag : event->data.sequence_start.tag;
    if (anchor != NULL)
        return refuse(builder, event, "anchors are not supported");
    if (tag != NULL)
        return refuse(builder, event, "tags are not supported");
    if (expects_key(builder))
        return refuse(builder, event, "a key must be a text");
    if (builder->depth == LIMIT_CONFIG_DEPTH)
        return refuse(builder, event, "nested too deeply");
    ConfigNode *node = new_node(builder, event, kind);
    ErrCode code = attach(builder, event, node);
    if (code == ERR_OK)
        builder->open[builder->depth++] = node;
    return code;
}

static ErrCode take_event(Builder *builder, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (builder->documents++ > 0)
            return refuse(builder, event, "only one document may stand in a file");
        return ERR_OK;
    case YAML_ALIAS_EVENT:
        return refuse(builder, event, "aliases are not supported");
    case YAML_SCALAR_EVENT:
        return take_scalar(builder, event);
    case YAML_SEQUENCE_START_EVENT:
        return open_collection(builder, event, CONFIG_NODE_SEQUENCE);
    case YAML_MAPPING_START_EVENT:
        return open_collection(builder, event, CONFIG_NODE_MAPPING);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        builder->depth--;
        return ERR_OK;
    default:
        return ERR_OK;
    }
}

static ErrCode syntax_error(const yaml_parser_t *parser, const Config *config, Error *err)
{
    if (parser->error == YAML_MEMORY_ERROR)
        die_out_of_memory();
    size_t line = parser->problem_mark.line + 1;
    size_t column = parser->problem_mark.column + 1;
    const char *problem = parser->problem == NULL ? "not readable" : parser->problem;
    if (parser->context != NULL)
        err_set(err, ERR_CONFIG, "not valid YAML: %s, %s", problem, parser->context);
    else
        err_set(err, ERR_CONFIG, "not valid YAML: %s", problem);
    config_error_at(config, (int)line, (int)column, err);
    if (parser->context != NULL && parser->context_mark.line + 1 != line)
        err_detail(err, "in what begins on line %zu", parser->context_mark.line + 1);
    return ERR_CONFIG;
}

static ErrCode build(yaml_parser_t *parser, Builder *builder)
{
    for (;;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event))
            return syntax_error(parser, builder->config, builder->err);
        ErrCode code = take_event(builder, &event);
        bool end = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
        if (end || code != ERR_OK)
            return code;
    }
}

ErrCode config_parse(Arena *arena, const char *path, const char *text, size_t length,
                     Config **ret_config, Error *err)
{
    if (length > LIMIT_CONFIG_FILE_BYTES)
        return err_set(err, ERR_LIMIT, "'%s' is larger than %d bytes", path,
                       LIMIT_CONFIG_FILE_BYTES);
    /* libyaml would take a NUL for the end of the file. */
    if (!str_is_utf8(text, length))
        return err_set(err, ERR_CONFIG, "'%s' is not a UTF-8 text", path);
    Config *config = ARENA_NEW(arena, Config);
    config->arena = arena;
    config->path = arena_strdup(arena, path);
    config->directory = path_dirname(arena, path);
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        die_out_of_memory();
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    Builder builder = {.config = config, .err = err};
    ErrCode code = build(&parser, &builder);
    yaml_parser_delete(&parser);
    if (code != ERR_OK)
        return code;
    bool empty = config->root == NULL || config->root->kind == CONFIG_NODE_NULL;
    if (empty) {
        config->root = ARENA_NEW(arena, ConfigNode);
        *config->root =
            (ConfigNode){.config = config, .kind = CONFIG_NODE_MAPPING, .line = 1, .column = 1};
    }
    *ret_config = config;
    return ERR_OK;
}

ErrCode config_open(Arena *arena, const char *path, Config **ret_config, Error *err)
{
    char *text = NULL;
    size_t length = 0;
    ErrCode code = file_read_text(arena, path, LIMIT_CONFIG_FILE_BYTES, &text, &length, err);
    if (code != ERR_OK)
        return code;
    return config_parse(arena, path, text, length, ret_config, err);
}
