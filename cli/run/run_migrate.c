#include "run_migrate.h"

#include "hazard_note.h"
#include "run_frame.h"
#include "run_hooks.h"
#include "run_plan.h"

#include <string.h>

enum { CHANGED_SHOWN = 5 };

typedef struct Migration {
    const char *database;
    StrList before; /* the rows that the plan begins at */
    AppliedList applied;
    int64_t history_seq; /* of the newest history row that was read */
    ChangedList changed;
    bool changed_said;
    bool adopted; /* before this run */
    RunPlan plan;
    uint64_t *durations_ms; /* of steps that ran in a transaction of their own */
    StrList not_needed;     /* of those that are done */
    size_t done;
    size_t trial; /* of a dry run: how many steps can be tried */
    uint64_t duration_ms;
    Error error; /* why it failed, while after-run hooks run */
} Migration;

static Migration *migration_of(const Run *run)
{
    return run->data;
}

static const RunWork *work_of(const Run *run)
{
    return run->frame->work;
}

/* --- the plan --------------------------------------------------------------------------------- */

static ErrCode plan_revisions(Run *run, const StrList *rows, GraphSteps *ret_steps, Error *err)
{
    RunPlanMemo *memo = &run->frame->memo;
    for (size_t i = 0; i < memo->count; i++) {
        if (strlist_equal(&memo->items[i].rows, rows)) {
            *ret_steps = memo->items[i].steps;
            return ERR_OK;
        }
    }
    bool keep = memo->count < RUN_PLANS_REMEMBERED;
    Arena *arena = keep ? run->frame->context->arena : run->arena;
    GraphSteps steps = {0};
    ErrCode code = work_of(run)->plan(run_context(run), arena, run_map(run), rows, &steps, err);
    if (code == ERR_OK)
        code = run_plan_bind(arena, &steps, 0, &run_settings(run)->assignments, err);
    if (code != ERR_OK)
        return code;
    if (keep) {
        memo->items[memo->count].rows = strlist_copy(arena, rows);
        memo->items[memo->count++].steps = steps;
    }
    *ret_steps = steps;
    return ERR_OK;
}

/* Steps from the rows as they are, checked as far as they can be without the server. */
static ErrCode make_plan(Run *run, Error *err)
{
    Migration *migration = migration_of(run);
    RunPlan *plan = &migration->plan;
    *plan = (RunPlan){0};
    migration->before = strlist_copy(run->arena, &run->rows);
    ErrCode code = plan_revisions(run, &run->rows, &plan->steps, err);
    if (code != ERR_OK)
        return code;
    plan->revision_count = plan->steps.count;
    if (work_of(run)->repeats)
        run_plan_add_due(run->arena, run_map(run), &migration->applied, plan);
    code = run_plan_bind(run->arena, &plan->steps, plan->revision_count,
                         &run_settings(run)->assignments, err);
    if (code != ERR_OK)
        return code;
    migration->durations_ms = ARENA_ARRAY(run->arena, uint64_t, plan->steps.count + 1);
    return run_plan_check(plan, run_settings(run)->single_transaction, err);
}

static const char *changed_text(Arena *arena, const ChangedList *changed, bool comparable)
{
    AUTO_STR Str text = {0};
    size_t count = 0;
    for (size_t i = 0; i < changed->count; i++) {
        if (changed->items[i].comparable != comparable)
            continue;
        if (++count <= CHANGED_SHOWN)
            str_printf(&text, "%s%s (%s)", count > 1 ? ", " : "", changed->items[i].revision,
                       changed->items[i].file);
    }
    if (count > CHANGED_SHOWN)
        str_printf(&text, " and %zu more", count - CHANGED_SHOWN);
    return count == 0 ? NULL : arena_strdup(arena, str_text(&text));
}

/* Says which revisions are not what was applied; with --strict that is the end. */
static ErrCode check_changed(Run *run, Error *err)
{
    Migration *migration = migration_of(run);
    migration->changed =
        run_plan_changed(run->arena, run_map(run), &run->rows, &migration->applied);
    const char *changed = changed_text(run->arena, &migration->changed, true);
    const char *other = changed_text(run->arena, &migration->changed, false);
    if (changed != NULL && run_settings(run)->strict) {
        err_set(err, ERR_DIFFERENCE, "changed after it was applied: %s", changed);
        err_hint(err, "Put back the files as they were, and make a new revision of the change.");
        return ERR_DIFFERENCE;
    }
    if (changed != NULL && !migration->changed_said)
        run_note(run, "changed after it was applied: %s", changed);
    if (other != NULL && !migration->changed_said)
        run_note(run, "can't compare with what was applied: %s", other);
    migration->changed_said = true;
    return ERR_OK;
}

/* --- the end ---------------------------------------------------------------------------------- */

static const char *outcome_word(const Run *run)
{
    switch (run_outcome_of(run->error.code)) {
    case RUN_DONE:
        return "succeeded";
    case RUN_UNKNOWN:
        return "unknown";
    case RUN_INTERRUPTED:
        return "interrupted";
    default:
        return "failed";
    }
}

static HookFacts facts_of(const Run *run, const GraphStep *step, const char *outcome)
{
    const Migration *migration = migration_of(run);
    const GraphSteps *steps = &migration->plan.steps;
    return (HookFacts){
        .direction = direction_name(step != NULL ? step->direction : steps->items[0].direction),
        .revision = step != NULL ? step->revision : "",
        .outcome = outcome,
        .database = migration->database,
        .rows = &run->rows,
    };
}

static void after_run_failed(Run *run)
{
    Migration *migration = migration_of(run);
    run_note(run, "%s%s%s", run->error.message, run->error.detail[0] == '\0' ? "" : ": ",
             run->error.detail);
    run->has_failed_hook = true;
    run->error = migration->error;
    run_end(run);
}

static void after_run_done(Run *run)
{
    run->error = migration_of(run)->error;
    run_end(run);
}

/* Hooks behind the run, whatever became of it. */
static void finish(Run *run)
{
    Migration *migration = migration_of(run);
    if (run->frame->given_up || run_settings(run)->dry_run) {
        run_end(run);
        return;
    }
    HookFacts facts = facts_of(run, NULL, outcome_word(run));
    migration->error = run->error;
    err_clear(&run->error);
    run->failed = after_run_failed;
    run_hooks(run, HOOK_AFTER_RUN, &facts, after_run_done);
}

/* Something failed after the first hook or step was begun. */
static void on_failed(Run *run)
{
    const Migration *migration = migration_of(run);
    if (run->rows_known && !run_is_one_of_many(run))
        run_note(run, "%zu of %zu steps done; the shard stands at %s", migration->done,
                 migration->plan.steps.count, run_rows_text(run->arena, &run->rows));
    finish(run);
}

/* --- steps ------------------------------------------------------------------------------------ */

static void next_step(Run *run);

static const GraphStep *step_now(const Run *run)
{
    const Migration *migration = migration_of(run);
    return &migration->plan.steps.items[migration->done];
}

static bool is_needed(const Run *run, const GraphStep *step)
{
    return !strlist_has(&migration_of(run)->not_needed, step->revision);
}

/* Of the first `count` steps from one that are done now. */
static void keep_not_needed(Run *run, const GraphStep *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strlist_has(&run->step.not_needed, steps[i].revision))
            strlist_add(run->arena, &migration_of(run)->not_needed, steps[i].revision);
    }
}

static void say_step(Run *run, const GraphStep *step, const uint64_t *duration_ms)
{
    if (run_is_one_of_many(run))
        return;
    const char *needed = is_needed(run, step)         ? ""
                         : run_settings(run)->dry_run ? ": not needed here, and not tried"
                                                      : ": not needed here, and recorded";
    if (duration_ms == NULL)
        run_say(run, "%s %s%s", direction_name(step->direction), step->revision, needed);
    else
        run_say(run, "%s %s (%llu ms)%s", direction_name(step->direction), step->revision,
                (unsigned long long)*duration_ms, needed);
}

static void on_after_revision(Run *run)
{
    migration_of(run)->done++;
    next_step(run);
}

static void on_after_revision_failed(Run *run)
{
    migration_of(run)->done++; /* the step stays */
    on_failed(run);
}

static void on_step_done(Run *run)
{
    Migration *migration = migration_of(run);
    const GraphStep *step = step_now(run);
    migration->durations_ms[migration->done] = run->step.duration_ms;
    migration->duration_ms += run->step.duration_ms;
    keep_not_needed(run, step, 1);
    say_step(run, step, &run->step.duration_ms);
    HookFacts facts = facts_of(run, step, "succeeded");
    run->failed = on_after_revision_failed;
    run_hooks(run, HOOK_AFTER_REVISION, &facts, on_after_revision);
}

static void on_before_revision(Run *run)
{
    const Migration *migration = migration_of(run);
    const GraphStep *step = step_now(run);
    bool follows = migration->done + 1 < migration->plan.steps.count &&
                   !run_has_hooks(run, HOOK_BEFORE_REVISION) &&
                   !run_has_hooks(run, HOOK_AFTER_REVISION);
    run_step(run, step, follows ? step + 1 : NULL, on_step_done);
}

static void next_step(Run *run)
{
    const Migration *migration = migration_of(run);
    run->failed = on_failed;
    if (migration->done == migration->plan.steps.count) {
        finish(run);
        return;
    }
    if (!run_may_go_on(run))
        return;
    HookFacts facts = facts_of(run, step_now(run), "");
    run_hooks(run, HOOK_BEFORE_REVISION, &facts, on_before_revision);
}

static void on_all_done(Run *run)
{
    Migration *migration = migration_of(run);
    const GraphSteps *steps = &migration->plan.steps;
    migration->done = steps->count;
    migration->duration_ms = run->step.duration_ms;
    keep_not_needed(run, steps->items, steps->count);
    for (size_t i = 0; i < steps->count; i++)
        say_step(run, &steps->items[i], NULL);
    finish(run);
}

static void on_before_run(Run *run)
{
    const Migration *migration = migration_of(run);
    run->failed = on_failed;
    if (run_settings(run)->single_transaction)
        run_steps(run, migration->plan.steps.items, migration->plan.steps.count, false,
                  on_all_done);
    else
        next_step(run);
}

static void act(Run *run)
{
    Migration *migration = migration_of(run);
    const GraphSteps *steps = &migration->plan.steps;
    if (steps->warning != NULL)
        run_note(run, "%s", steps->warning);
    if (work_of(run)->stamps && !strlist_equal(&migration->before, &steps->rows_after)) {
        run_stamp(run, &migration->before, &steps->rows_after, run_end);
    } else if (steps->count == 0) {
        run->outcome = RUN_NOTHING_TO_DO;
        run_end(run);
    } else {
        run->failed = on_failed;
        HookFacts facts = facts_of(run, NULL, "");
        run_hooks(run, HOOK_BEFORE_RUN, &facts, on_before_run);
    }
}

/* --- dry runs --------------------------------------------------------------------------------- */

static void say_not_tried(Run *run)
{
    const Migration *migration = migration_of(run);
    const GraphSteps *steps = &migration->plan.steps;
    StrList left = {0};
    for (size_t i = migration->trial; i < steps->count; i++)
        strlist_add(run->arena, &left, steps->items[i].revision);
    if (left.count > 0)
        run_note(run, "not tried: %s: `transaction: none` can't be rolled back%s",
                 strlist_join(run->arena, &left, ", "),
                 left.count == 1 ? "" : ", and what follows builds on it");
}

static void on_tried(Run *run)
{
    Migration *migration = migration_of(run);
    migration->done = migration->trial;
    migration->duration_ms = run->step.duration_ms;
    keep_not_needed(run, migration->plan.steps.items, migration->trial);
    for (size_t i = 0; i < migration->trial; i++)
        say_step(run, &migration->plan.steps.items[i], NULL);
    say_not_tried(run);
    run_end(run);
}

static void say_hazards(Run *run)
{
    const GraphSteps *steps = &migration_of(run)->plan.steps;
    for (size_t i = 0; i < steps->count; i++) {
        const char *text = steps->items[i].direction == DIRECTION_UPGRADE
                               ? hazard_note(run->arena, steps->items[i].script)
                               : NULL;
        if (text != NULL)
            run_note(run, "%s", text);
    }
}

static void on_trial_failed(Run *run)
{
    if (run->error.code != ERR_INTERRUPTED)
        err_wrap(&run->error, "dry run: it would fail");
    run_end(run);
}

static bool has_any_hooks(const Run *run)
{
    for (HookMoment moment = HOOK_BEFORE_RUN; moment < HOOK_MOMENT_COUNT; moment++) {
        if (run_has_hooks(run, moment))
            return true;
    }
    return false;
}

static void try_out(Run *run)
{
    Migration *migration = migration_of(run);
    const GraphSteps *steps = &migration->plan.steps;
    if (has_any_hooks(run))
        run_note(run, "a dry run leaves out the hooks of pgtide.yaml");
    migration->trial = 0;
    while (migration->trial < steps->count && steps->items[migration->trial].script->transactional)
        migration->trial++;
    if (steps->warning != NULL)
        run_note(run, "%s", steps->warning);
    say_hazards(run);
    run->failed = on_trial_failed;
    if (migration->trial > 0)
        run_steps(run, steps->items, migration->trial, true, on_tried);
    else
        on_tried(run);
}

/* --- before anything is written --------------------------------------------------------------- */

static bool take_reading(Run *run)
{
    Migration *migration = migration_of(run);
    const DatabaseReading *reading = run->reading;
    Error err;
    migration->database = arena_strdup(run->arena, reading->database);
    migration->applied = run_applied_copy(run->arena, reading);
    migration->adopted = reading->shards[0].adopted;
    migration->history_seq =
        reading->history_count == 0 ? 0 : reading->history[reading->history_count - 1].seq;
    if (make_plan(run, &err) == ERR_OK && check_changed(run, &err) == ERR_OK)
        return true;
    run_fail(run, &err);
    return false;
}

/* Whether what was read is all that a claim would find. */
static bool is_settled(const DatabaseReading *reading)
{
    const ShardReading *shard = &reading->shards[0];
    if (!shard->adopted || !shard->trusted || shard->identity_mismatch ||
        !uuid_is_nil(&shard->fleet_id) || reading->pooled || reading->in_recovery ||
        reading->history_count == 0)
        return false;
    const HistoryEntry *last = &reading->history[reading->history_count - 1];
    return strcmp(last->outcome, "succeeded") == 0 &&
           strlist_equal(&last->rows_after, &shard->rows);
}

static bool has_nothing_to_do(const Run *run)
{
    const Migration *migration = migration_of(run);
    return migration->plan.steps.count == 0 &&
           (!work_of(run)->stamps ||
            strlist_equal(&migration->before, &migration->plan.steps.rows_after));
}

static void say_contracts(Run *run)
{
    const GraphSteps *steps = &migration_of(run)->plan.steps;
    for (size_t i = 0; i < steps->count; i++) {
        if (steps->items[i].direction == DIRECTION_UPGRADE &&
            steps->items[i].script->phase == SCRIPT_PHASE_CONTRACT)
            run_note(run, "%s is a contract step: applications of before its expand step fail",
                     steps->items[i].revision);
    }
}

static void on_ready(Run *run)
{
    if (!work_of(run)->stamps)
        say_contracts(run);
    if (run_settings(run)->dry_run)
        try_out(run);
    else
        act(run);
}

static void on_read_again(Run *run)
{
    if (take_reading(run))
        on_ready(run);
}

static const ReadArgs read_args = {.history_limit = 1, .with_applied = true};

static void on_claimed(Run *run)
{
    Migration *migration = migration_of(run);
    const ClaimResult *claim = run->claim;
    int64_t newest = claim->history_count == 0 ? 0 : claim->history[claim->history_count - 1].seq;
    bool same_rows = strlist_equal(&run->rows, &migration->before);
    bool repeats = work_of(run)->repeats && graph_repeatable_count(run_map(run)) > 0 &&
                   !run_settings(run)->dry_run; /* its transaction is open: nothing is read now */
    if (same_rows && (!repeats || newest == migration->history_seq)) {
        on_ready(run);
        return;
    }
    if (repeats) {
        run_read(run, &read_args, on_read_again);
        return;
    }
    Error err;
    if (make_plan(run, &err) == ERR_OK && check_changed(run, &err) == ERR_OK)
        on_ready(run);
    else
        run_fail(run, &err);
}

static void claim(Run *run)
{
    run_claim(run, run_plan_id_width(&migration_of(run)->plan), on_claimed);
}

static void on_looked_elsewhere(Run *run)
{
    const char *schemas = run->sql->row_count == 1 ? run->sql->values[0] : NULL;
    if (schemas == NULL) {
        claim(run);
        return;
    }
    Error err;
    err_set(&err, ERR_STATE,
            "alembic_version is in schema %.150s, which the search path leaves out", schemas);
    err_hint(&err, "Say `--schema`, or put the schema on the role's search_path. `pgtide "
                   "ensure-version` makes a version table of its own all the same.");
    run_fail(run, &err);
}

/* Before a version table is made: one in a schema that is not searched means a tenant was not
 * named, or Alembic's version_table_schema. */
static void look_elsewhere(Run *run)
{
    static Statement question = {
        .text = "SELECT string_agg(name, ', ') FROM (SELECT quote_ident(n.nspname) AS name"
                " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
                " ON n.oid = c.relnamespace WHERE c.relname = 'alembic_version'"
                " AND c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' ORDER BY 1 LIMIT 3) AS found"
                " WHERE pg_catalog.to_regclass('alembic_version') IS NULL",
        .first_keyword = "SELECT",
        .second_keyword = "",
    };
    static const StatementList statements = {&question, 1};
    const ShardSqlArgs args = {.statements = &statements, .file = "", .read_only = true};
    run_sql(run, &args, on_looked_elsewhere);
}

static void on_first_read(Run *run)
{
    Migration *migration = migration_of(run);
    if (!take_reading(run))
        return;
    bool settled = is_settled(run->reading);
    bool dry = run_settings(run)->dry_run;
    if (has_nothing_to_do(run) && (settled || dry)) {
        act(run);
        return;
    }
    if (dry && !migration->adopted)
        run_note(run, "the shard is not adopted yet: its version table and schema pgtide would be "
                      "made");
    const ShardReading *shard = &run->reading->shards[0];
    if (!shard->adopted && shard->rows.count == 0 && shard->schema[0] == '\0')
        look_elsewhere(run);
    else
        claim(run);
}

/* A hook of each revision would have to run between steps that are one transaction. */
static ErrCode check_hooks(const Run *run, Error *err)
{
    if (!run_settings(run)->single_transaction ||
        (!run_has_hooks(run, HOOK_BEFORE_REVISION) && !run_has_hooks(run, HOOK_AFTER_REVISION)))
        return ERR_OK;
    err_set(err, ERR_USAGE, "--single-transaction leaves no room for hooks of each revision");
    err_at(err, run_project(run)->config_file, 0);
    err_hint(err, "Leave one of them out: --no-hooks runs none.");
    return ERR_USAGE;
}

void run_migrate_begin(Run *run)
{
    Error err;
    run->data = ARENA_NEW(run->arena, Migration);
    if (check_hooks(run, &err) == ERR_OK)
        run_read(run, &read_args, on_first_read);
    else
        run_fail(run, &err);
}

/* --- the result ------------------------------------------------------------------------------- */

static const StrList *rows_shown(const Run *run)
{
    const Migration *migration = migration_of(run);
    const GraphSteps *steps = &migration->plan.steps;
    if (!run_settings(run)->dry_run || steps->count == 0)
        return &run->rows;
    return migration->trial == steps->count ? &steps->rows_after
                                            : &steps->items[migration->trial].rows_before;
}

void run_migrate_say(Run *run)
{
    const Migration *migration = migration_of(run);
    const char *rows = run_rows_text(run->arena, rows_shown(run));
    bool dry = run_settings(run)->dry_run;
    if (run->outcome == RUN_NOTHING_TO_DO) {
        run_say(run, "nothing to do: at %s", rows);
    } else if (dry && migration->trial == 0) {
        run_say(run, "dry run: nothing could be tried");
    } else if (dry) {
        run_say(run, "dry run: %zu %s would succeed and lead to %s; nothing was changed",
                migration->trial, migration->trial == 1 ? "step" : "steps", rows);
    } else if (work_of(run)->stamps) {
        run_say(run, "stamped %s", rows);
    } else if (run_is_one_of_many(run) || run_settings(run)->single_transaction) {
        run_say(run, "at %s (%zu %s%s, %llu ms)", rows, migration->done,
                migration->done == 1 ? "step" : "steps",
                run_settings(run)->single_transaction ? " in one transaction" : "",
                (unsigned long long)migration->duration_ms);
    } else {
        run_say(run, "at %s", rows);
    }
}

static void write_steps(const Run *run, JsonWriter *json)
{
    const Migration *migration = migration_of(run);
    bool own_durations = !run_settings(run)->single_transaction && !run_settings(run)->dry_run;
    json_field_array(json, "steps");
    for (size_t i = 0; i < migration->done; i++) {
        const GraphStep *step = &migration->plan.steps.items[i];
        json_object_begin(json);
        json_field_string(json, "direction", direction_name(step->direction));
        json_field_string(json, "revision", step->revision);
        json_field_bool(json, "repeatable", i >= migration->plan.revision_count);
        json_field_bool(json, "needed", is_needed(run, step));
        if (own_durations)
            json_field_uint(json, "duration_ms", migration->durations_ms[i]);
        else
            json_field_null(json, "duration_ms");
        json_object_end(json);
    }
    json_array_end(json);
    run_backfills_json(run, json);
    json_field_uint(json, "duration_ms", migration->duration_ms);
}

static void write_changed(const Run *run, JsonWriter *json)
{
    const ChangedList *changed = &migration_of(run)->changed;
    json_field_array(json, "changed");
    for (size_t i = 0; i < changed->count; i++)
        json_text(json, changed->items[i].revision);
    json_array_end(json);
}

void run_migrate_json(Run *run, JsonWriter *json)
{
    const Migration *migration = migration_of(run);
    if (migration == NULL)
        return;
    if (work_of(run)->stamps)
        json_field_strings(json, "rows_before", &migration->before);
    else
        write_steps(run, json);
    if (run_settings(run)->dry_run) {
        json_field_bool(json, "dry_run", true);
        json_field_array(json, "not_tried");
        for (size_t i = migration->trial; i < migration->plan.steps.count; i++)
            json_text(json, migration->plan.steps.items[i].revision);
        json_array_end(json);
        json_field_bool(json, "adopted", migration->adopted);
        json_field_strings(json, "rows_after", rows_shown(run));
    }
    write_changed(run, json);
}
