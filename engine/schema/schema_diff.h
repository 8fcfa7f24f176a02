/*
 * The difference of two schemas, as operations that lead from one to the other. Pure: no I/O, no
 * clock; the same models give the same operations.
 */
#pragma once

#include "schema_model.h"

typedef enum SchemaChange {
    SCHEMA_CHANGE_CREATE,
    SCHEMA_CHANGE_ALTER,
    SCHEMA_CHANGE_DROP,
    SCHEMA_CHANGE_REBUILD, /* dropped and created again, since it or what it stands on changes */
    SCHEMA_CHANGE_RENAME,
    SCHEMA_CHANGE_CANNOT, /* a difference for which there is no SQL: `reason` */
} SchemaChange;
const char *schema_change_name(SchemaChange change); /* "create", ... */

typedef struct SchemaOperation {
    SchemaChange change;
    const char *kind;
    const char *name;
    StrList sql;        /* statements, without semicolons; of a rebuild the first drop it */
    bool destructive;   /* rows are lost, or values */
    bool alone;         /* must be committed before the others begin */
    const char *reason; /* of CANNOT; NULL otherwise */
} SchemaOperation;

/* "rows are lost" or, of what stays, "values may be lost"; NULL when nothing is. */
const char *schema_operation_loss(const SchemaOperation *operation);

/* In the order in which they are to run: a rebuild is in it twice, where it drops and where it
 * creates. Those that must be alone come first. */
typedef struct SchemaDiff {
    SchemaOperation *items;
    size_t count;
    size_t cannot; /* how many of them have no SQL */
} SchemaDiff;

/* A hint that something was renamed and not dropped and made anew. */
typedef struct SchemaRename {
    const char *kind; /* "table" or "column" */
    const char *from; /* as in a dump: "public.users", "public.users.name" */
    const char *to;   /* the new last part of it, quoted if need be: "people" */
} SchemaRename;

/* The models' texts are borrowed. ERR_NOT_FOUND, ERR_EXISTS: a rename of what is not there, or to
 * what is. */
ErrCode schema_diff(Arena *arena, const SchemaModel *from, const SchemaModel *to,
                    const SchemaRename *renames, size_t rename_count, SchemaDiff *ret_diff,
                    Error *err) MUST_CHECK;
