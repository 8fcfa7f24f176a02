#include "offline.h"
#include "run_migrate.h"
#include "stamp_from_tool.h"

static const CommandOption options[] = {
    RUN_WRITE_OPTIONS,
    OFFLINE_OPTION,
    {"purge", 0, NULL, "forget the present version rows first"},
    STAMP_FROM_TOOL_OPTIONS,
    {0},
};

/* No steps, only the rows to write. */
static ErrCode plan(CommandContext *context, Arena *arena, const RevisionMap *map,
                    const StrList *rows, GraphSteps *ret_steps, Error *err)
{
    return graph_stamp(arena, map, rows, &context->arguments, context_has(context, "purge"),
                       &ret_steps->rows_after, err);
}

static const RunWork work = {
    .project = RUN_PROJECT_NEEDED,
    .begin = run_migrate_begin,
    .plan = plan,
    .stamps = true,
    .say = run_migrate_say,
    .json = run_migrate_json,
};

static ErrCode run(CommandContext *context, Error *err)
{
    if (context_has(context, "from-tool"))
        return stamp_from_tool(context, err);
    if (context_has(context, "tool-table"))
        return err_set(err, ERR_USAGE, "--tool-table goes with --from-tool");
    if (context->arguments.count == 0)
        return err_set(err, ERR_USAGE, "`pgtide stamp` needs a REVISION, or --from-tool TOOL");
    if (context_has(context, "sql"))
        return offline_stamp(context, err);
    ErrCode code = offline_refuse_range(context, err);
    return code == ERR_OK ? run_databases(context, &work, err) : code;
}

const CliCommand cmd_stamp = {
    .words = "stamp",
    .arguments = "[REVISION...]",
    .arguments_min = 0,
    .arguments_max = 64,
    .summary = "set the version rows of a database, or many, without running anything",
    .details =
        "REVISION is a revision, a label, head, heads or base. Rows that no file has are "
        "in the way; --purge forgets them.\n\n" STAMP_FROM_TOOL_DETAILS "\n\n" RUN_EXIT_STATUS,
    .options = options,
    .run = run,
};
