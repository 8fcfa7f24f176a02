#include "coordinator.h"

#include "blob_sweep.h"
#include "clock.h"
#include "delivery_codec.h"
#include "digest.h"
#include "drift_codec.h"
#include "evidence_make.h"
#include "file.h"
#include "gates.h"
#include "identity.h"
#include "named_limits.h"
#include "relay.h"
#include "sinks.h"

#include <stdlib.h>
#include <string.h>

/* --- the fold ----------------------------------------------------------------------------------
 */

void coordinator_note_place(Coordinator *coordinator, const char *agent, uint64_t seq)
{
    if (coordinator->place_count == coordinator->place_capacity) {
        coordinator->place_capacity =
            coordinator->place_capacity == 0 ? 16 : coordinator->place_capacity * 2;
        coordinator->places = xrealloc(coordinator->places,
                                       coordinator->place_capacity * sizeof *coordinator->places);
    }
    JournalPlace *place = &coordinator->places[coordinator->place_count++];
    *place = (JournalPlace){.seq = seq};
    snprintf(place->agent, sizeof place->agent, "%s", agent);
}

/* An admission by somebody who is no admin any more does not hold: the agent stays outside until
 * it is admitted anew. */
static ErrCode replay_admission(Coordinator *coordinator, Arena *arena, ByteSpan payload,
                                uint64_t seq, Error *err)
{
    ByteSpan envelope;
    Admission admission;
    RosterAgent *agent;
    ErrCode code = journal_envelope_decode(arena, JOURNAL_AGENT_ADMITTED, payload, &envelope, err);
    if (code != ERR_OK)
        return code;
    code =
        admission_open(arena, coordinator->trust, envelope.bytes, envelope.length, &admission, err);
    if (code == ERR_OK)
        code = roster_admit(coordinator->roster, &admission, &agent, err);
    if (code != ERR_OK)
        log_failure(LOG_WARN, "journal.admission_refused", err, NULL);
    else
        coordinator_note_place(coordinator, admission.agent.name, seq);
    return ERR_OK;
}

static ErrCode replay_trust(Coordinator *coordinator, Arena *arena, ByteSpan payload, uint64_t seq,
                            Error *err)
{
    ByteSpan envelope;
    ErrCode code = journal_envelope_decode(arena, JOURNAL_TRUST_IN_FORCE, payload, &envelope, err);
    if (code != ERR_OK)
        return code;
    coordinator->trust_kept = sha256_bytes(envelope.bytes, envelope.length);
    coordinator_note_place(coordinator, "", seq);
    return ERR_OK;
}

static ErrCode replay_plan(Coordinator *coordinator, Arena *arena, ByteSpan payload, uint64_t seq,
                           Error *err)
{
    PlanSubmitted submitted;
    RolloutEntry *entry;
    ErrCode code = plan_submitted_decode(arena, payload, &submitted, err);
    if (code == ERR_OK)
        code = rollouts_add_plan(coordinator->rollouts, &submitted, &entry, err);
    if (code == ERR_OK)
        entry->submitted_seq = seq;
    return code;
}

/* It was verified when it was recorded, and its signer is nobody any more. A rejection still
 * vetoes; an approval is told of and does not count. */
static ErrCode replay_stranger(Coordinator *coordinator, Arena *arena, ByteSpan envelope)
{
    const uint8_t *bytes;
    size_t length;
    const char *keyid;
    Approval approval;
    ErrCode code = envelope_peek_unverified(arena, envelope.bytes, envelope.length,
                                            MESSAGE_APPROVAL, &bytes, &length, NULL, NULL);
    if (code == ERR_OK)
        code = envelope_peek_signer(arena, envelope.bytes, envelope.length, MESSAGE_APPROVAL,
                                    &keyid, NULL);
    if (code == ERR_OK)
        code = approval_decode(arena, bytes, length, &approval, NULL);
    if (code != ERR_OK)
        return code;
    RolloutEntry *entry = rollouts_find_digest(coordinator->rollouts, &approval.plan_digest);
    if (entry == NULL)
        return ERR_KEY_UNKNOWN;
    rollouts_add_approval(coordinator->rollouts, entry, envelope, keyid, &approval);
    return ERR_OK;
}

/* Signers are judged by the trust file of the day when the rollout starts; who it was is told by
 * the signature alone, so it is verified against the operators known now. */
static ErrCode replay_approval(Coordinator *coordinator, Arena *arena, ByteSpan payload, Error *err)
{
    ByteSpan envelope;
    const uint8_t *bytes;
    size_t length;
    Signers signers;
    Approval approval;
    ErrCode code =
        journal_envelope_decode(arena, JOURNAL_APPROVAL_RECORDED, payload, &envelope, err);
    if (code != ERR_OK)
        return code;
    code = envelope_open(arena, envelope.bytes, envelope.length, MESSAGE_APPROVAL,
                         trust_lookup_operator, coordinator->trust, &bytes, &length, &signers, err);
    if (code == ERR_KEY_UNKNOWN && replay_stranger(coordinator, arena, envelope) == ERR_OK)
        return ERR_OK;
    if (code != ERR_OK) {
        log_failure(LOG_WARN, "journal.approval_refused", err, NULL);
        return ERR_OK;
    }
    code = approval_decode(arena, bytes, length, &approval, err);
    if (code != ERR_OK)
        return code;
    RolloutEntry *entry = rollouts_find_digest(coordinator->rollouts, &approval.plan_digest);
    if (entry == NULL)
        return err_set(err, ERR_JOURNAL, "an approval of a plan that was never submitted");
    rollouts_add_approval(coordinator->rollouts, entry, envelope, signers.items[0].keyid,
                          &approval);
    return ERR_OK;
}

static ErrCode replay_request(Coordinator *coordinator, Arena *arena, ByteSpan payload, Error *err)
{
    RequestDone done;
    ErrCode code = request_done_decode(arena, payload, &done, err);
    if (code != ERR_OK)
        return code;
    return request_memory_add(coordinator->requests, &done.request_id, done.created_unix_ms,
                              coordinator->unix_ms, err);
}

static ErrCode replay_rollout(Coordinator *coordinator, Arena *arena, ByteSpan payload, Error *err)
{
    Uuid rollout_id;
    RolloutRecord record;
    ErrCode code = rollout_record_decode(arena, payload, &rollout_id, &record, err);
    if (code == ERR_OK)
        code = rollouts_replay(coordinator->rollouts, &rollout_id, &record, err);
    return code;
}

void coordinator_take_word(Coordinator *coordinator, const FleetWord *word)
{
    if (!uuid_is_nil(&word->shard)) {
        quarantine_word(coordinator->quarantine, word);
        return;
    }
    coordinator->braked = word->on;
    free(coordinator->brake_reason);
    coordinator->brake_reason = NULL;
    if (word->on) {
        Str reason = {0};
        str_printf(&reason, "by %s: %s", word->who, word->reason);
        coordinator->brake_reason = str_take(&reason);
    }
}

static ErrCode replay_word(Coordinator *coordinator, Arena *arena, JournalKind kind,
                           ByteSpan payload, Error *err)
{
    FleetWord word;
    ErrCode code = fleet_word_decode(arena, kind, payload, &word, err);
    if (code == ERR_OK)
        coordinator_take_word(coordinator, &word);
    return code;
}

static ErrCode replay_known(Coordinator *coordinator, Arena *arena, ByteSpan payload, Error *err)
{
    ShardsKnown known;
    ErrCode code = shards_known_decode(arena, payload, &known, err);
    if (code == ERR_OK)
        shard_memory_apply(coordinator->memory, &known);
    return code;
}

static ErrCode replay_drift(Coordinator *coordinator, Arena *arena, JournalKind kind,
                            ByteSpan payload, Error *err)
{
    DriftExpectation expectation;
    DriftAcceptance acceptance;
    bool expects = kind == JOURNAL_SCHEMA_EXPECTED;
    ErrCode code = expects ? schema_expected_decode(arena, payload, &expectation, err)
                           : drift_accepted_decode(arena, payload, &acceptance, err);
    if (code == ERR_OK && expects)
        drift_expect(coordinator->drift, &expectation);
    else if (code == ERR_OK)
        drift_accept(coordinator->drift, &acceptance);
    return code;
}

/* For events: what is known by it has records of its own. */
static ErrCode replay_task(Arena *arena, ByteSpan payload, Error *err)
{
    TaskEnded ended;
    return task_ended_decode(arena, payload, &ended, err);
}

static ErrCode replay_sink(Coordinator *coordinator, Arena *arena, JournalKind kind,
                           ByteSpan payload, Error *err)
{
    DeliveryRecord record;
    ErrCode code =
        delivery_record_decode(arena, kind == JOURNAL_SINK_POSITION, payload, &record, err);
    if (code == ERR_OK)
        sinks_take(coordinator->sinks, &record);
    return code;
}

static ErrCode replay_record(void *context, const JournalRecord *record, Error *err)
{
    Coordinator *coordinator = context;
    AUTO_ARENA Arena *arena = arena_new();
    ByteSpan payload = {record->payload, record->length};
    switch ((JournalKind)record->kind) {
    case JOURNAL_AGENT_ADMITTED:
        return replay_admission(coordinator, arena, payload, record->seq, err);
    case JOURNAL_PLAN_SUBMITTED:
        return replay_plan(coordinator, arena, payload, record->seq, err);
    case JOURNAL_APPROVAL_RECORDED:
        return replay_approval(coordinator, arena, payload, err);
    case JOURNAL_REQUEST_DONE:
        return replay_request(coordinator, arena, payload, err);
    case JOURNAL_ROLLOUT_RECORD:
        return replay_rollout(coordinator, arena, payload, err);
    case JOURNAL_SHARD_QUARANTINED:
    case JOURNAL_FLEET_BRAKED:
        return replay_word(coordinator, arena, (JournalKind)record->kind, payload, err);
    case JOURNAL_REPORT_KEPT: /* for evidence: what was decided by it follows */
        return ERR_OK;
    case JOURNAL_TRUST_IN_FORCE:
        return replay_trust(coordinator, arena, payload, record->seq, err);
    case JOURNAL_SHARDS_KNOWN:
        return replay_known(coordinator, arena, payload, err);
    case JOURNAL_SCHEMA_EXPECTED:
    case JOURNAL_DRIFT_ACCEPTED:
        return replay_drift(coordinator, arena, (JournalKind)record->kind, payload, err);
    case JOURNAL_TASK_ENDED:
        return replay_task(arena, payload, err);
    case JOURNAL_SINK_POSITION:
    case JOURNAL_SINK_LETTER:
        return replay_sink(coordinator, arena, (JournalKind)record->kind, payload, err);
    case JOURNAL_UNSPECIFIED:
        break;
    }
    return err_set(err, ERR_JOURNAL, "a kind of record this version does not know: %u",
                   record->kind);
}

static ErrCode visit_record(void *context, const JournalRecord *record, Error *err)
{
    ErrCode code = replay_record(context, record, err);
    if (code == ERR_OK)
        return ERR_OK;
    return err_wrap(err, "journal record %llu", (unsigned long long)record->seq);
}

/* --- opening ---------------------------------------------------------------------------------- */

static ErrCode load_keys(Coordinator *coordinator, Error *err)
{
    const Settings *settings = &coordinator->settings;
    uint8_t *bytes;
    size_t length;
    ErrCode code = file_read_all(coordinator->arena, settings->trust_path, LIMIT_TRUST_FILE_BYTES,
                                 &bytes, &length, err);
    if (code == ERR_OK &&
        trust_open(bytes, length, clock_unix_ms(), &coordinator->trust, err) != ERR_OK)
        code = err_wrap(err, "%s", settings->trust_path);
    if (code == ERR_OK) {
        coordinator->trust_bytes = (ByteSpan){bytes, length};
        code = key_load(settings->key_path, NULL, &coordinator->key, err);
    }
    if (code != ERR_OK)
        return code;
    const PublicKeyInfo *public = key_public(coordinator->key);
    if (!trust_is_coordinator(coordinator->trust, public->keyid)) {
        err_set(err, ERR_KEY_UNKNOWN, "the trust file does not name %s as a coordinator",
                public->keyid);
        err_detail(err, "%s, %s", settings->key_path, settings->trust_path);
        return ERR_KEY_UNKNOWN;
    }
    if (key_curve_secret(coordinator->key) == NULL)
        return err_set(err, ERR_CONFIG, "the key has no connection half (CURVE): %s",
                       settings->key_path);
    return ERR_OK;
}

static ErrCode open_state(Coordinator *coordinator, uint64_t epoch_min, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    const char *directory = coordinator->settings.state_path;
    ErrCode code = dir_make(directory, 0700, err);
    if (code == ERR_OK)
        code = blob_store_open(path_join(arena, directory, "blobs"), LIMIT_BUNDLE_BYTES,
                               &coordinator->blobs, err);
    if (code == ERR_OK)
        code =
            journal_open(path_join(arena, directory, "journal.sqlite"), &coordinator->journal, err);
    if (code != ERR_OK)
        return code;
    if (epoch_min != 0)
        journal_raise_epoch(coordinator->journal, epoch_min);
    return journal_replay(coordinator->journal, 1, visit_record, coordinator, err);
}

ErrCode coordinator_open(const Settings *settings, uint64_t epoch_min,
                         Coordinator **ret_coordinator, Error *err)
{
    Coordinator *coordinator = xcalloc(1, sizeof *coordinator);
    coordinator->settings = *settings;
    coordinator->arena = arena_new();
    coordinator->now_ms = clock_monotonic_ms();
    coordinator->unix_ms = clock_unix_ms();
    coordinator->started_unix_ms = coordinator->unix_ms;
    coordinator->revision = coordinator->unix_ms; /* above what the process before has given out */
    ErrCode code = load_keys(coordinator, err);
    if (code == ERR_OK) {
        coordinator->roster = roster_new(coordinator->trust);
        coordinator->inventory = inventory_new(trust_fleet_id(coordinator->trust));
        coordinator->memory = shard_memory_new();
        inventory_judge_by(coordinator->inventory, coordinator->memory);
        coordinator->backups = backups_new();
        coordinator->quarantine = quarantine_new();
        coordinator->drift = drift_book_new();
        coordinator->sinks = sinks_new(coordinator);
        coordinator->rollouts = rollouts_new(coordinator);
        coordinator->requests = request_memory_new();
        coordinator->relay = relay_new(coordinator);
        coordinator->evidence = evidence_shop_new(coordinator);
        code = open_state(coordinator, epoch_min, err);
    }
    if (code != ERR_OK) {
        coordinator_free(coordinator);
        return code;
    }
    *ret_coordinator = coordinator;
    return ERR_OK;
}

ErrCode coordinator_check(const Settings *settings, Error *err)
{
    Coordinator *coordinator = xcalloc(1, sizeof *coordinator);
    coordinator->settings = *settings;
    coordinator->arena = arena_new();
    ErrCode code = load_keys(coordinator, err);
    if (code == ERR_OK)
        code = sinks_check(coordinator, err);
    coordinator_free(coordinator);
    return code;
}

/* What the journal holds from here on was judged by this trust file. */
static void keep_trust(Coordinator *coordinator)
{
    ByteSpan bytes = coordinator->trust_bytes;
    Digest digest = sha256_bytes(bytes.bytes, bytes.length);
    if (digest_equal(&digest, &coordinator->trust_kept))
        return;
    AUTO_ARENA Arena *arena = arena_new();
    uint64_t seq =
        coordinator_append(coordinator, JOURNAL_TRUST_IN_FORCE,
                           journal_envelope_encode(arena, JOURNAL_TRUST_IN_FORCE, bytes));
    coordinator->trust_kept = digest;
    coordinator_note_place(coordinator, "", seq);
}

ErrCode coordinator_start(Coordinator *coordinator, uv_loop_t *loop,
                          JournalOnPersisted on_persisted, void *context, Error *err)
{
    ErrCode code = journal_start(coordinator->journal, loop, on_persisted, context, err);
    if (code == ERR_OK) {
        keep_trust(coordinator);
        code = gates_new(coordinator, loop, &coordinator->gates, err);
        if (code == ERR_OK)
            code = rollouts_recover(coordinator->rollouts, err);
        if (code == ERR_OK)
            blobs_sweep(coordinator);
    }
    if (code == ERR_OK)
        code = sinks_start(coordinator->sinks, loop, err);
    return code;
}

void coordinator_free(Coordinator *coordinator)
{
    if (coordinator == NULL)
        return;
    gates_free(coordinator->gates);
    relay_free(coordinator->relay);
    evidence_shop_free(coordinator->evidence);
    sinks_free(coordinator->sinks);
    journal_close(coordinator->journal);
    rollouts_free(coordinator->rollouts);
    request_memory_free(coordinator->requests);
    quarantine_free(coordinator->quarantine);
    drift_book_free(coordinator->drift);
    free(coordinator->brake_reason);
    inventory_free(coordinator->inventory);
    backups_free(coordinator->backups);
    shard_memory_free(coordinator->memory);
    roster_free(coordinator->roster);
    blob_store_close(coordinator->blobs);
    trust_free(coordinator->trust);
    key_free(coordinator->key);
    free(coordinator->places);
    arena_free(coordinator->arena);
    free(coordinator);
}

/* --- what the modules share ------------------------------------------------------------------- */

uint64_t coordinator_append(Coordinator *coordinator, JournalKind kind, ByteSpan payload)
{
    Error err;
    uint64_t seq;
    if (journal_append(coordinator->journal, (uint32_t)kind, payload.bytes, payload.length, &seq,
                       &err) != ERR_OK) {
        /* A decision that can't be kept must not be acted on. */
        log_failure(LOG_ERROR, "journal.append_failed", &err, NULL);
        abort();
    }
    return seq;
}

void coordinator_remember(Coordinator *coordinator, const ShardsKnown *known)
{
    for (size_t from = 0; from < known->count; from += LIMIT_SHARDS_PER_RECORD) {
        AUTO_ARENA Arena *arena = arena_new();
        ShardsKnown part = *known;
        size_t left = known->count - from;
        part.shards = known->shards + from;
        part.count = left < LIMIT_SHARDS_PER_RECORD ? left : LIMIT_SHARDS_PER_RECORD;
        coordinator_append(coordinator, JOURNAL_SHARDS_KNOWN, shards_known_encode(arena, &part));
        shard_memory_apply(coordinator->memory, &part);
    }
    inventory_judge_anew(coordinator->inventory);
    coordinator_changed(coordinator);
}

void coordinator_note_end(Coordinator *coordinator, const TaskEnded *ended, const TaskDone *done)
{
    AUTO_ARENA Arena *arena = arena_new();
    TaskEnded whole = *ended;
    if (coordinator_is_read_only(coordinator))
        return;
    whole.code = done->code;
    whole.message = done->message;
    whole.at_unix_ms = coordinator->unix_ms;
    coordinator_append(coordinator, JOURNAL_TASK_ENDED, task_ended_encode(arena, &whole));
    coordinator_changed(coordinator);
}

void coordinator_learn(Coordinator *coordinator, const char *agent)
{
    AUTO_ARENA Arena *arena = arena_new();
    size_t total = inventory_shard_count(coordinator->inventory);
    ShardsKnown known = {.who = "", .reason = "", .at_unix_ms = coordinator->unix_ms};
    known.shards = ARENA_ARRAY(arena, KnownShard, total + 1);
    for (size_t i = 0; i < total; i++) {
        const FleetShard *shard = inventory_shard_at(coordinator->inventory, i);
        if (strcmp(shard->agent, agent) == 0 && shard->adopted && shard->reachable &&
            !shard->standby && shard->fault == SHARD_FAULT_NONE &&
            uuid_equal(&shard->fleet_id, trust_fleet_id(coordinator->trust)) &&
            !identity_is_known(shard, coordinator->memory, &known.shards[known.count]))
            known.count++;
    }
    if (known.count > 0)
        coordinator_remember(coordinator, &known);
}

void coordinator_changed(Coordinator *coordinator)
{
    coordinator->revision++;
}

void coordinator_note_epoch(Coordinator *coordinator, RosterAgent *agent, uint64_t epoch)
{
    uint64_t own = journal_epoch(coordinator->journal);
    /* An old copy of the journal counts on from where it was copied, as the lost one did. */
    bool taken = epoch == own && agent->sent_ms == 0 && !agent->admitted_now;
    if ((epoch > own || taken) && epoch > agent->epoch_seen)
        log_event(LOG_ERROR, "coordinator.read_only", "agent", agent->key.name, "agent_epoch",
                  LOG_UINT(epoch), "own_epoch", LOG_UINT(own), NULL);
    agent->epoch_seen = epoch;
    agent->epoch_taken = agent->epoch_taken || taken;
    coordinator->higher_epoch_seen = coordinator->higher_epoch_seen || epoch > own || taken;
}

const RosterAgent *coordinator_outranked_by(const Coordinator *coordinator)
{
    uint64_t epoch = journal_epoch(coordinator->journal);
    if (!coordinator->higher_epoch_seen)
        return NULL;
    for (size_t i = 0; i < roster_count(coordinator->roster); i++) {
        const RosterAgent *agent = roster_at(coordinator->roster, i);
        if (!agent->revoked && (agent->epoch_seen > epoch || agent->epoch_taken))
            return agent;
    }
    return NULL;
}

bool coordinator_is_read_only(const Coordinator *coordinator)
{
    return journal_is_copy(coordinator->journal) || coordinator_outranked_by(coordinator) != NULL;
}

const char *coordinator_read_only_reason(const Coordinator *coordinator, Arena *arena,
                                         uint64_t *ret_epoch)
{
    const RosterAgent *witness = coordinator_outranked_by(coordinator);
    uint64_t own = journal_epoch(coordinator->journal);
    *ret_epoch = witness != NULL && witness->epoch_seen > own ? witness->epoch_seen : own;
    if (journal_is_copy(coordinator->journal))
        return "its journal is a backup: what was decided since is not in it";
    return arena_printf(arena, "agent %s has served epoch %llu", witness->key.name,
                        (unsigned long long)witness->epoch_seen);
}
