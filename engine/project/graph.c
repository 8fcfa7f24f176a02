#include "graph_map.h"

#include "named_limits.h"

#include <stdlib.h>
#include <string.h>

enum { CYCLE_NAMES_SHOWN = 20 };

/* --- lists and sets of nodes ------------------------------------------------------------------ */

bool node_list_has(const NodeList *list, size_t node)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i] == node)
            return true;
    }
    return false;
}

void node_list_append(Arena *arena, NodeList *list, size_t node)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 2 : 2 * list->capacity;
        list->items = arena_grow(arena, list->items, list->count, capacity, sizeof *list->items);
        list->capacity = capacity;
    }
    list->items[list->count++] = node;
}

void node_list_add(Arena *arena, NodeList *list, size_t node)
{
    if (!node_list_has(list, node))
        node_list_append(arena, list, node);
}

NodeSet node_set(Arena *arena, const RevisionMap *map)
{
    return (NodeSet){.words = ARENA_ARRAY(arena, uint64_t, map->count / 64 + 1)};
}

void node_set_add(NodeSet set, size_t node)
{
    set.words[node / 64] |= UINT64_C(1) << (node % 64);
}

void node_set_remove(NodeSet set, size_t node)
{
    set.words[node / 64] &= ~(UINT64_C(1) << (node % 64));
}

bool node_set_has(NodeSet set, size_t node)
{
    return (set.words[node / 64] >> (node % 64) & 1) != 0;
}

/* --- building --------------------------------------------------------------------------------- */

static int compare_nodes(const void *a, const void *b)
{
    return strcmp(((const Node *)a)->script->id, ((const Node *)b)->script->id);
}

static int compare_labels(const void *a, const void *b)
{
    return strcmp(((const BranchLabel *)a)->name, ((const BranchLabel *)b)->name);
}

long graph_index(const RevisionMap *map, const char *id)
{
    const Script wanted_script = {.id = id};
    const Node wanted = {.script = &wanted_script};
    const Node *found =
        map->count == 0 ? NULL
                        : bsearch(&wanted, map->nodes, map->count, sizeof wanted, compare_nodes);
    return found == NULL ? NO_NODE : found - map->nodes;
}

long graph_label_index(const RevisionMap *map, const char *label)
{
    const BranchLabel wanted = {.name = label};
    const BranchLabel *found =
        map->label_count == 0
            ? NULL
            : bsearch(&wanted, map->labels, map->label_count, sizeof wanted, compare_labels);
    return found == NULL ? NO_NODE : (long)found->node;
}

/* Says where `-- key:` stands in the file; the file alone when it has none. */
static ErrCode fail_at(const Script *script, const char *key, Error *err)
{
    const char *at = (const char *)script->bytes;
    const char *end = at + script->length;
    size_t key_length = strlen(key);
    err_at(err, script->file, 0);
    for (int line = 1; at < end; line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline == NULL ? end : newline;
        const char *word = at;
        while (word < stop && (*word == '-' || *word == ' ' || *word == '\t'))
            word++;
        if (word > at && (size_t)(stop - word) > key_length &&
            strncmp(word, key, key_length) == 0 && word[key_length] == ':') {
            size_t length = (size_t)(stop - at);
            err_at(err, script->file, line);
            err_source(err, at, length - (at[length - 1] == '\r'), (int)(word - at) + 1);
            break;
        }
        at = stop + 1;
    }
    return ERR_GRAPH;
}

bool graph_is_reserved(const char *name)
{
    return strcmp(name, "head") == 0 || strcmp(name, "heads") == 0 || strcmp(name, "base") == 0 ||
           strcmp(name, "current") == 0;
}

static ErrCode duplicate(const Script *script, const Script *other, const char *key,
                         const char *what, Error *err)
{
    err_set(err, ERR_GRAPH, "two files are %s '%.80s'", what, script->id);
    err_detail(err, "the other one is %s", other->file);
    return fail_at(script, key, err);
}

static ErrCode ids_check(const RevisionMap *map, Error *err)
{
    for (size_t i = 0; i < map->count; i++) {
        const Script *script = map->nodes[i].script;
        if (graph_is_reserved(script->id)) {
            err_set(err, ERR_GRAPH, "'%s' can't be a revision id: it has a meaning of its own",
                    script->id);
            return fail_at(script, "revision", err);
        }
        if (i > 0 && strcmp(map->nodes[i - 1].script->id, script->id) == 0)
            return duplicate(script, map->nodes[i - 1].script, "revision", "revision", err);
    }
    return ERR_OK;
}

static ErrCode labels_collect(Arena *arena, RevisionMap *map, Error *err)
{
    size_t count = 0;
    for (size_t i = 0; i < map->count; i++)
        count += map->nodes[i].script->labels.count;
    map->labels = ARENA_ARRAY(arena, BranchLabel, count);
    for (size_t i = 0; i < map->count; i++) {
        const StrList *labels = &map->nodes[i].script->labels;
        for (size_t j = 0; j < labels->count; j++)
            map->labels[map->label_count++] = (BranchLabel){.name = labels->items[j], .node = i};
    }
    if (count > 1)
        qsort(map->labels, count, sizeof *map->labels, compare_labels);
    for (size_t i = 0; i < count; i++) {
        const BranchLabel *label = &map->labels[i];
        const Script *script = map->nodes[label->node].script;
        if (graph_is_reserved(label->name) || graph_index(map, label->name) != NO_NODE) {
            err_set(err, ERR_GRAPH, "label '%.60s' in revision %.80s is %s", label->name,
                    script->id,
                    graph_is_reserved(label->name) ? "a reserved word" : "a revision's id");
            return fail_at(script, "labels", err);
        }
        if (i > 0 && strcmp(label[-1].name, label->name) == 0) {
            err_set(err, ERR_GRAPH, "label '%.60s' in revision %.80s is already used by %.80s",
                    label->name, script->id, map->nodes[label[-1].node].script->id);
            return fail_at(script, "labels", err);
        }
    }
    return ERR_OK;
}

/* After err_set() of a name that `key` of the script gives and no file has. */
static ErrCode unknown_name(const RevisionMap *map, const Script *script, const char *key,
                            const char *name, Error *err)
{
    const char **ids = xcalloc(map->count, sizeof *ids);
    for (size_t i = 0; i < map->count; i++)
        ids[i] = map->nodes[i].script->id;
    const char *nearest = str_nearest(name, ids, map->count);
    if (nearest != NULL && strcmp(nearest, script->id) != 0)
        err_hint(err, "Did you mean '%s'?", nearest);
    else
        err_hint(err, "Add its file, or correct the line.");
    free(ids);
    return fail_at(script, key, err);
}

static ErrCode edges_read(Arena *arena, RevisionMap *map, size_t index, Error *err)
{
    Node *node = &map->nodes[index];
    const Script *script = node->script;
    for (int kind = 0; kind < 2; kind++) {
        const char *key = kind == 0 ? "revises" : "depends-on";
        const StrList *names = kind == 0 ? &script->parents : &script->depends_on;
        for (size_t i = 0; i < names->count; i++) {
            long other = graph_index(map, names->items[i]);
            if (other == NO_NODE && kind == 1)
                other = graph_label_index(map, names->items[i]);
            if (other == NO_NODE) {
                err_set(err, ERR_GRAPH, "revision %.80s %s '%.80s', which no file has", script->id,
                        kind == 0 ? "revises" : "depends on", names->items[i]);
                return unknown_name(map, script, key, names->items[i], err);
            }
            if ((size_t)other == index) {
                err_set(err, ERR_GRAPH, "revision %.80s %s itself", script->id,
                        kind == 0 ? "revises" : "depends on");
                return fail_at(script, key, err);
            }
            node_list_add(arena, kind == 0 ? &node->parents : &node->depends, (size_t)other);
            node_list_add(arena, &node->below, (size_t)other);
        }
    }
    return ERR_OK;
}

static void edges_reverse(Arena *arena, RevisionMap *map)
{
    for (size_t i = 0; i < map->count; i++) {
        for (size_t j = 0; j < map->nodes[i].parents.count; j++)
            node_list_append(arena, &map->nodes[map->nodes[i].parents.items[j]].children, i);
        for (size_t j = 0; j < map->nodes[i].below.count; j++)
            node_list_append(arena, &map->nodes[map->nodes[i].below.items[j]].above, i);
    }
}

/* The first node below `at` that waits too; NO_NODE when none does. */
static long below_waiting(const RevisionMap *map, const size_t *waiting, size_t at)
{
    const NodeList *below = &map->nodes[at].below;
    for (size_t i = 0; i < below->count; i++) {
        if (waiting[below->items[i]] > 0)
            return (long)below->items[i];
    }
    return NO_NODE;
}

/* Nodes that wait each have another one of them below: following those must come around. */
static ErrCode cycle_describe(Arena *arena, const RevisionMap *map, const size_t *waiting,
                              Error *err)
{
    long at = 0;
    while (waiting[at] == 0)
        at++;
    NodeSet seen = node_set(arena, map);
    for (; at != NO_NODE && !node_set_has(seen, (size_t)at); at = below_waiting(map, waiting, at))
        node_set_add(seen, (size_t)at);
    if (at == NO_NODE)
        return err_set(err, ERR_INTERNAL, "a cycle in the revisions that comes to an end");
    StrList names = {0};
    long next = at;
    do {
        strlist_add(arena, &names, map->nodes[next].script->id);
        next = below_waiting(map, waiting, (size_t)next);
    } while (next != at && next != NO_NODE && names.count < CYCLE_NAMES_SHOWN);
    long first = below_waiting(map, waiting, (size_t)at);
    bool parent = first != NO_NODE && node_list_has(&map->nodes[at].parents, (size_t)first);
    err_set(err, ERR_GRAPH, "cycle in the revisions (%.200s)", strlist_join(arena, &names, ", "));
    err_hint(err, "Each of them builds on the next one; correct a `revises:` or `depends-on:`.");
    return fail_at(map->nodes[at].script, parent ? "revises" : "depends-on", err);
}

/* Of a node whose parents are done. */
static void labels_spread(RevisionMap *map, size_t index)
{
    Node *node = &map->nodes[index];
    bool inherits = node->script->labels.count == 0 && node->parents.count == 1;
    node->labels_from = inherits ? map->nodes[node->parents.items[0]].labels_from : index;
    node->is_labelled = node->script->labels.count > 0;
    for (size_t i = 0; i < node->parents.count; i++)
        node->is_labelled = node->is_labelled || map->nodes[node->parents.items[i]].is_labelled;
}

/* Goes through the nodes from the bases up. */
static ErrCode cycles_check(Arena *arena, RevisionMap *map, Error *err)
{
    size_t *waiting = ARENA_ARRAY(arena, size_t, map->count);
    size_t *ready = ARENA_ARRAY(arena, size_t, map->count);
    size_t ready_count = 0;
    for (size_t i = 0; i < map->count; i++) {
        waiting[i] = map->nodes[i].below.count;
        if (waiting[i] == 0)
            ready[ready_count++] = i;
    }
    for (size_t done = 0; done < ready_count; done++) {
        labels_spread(map, ready[done]);
        const NodeList *above = &map->nodes[ready[done]].above;
        for (size_t i = 0; i < above->count; i++) {
            if (--waiting[above->items[i]] == 0)
                ready[ready_count++] = above->items[i];
        }
    }
    return ready_count == map->count ? ERR_OK : cycle_describe(arena, map, waiting, err);
}

/* A dependency that an ancestor has declared already adds no order: Alembic leaves it out. */
static void edges_normalize(Arena *arena, RevisionMap *map)
{
    AUTO_ARENA Arena *scratch = arena_new();
    for (size_t i = 0; i < map->count; i++) {
        Node *node = &map->nodes[i];
        if (node->depends.count == 0) {
            node->normalized = node->parents;
            continue;
        }
        arena_reset(scratch);
        NodeSet ancestors = node_set(scratch, map);
        graph_reach(scratch, map, &node->parents, EDGES_PARENTS, ancestors);
        for (size_t j = 0; j < node->parents.count; j++)
            node_list_append(arena, &node->normalized, node->parents.items[j]);
        for (size_t j = 0; j < node->depends.count; j++) {
            size_t other = node->depends.items[j];
            bool declared = false;
            const NodeList *above = &map->nodes[other].above;
            for (size_t k = 0; k < above->count && !declared; k++)
                declared = node_set_has(ancestors, above->items[k]) &&
                           node_list_has(&map->nodes[above->items[k]].depends, other);
            if (!declared)
                node_list_add(arena, &node->normalized, other);
        }
    }
}

static int compare_scripts(const void *a, const void *b)
{
    return strcmp((*(const Script *const *)a)->id, (*(const Script *const *)b)->id);
}

/* Puts the scripts where they belong: revisions and repeatables sorted by id; the rest stays. */
static void kinds_sort(Arena *arena, Script *const *scripts, size_t count, RevisionMap *map)
{
    map->nodes = ARENA_ARRAY(arena, Node, count);
    map->repeatables = ARENA_ARRAY(arena, const Script *, count);
    for (size_t i = 0; i < count; i++) {
        if (scripts[i]->kind == SCRIPT_REVISION)
            map->nodes[map->count++].script = scripts[i];
        else if (scripts[i]->kind == SCRIPT_REPEATABLE)
            map->repeatables[map->repeatable_count++] = scripts[i];
    }
    if (map->count > 1)
        qsort(map->nodes, map->count, sizeof *map->nodes, compare_nodes);
    if (map->repeatable_count > 1)
        qsort(map->repeatables, map->repeatable_count, sizeof(Script *), compare_scripts);
}

static ErrCode repeatables_check(const RevisionMap *map, Error *err)
{
    for (size_t i = 1; i < map->repeatable_count; i++) {
        const Script *script = map->repeatables[i];
        if (strcmp(map->repeatables[i - 1]->id, script->id) == 0)
            return duplicate(script, map->repeatables[i - 1], "repeatable", "repeatable", err);
    }
    return ERR_OK;
}

static ErrCode baselines_place(RevisionMap *map, Script *const *scripts, size_t count, Error *err)
{
    for (size_t i = 0; i < count; i++) {
        const Script *script = scripts[i];
        if (script->kind != SCRIPT_BASELINE)
            continue;
        long index = graph_index(map, script->id);
        if (index == NO_NODE) {
            err_set(err, ERR_GRAPH, "a baseline stands for revision '%.80s', which no file has",
                    script->id);
            return unknown_name(map, script, "baseline", script->id, err);
        }
        Node *node = &map->nodes[index];
        if (node->baseline != NULL)
            return duplicate(script, node->baseline, "baseline", "the baseline of", err);
        node->baseline = script;
    }
    return ERR_OK;
}

ErrCode graph_build(Arena *arena, Script *const *scripts, size_t count, RevisionMap **ret_map,
                    Error *err)
{
    if (count > LIMIT_REVISIONS)
        return err_set(err, ERR_LIMIT, "more than %d revisions", LIMIT_REVISIONS);
    RevisionMap *map = ARENA_NEW(arena, RevisionMap);
    kinds_sort(arena, scripts, count, map);
    ErrCode code = ids_check(map, err);
    if (code == ERR_OK)
        code = labels_collect(arena, map, err);
    for (size_t i = 0; code == ERR_OK && i < map->count; i++)
        code = edges_read(arena, map, i, err);
    if (code == ERR_OK)
        code = repeatables_check(map, err);
    if (code == ERR_OK)
        code = baselines_place(map, scripts, count, err);
    if (code != ERR_OK)
        return code;
    edges_reverse(arena, map);
    code = cycles_check(arena, map, err);
    if (code != ERR_OK)
        return code;
    edges_normalize(arena, map);
    *ret_map = map;
    return ERR_OK;
}

/* --- questions -------------------------------------------------------------------------------- */

size_t graph_count(const RevisionMap *map)
{
    return map->count;
}

const Script *graph_script_at(const RevisionMap *map, size_t index)
{
    return map->nodes[index].script;
}

const Script *graph_find(const RevisionMap *map, const char *id)
{
    long index = graph_index(map, id);
    return index == NO_NODE ? NULL : map->nodes[index].script;
}

StrList graph_heads(Arena *arena, const RevisionMap *map)
{
    StrList heads = {0};
    for (size_t i = 0; i < map->count; i++) {
        if (map->nodes[i].children.count == 0)
            strlist_add(arena, &heads, map->nodes[i].script->id);
    }
    return heads;
}

StrList graph_children(Arena *arena, const RevisionMap *map, const char *id)
{
    StrList children = {0};
    long index = graph_index(map, id);
    for (size_t i = 0; index != NO_NODE && i < map->nodes[index].children.count; i++)
        strlist_add(arena, &children, map->nodes[map->nodes[index].children.items[i]].script->id);
    return children;
}

size_t graph_repeatable_count(const RevisionMap *map)
{
    return map->repeatable_count;
}

const Script *graph_repeatable_at(const RevisionMap *map, size_t index)
{
    return map->repeatables[index];
}

const Script *graph_baseline(const RevisionMap *map, const char *id)
{
    long index = graph_index(map, id);
    return index == NO_NODE ? NULL : map->nodes[index].baseline;
}
