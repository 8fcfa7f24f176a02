#include "control.h"

#include "control_text.h"
#include "file.h"
#include "log.h"
#include "named_limits.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONTROL_CONNECTIONS = 8 };

typedef struct Caller {
    struct Control *control;
    uv_pipe_t pipe;
    char line[LIMIT_CONTROL_BYTES];
    size_t length;
    bool asked;
    uv_write_t write;
    char *answer;
    struct Caller *next;
} Caller;

struct Control {
    Coordinator *coordinator;
    uv_pipe_t socket;
    char *path;
    Caller *callers;
    size_t caller_count;
    /* The backup under way, by a thread of its own. */
    bool busy;
    Caller *caller; /* NULL: it has gone */
    Arena *arena;
    StateBackupArgs args;
    uv_thread_t thread;
    uv_async_t done;
    atomic_bool stop;
    ErrCode code;
    StateBackup backup;
    Error error;
};

/* --- callers ---------------------------------------------------------------------------------- */

static void on_caller_closed(uv_handle_t *handle)
{
    Caller *caller = handle->data;
    Caller **link = &caller->control->callers;
    while (*link != caller)
        link = &(*link)->next;
    *link = caller->next;
    caller->control->caller_count--;
    free(caller->answer);
    free(caller);
}

static void hang_up(Caller *caller)
{
    if (caller->control->caller == caller)
        caller->control->caller = NULL;
    if (!uv_is_closing((uv_handle_t *)&caller->pipe))
        uv_close((uv_handle_t *)&caller->pipe, on_caller_closed);
}

static void on_written(uv_write_t *write, int status)
{
    (void)status;
    hang_up(write->data);
}

static void answer(Caller *caller, const StateBackup *backup, const Error *err)
{
    Str text = {0};
    control_answer_write(&text, backup, err);
    caller->answer = str_take(&text);
    uv_buf_t buffer = uv_buf_init(caller->answer, (unsigned)strlen(caller->answer));
    caller->write.data = caller;
    if (uv_write(&caller->write, (uv_stream_t *)&caller->pipe, &buffer, 1, on_written) != 0)
        hang_up(caller);
}

/* --- a backup --------------------------------------------------------------------------------- */

static void make_backup(void *data)
{
    Control *control = data;
    control->code = state_backup_make(&control->args, &control->backup, &control->error);
    uv_async_send(&control->done);
}

static void end_backup(Control *control)
{
    uv_thread_join(&control->thread);
    control->busy = false;
    if (control->code == ERR_OK)
        log_event(LOG_INFO, "state.backed_up", "directory", control->args.directory, "records",
                  LOG_UINT(control->backup.head.seq), NULL);
    else
        log_failure(LOG_WARN, "state.not_backed_up", &control->error, NULL);
}

static void on_backup_done(uv_async_t *async)
{
    Control *control = async->data;
    if (!control->busy)
        return;
    end_backup(control);
    if (control->caller != NULL)
        answer(control->caller, &control->backup, control->code == ERR_OK ? NULL : &control->error);
    control->caller = NULL;
}

static ErrCode start_backup(Control *control, Caller *caller, const ControlQuestion *question,
                            Error *err)
{
    const Coordinator *coordinator = control->coordinator;
    if (control->busy)
        return err_set(err, ERR_BUSY, "another backup is being made");
    arena_reset(control->arena);
    control->args = (StateBackupArgs){
        .journal = coordinator->journal,
        .state_path = coordinator->settings.state_path,
        .directory = arena_strdup(control->arena, question->directory),
        .key_path = question->with_key ? coordinator->settings.key_path : NULL,
        .name = coordinator->settings.name,
        .fleet_id = *trust_fleet_id(coordinator->trust),
        .stop = &control->stop,
    };
    if (uv_thread_create(&control->thread, make_backup, control) != 0)
        return err_set(err, ERR_IO, "can't start a thread for a backup");
    control->busy = true;
    control->caller = caller;
    return ERR_OK;
}

/* --- questions -------------------------------------------------------------------------------- */

static void take_line(Caller *caller, size_t length)
{
    AUTO_ARENA Arena *arena = arena_new();
    ControlQuestion question;
    Error err;
    caller->asked = true;
    ErrCode code = control_question_read(arena, caller->line, length, &question, &err);
    if (code == ERR_OK)
        code = start_backup(caller->control, caller, &question, &err);
    if (code != ERR_OK)
        answer(caller, NULL, &err);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    Caller *caller = handle->data;
    *buffer = uv_buf_init(caller->line + caller->length,
                          (unsigned)(sizeof caller->line - caller->length));
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    (void)buffer;
    Caller *caller = stream->data;
    if (count < 0) { /* gone, or the line is too long */
        hang_up(caller);
        return;
    }
    caller->length += (size_t)count;
    const char *end = memchr(caller->line, '\n', caller->length);
    if (caller->asked)
        caller->length = 0; /* nothing more is asked */
    else if (end != NULL)
        take_line(caller, (size_t)(end - caller->line));
}

static void on_connection(uv_stream_t *socket, int status)
{
    Control *control = socket->data;
    if (status != 0)
        return;
    Caller *caller = xcalloc(1, sizeof *caller);
    caller->control = control;
    uv_pipe_init(socket->loop, &caller->pipe, 0);
    caller->pipe.data = caller;
    caller->next = control->callers;
    control->callers = caller;
    control->caller_count++;
    if (uv_accept(socket, (uv_stream_t *)&caller->pipe) != 0 ||
        control->caller_count > CONTROL_CONNECTIONS ||
        uv_read_start((uv_stream_t *)&caller->pipe, on_alloc, on_read) != 0)
        hang_up(caller);
}

/* --- life ------------------------------------------------------------------------------------- */

ErrCode control_open(Coordinator *coordinator, uv_loop_t *loop, Control **ret_control, Error *err)
{
    Control *control = xcalloc(1, sizeof *control);
    control->coordinator = coordinator;
    control->arena = arena_new();
    control->path =
        xstrdup(path_join(control->arena, coordinator->settings.state_path, CONTROL_SOCKET));
    uv_async_init(loop, &control->done, on_backup_done);
    uv_pipe_init(loop, &control->socket, 0);
    control->done.data = control->socket.data = control;
    (void)unlink(control->path);
    int status = uv_pipe_bind(&control->socket, control->path);
    if (status == 0)
        status = uv_listen((uv_stream_t *)&control->socket, CONTROL_CONNECTIONS, on_connection);
    *ret_control = control;
    if (status == 0)
        return ERR_OK;
    return err_set(err, ERR_IO, "can't listen at '%s': %s", control->path, uv_strerror(status));
}

void control_stop(Control *control)
{
    if (control == NULL)
        return;
    atomic_store(&control->stop, true);
    if (control->busy)
        end_backup(control);
    (void)unlink(control->path);
    for (Caller *caller = control->callers; caller != NULL; caller = caller->next)
        hang_up(caller);
}

void control_free(Control *control)
{
    if (control == NULL)
        return;
    arena_free(control->arena);
    free(control->path);
    free(control);
}
