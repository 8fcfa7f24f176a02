#include "autogen.h"
#include "built.h"
#include "revision_safe.h"
#include "run.h"
#include "schema_renames.h"

#include <string.h>

static const CommandOption options[] = {
    {"message", 'm', "TEXT", "what the revision does; becomes part of its name"},
    {"head", 0, "REVISION",
     "the revision to build on, `LABEL@head`, or `base` (default: the only head); may be given "
     "several times"},
    {"splice", 0, NULL, "allow building on a revision that is not a head"},
    {"version-path", 0, "DIRECTORY",
     "which of the project's directories it goes to (default: that of the revision it builds on)"},
    {"autogenerate", 0, NULL, "write its SQL: what leads from the revisions to the model"},
    BUILT_MODEL_OPTION,
    SCHEMA_RENAME_OPTION,
    {"safe-forms", 0, NULL, "of --autogenerate: in forms that hold no application up"},
    {"scratch-url", 0, "URL", "of --autogenerate: the server for scratch databases"},
    REVISIONS_OPTION,
    {"rev-id", 0, "ID", "the new revision's id instead of a made one"},
    {"branch-label", 0, "LABEL",
     "a name for the branch that begins here; may be given several times"},
    {"depends-on", 0, "REVISION",
     "a revision that must be applied before; may be given several times"},
    {"safe", 0, "REVISION",
     "instead: print this revision as it runs beside an application, each statement alone"},
    {"sql", 0, "FILE", "the same for the statements of a file; - is stdin"},
    {"write", 0, NULL, "of --safe: put it in the place of the revision's file"},
    RUN_ONE_OPTIONS,
    {0},
};

/* The only head, where none was asked for. */
static ErrCode head_default(Arena *arena, const RevisionMap *map, StrList *ret_parents, Error *err)
{
    StrList heads = graph_heads(arena, map);
    if (heads.count > 1) {
        err_set(err, ERR_MULTIPLE_HEADS, "there are %zu heads: %s", heads.count,
                strlist_join(arena, &heads, ", "));
        err_hint(err,
                 "Say with --head which one to build on, or join them with `pgtide merge heads`.");
        return ERR_MULTIPLE_HEADS;
    }
    *ret_parents = heads;
    return ERR_OK;
}

static ErrCode parents_choose(CommandContext *context, const RevisionMap *map, StrList *ret_parents,
                              Error *err)
{
    StrList wanted = context_options(context, "head");
    if (wanted.count == 0)
        return head_default(context->arena, map, ret_parents, err);
    StrList parents = {0};
    for (size_t i = 0; i < wanted.count; i++) {
        if (strcmp(wanted.items[i], "base") == 0 && wanted.count == 1)
            continue;
        ErrCode code = revision_add_parent(context, map, wanted.items[i], &parents, err);
        if (code != ERR_OK)
            return code;
    }
    *ret_parents = parents;
    return ERR_OK;
}

static ErrCode options_check(const CommandContext *context, Error *err)
{
    static const char *const others[] = {"model", "rename", "safe-forms", "scratch-url", "set"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (context_has(context, others[i]) && !context_has(context, "autogenerate"))
            return err_set(err, ERR_USAGE, "--%s goes with --autogenerate", others[i]);
    }
    static const char *const databases[] = {"url", "schema", "shared-schema"};
    for (size_t i = 0; i < sizeof databases / sizeof *databases; i++) {
        if (context_has(context, databases[i]) && !context_has(context, "autogenerate"))
            return err_set(err, ERR_USAGE, "--%s goes with --autogenerate or --safe", databases[i]);
    }
    return ERR_OK;
}

static ErrCode run(CommandContext *context, Error *err)
{
    Project project;
    RevisionMap *map;
    if (context_has(context, "safe") || context_has(context, "sql") ||
        context_has(context, "write"))
        return revision_safe(context, err);
    ErrCode code = options_check(context, err);
    if (code == ERR_OK)
        code = project_open(context->arena, context->config, &project, &map, err);
    if (code != ERR_OK)
        return code;
    const char *message = context_option(context, "message");
    RevisionDraft draft = {
        .id = context_option(context, "rev-id"),
        .message = message == NULL ? "" : message,
        .labels = context_options(context, "branch-label"),
        .version_path = context_option(context, "version-path"),
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
    return context_has(context, "autogenerate")
               ? autogen_run(context, &draft, err)
               : revision_file_write(context, &project, map, &draft, err);
}

const CliCommand cmd_revision = {
    .words = "revision",
    .arguments = "",
    .summary = "make the next revision's file, or write one anew so that it holds nobody up",
    .details =
        "With --autogenerate the file has SQL: what leads from what all revisions, repeatables and "
        "safe statements build to the model, and back. " SCRATCH_DETAILS " Before it is written "
        "it is tried there: up, down and up again must lead to the model and to what was there "
        "before. New labels of enums become a revision of their own, which comes first and has no "
        "way back. With --safe-forms it is written as --safe would write it. With --schema, names "
        "of that schema are not qualified, for shards that are schemas. No difference: no file.\n\n"
        "With --safe, statements that hold an application up by their locks are written as others "
        "that come to the same end, for `transaction: none`: docs/safe-migrations.md has the list. "
        "What takes something away from the application before becomes two revisions, `phase: "
        "expand` and `phase: contract`. It prints what it would write; --write writes it. With "
        "--url the database says what the tables have, and a revision that has run there is "
        "refused. What can't be written anew is left as it is, and said.\n\n"
        "Exit status: 0 done, or nothing to do; 3 some of the difference can't be said in SQL: it "
        "is listed, and a comment in the file; 1 a statement failed; 2 wrong use, project or "
        "target; 5 refused; 6 a server can't be reached.",
    .options = options,
    .run = run,
};
