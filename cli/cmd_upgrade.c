#include "offline.h"
#include "single.h"

static const CommandOption options[] = {
    SINGLE_WRITE_OPTIONS,
    OFFLINE_OPTION,
    {"tag", 0, "TEXT", "kept as the message of the history rows that are made"},
    {"set", 'x', "NAME=VALUE", "the value of a placeholder (repeatable)"},
    {0},
};

static ErrCode plan(CommandContext *context, const RevisionMap *map, const StrList *rows,
                    GraphSteps *ret_steps, Error *err)
{
    const char *target = context->arguments.count > 0 ? context_argument(context, 0) : "head";
    return graph_upgrade(context->arena, map, rows, target, ret_steps, err);
}

static ErrCode run(CommandContext *context, Error *err)
{
    if (context_has(context, "sql"))
        return offline_upgrade(context, err);
    ErrCode code = offline_refuse_range(context, err);
    if (code != ERR_OK)
        return code;
    return single_migrate(context, plan, single_run, err);
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
