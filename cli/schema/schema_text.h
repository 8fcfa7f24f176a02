/*
 * The schema of a database (or its rows' digests) as text that can be compared: one header line for
 * each object, below it its properties, everything in an order of its own. Read by one query, which
 * is cheap enough to be asked after each step of a trial.
 */
#pragma once

#include "pg.h"

/* SELECTs (object, position, line), to run under search_path = pg_catalog. */
const char *schema_text_query(void); /* the schema */
const char *data_text_query(void);   /* counts and digests of rows */

typedef struct SchemaLine {
    const char *object;   /* "table public.users" */
    uint32_t position;    /* of a column, from 1; 0 = not a column */
    const char *property; /* may have several lines */
} SchemaLine;

typedef struct SchemaText {
    SchemaLine *items; /* sorted by object, position, property */
    size_t count;
} SchemaText;

SchemaText schema_text_read(Arena *arena, const PgResult *result);

typedef enum SchemaVerdict {
    SCHEMA_SAME,
    SCHEMA_REORDERED, /* the same but for the order of columns */
    SCHEMA_DIFFERENT,
} SchemaVerdict;
SchemaVerdict schema_text_compare(const SchemaText *before, const SchemaText *after);

/* The objects that differ, as a unified diff: lines of `before` with '-', of `after` with '+'. */
void schema_text_diff(const SchemaText *before, const SchemaText *after, Str *out);
