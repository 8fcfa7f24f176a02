/*
 * What operators have asked for while the rollout was at work. A record in an operator's name has
 * to follow from the last request that somebody signed, and each request stands for one such
 * record: the coordinator can't pause twice with one signature.
 */
#include "evidence_state.h"

#include "proto_read.h"

#include <string.h>

typedef Pgtide__V1__Request Request;

static const char *control_name(const Request *request)
{
    static const char *const names[] = {"?",     "start", "pause", "resume", "abort",
                                        "retry", "skip",  "set",   "check"};
    static const char *const fleet[] = {"?", "quarantine", "release", "brake on", "brake off"};
    unsigned control;
    switch (request->body_case) {
    case PGTIDE__V1__REQUEST__BODY_CONTROL:
        control = (unsigned)request->control->control;
        return control < sizeof names / sizeof *names ? names[control] : "?";
    case PGTIDE__V1__REQUEST__BODY_CONTROL_FLEET:
        control = (unsigned)request->control_fleet->control;
        return control < sizeof fleet / sizeof *fleet ? fleet[control] : "?";
    default:
        return "another request";
    }
}

static const char *reason_of(const Request *request)
{
    if (request->body_case == PGTIDE__V1__REQUEST__BODY_CONTROL)
        return request->control->reason;
    if (request->body_case == PGTIDE__V1__REQUEST__BODY_CONTROL_FLEET)
        return request->control_fleet->reason;
    return "";
}

static void note_action(EvidenceState *state, uint64_t seq)
{
    EvidenceSummary *out = &state->out;
    const Request *request = state->word.request;
    out->actions = arena_grow(state->arena, out->actions, out->action_count, out->action_count + 1,
                              sizeof *out->actions);
    out->actions[out->action_count++] = (EvidenceAction){
        .seq = seq,
        .created_unix_ms = request->created_unix_ms,
        .name = arena_strdup(state->arena, state->word.signer->key.name),
        .keyid = arena_strdup(state->arena, state->word.signer->key.keyid),
        .what = control_name(request),
        .reason = reason_of(request),
    };
}

ErrCode evidence_take_request(EvidenceState *state, const RequestDone *done, uint64_t seq,
                              Error *err)
{
    state->word = (EvidenceWord){0};
    if (done->envelope.length == 0)
        return ERR_OK; /* what it asks for is signed by itself, and follows */
    const uint8_t *payload;
    size_t length;
    Signers signers;
    Request *request;
    Uuid id;
    Uuid fleet;
    ErrCode code = envelope_open(state->arena, done->envelope.bytes, done->envelope.length,
                                 MESSAGE_REQUEST, trust_lookup_operator,
                                 (void *)(uintptr_t)state->now, &payload, &length, &signers, err);
    if (code == ERR_OK)
        code = proto_unpack(state->arena, &pgtide__v1__request__descriptor, payload, length,
                            UNKNOWN_FIELDS_REFUSE, (ProtobufCMessage **)&request, err);
    if (code == ERR_OK)
        code = proto_uuid(&request->request_id, "request id", &id, err);
    if (code == ERR_OK)
        code = proto_uuid(&request->fleet_id, "fleet id", &fleet, err);
    if (code != ERR_OK)
        return evidence_not(err, "a request");
    const TrustOperator *signer = trust_find_operator(state->now, signers.items[0].keyid);
    if (signers.count != 1 || strcmp(signer->key.keyid, done->keyid) != 0 ||
        !uuid_equal(&id, &done->request_id) || !uuid_equal(&fleet, trust_fleet_id(state->now)) ||
        request->created_unix_ms != done->created_unix_ms)
        return err_set(err, ERR_EVIDENCE, "the request of %.63s: it is not the one that was signed",
                       signer->key.name);
    if (!operator_role_covers(signer->role, OPERATOR_ROLE_OPERATOR))
        return err_set(err, ERR_EVIDENCE, "the request of %.63s: who signed it may ask for nothing",
                       signer->key.name);
    state->word = (EvidenceWord){.request = request, .signer = signer};
    note_action(state, seq);
    return ERR_OK;
}

/* --- does the record follow from the word? ---------------------------------------------------- */

static Pgtide__V1__Control control_of(const RolloutRecord *record)
{
    switch (record->kind) {
    case ROLLOUT_RECORD_STARTED:
        return PGTIDE__V1__CONTROL__CONTROL_START;
    case ROLLOUT_RECORD_STATE:
        if (record->state == ROLLOUT_PAUSED)
            return PGTIDE__V1__CONTROL__CONTROL_PAUSE;
        return record->state == ROLLOUT_RUNNING ? PGTIDE__V1__CONTROL__CONTROL_RESUME
                                                : PGTIDE__V1__CONTROL__CONTROL_UNSPECIFIED;
    case ROLLOUT_RECORD_GATE_PASSED:
        return PGTIDE__V1__CONTROL__CONTROL_RESUME;
    case ROLLOUT_RECORD_ABORT_DECIDED:
        return PGTIDE__V1__CONTROL__CONTROL_ABORT;
    case ROLLOUT_RECORD_RETRIED:
        return PGTIDE__V1__CONTROL__CONTROL_RETRY;
    case ROLLOUT_RECORD_SKIPPED:
        return PGTIDE__V1__CONTROL__CONTROL_SKIP;
    case ROLLOUT_RECORD_SET:
        return PGTIDE__V1__CONTROL__CONTROL_SET;
    default:
        return PGTIDE__V1__CONTROL__CONTROL_UNSPECIFIED;
    }
}

static bool names_shard(Arena *arena, const PlanShard *shard, char *const *names, size_t count)
{
    char uuid[UUID_TEXT_SIZE];
    uuid_format(&shard->uuid, uuid);
    const char *shown = shard_display_name(arena, shard->cluster, shard->database, shard->schema);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], uuid) == 0 || strcmp(names[i], shown) == 0)
            return true;
    }
    return false;
}

static bool names_all(const EvidenceState *state, const RolloutRecord *record, char *const *names,
                      size_t count)
{
    for (size_t i = 0; i < record->shard_count; i++) {
        uint32_t index = record->shards[i].index;
        if (index >= state->out.header.shard_count ||
            !names_shard(state->scratch, &state->out.shards[index], names, count))
            return false;
    }
    return true;
}

static bool names_rollout(const EvidenceState *state, const Pgtide__V1__ControlRollout *control)
{
    char id[UUID_TEXT_SIZE];
    uuid_format(&state->out.header.rollout_id, id);
    if (control->plan_digest.len > 0)
        return control->plan_digest.len == sizeof state->out.plan_digest.bytes &&
               memcmp(control->plan_digest.data, state->out.plan_digest.bytes,
                      sizeof state->out.plan_digest.bytes) == 0;
    return strcmp(control->rollout, id) == 0 ||
           strcmp(control->rollout, state->out.header.name) == 0;
}

static bool follows_from_control(const EvidenceState *state, const RolloutRecord *record,
                                 const Pgtide__V1__ControlRollout *control)
{
    if (control->control != control_of(record) || !names_rollout(state, control) ||
        strcmp(control->reason, record->reason) != 0)
        return false;
    switch (record->kind) {
    case ROLLOUT_RECORD_RETRIED:
        return control->n_shards == 0 ||
               names_all(state, record, control->shards, control->n_shards);
    case ROLLOUT_RECORD_SKIPPED:
        return names_all(state, record, control->shards, control->n_shards);
    case ROLLOUT_RECORD_SET:
        return (uint32_t)rollout_setting_find(state->out.core, control->setting) ==
                   record->setting &&
               control->value == record->value;
    default:
        return true;
    }
}

static bool follows_from_quarantine(const EvidenceState *state, const RolloutRecord *record,
                                    const Pgtide__V1__ControlFleet *control)
{
    return record->kind == ROLLOUT_RECORD_SKIPPED &&
           control->control == PGTIDE__V1__FLEET_CONTROL__FLEET_CONTROL_QUARANTINE &&
           names_all(state, record, control->shards, control->n_shards);
}

static bool may_come_again(const RolloutRecord *record)
{
    return record->kind == ROLLOUT_RECORD_GATE_PASSED || record->kind == ROLLOUT_RECORD_RETRIED ||
           record->kind == ROLLOUT_RECORD_SKIPPED;
}

static bool follows(EvidenceState *state, const RolloutRecord *record)
{
    EvidenceWord *word = &state->word;
    if (word->request == NULL || word->used || strcmp(word->signer->key.name, record->who) != 0)
        return false;
    bool follows = false;
    if (word->request->body_case == PGTIDE__V1__REQUEST__BODY_CONTROL)
        follows = follows_from_control(state, record, word->request->control);
    else if (word->request->body_case == PGTIDE__V1__REQUEST__BODY_CONTROL_FLEET)
        follows = follows_from_quarantine(state, record, word->request->control_fleet);
    word->used = follows && !may_come_again(record);
    return follows;
}

/* The end of an abort is told in the name of whoever wanted it: that was checked at its beginning.
 */
static bool ends_an_abort(const EvidenceState *state, const RolloutRecord *record)
{
    return record->kind == ROLLOUT_RECORD_STATE && record->state == ROLLOUT_ABORTED &&
           strcmp(rollout_who(state->out.core), record->who) == 0;
}

ErrCode evidence_check_word(EvidenceState *state, const RolloutRecord *record, Error *err)
{
    bool needs_one = record->who[0] != '\0' || record->kind == ROLLOUT_RECORD_STARTED ||
                     record->kind == ROLLOUT_RECORD_ABORT_DECIDED ||
                     record->kind == ROLLOUT_RECORD_RETRIED ||
                     record->kind == ROLLOUT_RECORD_SKIPPED || record->kind == ROLLOUT_RECORD_SET;
    if (!needs_one || ends_an_abort(state, record) || follows(state, record))
        return ERR_OK;
    return err_set(err, ERR_EVIDENCE, "%s in the name of '%.63s': no such request was signed",
                   rollout_record_kind_name(record->kind), record->who);
}

ErrCode evidence_check_fleet_word(EvidenceState *state, const FleetWord *word, Error *err)
{
    const EvidenceWord *asked = &state->word;
    bool signed_so = asked->request != NULL &&
                     asked->request->body_case == PGTIDE__V1__REQUEST__BODY_CONTROL_FLEET &&
                     strcmp(asked->signer->key.name, word->who) == 0 &&
                     strcmp(asked->request->control_fleet->reason, word->reason) == 0;
    if (signed_so)
        return ERR_OK;
    return err_set(err, ERR_EVIDENCE,
                   "a word about the fleet in the name of '%.63s': no such "
                   "request was signed",
                   word->who);
}
