/*
 * The database that is meant, and a copy of it for a rehearsal.
 */
#pragma once

#include "scratch.h"
#include "session.h"

typedef enum CopyMethod {
    COPY_SCHEMA,   /* pg_dump --schema-only */
    COPY_DUMP,     /* pg_dump, with data */
    COPY_TEMPLATE, /* CREATE DATABASE ... TEMPLATE: nobody may be connected to the original */
} CopyMethod;

typedef struct CopySource {
    const PgKeyword *conninfo;
    size_t conninfo_count;
    const char *schema; /* the shard; '' = the whole database */
    /* Read: */
    const char *database;
    uint64_t size_bytes;
    uint32_t server_version;
    StrList rows;
    const char *path; /* search_path of author statements there */
    const char *time_zone;
    const char *template_clause;
    StrList make_roles; /* CREATE ROLE for each of its server's, for a server that has none */
} CopySource;

/* `url` NULL: libpq's environment. `shared` are searched behind a schema. Texts in `arena`. */
ErrCode copy_source_read(Arena *arena, Wait *wait, const char *url, const char *schema,
                         const StrList *shared, CopySource *ret_source, Error *err) MUST_CHECK;
/* Sizes of tables, by their quoted and qualified names; 0 for one that is not there. */
typedef struct CopySizes CopySizes;
ErrCode copy_sizes_read(Arena *arena, Wait *wait, const CopySource *source, CopySizes **ret_sizes,
                        Error *err) MUST_CHECK;
uint64_t copy_size(const char *table, void *sizes); /* TraceSize */

/* `fresh`: the scratch's server is a temporary one, without the roles that there are. */
ErrCode copy_make(Scratch *scratch, const CopySource *source, CopyMethod method, bool fresh,
                  ShardTarget *ret_target, Error *err) MUST_CHECK;
