#include "built.h"

#include "file.h"
#include "named_limits.h"
#include "placeholder.h"
#include "safe_trial.h"
#include "schema_source.h"
#include "spawn.h"

ErrCode built_open(CommandContext *context, Built *ret_built, Error *err)
{
    Built built = {.context = context};
    ErrCode code = revisions_open(context, &built.revisions, err);
    const Project *project = &built.revisions.project;
    if (code == ERR_OK && project->model == NULL && project->model_command.count == 0 &&
        !context_has(context, "model")) {
        code = err_set(err, ERR_CONFIG, "the project has no model to compare its revisions with");
        err_at(err, project->config_file, 0);
        err_hint(err, "Name it with `model: schema.sql` or `model-command: [program]`, or with "
                      "--model.");
    }
    if (code == ERR_OK)
        code = revisions_steps(context, &built.revisions, "heads", &built.steps, err);
    SafeFiles files;
    bool has_safe = code == ERR_OK && project->safe != NULL && dir_exists(project->safe);
    if (has_safe)
        code = safe_files_load(context->arena, project->safe, &files, err);
    if (has_safe && code == ERR_OK)
        code = safe_list_read(context->arena, project->safe, &files, &built.safe, err);
    if (code == ERR_OK)
        *ret_built = built;
    return code;
}

/* --- what the revisions build ----------------------------------------------------------------- */

static ErrCode run_repeatables(const Built *built, Trial *trial, const StrList *rows, Error *err)
{
    const RevisionMap *map = built->revisions.map;
    ErrCode code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < graph_repeatable_count(map); i++) {
        const Script *script;
        code = script_bind(built->context->arena, graph_repeatable_at(map, i),
                           &built->revisions.assignments, &script, err);
        if (code != ERR_OK)
            return code;
        GraphStep step = {.revision = script->id,
                          .script = script,
                          .direction = DIRECTION_UPGRADE,
                          .rows_before = *rows,
                          .rows_after = *rows};
        code = trial_step(trial, &step, err);
    }
    return code;
}

static ErrCode run_safe(const Built *built, Trial *trial, Error *err)
{
    SafeResult *results;
    size_t count = 0;
    if (built->safe.count == 0)
        return ERR_OK;
    ErrCode code =
        safe_trial_run(trial, built->context->arena, &built->safe, &results, &count, err);
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        if (results[i].error.code == ERR_OK)
            continue;
        *err = results[i].error;
        code = results[i].error.code;
    }
    return code;
}

ErrCode built_finish(const Built *built, Trial *trial, const StrList *rows, Error *err)
{
    ErrCode code = run_repeatables(built, trial, rows, err);
    return code == ERR_OK ? run_safe(built, trial, err) : code;
}

ErrCode built_run(const Built *built, Scratch *scratch, Trial **ret_trial, Error *err)
{
    Trial *trial;
    ErrCode code = trial_open(scratch, &trial, err);
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; code == ERR_OK && i < built->steps.count; i++)
        code = trial_step(trial, &built->steps.items[i], err);
    if (code == ERR_OK)
        code = built_finish(built, trial, &built->steps.rows_after, err);
    if (code == ERR_OK)
        *ret_trial = trial;
    else
        trial_close(trial);
    return code;
}

/* --- the model -------------------------------------------------------------------------------- */

static ErrCode read_command(const Built *built, Scratch *scratch, const SchemaReadArgs *args,
                            SchemaModel *ret_model, Error *err)
{
    CommandContext *context = built->context;
    const StrList *words = &built->revisions.project.model_command;
    AUTO_STR Str text = {0};
    SpawnArgs spawn = {.program = words->items[0],
                       .argv = strlist_argv(context->arena, words),
                       .directory = built->revisions.project.directory,
                       .output_limit = LIMIT_SCHEMA_FILE_BYTES};
    ErrCode code = spawn_run(scratch_wait(scratch), &spawn, &text, err);
    if (code != ERR_OK)
        return err_wrap(err, "model-command");
    if (!str_is_utf8(str_text(&text), text.length))
        return err_set(err, ERR_CONFIG, "what model-command prints is not UTF-8");
    return schema_source_text(context, scratch_wait(scratch), "the output of model-command",
                              arena_strdup(context->arena, str_text(&text)), args, &scratch,
                              ret_model, err);
}

ErrCode built_model(const Built *built, Scratch *scratch, const SchemaReadArgs *args,
                    SchemaModel *ret_model, Error *err)
{
    const char *source = context_option(built->context, "model");
    if (source == NULL)
        source = built->revisions.project.model;
    return source == NULL ? read_command(built, scratch, args, ret_model, err)
                          : schema_source_read(built->context, scratch_wait(scratch), source, args,
                                               &scratch, ret_model, err);
}
