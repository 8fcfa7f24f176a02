/*
 * Steps, and the rows around them.
 *
 * Rows are the maximal elements of what is applied, before and after every step. Applying a
 * revision puts it above its parents and dependencies; taking it back uncovers those that nothing
 * else applied builds on. So a step looks only at the direct neighbours of its revision.
 */
#include "graph_map.h"

#include "named_limits.h"

#include <string.h>

typedef struct Planner {
    Arena *arena;
    const RevisionMap *map;
    NodeSet applied;
    NodeSet rows;
    size_t row_count;
    GraphSteps steps;
    Error *err;
} Planner;

static bool is_covered(const Planner *planner, size_t node)
{
    const NodeList *above = &planner->map->nodes[node].above;
    for (size_t i = 0; i < above->count; i++) {
        if (node_set_has(planner->applied, above->items[i]))
            return true;
    }
    return false;
}

static void row_set(Planner *planner, size_t node, bool present)
{
    if (node_set_has(planner->rows, node) == present)
        return;
    if (present)
        node_set_add(planner->rows, node);
    else
        node_set_remove(planner->rows, node);
    planner->row_count += present ? 1 : (size_t)-1;
}

/* Sorted, since nodes are. Ids are the scripts' own. */
static StrList rows_list(const Planner *planner)
{
    StrList list = {.items = ARENA_ARRAY(planner->arena, const char *, planner->row_count),
                    .capacity = planner->row_count};
    for (size_t word = 0; word < planner->map->count / 64 + 1; word++) {
        for (uint64_t bits = planner->rows.words[word]; bits != 0; bits &= bits - 1) {
            size_t node = 64 * word + (size_t)__builtin_ctzll(bits);
            list.items[list.count++] = planner->map->nodes[node].script->id;
        }
    }
    return list;
}

static StrList sorted_copy(Arena *arena, const StrList *rows)
{
    StrList sorted = {0};
    for (size_t i = 0; i < rows->count; i++) {
        if (!strlist_has(&sorted, rows->items[i]))
            strlist_add(arena, &sorted, rows->items[i]);
    }
    strlist_sort(&sorted);
    return sorted;
}

/* The rows as given are the first step's rows before, even when they overlap (Alembic can leave
 * such a pair): the step finds them in the shard and puts them right. */
static ErrCode planner_start(Planner *planner, Arena *arena, const RevisionMap *map,
                             const StrList *rows, NodeList *ret_nodes, Error *err)
{
    *planner = (Planner){
        .arena = arena,
        .map = map,
        .applied = node_set(arena, map),
        .rows = node_set(arena, map),
        .err = err,
    };
    if (rows->count > LIMIT_ROWS) {
        err_set(err, ERR_LIMIT, "more than %d version rows", LIMIT_ROWS);
        return ERR_LIMIT;
    }
    ErrCode code = graph_rows_read(arena, map, rows, ret_nodes, err);
    if (code != ERR_OK)
        return code;
    graph_reach(arena, map, ret_nodes, EDGES_BELOW, planner->applied);
    for (size_t i = 0; i < ret_nodes->count; i++)
        row_set(planner, ret_nodes->items[i], !is_covered(planner, ret_nodes->items[i]));
    planner->steps.rows_after = sorted_copy(arena, rows);
    return ERR_OK;
}

static ErrCode step_add(Planner *planner, size_t node, const Script *script, Direction direction)
{
    const NodeList *below = &planner->map->nodes[node].below;
    if (direction == DIRECTION_UPGRADE) {
        node_set_add(planner->applied, node);
        for (size_t i = 0; i < below->count; i++)
            row_set(planner, below->items[i], false);
        row_set(planner, node, true);
    } else {
        node_set_remove(planner->applied, node);
        row_set(planner, node, false);
        for (size_t i = 0; i < below->count; i++)
            row_set(planner, below->items[i], !is_covered(planner, below->items[i]));
    }
    if (planner->row_count > LIMIT_ROWS)
        return err_set(planner->err, ERR_LIMIT, "step %.80s would leave more than %d version rows",
                       script->id, LIMIT_ROWS);
    GraphStep *step = &planner->steps.items[planner->steps.count++];
    *step = (GraphStep){
        .revision = script->id,
        .script = script,
        .direction = direction,
        .rows_before = planner->steps.rows_after,
        .rows_after = rows_list(planner),
    };
    planner->steps.rows_after = step->rows_after;
    return ERR_OK;
}

static size_t set_size(const Planner *planner, NodeSet set)
{
    size_t size = 0;
    for (size_t i = 0; i < planner->map->count / 64 + 1; i++)
        size += (size_t)__builtin_popcountll(set.words[i]);
    return size;
}

static NodeSet ancestors_of(const Planner *planner, size_t node)
{
    const NodeList from = {.items = &node, .count = 1};
    NodeSet set = node_set(planner->arena, planner->map);
    graph_reach(planner->arena, planner->map, &from, EDGES_BELOW, set);
    return set;
}

/* The baseline in `set` that stands for most revisions; NO_NODE when there is none. */
static long baseline_choose(const Planner *planner, NodeSet set)
{
    long chosen = NO_NODE;
    size_t most = 0;
    for (size_t i = 0; i < planner->map->count; i++) {
        if (planner->map->nodes[i].baseline == NULL || !node_set_has(set, i))
            continue;
        size_t size = set_size(planner, ancestors_of(planner, i));
        if (size > most) {
            most = size;
            chosen = (long)i;
        }
    }
    return chosen;
}

/* What the baseline stands for is applied and needs no steps; its own step follows. */
static void baseline_apply(Planner *planner, size_t node, NodeSet set)
{
    NodeSet ancestors = ancestors_of(planner, node);
    for (size_t i = 0; i < planner->map->count / 64 + 1; i++) {
        planner->applied.words[i] |= ancestors.words[i];
        set.words[i] &= ~ancestors.words[i];
    }
}

static ErrCode steps_make(Planner *planner, NodeSet set, Direction direction)
{
    bool up = direction == DIRECTION_UPGRADE;
    long baseline =
        up && planner->steps.rows_after.count == 0 ? baseline_choose(planner, set) : NO_NODE;
    if (baseline != NO_NODE)
        baseline_apply(planner, (size_t)baseline, set);
    NodeList order = graph_sort(planner->arena, planner->map, set);
    size_t count = order.count + (baseline != NO_NODE);
    if (count > LIMIT_STEPS)
        return err_set(planner->err, ERR_LIMIT, "more than %d steps", LIMIT_STEPS);
    planner->steps.items = ARENA_ARRAY(planner->arena, GraphStep, count);
    ErrCode code = ERR_OK;
    if (baseline != NO_NODE)
        code =
            step_add(planner, (size_t)baseline, planner->map->nodes[baseline].baseline, direction);
    for (size_t i = 0; code == ERR_OK && i < order.count; i++) {
        size_t node = order.items[up ? order.count - 1 - i : i];
        code = step_add(planner, node, planner->map->nodes[node].script, direction);
    }
    return code;
}

static ErrCode overlap(const RevisionMap *map, const char *text, size_t a, size_t b, Error *err)
{
    err_set(err, ERR_TARGET,
            "requested revision %.80s overlaps with other requested revisions %.80s",
            map->nodes[a].script->id, map->nodes[b].script->id);
    err_detail(err, "asked for: %.160s", text);
    err_hint(err, "One of them builds on the other: name only that one.");
    return ERR_TARGET;
}

/* Of several targets none may build on another. */
static ErrCode overlap_check(Arena *arena, const RevisionMap *map, const char *text,
                             const NodeList *nodes, Error *err)
{
    for (size_t i = 0; nodes->count > 1 && i < nodes->count; i++) {
        NodeSet below = node_set(arena, map);
        graph_reach(arena, map, &map->nodes[nodes->items[i]].below, EDGES_BELOW, below);
        for (size_t j = 0; j < nodes->count; j++) {
            if (node_set_has(below, nodes->items[j]))
                return overlap(map, text, nodes->items[i], nodes->items[j], err);
        }
    }
    return ERR_OK;
}

ErrCode graph_upgrade(Arena *arena, const RevisionMap *map, const StrList *rows, const char *target,
                      GraphSteps *ret_steps, Error *err)
{
    Planner planner;
    NodeList row_nodes;
    Target to;
    ErrCode code = planner_start(&planner, arena, map, rows, &row_nodes, err);
    if (code == ERR_OK)
        code = graph_target_upgrade(arena, map, &row_nodes, target, &to, err);
    if (code != ERR_OK)
        return code;
    code = overlap_check(arena, map, target, &to.nodes, err);
    if (code != ERR_OK)
        return code;
    NodeSet set = node_set(arena, map);
    graph_reach(arena, map, &to.nodes, EDGES_BELOW, set);
    for (size_t i = 0; i < map->count / 64 + 1; i++)
        set.words[i] &= ~planner.applied.words[i];
    code = steps_make(&planner, set, DIRECTION_UPGRADE);
    if (code == ERR_OK)
        *ret_steps = planner.steps;
    return code;
}

/* What goes first when the target is to stay: its children, or all bases. A branch narrows several
 * to those it stands on. */
static ErrCode downgrade_roots(Arena *arena, const RevisionMap *map, const Target *target,
                               const char *text, NodeList *ret_roots, Error *err)
{
    NodeList roots = {0};
    if (target->nodes.count > 0)
        roots = map->nodes[target->nodes.items[0]].children;
    for (size_t i = 0; target->nodes.count == 0 && i < map->count; i++) {
        if (map->nodes[i].parents.count == 0)
            node_list_add(arena, &roots, i);
    }
    *ret_roots = roots;
    if (target->branch == NO_NODE || roots.count < 2)
        return ERR_OK;
    size_t branch = (size_t)target->branch;
    const NodeList from = {.items = &branch, .count = 1};
    NodeSet stands_on = node_set(arena, map);
    graph_reach(arena, map, &from, EDGES_PARENTS, stands_on);
    NodeList kept = {0};
    for (size_t i = 0; i < roots.count; i++) {
        if (node_set_has(stands_on, roots.items[i]))
            node_list_add(arena, &kept, roots.items[i]);
    }
    *ret_roots = kept;
    if (kept.count > 0)
        return ERR_OK;
    err_set(err, ERR_TARGET, "'%.100s' is not a valid downgrade target from current heads", text);
    err_detail(err, "%s does not stand on it", map->nodes[branch].script->id);
    err_hint(err, "Name a branch that does, or leave the branch out.");
    return ERR_TARGET;
}

/* Names the irreversible step that would be met first. */
static ErrCode downgrade_check(const GraphSteps *steps, Error *err)
{
    const Script *first = NULL;
    size_t count = 0;
    for (size_t i = steps->count; i-- > 0;) {
        if (steps->items[i].script->irreversible == NULL)
            continue;
        first = steps->items[i].script;
        count++;
    }
    if (first == NULL)
        return ERR_OK;
    err_set(err, ERR_TARGET, "revision %.160s can't be taken back", first->id);
    if (count == 1)
        err_detail(err, "irreversible: %s", first->irreversible);
    else
        err_detail(err, "irreversible: %.400s (so %s %zu more on this way)", first->irreversible,
                   count == 2 ? "is" : "are", count - 1);
    err_hint(err, "Restore a backup, or write a new revision that goes forward.");
    err_at(err, first->file, 0);
    return ERR_TARGET;
}

ErrCode graph_downgrade(Arena *arena, const RevisionMap *map, const StrList *rows,
                        const char *target, GraphSteps *ret_steps, Error *err)
{
    Planner planner;
    NodeList row_nodes;
    Target to;
    ErrCode code = planner_start(&planner, arena, map, rows, &row_nodes, err);
    if (code == ERR_OK)
        code = graph_target_downgrade(arena, map, &row_nodes, target, &to, err);
    if (code != ERR_OK)
        return code;
    NodeSet set = node_set(arena, map);
    NodeList roots;
    code = downgrade_roots(arena, map, &to, target, &roots, err);
    if (code != ERR_OK)
        return code;
    graph_reach(arena, map, &roots, EDGES_ABOVE, set);
    bool empty = true;
    for (size_t i = 0; i < map->count / 64 + 1; i++) {
        set.words[i] &= planner.applied.words[i];
        empty = empty && set.words[i] == 0;
    }
    if (empty && to.nodes.count > 0 && !node_list_has(&row_nodes, to.nodes.items[0])) {
        err_set(err, ERR_TARGET,
                "destination %.100s is not a valid downgrade target from current head(s)", target);
        err_hint(err, "`pgtide current` shows where it stands.");
        return ERR_TARGET;
    }
    code = steps_make(&planner, set, DIRECTION_DOWNGRADE);
    if (code == ERR_OK)
        code = downgrade_check(&planner.steps, err);
    planner.steps.warning = to.warning;
    if (code == ERR_OK)
        *ret_steps = planner.steps;
    return code;
}

/* --- stamping --------------------------------------------------------------------------------- */

/* All that `node` builds on and all that builds on it, over both kinds of edges. */
static NodeSet related(Arena *arena, const RevisionMap *map, size_t node)
{
    const NodeList from = {.items = &node, .count = 1};
    NodeSet below = node_set(arena, map);
    NodeSet above = node_set(arena, map);
    graph_reach(arena, map, &from, EDGES_BELOW, below);
    graph_reach(arena, map, &from, EDGES_ABOVE, above);
    for (size_t i = 0; i < map->count / 64 + 1; i++)
        below.words[i] |= above.words[i];
    return below;
}

static void rows_drop(NodeList *rows, const NodeSet *set)
{
    size_t kept = 0;
    for (size_t i = 0; i < rows->count; i++) {
        if (set != NULL && !node_set_has(*set, rows->items[i]))
            rows->items[kept++] = rows->items[i];
    }
    rows->count = kept;
}

static ErrCode stamp_one(Arena *arena, const RevisionMap *map, const char *text, NodeList *rows,
                         NodeList *stamped, Error *err)
{
    Target target;
    ErrCode code = graph_target_absolute(arena, map, text, &target, err);
    if (code != ERR_OK)
        return code;
    if (target.nodes.count == 0) {
        NodeSet line;
        if (target.branch != NO_NODE)
            line = related(arena, map, (size_t)target.branch);
        rows_drop(rows, target.branch == NO_NODE ? NULL : &line);
        return ERR_OK;
    }
    for (size_t i = 0; i < target.nodes.count; i++) {
        size_t node = target.nodes.items[i];
        NodeSet line = related(arena, map, node);
        for (size_t j = 0; j < stamped->count; j++) {
            if (stamped->items[j] != node && node_set_has(line, stamped->items[j]))
                return overlap(map, text, node, stamped->items[j], err);
        }
        rows_drop(rows, &line);
        node_list_add(arena, stamped, node);
    }
    return ERR_OK;
}

ErrCode graph_stamp(Arena *arena, const RevisionMap *map, const StrList *rows,
                    const StrList *targets, bool purge, StrList *ret_rows, Error *err)
{
    NodeList row_nodes = {0};
    NodeList stamped = {0};
    ErrCode code = ERR_OK;
    if (!purge)
        code = graph_rows_read(arena, map, rows, &row_nodes, err);
    for (size_t i = 0; code == ERR_OK && i < targets->count; i++)
        code = stamp_one(arena, map, targets->items[i], &row_nodes, &stamped, err);
    if (code != ERR_OK)
        return code;
    StrList after = {0};
    for (size_t i = 0; i < row_nodes.count; i++)
        strlist_add(arena, &after, map->nodes[row_nodes.items[i]].script->id);
    for (size_t i = 0; i < stamped.count; i++)
        strlist_add(arena, &after, map->nodes[stamped.items[i]].script->id);
    strlist_sort(&after);
    *ret_rows = after;
    return ERR_OK;
}

ErrCode graph_step_script(const RevisionMap *map, const char *revision, Direction direction,
                          const StrList *rows_before, const StrList *rows_after,
                          const Script **ret_script, Error *err)
{
    long index = graph_index(map, revision);
    if (index == NO_NODE)
        return err_set(err, ERR_REVISION_UNKNOWN, "no revision file has the id '%.160s'", revision);
    const Node *node = &map->nodes[index];
    if (direction == DIRECTION_DOWNGRADE && rows_after->count == 0 && node->below.count > 0) {
        err_set(err, ERR_REFUSED,
                "revision %.120s came by a baseline, which can't be taken back in one step",
                revision);
        err_hint(err, "Downgrade to base: that goes by the revisions' own downgrades.");
        return ERR_REFUSED;
    }
    bool by_baseline =
        direction == DIRECTION_UPGRADE && rows_before->count == 0 && node->baseline != NULL;
    *ret_script = by_baseline ? node->baseline : node->script;
    return ERR_OK;
}

ErrCode graph_applied(Arena *arena, const RevisionMap *map, const StrList *rows,
                      StrList *ret_applied, Error *err)
{
    NodeList nodes;
    ErrCode code = graph_rows_read(arena, map, rows, &nodes, err);
    if (code != ERR_OK)
        return code;
    NodeSet applied = node_set(arena, map);
    graph_reach(arena, map, &nodes, EDGES_BELOW, applied);
    StrList ids = {0};
    for (size_t i = 0; i < map->count; i++) {
        if (node_set_has(applied, i))
            strlist_add(arena, &ids, map->nodes[i].script->id);
    }
    *ret_applied = ids;
    return ERR_OK;
}
