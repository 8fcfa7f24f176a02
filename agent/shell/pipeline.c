#include "pipeline.h"

#include "backup_tools.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct RunningPart {
    Pipeline *pipeline;
    const char *name;
    Child *child; /* NULL: not at work */
} RunningPart;

struct Pipeline {
    RunningPart parts[PIPELINE_PARTS_MAX];
    size_t running;
    bool pipe_was_broken; /* `error` is of one whose reader had gone */
    Error error;          /* the first */
    PipelineCb *cb;
    void *data;
};

/* What ends early takes the one before it along: that one is to blame only when nobody else is. */
static void keep_error(Pipeline *pipeline, const char *name, const ChildResult *result)
{
    Error err;
    if (tool_result(name, result, &err) == ERR_OK)
        return;
    bool broken = result->term_signal == SIGPIPE;
    if (pipeline->error.code != ERR_OK && (broken || !pipeline->pipe_was_broken))
        return;
    pipeline->error = err;
    pipeline->pipe_was_broken = broken;
}

static void on_part(const ChildResult *result, void *data)
{
    RunningPart *part = data;
    Pipeline *pipeline = part->pipeline;
    part->child = NULL;
    keep_error(pipeline, part->name, result);
    if (--pipeline->running > 0)
        return;
    pipeline->cb(pipeline->error.code == ERR_OK ? NULL : &pipeline->error, pipeline->data);
    free(pipeline);
}

void pipeline_kill(Pipeline *pipeline)
{
    if (pipeline == NULL)
        return;
    for (size_t i = 0; i < PIPELINE_PARTS_MAX; i++)
        if (pipeline->parts[i].child != NULL)
            child_kill(pipeline->parts[i].child);
    free(pipeline);
}

static void close_fd(int *fd)
{
    if (*fd > 0)
        close(*fd);
    *fd = 0;
}

/* `input` is what the one before it writes to; 0 = it is the first. */
static ErrCode start_part(uv_loop_t *loop, Pipeline *pipeline, size_t index,
                          const PipelinePart *part, int input, int output, Error *err)
{
    RunningPart *running = &pipeline->parts[index];
    ChildArgs args = part->args;
    if (input != 0)
        args.input_fd = input;
    if (output != 0)
        args.output_fd = output;
    *running = (RunningPart){.pipeline = pipeline, .name = part->name};
    ErrCode code = child_start(loop, &args, on_part, running, &running->child, err);
    if (code != ERR_OK)
        running->child = NULL;
    else
        pipeline->running++;
    return code;
}

ErrCode pipeline_start(uv_loop_t *loop, const PipelinePart *parts, size_t count, PipelineCb *cb,
                       void *data, Pipeline **ret_pipeline, Error *err)
{
    Pipeline *pipeline = xcalloc(1, sizeof *pipeline);
    ErrCode code = ERR_OK;
    int input = 0;
    pipeline->cb = cb;
    pipeline->data = data;
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        int ends[2] = {0, 0}; /* 0 is read, 1 is written */
        if (i + 1 < count && pipe2(ends, O_CLOEXEC) != 0)
            code = err_set(err, ERR_IO, "can't open a pipe: %s", strerror(errno));
        if (code == ERR_OK)
            code = start_part(loop, pipeline, i, &parts[i], input, ends[1], err);
        close_fd(&input); /* the children have theirs */
        close_fd(&ends[1]);
        input = ends[0];
    }
    close_fd(&input);
    if (code != ERR_OK) {
        pipeline_kill(pipeline);
        return code;
    }
    *ret_pipeline = pipeline;
    return ERR_OK;
}
