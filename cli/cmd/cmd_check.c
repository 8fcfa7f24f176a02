#include "built.h"
#include "schema_tell.h"

enum { EXIT_DIFFERENT = 3 };

static const SchemaReadArgs whole_database = {0};

static ErrCode compare(CommandContext *context, const Built *built, SchemaDiff *ret_diff,
                       Error *err)
{
    Scratch *scratch = NULL;
    Trial *trial = NULL;
    SchemaModel from, to;
    Wait wait;
    wait_open(&wait);
    ErrCode code = scratch_open(context, &wait, &scratch, err);
    if (code == ERR_OK)
        code = built_run(built, scratch, &trial, err);
    if (code == ERR_OK)
        code = trial_model(trial, context, &whole_database, &from, err);
    if (code == ERR_OK)
        code = built_model(built, scratch, &whole_database, &to, err);
    trial_close(trial);
    scratch_close(scratch);
    wait_close(&wait);
    if (code == ERR_OK)
        schema_tell_versions(context, &from, &to);
    return code == ERR_OK ? schema_diff(context->arena, &from, &to, NULL, 0, ret_diff, err) : code;
}

static void tell(CommandContext *context, const SchemaDiff *diff)
{
    JsonWriter json = context_json(context);
    json_object_begin(&json);
    json_field_bool(&json, "different", diff->count > 0);
    schema_tell_json(&json, "operations", diff);
    json_object_end(&json);
    for (size_t i = 0; i < diff->count; i++)
        schema_tell_operation(context, &diff->items[i]);
    if (diff->count == 0) {
        say(context, "the revisions lead to the model");
        return;
    }
    say(context, "%zu operation%s from what the revisions lead to, to the model", diff->count,
        diff->count == 1 ? "" : "s");
    context->exit_status = EXIT_DIFFERENT;
}

static ErrCode run(CommandContext *context, Error *err)
{
    Built built;
    SchemaDiff diff;
    ErrCode code = built_open(context, &built, err);
    if (code == ERR_OK)
        code = compare(context, &built, &diff, err);
    if (code == ERR_OK)
        tell(context, &diff);
    return code;
}

static const CommandOption options[] = {
    {"url", 'u', "URL", "the server (PGTIDE_URL); its databases are left alone"},
    {"scratch-url", 0, "URL", "the server for scratch databases, instead of --url"},
    BUILT_MODEL_OPTION,
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
