#include "evidence_state.h"

#include "digest.h"
#include "message_codec.h"

#include <stdio.h>
#include <string.h>

ErrCode evidence_not(Error *err, const char *part)
{
    char message[sizeof err->message];
    char detail[sizeof err->detail];
    snprintf(message, sizeof message, "%s", err->message);
    snprintf(detail, sizeof detail, "%s", err->detail);
    err_set(err, ERR_EVIDENCE, "%s: %s", part, message);
    if (detail[0] != '\0')
        err_detail(err, "%s", detail);
    return ERR_EVIDENCE;
}

/* --- bytes ------------------------------------------------------------------------------------ */

/* A name is only told when it is one that the index knows: it may be what was changed. */
static bool is_known_agent(const EvidenceState *state, const char *name)
{
    for (size_t i = 0; i < state->file.index.item_count; i++) {
        const EvidenceItem *item = &state->file.index.items[i];
        if (item->kind == EVIDENCE_ADMISSION && strcmp(item->name, name) == 0)
            return true;
    }
    return false;
}

static const char *record_words(EvidenceState *state, const EvidenceRecord *record)
{
    ByteSpan envelope;
    const uint8_t *payload;
    size_t length;
    Report report;
    Error ignored;
    switch ((JournalKind)record->kind) {
    case JOURNAL_PLAN_SUBMITTED:
        return "the plan, signed by its author";
    case JOURNAL_APPROVAL_RECORDED:
        return "an approval";
    case JOURNAL_AGENT_ADMITTED:
        return "an admission";
    case JOURNAL_REQUEST_DONE:
        return "an operator's request";
    case JOURNAL_ROLLOUT_RECORD:
        return "a decision";
    case JOURNAL_TRUST_IN_FORCE:
        return "a trust file";
    case JOURNAL_REPORT_KEPT:
        break;
    default:
        return NULL;
    }
    if (journal_envelope_decode(state->scratch, JOURNAL_REPORT_KEPT, record->payload, &envelope,
                                &ignored) != ERR_OK ||
        envelope_peek_unverified(state->scratch, envelope.bytes, envelope.length, MESSAGE_REPORT,
                                 &payload, &length, NULL, &ignored) != ERR_OK ||
        report_decode(state->scratch, payload, length, &report, &ignored) != ERR_OK ||
        !is_known_agent(state, report.agent))
        return "an agent's report";
    return arena_printf(state->scratch, "a report of agent %.63s", report.agent);
}

/* What a changed item seems to be, for whoever has to look at it. */
static const char *item_words(EvidenceState *state, size_t item)
{
    EvidenceRecord record;
    Error ignored;
    if (state->file.index.items[item].kind != EVIDENCE_RECORD ||
        evidence_record_decode(state->scratch, state->file.items[item], &record, &ignored) !=
            ERR_OK ||
        !record.shown)
        return NULL;
    return record_words(state, &record);
}

static ErrCode check_item(EvidenceState *state, size_t item, Error *err)
{
    ByteSpan bytes = state->file.items[item];
    Digest digest = sha256_bytes(bytes.bytes, bytes.length);
    if (digest_equal(&digest, &state->file.index.items[item].sha256))
        return ERR_OK;
    const char *words = item_words(state, item);
    return err_set(err, ERR_EVIDENCE, "%s%s%s%s: its bytes are not those that were signed",
                   evidence_item_name(state->scratch, &state->file.index, item),
                   words == NULL ? "" : " (", words == NULL ? "" : words, words == NULL ? "" : ")");
}

static ErrCode check_items(EvidenceState *state, bool only_trust, Error *err)
{
    for (size_t i = 0; i < state->file.index.item_count; i++) {
        if (only_trust && state->file.index.items[i].kind != EVIDENCE_TRUST)
            continue;
        ErrCode code = check_item(state, i, err);
        if (code != ERR_OK)
            return code;
    }
    return ERR_OK;
}

/* --- who made it ------------------------------------------------------------------------------ */

static ErrCode open_index(EvidenceState *state, Signers *ret_signers, Error *err)
{
    const uint8_t *payload;
    size_t length;
    return envelope_open(state->scratch, state->file.envelope.bytes, state->file.envelope.length,
                         MESSAGE_EVIDENCE, evidence_lookup_coordinator, state, &payload, &length,
                         ret_signers, err);
}

/* The coordinator may be one of a trust file in the evidence, which the one given vouches for. */
static ErrCode check_index(EvidenceState *state, Error *err)
{
    Signers signers;
    ErrCode code = open_index(state, &signers, err);
    if (code == ERR_KEY_UNKNOWN) {
        code = check_items(state, true, err);
        if (code == ERR_OK)
            code = evidence_accept_trusts(state, err);
        if (code != ERR_OK)
            return code;
        code = open_index(state, &signers, err);
    }
    if (code == ERR_KEY_UNKNOWN) {
        err_set(err, ERR_KEY_UNKNOWN, "the index: no coordinator of these trust files signed it");
        err_hint(err, "Give the trust file of the fleet that it is from with --trust.");
        return ERR_KEY_UNKNOWN;
    }
    if (code != ERR_OK)
        return evidence_not(err, "the index");
    state->out.made_by = arena_strdup(state->arena, signers.items[0].keyid);
    state->out.signer_retired = !trust_is_coordinator(state->pinned, signers.items[0].keyid);
    return ERR_OK;
}

/* --- the whole -------------------------------------------------------------------------------- */

static ErrCode take_items_before(EvidenceState *state, Error *err)
{
    const Evidence *index = &state->file.index;
    if (!uuid_equal(&index->fleet_id, trust_fleet_id(state->pinned)))
        return err_set(err, ERR_REFUSED, "the evidence is of another fleet than the trust file");
    for (size_t i = 0; i < index->item_count; i++) {
        ErrCode code = ERR_OK;
        if (index->items[i].kind == EVIDENCE_TRUST && state->now == NULL)
            state->now = evidence_trust_of(state, state->file.items[i]);
        else if (index->items[i].kind == EVIDENCE_ADMISSION && state->now != NULL)
            code = evidence_admit(state, state->file.items[i], err);
        if (code != ERR_OK)
            return evidence_not(err, evidence_item_name(state->scratch, index, i));
    }
    if (state->now == NULL)
        return err_set(err, ERR_EVIDENCE, "trust file: there is none in it");
    return ERR_OK;
}

static ErrCode check_end(EvidenceState *state, Error *err)
{
    EvidenceSummary *out = &state->out;
    RolloutState said = state->file.index.state;
    out->state = out->started ? rollout_state(out->core) : said;
    bool before_start = said == ROLLOUT_DRAFT || said == ROLLOUT_APPROVED;
    if (out->started ? said != out->state : !before_start)
        return err_set(err, ERR_EVIDENCE, "the end: it is said to be %s, the journal leads to %s",
                       rollout_state_name(said),
                       rollout_state_name(out->started ? out->state : ROLLOUT_APPROVED));
    return evidence_check_ends(state, err);
}

static ErrCode check(EvidenceState *state, const uint8_t *bytes, size_t length, Error *err)
{
    ErrCode code = evidence_read(state->arena, bytes, length, &state->file, err);
    if (code == ERR_OK)
        code = check_index(state, err);
    if (code == ERR_OK)
        code = check_items(state, false, err);
    if (code == ERR_OK)
        code = evidence_accept_trusts(state, err);
    if (code == ERR_OK)
        code = take_items_before(state, err);
    if (code == ERR_OK)
        code = evidence_walk(state, err);
    return code == ERR_OK ? check_end(state, err) : code;
}

ErrCode evidence_check(Arena *arena, const uint8_t *bytes, size_t length, const Trust *trust,
                       EvidenceSummary *ret_summary, Error *err)
{
    AUTO_ARENA Arena *scratch = arena_new();
    EvidenceState *state = ARENA_NEW(arena, EvidenceState); /* the core borrows the plan from it */
    state->arena = arena;
    state->scratch = scratch;
    state->pinned = trust;
    ErrCode code = check(state, bytes, length, err);
    state->out.index = state->file.index;
    state->out.trust_version = state->now == NULL ? 0 : trust_version(state->now);
    evidence_trusts_free(state);
    if (code != ERR_OK) {
        evidence_summary_done(&state->out);
        return code;
    }
    *ret_summary = state->out;
    return ERR_OK;
}

void evidence_summary_done(EvidenceSummary *summary)
{
    rollout_free(summary->core);
    summary->core = NULL;
}
