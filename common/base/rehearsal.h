/*
 * What a rehearsal (`pgtide rehearse`) says of a plan's steps, frozen in its header: the author has
 * read it from a file, and signs it with the plan.
 */
#pragma once

#include "ids.h"
#include "str.h"

typedef struct RehearsedStep {
    const char *revision;
    const char *work; /* the worst class of its statements: instant, rows, scan, build, rewrite */
    uint64_t estimate_ms; /* on the database that was copied */
    uint64_t reads_stopped_ms;
    uint64_t writes_stopped_ms;
} RehearsedStep;

typedef struct RehearsalPlan {
    Digest sha256;        /* of the file */
    Digest bundle_digest; /* that was rehearsed */
    const char *database; /* of which a copy was used */
    const char *copy;     /* schema, dump, clone */
    uint64_t size_bytes;
    uint64_t made_unix_ms; /* 0 = there is no rehearsal */
    RehearsedStep *steps;
    size_t step_count;
} RehearsalPlan;

const RehearsedStep *rehearsal_find(const RehearsalPlan *rehearsal, const char *revision);
/* The steps of a shard of another size: what is not `instant` takes time as its size goes. Sums of
 * estimates, and the longest of the others. */
RehearsedStep rehearsal_scale(const RehearsalPlan *rehearsal, const StrList *steps,
                              uint64_t size_bytes);
