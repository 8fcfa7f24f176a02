#include "event_log.h"

#include "admission.h"
#include "drift_codec.h"
#include "operator.pb-c.h"
#include "proto_read.h"

#include <string.h>

/* --- one record ------------------------------------------------------------------------------- */

static FleetEvent plain_event(FleetEventType type, uint64_t at_unix_ms)
{
    return (FleetEvent){
        .type = type,
        .at_unix_ms = at_unix_ms,
        .who = "",
        .message = "",
        .code = "",
        .sqlstate = "",
        .gate = "",
        .agent = "",
    };
}

static const char *operator_name(const Coordinator *coordinator, Arena *arena, const char *keyid)
{
    const TrustOperator *found = trust_find_operator(coordinator->trust, keyid);
    return found != NULL ? found->key.name : arena_strdup(arena, keyid);
}

static bool of_plan(const Coordinator *coordinator, Arena *arena, ByteSpan payload,
                    FleetEvent *event)
{
    PlanSubmitted submitted;
    const uint8_t *bytes;
    size_t length;
    PlanHeader header;
    if (plan_submitted_decode(arena, payload, &submitted, NULL) != ERR_OK ||
        envelope_peek_unverified(arena, submitted.header_envelope.bytes,
                                 submitted.header_envelope.length, MESSAGE_PLAN, &bytes, &length,
                                 NULL, NULL) != ERR_OK ||
        plan_header_decode(arena, bytes, length, &header, NULL) != ERR_OK)
        return false;
    const RolloutEntry *entry = rollouts_find_id(coordinator->rollouts, &header.rollout_id);
    if (entry == NULL)
        return false;
    *event = plain_event(FLEET_EVENT_PLAN_SUBMITTED, header.created_unix_ms);
    event->rollout = &entry->header;
    event->who = operator_name(coordinator, arena, header.author);
    return true;
}

/* It was verified when it was recorded. Who it was is told by a key that has a role today. */
static bool of_approval(const Coordinator *coordinator, Arena *arena, ByteSpan payload,
                        FleetEvent *event)
{
    ByteSpan envelope;
    const uint8_t *bytes;
    size_t length;
    Signers signers;
    Approval approval;
    const char *who = "";
    if (journal_envelope_decode(arena, JOURNAL_APPROVAL_RECORDED, payload, &envelope, NULL) !=
        ERR_OK)
        return false;
    if (envelope_open(arena, envelope.bytes, envelope.length, MESSAGE_APPROVAL,
                      trust_lookup_operator, coordinator->trust, &bytes, &length, &signers,
                      NULL) == ERR_OK)
        who = operator_name(coordinator, arena, signers.items[0].keyid);
    else if (envelope_peek_unverified(arena, envelope.bytes, envelope.length, MESSAGE_APPROVAL,
                                      &bytes, &length, NULL, NULL) != ERR_OK)
        return false;
    if (approval_decode(arena, bytes, length, &approval, NULL) != ERR_OK)
        return false;
    const RolloutEntry *entry = rollouts_find_digest(coordinator->rollouts, &approval.plan_digest);
    if (entry == NULL)
        return false;
    *event = plain_event(approval.verdict == VERDICT_REJECTED ? FLEET_EVENT_PLAN_REJECTED
                                                              : FLEET_EVENT_PLAN_APPROVED,
                         approval.created_unix_ms);
    event->rollout = &entry->header;
    event->who = who;
    event->message = approval.reason;
    return true;
}

/* One by somebody who is no admin any more does not hold, and is told of no more than it counts. */
static bool of_admission(const Coordinator *coordinator, Arena *arena, ByteSpan payload,
                         FleetEvent *event)
{
    ByteSpan envelope;
    Admission admission;
    if (journal_envelope_decode(arena, JOURNAL_AGENT_ADMITTED, payload, &envelope, NULL) !=
            ERR_OK ||
        admission_open(arena, coordinator->trust, envelope.bytes, envelope.length, &admission,
                       NULL) != ERR_OK)
        return false;
    *event = plain_event(admission.revoked ? FLEET_EVENT_AGENT_REVOKED : FLEET_EVENT_AGENT_ADMITTED,
                         admission.serial);
    event->agent = arena_strdup(arena, admission.agent.name);
    event->who = operator_name(coordinator, arena, admission.admitted_by);
    event->message = admission.reason;
    return true;
}

static bool of_word(Arena *arena, JournalKind kind, ByteSpan payload, FleetEvent *event)
{
    FleetWord word;
    if (fleet_word_decode(arena, kind, payload, &word, NULL) != ERR_OK)
        return false;
    FleetEventType type = kind == JOURNAL_FLEET_BRAKED
                              ? (word.on ? FLEET_EVENT_FLEET_BRAKED : FLEET_EVENT_FLEET_UNBRAKED)
                          : word.on ? FLEET_EVENT_SHARD_QUARANTINED
                                    : FLEET_EVENT_SHARD_RELEASED;
    *event = plain_event(type, word.at_unix_ms);
    event->shard = word.shard;
    event->who = word.who;
    event->message = word.reason;
    return true;
}

static void name_shard(FleetEvent *event, Arena *arena, const char *cluster, const char *database,
                       const char *schema, const Uuid *uuid)
{
    FleetEventShard *shard = ARENA_NEW(arena, FleetEventShard);
    *shard = (FleetEventShard){shard_display_name(arena, cluster, database, schema), *uuid};
    event->named = shard;
    event->named_count = 1;
}

/* Listings are not told of. What an adoption has put out of its place goes without saying. */
static bool of_known(Arena *arena, ByteSpan payload, FleetEvent *event)
{
    ShardsKnown known;
    if (shards_known_decode(arena, payload, &known, NULL) != ERR_OK || known.who[0] == '\0')
        return false;
    *event = plain_event(FLEET_EVENT_SHARD_FORGOTTEN, known.at_unix_ms);
    FleetEventShard *named = ARENA_ARRAY(arena, FleetEventShard, known.count + 1);
    event->who = known.who;
    event->message = known.reason;
    event->named = named;
    for (size_t i = 0; i < known.count; i++) {
        const KnownShard *shard = &known.shards[i];
        if (!shard->forgotten) {
            event->type = FLEET_EVENT_SHARD_ADOPTED;
            name_shard(event, arena, shard->cluster, shard->database, shard->schema, &shard->uuid);
            return true;
        }
        named[event->named_count++] = (FleetEventShard){
            shard_display_name(arena, shard->cluster, shard->database, shard->schema), shard->uuid};
    }
    return true;
}

static void take_plan(const Coordinator *coordinator, const Digest *digest, FleetEvent *event)
{
    const RolloutEntry *entry = rollouts_find_digest(coordinator->rollouts, digest);
    event->rollout = entry != NULL ? &entry->header : NULL;
}

/* It was verified when it was recorded. Most requests are told of by the records of what they do.
 */
static bool of_request(const Coordinator *coordinator, Arena *arena, ByteSpan payload,
                       FleetEvent *event)
{
    RequestDone done;
    const uint8_t *bytes;
    size_t length;
    ProtobufCMessage *message;
    Digest plan;
    static const Uuid none;
    if (request_done_decode(arena, payload, &done, NULL) != ERR_OK ||
        envelope_peek_unverified(arena, done.envelope.bytes, done.envelope.length, MESSAGE_REQUEST,
                                 &bytes, &length, NULL, NULL) != ERR_OK ||
        proto_unpack(arena, &pgtide__v1__request__descriptor, bytes, length, UNKNOWN_FIELDS_REFUSE,
                     &message, NULL) != ERR_OK)
        return false;
    const Pgtide__V1__Request *request = (const Pgtide__V1__Request *)message;
    if (request->body_case != PGTIDE__V1__REQUEST__BODY_PROVISION)
        return false;
    const Pgtide__V1__Provision *in = request->provision;
    *event = plain_event(FLEET_EVENT_PROVISION_BEGUN, done.created_unix_ms);
    event->who = operator_name(coordinator, arena, done.keyid);
    name_shard(event, arena, in->cluster, in->database, in->schema, &none);
    if (proto_digest(&in->plan_digest, "plan digest", &plan, NULL) == ERR_OK)
        take_plan(coordinator, &plan, event);
    return true;
}

static bool of_task(const Coordinator *coordinator, Arena *arena, ByteSpan payload,
                    FleetEvent *event)
{
    TaskEnded ended;
    if (task_ended_decode(arena, payload, &ended, NULL) != ERR_OK)
        return false;
    bool is_done = ended.code[0] == '\0';
    FleetEventType type =
        ended.kind == TASK_KIND_PROVISION
            ? (is_done ? FLEET_EVENT_PROVISION_DONE : FLEET_EVENT_PROVISION_FAILED)
        : is_done ? FLEET_EVENT_NONE
                  : FLEET_EVENT_SHARD_ADOPT_FAILED;
    *event = plain_event(type, ended.at_unix_ms);
    event->who = ended.who;
    event->agent = ended.agent;
    event->code = ended.code;
    event->message = ended.message;
    name_shard(event, arena, ended.cluster, ended.database, ended.schema, &ended.shard);
    if (ended.has_plan)
        take_plan(coordinator, &ended.plan, event);
    return type != FLEET_EVENT_NONE;
}

static bool of_rollout(const Coordinator *coordinator, Arena *arena, ByteSpan payload,
                       FleetEvent *event)
{
    Uuid rollout_id;
    RolloutRecord *record = ARENA_NEW(arena, RolloutRecord);
    if (rollout_record_decode(arena, payload, &rollout_id, record, NULL) != ERR_OK)
        return false;
    const RolloutEntry *entry = rollouts_find_id(coordinator->rollouts, &rollout_id);
    if (entry == NULL)
        return false;
    RolloutSetting which = (RolloutSetting)record->setting;
    const char *setting =
        arena_printf(arena, "%s=%s", rollout_setting_name(arena, entry->core, which),
                     rollout_setting_value(arena, which, record->value));
    return fleet_event_of_record(arena, record, &entry->header, entry->shards, setting, event);
}

static bool of_drift(Arena *arena, JournalKind kind, ByteSpan payload, FleetEvent *event)
{
    DriftExpectation expectation;
    DriftAcceptance acceptance;
    char text[FINGERPRINT_TEXT_SIZE];
    if (kind == JOURNAL_SCHEMA_EXPECTED) {
        if (schema_expected_decode(arena, payload, &expectation, NULL) != ERR_OK)
            return false;
        fingerprint_format(&expectation.fingerprint, text);
        *event = plain_event(FLEET_EVENT_DRIFT_EXPECTED, expectation.at_unix_ms);
        event->who = expectation.who;
        event->message = arena_printf(arena, "%s at %s", text,
                                      strlist_join(arena, &expectation.place.rows, ", "));
        return true;
    }
    if (drift_accepted_decode(arena, payload, &acceptance, NULL) != ERR_OK)
        return false;
    *event = plain_event(FLEET_EVENT_DRIFT_ACCEPTED, acceptance.at_unix_ms);
    event->who = acceptance.who;
    event->message = acceptance.reason;
    event->shard = acceptance.shard;
    return true;
}

/* The record was decoded when it was appended or replayed: what can't be told of makes no event. */
static bool of_record(const Coordinator *coordinator, Arena *arena, const JournalRecord *record,
                      FleetEvent *event)
{
    ByteSpan payload = {record->payload, record->length};
    bool made = false;
    switch (record->kind) {
    case JOURNAL_AGENT_ADMITTED:
        made = of_admission(coordinator, arena, payload, event);
        break;
    case JOURNAL_PLAN_SUBMITTED:
        made = of_plan(coordinator, arena, payload, event);
        break;
    case JOURNAL_APPROVAL_RECORDED:
        made = of_approval(coordinator, arena, payload, event);
        break;
    case JOURNAL_ROLLOUT_RECORD:
        made = of_rollout(coordinator, arena, payload, event);
        break;
    case JOURNAL_SHARD_QUARANTINED:
    case JOURNAL_FLEET_BRAKED:
        made = of_word(arena, (JournalKind)record->kind, payload, event);
        break;
    case JOURNAL_SHARDS_KNOWN:
        made = of_known(arena, payload, event);
        break;
    case JOURNAL_REQUEST_DONE:
        made = of_request(coordinator, arena, payload, event);
        break;
    case JOURNAL_SCHEMA_EXPECTED:
    case JOURNAL_DRIFT_ACCEPTED:
        made = of_drift(arena, (JournalKind)record->kind, payload, event);
        break;
    case JOURNAL_TASK_ENDED:
        made = of_task(coordinator, arena, payload, event);
        break;
    default: /* bookkeeping */
        break;
    }
    if (made)
        event->seq = record->seq;
    return made;
}

/* --- pages ------------------------------------------------------------------------------------ */

typedef struct Reading {
    const Coordinator *coordinator;
    const EventFilter *filter;
    size_t max;
    Arena *arena;
    size_t used_before;
    EventPage *page;
    bool full;
} Reading;

static bool is_of_rollout(const FleetEvent *event, const char *name_or_id)
{
    Uuid id;
    if (event->rollout == NULL)
        return false;
    return strcmp(event->rollout->name, name_or_id) == 0 ||
           (uuid_parse(name_or_id, &id) && uuid_equal(&id, &event->rollout->rollout_id));
}

static bool passes(const EventFilter *filter, const FleetEvent *event)
{
    if (filter->types != NULL && !fleet_event_is_wanted(event->type, filter->types))
        return false;
    return filter->rollout == NULL || filter->rollout[0] == '\0' ||
           is_of_rollout(event, filter->rollout);
}

static ErrCode visit(void *context, const JournalRecord *record, Error *err)
{
    Reading *reading = context;
    EventPage *page = reading->page;
    (void)err;
    if (reading->full)
        return ERR_OK;
    FleetEvent event;
    if (of_record(reading->coordinator, reading->arena, record, &event) &&
        passes(reading->filter, &event))
        page->items[page->count++] = event;
    page->next = record->seq;
    reading->full = page->count >= reading->max ||
                    arena_used(reading->arena) - reading->used_before > EVENT_PAGE_BYTES_MAX;
    return ERR_OK;
}

ErrCode event_log_read(const Coordinator *coordinator, uint64_t after, const EventFilter *filter,
                       size_t max, Arena *arena, EventPage *page, Error *err)
{
    enum { PIECE = 50 }; /* records read at a time: few are read in vain when the page is full */
    page->count = 0;
    page->next = after;
    Reading reading = {
        .coordinator = coordinator,
        .filter = filter,
        .max = max < EVENT_PAGE_MAX ? max : EVENT_PAGE_MAX,
        .arena = arena,
        .used_before = arena_used(arena),
        .page = page,
    };
    uint64_t persisted = journal_persisted(coordinator->journal);
    for (int read = 0; read < EVENT_PAGE_RECORDS_MAX && !reading.full && page->next < persisted;
         read += PIECE) {
        ErrCode code =
            journal_read(coordinator->journal, page->next + 1, PIECE, visit, &reading, err);
        if (code != ERR_OK)
            return code;
    }
    page->more = page->next < persisted;
    return ERR_OK;
}

ErrCode event_log_find(const Coordinator *coordinator, uint64_t seq, Arena *arena,
                       FleetEvent *ret_event, Error *err)
{
    static const EventFilter all = {0};
    EventPage *page = ARENA_NEW(arena, EventPage);
    Reading reading = {
        .coordinator = coordinator, .filter = &all, .max = 1, .arena = arena, .page = page};
    ErrCode code = journal_read(coordinator->journal, seq, 1, visit, &reading, err);
    if (code != ERR_OK)
        return code;
    if (page->count == 0)
        return err_set(err, ERR_NOT_FOUND, "journal record %llu makes no event",
                       (unsigned long long)seq);
    *ret_event = page->items[0];
    return ERR_OK;
}

/* --- patterns --------------------------------------------------------------------------------- */

ErrCode event_pattern_check(const char *pattern, Error *err)
{
    if (fleet_event_pattern_is_known(pattern))
        return ERR_OK;
    err_set(err, ERR_USAGE, "no event is called '%.80s'", pattern);
    const char *names[FLEET_EVENT_COUNT];
    for (int type = 0; type < FLEET_EVENT_COUNT; type++)
        names[type] = fleet_event_type_name((FleetEventType)type);
    const char *nearest = str_nearest(pattern, names + 1, FLEET_EVENT_COUNT - 1);
    if (nearest != NULL)
        err_hint(err, "Did you mean '%s'?", nearest);
    else
        err_hint(err, "docs/events.md lists the types; '*' stands for anything: rollout.*");
    return ERR_USAGE;
}

ErrCode event_patterns_parse(Arena *arena, const char *text, StrList *ret_patterns, Error *err)
{
    StrList patterns = {0};
    while (*text != '\0') {
        size_t length = strcspn(text, ",");
        const char *pattern = arena_strndup(arena, text, length);
        ErrCode code = event_pattern_check(pattern, err);
        if (code != ERR_OK)
            return code;
        strlist_add(arena, &patterns, pattern);
        text += length + (text[length] == ',' ? 1 : 0);
    }
    *ret_patterns = patterns;
    return ERR_OK;
}
