#include "run_hooks.h"

#include "child.h"
#include "clock.h"
#include "run_frame.h"

#include <signal.h>

/* The hooks of a moment; in the run's arena. */
struct HookSeries {
    HookMoment moment;
    const HookList *list;
    size_t at;
    HookFacts facts;
    RunNext *next;
    RunNext *failed; /* the run's own */
    Child *child;    /* NULL = none at work */
    bool late;       /* the program did not end in time */
};

enum {
    HOOK_GRACE_MS = 5000,        /* from SIGTERM to SIGKILL */
    HOOK_SERVER_SPARE_MS = 1000, /* the server's own timeout is for when we are gone */
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

static uint32_t timeout_of(const Run *run)
{
    return run_project(run)->hooks.timeout_ms;
}

static void set_late(const Run *run, const char *what, Error *err)
{
    char limit[DURATION_TEXT_SIZE];
    duration_format(timeout_of(run), limit);
    err_set(err, ERR_HOOK, "%.120s was not done in %s", what, limit);
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
    if (cause.code == ERR_TIMEOUT) {
        set_late(run, "its SQL", &cause);
        err_detail(&cause, "Its transaction was rolled back.");
    }
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
        .statement_timeout_ms = timeout_of(run) + HOOK_SERVER_SPARE_MS,
        .deadline_ms = timeout_of(run),
    };
    run->failed = on_sql_failed;
    run_sql(run, &args, one_done);
}

/* --- programs --------------------------------------------------------------------------------- */

static void on_program_ended(const ChildResult *result, void *data)
{
    Run *run = data;
    const char *program = hook_now(run)->command.items[0];
    Error err;
    uv_timer_stop(&run->timer);
    run->phase = RUN_IDLE;
    run->hooks->child = NULL;
    if (!run->hooks->late && result->term_signal == 0 && result->exit_status == 0) {
        one_done(run);
        return;
    }
    ErrCode code = run->frame->signals > 0 ? ERR_INTERRUPTED : ERR_HOOK;
    if (run->hooks->late) {
        set_late(run, program, &err);
        err_detail(&err, "It was ended, with all that it had started.");
    } else if (result->term_signal != 0) {
        err_set(&err, code, "%.120s was ended by signal %d", program, result->term_signal);
    } else {
        err_set(&err, code, "%.120s ended with exit status %d", program, (int)result->exit_status);
    }
    fail(run, &err);
}

static void on_late(uv_timer_t *timer)
{
    Run *run = timer->data;
    HookSeries *series = run->hooks;
    child_signal(series->child, series->late ? SIGKILL : SIGTERM);
    series->late = true;
    uv_timer_start(timer, on_late, HOOK_GRACE_MS, 0);
}

/* Our own environment, but for the url, which may hold a password; and the facts. */
static const char *const *environment(Run *run)
{
    Arena *arena = run->arena;
    const HookFacts *facts = &run->hooks->facts;
    const char *const added[] = {
        "PGTIDE_URL",
        arena_printf(arena, "PGTIDE_DIRECTION=%s", facts->direction),
        arena_printf(arena, "PGTIDE_REVISION=%s", facts->revision),
        arena_printf(arena, "PGTIDE_ROWS=%s", strlist_join(arena, facts->rows, " ")),
        arena_printf(arena, "PGTIDE_DATABASE=%s", facts->database),
        arena_printf(arena, "PGTIDE_SCHEMA=%s",
                     run->entry->schema == NULL ? "" : run->entry->schema),
        arena_printf(arena, "PGTIDE_OUTCOME=%s", facts->outcome),
        arena_printf(arena, "PGTIDE_NAME=%s", run->entry->name),
        NULL,
    };
    return child_environment(arena, added);
}

static void start_program(Run *run, const Hook *hook)
{
    const ChildArgs args = {
        .program = hook->command.items[0],
        .argv = strlist_argv(run->arena, &hook->command),
        .env = environment(run),
        .directory = run_project(run)->directory,
        .aloud = true, /* stdout is the command's own */
    };
    Error err;
    run->phase = RUN_COMMANDING;
    run->hooks->late = false;
    if (child_start(&run->frame->loop, &args, on_program_ended, run, &run->hooks->child, &err) ==
        ERR_OK) {
        uv_timer_start(&run->timer, on_late, timeout_of(run), 0);
        return;
    }
    run->phase = RUN_IDLE;
    fail(run, &err);
}

void run_hooks_interrupt(Run *run)
{
    if (run->hooks->child != NULL)
        child_signal(run->hooks->child, run->frame->signals > 1 ? SIGKILL : SIGTERM);
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
        start_program(run, hook);
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
