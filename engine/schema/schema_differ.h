/*
 * What the parts of schema_diff() share: what becomes of each object, and the operations so far.
 *
 * An object of the first model keeps still, is altered, goes, or is made anew. Going and being made
 * anew spread to what stands on it (schema_spread.c); then drops run from the top down, creations
 * and alterations from the bottom up (schema_diff.c).
 */
#pragma once

#include "schema_alter.h"
#include "schema_diff.h"

enum { SCHEMA_NONE = -1 };

typedef enum SchemaFate {
    SCHEMA_FATE_SAME,
    SCHEMA_FATE_ALTER,
    SCHEMA_FATE_ANEW,
    SCHEMA_FATE_DROP,
    SCHEMA_FATE_STUCK, /* it would have to change, and can't: it stays as it is */
} SchemaFate;

/* Of an object of the first model. */
typedef struct SchemaOld {
    SchemaFate fate;
    ptrdiff_t partner; /* in the second model */
    bool with_whole;   /* it goes with what it is a part of, or owned by: no statement of its own */
    bool late;         /* dropped when all others are altered, since they may still use it */
    bool retyped;
    bool destructive;
    bool default_off;   /* its default is taken off before drops, and set again */
    bool disowned;      /* a sequence whose owner goes: it is let go before */
    bool dropped;       /* the statement is written */
    const char *reason; /* of STUCK */
} SchemaOld;

/* Of an object of the second model. */
typedef struct SchemaNew {
    ptrdiff_t partner; /* in the first model */
    bool visited;
    bool regrant; /* its table's grants were taken away, and its own with them */
} SchemaNew;

/* Who needs an object, the other way round than SchemaObject's needs. */
typedef struct SchemaUsers {
    size_t *first; /* count + 1 */
    SchemaNeed *items;
} SchemaUsers;

typedef struct SchemaDiffer {
    Arena *arena;
    const SchemaModel *from;
    const SchemaModel *to;
    SchemaParts from_parts;
    SchemaParts to_parts;
    SchemaUsers users; /* in the first model */
    SchemaOld *old;
    SchemaNew *new;
    bool given;         /* the first model has default privileges: what is made is given grants */
    StrList in_the_way; /* names of what should go, and is stuck */
    SchemaDiff diff;
    size_t capacity;
    SchemaDiff later; /* what follows when everything is there */
    size_t later_capacity;
} SchemaDiffer;

/* Pairs objects, and tells each one's fate, with what follows from it for others. */
void schema_spread(SchemaDiffer *differ);
/* The order in which kinds are made, where nothing else says one. */
size_t schema_rank(const char *kind);
/* Whether it, or its table, is made by this difference. */
bool schema_is_made(const SchemaDiffer *differ, size_t new_index);

/* The rest of schema_diff(): a copy of the model in which the renamed things have their new names,
 * and what the server changes with them. */
ErrCode schema_rename(Arena *arena, const SchemaModel *model, const SchemaModel *to,
                      const SchemaRename *renames, size_t count, SchemaModel *ret_model,
                      Error *err) MUST_CHECK;
