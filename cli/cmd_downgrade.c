#include "single.h"

static const CommandOption options[] = {SINGLE_WRITE_OPTIONS, {0}};

static ErrCode downgrade(CommandContext *context, Single *single, const RevisionMap *map,
                         Error *err)
{
    const char *target = context_argument(context, 0);
    ErrCode code = single_claim(single, err);
    if (code != ERR_OK)
        return code;
    GraphSteps steps;
    StrList rows = strlist_copy(context->arena, &single->claim->rows);
    code = graph_downgrade(context->arena, map, &rows, target, &steps, err);
    return code == ERR_OK ? single_run(single, &steps, err) : code;
}

static ErrCode run(CommandContext *context, Error *err)
{
    Project project;
    RevisionMap *map;
    ErrCode code = project_open(context->arena, context->config, &project, &map, err);
    if (code != ERR_OK)
        return code;
    Single single;
    code = single_open(&single, context, err);
    if (code == ERR_OK)
        code = downgrade(context, &single, map, err);
    single_close(&single);
    return code;
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
