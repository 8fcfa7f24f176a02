#include "single.h"

#include "digest.h"
#include "named_limits.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PROBE_ATTEMPTS = 5, PROBE_LOCK_TIMEOUT_MS = 5000, RUN_LOCK_WAIT_MS = 2000 };

/* --- waiting ---------------------------------------------------------------------------------- */

static void on_signal(uv_signal_t *handle, int number)
{
    Single *single = handle->data;
    interrupted_by = number;
    single->signals++;
    uv_stop(&single->loop);
    if (single->session != NULL)
        shard_cancel(single->session);
}

/* Runs the loop until the call in hand is over. */
static ErrCode wait_done(Single *single, Error *err)
{
    int before = single->signals;
    while (!single->done && single->signals - before < 2)
        uv_run(&single->loop, UV_RUN_DEFAULT);
    if (!single->done) {
        /* The answer may still come, but nobody waits for it any more. */
        shard_close(single->session);
        single->session = NULL;
        single->code =
            err_set(&single->error, ERR_UNKNOWN, "interrupted while waiting for an answer");
    }
    if (single->code != ERR_OK && err != NULL)
        *err = single->error;
    return single->code;
}

static void settle(Single *single, const Error *err)
{
    single->done = true;
    uv_stop(&single->loop);
    single->code = err == NULL ? ERR_OK : err->code;
    if (err != NULL)
        single->error = *err;
}

static void on_open(ShardSession *session, const Error *err, void *data)
{
    (void)session;
    settle(data, err);
}

static void on_claim(ShardSession *session, const ClaimResult *result, const Error *err, void *data)
{
    (void)session;
    Single *single = data;
    single->claim = result;
    if (result != NULL) {
        single->fence = result->fence;
        single->epoch = result->epoch;
        single->fleet_id = result->fleet_id;
    }
    settle(single, err);
}

static void on_read(ShardSession *session, const DatabaseReading *reading, const Error *err,
                    void *data)
{
    (void)session;
    Single *single = data;
    single->reading = reading;
    settle(single, err);
}

static void on_step(ShardSession *session, const StepResult *result, const Error *err, void *data)
{
    (void)session;
    Single *single = data;
    single->step = *result;
    settle(single, err);
}

/* --- opening ---------------------------------------------------------------------------------- */

static const char *make_who(Arena *arena)
{
    char host[256] = "localhost";
    (void)gethostname(host, sizeof host - 1);
    const struct passwd *user = getpwuid(getuid());
    return arena_printf(arena, "%s@%s", user == NULL ? "unknown" : user->pw_name, host);
}

static ErrCode read_target(Single *single, Error *err)
{
    CommandContext *context = single->context;
    const char *reason = context_option(context, "unmanaged");
    if (reason != NULL && *reason == '\0')
        return err_set(err, ERR_USAGE, "--unmanaged needs a reason: it is kept in the shard");
    const char *url = context_option(context, "url");
    if (url == NULL)
        url = getenv("PGTIDE_URL");
    ShardTarget *target = &single->target;
    if (url != NULL && *url != '\0') {
        ErrCode code =
            pg_parse_conninfo(context->arena, url, &target->conninfo, &target->conninfo_count, err);
        if (code != ERR_OK)
            return code;
    }
    target->application_name =
        arena_printf(context->arena, "pgtide %s %d", single->who, (int)getpid());
    target->schema = context_option(context, "schema");
    if (target->schema != NULL && strlen(target->schema) > LIMIT_NAME_BYTES)
        return err_set(err, ERR_USAGE, "--schema: a name has at most %d bytes", LIMIT_NAME_BYTES);
    target->shared_schemas = context_options(context, "shared-schema");
    if (target->shared_schemas.count == 0)
        strlist_add(context->arena, &target->shared_schemas, "public");
    return ERR_OK;
}

static ErrCode connect_session(Single *single, Error *err)
{
    single->done = false;
    single->session = shard_open(&single->loop, &single->target, on_open, single);
    return wait_done(single, err);
}

ErrCode single_open(Single *single, CommandContext *context, Error *err)
{
    *single = (Single){.context = context};
    single->who = make_who(context->arena);
    uv_loop_init(&single->loop);
    uv_signal_init(&single->loop, &single->interrupt);
    uv_signal_init(&single->loop, &single->terminate);
    single->interrupt.data = single->terminate.data = single;
    uv_signal_start(&single->interrupt, on_signal, SIGINT);
    uv_signal_start(&single->terminate, on_signal, SIGTERM);
    ErrCode code = read_target(single, err);
    return code == ERR_OK ? connect_session(single, err) : code;
}

void single_close(Single *single)
{
    shard_close(single->session);
    single->session = NULL;
    uv_close((uv_handle_t *)&single->interrupt, NULL);
    uv_close((uv_handle_t *)&single->terminate, NULL);
    uv_run(&single->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&single->loop);
}

/* --- calls ------------------------------------------------------------------------------------ */

static ErrCode lock_timeout(const Single *single, uint32_t *ret_ms, Error *err)
{
    uint64_t ms;
    ErrCode code = context_duration(single->context, "lock-timeout", 500, &ms, err);
    if (code != ERR_OK)
        return code;
    if (ms == 0 || ms > LIMIT_LOCK_TIMEOUT_MS)
        return err_set(err, ERR_USAGE, "--lock-timeout: 1ms to %d s", LIMIT_LOCK_TIMEOUT_MS / 1000);
    *ret_ms = (uint32_t)ms;
    return ERR_OK;
}

static ErrCode check_interrupted(const Single *single, Error *err)
{
    if (single->signals == 0)
        return ERR_OK;
    return err_set(err, ERR_INTERRUPTED, "interrupted; nothing more was started");
}

ErrCode single_claim(Single *single, Error *err)
{
    uint32_t lock_ms;
    ErrCode code = lock_timeout(single, &lock_ms, err);
    if (code == ERR_OK)
        code = check_interrupted(single, err);
    if (code != ERR_OK)
        return code;
    ClaimArgs args = {
        .who = single->who,
        .adopt = true,
        .unmanaged_reason = context_option(single->context, "unmanaged"),
        .lock_timeout_ms = lock_ms,
        .run_lock_wait_ms = RUN_LOCK_WAIT_MS,
    };
    single->done = false;
    shard_claim(single->session, &args, on_claim, single);
    code = wait_done(single, err);
    if (code == ERR_OK && single->claim->moved_outside)
        note(single->context, "another tool moved this shard since pgtide last did; it is at %s",
             single_rows_text(single->context->arena, &single->claim->rows));
    return code;
}

ErrCode single_read(Single *single, const ReadArgs *args, Error *err)
{
    single->done = false;
    shard_read(single->session, args, on_read, single);
    return wait_done(single, err);
}

/* Whether the operation has succeeded, in the history just claimed. */
static bool history_has(const ClaimResult *claim, const OperationId *operation)
{
    for (size_t i = 0; i < claim->history_count; i++) {
        const HistoryEntry *entry = &claim->history[i];
        if (entry->has_operation && strcmp(entry->outcome, "succeeded") == 0 &&
            memcmp(&entry->operation, operation, sizeof *operation) == 0)
            return true;
    }
    return false;
}

/* The connection is gone: claims the shard anew to learn what happened. */
static ErrCode probe(Single *single, const GraphStep *step, const OperationId *operation,
                     const BackendId *orphan, Error *err)
{
    for (int attempt = 0; attempt < PROBE_ATTEMPTS && single->signals == 0; attempt++) {
        shard_close(single->session);
        if (connect_session(single, NULL) != ERR_OK)
            continue;
        ClaimArgs args = {
            .who = single->who,
            .unmanaged_reason = context_option(single->context, "unmanaged"),
            .orphan = *orphan,
            .lock_timeout_ms = PROBE_LOCK_TIMEOUT_MS,
        };
        single->done = false;
        shard_claim(single->session, &args, on_claim, single);
        if (wait_done(single, NULL) != ERR_OK)
            continue;
        if (history_has(single->claim, operation) &&
            strlist_equal(&single->claim->rows, &step->rows_after)) {
            err_clear(err);
            return ERR_OK;
        }
        err_set(err, ERR_CONNECT, "connection lost; the step did not happen");
        err_hint(err, "Run the same command again.");
        return ERR_CONNECT;
    }
    err_wrap(err, "%s", step->revision);
    return err->code;
}

ErrCode single_step(Single *single, const GraphStep *step, Error *err)
{
    uint32_t lock_ms;
    ErrCode code = lock_timeout(single, &lock_ms, err);
    if (code == ERR_OK)
        code = check_interrupted(single, err);
    if (code != ERR_OK)
        return code;
    Uuid random = uuid_random();
    StepArgs args = {
        .revision = step->revision,
        .direction = step->direction,
        .script = step->script,
        .rows_before = step->rows_before,
        .rows_after = step->rows_after,
        .fence = single->fence,
        .epoch = single->epoch,
        .fleet_id = single->fleet_id,
        .who = single->who,
        .attempt = 1,
        .lock_timeout_ms = lock_ms,
        .run_verify = true,
    };
    memcpy(args.operation.bytes, random.bytes, sizeof args.operation.bytes);
    BackendId backend = shard_backend(single->session);
    single->done = false;
    shard_step(single->session, &args, on_step, single);
    code = wait_done(single, err);
    if (code != ERR_OK && single->session != NULL && !shard_is_alive(single->session))
        code = probe(single, step, &args.operation, &backend, err);
    return code;
}

ErrCode single_stamp(Single *single, const StrList *before, const StrList *after, Error *err)
{
    uint32_t lock_ms;
    ErrCode code = lock_timeout(single, &lock_ms, err);
    if (code != ERR_OK)
        return code;
    Uuid random = uuid_random();
    StampArgs args = {
        .rows_before = *before,
        .rows_after = *after,
        .fence = single->fence,
        .epoch = single->epoch,
        .fleet_id = single->fleet_id,
        .who = single->who,
        .message = context_option(single->context, "unmanaged"),
        .lock_timeout_ms = lock_ms,
    };
    memcpy(args.operation.bytes, random.bytes, sizeof args.operation.bytes);
    single->done = false;
    shard_stamp(single->session, &args, on_step, single);
    return wait_done(single, err);
}

/* --- runs ------------------------------------------------------------------------------------- */

const char *single_rows_text(Arena *arena, const StrList *rows)
{
    return rows->count == 0 ? "base" : strlist_join(arena, rows, ", ");
}

static ErrCode check_steps(const GraphSteps *steps, Error *err)
{
    for (size_t i = 0; i < steps->count; i++) {
        const GraphStep *step = &steps->items[i];
        ErrCode code = shard_step_check(step->script, step->direction, true, err);
        if (code != ERR_OK)
            return code;
    }
    return ERR_OK;
}

/* Steps from the rows as they are, checked as far as they can be without the server. */
static ErrCode plan_steps(Single *single, const RevisionMap *map, SinglePlan *plan,
                          const StrList *rows, GraphSteps *ret_steps, Error *err)
{
    *ret_steps = (GraphSteps){0};
    ErrCode code = plan(single->context, map, rows, ret_steps, err);
    return code == ERR_OK ? check_steps(ret_steps, err) : code;
}

static ErrCode migrate(Single *single, const RevisionMap *map, SinglePlan *plan, SingleAct *act,
                       Error *err)
{
    Arena *arena = single->context->arena;
    ErrCode code = single_read(single, &(ReadArgs){0}, err);
    if (code != ERR_OK)
        return code;
    StrList rows = strlist_copy(arena, &single->reading->shards[0].rows);
    GraphSteps steps;
    code = plan_steps(single, map, plan, &rows, &steps, err);
    if (code == ERR_OK)
        code = single_claim(single, err);
    if (code != ERR_OK)
        return code;
    if (!strlist_equal(&rows, &single->claim->rows)) {
        rows = strlist_copy(arena, &single->claim->rows);
        code = plan_steps(single, map, plan, &rows, &steps, err);
    }
    if (code != ERR_OK)
        return code;
    if (steps.warning != NULL)
        note(single->context, "%s", steps.warning);
    return act(single, &rows, &steps, err);
}

ErrCode single_migrate(CommandContext *context, SinglePlan *plan, SingleAct *act, Error *err)
{
    Project project;
    RevisionMap *map;
    ErrCode code = project_open(context->arena, context->config, &project, &map, err);
    if (code != ERR_OK)
        return code;
    Single single;
    code = single_open(&single, context, err);
    if (code == ERR_OK)
        code = migrate(&single, map, plan, act, err);
    single_close(&single);
    return code;
}

ErrCode single_run(Single *single, const StrList *before, const GraphSteps *steps, Error *err)
{
    CommandContext *context = single->context;
    (void)before; /* the steps carry their rows */
    ErrCode code = ERR_OK;
    JsonWriter json = context_json(context);
    json_object_begin(&json);
    json_field_array(&json, "steps");
    size_t done = 0;
    for (; done < steps->count && code == ERR_OK; done += code == ERR_OK) {
        const GraphStep *step = &steps->items[done];
        code = single_step(single, step, err);
        if (code != ERR_OK)
            break;
        say(context, "%s %s (%llu ms)", direction_name(step->direction), step->revision,
            (unsigned long long)single->step.duration_ms);
        json_object_begin(&json);
        json_field_string(&json, "direction", direction_name(step->direction));
        json_field_string(&json, "revision", step->revision);
        json_field_uint(&json, "duration_ms", single->step.duration_ms);
        json_object_end(&json);
    }
    json_array_end(&json);
    const StrList *rows = &steps->rows_after;
    if (done < steps->count)
        rows = done == 0 ? &steps->items[0].rows_before : &steps->items[done - 1].rows_after;
    json_field_strings(&json, "rows", rows);
    json_object_end(&json);
    if (code == ERR_OK)
        say(context, "%s %s", steps->count == 0 ? "nothing to do: at" : "at",
            single_rows_text(context->arena, rows));
    else if (code != ERR_UNKNOWN && code != ERR_DIVERGED && code != ERR_OVERTAKEN)
        note(context, "%zu of %zu steps done; the shard stands at %s", done, steps->count,
             single_rows_text(context->arena, rows));
    return code;
}
