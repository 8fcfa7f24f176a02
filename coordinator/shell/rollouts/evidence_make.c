#include "evidence_make.h"

#include "digest.h"
#include "evidence.h"
#include "message_codec.h"

#include "bundle.h"

#include <stdlib.h>
#include <string.h>

enum {
    RECORDS_PER_TURN = 2000,
    ORDERS_MAX = 4, /* made or being made */
};

/* One evidence that somebody asks for. */
typedef struct Order {
    Uuid rollout_id; /* nil: free */
    bool with_bundle;
    uint64_t asked; /* counts up: the one asked for the longest ago makes room */
    EvidenceMaker *maker;
    uint64_t next_seq;
    uint64_t last_seq;
    uint64_t revision; /* of the rollout when it was asked for */
    RolloutState state;
    Digest before;
    bool request_shown; /* the last request was about this rollout */
    bool ready;
    Digest blob;
    uint64_t bytes;
} Order;

struct EvidenceShop {
    Coordinator *coordinator;
    Order orders[ORDERS_MAX];
    uint64_t asked;
};

/* A visit of some records. */
typedef struct Visit {
    Coordinator *coordinator;
    const RolloutEntry *entry;
    Order *order;
    Arena *arena;
} Visit;

EvidenceShop *evidence_shop_new(Coordinator *coordinator)
{
    EvidenceShop *shop = xcalloc(1, sizeof *shop);
    shop->coordinator = coordinator;
    return shop;
}

static void order_clear(EvidenceShop *shop, Order *order)
{
    Error err;
    evidence_maker_free(order->maker);
    if (order->ready && blob_remove(shop->coordinator->blobs, &order->blob, &err) != ERR_OK)
        log_failure(LOG_WARN, "evidence.not_removed", &err, NULL);
    *order = (Order){0};
}

void evidence_shop_free(EvidenceShop *shop)
{
    if (shop == NULL)
        return;
    for (size_t i = 0; i < ORDERS_MAX; i++)
        order_clear(shop, &shop->orders[i]);
    free(shop);
}

/* --- which records are shown ------------------------------------------------------------------ */

static bool has_shard(const RolloutEntry *entry, const Uuid *shard)
{
    for (uint32_t i = 0; i < entry->header.shard_count; i++) {
        if (uuid_equal(&entry->shards[i].uuid, shard))
            return true;
    }
    return false;
}

static bool is_about_request(Visit *visit, ByteSpan payload)
{
    RequestDone done;
    if (request_done_decode(visit->arena, payload, &done, NULL) != ERR_OK)
        return false;
    for (size_t i = 0; i < done.rollout_count; i++) {
        if (uuid_equal(&done.rollouts[i], &visit->entry->header.rollout_id))
            return true;
    }
    return false;
}

/* A report may tell of jobs of two rollouts: it is shown whole, since it is signed so. */
static bool is_about_report(const Visit *visit, ByteSpan payload)
{
    ByteSpan envelope;
    const uint8_t *bytes;
    size_t length;
    Report report;
    if (journal_envelope_decode(visit->arena, JOURNAL_REPORT_KEPT, payload, &envelope, NULL) !=
            ERR_OK ||
        envelope_peek_unverified(visit->arena, envelope.bytes, envelope.length, MESSAGE_REPORT,
                                 &bytes, &length, NULL, NULL) != ERR_OK ||
        report_decode(visit->arena, bytes, length, &report, NULL) != ERR_OK ||
        report.kind != REPORT_JOBS)
        return false;
    for (size_t i = 0; i < report.jobs.count; i++) {
        if (uuid_equal(&report.jobs.items[i].rollout_id, &visit->entry->header.rollout_id))
            return true;
    }
    return false;
}

static bool is_about_approval(const Visit *visit, ByteSpan payload)
{
    ByteSpan envelope;
    const uint8_t *bytes;
    size_t length;
    Approval approval;
    return journal_envelope_decode(visit->arena, JOURNAL_APPROVAL_RECORDED, payload, &envelope,
                                   NULL) == ERR_OK &&
           envelope_peek_unverified(visit->arena, envelope.bytes, envelope.length, MESSAGE_APPROVAL,
                                    &bytes, &length, NULL, NULL) == ERR_OK &&
           approval_decode(visit->arena, bytes, length, &approval, NULL) == ERR_OK &&
           digest_equal(&approval.plan_digest, &visit->entry->plan_digest);
}

static bool is_about_agent(const Visit *visit, uint64_t seq)
{
    const Coordinator *coordinator = visit->coordinator;
    for (size_t i = 0; i < coordinator->place_count; i++) {
        const JournalPlace *place = &coordinator->places[i];
        if (place->seq == seq)
            return rollout_agent_find(visit->entry->core, place->agent) != ROLLOUT_AGENT_NONE;
    }
    return false;
}

/* Also follows the state: the evidence tells of the one that its last record has led to. */
static bool is_about_decision(const Visit *visit, ByteSpan payload)
{
    Uuid rollout;
    RolloutRecord record;
    if (rollout_record_decode(visit->arena, payload, &rollout, &record, NULL) != ERR_OK ||
        !uuid_equal(&rollout, &visit->entry->header.rollout_id))
        return false;
    if (record.kind == ROLLOUT_RECORD_STARTED || record.kind == ROLLOUT_RECORD_STATE ||
        record.kind == ROLLOUT_RECORD_STOP_DECIDED || record.kind == ROLLOUT_RECORD_ABORT_DECIDED)
        visit->order->state = record.state;
    return true;
}

/* Words about the fleet follow the request that they are from. */
static bool is_about_fleet(const Visit *visit, JournalKind kind, ByteSpan payload)
{
    FleetWord word;
    return visit->order->request_shown &&
           fleet_word_decode(visit->arena, kind, payload, &word, NULL) == ERR_OK &&
           (uuid_is_nil(&word.shard) || has_shard(visit->entry, &word.shard));
}

static bool is_shown(Visit *visit, const JournalRecord *record)
{
    ByteSpan payload = {record->payload, record->length};
    switch ((JournalKind)record->kind) {
    case JOURNAL_AGENT_ADMITTED:
        return is_about_agent(visit, record->seq);
    case JOURNAL_PLAN_SUBMITTED:
        return record->seq == visit->entry->submitted_seq;
    case JOURNAL_APPROVAL_RECORDED:
        return is_about_approval(visit, payload);
    case JOURNAL_REQUEST_DONE:
        visit->order->request_shown = is_about_request(visit, payload);
        return visit->order->request_shown;
    case JOURNAL_ROLLOUT_RECORD:
        return is_about_decision(visit, payload);
    case JOURNAL_SHARD_QUARANTINED:
    case JOURNAL_FLEET_BRAKED:
        return is_about_fleet(visit, (JournalKind)record->kind, payload);
    case JOURNAL_REPORT_KEPT:
        return is_about_report(visit, payload);
    case JOURNAL_TRUST_IN_FORCE:
        return true;
    default:
        return false;
    }
}

static ErrCode add_record(void *context, const JournalRecord *record, Error *err)
{
    Visit *visit = context;
    if (record->seq > visit->order->last_seq)
        return ERR_OK;
    arena_reset(visit->arena);
    EvidenceRecord out = {
        .seq = record->seq,
        .epoch = record->epoch,
        .kind = record->kind,
        .shown = is_shown(visit, record),
        .payload = {record->payload, record->length},
        .payload_digest = sha256_bytes(record->payload, record->length),
        .hash = record->hash,
    };
    visit->order->next_seq = record->seq + 1;
    return evidence_add_record(visit->order->maker, &out, err);
}

/* --- what comes before the records ------------------------------------------------------------ */

typedef struct OneEnvelope {
    Arena *arena;
    JournalKind kind;
    ByteSpan envelope;
    Digest hash;
} OneEnvelope;

static ErrCode read_envelope(void *context, const JournalRecord *record, Error *err)
{
    OneEnvelope *out = context;
    out->hash = record->hash;
    if (record->kind != (uint32_t)out->kind)
        return ERR_OK;
    return journal_envelope_decode(
        out->arena, out->kind, (ByteSpan){record->payload, record->length}, &out->envelope, err);
}

static ErrCode envelope_at(Visit *visit, JournalKind kind, uint64_t seq, ByteSpan *ret_envelope,
                           Error *err)
{
    OneEnvelope out = {.arena = visit->arena, .kind = kind};
    ErrCode code = journal_read(visit->coordinator->journal, seq, 1, read_envelope, &out, err);
    if (code == ERR_OK && out.envelope.length == 0)
        code = err_set(err, ERR_JOURNAL, "journal record %llu is not what it was",
                       (unsigned long long)seq);
    *ret_envelope = out.envelope;
    return code;
}

/* The last place of that name before the plan; 0: there is none. */
static uint64_t place_before(const Visit *visit, const char *agent)
{
    const Coordinator *coordinator = visit->coordinator;
    uint64_t seq = 0;
    for (size_t i = 0; i < coordinator->place_count; i++) {
        const JournalPlace *place = &coordinator->places[i];
        if (place->seq < visit->entry->submitted_seq && strcmp(place->agent, agent) == 0)
            seq = place->seq;
    }
    return seq;
}

static ErrCode add_trust(Visit *visit, Error *err)
{
    ByteSpan present = visit->coordinator->trust_bytes;
    ByteSpan then = present;
    uint64_t seq = place_before(visit, "");
    ErrCode code = ERR_OK;
    if (seq != 0)
        code = envelope_at(visit, JOURNAL_TRUST_IN_FORCE, seq, &then, err);
    if (code == ERR_OK)
        code = evidence_add(visit->order->maker, EVIDENCE_TRUST, "", then, err);
    bool same =
        then.length == present.length && memcmp(then.bytes, present.bytes, present.length) == 0;
    if (code == ERR_OK && !same)
        code = evidence_add(visit->order->maker, EVIDENCE_TRUST, "", present, err);
    return code;
}

static ErrCode add_admissions(Visit *visit, Error *err)
{
    ErrCode code = ERR_OK;
    for (uint32_t i = 0; code == ERR_OK && i < rollout_agent_count(visit->entry->core); i++) {
        const char *agent = rollout_agent_name(visit->entry->core, i);
        uint64_t seq = place_before(visit, agent);
        ByteSpan envelope;
        if (seq == 0)
            continue;
        code = envelope_at(visit, JOURNAL_AGENT_ADMITTED, seq, &envelope, err);
        if (code == ERR_OK)
            code = evidence_add(visit->order->maker, EVIDENCE_ADMISSION, agent, envelope, err);
    }
    return code;
}

static ErrCode add_bundle(Visit *visit, Error *err)
{
    uint8_t *bytes;
    size_t length;
    const uint8_t *manifest;
    ErrCode code = blob_read(visit->coordinator->blobs, visit->arena, &visit->entry->bundle_blob,
                             &bytes, &length, err);
    if (code == ERR_OK && visit->order->with_bundle)
        return evidence_add(visit->order->maker, EVIDENCE_BUNDLE, "", (ByteSpan){bytes, length},
                            err);
    if (code == ERR_OK)
        code = bundle_manifest_envelope(visit->arena, bytes, length, &manifest, &length, err);
    if (code == ERR_OK)
        code = evidence_add(visit->order->maker, EVIDENCE_MANIFEST, "",
                            (ByteSpan){manifest, length}, err);
    return code;
}

static ErrCode add_shards(Visit *visit, Error *err)
{
    ErrCode code = ERR_OK;
    for (uint32_t i = 0; code == ERR_OK && i < visit->entry->header.shard_count; i++)
        code = evidence_add(visit->order->maker, EVIDENCE_SHARD, "", visit->entry->shard_bytes[i],
                            err);
    return code;
}

static ErrCode read_before(Visit *visit, Error *err)
{
    OneEnvelope before = {.arena = visit->arena, .kind = JOURNAL_UNSPECIFIED};
    uint64_t first = visit->entry->submitted_seq;
    if (first <= 1)
        return ERR_OK;
    ErrCode code =
        journal_read(visit->coordinator->journal, first - 1, 1, read_envelope, &before, err);
    visit->order->before = before.hash;
    return code;
}

static ErrCode begin(Visit *visit, Error *err)
{
    Order *order = visit->order;
    const RolloutEntry *entry = visit->entry;
    order->maker = evidence_maker_new();
    order->next_seq = entry->submitted_seq;
    order->last_seq = journal_last_seq(visit->coordinator->journal);
    order->revision = entry->revision;
    order->state = entry->started ? ROLLOUT_APPROVED : rollout_entry_state(entry);
    ErrCode code = read_before(visit, err);
    if (code == ERR_OK)
        code = add_trust(visit, err);
    if (code == ERR_OK)
        code = add_admissions(visit, err);
    if (code == ERR_OK)
        code = add_bundle(visit, err);
    return code == ERR_OK ? add_shards(visit, err) : code;
}

/* --- making ----------------------------------------------------------------------------------- */

static ErrCode seal(Visit *visit, Error *err)
{
    Coordinator *coordinator = visit->coordinator;
    Order *order = visit->order;
    const RolloutEntry *entry = visit->entry;
    Evidence evidence = {
        .fleet_id = entry->header.fleet_id,
        .rollout_id = entry->header.rollout_id,
        .plan_digest = entry->plan_digest,
        .made_unix_ms = coordinator->unix_ms,
        .state = order->state,
        .first_seq = entry->submitted_seq,
        .chain_before = order->before,
    };
    uint8_t *bytes;
    size_t length;
    ErrCode code = evidence_seal(order->maker, visit->arena, &evidence, coordinator->key, &bytes,
                                 &length, err);
    if (code == ERR_OK)
        code = blob_put(coordinator->blobs, bytes, length, &order->blob, err);
    if (code != ERR_OK)
        return code;
    evidence_maker_free(order->maker);
    order->maker = NULL;
    order->bytes = length;
    order->ready = true;
    return ERR_OK;
}

static ErrCode go_on(Visit *visit, Error *err)
{
    Order *order = visit->order;
    ErrCode code = order->maker == NULL ? begin(visit, err) : ERR_OK;
    if (code != ERR_OK || journal_persisted(visit->coordinator->journal) < order->last_seq)
        return code;
    code = journal_read(visit->coordinator->journal, order->next_seq, RECORDS_PER_TURN, add_record,
                        visit, err);
    return code == ERR_OK && order->next_seq > order->last_seq ? seal(visit, err) : code;
}

/* What was made for this rollout is given out again as long as nothing has changed there. */
static Order *find_order(EvidenceShop *shop, const RolloutEntry *entry, bool with_bundle)
{
    Order *oldest = &shop->orders[0];
    for (size_t i = 0; i < ORDERS_MAX; i++) {
        Order *order = &shop->orders[i];
        if (order->with_bundle == with_bundle &&
            uuid_equal(&order->rollout_id, &entry->header.rollout_id)) {
            if (order->ready && order->revision != entry->revision)
                order_clear(shop, order);
            return order;
        }
        if (order->asked < oldest->asked)
            oldest = order;
    }
    order_clear(shop, oldest);
    return oldest;
}

ErrCode evidence_make(EvidenceShop *shop, const RolloutEntry *entry, bool with_bundle,
                      EvidenceProgress *ret_progress, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    Order *order = find_order(shop, entry, with_bundle);
    order->rollout_id = entry->header.rollout_id;
    order->with_bundle = with_bundle;
    order->asked = ++shop->asked;
    Visit visit = {shop->coordinator, entry, order, arena};
    ErrCode code = order->ready ? ERR_OK : go_on(&visit, err);
    if (code != ERR_OK) {
        order_clear(shop, order);
        return code;
    }
    *ret_progress = (EvidenceProgress){
        .ready = order->ready,
        .records = order->next_seq - entry->submitted_seq,
        .of = order->last_seq + 1 - entry->submitted_seq,
        .blob = order->blob,
        .bytes = order->bytes,
        .state = order->state,
    };
    return ERR_OK;
}
