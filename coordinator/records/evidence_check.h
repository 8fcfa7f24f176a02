/*
 * Whether an evidence file is genuine, and what it then proves. No I/O, no clock: the verdict is
 * the same today and in ten years.
 *
 * The coordinator has signed the whole, and is believed in nothing that others have signed: the
 * plan is its author's, the approvals are the approvers', the bundle is the release keys', an
 * agent's key is an admin's word, and how each job ended is what that agent has signed. What the
 * journal says in between is replayed through the same core that decided it, and has to agree with
 * all of them.
 */
#pragma once

#include "bundle.h"
#include "evidence.h"
#include "rollout.h"

typedef struct EvidenceApproval {
    const char *name;
    const char *keyid;
    Approval approval;
} EvidenceApproval;

typedef struct EvidenceAgent {
    const char *name;
    const char *keyid;
    const char *admitted_by; /* the admin's name */
} EvidenceAgent;

/* Something an operator asked for and signed. */
typedef struct EvidenceAction {
    uint64_t seq; /* of its journal record */
    uint64_t created_unix_ms;
    const char *name;
    const char *keyid;
    const char *what; /* "pause" */
    const char *reason;
} EvidenceAction;

/* A job that its agent says has not succeeded; what came of the shard later is in the fold. */
typedef struct EvidenceFailure {
    uint64_t seq;
    uint64_t at_unix_ms;
    uint32_t index; /* in the plan */
    Direction direction;
    uint32_t attempt;
    JobOutcome outcome;
    const char *revision;
    const char *code;
    const char *sqlstate;
    const char *message;
} EvidenceFailure;

typedef struct EvidenceSummary {
    Evidence index;
    const char *made_by; /* key id of the coordinator that signed it */
    uint64_t trust_version;
    Digest plan_digest;
    PlanHeader header;
    PlanShard *shards; /* in plan order */
    const char *author;
    Bundle bundle; /* scripts only with the files */
    bool has_files;
    EvidenceApproval *approvals; /* and rejections */
    size_t approval_count;
    EvidenceAgent *agents;
    size_t agent_count;
    EvidenceAction *actions;
    size_t action_count;
    EvidenceFailure *failures;
    size_t failure_count;
    Rollout *core; /* the fold; evidence_summary_done() frees it */
    bool started;
    RolloutState state;
    uint64_t started_unix_ms;
    uint64_t finished_unix_ms; /* 0: not over */
    uint64_t report_count;     /* signed reports */
    uint64_t record_count;
    uint64_t shown_count; /* records with their content */
    uint64_t last_seq;
    Digest last_hash;
    bool signer_retired; /* the trust file given names that coordinator no more */
} EvidenceSummary;

/*
 * `trust` is the verifier's own, pinned. Errors: USAGE: no evidence file. EVIDENCE: not genuine;
 * the message begins with the part. KEY_UNKNOWN, REFUSED: this trust file does not vouch for it.
 * The summary lives in `arena`; it is set only on success.
 */
ErrCode evidence_check(Arena *arena, const uint8_t *bytes, size_t length, const Trust *trust,
                       EvidenceSummary *ret_summary, Error *err) MUST_CHECK;
void evidence_summary_done(EvidenceSummary *summary);
