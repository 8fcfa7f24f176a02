/*
 * What lies between two ends, and what marks a revision when it is listed.
 */
#include "graph_map.h"

#include <string.h>

static ErrCode ends_split(Arena *arena, const char *text, const char **ret_lower,
                          const char **ret_upper, Error *err)
{
    const char *colon = strchr(text, ':');
    if (colon == NULL || strchr(colon + 1, ':') != NULL) {
        err_set(err, ERR_USAGE,
                "history range requires [start]:[end], [start]:, or :[end], not "
                "'%.120s'",
                text);
        err_hint(err, "Either side may be left out, as in `A:` or `:B`.");
        return ERR_USAGE;
    }
    *ret_lower = colon == text ? "base" : arena_strndup(arena, text, (size_t)(colon - text));
    *ret_upper = colon[1] == '\0' ? "heads" : colon + 1;
    return ERR_OK;
}

static ErrCode not_related(const char *text, Error *err)
{
    err_set(err, ERR_TARGET,
            "requested range %.120s does not refer to ancestor/descendant revisions along the same "
            "branch",
            text);
    err_hint(err, "The range's start must be below its end.");
    return ERR_TARGET;
}

/* `L@A:B` keeps to the ends that are on L. */
static NodeList on_branch(Arena *arena, const RevisionMap *map, const NodeList *nodes, long branch)
{
    if (branch == NO_NODE)
        return *nodes;
    NodeSet lineage = graph_lineage(arena, map, (size_t)branch);
    NodeList kept = {0};
    for (size_t i = 0; i < nodes->count; i++) {
        if (node_set_has(lineage, nodes->items[i]))
            node_list_add(arena, &kept, nodes->items[i]);
    }
    return kept;
}

/* What `upper` builds on and `lower` does not, with `lower`; above `lower` by parents, as in
 * Alembic. */
static ErrCode range_collect(Arena *arena, const RevisionMap *map, const NodeList *lower,
                             const NodeList *upper, const char *text, NodeSet *ret_set, Error *err)
{
    NodeSet set = node_set(arena, map);
    graph_reach(arena, map, upper, EDGES_BELOW, set);
    *ret_set = set;
    if (lower->count == 0)
        return ERR_OK;
    NodeSet below = node_set(arena, map);
    NodeSet above = node_set(arena, map);
    graph_reach(arena, map, lower, EDGES_BELOW, below);
    graph_reach(arena, map, lower, EDGES_CHILDREN, above);
    for (size_t i = 0; i < lower->count; i++) {
        if (!node_set_has(set, lower->items[i]))
            return not_related(text, err);
        node_set_remove(below, lower->items[i]);
    }
    for (size_t i = 0; i < map->count / 64 + 1; i++)
        set.words[i] &= ~below.words[i] & above.words[i];
    return ERR_OK;
}

ErrCode graph_range(Arena *arena, const RevisionMap *map, const StrList *rows, const char *text,
                    const Script ***ret_scripts, size_t *ret_count, Error *err)
{
    const char *lower_text;
    const char *upper_text;
    NodeList row_nodes = {0};
    Target lower;
    Target upper;
    NodeSet set;
    ErrCode code = ends_split(arena, text, &lower_text, &upper_text, err);
    if (code == ERR_OK && rows != NULL)
        code = graph_rows_read(arena, map, rows, &row_nodes, err);
    const NodeList *current = rows == NULL ? NULL : &row_nodes;
    if (code == ERR_OK)
        code = graph_target_range_start(arena, map, current, lower_text, &lower, err);
    if (code == ERR_OK)
        code = graph_target_range_end(arena, map, current, &lower.nodes, upper_text, &upper, err);
    if (code == ERR_OK) {
        upper.nodes = on_branch(arena, map, &upper.nodes, lower.branch);
        code = range_collect(arena, map, &lower.nodes, &upper.nodes, text, &set, err);
    }
    if (code != ERR_OK)
        return code;
    NodeList order = graph_sort(arena, map, set);
    *ret_scripts = graph_scripts(arena, map, &order);
    *ret_count = order.count;
    return ERR_OK;
}

/* --- marks ------------------------------------------------------------------------------------ */

GraphMarks graph_marks(const RevisionMap *map, const char *id)
{
    long index = graph_index(map, id);
    if (index == NO_NODE)
        return (GraphMarks){0};
    const Node *node = &map->nodes[index];
    bool head = node->children.count == 0;
    return (GraphMarks){
        .head = head,
        .effective_head = head && node->above.count > 0,
        .branch_point = node->children.count > 1,
        .merge_point = node->parents.count > 1,
    };
}

/* Labels spread upwards to the next fork or merge, and to all that builds on their revision. */
static bool is_on_plain_line(const Node *node)
{
    return node->above.count <= 1 && node->parents.count <= 1;
}

static void labels_add(Arena *arena, StrList *labels, const Node *node)
{
    for (size_t i = 0; i < node->script->labels.count; i++)
        strlist_add(arena, labels, node->script->labels.items[i]);
}

/* Own labels and those of the ancestors; what has none is passed over. */
static void labels_below(Arena *arena, const RevisionMap *map, size_t index, StrList *labels)
{
    AUTO_ARENA Arena *scratch = arena_new();
    NodeSet seen = node_set(scratch, map);
    NodeList pending = {0};
    node_list_append(scratch, &pending, map->nodes[index].labels_from);
    while (pending.count > 0) {
        size_t at = pending.items[--pending.count];
        if (node_set_has(seen, at) || !map->nodes[at].is_labelled)
            continue;
        node_set_add(seen, at);
        labels_add(arena, labels, &map->nodes[at]);
        const NodeList *parents = &map->nodes[at].parents;
        for (size_t i = 0; i < parents->count; i++)
            node_list_append(scratch, &pending, map->nodes[parents->items[i]].labels_from);
    }
}

StrList graph_branch_labels(Arena *arena, const RevisionMap *map, const char *id)
{
    StrList labels = {0};
    long index = graph_index(map, id);
    if (index == NO_NODE || map->label_count == 0)
        return labels;
    if (map->nodes[index].is_labelled)
        labels_below(arena, map, (size_t)index, &labels);
    const Node *node = &map->nodes[index];
    while (is_on_plain_line(node) && node->children.count == 1) {
        node = &map->nodes[node->children.items[0]];
        if (!is_on_plain_line(node))
            break;
        labels_add(arena, &labels, node);
    }
    strlist_sort(&labels);
    return labels;
}
