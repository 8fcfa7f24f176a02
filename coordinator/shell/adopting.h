/*
 * `fleet adopt` on its way: an operator's signed request is passed on to the agent as it came, when
 * the journal has it, and again until the agent answers. What the agent says becomes part of what
 * the fleet knows (shard_memory.h), and then the operator is answered.
 */
#pragma once

#include "coordinator.h"

#include "adoption.h"

typedef struct Adopting Adopting;

Adopting *adopting_new(Coordinator *coordinator); /* borrows; returns owned */
void adopting_free(Adopting *adopting);           /* NULL-safe */

/* What is shown of the listing that the adoption was made from must still be so. ERR_NOT_FOUND,
 * ERR_STATE, ERR_STALE, ERR_BUSY. */
ErrCode adopting_check(const Coordinator *coordinator, const Adoption *adoption,
                       Error *err) MUST_CHECK;
/* Copies. Goes out when record `after_seq` is durable. ERR_LIMIT. */
ErrCode adopting_add(Adopting *adopting, const Adoption *adoption, ByteSpan request,
                     uint64_t after_seq, Error *err) MUST_CHECK;
bool adopting_has(const Adopting *adopting, const Uuid *request_id);
/* A turn: sends what is due. */
void adopting_tick(Adopting *adopting, uint64_t persisted);
void adopting_report(Adopting *adopting, const char *agent, const AdoptDone *done);
/* Whether the answer is known, or will not be; then `out` has the `result` object, or the error is
 * returned. */
bool adopting_answer(Adopting *adopting, const Uuid *request_id, Str *out, ErrCode *ret_code,
                     Error *err);
