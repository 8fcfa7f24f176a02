/*
 * Programs in a row: each reads what the one before it writes. The bytes go from one to the next
 * and touch neither this process nor the disk.
 */
#pragma once

#include "child.h"

enum { PIPELINE_PARTS_MAX = 3 };

/* `args.input_fd` and `args.output_fd` are the pipeline's; the first part may have its own input,
 * the last one its own output. Texts are borrowed until the pipeline has started. */
typedef struct PipelinePart {
    const char *name; /* in errors; a literal */
    ChildArgs args;
} PipelinePart;

typedef struct Pipeline Pipeline;

/* `err` NULL: all of them ended with status 0. Otherwise it is what the one said that failed
 * first, and not because somebody else had gone. */
typedef void PipelineCb(const Error *err, void *data);

/* The callback runs exactly once, never inside this call, unless it is killed first. ERR_IO:
 * nothing was left running. */
ErrCode pipeline_start(uv_loop_t *loop, const PipelinePart *parts, size_t count, PipelineCb *cb,
                       void *data, Pipeline **ret_pipeline, Error *err) MUST_CHECK;
/* Ends them all; no callback runs. NULL-safe. */
void pipeline_kill(Pipeline *pipeline);
