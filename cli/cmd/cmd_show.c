#include "listing.h"
#include "run.h"

static const CommandOption options[] = {
    RUN_ONE_OPTIONS,
    {0},
};

static ErrCode run(CommandContext *context, Error *err)
{
    Project project;
    RevisionMap *map;
    const StrList *rows;
    const Script **scripts;
    size_t count;
    ErrCode code = project_open(context->arena, context->config, &project, &map, err);
    if (code == ERR_OK)
        code =
            listing_find(context, map, context_argument(context, 0), &scripts, &count, &rows, err);
    if (code != ERR_OK)
        return code;
    const ListingForm form = {.verbose = true, .rows = rows};
    JsonWriter json = context_json(context);
    json_array_begin(&json);
    for (size_t i = 0; i < count; i++) {
        listing_json(&json, map, scripts[i], form.rows);
        listing_say(context, map, scripts[i], &form);
        say(context, "%.*s", (int)scripts[i]->length, (const char *)scripts[i]->bytes);
    }
    json_array_end(&json);
    return ERR_OK;
}

const CliCommand cmd_show = {
    .words = "show",
    .arguments = "REVISION|heads|current",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "show revisions: what each builds on, and its text",
    .details = "`current` is what the database's version rows name; only for that it is asked.",
    .options = options,
    .run = run,
};
