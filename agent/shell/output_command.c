#include "output_command.h"

#include "child.h"

#include <stdlib.h>
#include <string.h>

struct OutputCommand {
    Arena *arena;
    const char *program;
    size_t output_bytes_max;
    uint32_t deadline_ms;
    OutputCommandCb *cb; /* NULL: cancelled */
    void *data;
    Child *child;
    Str output;
    Error error;
    uv_timer_t timer; /* its deadline; at once when it could not be started */
};

static void on_closed(uv_handle_t *handle)
{
    OutputCommand *command = handle->data;
    if (command->output.data != NULL)
        explicit_bzero(command->output.data, command->output.capacity);
    str_free(&command->output);
    arena_free(command->arena);
    free(command);
}

static void finish(OutputCommand *command)
{
    bool failed = command->error.code != ERR_OK;
    OutputCommandCb *cb = command->cb;
    uv_close((uv_handle_t *)&command->timer, on_closed);
    cb(failed ? NULL : str_text(&command->output), failed ? 0 : command->output.length,
       failed ? &command->error : NULL, command->data);
}

static void on_output(const char *bytes, size_t length, void *data)
{
    OutputCommand *command = data;
    if (command->output.length + length <= command->output_bytes_max) {
        str_append_bytes(&command->output, bytes, length);
        return;
    }
    if (command->error.code == ERR_OK) {
        err_set(&command->error, ERR_LIMIT, "'%.200s' printed more than %zu bytes",
                command->program, command->output_bytes_max);
        child_signal(command->child, SIGKILL);
    }
}

/* What it said on stderr belongs to its own log, not into what a fleet is shown: the first line. */
static void describe_failure(OutputCommand *command, const ChildResult *result)
{
    int first_line = (int)strcspn(result->errors, "\r\n");
    if (result->term_signal != 0)
        err_set(&command->error, ERR_IO, "'%.200s' was ended by signal %d", command->program,
                result->term_signal);
    else
        err_set(&command->error, ERR_IO, "'%.200s' ended with status %d%s%.*s", command->program,
                (int)result->exit_status, first_line > 0 ? ": " : "",
                first_line > 200 ? 200 : first_line, result->errors);
}

static void on_ended(const ChildResult *result, void *data)
{
    OutputCommand *command = data;
    command->child = NULL;
    if (command->error.code == ERR_OK && (result->exit_status != 0 || result->term_signal != 0))
        describe_failure(command, result);
    finish(command);
}

static void on_deadline(uv_timer_t *timer)
{
    OutputCommand *command = timer->data;
    if (command->child != NULL) {
        err_set(&command->error, ERR_TIMEOUT, "'%.200s' has not ended after %u s", command->program,
                command->deadline_ms / 1000);
        child_kill(command->child); /* it may ignore a signal */
        command->child = NULL;
    }
    finish(command);
}

OutputCommand *output_command_start(uv_loop_t *loop, const OutputCommandArgs *args,
                                    OutputCommandCb *cb, void *data)
{
    static const char *const without[] = {"PGPASSWORD", NULL};
    OutputCommand *command = xcalloc(1, sizeof *command);
    const StrList *argv = args->argv;
    command->arena = arena_new();
    command->program = arena_strdup(command->arena, argv->items[0]);
    command->output_bytes_max = args->output_bytes_max;
    command->deadline_ms = args->deadline_ms;
    command->cb = cb;
    command->data = data;
    uv_timer_init(loop, &command->timer);
    command->timer.data = command;
    if (args->is_secret) { /* as large as it may become: growing would leave copies behind */
        command->output.capacity = args->output_bytes_max + 1;
        command->output.data = xcalloc(1, command->output.capacity);
    }
    ChildArgs child = {
        .program = argv->items[0],
        .argv = strlist_argv(command->arena, argv),
        .env = child_environment(command->arena, without),
        .output = on_output,
    };
    bool started =
        child_start(loop, &child, on_ended, command, &command->child, &command->error) == ERR_OK;
    uv_timer_start(&command->timer, on_deadline, started ? command->deadline_ms : 0, 0);
    return command;
}

void output_command_cancel(OutputCommand *command)
{
    if (command == NULL)
        return;
    if (command->child != NULL)
        child_kill(command->child);
    uv_close((uv_handle_t *)&command->timer, on_closed);
}
