/*
 * What has to be known of a database to rehearse on a copy of it: where it stands, how large its
 * tables are, and under which settings its authors' statements run. Read from the database by the
 * command line, or by an agent, which passes it on as JSON.
 */
#pragma once

#include "json.h"
#include "shard.h"

typedef struct CopyFacts {
    const char *database;
    uint64_t size_bytes;
    uint32_t server_version;
    StrList rows;
    const char *search_path; /* of author statements */
    const char *time_zone;
    StrList roles;   /* of its server, but for the server's own */
    StrList tables;  /* quoted and qualified, sorted bytewise */
    uint64_t *bytes; /* of each */
} CopyFacts;

/* What to read first; then copy_facts_queries(). */
ReadArgs copy_facts_args(void);
/* Two queries. `schema` '' = the whole database; else `shared` are searched behind it. */
void copy_facts_queries(PgBatch *batch, const char *schema, const StrList *shared);
/* All of it, in `arena`. ERR_LIMIT, ERR_PROTOCOL. */
ErrCode copy_facts_answer(Arena *arena, const PgReply *reply, CopyFacts *facts,
                          Error *err) MUST_CHECK;
void copy_facts_reading(Arena *arena, const DatabaseReading *reading, CopyFacts *facts);
/* Its fields, into an open object. */
void copy_facts_write(JsonWriter *json, const CopyFacts *facts);
