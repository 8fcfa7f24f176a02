#include "listing.h"
#include "run.h"

#include <string.h>

static const CommandOption options[] = {
    RUN_ONE_OPTIONS,
    {0},
};

static ErrCode current_find(CommandContext *context, const RevisionMap *map, const StrList *rows,
                            const Script ***ret_scripts, size_t *ret_count, Error *err)
{
    const Script **scripts = ARENA_ARRAY(context->arena, const Script *, rows->count + 1);
    for (size_t i = 0; i < rows->count; i++) {
        scripts[i] = graph_find(map, rows->items[i]);
        if (scripts[i] == NULL) {
            err_set(err, ERR_REVISION_UNKNOWN, "can't locate revision identified by '%.160s'",
                    rows->items[i]);
            err_detail(err, "it is a version row, and no revision file has that id");
            return ERR_REVISION_UNKNOWN;
        }
    }
    *ret_scripts = scripts;
    *ret_count = rows->count;
    return ERR_OK;
}

static ErrCode run(CommandContext *context, Error *err)
{
    const char *wanted = context_argument(context, 0);
    bool current = strcmp(wanted, "current") == 0;
    Project project;
    RevisionMap *map;
    StrList rows;
    const Script **scripts;
    size_t count;
    ErrCode code = project_open(context->arena, context->config, &project, &map, err);
    if (code == ERR_OK && current)
        code = listing_rows(context, &rows, err);
    if (code == ERR_OK)
        code = current ? current_find(context, map, &rows, &scripts, &count, err)
                       : graph_resolve(context->arena, map, wanted, &scripts, &count, err);
    if (code != ERR_OK)
        return code;
    const ListingForm form = {.verbose = true, .rows = current ? &rows : NULL};
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
