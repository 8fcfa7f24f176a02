/*
 * A *.rehearsal file (what `pgtide rehearse -o` writes) as a part of a plan.
 */
#pragma once

#include "arena.h"
#include "digest.h"

#include "plan.pb-c.h"

/* `bundle`: the plan's; a rehearsal of another one is refused. Everything lives in `arena`. Errors:
 * NOT_FOUND, IO, CONFIG (not such a file), REFUSED. */
ErrCode rehearsal_file_read(Arena *arena, const char *path, const Digest *bundle,
                            Pgtide__V1__Rehearsal **ret_rehearsal, Error *err) MUST_CHECK;
