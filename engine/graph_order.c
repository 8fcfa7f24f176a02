#include "graph_map.h"

#include <string.h>

const NodeList *node_edges(const Node *node, Edges edges)
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
 * `lines` are the open lines: each has the node it stands at and all that this node builds on.
 */
typedef struct Line {
    size_t at;
    NodeSet builds_on;
} Line;

typedef struct Sorter {
    Arena *arena;   /* of the result */
    Arena *scratch; /* of the lines' sets */
    const RevisionMap *map;
    NodeSet left; /* not emitted yet */
    Line *lines;
    size_t line_count;
    size_t line_capacity;
    NodeList out;
} Sorter;

static void line_open(Sorter *sorter, size_t index, size_t node)
{
    if (index == sorter->line_capacity) {
        size_t capacity = sorter->line_capacity == 0 ? 8 : 2 * sorter->line_capacity;
        sorter->lines = arena_grow(sorter->scratch, sorter->lines, sorter->line_count, capacity,
                                   sizeof *sorter->lines);
        sorter->line_capacity = capacity;
    }
    Line *line = &sorter->lines[index];
    const NodeList from = {.items = &node, .count = 1};
    line->at = node;
    if (line->builds_on.words == NULL)
        line->builds_on = node_set(sorter->scratch, sorter->map);
    else
        memset(line->builds_on.words, 0, (sorter->map->count / 64 + 1) * sizeof(uint64_t));
    if (index == sorter->line_count)
        sorter->line_count++;
    AUTO_ARENA Arena *pending = arena_new();
    graph_reach(pending, sorter->map, &from, EDGES_BELOW, line->builds_on);
}

static bool is_open(const Sorter *sorter, size_t node)
{
    for (size_t i = 0; i < sorter->line_count; i++) {
        if (sorter->lines[i].at == node)
            return true;
    }
    return false;
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
            line_open(sorter, sorter->line_count, next);
    }
}

/* Takes the node of line `index` and moves the line on; gives the line to go on with. */
static size_t line_take(Sorter *sorter, size_t index)
{
    Line *line = &sorter->lines[index];
    size_t taken = line->at;
    const Node *node = &sorter->map->nodes[taken];
    sorter->out.items[sorter->out.count++] = taken;
    node_set_remove(sorter->left, taken);
    bool moved = false;
    for (size_t i = 0; i < node->normalized.count; i++) {
        size_t next = node->normalized.items[i];
        if (!node_set_has(sorter->left, next) || is_open(sorter, next))
            continue;
        if (!moved && node->normalized.count == 1 && node->below.count == 1) {
            line->at = next; /* a plain line: its set only loses what was taken */
            node_set_remove(line->builds_on, taken);
        } else {
            line_open(sorter, moved ? sorter->line_count : index, next);
            line = &sorter->lines[index];
        }
        moved = true;
    }
    orphans_open(sorter, node);
    if (moved)
        return index;
    line = &sorter->lines[index];
    Line closed = *line;
    memmove(line, line + 1, (sorter->line_count - index - 1) * sizeof *line);
    sorter->lines[--sorter->line_count] = closed; /* its set serves the next line */
    return index == 0 ? 0 : index - 1;
}

NodeList graph_sort(Arena *arena, const RevisionMap *map, NodeSet set)
{
    AUTO_ARENA Arena *scratch = arena_new();
    Sorter sorter = {
        .arena = arena, .scratch = scratch, .map = map, .left = node_set(scratch, map)};
    sorter.out.items = ARENA_ARRAY(arena, size_t, map->count);
    for (size_t i = 0; i < map->count; i++) {
        if (node_set_has(set, i))
            node_set_add(sorter.left, i);
    }
    for (size_t i = 0; i < map->count; i++) {
        bool top = node_set_has(set, i);
        for (size_t j = 0; top && j < map->nodes[i].above.count; j++)
            top = !node_set_has(set, map->nodes[i].above.items[j]);
        if (top)
            line_open(&sorter, sorter.line_count, i);
    }
    size_t index = 0;
    while (sorter.line_count > 0) {
        size_t waits_for = index;
        for (size_t i = 0; i < sorter.line_count && waits_for == index; i++) {
            if (i != index && node_set_has(sorter.lines[i].builds_on, sorter.lines[index].at))
                waits_for = i;
        }
        index = waits_for != index ? waits_for : line_take(&sorter, index);
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
