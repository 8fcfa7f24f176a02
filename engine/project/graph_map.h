/*
 * Inside of the revision graph: graph.c builds it, graph_order.c walks it, graph_resolve.c reads
 * identifiers, graph_plan.c makes steps, graph_range.c lists what lies between two revisions. Nodes
 * are indexes into `nodes`, which is sorted by id.
 */
#pragma once

#include "graph.h"

typedef struct NodeList {
    size_t *items;
    size_t count;
    size_t capacity;
} NodeList;

/* A bit per node. */
typedef struct NodeSet {
    uint64_t *words;
} NodeSet;

typedef struct Node {
    const Script *script;
    const Script *baseline; /* NULL = none */
    NodeList parents;       /* `revises`, in the file's order */
    NodeList depends;       /* `depends-on`, labels resolved */
    NodeList below;         /* both, each once */
    NodeList children;      /* who revises it */
    NodeList above;         /* who revises it or depends on it */
    NodeList normalized; /* parents, and what it depends on that no ancestor depends on already */
    size_t labels_from; /* the nearest at or below it, by parents, with labels or several parents */
    bool is_labelled;   /* it or an ancestor has labels */
} Node;

typedef struct BranchLabel {
    const char *name;
    size_t node;
} BranchLabel;

struct RevisionMap {
    Node *nodes;
    size_t count;
    BranchLabel *labels; /* sorted */
    size_t label_count;
    const Script **repeatables; /* sorted */
    size_t repeatable_count;
};

enum { NO_NODE = -1 };

/* graph.c */
void node_list_append(Arena *arena, NodeList *list, size_t node);
void node_list_add(Arena *arena, NodeList *list, size_t node); /* unless it is in already */
bool node_list_has(const NodeList *list, size_t node);
NodeSet node_set(Arena *arena, const RevisionMap *map);
void node_set_add(NodeSet set, size_t node);
void node_set_remove(NodeSet set, size_t node);
bool node_set_has(NodeSet set, size_t node);
/* Index, or NO_NODE. */
long graph_index(const RevisionMap *map, const char *id);
long graph_label_index(const RevisionMap *map, const char *label);

/* graph_order.c */
typedef enum Edges {
    EDGES_PARENTS,  /* down over `revises` */
    EDGES_BELOW,    /* down over both kinds */
    EDGES_CHILDREN, /* up over `revises` */
    EDGES_ABOVE,    /* up over both kinds */
} Edges;
/* Adds `from` and all that can be reached from it. */
void graph_reach(Arena *arena, const RevisionMap *map, const NodeList *from, Edges edges,
                 NodeSet set);
/* The nodes of `set`, newest first: each before what it builds on. */
const Script **graph_scripts(Arena *arena, const RevisionMap *map, const NodeList *nodes);
NodeList graph_sort(Arena *arena, const RevisionMap *map, NodeSet set);

/* graph_resolve.c */
typedef struct Target {
    NodeList nodes;      /* empty: base */
    long branch;         /* the branch a downgrade keeps to; NO_NODE = none */
    const char *warning; /* NULL = none */
} Target;
ErrCode graph_rows_read(Arena *arena, const RevisionMap *map, const StrList *rows,
                        NodeList *ret_nodes, Error *err) MUST_CHECK;
/* Nodes that are on one line with `branch`: its ancestors, itself, its descendants over parents. */
NodeSet graph_lineage(Arena *arena, const RevisionMap *map, size_t branch);
ErrCode graph_target_absolute(Arena *arena, const RevisionMap *map, const char *text,
                              Target *ret_target, Error *err) MUST_CHECK;
ErrCode graph_target_upgrade(Arena *arena, const RevisionMap *map, const NodeList *rows,
                             const char *text, Target *ret_target, Error *err) MUST_CHECK;
/* The ends of a range: one or several revisions, none for base. Counting up from `lower` or from a
 * revision stops at the tip; `rows` are what `current` means, NULL when they are not known. */
ErrCode graph_target_range_start(Arena *arena, const RevisionMap *map, const NodeList *rows,
                                 const char *text, Target *ret_target, Error *err) MUST_CHECK;
ErrCode graph_target_range_end(Arena *arena, const RevisionMap *map, const NodeList *rows,
                               const NodeList *lower, const char *text, Target *ret_target,
                               Error *err) MUST_CHECK;
ErrCode graph_target_downgrade(Arena *arena, const RevisionMap *map, const NodeList *rows,
                               const char *text, Target *ret_target, Error *err) MUST_CHECK;
