#include "offline.h"
#include "run_migrate.h"

static const CommandOption options[] = {
    RUN_WRITE_OPTIONS,
    OFFLINE_OPTION,
    {"purge", 0, NULL, "forget the present version rows first"},
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
    .writes = true,
    .begin = run_migrate_begin,
    .plan = plan,
    .stamps = true,
    .say = run_migrate_say,
    .json = run_migrate_json,
};

static ErrCode run(CommandContext *context, Error *err)
{
    if (context_has(context, "sql"))
        return offline_stamp(context, err);
    ErrCode code = offline_refuse_range(context, err);
    return code == ERR_OK ? run_databases(context, &work, err) : code;
}

const CliCommand cmd_stamp = {
    .words = "stamp",
    .arguments = "REVISION...",
    .arguments_min = 1,
    .arguments_max = 64,
    .summary = "set the version rows of a database, or many, without running anything",
    .details = "REVISION is a revision, a label, head, heads or base. Rows that no file has are "
               "in the way; --purge forgets them.\n\n" RUN_EXIT_STATUS,
    .options = options,
    .run = run,
};
