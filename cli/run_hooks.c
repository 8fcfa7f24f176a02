#include "run_hooks.h"
#include "run_frame.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A program at work; it may outlive the run's arena until its handle is closed. */
typedef struct HookProcess {
    uv_process_t handle;
    Run *run;
    int64_t exit_status;
    int term_signal;
} HookProcess;

/* The hooks of a moment; in the run's arena. */
struct HookSeries {
    HookMoment moment;
    const HookList *list;
    size_t at;
    HookFacts facts;
    RunNext *next;
    RunNext *failed;      /* the run's own */
    HookProcess *process; /* NULL = none at work */
};

static void run_one(Run *run);

bool run_has_hooks(const Run *run, HookMoment moment)
{
    const Project *project = run_project(run);
    return project != NULL && !run_settings(run)->no_hooks && project->hooks.at[moment].count > 0;
}

static const Hook *hook_now(const Run *run)
{
    return &run->hooks->list->items[run->hooks->at];
}

/* The hook failed for this reason. */
static void fail(Run *run, const Error *cause)
{
    const Hook *hook = hook_now(run);
    Error err;
    ErrCode code = cause->code == ERR_INTERRUPTED ? ERR_INTERRUPTED : ERR_HOOK;
    err_set(&err, code, "the %s hook: %s", hook_moment_name(run->hooks->moment), cause->message);
    err_detail(&err, "%s", cause->detail);
    err_sqlstate(&err, cause->sqlstate);
    err_at(&err, hook->file, hook->line);
    run->failed = run->hooks->failed;
    run->hooks = NULL;
    run_fail(run, &err);
}

static void one_done(Run *run)
{
    run->hooks->at++;
    run_one(run);
}

/* --- statements ------------------------------------------------------------------------------- */

static void on_sql_failed(Run *run)
{
    Error cause = run->error;
    err_clear(&run->error);
    fail(run, &cause);
}

static void start_sql(Run *run, const Hook *hook)
{
    Error err;
    if (run->session == NULL || !shard_is_alive(run->session)) {
        err_set(&err, ERR_HOOK, "its statements can't run: the connection is gone");
        fail(run, &err);
        return;
    }
    const ShardSqlArgs args = {
        .statements = &hook->statements,
        .file = hook->file,
        .lock_timeout_ms = run_settings(run)->lock_timeout_ms,
    };
    run->failed = on_sql_failed;
    run_sql(run, &args, one_done);
}

/* --- programs --------------------------------------------------------------------------------- */

static void on_process_closed(uv_handle_t *handle)
{
    HookProcess *process = handle->data;
    Run *run = process->run;
    const char *program = hook_now(run)->command.items[0];
    Error err;
    run->phase = RUN_IDLE;
    run->hooks->process = NULL;
    if (process->term_signal != 0)
        err_set(&err, run->frame->signals > 0 ? ERR_INTERRUPTED : ERR_HOOK,
                "%.120s was ended by signal %d", program, process->term_signal);
    else if (process->exit_status != 0)
        err_set(&err, ERR_HOOK, "%.120s ended with exit status %d", program,
                (int)process->exit_status);
    bool failed = process->term_signal != 0 || process->exit_status != 0;
    free(process);
    if (failed)
        fail(run, &err);
    else
        one_done(run);
}

static void on_process_exit(uv_process_t *handle, int64_t exit_status, int term_signal)
{
    HookProcess *process = handle->data;
    process->exit_status = exit_status;
    process->term_signal = term_signal;
    uv_close((uv_handle_t *)handle, on_process_closed);
}

static void on_start_failed(uv_handle_t *handle)
{
    HookProcess *process = handle->data;
    Run *run = process->run;
    Error err;
    err_set(&err, ERR_HOOK, "%.120s can't be started: %s", hook_now(run)->command.items[0],
            uv_strerror((int)process->exit_status));
    free(process);
    run->phase = RUN_IDLE;
    run->hooks->process = NULL;
    fail(run, &err);
}

/* Our own environment, but for the url, which may hold a password; and the facts. */
static char **environment(Run *run)
{
    const HookFacts *facts = &run->hooks->facts;
    const struct {
        const char *name;
        const char *value;
    } own[] = {
        {"PGTIDE_DIRECTION", facts->direction},
        {"PGTIDE_REVISION", facts->revision},
        {"PGTIDE_ROWS", strlist_join(run->arena, facts->rows, " ")},
        {"PGTIDE_DATABASE", facts->database},
        {"PGTIDE_SCHEMA", run->entry->schema == NULL ? "" : run->entry->schema},
        {"PGTIDE_OUTCOME", facts->outcome},
        {"PGTIDE_NAME", run->entry->name},
    };
    enum { OWN_COUNT = sizeof own / sizeof own[0] };
    size_t inherited = 0;
    while (environ[inherited] != NULL)
        inherited++;
    char **out = ARENA_ARRAY(run->arena, char *, inherited + OWN_COUNT + 1);
    size_t count = 0;
    for (size_t i = 0; i < inherited; i++) {
        bool hidden = str_starts_with(environ[i], "PGTIDE_URL=");
        for (size_t j = 0; j < OWN_COUNT && !hidden; j++) {
            size_t length = strlen(own[j].name);
            hidden = strncmp(environ[i], own[j].name, length) == 0 && environ[i][length] == '=';
        }
        if (!hidden)
            out[count++] = environ[i];
    }
    for (size_t j = 0; j < OWN_COUNT; j++)
        out[count++] = arena_printf(run->arena, "%s=%s", own[j].name, own[j].value);
    return out;
}

static void start_process(Run *run, const Hook *hook)
{
    char **argv = ARENA_ARRAY(run->arena, char *, hook->command.count + 1);
    for (size_t i = 0; i < hook->command.count; i++)
        argv[i] = arena_strdup(run->arena, hook->command.items[i]);
    uv_stdio_container_t stdio[] = {
        {.flags = UV_IGNORE},
        {.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO}, /* stdout is the command's own */
        {.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO},
    };
    const uv_process_options_t options = {
        .file = argv[0],
        .args = argv,
        .env = environment(run),
        .cwd = run_project(run)->directory,
        .stdio = stdio,
        .stdio_count = 3,
        .exit_cb = on_process_exit,
    };
    HookProcess *process = xcalloc(1, sizeof *process);
    process->run = run;
    process->handle.data = process;
    run->phase = RUN_COMMANDING;
    run->hooks->process = process;
    int status = uv_spawn(&run->frame->loop, &process->handle, &options);
    if (status == 0)
        return;
    process->exit_status = status;
    uv_close((uv_handle_t *)&process->handle, on_start_failed);
}

void run_hooks_interrupt(Run *run)
{
    HookProcess *process = run->hooks->process;
    if (process != NULL && !uv_is_closing((uv_handle_t *)&process->handle))
        (void)uv_process_kill(&process->handle, run->frame->signals > 1 ? SIGKILL : SIGTERM);
}

/* --- the series ------------------------------------------------------------------------------- */

static void run_one(Run *run)
{
    HookSeries *series = run->hooks;
    if (series->at == series->list->count) {
        run->failed = series->failed;
        run->hooks = NULL;
        series->next(run);
        return;
    }
    const Hook *hook = hook_now(run);
    run->doing = arena_printf(run->arena, "%s hook", hook_moment_name(series->moment));
    if (hook->command.count > 0)
        start_process(run, hook);
    else
        start_sql(run, hook);
}

void run_hooks(Run *run, HookMoment moment, const HookFacts *facts, RunNext *next)
{
    if (!run_has_hooks(run, moment)) {
        next(run);
        return;
    }
    HookSeries *series = ARENA_NEW(run->arena, HookSeries);
    series->moment = moment;
    series->list = &run_project(run)->hooks.at[moment];
    series->facts = *facts;
    series->next = next;
    series->failed = run->failed;
    run->hooks = series;
    run_one(run);
}
