/*
 * Identifiers: [branch@]symbol, [branch@][symbol]+N, [branch@][symbol]-N (Alembic's grammar).
 */
#include "graph_map.h"

#include <stdlib.h>
#include <string.h>

enum { STEPS_DIGITS_MAX = 6, CANDIDATES_SHOWN = 6, PREFIXED_LENGTH_MIN = 4 };

typedef struct Identifier {
    const char *text;   /* as given */
    const char *branch; /* NULL = none */
    const char *symbol; /* '' = none */
    bool relative;
    const char *counted; /* "+2" */
    int steps;
} Identifier;

typedef struct Resolver {
    Arena *arena;
    const RevisionMap *map;
    Identifier identifier;
    bool stops_at_tip; /* counting past it is no error */
    Error *err;
} Resolver;

static const char *id_of(const RevisionMap *map, size_t node)
{
    return map->nodes[node].script->id;
}

static void only(Arena *arena, NodeList *list, size_t node)
{
    *list = (NodeList){0};
    node_list_add(arena, list, node);
}

/* "a, b, c and 4 more" */
static const char *names_shown(Arena *arena, const StrList *names)
{
    StrList first = *names;
    if (first.count > CANDIDATES_SHOWN)
        first.count = CANDIDATES_SHOWN;
    const char *shown = strlist_join(arena, &first, ", ");
    if (names->count <= CANDIDATES_SHOWN)
        return shown;
    return arena_printf(arena, "%s and %zu more", shown, names->count - CANDIDATES_SHOWN);
}

static const char *names_of(Arena *arena, const RevisionMap *map, const NodeList *nodes)
{
    StrList names = {0};
    for (size_t i = 0; i < nodes->count; i++)
        strlist_add(arena, &names, id_of(map, nodes->items[i]));
    return names_shown(arena, &names);
}

static ErrCode unknown(const RevisionMap *map, const char *text, Error *err)
{
    err_set(err, ERR_REVISION_UNKNOWN, "can't locate revision identified by '%.160s'", text);
    const char **ids = xcalloc(map->count + map->label_count, sizeof *ids);
    for (size_t i = 0; i < map->count; i++)
        ids[i] = id_of(map, i);
    for (size_t i = 0; i < map->label_count; i++)
        ids[map->count + i] = map->labels[i].name;
    const char *nearest = str_nearest(text, ids, map->count + map->label_count);
    if (nearest != NULL)
        err_hint(err, "Did you mean '%s'?", nearest);
    free(ids);
    return ERR_REVISION_UNKNOWN;
}

static ErrCode identifier_parse(Arena *arena, const RevisionMap *map, const char *text,
                                Identifier *out, Error *err)
{
    Identifier identifier = {.text = text};
    if (strchr(text, ':') != NULL) {
        err_set(err, ERR_TARGET, "range revision not allowed: '%.160s'", text);
        err_hint(err, "Give one revision.");
        return ERR_TARGET;
    }
    const char *at = strchr(text, '@');
    if (at != NULL) {
        identifier.branch = arena_strndup(arena, text, (size_t)(at - text));
        text = at + 1;
    }
    const char *sign = strpbrk(text, "+-");
    if (sign == NULL) {
        identifier.symbol = text;
    } else {
        size_t digits = strspn(sign + 1, "0123456789");
        if (digits == 0 || sign[1 + digits] != '\0')
            return unknown(map, identifier.text, err);
        if (digits > STEPS_DIGITS_MAX) {
            err_set(err, ERR_TARGET, "'%.80s' is too far", identifier.text);
            return ERR_TARGET;
        }
        identifier.symbol = arena_strndup(arena, text, (size_t)(sign - text));
        identifier.relative = true;
        identifier.counted = sign;
        identifier.steps = atoi(sign + 1) * (*sign == '-' ? -1 : 1);
    }
    if ((identifier.branch != NULL && identifier.branch[0] == '\0') ||
        (identifier.symbol[0] == '\0' && !identifier.relative))
        return unknown(map, identifier.text, err);
    *out = identifier;
    return ERR_OK;
}

NodeSet graph_lineage(Arena *arena, const RevisionMap *map, size_t branch)
{
    const NodeList from = {.items = &branch, .count = 1};
    NodeSet set = node_set(arena, map);
    NodeSet up = node_set(arena, map);
    graph_reach(arena, map, &from, EDGES_PARENTS, set);
    graph_reach(arena, map, &from, EDGES_CHILDREN, up);
    for (size_t i = 0; i < map->count / 64 + 1; i++)
        set.words[i] |= up.words[i];
    return set;
}

static NodeList filtered(Arena *arena, const NodeList *nodes, const NodeSet *within)
{
    NodeList kept = {0};
    for (size_t i = 0; i < nodes->count; i++) {
        if (within == NULL || node_set_has(*within, nodes->items[i]))
            node_list_add(arena, &kept, nodes->items[i]);
    }
    return kept;
}

static bool is_prefixed(const char *name, const char *prefix)
{
    return strlen(name) >= PREFIXED_LENGTH_MIN && str_starts_with(name, prefix);
}

/* A prefix that only one id or label on the branch has. */
static ErrCode prefix_resolve(const Resolver *resolver, const char *prefix, const NodeSet *within,
                              size_t *ret_node)
{
    const RevisionMap *map = resolver->map;
    StrList names = {0};
    size_t node = 0;
    for (size_t i = 0; i < map->count + map->label_count && prefix[0] != '\0'; i++) {
        const BranchLabel *label = i < map->count ? NULL : &map->labels[i - map->count];
        const char *name = label == NULL ? id_of(map, i) : label->name;
        size_t owner = label == NULL ? i : label->node;
        if (!is_prefixed(name, prefix) || (within != NULL && !node_set_has(*within, owner)))
            continue;
        strlist_add(resolver->arena, &names, name);
        node = owner;
    }
    if (names.count == 0)
        return unknown(map, resolver->identifier.text, resolver->err);
    if (names.count > 1) {
        err_set(resolver->err, ERR_REVISION_UNKNOWN, "can't locate revision identified by '%.160s'",
                resolver->identifier.text);
        err_detail(resolver->err, "several begin so: %s", names_shown(resolver->arena, &names));
        err_hint(resolver->err, "Write more of the id.");
        return ERR_REVISION_UNKNOWN;
    }
    *ret_node = node;
    return ERR_OK;
}

/* A full id, a label, or a prefix. */
static ErrCode name_resolve(const Resolver *resolver, const char *name, const NodeSet *within,
                            size_t *ret_node)
{
    const RevisionMap *map = resolver->map;
    long node = graph_index(map, name);
    if (node == NO_NODE)
        node = graph_label_index(map, name);
    if (node != NO_NODE) {
        if (within != NULL && !node_set_has(*within, (size_t)node)) {
            err_set(resolver->err, ERR_REVISION_UNKNOWN,
                    "can't locate revision identified by '%.160s'", resolver->identifier.text);
            err_hint(resolver->err, "'%.80s' is not on branch '%.80s'.", name,
                     resolver->identifier.branch);
            return ERR_REVISION_UNKNOWN;
        }
        *ret_node = (size_t)node;
        return ERR_OK;
    }
    return prefix_resolve(resolver, name, within, ret_node);
}

/* The identifier's branch: its node and its lineage; NO_NODE without a branch. */
static ErrCode branch_resolve(const Resolver *resolver, long *ret_branch, NodeSet *ret_lineage)
{
    *ret_branch = NO_NODE;
    if (resolver->identifier.branch == NULL)
        return ERR_OK;
    size_t node = 0;
    ErrCode code = name_resolve(resolver, resolver->identifier.branch, NULL, &node);
    if (code != ERR_OK)
        return code;
    *ret_branch = (long)node;
    *ret_lineage = graph_lineage(resolver->arena, resolver->map, node);
    return ERR_OK;
}

static ErrCode several_heads(const Resolver *resolver, const NodeList *heads)
{
    err_set(resolver->err, ERR_MULTIPLE_HEADS,
            "multiple head revisions are present for given argument '%.80s'",
            resolver->identifier.text);
    err_detail(resolver->err, "%s", names_of(resolver->arena, resolver->map, heads));
    err_hint(resolver->err, "Name a revision, say `BRANCH@head` to narrow to one head or `heads` "
                            "for all, or merge them with `pgtide merge heads`.");
    return ERR_MULTIPLE_HEADS;
}

/* A symbol without steps. No nodes: base (or the head of nothing). */
static ErrCode symbol_resolve(const Resolver *resolver, const char *symbol, const NodeSet *within,
                              NodeList *ret_nodes)
{
    const RevisionMap *map = resolver->map;
    bool head = strcmp(symbol, "head") == 0;
    NodeList nodes = {0};
    if (head || strcmp(symbol, "heads") == 0) {
        for (size_t i = 0; i < map->count; i++) {
            bool is_head = head || within != NULL ? map->nodes[i].children.count == 0
                                                  : map->nodes[i].above.count == 0;
            if (is_head && (within == NULL || node_set_has(*within, i)))
                node_list_append(resolver->arena, &nodes, i);
        }
        if (head && nodes.count > 1)
            return several_heads(resolver, &nodes);
    } else if (strcmp(symbol, "base") != 0) {
        size_t node;
        ErrCode code = name_resolve(resolver, symbol, within, &node);
        if (code != ERR_OK)
            return code;
        node_list_add(resolver->arena, &nodes, node);
    }
    *ret_nodes = nodes;
    return ERR_OK;
}

/* --- walking ---------------------------------------------------------------------------------- */

static ErrCode walk_short(const Resolver *resolver)
{
    const Identifier *identifier = &resolver->identifier;
    err_set(resolver->err, ERR_TARGET, "relative revision %s didn't produce %d migrations",
            identifier->counted, abs(identifier->steps));
    if (strcmp(identifier->text, identifier->counted) != 0)
        err_detail(resolver->err, "asked for: %.160s", identifier->text);
    err_hint(resolver->err, "Run `pgtide history` to see how far it goes.");
    return ERR_TARGET;
}

/* All heads, or all bases. */
static NodeList ends_of(const Resolver *resolver, bool heads)
{
    NodeList ends = {0};
    for (size_t i = 0; i < resolver->map->count; i++) {
        const Node *node = &resolver->map->nodes[i];
        if ((heads ? node->children.count : node->parents.count) == 0)
            node_list_append(resolver->arena, &ends, i);
    }
    return ends;
}

/* Walks from `place`, a node or NO_NODE for base. Below base come the heads, as in Alembic. */
static ErrCode walk(const Resolver *resolver, long place, const NodeSet *within, long *ret_place)
{
    const RevisionMap *map = resolver->map;
    int steps = resolver->identifier.steps;
    for (int i = 0; i < abs(steps); i++) {
        NodeList next = {0};
        if (steps < 0 && place == NO_NODE && i > 0) {
            if (resolver->stops_at_tip)
                break;
            return walk_short(resolver);
        }
        if (place != NO_NODE)
            next = steps < 0 ? map->nodes[place].parents : map->nodes[place].children;
        else
            next = ends_of(resolver, steps < 0);
        if (steps > 0)
            next = filtered(resolver->arena, &next, within);
        if (next.count > 1) {
            err_set(resolver->err, ERR_TARGET, "ambiguous walk: '%.80s' could go several ways",
                    resolver->identifier.text);
            err_detail(resolver->err, "%s", names_of(resolver->arena, map, &next));
            err_hint(resolver->err, "Name the revision, or a branch as in `BRANCH@%c1`.",
                     steps < 0 ? '-' : '+');
            return ERR_TARGET;
        }
        if (next.count == 0 && (steps > 0 || place == NO_NODE)) {
            if (resolver->stops_at_tip)
                break;
            return walk_short(resolver);
        }
        place = next.count == 0 ? NO_NODE : (long)next.items[0];
    }
    *ret_place = place;
    return ERR_OK;
}

/* Walks from the identifier's symbol, which must be on `start_within`. */
static ErrCode walk_from_symbol(const Resolver *resolver, const NodeSet *start_within,
                                const NodeSet *within, long *ret_place)
{
    NodeList start;
    ErrCode code = symbol_resolve(resolver, resolver->identifier.symbol, start_within, &start);
    if (code != ERR_OK)
        return code;
    if (start.count > 1)
        return several_heads(resolver, &start);
    long place = start.count == 0 ? NO_NODE : (long)start.items[0];
    return walk(resolver, place, within, ret_place);
}

/* The ends of all applied lines that lie on the branch: rows, and what has no row only because
 * something applied depends on it. */
static NodeList applied_ends(const Resolver *resolver, const NodeList *rows, NodeSet lineage)
{
    const RevisionMap *map = resolver->map;
    NodeSet applied = node_set(resolver->arena, map);
    graph_reach(resolver->arena, map, rows, EDGES_BELOW, applied);
    NodeList ends = {0};
    for (size_t i = 0; i < map->count; i++) {
        bool end = node_set_has(applied, i) && node_set_has(lineage, i);
        const NodeList *children = &map->nodes[i].children;
        for (size_t j = 0; end && j < children->count; j++)
            end = !node_set_has(applied, children->items[j]);
        if (end)
            node_list_add(resolver->arena, &ends, i);
    }
    return ends;
}

/* Those of the branch's applied revisions that no other of them builds on. */
static NodeList applied_tips(const Resolver *resolver, const NodeList *rows, NodeSet lineage)
{
    const RevisionMap *map = resolver->map;
    NodeSet applied = node_set(resolver->arena, map);
    graph_reach(resolver->arena, map, rows, EDGES_BELOW, applied);
    NodeList tips = {0};
    for (size_t i = 0; i < map->count; i++) {
        bool tip = node_set_has(applied, i) && node_set_has(lineage, i);
        const NodeList *above = &map->nodes[i].above;
        for (size_t j = 0; tip && j < above->count; j++)
            tip =
                !(node_set_has(applied, above->items[j]) && node_set_has(lineage, above->items[j]));
        if (tip)
            node_list_add(resolver->arena, &tips, i);
    }
    return tips;
}

/* --- targets ---------------------------------------------------------------------------------- */

ErrCode graph_rows_read(Arena *arena, const RevisionMap *map, const StrList *rows,
                        NodeList *ret_nodes, Error *err)
{
    NodeList nodes = {0};
    for (size_t i = 0; i < rows->count; i++) {
        long node = graph_index(map, rows->items[i]);
        if (node == NO_NODE) {
            err_set(err, ERR_REVISION_UNKNOWN, "can't locate revision identified by '%.160s'",
                    rows->items[i]);
            err_detail(err, "it is a version row, and no revision file has that id");
            err_hint(err,
                     "Use the revision files it came from; `pgtide stamp --purge` forgets it.");
            return ERR_REVISION_UNKNOWN;
        }
        node_list_add(arena, &nodes, (size_t)node);
    }
    *ret_nodes = nodes;
    return ERR_OK;
}

static ErrCode resolver_make(Arena *arena, const RevisionMap *map, const char *text,
                             Resolver *ret_resolver, long *ret_branch, NodeSet *ret_lineage,
                             Error *err)
{
    Resolver resolver = {.arena = arena, .map = map, .err = err};
    ErrCode code = identifier_parse(arena, map, text, &resolver.identifier, err);
    if (code == ERR_OK)
        code = branch_resolve(&resolver, ret_branch, ret_lineage);
    if (code == ERR_OK)
        *ret_resolver = resolver;
    return code;
}

static void target_place(Arena *arena, long place, Target *target)
{
    target->nodes = (NodeList){0};
    if (place != NO_NODE)
        only(arena, &target->nodes, (size_t)place);
}

ErrCode graph_target_absolute(Arena *arena, const RevisionMap *map, const char *text,
                              Target *ret_target, Error *err)
{
    Resolver resolver;
    NodeSet lineage;
    Target target = {0};
    ErrCode code = resolver_make(arena, map, text, &resolver, &target.branch, &lineage, err);
    if (code != ERR_OK)
        return code;
    const NodeSet *within = target.branch == NO_NODE ? NULL : &lineage;
    if (resolver.identifier.relative) {
        err_set(err, ERR_TARGET, "'%.160s' is relative; a revision is needed here", text);
        err_hint(err, "Name a revision, a label, head, heads or base.");
        return ERR_TARGET;
    }
    code = symbol_resolve(&resolver, resolver.identifier.symbol, within, &target.nodes);
    if (code == ERR_OK)
        *ret_target = target;
    return code;
}

/* `+N`: counted from the row on the branch, from the tip of what is applied on it, or from base. */
static ErrCode walk_from_rows(const Resolver *resolver, const NodeList *rows, const NodeSet *within,
                              long *ret_place)
{
    const Identifier *identifier = &resolver->identifier;
    if (identifier->steps <= 0) {
        walk_short(resolver);
        err_hint(resolver->err, "An upgrade counts up: +N. `pgtide downgrade -N` goes back.");
        return ERR_TARGET;
    }
    NodeList starts = filtered(resolver->arena, rows, within);
    if (starts.count == 0 && within != NULL)
        starts = applied_tips(resolver, rows, *within);
    if (starts.count > 1) {
        err_set(resolver->err, ERR_TARGET, "ambiguous upgrade from multiple current revisions");
        err_detail(resolver->err, "%.160s could count from: %s", identifier->text,
                   names_of(resolver->arena, resolver->map, &starts));
        err_hint(resolver->err, "Say from which branch, as in `BRANCH@%+d`.", identifier->steps);
        return ERR_TARGET;
    }
    return walk(resolver, starts.count == 0 ? NO_NODE : (long)starts.items[0], within, ret_place);
}

static ErrCode upgrade_resolve(Resolver *resolver, const NodeList *rows, const NodeSet *within,
                               Target *target)
{
    const Identifier *identifier = &resolver->identifier;
    if (!identifier->relative)
        return symbol_resolve(resolver, identifier->symbol, within, &target->nodes);
    long place = NO_NODE;
    ErrCode code =
        identifier->symbol[0] == '\0'
            ? walk_from_rows(resolver, rows, within, &place)
            : walk_from_symbol(resolver, identifier->steps > 0 ? NULL : within, within, &place);
    if (code == ERR_OK)
        target_place(resolver->arena, place, target);
    return code;
}

ErrCode graph_target_upgrade(Arena *arena, const RevisionMap *map, const NodeList *rows,
                             const char *text, Target *ret_target, Error *err)
{
    Resolver resolver;
    NodeSet lineage;
    Target target = {0};
    ErrCode code = resolver_make(arena, map, text, &resolver, &target.branch, &lineage, err);
    if (code == ERR_OK)
        code =
            upgrade_resolve(&resolver, rows, target.branch == NO_NODE ? NULL : &lineage, &target);
    if (code == ERR_OK)
        *ret_target = target;
    return code;
}

/* Where `-N` starts: the row on the branch, or the first of all rows. */
static ErrCode downgrade_start(const Resolver *resolver, const NodeList *rows, NodeSet lineage,
                               Target *target, long *ret_place)
{
    NodeList starts = *rows;
    if (target->branch != NO_NODE) {
        starts = filtered(resolver->arena, rows, &lineage);
        if (starts.count == 0)
            starts = applied_ends(resolver, rows, lineage);
        if (starts.count == 0) {
            err_set(resolver->err, ERR_TARGET, "nothing of branch '%.80s' is applied",
                    resolver->identifier.branch);
            err_hint(resolver->err, "`pgtide current` shows where it stands.");
            return ERR_TARGET;
        }
        if (starts.count > 1) {
            err_set(resolver->err, ERR_TARGET,
                    "ambiguous downgrade from multiple current "
                    "revisions");
            err_detail(resolver->err, "%.160s could count from: %s", resolver->identifier.text,
                       names_of(resolver->arena, resolver->map, &starts));
            err_hint(resolver->err, "Name the revision to go down to.");
            return ERR_TARGET;
        }
    }
    if (starts.count == 0) {
        walk_short(resolver);
        err_hint(resolver->err, "The shard is at base: nothing is left to take back.");
        return ERR_TARGET;
    }
    *ret_place = (long)starts.items[0];
    if (target->branch == NO_NODE)
        target->branch = *ret_place;
    if (starts.count > 1)
        target->warning = arena_printf(
            resolver->arena, "%s counts from %s, the first of %zu current revisions",
            resolver->identifier.text, id_of(resolver->map, starts.items[0]), starts.count);
    return ERR_OK;
}

ErrCode graph_target_downgrade(Arena *arena, const RevisionMap *map, const NodeList *rows,
                               const char *text, Target *ret_target, Error *err)
{
    Resolver resolver;
    NodeSet lineage;
    Target target = {0};
    ErrCode code = resolver_make(arena, map, text, &resolver, &target.branch, &lineage, err);
    if (code != ERR_OK)
        return code;
    const NodeSet *within = target.branch == NO_NODE ? NULL : &lineage;
    long place = NO_NODE;
    if (!resolver.identifier.relative) {
        /* the branch chooses among what stands on the target, not the target */
        code = symbol_resolve(&resolver, resolver.identifier.symbol, NULL, &target.nodes);
        if (code == ERR_OK && target.nodes.count > 1)
            code = several_heads(&resolver, &target.nodes);
        if (code == ERR_OK)
            *ret_target = target;
        return code;
    }
    if (resolver.identifier.symbol[0] != '\0') {
        code = walk_from_symbol(&resolver, resolver.identifier.steps < 0 ? within : NULL, within,
                                &place);
    } else if (resolver.identifier.steps >= 0) {
        code = walk_short(&resolver);
    } else {
        code = downgrade_start(&resolver, rows, lineage, &target, &place);
        if (code == ERR_OK)
            code = walk(&resolver, place, NULL, &place);
    }
    if (code != ERR_OK)
        return code;
    target_place(arena, place, &target);
    *ret_target = target;
    return ERR_OK;
}

/* `-N`: counted down from each head (on the branch); `ret_base`: from one of them that is base. */
static ErrCode walk_from_heads(const Resolver *resolver, const NodeSet *within, NodeList *ret_nodes,
                               bool *ret_base)
{
    bool base = false;
    NodeList heads;
    NodeList nodes = {0};
    ErrCode code = symbol_resolve(resolver, "heads", within, &heads);
    for (size_t i = 0; code == ERR_OK && i < heads.count; i++) {
        long place = NO_NODE;
        code = walk(resolver, (long)heads.items[i], NULL, &place);
        if (code == ERR_OK && place != NO_NODE)
            node_list_add(resolver->arena, &nodes, (size_t)place);
        base = base || (code == ERR_OK && place == NO_NODE);
    }
    if (code != ERR_OK)
        return code;
    *ret_nodes = nodes;
    *ret_base = base;
    return ERR_OK;
}

/* What is shown: any number of revisions. */
static ErrCode several_resolve(Resolver *resolver, const NodeSet *within, NodeList *ret_nodes,
                               bool *ret_base)
{
    const Identifier *identifier = &resolver->identifier;
    *ret_base = false;
    if (!identifier->relative)
        return symbol_resolve(resolver, identifier->symbol, within, ret_nodes);
    if (identifier->symbol[0] == '\0' && identifier->steps < 0)
        return walk_from_heads(resolver, within, ret_nodes, ret_base);
    long place = NO_NODE;
    Target target = {0};
    ErrCode code = identifier->symbol[0] == '\0'
                       ? walk(resolver, NO_NODE, within, &place)
                       : walk_from_symbol(resolver, within, within, &place);
    if (code != ERR_OK)
        return code;
    target_place(resolver->arena, place, &target);
    *ret_nodes = target.nodes;
    return ERR_OK;
}

static ErrCode current_unknown(const char *text, Error *err)
{
    err_set(err, ERR_TARGET, "'%.160s' needs the rows of a database", text);
    err_hint(err, "Name one with --url or PGTIDE_URL.");
    return ERR_TARGET;
}

ErrCode graph_target_range_start(Arena *arena, const RevisionMap *map, const NodeList *rows,
                                 const char *text, Target *ret_target, Error *err)
{
    Resolver resolver;
    NodeSet lineage;
    Target target = {.branch = NO_NODE};
    if (strcmp(text, "current") == 0) {
        if (rows == NULL)
            return current_unknown(text, err);
        target.nodes = *rows;
        *ret_target = target;
        return ERR_OK;
    }
    ErrCode code = resolver_make(arena, map, text, &resolver, &target.branch, &lineage, err);
    if (code != ERR_OK)
        return code;
    resolver.stops_at_tip = true;
    bool base;
    code = several_resolve(&resolver, target.branch == NO_NODE ? NULL : &lineage, &target.nodes,
                           &base);
    if (code != ERR_OK)
        return code;
    if (base)
        target.nodes = (NodeList){0};
    *ret_target = target;
    return ERR_OK;
}

ErrCode graph_target_range_end(Arena *arena, const RevisionMap *map, const NodeList *rows,
                               const NodeList *lower, const char *text, Target *ret_target,
                               Error *err)
{
    Resolver resolver;
    NodeSet lineage;
    Target target = {.branch = NO_NODE};
    if (strcmp(text, "current") == 0)
        return graph_target_range_start(arena, map, rows, text, ret_target, err);
    ErrCode code = resolver_make(arena, map, text, &resolver, &target.branch, &lineage, err);
    if (code != ERR_OK)
        return code;
    const NodeSet *within = target.branch == NO_NODE ? NULL : &lineage;
    resolver.stops_at_tip = true;
    bool from_heads = resolver.identifier.relative && resolver.identifier.symbol[0] == '\0' &&
                      resolver.identifier.steps < 0;
    bool base;
    code = from_heads ? walk_from_heads(&resolver, within, &target.nodes, &base)
                      : upgrade_resolve(&resolver, lower, within, &target);
    if (code == ERR_OK)
        *ret_target = target;
    return code;
}

static ErrCode no_revision(const RevisionMap *map, const char *text, Error *err)
{
    err_set(err, ERR_REVISION_UNKNOWN, "'%.160s' is no revision", text);
    err_hint(err, "%s",
             map->count == 0 ? "There is none yet: make one with `pgtide revision -m \"...\"`."
                             : "Name one; `pgtide history` lists them.");
    return ERR_REVISION_UNKNOWN;
}

static ErrCode text_resolve(Arena *arena, const RevisionMap *map, const char *text, bool one,
                            NodeList *ret_nodes, Error *err)
{
    Resolver resolver;
    NodeSet lineage;
    NodeList nodes;
    long branch;
    bool base;
    ErrCode code = resolver_make(arena, map, text, &resolver, &branch, &lineage, err);
    if (code == ERR_OK)
        code = several_resolve(&resolver, branch == NO_NODE ? NULL : &lineage, &nodes, &base);
    if (code == ERR_OK && one && nodes.count > 1)
        code = several_heads(&resolver, &nodes);
    if (code == ERR_OK && nodes.count == 0)
        code = no_revision(map, text, err);
    if (code == ERR_OK)
        *ret_nodes = nodes;
    return code;
}

ErrCode graph_resolve_one(Arena *arena, const RevisionMap *map, const char *text,
                          const char **ret_id, Error *err)
{
    NodeList nodes;
    ErrCode code = text_resolve(arena, map, text, true, &nodes, err);
    if (code == ERR_OK)
        *ret_id = id_of(map, nodes.items[0]);
    return code;
}

ErrCode graph_resolve(Arena *arena, const RevisionMap *map, const char *text,
                      const Script ***ret_scripts, size_t *ret_count, Error *err)
{
    NodeList nodes;
    ErrCode code = text_resolve(arena, map, text, false, &nodes, err);
    if (code != ERR_OK)
        return code;
    *ret_scripts = graph_scripts(arena, map, &nodes);
    *ret_count = nodes.count;
    return ERR_OK;
}
