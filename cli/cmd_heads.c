#include "listing.h"

static const CommandOption options[] = {
    {"verbose", 'v', NULL, "show file, parents and dates"},
    {0},
};

static ErrCode list(CommandContext *context,
                    bool (*wanted)(Arena *, const RevisionMap *, const Script *), Error *err)
{
    Project project;
    RevisionMap *map;
    ErrCode code = project_open(context->arena, context->config, &project, &map, err);
    if (code != ERR_OK)
        return code;
    JsonWriter json = context_json(context);
    json_array_begin(&json);
    for (size_t i = 0; i < graph_count(map); i++) {
        const Script *script = graph_script_at(map, i);
        if (!wanted(context->arena, map, script))
            continue;
        listing_json(&json, map, script, false);
        if (context_has(context, "verbose"))
            listing_verbose(context, map, script, false);
        else
            listing_line(context, map, script, false);
    }
    json_array_end(&json);
    return ERR_OK;
}

static bool is_head(Arena *arena, const RevisionMap *map, const Script *script)
{
    return graph_children(arena, map, script->id).count == 0;
}

static bool is_branch_point(Arena *arena, const RevisionMap *map, const Script *script)
{
    (void)arena;
    return graph_is_branch_point(map, script->id);
}

static ErrCode run_heads(CommandContext *context, Error *err)
{
    return list(context, is_head, err);
}

static ErrCode run_branches(CommandContext *context, Error *err)
{
    return list(context, is_branch_point, err);
}

const CliCommand cmd_heads = {
    .words = "heads",
    .arguments = "",
    .summary = "show the newest revision of every branch",
    .options = options,
    .run = run_heads,
};

const CliCommand cmd_branches = {
    .words = "branches",
    .arguments = "",
    .summary = "show the revisions that several others build on",
    .options = options,
    .run = run_branches,
};
