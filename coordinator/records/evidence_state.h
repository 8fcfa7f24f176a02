/*
 * What is known while an evidence file is checked. Internal to evidence_*.c.
 */
#pragma once

#include "admission.h"
#include "evidence_check.h"
#include "operator.pb-c.h"
#include "record_codec.h"

/* A trust file that the verifier's own vouches for. */
typedef struct EvidenceTrust {
    Trust *trust; /* owned */
    ByteSpan bytes;
} EvidenceTrust;

typedef struct EvidenceAdmitted {
    ByteSpan envelope;
    Admission admission;
    bool holds; /* by the trust file in force */
} EvidenceAdmitted;

/* One agent's word about one job. */
typedef struct EvidenceJob EvidenceJob;
struct EvidenceJob {
    EvidenceJob *next;
    uint32_t generation;
    uint32_t attempt;
    JobOutcome outcome;
    Digest content; /* of what a record decided by it says */
    bool ended;
};

/* An operator's signed request. */
typedef struct EvidenceWord {
    const Pgtide__V1__Request *request;
    const TrustOperator *signer;
    bool used; /* a record that stands for it has come */
} EvidenceWord;

typedef struct EvidenceState {
    Arena *arena;
    Arena *scratch; /* of one record */
    const Trust *pinned;
    EvidenceFile file;
    EvidenceTrust *trusts;
    size_t trust_count;
    const Trust *now; /* in force at the present record */
    EvidenceAdmitted *admitted;
    size_t admitted_count;
    EvidenceJob **jobs; /* by plan index */
    EvidenceWord word;  /* the last one */
    bool bundle_checked;
    EvidenceSummary out;
} EvidenceState;

/* "PART: why", with the detail of what was found. Returns ERR_EVIDENCE. */
ErrCode evidence_not(Error *err, const char *part);

/* evidence_trust.c */
/* All trust files in the evidence, against the pinned one. */
ErrCode evidence_accept_trusts(EvidenceState *state, Error *err) MUST_CHECK;
void evidence_trusts_free(EvidenceState *state);
/* EnvelopeLookup over the coordinators of every accepted trust file and the pinned one. */
const uint8_t *evidence_lookup_coordinator(void *state, const char *keyid);
/* The accepted trust file with these bytes, or NULL. */
const Trust *evidence_trust_of(const EvidenceState *state, ByteSpan bytes);

/* evidence_walk.c: every record, in order. */
ErrCode evidence_walk(EvidenceState *state, Error *err) MUST_CHECK;
/* An admission under the trust file in force. */
ErrCode evidence_admit(EvidenceState *state, ByteSpan envelope, Error *err) MUST_CHECK;

/* evidence_words.c */
ErrCode evidence_take_request(EvidenceState *state, const RequestDone *done, uint64_t seq,
                              Error *err) MUST_CHECK;
/* A record in an operator's name follows from what that operator has signed. */
ErrCode evidence_check_word(EvidenceState *state, const RolloutRecord *record,
                            Error *err) MUST_CHECK;
ErrCode evidence_check_fleet_word(EvidenceState *state, const FleetWord *word,
                                  Error *err) MUST_CHECK;

/* evidence_reports.c */
ErrCode evidence_take_report(EvidenceState *state, ByteSpan envelope, Error *err) MUST_CHECK;
/* What a record says of a shard is what its agent has signed. */
ErrCode evidence_check_report(EvidenceState *state, const RolloutRecord *record,
                              Error *err) MUST_CHECK;
/* No agent has told of an end that the journal does not know. */
ErrCode evidence_check_ends(const EvidenceState *state, Error *err) MUST_CHECK;
const char *evidence_shard_name(const EvidenceState *state, Arena *arena, uint32_t index);
