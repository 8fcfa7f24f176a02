#include "listing.h"
#include "run.h"

#include <string.h>

static const CommandOption options[] = {
    {"rev-range", 'r', "A:B", "only revisions from A to B, both included; either may be left out"},
    {"verbose", 'v', NULL, "show file, parents and dates"},
    {"indicate-current", 'i', NULL, "mark the version rows of the database"},
    RUN_ONE_OPTIONS,
    {0},
};

/* "current" on either side of the colon. */
static bool names_current(const char *range)
{
    return range != NULL && (strncmp(range, "current:", strlen("current:")) == 0 ||
                             str_ends_with(range, ":current"));
}

static ErrCode run(CommandContext *context, Error *err)
{
    const char *range = context_option(context, "rev-range");
    Project project;
    RevisionMap *map;
    StrList rows;
    const Script **scripts;
    size_t count;
    bool indicate = context_has(context, "indicate-current");
    bool with_rows = indicate || names_current(range);
    ErrCode code = project_open(context->arena, context->config, &project, &map, err);
    if (code == ERR_OK && with_rows)
        code = listing_rows(context, &rows, err);
    const StrList *current = with_rows ? &rows : NULL;
    if (code == ERR_OK && range == NULL)
        graph_newest_first(context->arena, map, &scripts, &count);
    else if (code == ERR_OK)
        code = graph_range(context->arena, map, current, range, &scripts, &count, err);
    if (code != ERR_OK)
        return code;
    const ListingForm form = {
        .verbose = context_has(context, "verbose"),
        .parents = true,
        .forks = true,
        .message = true,
        .rows = indicate ? &rows : NULL,
    };
    listing_all(context, map, scripts, count, &form);
    return ERR_OK;
}

const CliCommand cmd_history = {
    .words = "history",
    .arguments = "",
    .summary = "show the revisions, newest first",
    .details = "A range has a start and an end: ids, beginnings of ids, labels, `head`, `base`, "
               "`BRANCH@head`, `current` (the rows of the database). A start `-N` counts down from "
               "the heads (write `-r-2:`), an end `+N` counts up from the start. A database is "
               "asked only for `current` and --indicate-current.",
    .options = options,
    .run = run,
};
