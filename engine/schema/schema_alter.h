/*
 * How an object becomes another one of the same kind and name.
 */
#pragma once

#include "schema_make.h"

typedef enum SchemaAlter {
    SCHEMA_ALTER_SAME,  /* but for comment, grants and owner, which are not looked at */
    SCHEMA_ALTER_PLACE, /* by the statements that were added */
    SCHEMA_ALTER_ANEW,  /* it has to be dropped and made anew */
    SCHEMA_ALTER_CANNOT,
} SchemaAlter;

typedef struct SchemaAltered {
    SchemaAlter how;
    bool retyped;     /* a column's type changes: what uses the column has to go meanwhile */
    bool destructive; /* values are lost */
    bool alone;       /* must be committed before it is used */
    const char *reason;
} SchemaAltered;

SchemaAltered schema_alter(SchemaMake *make, const SchemaObject *from, const SchemaObject *to);
