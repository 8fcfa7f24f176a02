#include "graph_map.h"

#include <string.h>

static const NodeList *node_edges(const Node *node, Edges edges)
{
    switch (edges) {
    case EDGES_PARENTS:
        return &node->parents;
    case EDGES_BELOW:
        return &node->below;
    case EDGES_CHILDREN:
        return &node->children;
    case EDGES_ABOVE:
        return &node->above;
    }
    return &node->below;
}

void graph_reach(Arena *arena, const RevisionMap *map, const NodeList *from, Edges edges,
                 NodeSet set)
{
    size_t *pending = ARENA_ARRAY(arena, size_t, map->count + 1);
    size_t count = 0;
    for (size_t i = 0; i < from->count; i++) {
        if (!node_set_has(set, from->items[i])) {
            node_set_add(set, from->items[i]);
            pending[count++] = from->items[i];
        }
    }
    while (count > 0) {
        const NodeList *next = node_edges(&map->nodes[pending[--count]], edges);
        for (size_t i = 0; i < next->count; i++) {
            if (!node_set_has(set, next->items[i])) {
                node_set_add(set, next->items[i]);
                pending[count++] = next->items[i];
            }
        }
    }
}

/*
 * Alembic's order, which people know from its logs: one line is followed down as far as it goes
 * before another one begins, and what another open line builds on waits for that line.
 *
 * `lines` are the open lines, each the node that it stands at. A node that is left is at or below
 * one of them; so a line must wait only while something that is left stands above its node.
 */
typedef struct Sorter {
    Arena *scratch; /* of the lines and sets */
    const RevisionMap *map;
    NodeSet left;   /* not emitted yet */
    NodeSet around; /* all at or below the set's tops, without what was emitted */
    NodeSet seen;   /* of one search */
    NodeList pending;
    NodeList lines;
    NodeList out;
} Sorter;

static bool is_open(const Sorter *sorter, size_t node)
{
    return node_list_has(&sorter->lines, node);
}

static void seen_above_add(Sorter *sorter, size_t node)
{
    const NodeList *above = &sorter->map->nodes[node].above;
    for (size_t i = 0; i < above->count; i++) {
        size_t next = above->items[i];
        if (!node_set_has(sorter->around, next) || node_set_has(sorter->seen, next))
            continue;
        node_set_add(sorter->seen, next);
        node_list_append(sorter->scratch, &sorter->pending, next);
    }
}

/* The first line that builds on the node of line `index`; `index` itself when none does. */
static size_t line_waits_for(Sorter *sorter, size_t index)
{
    sorter->pending.count = 0;
    seen_above_add(sorter, sorter->lines.items[index]);
    if (sorter->pending.count == 0)
        return index;
    for (size_t done = 0; done < sorter->pending.count; done++)
        seen_above_add(sorter, sorter->pending.items[done]);
    size_t first = index;
    for (size_t i = 0; i < sorter->lines.count && first == index; i++) {
        if (node_set_has(sorter->seen, sorter->lines.items[i]))
            first = i;
    }
    for (size_t i = 0; i < sorter->pending.count; i++)
        node_set_remove(sorter->seen, sorter->pending.items[i]);
    return first;
}

/* A dependency that is not among the normalized ones comes up with an ancestor that declares it; of
 * a set without that ancestor it comes up here, when nothing that is left builds on it. */
static void orphans_open(Sorter *sorter, const Node *node)
{
    for (size_t i = 0; i < node->depends.count; i++) {
        size_t next = node->depends.items[i];
        if (!node_set_has(sorter->left, next) || is_open(sorter, next))
            continue;
        const NodeList *above = &sorter->map->nodes[next].above;
        bool awaited = false;
        for (size_t j = 0; j < above->count && !awaited; j++)
            awaited = node_set_has(sorter->left, above->items[j]);
        if (!awaited)
            node_list_append(sorter->scratch, &sorter->lines, next);
    }
}

/* Takes the node of line `index` and moves the line on; gives the line to go on with. */
static size_t line_take(Sorter *sorter, size_t index)
{
    size_t taken = sorter->lines.items[index];
    const Node *node = &sorter->map->nodes[taken];
    sorter->out.items[sorter->out.count++] = taken;
    node_set_remove(sorter->left, taken);
    node_set_remove(sorter->around, taken);
    bool moved = false;
    for (size_t i = 0; i < node->normalized.count; i++) {
        size_t next = node->normalized.items[i];
        if (!node_set_has(sorter->left, next) || is_open(sorter, next))
            continue;
        if (moved)
            node_list_append(sorter->scratch, &sorter->lines, next);
        else
            sorter->lines.items[index] = next;
        moved = true;
    }
    orphans_open(sorter, node);
    if (moved)
        return index;
    size_t *line = &sorter->lines.items[index];
    memmove(line, line + 1, (sorter->lines.count - index - 1) * sizeof *line);
    sorter->lines.count--;
    return index == 0 ? 0 : index - 1;
}

NodeList graph_sort(Arena *arena, const RevisionMap *map, NodeSet set)
{
    AUTO_ARENA Arena *scratch = arena_new();
    Sorter sorter = {
        .scratch = scratch,
        .map = map,
        .left = node_set(scratch, map),
        .around = node_set(scratch, map),
        .seen = node_set(scratch, map),
    };
    sorter.out.items = ARENA_ARRAY(arena, size_t, map->count);
    memcpy(sorter.left.words, set.words, (map->count / 64 + 1) * sizeof *set.words);
    for (size_t i = 0; i < map->count; i++) {
        bool top = node_set_has(set, i);
        for (size_t j = 0; top && j < map->nodes[i].above.count; j++)
            top = !node_set_has(set, map->nodes[i].above.items[j]);
        if (top)
            node_list_append(scratch, &sorter.lines, i);
    }
    graph_reach(scratch, map, &sorter.lines, EDGES_BELOW, sorter.around);
    size_t index = 0;
    while (sorter.lines.count > 0) {
        size_t first = line_waits_for(&sorter, index);
        index = first != index ? first : line_take(&sorter, index);
    }
    return sorter.out;
}

const Script **graph_scripts(Arena *arena, const RevisionMap *map, const NodeList *nodes)
{
    const Script **scripts = ARENA_ARRAY(arena, const Script *, nodes->count + 1);
    for (size_t i = 0; i < nodes->count; i++)
        scripts[i] = map->nodes[nodes->items[i]].script;
    return scripts;
}

void graph_newest_first(Arena *arena, const RevisionMap *map, const Script ***ret_scripts,
                        size_t *ret_count)
{
    NodeSet all = node_set(arena, map);
    for (size_t i = 0; i < map->count; i++)
        node_set_add(all, i);
    NodeList order = graph_sort(arena, map, all);
    *ret_scripts = graph_scripts(arena, map, &order);
    *ret_count = order.count;
}
