/*
 * Evidence of a rollout: the journal's excerpt, what was signed, and the plan's shards in one
 * signed file (records/evidence.h). It is made a part of the journal at a time, each time it is
 * asked for, so that a large one does not keep agents waiting; when it is whole it is a blob to be
 * fetched. Of the blobs made so only the last few are kept.
 */
#pragma once

#include "coordinator.h"

typedef struct EvidenceShop EvidenceShop;

typedef struct EvidenceProgress {
    bool ready;
    uint64_t records; /* read so far */
    uint64_t of;
    Digest blob; /* when ready */
    uint64_t bytes;
    RolloutState state; /* as the evidence says */
} EvidenceProgress;

EvidenceShop *evidence_shop_new(Coordinator *coordinator); /* borrows; returns owned */
void evidence_shop_free(EvidenceShop *shop);               /* NULL-safe */

/* Goes on with the evidence of this rollout, up to the record that was the last when it was asked
 * for first. Errors: LIMIT, JOURNAL, IO; it begins anew when it is asked again. */
ErrCode evidence_make(EvidenceShop *shop, const RolloutEntry *entry, bool with_bundle,
                      EvidenceProgress *ret_progress, Error *err) MUST_CHECK;
