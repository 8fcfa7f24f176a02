/*
 * A generated revision in safe forms (engine/rewrite), with what the scratch database knows of its
 * tables.
 */
#pragma once

#include "rewrite.h"
#include "trial.h"

/* The trial stands before the revision. */
ErrCode autogen_safe(Trial *trial, Arena *arena, const Script *script, Rewritten *ret_rewritten,
                     Error *err) MUST_CHECK;
