#include "file.h"
#include "named_limits.h"
#include "placeholder.h"
#include "revisions.h"
#include "safe_trial.h"
#include "schema_source.h"
#include "schema_tell.h"
#include "spawn.h"

enum { EXIT_DIFFERENT = 3 };

/* The command at work. */
typedef struct Check {
    CommandContext *context;
    Revisions revisions;
    GraphSteps steps;
    SafeList safe;
    SchemaModel built;
    SchemaModel model;
    SchemaDiff diff;
} Check;

static const SchemaReadArgs whole_database = {0};

static ErrCode prepare(Check *check, Error *err)
{
    CommandContext *context = check->context;
    ErrCode code = revisions_open(context, &check->revisions, err);
    const Project *project = &check->revisions.project;
    if (code == ERR_OK && project->model == NULL && project->model_command.count == 0) {
        code = err_set(err, ERR_CONFIG, "the project has no model to check its revisions against");
        err_at(err, project->config_file, 0);
        err_hint(err, "Name it with `model: schema.sql`, or `model-command: [program]`.");
    }
    if (code == ERR_OK)
        code = revisions_steps(context, &check->revisions, "heads", &check->steps, err);
    if (code != ERR_OK || project->safe == NULL || !dir_exists(project->safe))
        return code;
    SafeFiles files;
    code = safe_files_load(context->arena, project->safe, &files, err);
    return code == ERR_OK ? safe_list_read(context->arena, project->safe, &files, &check->safe, err)
                          : code;
}

/* --- what the revisions build ----------------------------------------------------------------- */

static ErrCode run_repeatables(Check *check, Trial *trial, Error *err)
{
    const RevisionMap *map = check->revisions.map;
    ErrCode code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < graph_repeatable_count(map); i++) {
        const Script *script;
        code = script_bind(check->context->arena, graph_repeatable_at(map, i),
                           &check->revisions.assignments, &script, err);
        if (code != ERR_OK)
            return code;
        GraphStep step = {.revision = script->id,
                          .script = script,
                          .direction = DIRECTION_UPGRADE,
                          .rows_before = check->steps.rows_after,
                          .rows_after = check->steps.rows_after};
        code = trial_step(trial, &step, err);
    }
    return code;
}

static ErrCode run_safe(Check *check, Trial *trial, Error *err)
{
    SafeResult *results;
    size_t count = 0;
    if (check->safe.count == 0)
        return ERR_OK;
    ErrCode code =
        safe_trial_run(trial, check->context->arena, &check->safe, &results, &count, err);
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        if (results[i].error.code == ERR_OK)
            continue;
        *err = results[i].error;
        code = results[i].error.code;
    }
    return code;
}

static ErrCode build(Check *check, Wait *wait, Scratch **scratch, Error *err)
{
    Trial *trial = NULL;
    ErrCode code = scratch_open(check->context, wait, scratch, err);
    if (code == ERR_OK)
        code = trial_open(*scratch, &trial, err);
    for (size_t i = 0; code == ERR_OK && i < check->steps.count; i++)
        code = trial_step(trial, &check->steps.items[i], err);
    if (code == ERR_OK)
        code = run_repeatables(check, trial, err);
    if (code == ERR_OK)
        code = run_safe(check, trial, err);
    if (code == ERR_OK)
        code = trial_model(trial, check->context, &whole_database, &check->built, err);
    trial_close(trial);
    return code;
}

/* --- the model -------------------------------------------------------------------------------- */

static ErrCode read_command(Check *check, Wait *wait, Scratch **scratch, Error *err)
{
    CommandContext *context = check->context;
    const StrList *words = &check->revisions.project.model_command;
    AUTO_STR Str text = {0};
    SpawnArgs args = {.program = words->items[0],
                      .argv = strlist_argv(context->arena, words),
                      .output_limit = LIMIT_SCHEMA_FILE_BYTES};
    ErrCode code = spawn_run(wait, &args, &text, err);
    if (code != ERR_OK)
        return err_wrap(err, "model-command");
    if (!str_is_utf8(str_text(&text), text.length))
        return err_set(err, ERR_CONFIG, "what model-command prints is not UTF-8");
    return schema_source_text(context, wait, "the output of model-command",
                              arena_strdup(context->arena, str_text(&text)), &whole_database,
                              scratch, &check->model, err);
}

static ErrCode compare(Check *check, Error *err)
{
    Scratch *scratch = NULL;
    Wait wait;
    wait_open(&wait);
    ErrCode code = build(check, &wait, &scratch, err);
    const Project *project = &check->revisions.project;
    if (code == ERR_OK && project->model != NULL)
        code = schema_source_read(check->context, &wait, project->model, &whole_database, &scratch,
                                  &check->model, err);
    else if (code == ERR_OK)
        code = read_command(check, &wait, &scratch, err);
    scratch_close(scratch);
    wait_close(&wait);
    return code == ERR_OK ? schema_diff(check->context->arena, &check->built, &check->model, NULL,
                                        0, &check->diff, err)
                          : code;
}

/* --- the command ------------------------------------------------------------------------------ */

static void tell(Check *check)
{
    CommandContext *context = check->context;
    JsonWriter json = context_json(context);
    json_object_begin(&json);
    json_field_bool(&json, "different", check->diff.count > 0);
    schema_tell_json(&json, "operations", &check->diff);
    json_object_end(&json);
    for (size_t i = 0; i < check->diff.count; i++)
        schema_tell_operation(context, &check->diff.items[i]);
    if (check->diff.count == 0) {
        say(context, "the revisions lead to the model");
        return;
    }
    say(context, "%zu operation%s from what the revisions lead to, to the model", check->diff.count,
        check->diff.count == 1 ? "" : "s");
    context->exit_status = EXIT_DIFFERENT;
}

static ErrCode run(CommandContext *context, Error *err)
{
    Check check = {.context = context};
    ErrCode code = prepare(&check, err);
    if (code == ERR_OK)
        code = compare(&check, err);
    if (code == ERR_OK)
        tell(&check);
    return code;
}

static const CommandOption options[] = {
    {"url", 'u', "URL", "the server (PGTIDE_URL); its databases are left alone"},
    {"scratch-url", 0, "URL", "the server for scratch databases, instead of --url"},
    REVISIONS_OPTION,
    {0},
};

const CliCommand cmd_check = {
    .words = "check",
    .arguments = "",
    .summary = "tell what is missing from the revisions to lead to the project's model",
    .details = SCRATCH_DETAILS
    "\n\nAll revisions, repeatables and safe statements are run on one scratch database, the model "
    "(`model` or `model-command` in pgtide.yaml) on another one, unless it is a url; the "
    "operations "
    "that are missing are listed as `pgtide schema diff` lists them.\n\n"
    "Exit status: 0 the revisions lead to the model; 3 they do not; 1 a statement failed; 2 wrong "
    "use "
    "or project; 6 the server can't be reached.",
    .options = options,
    .run = run,
};
