#include "single.h"

static const CommandOption options[] = {SINGLE_WRITE_OPTIONS, {0}};

static ErrCode upgrade(CommandContext *context, Single *single, const RevisionMap *map, Error *err)
{
    const char *target = context->arguments.count > 0 ? context_argument(context, 0) : "head";
    ErrCode code = single_claim(single, err);
    if (code != ERR_OK)
        return code;
    GraphSteps steps;
    StrList rows = strlist_copy(context->arena, &single->claim->rows);
    code = graph_upgrade(context->arena, map, &rows, target, &steps, err);
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
        code = upgrade(context, &single, map, err);
    single_close(&single);
    return code;
}

const CliCommand cmd_upgrade = {
    .words = "upgrade",
    .arguments = "[TARGET]",
    .arguments_min = 0,
    .arguments_max = 1,
    .summary = "migrate one database up to a target (default: head)",
    .options = options,
    .run = run,
};
