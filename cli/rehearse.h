/*
 * Steps on a copy of a database, statement by statement under the eyes of engine/trace.h.
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
} Rehearsal;

/* Commits it in the copy. An author's error has its file and line. */
ErrCode rehearse_step(Rehearsal *rehearsal, const GraphStep *step, Error *err) MUST_CHECK;
