#include "child.h"

#include "str.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct Child {
    uv_process_t process;
    uv_pipe_t out;
    uv_pipe_t err;
    uv_pipe_t in;
    uv_write_t write;
    char *input; /* owned; NULL: it has none */
    char output[CHILD_OUTPUT_BYTES];
    size_t output_length;
    char errors[CHILD_STDERR_BYTES];
    size_t errors_length;
    char buffer[CHILD_OUTPUT_BYTES];
    ChildOutput *take_output;
    ChildCb *cb; /* NULL: killed */
    void *data;
    bool aloud;
    bool told_to_end;
    bool exited;
    int64_t exit_status;
    int term_signal;
    int open_pipes;
    int open_handles;
};

static void on_handle_closed(uv_handle_t *handle)
{
    Child *child = handle->data;
    if (--child->open_handles == 0) {
        free(child->input);
        explicit_bzero(child, sizeof *child); /* what it printed may be a secret */
        free(child);
    }
}

/* Told when the process has ended and both pipes are empty, so that nothing it said is missed. */
static void finish_when_all_is_read(Child *child)
{
    if (!child->exited || child->open_pipes > 0)
        return;
    child->output[child->output_length] = '\0';
    child->errors[child->errors_length] = '\0';
    ChildResult result = {
        .exit_status = child->exit_status,
        .term_signal = child->term_signal,
        .output = child->output,
        .errors = child->errors,
    };
    ChildCb *cb = child->cb;
    child->cb = NULL;
    if (cb != NULL)
        cb(&result, child->data);
    uv_close((uv_handle_t *)&child->process, on_handle_closed);
}

static void on_exit_seen(uv_process_t *process, int64_t exit_status, int term_signal)
{
    Child *child = process->data;
    child->exited = true;
    child->exit_status = exit_status;
    child->term_signal = term_signal;
    if (child->told_to_end)
        kill(-process->pid, SIGKILL);
    finish_when_all_is_read(child);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    Child *child = handle->data;
    *buffer = uv_buf_init(child->buffer, sizeof child->buffer);
}

static void keep_first(Child *child, const char *bytes, size_t length)
{
    size_t room = sizeof child->output - 1 - child->output_length;
    if (length > room)
        length = room;
    memcpy(child->output + child->output_length, bytes, length);
    child->output_length += length;
}

static void keep_last(Child *child, const char *bytes, size_t length)
{
    size_t size = sizeof child->errors - 1;
    if (length > size) {
        bytes += length - size;
        length = size;
    }
    size_t drop = child->errors_length + length > size ? child->errors_length + length - size : 0;
    memmove(child->errors, child->errors + drop, child->errors_length - drop);
    child->errors_length -= drop;
    memcpy(child->errors + child->errors_length, bytes, length);
    child->errors_length += length;
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    Child *child = stream->data;
    if (count > 0) {
        if (stream == (uv_stream_t *)&child->err)
            keep_last(child, buffer->base, (size_t)count);
        else if (child->take_output == NULL)
            keep_first(child, buffer->base, (size_t)count);
        else if (child->cb != NULL)
            child->take_output(buffer->base, (size_t)count, child->data);
    } else if (count < 0) {
        uv_close((uv_handle_t *)stream, on_handle_closed);
        child->open_pipes--;
        finish_when_all_is_read(child);
    }
}

/* `fd` 0: the pipe is read here. */
static uv_stdio_container_t open_pipe(uv_loop_t *loop, Child *child, uv_pipe_t *pipe, int fd)
{
    if (fd != 0)
        return (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = fd};
    if (child->aloud)
        return (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO};
    uv_pipe_init(loop, pipe, 0);
    pipe->data = child;
    child->open_handles++;
    child->open_pipes++;
    return (uv_stdio_container_t){.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
                                  .data.stream = (uv_stream_t *)pipe};
}

/* Written or not: one that ends before it has read all does as it likes. */
static void on_written(uv_write_t *write, int status)
{
    (void)status;
    Child *child = write->data;
    if (!uv_is_closing((uv_handle_t *)&child->in))
        uv_close((uv_handle_t *)&child->in, on_handle_closed);
}

static uv_stdio_container_t open_input(uv_loop_t *loop, Child *child, const ChildArgs *args)
{
    if (args->input == NULL)
        return (uv_stdio_container_t){.flags = UV_IGNORE};
    child->input = xcalloc(1, args->input_length + 1);
    memcpy(child->input, args->input, args->input_length);
    uv_pipe_init(loop, &child->in, 0);
    child->in.data = child;
    child->open_handles++;
    return (uv_stdio_container_t){.flags = UV_CREATE_PIPE | UV_READABLE_PIPE,
                                  .data.stream = (uv_stream_t *)&child->in};
}

static void write_input(Child *child, size_t length)
{
    uv_buf_t buffer = uv_buf_init(child->input, (unsigned)length);
    child->write.data = child;
    if (uv_write(&child->write, (uv_stream_t *)&child->in, &buffer, 1, on_written) != 0)
        uv_close((uv_handle_t *)&child->in, on_handle_closed);
}

ErrCode child_start(uv_loop_t *loop, const ChildArgs *args, ChildCb *cb, void *data,
                    Child **ret_child, Error *err)
{
    Child *child = xcalloc(1, sizeof(*child));
    child->cb = cb;
    child->data = data;
    child->take_output = args->output;
    child->aloud = args->aloud;
    uv_stdio_container_t stdio[3] = {
        open_input(loop, child, args),
        open_pipe(loop, child, &child->out, args->output_fd),
        open_pipe(loop, child, &child->err, 0),
    };
    if (args->input_fd != 0)
        stdio[0] = (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = args->input_fd};
    bool reads_output = !child->aloud && args->output_fd == 0;
    child->process.data = child;
    child->open_handles++;
    uv_process_options_t options = {
        .exit_cb = on_exit_seen,
        .file = args->program,
        .args = (char **)args->argv,
        .env = (char **)args->env,
        .cwd = args->directory,
        /* A group of its own, so that all of it can be ended. */
        .flags = UV_PROCESS_DETACHED,
        .stdio = stdio,
        .stdio_count = 3,
    };
    int result = uv_spawn(loop, &child->process, &options);
    if (result != 0) {
        uv_close((uv_handle_t *)&child->process, on_handle_closed);
        if (child->input != NULL)
            uv_close((uv_handle_t *)&child->in, on_handle_closed);
        if (reads_output)
            uv_close((uv_handle_t *)&child->out, on_handle_closed);
        if (!child->aloud)
            uv_close((uv_handle_t *)&child->err, on_handle_closed);
        return err_set(err, ERR_IO, "can't start %s: %s", args->program, uv_strerror(result));
    }
    if (child->input != NULL)
        write_input(child, args->input_length);
    if (reads_output)
        uv_read_start((uv_stream_t *)&child->out, on_alloc, on_read);
    if (!child->aloud)
        uv_read_start((uv_stream_t *)&child->err, on_alloc, on_read);
    *ret_child = child;
    return ERR_OK;
}

void child_signal(Child *child, int signal)
{
    child->told_to_end = child->told_to_end || signal == SIGTERM || signal == SIGKILL;
    if (!child->exited)
        kill(-child->process.pid, signal);
}

void child_kill(Child *child)
{
    child->cb = NULL;
    child_signal(child, SIGTERM);
}

/* Whether an entry "NAME=value" is of this name, which ends at '=' or at its end. */
static bool has_name(const char *entry, const char *name)
{
    size_t length = strcspn(name, "=");
    return strncmp(entry, name, length) == 0 && entry[length] == '=';
}

const char *const *child_environment(Arena *arena, const char *const *added)
{
    size_t inherited = 0, extra = 0, count = 0;
    while (environ[inherited] != NULL)
        inherited++;
    while (added != NULL && added[extra] != NULL)
        extra++;
    const char **env = ARENA_ARRAY(arena, const char *, inherited + extra + 1);
    for (size_t i = 0; i < inherited; i++) {
        bool replaced = false;
        for (size_t j = 0; j < extra; j++)
            replaced = replaced || has_name(environ[i], added[j]);
        if (!replaced)
            env[count++] = environ[i];
    }
    for (size_t i = 0; i < extra; i++) {
        if (strchr(added[i], '=') != NULL)
            env[count++] = added[i];
    }
    return env;
}
