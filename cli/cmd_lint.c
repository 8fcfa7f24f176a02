#include "command.h"

#include <stdint.h>

static ErrCode run(CommandContext *context, Error *err)
{
    (void)context;
    err_set(err, ERR_STATE, "this version can't judge revisions");
    err_hint(err, "`pgtide test` tries them on a scratch database; `pgtide upgrade --dry-run` on a "
                  "real one.");
    return ERR_STATE;
}

const CliCommand cmd_lint = {
    .words = "lint",
    .arguments = "",
    .arguments_max = SIZE_MAX, /* whatever is asked of it */
    .summary = "look for what is dangerous in revisions (refused: not in this version)",
    .run = run,
};
