/*
 * What a command that runs on databases says: lines for people, objects for programs, a summary of
 * several databases, and on a terminal how far it is.
 */
#include "run_frame.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    PROGRESS_MS = 200,
    PROGRESS_AFTER_MS = 1000,
    PROGRESS_COLUMNS = 78,
    ACTIVITY_SAID_MS = 5000, /* where there is no terminal */
    SUMMARY_NAMES = 20,
};

/* --- progress --------------------------------------------------------------------------------- */

static void progress_clear(RunFrame *frame)
{
    if (!frame->progress.drawn)
        return;
    fputs("\r\x1b[K", stderr);
    frame->progress.drawn = false;
}

static void progress_text(const RunFrame *frame, Str *out)
{
    uint64_t seconds = (uv_now(&frame->loop) - frame->started_ms) / 1000;
    if (!frame->many) {
        const Run *run = frame->active_count == 0 ? NULL : frame->active[0];
        const char *doing = run == NULL || run->doing == NULL ? "connecting" : run->doing;
        const char *at = run == NULL ? "" : run->activity;
        str_printf(out, "%s, %llu s%s%s", doing, (unsigned long long)seconds,
                   *at == '\0' ? "" : ": ", at);
        return;
    }
    const RunTally *tally = &frame->tally;
    size_t over = tally->total - tally->counts[RUN_NOT_STARTED];
    str_printf(out, "%zu of %zu databases, %zu failed, %zu at work, %llu s", over, tally->total,
               run_tally_failures(tally), frame->active_count, (unsigned long long)seconds);
}

static void on_progress(uv_timer_t *timer)
{
    RunFrame *frame = timer->data;
    AUTO_STR Str text = {0};
    progress_text(frame, &text);
    fprintf(stderr, "\r%.*s\x1b[K", PROGRESS_COLUMNS, str_text(&text));
    fflush(stderr);
    frame->progress.drawn = true;
}

void run_progress_start(RunFrame *frame)
{
    RunProgress *progress = &frame->progress;
    uv_timer_init(&frame->loop, &progress->timer);
    progress->timer.data = frame;
    progress->shown = isatty(STDERR_FILENO) == 1 && !frame->context->quiet;
    if (progress->shown)
        uv_timer_start(&progress->timer, on_progress, PROGRESS_AFTER_MS, PROGRESS_MS);
    uv_unref((uv_handle_t *)&progress->timer);
}

void run_progress_stop(RunFrame *frame)
{
    uv_timer_stop(&frame->progress.timer);
    progress_clear(frame);
}

/* --- lines ------------------------------------------------------------------------------------ */

/* With the database's name in front, when there are several; nothing in it steers a terminal. */
static PRINTF_LIKE(2, 0) const char *line_text(const Run *run, const char *fmt, va_list args)
{
    char text[2048];
    vsnprintf(text, sizeof text, fmt, args);
    for (char *at = text; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7F)
            *at = ' ';
    }
    return run->frame->many ? arena_printf(run->arena, "%s: %s", run->entry->name, text)
                            : arena_strdup(run->arena, text);
}

void run_say(Run *run, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *text = line_text(run, fmt, args);
    va_end(args);
    progress_clear(run->frame);
    say(run->frame->context, "%s", text);
}

void run_note(Run *run, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *text = line_text(run, fmt, args);
    va_end(args);
    progress_clear(run->frame);
    note(run->frame->context, "%s", text);
}

void run_report_interrupted(RunFrame *frame)
{
    progress_clear(frame);
    note(frame->context, "interrupted: cancelling what runs; a second signal stops waiting for it");
}

/* On a terminal the line that is drawn anew has it. */
void run_report_activity(Run *run, const Activity *activity)
{
    AUTO_ARENA Arena *arena = arena_new();
    uint64_t now_ms = uv_now(&run->frame->loop);
    bool tells = activity->kind != ACTIVITY_UNSPECIFIED;
    snprintf(run->activity, sizeof run->activity, "%s",
             tells ? activity_text(arena, activity) : "");
    bool drawn = run->frame->progress.shown && !run->frame->many;
    if (!tells || drawn || now_ms < run->activity_said_ms + ACTIVITY_SAID_MS)
        return;
    run->activity_said_ms = now_ms;
    run_note(run, "%s: %s", run->doing, run->activity);
}

/* --- one database ----------------------------------------------------------------------------- */

static void write_rows(const Run *run, JsonWriter *json)
{
    if (run->rows_known)
        json_field_strings(json, "rows", &run->rows);
    else
        json_field_null(json, "rows");
}

static void report_only(Run *run)
{
    RunFrame *frame = run->frame;
    CommandContext *context = frame->context;
    frame->error = run->error;
    if (run->error.code != ERR_OK || frame->work->say == NULL)
        return;
    frame->work->say(run);
    JsonWriter json = context_json(context);
    json_object_begin(&json);
    write_rows(run, &json);
    if (frame->work->json != NULL)
        frame->work->json(run, &json);
    json_object_end(&json);
    if (run->outcome == RUN_FAILED)
        context->exit_status = 1;
    else if (run->outcome == RUN_DIFFERENT)
        context->exit_status = 3;
}

/* --- one of many ------------------------------------------------------------------------------ */

static void write_one(Run *run)
{
    CommandContext *context = run->frame->context;
    JsonWriter json = context_json(context);
    json_object_begin(&json);
    json_field_string(&json, "name", run->entry->name);
    json_field_string(&json, "outcome", run_outcome_name(run->outcome));
    write_rows(run, &json);
    if (run->frame->work->json != NULL)
        run->frame->work->json(run, &json);
    json_key(&json, "error");
    if (run->error.code == ERR_OK)
        json_none(&json);
    else
        write_error(&json, &run->error);
    json_object_end(&json);
    context_json_flush(context);
}

static void say_failure(Run *run)
{
    const char *rows = run->rows_known ? run_rows_text(run->arena, &run->rows) : NULL;
    run_say(run, "%s%s%s", run_outcome_name(run->outcome), rows == NULL ? "" : "; stands at ",
            rows == NULL ? "" : rows);
    Error shown = run->error;
    err_wrap(&shown, "%s", run->entry->name);
    show_error(&shown);
}

static void report_one_of_many(Run *run)
{
    if (run->frame->context->json) {
        write_one(run);
        return;
    }
    if (run->error.code == ERR_OK)
        run->frame->work->say(run);
    else
        say_failure(run);
}

void run_report_ended(Run *run)
{
    progress_clear(run->frame);
    if (run->frame->many)
        report_one_of_many(run);
    else
        report_only(run);
}

/* --- the summary ------------------------------------------------------------------------------ */

/* In the order in which they are told: the worst last, where it is seen. */
static const RunOutcome order[] = {
    RUN_DONE,        RUN_NOTHING_TO_DO, RUN_DIFFERENT, RUN_NOT_STARTED,
    RUN_INTERRUPTED, RUN_UNAVAILABLE,   RUN_FAILED,    RUN_UNKNOWN,
};
enum { ORDER_COUNT = sizeof order / sizeof order[0] };

static void write_names(const RunFrame *frame, JsonWriter *json, RunOutcome outcome)
{
    json_field_array(json, run_outcome_name(outcome));
    for (size_t i = 0; i < frame->ending_count; i++) {
        if (frame->endings[i].outcome == outcome)
            json_text(json, frame->endings[i].name);
    }
    for (size_t i = frame->next; outcome == RUN_NOT_STARTED && i < frame->databases.count; i++)
        json_text(json, frame->databases.items[i].name);
    json_array_end(json);
}

static void write_summary(RunFrame *frame)
{
    JsonWriter json = context_json(frame->context);
    json_object_begin(&json);
    json_field_object(&json, "summary");
    json_field_uint(&json, "databases", frame->tally.total);
    json_field_object(&json, "counts");
    for (size_t i = 0; i < ORDER_COUNT; i++)
        json_field_uint(&json, run_outcome_name(order[i]), frame->tally.counts[order[i]]);
    json_object_end(&json);
    json_field_object(&json, "names");
    for (size_t i = 2; i < ORDER_COUNT; i++)
        write_names(frame, &json, order[i]);
    json_object_end(&json);
    json_field_int(&json, "exit_status", run_tally_exit_status(&frame->tally, frame->last_signal));
    json_field_uint(&json, "duration_ms", uv_now(&frame->loop) - frame->started_ms);
    json_object_end(&json);
    json_object_end(&json);
    context_json_flush(frame->context);
}

static void say_names(const RunFrame *frame, RunOutcome outcome)
{
    size_t count = 0;
    for (size_t i = 0; i < frame->ending_count; i++) {
        const RunEnding *ending = &frame->endings[i];
        if (ending->outcome != outcome || ++count > SUMMARY_NAMES)
            continue;
        say(frame->context, "  %s: %s%s%s", run_outcome_name(outcome), ending->name,
            ending->rows == NULL ? "" : ", stands at ", ending->rows == NULL ? "" : ending->rows);
    }
    for (size_t i = frame->next; outcome == RUN_NOT_STARTED && i < frame->databases.count; i++) {
        if (++count <= SUMMARY_NAMES)
            say(frame->context, "  not started: %s", frame->databases.items[i].name);
    }
    if (count > SUMMARY_NAMES)
        say(frame->context, "  %s: and %zu more", run_outcome_name(outcome), count - SUMMARY_NAMES);
}

static void say_summary(const RunFrame *frame)
{
    AUTO_STR Str text = {0};
    for (size_t i = 0; i < ORDER_COUNT; i++) {
        if (frame->tally.counts[order[i]] > 0)
            str_printf(&text, "%s%zu %s", text.length == 0 ? "" : ", ",
                       frame->tally.counts[order[i]], run_outcome_name(order[i]));
    }
    uint64_t ms = uv_now(&frame->loop) - frame->started_ms;
    say(frame->context, "%zu databases in %llu.%llu s: %s", frame->tally.total,
        (unsigned long long)ms / 1000, (unsigned long long)ms % 1000 / 100, str_text(&text));
    for (size_t i = 2; i < ORDER_COUNT; i++)
        say_names(frame, order[i]);
}

void run_report_summary(RunFrame *frame)
{
    if (!frame->many)
        return;
    if (frame->context->json)
        write_summary(frame);
    else
        say_summary(frame);
}
