#include "listing.h"

#include <string.h>

static const CommandOption options[] = {
    {"verbose", 'v', NULL, "show file, parents and dates, and the messages of what follows"},
    {0},
};

static void say_branch(CommandContext *context, const RevisionMap *map, const Script *script)
{
    bool verbose = context_has(context, "verbose");
    const ListingForm point = {.verbose = verbose, .forks = true};
    const ListingForm next = {
        .forks = true,
        .message = verbose,
        .front = arena_printf(context->arena, "%*s -> ", (int)strlen(script->id), ""),
    };
    listing_say(context, map, script, &point);
    StrList children = graph_children(context->arena, map, script->id);
    for (size_t i = 0; i < children.count; i++)
        listing_say(context, map, graph_find(map, children.items[i]), &next);
    say(context, "%s", "");
}

static ErrCode run(CommandContext *context, Error *err)
{
    Project project;
    RevisionMap *map;
    const Script **scripts;
    size_t count;
    ErrCode code = project_open(context->arena, context->config, &project, &map, err);
    if (code != ERR_OK)
        return code;
    graph_newest_first(context->arena, map, &scripts, &count);
    JsonWriter json = context_json(context);
    json_array_begin(&json);
    for (size_t i = 0; i < count; i++) {
        if (!graph_marks(map, scripts[i]->id).branch_point)
            continue;
        listing_json(&json, map, scripts[i], NULL);
        say_branch(context, map, scripts[i]);
    }
    json_array_end(&json);
    return ERR_OK;
}

const CliCommand cmd_branches = {
    .words = "branches",
    .arguments = "",
    .summary = "show the revisions that several others build on",
    .options = options,
    .run = run,
};
