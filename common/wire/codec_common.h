/*
 * What the codecs of plans and of messages share: labels, policies, and the way a check is written.
 */
#pragma once

#include "proto_read.h"

#include "plan.pb-c.h"

/* A field check that ends the function on failure: decoders are lists of them. */
#define CHECK(call)                                                                                \
    do {                                                                                           \
        ErrCode check_code = (call);                                                               \
        if (check_code != ERR_OK) {                                                                \
            return check_code;                                                                     \
        }                                                                                          \
    } while (0)

ErrCode labels_decode(Arena *arena, Pgtide__V1__Label *const *items, size_t count, LabelList *out,
                      Error *err) MUST_CHECK;
Pgtide__V1__Label **labels_encode(Arena *arena, const LabelList *labels);

ErrCode policy_decode(const Pgtide__V1__Policy *in, Policy *out, Error *err) MUST_CHECK;
/* Lives in `arena`. */
Pgtide__V1__Backfill *backfill_encode(Arena *arena, const BackfillPolicy *policy);
Pgtide__V1__Policy *policy_encode(Arena *arena, const Policy *policy);

/* Zones are checked for form only: which exist is window.h's. */
ErrCode windows_decode(Arena *arena, Pgtide__V1__Window *const *items, size_t count,
                       WindowPlan **ret_windows, Error *err) MUST_CHECK;

ErrCode budgets_decode(Arena *arena, Pgtide__V1__ScopeBudget *const *items, size_t count,
                       ScopeBudget **ret_budgets, Error *err) MUST_CHECK;

ErrCode requires_decode(Arena *arena, Pgtide__V1__Requirement *const *items, size_t count,
                        Requirement **ret_requires, Error *err) MUST_CHECK;

ErrCode gates_decode(Arena *arena, Pgtide__V1__Gate *const *items, size_t count,
                     GatePlan **ret_gates, Error *err) MUST_CHECK;

/* The list's texts, as protobuf-c wants them. Borrows. */
char **texts_encode(const StrList *list);
ByteSpan span_decode(const ProtobufCBinaryData *field);
