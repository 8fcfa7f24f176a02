/*
 * `pgtide revision --safe`: a revision that was written the plain way, as it runs beside an
 * application (engine/rewrite).
 */
#pragma once

#include "command.h"

/* What --safe, --sql and --write ask for. */
ErrCode revision_safe(CommandContext *context, Error *err) MUST_CHECK;
