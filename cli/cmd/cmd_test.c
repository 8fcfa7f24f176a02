#include "baseline.h"
#include "revisions.h"
#include "safe_trial.h"
#include "walk.h"

#include "clock.h"
#include "file.h"
#include "placeholder.h"

#include <string.h>

/* The command at work. */
typedef struct Tester {
    CommandContext *context;
    Revisions revisions;
    GraphSteps steps;
    bool to_heads; /* everything is applied at the end: repeatables and safe statements follow */
    bool verbose;
    SafeList safe;
    JsonWriter json;
    size_t passed;
    size_t reordered;
    size_t irreversible;
    size_t failed;
    size_t not_tried;
    bool cut_short; /* behind one that can't be upgraded nothing is tried */
} Tester;

/* --- saying it -------------------------------------------------------------------------------- */

/* A text of several lines, each behind a margin. */
static void say_lines(Tester *tester, const char *text)
{
    const char *at = text;
    while (*at != '\0') {
        size_t length = strcspn(at, "\n");
        say(tester->context, "    %.*s", (int)length, at);
        at += length + (at[length] == '\n');
    }
}

static void say_error(Tester *tester, const Error *err)
{
    say(tester->context, "  %s", err->message);
    if (err->detail[0] != '\0')
        say(tester->context, "  detail: %s", err->detail);
    if (err->sqlstate[0] != '\0')
        say(tester->context, "  SQLSTATE: %s", err->sqlstate);
}

/* file:line, as far as it is known. */
static const char *place(Tester *tester, const char *file, const Error *err)
{
    return err->line > 0 ? arena_printf(tester->context->arena, "%s:%d", file, err->line) : file;
}

static void json_error(JsonWriter *json, const Error *err)
{
    if (err->code == ERR_OK)
        return;
    json_field_string(json, "message", err->message);
    json_field_string(json, "detail", err->detail);
    json_field_string(json, "sqlstate", err->sqlstate);
    if (err->line > 0)
        json_field_int(json, "line", err->line);
}

static void json_revision(JsonWriter *json, const WalkResult *result)
{
    json_object_begin(json);
    json_field_string(json, "revision", result->script->id);
    json_field_string(json, "file", result->script->file);
    json_field_string(json, "verdict", walk_verdict_name(result->verdict));
    json_field_bool(json, "needed", result->verdict != WALK_NOT_NEEDED);
    if (result->verdict == WALK_FAILED)
        json_field_string(json, "phase", walk_phase_name(result->phase));
    json_error(json, &result->error);
    json_field_string(json, "difference", result->difference);
    json_field_string(json, "without_rows", result->without_rows);
    json_field_string(json, "unfilled", result->unfilled);
    json_field_uint(json, "upgrade_ms", result->upgrade_ms);
    json_field_uint(json, "downgrade_ms", result->downgrade_ms);
    json_field_uint(json, "duration_ms", result->duration_ms);
    json_object_end(json);
}

static void say_failure(Tester *tester, const WalkResult *result)
{
    CommandContext *context = tester->context;
    const char *id = result->script->id;
    if (result->error.code != ERR_OK) {
        say(context, "FAILED %s: its %s fails", id, walk_phase_name(result->phase));
        say(context, "  at: %s", place(tester, result->script->file, &result->error));
        say_error(tester, &result->error);
        return;
    }
    if (result->phase == WALK_DOWNGRADE)
        say(context, "FAILED %s: its downgrade does not lead back to the schema before it", id);
    else
        say(context, "FAILED %s: after its downgrade, the upgrade leads to another schema", id);
    say(context, "  at: %s", result->script->file);
    say_lines(tester, result->difference);
}

static void on_result(const WalkResult *result, void *data)
{
    Tester *tester = data;
    CommandContext *context = tester->context;
    const char *id = result->script->id;
    json_revision(&tester->json, result);
    tester->passed += result->verdict == WALK_PASSED || result->verdict == WALK_REORDERED;
    tester->reordered += result->verdict == WALK_REORDERED;
    tester->irreversible += result->verdict == WALK_IRREVERSIBLE;
    tester->failed += result->verdict == WALK_FAILED;
    tester->not_tried += result->verdict >= WALK_NOT_TRIED;
    tester->cut_short = tester->cut_short || result->verdict == WALK_NOT_TRIED;
    unsigned long long ms = result->duration_ms;
    switch (result->verdict) {
    case WALK_PASSED:
        say(context, "passed %s (%llu ms)", id, ms);
        break;
    case WALK_REORDERED:
        say(context,
            "passed %s (%llu ms); column order only: back and up again, columns stand "
            "elsewhere",
            id, ms);
        if (tester->verbose)
            say_lines(tester, result->difference);
        break;
    case WALK_IRREVERSIBLE:
        say(context, "passed %s (%llu ms); irreversible: %s", id, ms, result->script->irreversible);
        break;
    case WALK_FAILED:
        say_failure(tester, result);
        break;
    case WALK_NOT_TRIED:
        say(context, "not tried %s", id);
        break;
    case WALK_NOT_NEEDED:
        say(context, "not tried %s: its `when-fingerprint` is not the schema before it", id);
        break;
    }
    if (tester->verbose && result->without_rows[0] != '\0')
        say(context, "  tried without rows; with generated ones: %s", result->without_rows);
    if (tester->verbose && result->unfilled[0] != '\0') {
        say(context, "  without rows:");
        say_lines(tester, result->unfilled);
    }
}

/* --- what follows at head --------------------------------------------------------------------- */

/* A repeatable or a baseline, which fails as a whole; `err` NULL: nothing failed. */
static void tell_whole(Tester *tester, const char *kind, const char *name, const char *file,
                       const Error *err, const char *difference, const char *complaint, uint64_t ms)
{
    bool failed = err != NULL || difference[0] != '\0';
    tester->failed += failed;
    tester->passed += !failed;
    JsonWriter *json = &tester->json;
    json_object_begin(json);
    json_field_string(json, kind, name);
    json_field_string(json, "file", file);
    json_field_string(json, "verdict", failed ? "failed" : "passed");
    if (err != NULL)
        json_error(json, err);
    json_field_string(json, "difference", difference);
    json_field_uint(json, "duration_ms", ms);
    json_object_end(json);
    if (!failed) {
        say(tester->context, "passed %s (%llu ms)", name, (unsigned long long)ms);
        return;
    }
    say(tester->context, "FAILED %s: %s", name, complaint);
    say(tester->context, "  at: %s", err == NULL ? file : place(tester, file, err));
    if (err != NULL)
        say_error(tester, err);
    say_lines(tester, difference);
}

/* A repeatable runs whenever it changed, so it must be able to run on its own result. */
static ErrCode try_repeatable(Tester *tester, Trial *trial, const Script *script, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    CommandContext *context = tester->context;
    ErrCode code =
        script_bind(context->arena, script, &tester->revisions.assignments, &script, err);
    if (code != ERR_OK)
        return code;
    GraphStep step = {.revision = script->id,
                      .script = script,
                      .direction = DIRECTION_UPGRADE,
                      .rows_before = tester->steps.rows_after,
                      .rows_after = tester->steps.rows_after};
    SchemaText first, second;
    AUTO_STR Str difference = {0};
    uint64_t started_ms = clock_monotonic_ms();
    code = trial_step(trial, &step, err);
    if (code == ERR_OK)
        code = trial_schema(trial, arena, &first, err);
    if (code == ERR_OK)
        code = trial_step(trial, &step, err);
    if (code == ERR_OK)
        code = trial_schema(trial, arena, &second, err);
    if (code == ERR_OK)
        schema_text_diff(&first, &second, &difference);
    if (code == ERR_INTERRUPTED || code == ERR_CONNECT || code == ERR_UNKNOWN)
        return code;
    tell_whole(tester, "repeatable", script->id, script->file, code == ERR_OK ? NULL : err,
               str_text(&difference), "it can't be run on its own result",
               clock_monotonic_ms() - started_ms);
    return ERR_OK;
}

static ErrCode try_repeatables(Tester *tester, Trial *trial, Error *err)
{
    ErrCode code = ERR_OK;
    const RevisionMap *map = tester->revisions.map;
    json_field_array(&tester->json, "repeatables");
    bool reached = trial != NULL && tester->to_heads && !tester->cut_short;
    for (size_t i = 0; reached && i < graph_repeatable_count(map) && code == ERR_OK; i++)
        code = try_repeatable(tester, trial, graph_repeatable_at(map, i), err);
    json_array_end(&tester->json);
    return code;
}

/* Whether a baseline still makes what its revisions make. */
static ErrCode try_baseline(Tester *tester, Scratch *scratch, const Script *baseline, Error *err)
{
    CommandContext *context = tester->context;
    AUTO_STR Str difference = {0};
    Trial *reference = NULL;
    uint64_t started_ms = clock_monotonic_ms();
    ErrCode code =
        baseline_reference(context, &tester->revisions, scratch, baseline->id, &reference, err);
    if (code == ERR_OK)
        code = baseline_compare(context, scratch, reference, baseline, &difference, err);
    trial_close(reference);
    if (code == ERR_INTERRUPTED || code == ERR_CONNECT || code == ERR_UNKNOWN)
        return code;
    const char *name = path_basename(baseline->file);
    tell_whole(tester, "baseline", name, baseline->file, code == ERR_OK ? NULL : err,
               str_text(&difference), "it does not make what its revisions make",
               clock_monotonic_ms() - started_ms);
    return ERR_OK;
}

static ErrCode try_baselines(Tester *tester, Scratch *scratch, Error *err)
{
    ErrCode code = ERR_OK;
    json_field_array(&tester->json, "baselines");
    for (size_t i = 0; i < tester->steps.count && !tester->cut_short && code == ERR_OK; i++) {
        const Script *baseline =
            graph_baseline(tester->revisions.map, tester->steps.items[i].script->id);
        if (baseline != NULL)
            code = try_baseline(tester, scratch, baseline, err);
    }
    json_array_end(&tester->json);
    return code;
}

static void tell_safe(Tester *tester, const SafeResult *result)
{
    CommandContext *context = tester->context;
    tester->failed += result->failed;
    tester->passed += !result->failed;
    json_object_begin(&tester->json);
    json_field_string(&tester->json, "file", result->file);
    json_field_string(&tester->json, "verdict", result->failed ? "failed" : "passed");
    json_error(&tester->json, &result->error);
    json_field_string(&tester->json, "difference", result->difference);
    json_field_string(&tester->json, "missing", result->missing);
    json_field_uint(&tester->json, "duration_ms", result->duration_ms);
    json_object_end(&tester->json);
    if (!result->failed) {
        say(context, "passed %s (%llu ms)", result->file, (unsigned long long)result->duration_ms);
    } else if (result->error.code != ERR_OK) {
        say(context, "FAILED %s: its %s run fails", result->file,
            result->second_run ? "second" : "first");
        say(context, "  at: %s", place(tester, result->file, &result->error));
        say_error(tester, &result->error);
    } else if (result->difference[0] != '\0') {
        say(context, "FAILED %s: its second run changes something", result->file);
        say_lines(tester, result->difference);
    } else {
        say(context, "FAILED %s: it would be run again at each start", result->file);
        say_lines(tester, result->missing);
    }
}

static ErrCode try_safe(Tester *tester, Trial *trial, Error *err)
{
    ErrCode code = ERR_OK;
    SafeResult *results;
    size_t count = 0;
    json_field_array(&tester->json, "safe");
    if (trial != NULL && tester->to_heads && !tester->cut_short && tester->safe.count > 0) {
        code = safe_trial_run(trial, tester->context->arena, &tester->safe, &results, &count, err);
        for (size_t i = 0; code == ERR_OK && i < count; i++)
            tell_safe(tester, &results[i]);
    }
    json_array_end(&tester->json);
    return code;
}

/* --- the command ------------------------------------------------------------------------------ */

static ErrCode prepare(Tester *tester, Error *err)
{
    CommandContext *context = tester->context;
    ErrCode code = revisions_open(context, &tester->revisions, err);
    const char *target = context_argument(context, 0);
    tester->to_heads = target == NULL;
    if (code == ERR_OK)
        code = revisions_steps(context, &tester->revisions, target == NULL ? "heads" : target,
                               &tester->steps, err);
    const char *directory = tester->revisions.project.safe;
    bool has_safe = directory != NULL && dir_exists(directory); /* git keeps no empty ones */
    if (code != ERR_OK || !has_safe || !tester->to_heads)
        return code;
    SafeFiles files;
    code = safe_files_load(context->arena, directory, &files, err);
    return code == ERR_OK ? safe_list_read(context->arena, directory, &files, &tester->safe, err)
                          : code;
}

static ErrCode try_all(Tester *tester, Scratch *scratch, Error *err)
{
    Walk walk = {.arena = tester->context->arena,
                 .scratch = scratch,
                 .steps = &tester->steps,
                 .tell = on_result,
                 .data = tester};
    json_field_array(&tester->json, "revisions");
    ErrCode code = walk_run(&walk, err);
    json_array_end(&tester->json);
    if (code == ERR_OK)
        code = try_repeatables(tester, walk.trial, err);
    if (code == ERR_OK)
        code = try_safe(tester, walk.trial, err);
    if (code == ERR_OK)
        code = try_baselines(tester, scratch, err);
    if (walk.trial != NULL && context_has(tester->context, "keep"))
        json_field_string(&tester->json, "database", trial_database(walk.trial));
    trial_leave(walk.trial);
    return code;
}

static void tell_end(Tester *tester, uint64_t ms)
{
    CommandContext *context = tester->context;
    JsonWriter *json = &tester->json;
    json_field_uint(json, "passed", tester->passed);
    json_field_uint(json, "reordered", tester->reordered);
    json_field_uint(json, "irreversible", tester->irreversible);
    json_field_uint(json, "failed", tester->failed);
    json_field_uint(json, "not_tried", tester->not_tried);
    json_field_uint(json, "duration_ms", ms);
    say(context, "%zu passed, %zu irreversible, %zu failed, %zu not tried, in %llu ms",
        tester->passed, tester->irreversible, tester->failed, tester->not_tried,
        (unsigned long long)ms);
    if (tester->failed > 0)
        context->exit_status = 1;
}

static ErrCode run(CommandContext *context, Error *err)
{
    Tester tester = {.context = context,
                     .verbose = context_has(context, "verbose"),
                     .json = context_json(context)};
    ErrCode code = prepare(&tester, err);
    if (code != ERR_OK)
        return code;
    uint64_t started_ms = clock_monotonic_ms();
    Wait wait;
    Scratch *scratch;
    wait_open(&wait);
    code = scratch_open(context, &wait, &scratch, err);
    if (code == ERR_OK) {
        json_object_begin(&tester.json);
        code = try_all(&tester, scratch, err);
        scratch_close(scratch);
        tell_end(&tester, clock_monotonic_ms() - started_ms);
        json_object_end(&tester.json);
    }
    wait_close(&wait);
    return code;
}

static const CommandOption options[] = {
    SCRATCH_OPTIONS,
    REVISIONS_OPTION,
    {"verbose", 'v', NULL, "also what columns moved, and which tables had no rows and why"},
    {0},
};

const CliCommand cmd_test = {
    .words = "test",
    .arguments = "[TARGET]",
    .arguments_max = 1,
    .summary = "try every revision up, down and up again on a scratch database",
    .details = SCRATCH_DETAILS
    "\n\nEach revision up to TARGET (default: all) is upgraded, downgraded and upgraded again, "
    "with generated rows in the tables there are. After the downgrade the schema must be what "
    "it was before, after the second upgrade what it was after the first; columns that only "
    "changed places are told, and are no failure. Without TARGET repeatables and safe/*.sql "
    "follow, twice each: the second run must change nothing. "
    "Baselines must make what their revisions make.\n\n"
    "Exit status: 0 all passed; 1 something failed; 2 wrong use or project; 6 the server "
    "can't be reached; 130, 143 interrupted.",
    .options = options,
    .run = run,
};
