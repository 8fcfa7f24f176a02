/*
 * What pg_dump writes, as the SQL of a revision file: without psql's commands, settings, what names
 * the role that made the objects, and comments.
 */
#pragma once

#include "str.h"

typedef struct DumpTextArgs {
    const char *text;
    size_t length;
    const char *owner; /* as SQL: objects belong to whoever runs the file instead of this role */
    bool unqualify;    /* names in public are written without it: they follow the search path */
} DumpTextArgs;

/* `ret_sql`: statements, each ended by a semicolon and an empty line. ERR_SCRIPT with the dump's
 * line when it can't be read; ERR_LIMIT. */
ErrCode dump_text_read(Arena *arena, const DumpTextArgs *args, const char **ret_sql,
                       size_t *ret_statements, Error *err) MUST_CHECK;
