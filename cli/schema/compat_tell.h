/*
 * How `pgtide compat` tells who uses what revisions take away.
 */
#pragma once

#include "command.h"
#include "compat.h"

/* In both forms. `since`: since when calls count, NULL = not known; `watched_ms` 0 = all of them.
 * Returns whether anything is used, or may be. */
bool compat_tell(CommandContext *context, const CompatReport *report, const char *since,
                 uint64_t watched_ms);
