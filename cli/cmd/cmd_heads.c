#include "listing.h"

static const CommandOption options[] = {
    {"verbose", 'v', NULL, "show file, parents and dates"},
    {"resolve-dependencies", 0, NULL, "leave out heads that another revision depends on"},
    {0},
};

static ErrCode run(CommandContext *context, Error *err)
{
    Project project;
    RevisionMap *map;
    ErrCode code = project_open(context->arena, context->config, &project, &map, err);
    if (code != ERR_OK)
        return code;
    bool resolve = context_has(context, "resolve-dependencies");
    const Script **heads = ARENA_ARRAY(context->arena, const Script *, graph_count(map) + 1);
    size_t count = 0;
    for (size_t i = 0; i < graph_count(map); i++) {
        const Script *script = graph_script_at(map, i);
        GraphMarks marks = graph_marks(map, script->id);
        if (marks.head && !(resolve && marks.effective_head))
            heads[count++] = script;
    }
    const ListingForm form = {.verbose = context_has(context, "verbose"), .message = true};
    listing_all(context, map, heads, count, &form);
    return ERR_OK;
}

const CliCommand cmd_heads = {
    .words = "heads",
    .arguments = "",
    .summary = "show the newest revision of every branch",
    .details = "An effective head is one that another revision depends on: while that one is "
               "applied it has no version row of its own.",
    .options = options,
    .run = run,
};
