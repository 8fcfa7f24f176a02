/*
 * Adoptions: an operator with role admin says what a database is (`fleet adopt`). The statement is
 * the operator's own Request, which the coordinator passes on as it came: what an agent writes into
 * a shard follows from this signature, not from the coordinator's word.
 */
#pragma once

#include "error.h"
#include "ids.h"

#include "operator.pb-c.h"

typedef struct Adoption {
    Uuid id;         /* of the request: it happens once */
    const char *who; /* the operator's name */
    const char *agent;
    const char *cluster;
    const char *database;
    const char *schema;
    /* As the shard was seen. */
    uint64_t system_identifier;
    uint32_t database_oid;
    uint32_t schema_oid;
    Uuid row_uuid;             /* nil = there was no row */
    Uuid row_fleet;            /* of another fleet's row; nil = ours, or none */
    const char *former_schema; /* under which its row is; '' = its own */
    Uuid uuid;                 /* what it is from now on */
    const char *reason;
} Adoption;

/* The body alone: checks names and lengths. */
ErrCode adoption_decode(const Pgtide__V1__AdoptShard *in, Adoption *out, Error *err) MUST_CHECK;
/* Fills a message that borrows from `adoption`. */
void adoption_encode(const Adoption *adoption, Pgtide__V1__AdoptShard *out);
