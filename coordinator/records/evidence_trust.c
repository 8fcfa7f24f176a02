#include "evidence_state.h"

#include <stdlib.h>
#include <string.h>

/* --- which trust files count ------------------------------------------------------------------ */

typedef struct Candidate {
    ByteSpan bytes;
    const char *name;
    Trust *trust; /* owned until it is accepted */
} Candidate;

typedef struct Candidates {
    Candidate *items;
    size_t count;
} Candidates;

static ErrCode add_candidate(EvidenceState *state, Candidates *list, ByteSpan bytes,
                             const char *name, Error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].bytes.length == bytes.length &&
            memcmp(list->items[i].bytes.bytes, bytes.bytes, bytes.length) == 0)
            return ERR_OK;
    }
    Trust *trust;
    if (trust_open(bytes.bytes, bytes.length, 0, &trust, err) != ERR_OK)
        return evidence_not(err, name);
    list->items =
        arena_grow(state->arena, list->items, list->count, list->count + 1, sizeof *list->items);
    list->items[list->count++] = (Candidate){bytes, name, trust};
    return ERR_OK;
}

/* Those that stand for themselves, and those that came into force while it was at work. */
static ErrCode find_candidates(EvidenceState *state, Candidates *list, Error *err)
{
    const Evidence *index = &state->file.index;
    for (size_t i = 0; i < index->item_count; i++) {
        ByteSpan bytes = state->file.items[i];
        EvidenceRecord record;
        ErrCode code = ERR_OK;
        arena_reset(state->scratch);
        if (index->items[i].kind == EVIDENCE_TRUST) {
            code =
                add_candidate(state, list, bytes, evidence_item_name(state->arena, index, i), err);
        } else if (index->items[i].kind == EVIDENCE_RECORD &&
                   evidence_record_decode(state->scratch, bytes, &record, err) == ERR_OK &&
                   record.shown && record.kind == JOURNAL_TRUST_IN_FORCE) {
            const char *name = evidence_item_name(state->arena, index, i);
            ByteSpan envelope;
            if (journal_envelope_decode(state->arena, JOURNAL_TRUST_IN_FORCE, record.payload,
                                        &envelope, err) != ERR_OK)
                return evidence_not(err, name);
            code = add_candidate(state, list, envelope, name, err);
        }
        if (code != ERR_OK)
            return code;
    }
    return ERR_OK;
}

static bool is_pinned(const EvidenceState *state, const Trust *trust)
{
    Digest own = trust_digest(state->pinned);
    Digest other = trust_digest(trust);
    return digest_equal(&own, &other);
}

/* The root keys of a later version have signed this one too: they vouch for it. Its own root keys
 * may have been other ones; then only whoever pinned it then can say so. */
static bool is_vouched_by_roots(EvidenceState *state, const Trust *later, ByteSpan bytes)
{
    AUTO_ARENA Arena *arena = arena_new();
    Signers signers;
    const uint8_t *payload;
    size_t length;
    Error ignored;
    (void)state;
    return envelope_open(arena, bytes.bytes, bytes.length, MESSAGE_TRUST, trust_lookup_root,
                         (void *)(uintptr_t)later, &payload, &length, &signers,
                         &ignored) == ERR_OK &&
           trust_root_threshold_met(later, &signers, &ignored) == ERR_OK;
}

static bool is_next_of(const Trust *current, ByteSpan bytes)
{
    Trust *next;
    Error ignored;
    if (trust_open_next(current, bytes.bytes, bytes.length, 0, &next, &ignored) != ERR_OK)
        return false;
    trust_free(next);
    return true;
}

static bool leads_from(EvidenceState *state, const Trust *known, const Candidate *candidate)
{
    uint64_t version = trust_version(candidate->trust);
    if (version > trust_version(known))
        return is_next_of(known, candidate->bytes);
    return version < trust_version(known) && is_vouched_by_roots(state, known, candidate->bytes);
}

static bool is_acceptable(EvidenceState *state, const Candidate *candidate)
{
    if (is_pinned(state, candidate->trust) || leads_from(state, state->pinned, candidate))
        return true;
    for (size_t i = 0; i < state->trust_count; i++) {
        if (leads_from(state, state->trusts[i].trust, candidate))
            return true;
    }
    return false;
}

static void accept(EvidenceState *state, Candidate *candidate)
{
    state->trusts = arena_grow(state->arena, state->trusts, state->trust_count,
                               state->trust_count + 1, sizeof *state->trusts);
    state->trusts[state->trust_count++] = (EvidenceTrust){candidate->trust, candidate->bytes};
    candidate->trust = NULL;
}

/* One may lead to another: as long as any was accepted, the others are looked at again. */
static void accept_what_leads(EvidenceState *state, Candidates *list)
{
    bool more = true;
    while (more) {
        more = false;
        for (size_t i = 0; i < list->count; i++) {
            if (list->items[i].trust == NULL || !is_acceptable(state, &list->items[i]))
                continue;
            accept(state, &list->items[i]);
            more = true;
        }
    }
}

static ErrCode refuse(const EvidenceState *state, const Candidate *candidate, Error *err)
{
    uint64_t version = trust_version(candidate->trust);
    if (!uuid_equal(trust_fleet_id(candidate->trust), trust_fleet_id(state->pinned))) {
        err_set(err, ERR_REFUSED, "%s: it is of another fleet than the trust file given",
                candidate->name);
        err_hint(err, "Give that fleet's trust file with --trust.");
        return ERR_REFUSED;
    }
    err_set(err, ERR_KEY_UNKNOWN, "%s: the trust file given does not vouch for its version %llu",
            candidate->name, (unsigned long long)version);
    err_detail(err, "the one given is version %llu",
               (unsigned long long)trust_version(state->pinned));
    err_hint(err, "Give the trust file that was in force then with --trust.");
    return ERR_KEY_UNKNOWN;
}

ErrCode evidence_accept_trusts(EvidenceState *state, Error *err)
{
    Candidates list = {0};
    ErrCode code = state->trust_count > 0 ? ERR_OK : find_candidates(state, &list, err);
    if (code == ERR_OK)
        accept_what_leads(state, &list);
    for (size_t i = 0; i < list.count; i++) {
        if (list.items[i].trust == NULL)
            continue;
        if (code == ERR_OK)
            code = refuse(state, &list.items[i], err);
        trust_free(list.items[i].trust);
    }
    if (code == ERR_OK && state->trust_count == 0)
        code = err_set(err, ERR_EVIDENCE, "trust file: there is none in it");
    return code;
}

void evidence_trusts_free(EvidenceState *state)
{
    for (size_t i = 0; i < state->trust_count; i++)
        trust_free(state->trusts[i].trust);
}

const uint8_t *evidence_lookup_coordinator(void *context, const char *keyid)
{
    EvidenceState *state = context;
    const uint8_t *key = trust_lookup_coordinator((void *)(uintptr_t)state->pinned, keyid);
    for (size_t i = 0; key == NULL && i < state->trust_count; i++)
        key = trust_lookup_coordinator(state->trusts[i].trust, keyid);
    return key;
}

const Trust *evidence_trust_of(const EvidenceState *state, ByteSpan bytes)
{
    for (size_t i = 0; i < state->trust_count; i++) {
        const EvidenceTrust *known = &state->trusts[i];
        if (known->bytes.length == bytes.length &&
            memcmp(known->bytes.bytes, bytes.bytes, bytes.length) == 0)
            return known->trust;
    }
    return NULL;
}
