/*
 * Steps on a copy of a database, statement by statement under the eyes of engine/trace/trace.h.
 */
#pragma once

#include "graph.h"
#include "session.h"
#include "trace.h"

typedef struct Rehearsal {
    Session *session; /* to the copy; borrows */
    Trace trace;
    bool untraced;         /* steps leave no trace: quicker where nothing is asked of them */
    const char *path;      /* search_path of the author's statements */
    const char *time_zone; /* of the database that is meant: some type changes depend on it */
    const char *schema;    /* the shard; NULL or '' = the whole database */
    /* Of the copy before the first step, and of the database at that time, from which the copy
     * differs in what is not copied; NULL: not known. For `when-fingerprint`. */
    const char *copy_fingerprint;
    const char *source_fingerprint;
    StrList not_tried; /* steps that were not needed on the copy */
} Rehearsal;

/* Of the copy as it is now; lives in the trace's arena. */
ErrCode rehearse_fingerprint(Rehearsal *rehearsal, const char **ret_fingerprint,
                             Error *err) MUST_CHECK;

/* Commits it in the copy. An author's error has its file and line. */
ErrCode rehearse_step(Rehearsal *rehearsal, const GraphStep *step, Error *err) MUST_CHECK;
