/*
 * What a job's statements cost, as a part of its report.
 */
#pragma once

#include "error.h"
#include "facts.h"

#include "report.pb-c.h"

/* Texts stay where the message has them. */
ErrCode facts_decode(Arena *arena, Pgtide__V1__StatementFacts *const *items, size_t count,
                     FactList *out, Error *err) MUST_CHECK;
/* Lives in `arena`. */
Pgtide__V1__StatementFacts **facts_encode(Arena *arena, const FactList *list);
