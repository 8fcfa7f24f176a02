/*
 * Evidence files as they are read from disk, and what a genuine one proves, for people and as JSON.
 */
#pragma once

#include "command.h"
#include "evidence_check.h"

typedef struct EvidenceRead {
    const char *path;
    size_t length;
    Digest sha256; /* of the whole file */
} EvidenceRead;

/* Reads and checks. `trust` NULL is not allowed. Errors: NOT_FOUND, IO, LIMIT, those of
 * evidence_check() with the path. The summary lives in `arena`; evidence_summary_done() it. */
ErrCode evidence_open(Arena *arena, const char *path, const Trust *trust, EvidenceRead *ret_file,
                      EvidenceSummary *ret_summary, Error *err) MUST_CHECK;

void evidence_tell(CommandContext *context, const EvidenceRead *file,
                   const EvidenceSummary *summary);
