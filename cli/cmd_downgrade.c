#include "single.h"

static const CommandOption options[] = {SINGLE_WRITE_OPTIONS, {0}};

static ErrCode plan(CommandContext *context, const RevisionMap *map, const StrList *rows,
                    GraphSteps *ret_steps, Error *err)
{
    return graph_downgrade(context->arena, map, rows, context_argument(context, 0), ret_steps, err);
}

static ErrCode run(CommandContext *context, Error *err)
{
    return single_migrate(context, plan, single_run, err);
}

const CliCommand cmd_downgrade = {
    .words = "downgrade",
    .arguments = "TARGET",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "migrate one database back down to a target",
    .options = options,
    .run = run,
};
