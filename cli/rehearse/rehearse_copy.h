/*
 * The database that is meant, and a copy of it for a rehearsal.
 */
#pragma once

#include "copy_facts.h"
#include "scratch.h"
#include "session.h"

typedef enum CopyMethod {
    COPY_SCHEMA,   /* pg_dump --schema-only */
    COPY_DUMP,     /* pg_dump, with data */
    COPY_TEMPLATE, /* CREATE DATABASE ... TEMPLATE: nobody may be connected to the original */
} CopyMethod;

typedef struct CopySource {
    const PgKeyword *conninfo; /* none: a shard of the fleet */
    size_t conninfo_count;
    const char *schema; /* the shard; '' = the whole database */
    CopyFacts facts;
    const char *template_clause;
    const uint8_t *dump; /* what its agent dumped; NULL: we do it */
    size_t dump_length;
} CopySource;

/* `url` NULL: libpq's environment. `shared` are searched behind a schema. Texts in `arena`. */
ErrCode copy_source_read(Arena *arena, Wait *wait, const char *url, const char *schema,
                         const StrList *shared, CopySource *ret_source, Error *err) MUST_CHECK;
/* The bytes of a table by its quoted and qualified name; 0 for one that is not there. */
uint64_t copy_size(const char *table, void *facts); /* TraceSize; of CopyFacts */

/* `fresh`: the scratch's server is a temporary one, without the roles that there are. */
ErrCode copy_make(Scratch *scratch, const CopySource *source, CopyMethod method, bool fresh,
                  ShardTarget *ret_target, Error *err) MUST_CHECK;
