/*
 * The file of --urls: databases, one a line.
 *
 *   # a remark
 *   acme     postgresql://app@db1/acme
 *   globex   host=db2 dbname=crm schema=globex
 *   postgresql://app@db1/initech
 *
 * A line is `[NAME ]URL [schema=NAME]`, where URL is a url or a keyword string. Without NAME the
 * database's own is shown; no url is ever shown, as it may hold a password.
 */
#pragma once

#include "pg.h"

typedef struct UrlEntry {
    const char *name; /* no two are the same */
    int line;         /* 1-based */
    const PgKeyword *conninfo;
    size_t conninfo_count;
    const char *schema; /* NULL = not given */
} UrlEntry;

typedef struct UrlFile {
    UrlEntry *items; /* in the order of the file */
    size_t count;
} UrlFile;

/* `path` "-" is standard input. ERR_CONFIG with file and line; ERR_LIMIT for more than LIMIT_URLS;
 * a file without a database is ERR_CONFIG. */
ErrCode url_file_read(Arena *arena, const char *path, UrlFile *ret_file, Error *err) MUST_CHECK;
/* The same from memory; `path` is for messages. */
ErrCode url_file_parse(Arena *arena, const char *path, const char *text, size_t length,
                       UrlFile *ret_file, Error *err) MUST_CHECK;
