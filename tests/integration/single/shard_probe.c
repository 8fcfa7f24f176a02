/*
 * Does to one shard what a test says, through engine/shard/shard.h and nothing else:
 *
 *   pgtide_shard_probe URL COMMAND [ARGUMENT]…
 *
 *   schema NAME | name APPLICATION       before anything connects
 *   claim WAIT_MS WIDTH                  the run lock, the row
 *   up FILE | down FILE                  one step from the rows as they are
 *   together FILE,FILE… | rehearse FILE,FILE…
 *   sql FILE | sql-read-only FILE        prints what the last statement answered
 *   read                                 prints rows and what is applied
 *   cancel MS | deadline MS              of the next up, down, together, sql
 *   pause                                until a line comes on stdin; the session stays idle
 *
 * One line for each answer. Exit status 0, or 1 at the first error.
 */
#include "error.h"
#include "script.h"
#include "shard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Probe {
    uv_loop_t loop;
    uv_timer_t timer;
    Arena *arena;
    ShardTarget target;
    ShardSession *session;
    bool done;
    bool failed;
    uint64_t fence;
    uint64_t epoch;
    Uuid fleet_id;
    StrList rows;
    uint32_t cancel_ms;
    uint32_t deadline_ms;
} Probe;

/* --- answers ---------------------------------------------------------------------------------- */

static void settle(Probe *probe, const char *what, const Error *err)
{
    probe->done = true;
    uv_stop(&probe->loop);
    if (err == NULL)
        return;
    probe->failed = true;
    printf("%s: %s", what, err_code_name(err->code));
    if (err->file[0] != '\0')
        printf(" %s:%d", strrchr(err->file, '/') == NULL ? err->file : strrchr(err->file, '/') + 1,
               err->line);
    printf(" %s | %s | %s | %s\n", err->message, err->detail, err->hint, err->sqlstate);
}

static void wait_done(Probe *probe)
{
    while (!probe->done)
        uv_run(&probe->loop, UV_RUN_DEFAULT);
    uv_timer_stop(&probe->timer);
}

static const char *rows_text(Probe *probe)
{
    return probe->rows.count == 0 ? "base" : strlist_join(probe->arena, &probe->rows, ",");
}

static void on_open(ShardSession *session, const Error *err, void *data)
{
    (void)session;
    settle(data, "open", err);
}

static void on_notice(ShardSession *session, const char *severity, const char *message, void *data)
{
    (void)session;
    (void)data;
    printf("notice: %s %s\n", severity, message);
}

static void on_claim(ShardSession *session, const ClaimResult *result, const Error *err, void *data)
{
    (void)session;
    Probe *probe = data;
    if (result != NULL) {
        probe->fence = result->fence;
        probe->epoch = result->epoch;
        probe->fleet_id = result->fleet_id;
        probe->rows = strlist_copy(probe->arena, &result->rows);
        printf("claim: %s width %u, from %u\n", rows_text(probe), result->version_column_width,
               result->widened_from);
    }
    settle(probe, "claim", err);
}

static void take_step(Probe *probe, const char *what, const StepResult *result, size_t done,
                      const Error *err)
{
    if (err == NULL || result->rows.count > 0)
        probe->rows = strlist_copy(probe->arena, &result->rows);
    printf("%s: %zu done%s%s%s at %s\n", what, done, result->already_done ? ", before" : "",
           result->not_committed ? ", nothing committed" : "",
           result->failure_recorded ? ", recorded" : "", rows_text(probe));
    settle(probe, what, err);
}

static void on_step(ShardSession *session, const StepResult *result, const Error *err, void *data)
{
    (void)session;
    take_step(data, "step", result, err == NULL, err);
}

static void on_steps(ShardSession *session, const StepResult *result, size_t done, const Error *err,
                     void *data)
{
    (void)session;
    take_step(data, "steps", result, done, err);
}

static void on_sql(ShardSession *session, const ShardSqlResult *result, const Error *err,
                   void *data)
{
    (void)session;
    Probe *probe = data;
    if (result != NULL) {
        printf("sql: %zu by %zu", result->row_count, result->column_count);
        for (size_t i = 0; i < result->row_count * result->column_count; i++)
            printf(" %s", result->values[i] == NULL ? "NULL" : result->values[i]);
        putchar('\n');
    }
    settle(probe, "sql", err);
}

static void on_read(ShardSession *session, const DatabaseReading *reading, const Error *err,
                    void *data)
{
    (void)session;
    Probe *probe = data;
    for (size_t i = 0; reading != NULL && i < reading->applied_count; i++)
        printf("applied: %s %s\n", reading->applied[i].revision, reading->applied[i].token_digest);
    if (reading != NULL)
        printf("read: %zu rows, %zu applied\n", reading->shards[0].rows.count,
               reading->applied_count);
    settle(probe, "read", err);
}

/* --- commands --------------------------------------------------------------------------------- */

static void check(ErrCode code, const Error *err)
{
    if (code == ERR_OK)
        return;
    fprintf(stderr, "%s:%d: %s\n", err->file, err->line, err->message);
    exit(2);
}

static void on_cancel(uv_timer_t *timer)
{
    Probe *probe = timer->data;
    shard_cancel(probe->session);
}

static void connect_session(Probe *probe)
{
    if (probe->session != NULL)
        return;
    probe->session = shard_open(&probe->loop, &probe->target, on_open, probe);
    shard_on_notice(probe->session, on_notice, NULL);
    wait_done(probe);
}

static void start(Probe *probe)
{
    probe->done = false;
    if (probe->cancel_ms > 0)
        uv_timer_start(&probe->timer, on_cancel, probe->cancel_ms, 0);
    probe->cancel_ms = 0;
}

static StepArgs make_step(Probe *probe, const char *path, Direction direction, const StrList *rows)
{
    static uint8_t number;
    Script *script;
    Error err;
    check(script_load(probe->arena, path, &script, &err), &err);
    StepArgs args = {
        .revision = script->id,
        .direction = direction,
        .script = script,
        .rows_before = *rows,
        .fence = probe->fence,
        .epoch = probe->epoch,
        .fleet_id = probe->fleet_id,
        .who = "probe",
        .deadline_ms = probe->deadline_ms,
        .run_verify = true,
    };
    args.operation.bytes[0] = ++number;
    uint64_t now = uv_hrtime();
    memcpy(args.operation.bytes + 1, &now, sizeof now);
    StrList parents = script->parents;
    StrList own = {0};
    strlist_add(probe->arena, &own, script->id);
    bool up = direction == DIRECTION_UPGRADE;
    const StrList *gone = up ? &parents : &own;
    const StrList *come = up ? &own : &parents;
    if (script->kind == SCRIPT_REPEATABLE) {
        args.rows_after = strlist_copy(probe->arena, rows);
        return args;
    }
    for (size_t i = 0; i < rows->count; i++) {
        if (!strlist_has(gone, rows->items[i]))
            strlist_add(probe->arena, &args.rows_after, rows->items[i]);
    }
    for (size_t i = 0; i < come->count; i++)
        strlist_add(probe->arena, &args.rows_after, come->items[i]);
    return args;
}

static void run_step(Probe *probe, const char *path, Direction direction)
{
    StepArgs args = make_step(probe, path, direction, &probe->rows);
    start(probe);
    shard_step(probe->session, &args, on_step, probe);
    wait_done(probe);
}

static void run_steps(Probe *probe, const char *paths, bool rehearse)
{
    enum { STEPS_MAX = 16 };
    StepArgs items[STEPS_MAX];
    size_t count = 0;
    char *copy = arena_strdup(probe->arena, paths);
    StrList rows = probe->rows;
    for (char *path = strsep(&copy, ","); path != NULL && count < STEPS_MAX;
         path = strsep(&copy, ",")) {
        items[count] = make_step(probe, path, DIRECTION_UPGRADE, &rows);
        rows = items[count++].rows_after;
    }
    StepsArgs args = {.items = items, .count = count, .rehearse = rehearse};
    start(probe);
    shard_steps(probe->session, &args, on_steps, probe);
    wait_done(probe);
}

static void run_sql(Probe *probe, const char *path, bool read_only)
{
    Script *script;
    Error err;
    check(script_load(probe->arena, path, &script, &err), &err);
    ShardSqlArgs args = {
        .statements = &script->upgrade.statements,
        .file = script->file,
        .read_only = read_only,
        .deadline_ms = probe->deadline_ms,
    };
    start(probe);
    shard_run_sql(probe->session, &args, on_sql, probe);
    wait_done(probe);
}

static void run_claim(Probe *probe, uint32_t wait_ms, uint32_t width)
{
    ClaimArgs args = {
        .who = "probe", .adopt = true, .run_lock_wait_ms = wait_ms, .id_width = width};
    start(probe);
    shard_claim(probe->session, &args, on_claim, probe);
    wait_done(probe);
}

static void run_read(Probe *probe)
{
    ReadArgs args = {.with_applied = true};
    start(probe);
    shard_read(probe->session, &args, on_read, probe);
    wait_done(probe);
}

static void pause_here(void)
{
    puts("paused");
    fflush(stdout);
    for (int c = getchar(); c != '\n' && c != EOF;)
        c = getchar();
}

static uint32_t to_number(const char *text)
{
    return (uint32_t)strtoul(text, NULL, 10);
}

/* What is set for later, without a session. */
static bool set(Probe *probe, const char *what, const char *value)
{
    if (strcmp(what, "schema") == 0)
        probe->target.schema = value;
    else if (strcmp(what, "name") == 0)
        probe->target.application_name = value;
    else if (strcmp(what, "cancel") == 0)
        probe->cancel_ms = to_number(value);
    else if (strcmp(what, "deadline") == 0)
        probe->deadline_ms = to_number(value);
    else
        return false;
    return true;
}

static bool is(const char *what, const char *word)
{
    return strcmp(what, word) == 0;
}

/* Returns how many words it took. */
static int run_command(Probe *probe, char **words, int count)
{
    const char *what = words[0];
    const char *value = count > 1 ? words[1] : "";
    if (set(probe, what, value))
        return 2;
    connect_session(probe);
    if (probe->failed)
        return 1;
    if (is(what, "pause") || is(what, "read")) {
        if (is(what, "pause"))
            pause_here();
        else
            run_read(probe);
        return 1;
    }
    if (is(what, "claim")) {
        run_claim(probe, to_number(value), count > 2 ? to_number(words[2]) : 0);
        return 3;
    }
    if (is(what, "up") || is(what, "down"))
        run_step(probe, value, is(what, "up") ? DIRECTION_UPGRADE : DIRECTION_DOWNGRADE);
    else if (is(what, "together") || is(what, "rehearse"))
        run_steps(probe, value, is(what, "rehearse"));
    else if (is(what, "sql") || is(what, "sql-read-only"))
        run_sql(probe, value, is(what, "sql-read-only"));
    else
        exit(2);
    return 2;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    Probe probe = {.arena = arena_new()};
    Error err;
    uv_loop_init(&probe.loop);
    uv_timer_init(&probe.loop, &probe.timer);
    probe.timer.data = &probe;
    check(pg_parse_conninfo(probe.arena, argv[1], &probe.target.conninfo,
                            &probe.target.conninfo_count, &err),
          &err);
    for (int at = 2; at < argc && !probe.failed;)
        at += run_command(&probe, argv + at, argc - at);
    shard_close(probe.session);
    uv_close((uv_handle_t *)&probe.timer, NULL);
    uv_run(&probe.loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&probe.loop);
    arena_free(probe.arena);
    return probe.failed ? 1 : 0;
}
