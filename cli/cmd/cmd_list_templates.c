#include "command.h"

#include "template.h"

static ErrCode run(CommandContext *context, Error *err)
{
    (void)err;
    JsonWriter json = context_json(context);
    json_array_begin(&json);
    for (const Template *at = templates_all(); at->name != NULL; at++) {
        json_object_begin(&json);
        json_field_string(&json, "name", at->name);
        json_field_string(&json, "summary", at->summary);
        json_object_end(&json);
        say(context, "%-13s %s", at->name, at->summary);
    }
    json_array_end(&json);
    return ERR_OK;
}

const CliCommand cmd_list_templates = {
    .words = "list-templates",
    .arguments = "",
    .summary = "list what `pgtide init --template` can make",
    .run = run,
};
