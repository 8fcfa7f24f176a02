#include "revision_file.h"

#include <string.h>

static const CommandOption options[] = {
    {"message", 'm', "TEXT", "what is joined; becomes part of its name"},
    {"rev-id", 0, "ID", "the new revision's id instead of a made one"},
    {"branch-label", 0, "LABEL", "a name for the branch that begins here"},
    {"version-path", 0, "DIRECTORY", "which of the project's directories it goes to"},
    {"splice", 0, NULL, "allow joining revisions that are not heads"},
    {0},
};

static ErrCode run(CommandContext *context, Error *err)
{
    Project project;
    RevisionMap *map;
    ErrCode code = project_open(context->arena, context->config, &project, &map, err);
    if (code != ERR_OK)
        return code;
    const char *message = context_option(context, "message");
    RevisionDraft draft = {
        .id = context_option(context, "rev-id"),
        .message = message == NULL ? "merge" : message,
        .labels = context_options(context, "branch-label"),
        .version_path = context_option(context, "version-path"),
        .merge = true,
    };
    for (size_t i = 0; i < context->arguments.count; i++) {
        const char *given = context->arguments.items[i];
        if (strcmp(given, "heads") == 0) {
            draft.parents = graph_heads(context->arena, map);
            continue;
        }
        code = revision_add_parent(context, map, given, &draft.parents, err);
        if (code != ERR_OK)
            return code;
    }
    if (draft.parents.count < 2) {
        err_set(err, ERR_TARGET, "a merge needs at least two revisions");
        err_hint(err, "`pgtide heads` lists what could be joined.");
        return ERR_TARGET;
    }
    return revision_file_write(context, &project, map, &draft, err);
}

const CliCommand cmd_merge = {
    .words = "merge",
    .arguments = "REVISION...|heads",
    .arguments_min = 1,
    .arguments_max = 64,
    .summary = "join several heads into one revision",
    .options = options,
    .run = run,
};
