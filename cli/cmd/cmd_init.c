#include "command.h"

#include "file.h"
#include "template.h"

#include <string.h>

static const CommandOption options[] = {
    {"template", 't', "NAME", "plain (default) or multi-tenant; see `pgtide list-templates`"},
    {0},
};

static ErrCode template_choose(const CommandContext *context, const Template **ret_template,
                               Error *err)
{
    const char *name = context_option(context, "template");
    const Template *found = template_find(name == NULL ? "plain" : name);
    if (found == NULL) {
        err_set(err, ERR_NOT_FOUND, "there is no template '%s'", name);
        err_hint(err, "`pgtide list-templates` lists them.");
        return ERR_NOT_FOUND;
    }
    *ret_template = found;
    return ERR_OK;
}

/* pgtide.yaml is the last file, so that a project that has one is whole. Others that are there
 * already stay as they are. */
static ErrCode files_write(Arena *arena, const char *dir, const Template *template, Error *err)
{
    ErrCode code = dir_make(path_join(arena, dir, "versions"), 0777, err);
    if (code == ERR_OK)
        code = dir_make(path_join(arena, dir, "safe"), 0777, err);
    for (size_t i = template->file_count; i > 0 && code == ERR_OK; i--) {
        const TemplateFile *file = &template->files[i - 1];
        const char *path = path_join(arena, dir, file->name);
        if (i == 1 || !file_exists(path))
            code = file_write_new(path, file->text, strlen(file->text), 0666, err);
    }
    return code;
}

static ErrCode run(CommandContext *context, Error *err)
{
    const char *dir = context_argument(context, 0);
    const char *config = path_join(context->arena, dir, "pgtide.yaml");
    const Template *template;
    ErrCode code = template_choose(context, &template, err);
    if (code != ERR_OK)
        return code;
    if (file_exists(config)) {
        err_set(err, ERR_EXISTS, "%s is there already", config);
        err_hint(err, "Choose another directory, or work with the project that is there.");
        return ERR_EXISTS;
    }
    code = files_write(context->arena, dir, template, err);
    if (code != ERR_OK)
        return code;
    JsonWriter json = context_json(context);
    json_object_begin(&json);
    json_field_string(&json, "config", config);
    json_field_string(&json, "versions", path_join(context->arena, dir, "versions"));
    json_field_string(&json, "template", template->name);
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
    .options = options,
    .run = run,
};
