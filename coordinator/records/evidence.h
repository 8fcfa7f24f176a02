/*
 * A *.evidence file: what a rollout leaves behind, in one signed file that anybody who has the
 * trust file can check offline (evidence_check.h). proto/evidence.proto says what is in it.
 *
 * This is its form only. A coordinator adds items in the order of their kinds; a reader gets them
 * back with their places, nothing of them believed yet.
 */
#pragma once

#include "envelope.h"
#include "message.h"

typedef enum EvidenceKind {
    EVIDENCE_UNSPECIFIED,
    EVIDENCE_TRUST,
    EVIDENCE_ADMISSION,
    EVIDENCE_MANIFEST,
    EVIDENCE_BUNDLE,
    EVIDENCE_SHARD,
    EVIDENCE_RECORD,
    EVIDENCE_KIND_COUNT
} EvidenceKind;

typedef struct EvidenceItem {
    EvidenceKind kind;
    uint64_t length;
    Digest sha256;
    const char *name; /* whose admission; '' */
} EvidenceItem;

/* The index. */
typedef struct Evidence {
    Uuid fleet_id;
    Uuid rollout_id;
    Digest plan_digest;
    uint64_t made_unix_ms;
    RolloutState state;
    uint64_t first_seq;
    Digest chain_before;
    EvidenceItem *items;
    size_t item_count;
} Evidence;

typedef struct EvidenceRecord {
    uint64_t seq;
    uint64_t epoch;
    uint32_t kind;         /* JournalKind */
    bool shown;            /* with its payload */
    ByteSpan payload;      /* only when shown */
    Digest payload_digest; /* always, in a decoded one */
    Digest hash;
} EvidenceRecord;

/* --- making ----------------------------------------------------------------------------------- */

typedef struct EvidenceMaker EvidenceMaker;
EvidenceMaker *evidence_maker_new(void);        /* returns owned */
void evidence_maker_free(EvidenceMaker *maker); /* NULL-safe */
/* ERR_LIMIT: the file would be larger than LIMIT_EVIDENCE_BYTES. Copies. */
ErrCode evidence_add(EvidenceMaker *maker, EvidenceKind kind, const char *name, ByteSpan bytes,
                     Error *err) MUST_CHECK;
ErrCode evidence_add_record(EvidenceMaker *maker, const EvidenceRecord *record,
                            Error *err) MUST_CHECK;
/* The whole file. `evidence` says everything but the items. Lives in `arena`. */
ErrCode evidence_seal(EvidenceMaker *maker, Arena *arena, const Evidence *evidence,
                      const SecretKey *key, uint8_t **ret_bytes, size_t *ret_length,
                      Error *err) MUST_CHECK;

/* --- reading ---------------------------------------------------------------------------------- */

typedef struct EvidenceFile {
    ByteSpan envelope; /* over the index */
    ByteSpan body;
    Evidence index;  /* NOT verified: open the envelope first */
    ByteSpan *items; /* of the body, as the index cuts it */
} EvidenceFile;

/* Form only. ERR_USAGE: this is no evidence file at all. ERR_EVIDENCE: it was one, and is cut off,
 * longer than it was, or its index is not well formed. All lives in `arena`. */
ErrCode evidence_read(Arena *arena, const uint8_t *bytes, size_t length, EvidenceFile *out,
                      Error *err) MUST_CHECK;
ErrCode evidence_record_decode(Arena *arena, ByteSpan bytes, EvidenceRecord *out,
                               Error *err) MUST_CHECK;
/* What an item is called in an error: "approval 2" knows more, but only once it has been read. */
const char *evidence_item_name(Arena *arena, const Evidence *index, size_t item);
