/*
 * What a long step is at, as a part of a job's report.
 */
#pragma once

#include "activity.h"
#include "error.h"

#include "report.pb-c.h"

/* NULL: there is nothing to tell. Texts stay where the message has them. */
ErrCode activity_decode(const Pgtide__V1__Activity *in, Activity *out, Error *err) MUST_CHECK;
/* NULL when there is nothing to tell; lives in `arena`. */
Pgtide__V1__Activity *activity_encode(Arena *arena, const Activity *activity);
