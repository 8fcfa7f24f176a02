/*
 * What a schema is: objects with their attributes, in a form that does not depend on the database
 * they were read from (no oids, no database name). Kinds and names are those of SQL, quoted as SQL
 * needs them, so that `COMMENT ON <kind> <name>` is a statement: "constraint" "k ON public.t".
 */
#pragma once

#include "str.h"

typedef struct SchemaAttribute {
    const char *key;   /* "not null" */
    const char *value; /* SQL, or a word */
} SchemaAttribute;

/* An object that must be there first. */
typedef struct SchemaNeed {
    size_t object;   /* index in the model */
    bool by_default; /* a column's default or generation expression needs it, not its type */
} SchemaNeed;

typedef struct SchemaObject {
    const char *kind;          /* "table", "function", ... */
    const char *name;          /* "public.users", "public.f(integer)" */
    const char *parent;        /* name of the table, view or domain it is a part of; NULL = none */
    uint32_t position;         /* of a column in its table, from 1; no part of the text */
    const char *not_null_name; /* of a NOT NULL constraint that the server named, quoted, or NULL;
                                  no part of the text */
    SchemaAttribute *attributes; /* sorted by key */
    size_t attribute_count;
    SchemaNeed *needs;
    size_t need_count;
} SchemaObject;

typedef struct SchemaModel {
    SchemaObject *items; /* sorted by kind, name */
    size_t count;
    const char *schema;    /* whose own name is in no text; '' = the whole database */
    bool owners;           /* owners are told */
    uint32_t server_major; /* of the server that wrote it, as 15; 0 = not known */
} SchemaModel;

/* A column that has all from its table's parent: it is no line of the text. */
bool schema_is_implied(const SchemaObject *object);
const char *schema_attribute(const SchemaObject *object, const char *key); /* or NULL */
/* The object, or NULL. */
SchemaObject *schema_find(const SchemaModel *model, const char *kind, const char *name);
/* The table, view or domain that `object` is a part of, or NULL. */
SchemaObject *schema_parent(const SchemaModel *model, const SchemaObject *object);

/* Sorts what was gathered in any order and has each need follow its object. Parts whose whole is
 * not there are left out, and columns of views of which nothing is said. */
void schema_model_finish(Arena *arena, SchemaModel *model);

/* Which objects are parts of which: `parts` of object i are items[first[i]] .. items[first[i + 1]],
 * by kind and name. Arrays in `arena`. */
typedef struct SchemaParts {
    size_t *first; /* count + 1 */
    size_t *items;
} SchemaParts;
SchemaParts schema_parts(Arena *arena, const SchemaModel *model);
