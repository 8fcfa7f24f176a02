/*
 * The frame of a command that runs on databases: starts them, a few at a time, hears signals, and
 * counts how they ended.
 */
#include "run_frame.h"
#include "server_pace.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- signals ---------------------------------------------------------------------------------- */

static void on_signal(uv_signal_t *handle, int number)
{
    RunFrame *frame = handle->data;
    interrupted_by = number;
    frame->last_signal = number;
    frame->signals++;
    if (frame->signals == 1 && frame->active_count > 0)
        run_report_interrupted(frame);
    /* A run that ends takes itself out of the list. */
    for (size_t i = frame->active_count; i > 0; i--) {
        if (i <= frame->active_count)
            run_interrupt(frame->active[i - 1]);
    }
}

static void listen_to(RunFrame *frame, uv_signal_t *handle, int number)
{
    uv_signal_init(&frame->loop, handle);
    handle->data = frame;
    uv_signal_start(handle, on_signal, number);
    uv_unref((uv_handle_t *)handle);
}

/* --- runs ------------------------------------------------------------------------------------- */

static void start_more(RunFrame *frame)
{
    while (frame->active_count < frame->jobs_max && frame->next < frame->databases.count &&
           frame->signals == 0 && !failure_policy_stops(&frame->policy, &frame->tally)) {
        Run *run = run_start(frame, &frame->databases.items[frame->next++]);
        frame->active[frame->active_count++] = run;
    }
}

static bool is_worth_a_word(RunOutcome outcome)
{
    return outcome != RUN_DONE && outcome != RUN_NOTHING_TO_DO;
}

static void note_ending(RunFrame *frame, const Run *run)
{
    run_tally_add(&frame->tally, run->outcome);
    if (!frame->many || !is_worth_a_word(run->outcome))
        return;
    Arena *arena = frame->context->arena;
    frame->endings[frame->ending_count++] = (RunEnding){
        .name = run->entry->name,
        .outcome = run->outcome,
        .rows = run->rows_known ? arena_strdup(arena, run_rows_text(run->arena, &run->rows)) : NULL,
    };
}

void run_frame_ended(Run *run)
{
    RunFrame *frame = run->frame;
    note_ending(frame, run);
    for (size_t i = 0; i < frame->active_count; i++) {
        if (frame->active[i] == run) {
            frame->active[i] = frame->active[--frame->active_count];
            break;
        }
    }
}

static void close_handle(uv_handle_t *handle, void *data)
{
    (void)data;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* Connections over TCP are made in libuv's threads: each database at work has one, so that servers
 * which do not answer hold up nobody else. */
static void size_thread_pool(const RunFrame *frame)
{
    char size[16];
    snprintf(size, sizeof size, "%u", frame->jobs_max);
    if (frame->jobs_max > 4)
        setenv("UV_THREADPOOL_SIZE", size, 0);
}

static void run_loop(RunFrame *frame)
{
    size_thread_pool(frame);
    uv_loop_init(&frame->loop);
    frame->paces = server_paces_new(&frame->loop);
    listen_to(frame, &frame->interrupt, SIGINT);
    listen_to(frame, &frame->terminate, SIGTERM);
    run_progress_start(frame);
    frame->started_ms = uv_now(&frame->loop);
    if (interrupted_by != 0) { /* before the loop listened */
        frame->signals = 1;
        frame->last_signal = interrupted_by;
    }
    start_more(frame);
    while (frame->active_count > 0) {
        uv_run(&frame->loop, UV_RUN_ONCE);
        start_more(frame); /* here, so that what has ended is freed first */
    }
    run_progress_stop(frame);
    run_report_summary(frame);
    frame->context->given_up = frame->given_up;
    if (frame->given_up)
        return; /* a thread may wait for a server that never answers */
    uv_walk(&frame->loop, close_handle, NULL);
    uv_run(&frame->loop, UV_RUN_DEFAULT);
    server_paces_free(frame->paces);
    (void)uv_loop_close(&frame->loop);
}

/* --- a command -------------------------------------------------------------------------------- */

static ErrCode open_project(RunFrame *frame, Error *err)
{
    CommandContext *context = frame->context;
    if (frame->work->project == RUN_PROJECT_NONE)
        return ERR_OK;
    ErrCode code = project_open(context->arena, context->config, &frame->project, &frame->map, err);
    if (frame->work->project == RUN_PROJECT_NEEDED)
        return code;
    if (code != ERR_OK)
        frame->map = NULL;
    if (code != ERR_OK && code != ERR_NOT_FOUND)
        note(context, "nothing is compared, the project can't be read: %s", err->message);
    return ERR_OK;
}

static ErrCode ending_of(RunFrame *frame, Error *err)
{
    if (frame->many) {
        frame->context->exit_status = run_tally_exit_status(&frame->tally, frame->last_signal);
        return ERR_OK;
    }
    if (frame->error.code != ERR_OK) {
        *err = frame->error;
        return err->code;
    }
    if (frame->databases.count > 0 && frame->tally.counts[RUN_NOT_STARTED] > 0)
        return err_set(err, ERR_INTERRUPTED, "interrupted; nothing was started");
    return ERR_OK;
}

ErrCode run_databases(CommandContext *context, const RunWork *work, Error *err)
{
    RunFrame *frame = ARENA_NEW(context->arena, RunFrame);
    frame->context = context;
    frame->work = work;
    ErrCode code = run_settings_read(context, &frame->settings, err);
    if (code == ERR_OK)
        code = run_databases_read(frame, err);
    if (code == ERR_OK)
        code = open_project(frame, err);
    if (code != ERR_OK)
        return code;
    frame->tally = run_tally(frame->databases.count);
    frame->active = ARENA_ARRAY(context->arena, Run *, frame->jobs_max);
    frame->endings = ARENA_ARRAY(context->arena, RunEnding, frame->databases.count);
    run_warn_of_assignments(context, frame->map, &frame->settings.assignments);
    run_loop(frame);
    return ending_of(frame, err);
}
