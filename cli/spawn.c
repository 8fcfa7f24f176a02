#include "spawn.h"

#include "command.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SPAWN_ERRORS_BYTES = 480 };

typedef struct Spawn {
    Wait *wait;
    uv_process_t process;
    uv_pipe_t out;
    uv_pipe_t err;
    size_t output_limit;
    Str *output;
    bool too_long;
    char errors[SPAWN_ERRORS_BYTES + 1];
    size_t errors_length;
    char buffer[65536];
    int64_t exit_status;
    int term_signal;
    int open; /* process and pipes that have not ended */
} Spawn;

static void end_one(Spawn *spawn)
{
    if (--spawn->open == 0)
        wait_settle(spawn->wait, NULL);
}

static void on_exit_seen(uv_process_t *process, int64_t exit_status, int term_signal)
{
    Spawn *spawn = process->data;
    spawn->exit_status = exit_status;
    spawn->term_signal = term_signal;
    end_one(spawn);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    Spawn *spawn = handle->data;
    *buffer = uv_buf_init(spawn->buffer, sizeof spawn->buffer);
}

static void keep_last(Spawn *spawn, const char *bytes, size_t length)
{
    if (length > SPAWN_ERRORS_BYTES) {
        bytes += length - SPAWN_ERRORS_BYTES;
        length = SPAWN_ERRORS_BYTES;
    }
    size_t keep = SPAWN_ERRORS_BYTES - length;
    size_t drop = spawn->errors_length > keep ? spawn->errors_length - keep : 0;
    memmove(spawn->errors, spawn->errors + drop, spawn->errors_length - drop);
    spawn->errors_length -= drop;
    memcpy(spawn->errors + spawn->errors_length, bytes, length);
    spawn->errors_length += length;
}

static void cancel(void *data)
{
    Spawn *spawn = data;
    if (spawn->process.pid > 0)
        kill(-spawn->process.pid, SIGTERM);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    Spawn *spawn = stream->data;
    if (count < 0) {
        uv_read_stop(stream);
        end_one(spawn);
    } else if (stream == (uv_stream_t *)&spawn->err) {
        keep_last(spawn, buffer->base, (size_t)count);
    } else if (spawn->output_limit > 0 && !spawn->too_long) {
        spawn->too_long = spawn->output->length + (size_t)count > spawn->output_limit;
        if (spawn->too_long)
            cancel(spawn);
        else
            str_append_bytes(spawn->output, buffer->base, (size_t)count);
    }
}

/* Ours, with `added` before it: what is found first counts. */
static char **environment(Arena *arena, const char *const *added)
{
    size_t count = 0, extra = 0;
    while (environ[count] != NULL)
        count++;
    while (added != NULL && added[extra] != NULL)
        extra++;
    char **env = ARENA_ARRAY(arena, char *, count + extra + 1);
    size_t at = 0;
    for (size_t i = 0; i < extra; i++)
        env[at++] = (char *)(uintptr_t)added[i];
    for (size_t i = 0; i < count; i++) {
        size_t name = strcspn(environ[i], "=") + 1;
        bool replaced = false;
        for (size_t j = 0; j < extra; j++)
            replaced = replaced || strncmp(environ[i], added[j], name) == 0;
        if (!replaced)
            env[at++] = environ[i];
    }
    return env;
}

static ErrCode start(Spawn *spawn, const SpawnArgs *args, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_IGNORE},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&spawn->out},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&spawn->err},
    };
    uv_process_options_t options = {
        .exit_cb = on_exit_seen,
        .file = args->program,
        .args = (char **)(uintptr_t)args->argv,
        .env = environment(arena, args->env),
        .flags = UV_PROCESS_DETACHED, /* a group of its own: Ctrl-C is ours to pass on */
        .stdio = stdio,
        .stdio_count = 3,
    };
    int result = uv_spawn(&spawn->wait->loop, &spawn->process, &options);
    if (result != 0)
        return err_set(err, ERR_IO, "can't start %.150s: %s", args->program, uv_strerror(result));
    uv_read_start((uv_stream_t *)&spawn->out, on_alloc, on_read);
    uv_read_start((uv_stream_t *)&spawn->err, on_alloc, on_read);
    spawn->open = 3;
    return ERR_OK;
}

static ErrCode outcome(const Spawn *spawn, const SpawnArgs *args, Error *err)
{
    ErrCode code = wait_check(spawn->wait, err);
    if (code != ERR_OK)
        return code;
    if (spawn->too_long)
        return err_set(err, ERR_LIMIT, "%.150s writes more than %zu bytes", args->program,
                       args->output_limit);
    if (spawn->exit_status == 0 && spawn->term_signal == 0)
        return ERR_OK;
    if (spawn->term_signal != 0)
        err_set(err, ERR_IO, "%.150s was ended by signal %d", args->program, spawn->term_signal);
    else
        err_set(err, ERR_IO, "%.150s failed with exit status %d", args->program,
                (int)spawn->exit_status);
    err_detail(err, "%.*s", (int)spawn->errors_length, spawn->errors);
    return ERR_IO;
}

ErrCode spawn_run(Wait *wait, const SpawnArgs *args, Str *ret_output, Error *err)
{
    AUTO_STR Str output = {0};
    Spawn *spawn = xcalloc(1, sizeof *spawn);
    spawn->wait = wait;
    spawn->output = &output;
    spawn->output_limit = args->output_limit;
    uv_pipe_init(&wait->loop, &spawn->out, 0);
    uv_pipe_init(&wait->loop, &spawn->err, 0);
    spawn->process.data = spawn->out.data = spawn->err.data = spawn;
    wait_begin(wait, cancel, spawn);
    ErrCode code = start(spawn, args, err);
    bool started = code == ERR_OK;
    if (started)
        code = wait_end(wait, err);
    if (code == ERR_OK)
        code = outcome(spawn, args, err);
    if (started || spawn->process.type == UV_PROCESS)
        uv_close((uv_handle_t *)&spawn->process, NULL);
    uv_close((uv_handle_t *)&spawn->out, NULL);
    uv_close((uv_handle_t *)&spawn->err, NULL);
    wait_drain(wait);
    free(spawn);
    if (code == ERR_OK && ret_output != NULL) {
        *ret_output = output;
        output = (Str){0};
    }
    return code;
}
