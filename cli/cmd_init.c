#include "command.h"

#include "file.h"

static const char config_text[] =
    "# A pgtide project. Paths are relative to this file.\n"
    "versions: versions   # a directory, or a list of them; new revisions go to the last\n"
    "safe: safe           # idempotent statements for every application start\n"
    "naming: sequential   # or hash\n";

static const char readme_text[] =
    "# Migrations\n\n"
    "Revision files are plain SQL in `versions/`, one a revision; `pgtide revision -m \"...\"` "
    "makes the next one.\n"
    "`pgtide upgrade` applies what is missing, `pgtide downgrade -1` takes the last one back.\n";

static ErrCode run(CommandContext *context, Error *err)
{
    const char *dir = context_argument(context, 0);
    const char *config = path_join(context->arena, dir, "pgtide.yaml");
    if (file_exists(config)) {
        err_set(err, ERR_EXISTS, "%s is there already", config);
        err_hint(err, "Choose another directory, or work with the project that is there.");
        return ERR_EXISTS;
    }
    const char *versions = path_join(context->arena, dir, "versions");
    ErrCode code = dir_make(versions, 0777, err);
    if (code == ERR_OK)
        code = dir_make(path_join(context->arena, dir, "safe"), 0777, err);
    const char *readme = path_join(context->arena, dir, "README.md");
    if (code == ERR_OK && !file_exists(readme))
        code = file_write_new(readme, readme_text, sizeof readme_text - 1, 0666, err);
    if (code == ERR_OK)
        code = file_write_new(config, config_text, sizeof config_text - 1, 0666, err);
    if (code != ERR_OK)
        return code;
    JsonWriter json = context_json(context);
    json_object_begin(&json);
    json_field_string(&json, "config", config);
    json_field_string(&json, "versions", versions);
    json_object_end(&json);
    say(context, "made %s; the first revision: cd %s && pgtide revision -m \"initial\"", config,
        dir);
    return ERR_OK;
}

const CliCommand cmd_init = {
    .words = "init",
    .arguments = "DIRECTORY",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "make a project: pgtide.yaml, versions/ and safe/",
    .run = run,
};
