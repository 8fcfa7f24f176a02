/*
 * What a rehearsal (`pgtide rehearse`) says of a plan's steps, frozen in its header: the author has
 * read it from a file, and signs it with the plan.
 */
#pragma once

#include "ids.h"
#include "str.h"

#define REHEARSAL_MS_MAX ((uint64_t)1 << 52) /* what any reader of JSON counts exactly */

/* The `work` of a step that the copy did not need: nobody has tried it. */
#define REHEARSAL_NOT_TRIED "not-tried"

typedef struct RehearsedStep {
    const char *revision;
    const char *work;     /* the worst class of its statements: instant, rows, scan, build, rewrite;
                           * or REHEARSAL_NOT_TRIED */
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
/* The same with `steps` alone, in their order, as far as they were rehearsed. Borrows texts. */
RehearsalPlan rehearsal_pick(Arena *arena, const RehearsalPlan *rehearsal, const StrList *steps);
/* Its steps on a shard of another size: what is not `instant` takes time as the size goes. The sum
 * of estimates, and the longest of the others; none is above REHEARSAL_MS_MAX. */
RehearsedStep rehearsal_scale(const RehearsalPlan *rehearsal, uint64_t size_bytes);
