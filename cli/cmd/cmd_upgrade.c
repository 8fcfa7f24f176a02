#include "offline.h"
#include "run_migrate.h"

static const CommandOption options[] = {
    RUN_WRITE_OPTIONS, OFFLINE_OPTION, RUN_MIGRATE_OPTIONS, {0}};

static ErrCode plan(CommandContext *context, Arena *arena, const RevisionMap *map,
                    const StrList *rows, GraphSteps *ret_steps, Error *err)
{
    const char *target = context->arguments.count > 0 ? context_argument(context, 0) : "head";
    return graph_upgrade(arena, map, rows, target, ret_steps, err);
}

static const RunWork work = {
    .project = RUN_PROJECT_NEEDED,
    .begin = run_migrate_begin,
    .plan = plan,
    .repeats = true,
    .say = run_migrate_say,
    .json = run_migrate_json,
};

static ErrCode run(CommandContext *context, Error *err)
{
    if (context_has(context, "sql"))
        return offline_upgrade(context, err);
    ErrCode code = offline_refuse_range(context, err);
    return code == ERR_OK ? run_databases(context, &work, err) : code;
}

const CliCommand cmd_upgrade = {
    .words = "upgrade",
    .arguments = "[TARGET]",
    .arguments_min = 0,
    .arguments_max = 1,
    .summary = "migrate a database, or many, up to a target (default: head)",
    .details = "TARGET is head, heads, a revision or the beginning of its id, a label, +N or "
               "REVISION+N. When every head is applied, repeatable files that are new or changed "
               "are run too.\n\n" RUN_MIGRATE_DETAILS "\n\n" RUN_EXIT_STATUS,
    .options = options,
    .run = run,
};
