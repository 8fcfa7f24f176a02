#include "listing.h"

#include <string.h>

static const CommandOption options[] = {
    {"rev-range", 'r', "A:B", "only revisions from A to B, both included; either may be left out"},
    {"verbose", 'v', NULL, "show file, parents and dates"},
    {0},
};

/* The ids of a range: what is at or below B, without what is strictly below A. */
static ErrCode range_read(CommandContext *context, const RevisionMap *map, const char *range,
                          StrList *ret_ids, Error *err)
{
    const char *colon = strchr(range, ':');
    if (colon == NULL) {
        err_set(err, ERR_USAGE, "a range is written A:B, not '%s'", range);
        err_hint(err, "Either side may be left out: A: or :B.");
        return ERR_USAGE;
    }
    const char *from = arena_strndup(context->arena, range, (size_t)(colon - range));
    StrList upper = graph_heads(context->arena, map);
    const char *id;
    if (colon[1] != '\0' && strcmp(colon + 1, "heads") != 0) {
        ErrCode code = graph_resolve_one(context->arena, map, colon + 1, &id, err);
        if (code != ERR_OK)
            return code;
        upper = (StrList){0};
        strlist_add(context->arena, &upper, id);
    }
    StrList below = {0};
    ErrCode code = graph_applied(context->arena, map, &upper, ret_ids, err);
    if (code != ERR_OK || from[0] == '\0' || strcmp(from, "base") == 0)
        return code;
    code = graph_resolve_one(context->arena, map, from, &id, err);
    if (code != ERR_OK)
        return code;
    if (!strlist_has(ret_ids, id))
        return err_set(err, ERR_TARGET,
                       "requested range %s does not refer to ancestor/descendant revisions along "
                       "the same branch",
                       range);
    code = graph_applied(context->arena, map, &graph_find(map, id)->parents, &below, err);
    StrList kept = {0};
    for (size_t i = 0; i < ret_ids->count; i++) {
        StrList above = {0};
        StrList one = {0};
        strlist_add(context->arena, &one, ret_ids->items[i]);
        if (code == ERR_OK)
            code = graph_applied(context->arena, map, &one, &above, err);
        if (strlist_has(&above, id) && !strlist_has(&below, ret_ids->items[i]))
            strlist_add(context->arena, &kept, ret_ids->items[i]);
    }
    *ret_ids = kept;
    return code;
}

static ErrCode run(CommandContext *context, Error *err)
{
    Project project;
    RevisionMap *map;
    ErrCode code = project_open(context->arena, context->config, &project, &map, err);
    if (code != ERR_OK)
        return code;
    const char *range = context_option(context, "rev-range");
    StrList ids = {0};
    if (range != NULL) {
        code = range_read(context, map, range, &ids, err);
        if (code != ERR_OK)
            return code;
    }
    const Script **scripts;
    size_t count;
    graph_newest_first(context->arena, map, &scripts, &count);
    JsonWriter json = context_json(context);
    json_array_begin(&json);
    for (size_t i = 0; i < count; i++) {
        if (range != NULL && !strlist_has(&ids, scripts[i]->id))
            continue;
        listing_json(&json, map, scripts[i], false);
        if (context_has(context, "verbose"))
            listing_verbose(context, map, scripts[i], false);
        else
            listing_line(context, map, scripts[i], false);
    }
    json_array_end(&json);
    return ERR_OK;
}

const CliCommand cmd_history = {
    .words = "history",
    .arguments = "",
    .summary = "show the revisions, newest first",
    .options = options,
    .run = run,
};
