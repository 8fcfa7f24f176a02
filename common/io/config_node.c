#include "config_internal.h"

#include <string.h>

const ConfigNode *config_root(const Config *config)
{
    return config->root;
}

ConfigNodeKind config_node_kind(const ConfigNode *node)
{
    return node->kind;
}

int config_node_line(const ConfigNode *node)
{
    return node->line;
}

/* Made when asked for: paths of all nodes of a hostile file could be far larger than the file. */
const char *config_node_path(const ConfigNode *node)
{
    if (node->parent == NULL)
        return "";
    if (node->parent->kind == CONFIG_NODE_MAPPING)
        return config_key_path(node->parent, node->key);
    return arena_printf(node->config->arena, "%s[%zu]", config_node_path(node->parent),
                        node->index);
}

const char *config_key_path(const ConfigNode *mapping, const char *key)
{
    const char *above = config_node_path(mapping);
    const char *dot = above[0] == '\0' ? "" : ".";
    return arena_printf(mapping->config->arena, "%s%s%s", above, dot,
                        config_shown(mapping->config, key));
}

const char *config_node_text(const ConfigNode *node)
{
    return node->text;
}

size_t config_node_count(const ConfigNode *node)
{
    return node->count;
}

const ConfigNode *config_node_item(const ConfigNode *node, size_t index)
{
    return index < node->count ? node->items[index] : NULL;
}

const char *config_node_key(const ConfigNode *mapping, size_t index)
{
    bool known = mapping->kind == CONFIG_NODE_MAPPING && index < mapping->count;
    return known ? mapping->keys[index].text : NULL;
}

const ConfigNode *config_node_get(const ConfigNode *mapping, const char *key)
{
    if (mapping->kind != CONFIG_NODE_MAPPING)
        return NULL;
    for (size_t i = 0; i < mapping->count; i++) {
        if (strcmp(mapping->keys[i].text, key) == 0)
            return mapping->items[i];
    }
    return NULL;
}
