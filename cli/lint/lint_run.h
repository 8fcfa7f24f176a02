/*
 * Revisions on a scratch database, under the eyes of engine/trace/trace.h, for `pgtide lint`.
 */
#pragma once

#include "command.h"
#include "lint.h"

typedef struct LintRun {
    const GraphStep *step;
    bool wanted; /* the caller's: its trace is kept */
    bool done;   /* it was run, to its end or to `traced.failure` */
    LintTraced traced;
} LintRun;

/* Runs them in order as far as the last one that is wanted. The first statement that fails in one
 * of those ends it, which is no error; elsewhere it is. Texts live in the context's arena. */
ErrCode lint_run(CommandContext *context, LintRun *runs, size_t count, Error *err) MUST_CHECK;
