#include "listing.h"

static ErrCode run(CommandContext *context, Error *err)
{
    Project project;
    RevisionMap *map;
    ErrCode code = project_open(context->arena, context->config, &project, &map, err);
    const char *id;
    if (code == ERR_OK)
        code = graph_resolve_one(context->arena, map, context_argument(context, 0), &id, err);
    if (code != ERR_OK)
        return code;
    const Script *script = graph_find(map, id);
    listing_verbose(context, map, script, false);
    say(context, "%.*s", (int)script->length, (const char *)script->bytes);
    JsonWriter json = context_json(context);
    listing_json(&json, map, script, false);
    return ERR_OK;
}

const CliCommand cmd_show = {
    .words = "show",
    .arguments = "REVISION",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "show one revision: what it builds on, and its text",
    .run = run,
};
