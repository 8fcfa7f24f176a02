/*
 * Bytes of plans: protobuf <-> the structs of plan.h.
 *
 * Decoders refuse (ERR_PROTOCOL, or ERR_LIMIT) what is malformed: wrong lengths of ids and
 * digests, texts that are not UTF-8 or hold NUL, bad names, enum values that are unspecified or
 * unknown, counts beyond named_limits.h, fields this version does not know. Encoders of wrong
 * values are caught by decoding, not here. All results live in `arena`.
 */
#pragma once

#include "message.h"

ErrCode plan_header_encode(Arena *arena, const PlanHeader *header, uint8_t **ret_bytes,
                           size_t *ret_length, Error *err) MUST_CHECK;
ErrCode plan_header_decode(Arena *arena, const void *bytes, size_t length, PlanHeader *out,
                           Error *err) MUST_CHECK;

ErrCode plan_shard_encode(Arena *arena, const PlanShard *shard, uint8_t **ret_bytes,
                          size_t *ret_length, Error *err) MUST_CHECK;
ErrCode plan_shard_decode(Arena *arena, const void *bytes, size_t length, PlanShard *out,
                          Error *err) MUST_CHECK;

ErrCode approval_encode(Arena *arena, const Approval *approval, uint8_t **ret_bytes,
                        size_t *ret_length, Error *err) MUST_CHECK;
ErrCode approval_decode(Arena *arena, const void *bytes, size_t length, Approval *out,
                        Error *err) MUST_CHECK;

/* A *.plan file: the header's envelope as it is, and PlanShard bytes in plan order. */
typedef struct PlanFile {
    ByteSpan header_envelope;
    ByteSpan *shards;
    size_t shard_count;
} PlanFile;

ErrCode plan_file_encode(Arena *arena, const PlanFile *file, uint8_t **ret_bytes,
                         size_t *ret_length, Error *err) MUST_CHECK;
/* Not checked against the header: plan_file_check. */
ErrCode plan_file_decode(Arena *arena, const void *bytes, size_t length, PlanFile *out,
                         Error *err) MUST_CHECK;
/* The shards are the header's: count, Merkle root, indexes 0.. in order, waves in order with their
 * counts, no shard twice. `ret_shards` (may be NULL) gets the decoded shards. */
ErrCode plan_file_check(Arena *arena, const PlanFile *file, const PlanHeader *header,
                        PlanShard **ret_shards, Error *err) MUST_CHECK;

/* What an agent fetches before it believes a command. */
typedef struct PlanDossier {
    ByteSpan header_envelope;
    ByteSpan *approvals; /* envelopes */
    size_t approval_count;
} PlanDossier;

ErrCode plan_dossier_encode(Arena *arena, const PlanDossier *dossier, uint8_t **ret_bytes,
                            size_t *ret_length, Error *err) MUST_CHECK;
ErrCode plan_dossier_decode(Arena *arena, const void *bytes, size_t length, PlanDossier *out,
                            Error *err) MUST_CHECK;
