/*
 * Where a shard stands in a job: which steps there are, how many of them history says are done,
 * and whether the rows agree. Only what was read from the shard goes into it.
 */
#pragma once

#include "job.h"

typedef struct JobPosition {
    JobStep *steps; /* all of this job's, in the order they run */
    size_t step_count;
    size_t done;
    /* Unspecified: the shard stands between steps as expected. Otherwise diverged, overtaken or
     * refused, and `err` says why. */
    JobOutcome verdict;
    Error err;
} JobPosition;

/* Everything in the result lives in `arena` or is borrowed from the spec or the event. */
void job_position_find(Arena *arena, const JobSpec *spec, const JobClaimed *claimed,
                       uint64_t unix_ms, JobPosition *out);
