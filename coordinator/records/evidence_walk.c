/*
 * The journal's excerpt, record for record: the chain, and what each record says against what those
 * whose it is have signed.
 */
#include "evidence_state.h"

#include "chain.h"
#include "digest.h"
#include "plan_codec.h"

#include <string.h>

/* --- admissions ------------------------------------------------------------------------------- */

static void note_agent(EvidenceState *state, const Admission *admission)
{
    EvidenceSummary *out = &state->out;
    const TrustOperator *admin = trust_find_operator(state->now, admission->admitted_by);
    if (admission->revoked)
        return;
    out->agents = arena_grow(state->arena, out->agents, out->agent_count, out->agent_count + 1,
                             sizeof *out->agents);
    out->agents[out->agent_count++] = (EvidenceAgent){
        .name = arena_strdup(state->arena, admission->agent.name),
        .keyid = arena_strdup(state->arena, admission->agent.keyid),
        .admitted_by = admin == NULL ? "" : arena_strdup(state->arena, admin->key.name),
    };
}

ErrCode evidence_admit(EvidenceState *state, ByteSpan envelope, Error *err)
{
    EvidenceAdmitted admitted = {.envelope = envelope, .holds = true};
    ErrCode code = admission_open(state->arena, state->now, envelope.bytes, envelope.length,
                                  &admitted.admission, err);
    if (code != ERR_OK)
        return code;
    state->admitted = arena_grow(state->arena, state->admitted, state->admitted_count,
                                 state->admitted_count + 1, sizeof *state->admitted);
    state->admitted[state->admitted_count++] = admitted;
    note_agent(state, &admitted.admission);
    return ERR_OK;
}

static ErrCode take_admission(EvidenceState *state, ByteSpan payload, Error *err)
{
    ByteSpan envelope;
    ErrCode code =
        journal_envelope_decode(state->arena, JOURNAL_AGENT_ADMITTED, payload, &envelope, err);
    if (code == ERR_OK)
        code = evidence_admit(state, envelope, err);
    return code == ERR_OK ? ERR_OK : evidence_not(err, "an admission");
}

/* Whose admin is none any more is no agent until it is admitted anew. */
static ErrCode take_trust(EvidenceState *state, ByteSpan payload, Error *err)
{
    ByteSpan envelope;
    if (journal_envelope_decode(state->scratch, JOURNAL_TRUST_IN_FORCE, payload, &envelope, err) !=
        ERR_OK)
        return evidence_not(err, "a trust file");
    const Trust *trust = evidence_trust_of(state, envelope);
    if (trust == NULL)
        return err_set(err, ERR_EVIDENCE, "a trust file: it was not vouched for");
    state->now = trust;
    for (size_t i = 0; i < state->admitted_count; i++) {
        Admission ignored;
        Error why;
        EvidenceAdmitted *admitted = &state->admitted[i];
        admitted->holds = admission_open(state->scratch, trust, admitted->envelope.bytes,
                                         admitted->envelope.length, &ignored, &why) == ERR_OK;
    }
    return ERR_OK;
}

/* --- plan and approvals ----------------------------------------------------------------------- */

static ErrCode open_header(EvidenceState *state, ByteSpan envelope, Error *err)
{
    EvidenceSummary *out = &state->out;
    const uint8_t *payload;
    size_t length;
    Signers signers;
    ErrCode code = envelope_open(state->arena, envelope.bytes, envelope.length, MESSAGE_PLAN,
                                 trust_lookup_operator, (void *)(uintptr_t)state->now, &payload,
                                 &length, &signers, err);
    if (code == ERR_OK)
        code = plan_header_decode(state->arena, payload, length, &out->header, err);
    if (code != ERR_OK)
        return code;
    const TrustOperator *author = trust_find_operator(state->now, out->header.author);
    if (author == NULL || !signers_have(&signers, author->key.ed25519) ||
        !operator_role_covers(author->role, OPERATOR_ROLE_OPERATOR))
        return err_set(err, ERR_KEY_UNKNOWN, "its author may not write plans, or did not sign it");
    out->plan_digest = sha256_bytes(payload, length);
    out->author = arena_strdup(state->arena, author->key.name);
    const Evidence *index = &state->file.index;
    if (!digest_equal(&out->plan_digest, &index->plan_digest) ||
        !uuid_equal(&out->header.rollout_id, &index->rollout_id) ||
        !uuid_equal(&out->header.fleet_id, &index->fleet_id))
        return err_set(err, ERR_DIGEST_MISMATCH, "it is not the plan that the evidence is of");
    return ERR_OK;
}

static ErrCode open_shards(EvidenceState *state, Error *err)
{
    const Evidence *index = &state->file.index;
    PlanFile file = {.shards = ARENA_ARRAY(state->arena, ByteSpan, index->item_count + 1)};
    for (size_t i = 0; i < index->item_count; i++) {
        if (index->items[i].kind == EVIDENCE_SHARD)
            file.shards[file.shard_count++] = state->file.items[i];
    }
    ErrCode code =
        plan_file_check(state->arena, &file, &state->out.header, &state->out.shards, err);
    if (code != ERR_OK)
        return evidence_not(err, "the plan's shards");
    state->jobs = ARENA_ARRAY(state->arena, EvidenceJob *, state->out.header.shard_count + 1);
    if (rollout_new(&state->out.header, state->out.shards, file.shard_count, &state->out.core,
                    err) != ERR_OK)
        return evidence_not(err, "the plan");
    return ERR_OK;
}

static ErrCode open_bundle(EvidenceState *state, Error *err)
{
    const Evidence *index = &state->file.index;
    EvidenceSummary *out = &state->out;
    for (size_t i = 0; i < index->item_count; i++) {
        ByteSpan bytes = state->file.items[i];
        ErrCode code;
        if (index->items[i].kind == EVIDENCE_BUNDLE)
            code =
                bundle_open(state->arena, bytes.bytes, bytes.length, state->now, &out->bundle, err);
        else if (index->items[i].kind == EVIDENCE_MANIFEST)
            code = bundle_manifest_open(state->arena, bytes.bytes, bytes.length, state->now,
                                        &out->bundle, err);
        else
            continue;
        if (code != ERR_OK)
            return evidence_not(err, evidence_item_name(state->scratch, index, i));
        if (!digest_equal(&out->bundle.digest, &out->header.bundle_digest))
            return err_set(err, ERR_EVIDENCE, "the bundle: it is not the plan's");
        out->has_files = index->items[i].kind == EVIDENCE_BUNDLE;
        state->bundle_checked = true;
    }
    if (!state->bundle_checked)
        return err_set(err, ERR_EVIDENCE, "the bundle: it is not there");
    return ERR_OK;
}

static ErrCode take_plan(EvidenceState *state, ByteSpan payload, Error *err)
{
    PlanSubmitted submitted;
    if (state->out.core != NULL)
        return err_set(err, ERR_EVIDENCE, "a second plan");
    ErrCode code = plan_submitted_decode(state->arena, payload, &submitted, err);
    if (code == ERR_OK)
        code = open_header(state, submitted.header_envelope, err);
    if (code != ERR_OK)
        return evidence_not(err, "the plan");
    code = open_shards(state, err);
    return code == ERR_OK ? open_bundle(state, err) : code;
}

static ErrCode check_approval(const EvidenceState *state, const Approval *approval,
                              const TrustOperator *signer, const char *name, Error *err)
{
    const EvidenceSummary *out = &state->out;
    if (!digest_equal(&approval->plan_digest, &out->plan_digest))
        return err_set(err, ERR_EVIDENCE, "%s: it is of another plan", name);
    if (!operator_role_covers(signer->role, OPERATOR_ROLE_APPROVER))
        return err_set(err, ERR_EVIDENCE, "%s: who signed it may not approve", name);
    if (approval->verdict == VERDICT_APPROVED &&
        (strcmp(signer->key.keyid, out->header.author) == 0 ||
         strcmp(signer->key.name, out->author) == 0))
        return err_set(err, ERR_EVIDENCE, "%s: it is the author's own", name);
    if (out->started)
        return err_set(err, ERR_EVIDENCE, "%s: it came after the start", name);
    return ERR_OK;
}

static ErrCode take_approval(EvidenceState *state, ByteSpan payload, Error *err)
{
    EvidenceSummary *out = &state->out;
    const char *name = arena_printf(state->scratch, "approval %zu", out->approval_count + 1);
    ByteSpan envelope;
    const uint8_t *bytes;
    size_t length;
    Signers signers;
    Approval approval;
    ErrCode code =
        journal_envelope_decode(state->arena, JOURNAL_APPROVAL_RECORDED, payload, &envelope, err);
    if (code == ERR_OK)
        code = envelope_open(state->arena, envelope.bytes, envelope.length, MESSAGE_APPROVAL,
                             trust_lookup_operator, (void *)(uintptr_t)state->now, &bytes, &length,
                             &signers, err);
    if (code == ERR_OK)
        code = approval_decode(state->arena, bytes, length, &approval, err);
    if (code != ERR_OK)
        return evidence_not(err, name);
    const TrustOperator *signer = trust_find_operator(state->now, signers.items[0].keyid);
    name = arena_printf(state->scratch, "%s by %.63s", name, signer->key.name);
    code = check_approval(state, &approval, signer, name, err);
    if (code != ERR_OK)
        return code;
    out->approvals = arena_grow(state->arena, out->approvals, out->approval_count,
                                out->approval_count + 1, sizeof *out->approvals);
    out->approvals[out->approval_count++] =
        (EvidenceApproval){arena_strdup(state->arena, signer->key.name),
                           arena_strdup(state->arena, signer->key.keyid), approval};
    return ERR_OK;
}

/* --- the start -------------------------------------------------------------------------------- */

/* Each person once, by key and by name; whoever has lost the role since does not count. */
static bool counts(const EvidenceState *state, size_t index, uint64_t unix_ms)
{
    const EvidenceApproval *given = &state->out.approvals[index];
    const TrustOperator *signer = trust_find_operator(state->now, given->keyid);
    if (given->approval.verdict != VERDICT_APPROVED || signer == NULL ||
        !operator_role_covers(signer->role, OPERATOR_ROLE_APPROVER) ||
        (given->approval.expires_unix_ms != 0 && given->approval.expires_unix_ms <= unix_ms))
        return false;
    for (size_t i = 0; i < index; i++) {
        const EvidenceApproval *other = &state->out.approvals[i];
        if (other->approval.verdict == VERDICT_APPROVED &&
            (strcmp(other->keyid, given->keyid) == 0 || strcmp(other->name, given->name) == 0))
            return false;
    }
    return true;
}

static ErrCode check_start(EvidenceState *state, const RolloutRecord *record, Error *err)
{
    EvidenceSummary *out = &state->out;
    uint32_t given = 0;
    for (size_t i = 0; i < out->approval_count; i++) {
        if (out->approvals[i].approval.verdict == VERDICT_REJECTED)
            return err_set(err, ERR_EVIDENCE, "the start: %.63s had rejected the plan",
                           out->approvals[i].name);
        given += counts(state, i, record->at_unix_ms) ? 1 : 0;
    }
    if (given < out->header.policy.approvals)
        return err_set(err, ERR_EVIDENCE,
                       "the start: the plan needs %u approvals, %u held at that time",
                       out->header.policy.approvals, given);
    if (out->header.expires_unix_ms <= record->at_unix_ms)
        return err_set(err, ERR_EVIDENCE, "the start: the plan had expired");
    out->started = true;
    out->started_unix_ms = record->at_unix_ms;
    return ERR_OK;
}

static void note_failure(EvidenceState *state, uint64_t seq, const RolloutRecord *record)
{
    const RolloutShardRecord *shard = record->shards;
    EvidenceSummary *out = &state->out;
    if (record->kind != ROLLOUT_RECORD_SHARD_ENDED || shard->outcome == OUTCOME_SUCCEEDED ||
        shard->outcome == OUTCOME_STOPPED)
        return;
    out->failures = arena_grow(state->arena, out->failures, out->failure_count,
                               out->failure_count + 1, sizeof *out->failures);
    out->failures[out->failure_count++] = (EvidenceFailure){
        .seq = seq,
        .at_unix_ms = record->at_unix_ms,
        .index = shard->index,
        .direction = shard->direction,
        .attempt = shard->attempt,
        .outcome = shard->outcome,
        .revision = arena_strdup(state->arena, shard->revision),
        .code = arena_strdup(state->arena, shard->code),
        .sqlstate = arena_strdup(state->arena, shard->sqlstate),
        .message = arena_strdup(state->arena, shard->message),
    };
}

static ErrCode take_decision(EvidenceState *state, ByteSpan payload, uint64_t seq, Error *err)
{
    Uuid rollout;
    RolloutRecord record;
    ErrCode code = rollout_record_decode(state->scratch, payload, &rollout, &record, err);
    if (code == ERR_OK && !uuid_equal(&rollout, &state->out.header.rollout_id))
        code = err_set(err, ERR_EVIDENCE, "it is of another rollout");
    if (code == ERR_OK)
        code = evidence_check_word(state, &record, err);
    if (code == ERR_OK && record.kind == ROLLOUT_RECORD_STARTED)
        code = check_start(state, &record, err);
    if (code == ERR_OK)
        code = evidence_check_report(state, &record, err);
    if (code == ERR_OK)
        code = rollout_replay(state->out.core, &record, err);
    if (code == ERR_OK)
        note_failure(state, seq, &record);
    if (code == ERR_OK && record.kind == ROLLOUT_RECORD_STATE &&
        rollout_state_is_terminal(record.state))
        state->out.finished_unix_ms = record.at_unix_ms;
    return code;
}

/* --- records ---------------------------------------------------------------------------------- */

static ErrCode take_fleet_word(EvidenceState *state, const EvidenceRecord *record, Error *err)
{
    FleetWord word;
    ErrCode code =
        fleet_word_decode(state->scratch, (JournalKind)record->kind, record->payload, &word, err);
    return code == ERR_OK ? evidence_check_fleet_word(state, &word, err) : code;
}

static ErrCode take_request(EvidenceState *state, const EvidenceRecord *record, Error *err)
{
    RequestDone done;
    ErrCode code = request_done_decode(state->arena, record->payload, &done, err);
    return code == ERR_OK ? evidence_take_request(state, &done, record->seq, err) : code;
}

static ErrCode take_report(EvidenceState *state, ByteSpan payload, Error *err)
{
    ByteSpan envelope;
    ErrCode code =
        journal_envelope_decode(state->scratch, JOURNAL_REPORT_KEPT, payload, &envelope, err);
    return code == ERR_OK ? evidence_take_report(state, envelope, err) : code;
}

static ErrCode take_record(EvidenceState *state, const EvidenceRecord *record, Error *err)
{
    bool first = record->seq == state->file.index.first_seq;
    if (first != (record->shown && record->kind == JOURNAL_PLAN_SUBMITTED))
        return err_set(err, ERR_EVIDENCE,
                       first ? "the excerpt does not begin with the plan" : "a second plan");
    if (!record->shown)
        return ERR_OK;
    switch ((JournalKind)record->kind) {
    case JOURNAL_AGENT_ADMITTED:
        return take_admission(state, record->payload, err);
    case JOURNAL_PLAN_SUBMITTED:
        return take_plan(state, record->payload, err);
    case JOURNAL_APPROVAL_RECORDED:
        return take_approval(state, record->payload, err);
    case JOURNAL_REQUEST_DONE:
        return take_request(state, record, err);
    case JOURNAL_ROLLOUT_RECORD:
        return take_decision(state, record->payload, record->seq, err);
    case JOURNAL_SHARD_QUARANTINED:
    case JOURNAL_FLEET_BRAKED:
        return take_fleet_word(state, record, err);
    case JOURNAL_REPORT_KEPT:
        return take_report(state, record->payload, err);
    case JOURNAL_TRUST_IN_FORCE:
        return take_trust(state, record->payload, err);
    default:
        break;
    }
    return err_set(err, ERR_EVIDENCE, "a kind of record this version does not know: %u",
                   record->kind);
}

typedef struct Chain {
    uint64_t seq;
    uint64_t epoch;
    Digest hash;
} Chain;

static ErrCode check_link(const EvidenceRecord *record, Chain *chain, Error *err)
{
    Digest hash =
        chain_hash(&chain->hash, record->seq, record->epoch, record->kind, &record->payload_digest);
    if (record->seq != chain->seq + 1)
        return err_set(err, ERR_EVIDENCE, "it says that it is number %llu",
                       (unsigned long long)record->seq);
    if (record->epoch < chain->epoch)
        return err_set(err, ERR_EVIDENCE, "its epoch is lower than the one before");
    if (!digest_equal(&hash, &record->hash))
        return err_set(err, ERR_EVIDENCE,
                       "its hash is not that of its content and of what was "
                       "before: the chain is broken");
    *chain = (Chain){record->seq, record->epoch, hash};
    return ERR_OK;
}

static ErrCode walk_one(EvidenceState *state, size_t item, Chain *chain, Error *err)
{
    EvidenceRecord record;
    arena_reset(state->scratch);
    ErrCode code = evidence_record_decode(state->scratch, state->file.items[item], &record, err);
    if (code == ERR_OK)
        code = check_link(&record, chain, err);
    if (code == ERR_OK)
        code = take_record(state, &record, err);
    if (code != ERR_OK)
        return evidence_not(err, evidence_item_name(state->scratch, &state->file.index, item));
    state->out.record_count++;
    state->out.shown_count += record.shown ? 1 : 0;
    return ERR_OK;
}

ErrCode evidence_walk(EvidenceState *state, Error *err)
{
    const Evidence *index = &state->file.index;
    Chain chain = {.seq = index->first_seq - 1, .hash = index->chain_before};
    for (size_t i = 0; i < index->item_count; i++) {
        if (index->items[i].kind != EVIDENCE_RECORD)
            continue;
        ErrCode code = walk_one(state, i, &chain, err);
        if (code != ERR_OK)
            return code;
    }
    if (state->out.core == NULL)
        return err_set(err, ERR_EVIDENCE, "the journal's excerpt: it is not there");
    state->out.last_seq = chain.seq;
    state->out.last_hash = chain.hash;
    return ERR_OK;
}
