#include "command.h"

static ErrCode run(CommandContext *context, Error *err)
{
    (void)context;
    err_set(err, ERR_STATE, "this version can't compare a database with a model");
    err_hint(err, "`pgtide current --check-heads` tells whether a database has every revision.");
    return ERR_STATE;
}

const CliCommand cmd_check = {
    .words = "check",
    .arguments = "",
    .summary = "compare a database with its model (refused: not in this version)",
    .run = run,
};
