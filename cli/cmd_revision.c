#include "revision_file.h"

#include <string.h>

static const CommandOption options[] = {
    {"message", 'm', "TEXT", "what the revision does; becomes part of its name"},
    {"head", 0, "REVISION", "the revision to build on (default: the only head)"},
    {"splice", 0, NULL, "allow building on a revision that is not a head"},
    {"rev-id", 0, "ID", "the new revision's id instead of a made one"},
    {"branch-label", 0, "LABEL",
     "a name for the branch that begins here; may be given several times"},
    {"depends-on", 0, "REVISION",
     "a revision that must be applied before; may be given several times"},
    {0},
};

static ErrCode parents_choose(CommandContext *context, const RevisionMap *map, StrList *ret_parents,
                              Error *err)
{
    const char *wanted = context_option(context, "head");
    StrList heads = graph_heads(context->arena, map);
    StrList parents = {0};
    if (wanted != NULL && strcmp(wanted, "base") == 0) {
        *ret_parents = parents;
        return ERR_OK;
    }
    if (wanted == NULL) {
        if (heads.count > 1) {
            err_set(err, ERR_MULTIPLE_HEADS, "there are %zu heads: %s", heads.count,
                    strlist_join(context->arena, &heads, ", "));
            err_hint(
                err,
                "Say with --head which one to build on, or join them with `pgtide merge heads`.");
            return ERR_MULTIPLE_HEADS;
        }
        *ret_parents = heads;
        return ERR_OK;
    }
    const char *id;
    ErrCode code = graph_resolve_one(context->arena, map, wanted, &id, err);
    if (code != ERR_OK)
        return code;
    if (!strlist_has(&heads, id) && !context_has(context, "splice")) {
        err_set(err, ERR_TARGET, "revision %s is not a head revision", id);
        err_hint(err, "Say --splice to begin a new branch at it.");
        return ERR_TARGET;
    }
    strlist_add(context->arena, &parents, id);
    *ret_parents = parents;
    return ERR_OK;
}

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
        .message = message == NULL ? "" : message,
        .labels = context_options(context, "branch-label"),
    };
    code = parents_choose(context, map, &draft.parents, err);
    StrList wanted = context_options(context, "depends-on");
    for (size_t i = 0; code == ERR_OK && i < wanted.count; i++) {
        const char *id;
        code = graph_resolve_one(context->arena, map, wanted.items[i], &id, err);
        if (code == ERR_OK)
            strlist_add(context->arena, &draft.depends_on, id);
    }
    if (code != ERR_OK)
        return code;
    return revision_file_write(context, &project, map, &draft, err);
}

const CliCommand cmd_revision = {
    .words = "revision",
    .arguments = "",
    .summary = "make the next revision's file",
    .options = options,
    .run = run,
};
