#include "offline.h"
#include "run_migrate.h"

static const CommandOption options[] = {
    RUN_WRITE_OPTIONS, OFFLINE_OPTION, RUN_MIGRATE_OPTIONS, {0}};

static ErrCode plan(CommandContext *context, Arena *arena, const RevisionMap *map,
                    const StrList *rows, GraphSteps *ret_steps, Error *err)
{
    return graph_downgrade(arena, map, rows, context_argument(context, 0), ret_steps, err);
}

static const RunWork work = {
    .project = RUN_PROJECT_NEEDED,
    .begin = run_migrate_begin,
    .plan = plan,
    .say = run_migrate_say,
    .json = run_migrate_json,
};

static ErrCode run(CommandContext *context, Error *err)
{
    if (context_has(context, "sql"))
        return offline_downgrade(context, err);
    ErrCode code = offline_refuse_range(context, err);
    return code == ERR_OK ? run_databases(context, &work, err) : code;
}

const CliCommand cmd_downgrade = {
    .words = "downgrade",
    .arguments = "TARGET",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "migrate a database, or many, back down to a target",
    .details =
        "TARGET is base, a revision or the beginning of its id, -N or REVISION-N. "
        "Repeatable files are left as they are.\n\n" RUN_MIGRATE_DETAILS "\n\n" RUN_EXIT_STATUS,
    .options = options,
    .run = run,
};
