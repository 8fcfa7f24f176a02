#include "ensure.h"
#include "run.h"

/* The command: what it ensures, read once for all databases. */
typedef struct EnsureWork {
    SafeList safe;
    bool check;
    bool verbose;
} EnsureWork;

/* One database's outcome, in the run's arena. */
typedef struct Ensured {
    EnsureResult result;
    uint64_t duration_ms; /* with the connection's making */
} Ensured;

static const EnsureWork *work_of(const Run *run)
{
    return run_shared(run);
}

/* --- the run ---------------------------------------------------------------------------------- */

/* Given up, its session is gone: so is what would have been told. */
static void on_given_up(Run *run)
{
    ensure_free(run->data);
    run->data = NULL;
    run_end(run);
}

static void on_ensured(Ensure *ensure, const EnsureResult *result, const Error *err, void *data)
{
    Run *run = data;
    Ensured *ensured = ARENA_NEW(run->arena, Ensured);
    size_t count = work_of(run)->safe.count;
    ensured->result = *result;
    ensured->result.states = arena_memdup(run->arena, result->states, count * sizeof(EnsureState));
    ensured->duration_ms = uv_now(run->timer.loop) - run->started_ms;
    Error failure = {0};
    if (err != NULL)
        failure = *err;
    ensure_free(ensure);
    run->data = ensured;
    run->failed = NULL;
    run->phase = RUN_IDLE;
    if (failure.code != ERR_OK) {
        run_fail(run, &failure);
        return;
    }
    run->outcome = RUN_NOTHING_TO_DO;
    if (ensured->result.missing > 0)
        run->outcome = RUN_DIFFERENT;
    else if (ensured->result.done > 0)
        run->outcome = RUN_DONE;
    run_end(run);
}

static void begin(Run *run)
{
    const EnsureWork *work = work_of(run);
    EnsureArgs args = {
        .safe = &work->safe,
        .check_only = work->check,
        .lock_timeout_ms = run_settings(run)->lock_timeout_ms,
        .schema = run->entry->schema,
        .stop = &interrupted_by,
    };
    run->doing = "ensure";
    run->phase = RUN_ASKING;
    run->failed = on_given_up;
    run->data = ensure_start(run->timer.loop, run->session, &args, on_ensured, run);
}

/* --- what it says ----------------------------------------------------------------------------- */

static const char *state_name(EnsureState state)
{
    static const char *const names[] = {
        [ENSURE_NOT_REACHED] = "not-run",
        [ENSURE_PRESENT] = "present",
        [ENSURE_MISSING] = "missing",
        [ENSURE_DONE] = "done",
        [ENSURE_RAN] = "ran",
        [ENSURE_FAILED] = "failed",
    };
    return names[state];
}

/* "missing: column users.bio", "to be removed: relation old". */
static const char *state_words(const SafeStatement *safe, EnsureState state)
{
    switch (state) {
    case ENSURE_NOT_REACHED:
        return "not run";
    case ENSURE_PRESENT:
        return safe->removes ? "gone" : "there";
    case ENSURE_MISSING:
        return safe->removes ? "still there" : "missing";
    case ENSURE_DONE:
        return safe->removes ? "removed" : "added";
    case ENSURE_RAN:
        return "run each time";
    case ENSURE_FAILED:
        return "failed";
    }
    return "";
}

static void tell(Run *run)
{
    const EnsureWork *work = work_of(run);
    const Ensured *ensured = run->data;
    for (size_t i = 0; i < work->safe.count; i++) {
        const SafeStatement *safe = &work->safe.items[i];
        EnsureState state = ensured->result.states[i];
        if (work->verbose || state == ENSURE_MISSING || state == ENSURE_DONE)
            run_say(run, "%s: %s (%s:%d)", state_words(safe, state), safe->what, safe->file,
                    safe->statement->line);
    }
    const EnsureResult *result = &ensured->result;
    const char *retries = result->retries == 0 ? ""
                                               : arena_printf(run->arena, ", %u attempts again",
                                                              (unsigned)result->retries);
    run_say(run, "%zu there, %zu %s, %zu run each time%s, in %llu ms", result->present,
            work->check ? result->missing : result->done, work->check ? "missing" : "done",
            result->ran, retries, (unsigned long long)ensured->duration_ms);
}

static void write_json(Run *run, JsonWriter *json)
{
    const EnsureWork *work = work_of(run);
    const Ensured *ensured = run->data;
    if (ensured == NULL)
        return;
    json_field_uint(json, "present", ensured->result.present);
    json_field_uint(json, "missing", ensured->result.missing);
    json_field_uint(json, "done", ensured->result.done);
    json_field_uint(json, "ran", ensured->result.ran);
    json_field_uint(json, "retries", ensured->result.retries);
    json_field_uint(json, "duration_ms", ensured->duration_ms);
    json_field_array(json, "statements");
    for (size_t i = 0; i < work->safe.count; i++) {
        const SafeStatement *safe = &work->safe.items[i];
        json_object_begin(json);
        json_field_string(json, "file", safe->file);
        json_field_int(json, "line", safe->statement->line);
        json_field_string(json, "what", safe->what);
        json_field_bool(json, "removes", safe->removes);
        json_field_string(json, "state", state_name(ensured->result.states[i]));
        json_object_end(json);
    }
    json_array_end(json);
}

/* --- the command ------------------------------------------------------------------------------ */

/* Only pgtide.yaml is read, not the revisions: this runs at every start of an application. */
static ErrCode read_safe(CommandContext *context, SafeList *ret_safe, Error *err)
{
    Project project;
    SafeFiles files;
    ErrCode code = project_load(context->arena, context->config, &project, err);
    if (code != ERR_OK)
        return code;
    if (project.safe == NULL) {
        err_set(err, ERR_CONFIG, "the project has no safe statements");
        err_at(err, project.config_file, 0);
        err_hint(err, "Name their directory with `safe: DIRECTORY`.");
        return ERR_CONFIG;
    }
    code = safe_files_load(context->arena, project.safe, &files, err);
    return code == ERR_OK ? safe_list_read(context->arena, project.safe, &files, ret_safe, err)
                          : code;
}

static ErrCode run(CommandContext *context, Error *err)
{
    EnsureWork ensure = {
        .check = context_has(context, "check"),
        .verbose = context_has(context, "verbose"),
    };
    const RunWork work = {
        .shared = &ensure,
        .begin = begin,
        .say = tell,
        .json = write_json,
    };
    ErrCode code = read_safe(context, &ensure.safe, err);
    return code == ERR_OK ? run_databases(context, &work, err) : code;
}

static const CommandOption options[] = {
    RUN_READ_OPTIONS,
    {"lock-timeout", 0, "TIME", "how long each attempt waits for a lock (default: 500ms)"},
    {"check", 0, NULL, "only ask; exit status 3 when something is missing"},
    {"verbose", 'v', NULL, "each statement and what became of it"},
    {0},
};

const CliCommand cmd_ensure = {
    .words = "ensure",
    .arguments = "",
    .summary = "run the safe statements (safe/*.sql) whose effect is missing",
    .details =
        "For every start of an application: one query asks the catalogs whether columns, tables, "
        "indexes and what else the statements make are there, and only what is missing is run, "
        "each statement in a transaction of its own. A lock that is not granted in time is tried "
        "again a few times, then the sessions that hold it are named. Statements of other forms "
        "are run each time. Neither version rows nor anything of pgtide's is needed or "
        "touched.\n\n" RUN_EXIT_STATUS,
    .options = options,
    .run = run,
};
