#include "command.h"

#include <stdint.h>

static ErrCode run(CommandContext *context, Error *err)
{
    (void)context;
    err_set(err, ERR_STATE, "this version can't tell a database's schema");
    err_hint(err,
             "`pg_dump --schema-only` writes it; `pgtide current` tells which revisions it has.");
    return ERR_STATE;
}

const CliCommand cmd_schema = {
    .words = "schema",
    .arguments = "",
    .arguments_max = SIZE_MAX, /* whatever is asked of it */
    .summary = "tell a database's schema and how it drifted (refused: not in this version)",
    .run = run,
};
