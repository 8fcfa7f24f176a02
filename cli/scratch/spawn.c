#include "spawn.h"

#include "child.h"

#include <signal.h>
#include <string.h>

enum { DETAIL_BYTES = 480, PATIENCE_MS = 5000 };

typedef struct Spawn {
    Wait *wait;
    const SpawnArgs *args;
    Child *child;
    uv_timer_t patience; /* how long it may take to end */
    bool told_to_end;
    Str *output;
    bool too_long;
    Error error; /* of its end */
} Spawn;

static void on_late(uv_timer_t *timer)
{
    Spawn *spawn = timer->data;
    child_signal(spawn->child, SIGKILL);
}

/* It may ignore SIGTERM: a second signal, or time, ends it all the same. */
static void cancel(void *data)
{
    Spawn *spawn = data;
    child_signal(spawn->child, spawn->told_to_end ? SIGKILL : SIGTERM);
    if (!spawn->told_to_end)
        uv_timer_start(&spawn->patience, on_late, PATIENCE_MS, 0);
    spawn->told_to_end = true;
}

static void on_output(const char *bytes, size_t length, void *data)
{
    Spawn *spawn = data;
    if (spawn->args->output_limit == 0 || spawn->too_long)
        return;
    spawn->too_long = spawn->output->length + length > spawn->args->output_limit;
    if (spawn->too_long)
        cancel(spawn);
    else
        str_append_bytes(spawn->output, bytes, length);
}

static void on_end(const ChildResult *result, void *data)
{
    Spawn *spawn = data;
    const SpawnArgs *args = spawn->args;
    Error *err = &spawn->error;
    if (spawn->too_long)
        err_set(err, ERR_LIMIT, "%.150s writes more than %zu bytes", args->program,
                args->output_limit);
    else if (result->term_signal != 0)
        err_set(err, ERR_IO, "%.150s was ended by signal %d", args->program, result->term_signal);
    else if (result->exit_status != 0)
        err_set(err, ERR_IO, "%.150s failed with exit status %d", args->program,
                (int)result->exit_status);
    size_t length = strlen(result->errors);
    if (err->code == ERR_IO)
        err_detail(err, "%s", result->errors + (length > DETAIL_BYTES ? length - DETAIL_BYTES : 0));
    uv_timer_stop(&spawn->patience);
    wait_settle(spawn->wait, err->code == ERR_OK ? NULL : err);
}

ErrCode spawn_run(Wait *wait, const SpawnArgs *args, Str *ret_output, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    AUTO_STR Str output = {0};
    Spawn spawn = {.wait = wait, .args = args, .output = &output};
    const ChildArgs child = {
        .program = args->program,
        .argv = args->argv,
        .env = child_environment(arena, args->env),
        .directory = args->directory,
        .output = on_output,
    };
    uv_timer_init(&wait->loop, &spawn.patience);
    spawn.patience.data = &spawn;
    ErrCode code = child_start(&wait->loop, &child, on_end, &spawn, &spawn.child, err);
    if (code == ERR_OK) {
        wait_begin(wait, cancel, &spawn);
        code = wait_end(wait, err);
        if (wait_check(wait, NULL) != ERR_OK)
            code = wait_check(wait, err);
    }
    uv_close((uv_handle_t *)&spawn.patience, NULL);
    wait_drain(wait);
    if (code == ERR_OK && ret_output != NULL) {
        *ret_output = output;
        output = (Str){0};
    }
    return code;
}
