#include "requests.h"

#include "clock.h"
#include "digest.h"
#include "evidence_make.h"
#include "named_limits.h"
#include "planning.h"
#include "proto_read.h"
#include "relay.h"
#include "requests_asked.h"
#include "sinks.h"

#include <string.h>

typedef ErrCode (*Handler)(Asked *asked, Error *err);

/* --- views and blobs -------------------------------------------------------------------------- */

static ErrCode handle_view(Asked *asked, Error *err)
{
    const Pgtide__V1__View *in = asked->request->view;
    ErrCode code = proto_enum((int)in->kind, VIEW_KIND_COUNT, "view", err);
    if (code != ERR_OK)
        return code;
    asked->view = (ViewRequest){.kind = (ViewKind)in->kind,
                                .rollout = in->rollout,
                                .select = in->select,
                                .shard = in->shard,
                                .types = in->types,
                                .since = in->since,
                                .dead = in->dead != 0,
                                .with_shards = in->with_shards != 0,
                                .now_ms = asked->coordinator->now_ms,
                                .unix_ms = asked->coordinator->unix_ms};
    code = view_revision(asked->coordinator, &asked->view, &asked->revision, err);
    if (code != ERR_OK)
        return code;
    if (in->wait_ms > 0 && in->seen_revision == asked->revision) {
        asked->wait = true;
        return ERR_OK;
    }
    return view_render(asked->coordinator, &asked->view, asked->arena, &asked->json, err);
}

static ErrCode handle_blob_put(Asked *asked, Error *err)
{
    const Pgtide__V1__BlobPut *in = asked->request->blob_put;
    BlobStore *blobs = asked->coordinator->blobs;
    Digest digest;
    uint64_t offset;
    ErrCode code = proto_digest(&in->digest, "blob digest", &digest, err);
    if (code == ERR_OK)
        code = proto_count(in->bytes.len, LIMIT_CHUNK_BYTES, "bytes in a piece", err);
    if (code == ERR_OK)
        code = blob_put_begin(blobs, &digest, in->total, &offset, err);
    if (code == ERR_OK && in->bytes.len > 0 && offset < in->total) {
        code = blob_put_append(blobs, &digest, in->offset, in->bytes.data, in->bytes.len, &offset,
                               err);
        if (code == ERR_OK && offset == in->total)
            code = blob_put_finish(blobs, &digest, err);
    }
    if (code != ERR_OK)
        return code;
    JsonWriter json = json_writer(&asked->json);
    json_object_begin(&json);
    json_field_uint(&json, "offset", offset);
    json_field_bool(&json, "complete", offset == in->total);
    json_object_end(&json);
    return ERR_OK;
}

static ErrCode handle_blob_get(Asked *asked, Error *err)
{
    const Pgtide__V1__BlobGet *in = asked->request->blob_get;
    Digest digest;
    uint8_t *buffer = arena_alloc(asked->arena, LIMIT_CHUNK_BYTES);
    ErrCode code = proto_digest(&in->digest, "blob digest", &digest, err);
    if (code == ERR_OK)
        code = blob_read_piece(asked->coordinator->blobs, &digest, in->offset, buffer,
                               LIMIT_CHUNK_BYTES, &asked->bytes.length, &asked->total, err);
    if (code != ERR_OK)
        return code;
    asked->bytes.bytes = buffer;
    JsonWriter json = json_writer(&asked->json);
    json_object_begin(&json);
    json_field_uint(&json, "offset", in->offset);
    json_field_uint(&json, "length", asked->bytes.length);
    json_object_end(&json);
    return ERR_OK;
}

/* --- plans ------------------------------------------------------------------------------------ */

static ErrCode handle_make_plan(Asked *asked, Error *err)
{
    PlanSummary summary;
    ErrCode code = planning_make(asked->coordinator, asked->request->make_plan,
                                 asked->signer->key.keyid, asked->arena, &summary, err);
    if (code != ERR_OK)
        return code;
    JsonWriter json = json_writer(&asked->json);
    view_plan_summary(&summary, &json);
    return ERR_OK;
}

static ErrCode handle_make_rollback(Asked *asked, Error *err)
{
    const Pgtide__V1__MakeRollback *make = asked->request->make_rollback;
    RolloutEntry *of;
    PlanSummary summary;
    if (make->accept_data_loss && !make->restore)
        return err_set(err, ERR_USAGE, "a rollback by downgrades accepts no loss of data");
    RestoreChoice choice = {.accept_data_loss = make->accept_data_loss};
    ErrCode code = rollouts_find_started(asked->coordinator->rollouts, make->rollout, &of, err);
    if (code == ERR_OK && make->restore)
        code = planning_make_restore(asked->coordinator, of, &choice, asked->signer->key.keyid,
                                     asked->arena, &summary, err);
    else if (code == ERR_OK)
        code = planning_make_rollback(asked->coordinator, of, asked->signer->key.keyid,
                                      asked->arena, &summary, err);
    if (code != ERR_OK)
        return code;
    JsonWriter json = json_writer(&asked->json);
    view_plan_summary(&summary, &json);
    return ERR_OK;
}

/* Asked again and again until it is ready: the coordinator does not stand still over it. */
static ErrCode handle_make_evidence(Asked *asked, Error *err)
{
    const Pgtide__V1__MakeEvidence *in = asked->request->make_evidence;
    RolloutEntry *entry;
    EvidenceProgress progress;
    ErrCode code = rollouts_find(asked->coordinator->rollouts, in->rollout, &entry, err);
    if (code == ERR_OK)
        code = evidence_make(asked->coordinator->evidence, entry, in->with_bundle != 0, &progress,
                             err);
    if (code != ERR_OK)
        return code;
    char blob[DIGEST_TEXT_SIZE];
    digest_format(&progress.blob, blob);
    JsonWriter json = json_writer(&asked->json);
    json_object_begin(&json);
    json_field_bool(&json, "ready", progress.ready);
    json_field_uint(&json, "records", progress.records);
    json_field_uint(&json, "of", progress.of);
    json_field_string(&json, "state", rollout_state_name(progress.state));
    json_field_string(&json, "evidence_blob_digest", progress.ready ? blob : NULL);
    json_field_uint(&json, "bytes", progress.bytes);
    json_object_end(&json);
    return ERR_OK;
}

static ErrCode handle_make_restore(Asked *asked, Error *err)
{
    const Pgtide__V1__MakeRestore *make = asked->request->make_restore;
    PlanSummary summary;
    ErrCode code = planning_make_restore_one(asked->coordinator, make->shard, make->operation,
                                             make->accept_data_loss, asked->signer->key.keyid,
                                             asked->arena, &summary, err);
    if (code != ERR_OK)
        return code;
    JsonWriter json = json_writer(&asked->json);
    view_plan_summary(&summary, &json);
    return ERR_OK;
}

/* --- what changes something: checks, then the journal, then the fold -------------------------- */

/* The request counts as done before its effect is journalled: a crash between the two loses the
 * request, and whoever asked, having had no answer, looks and asks again. */
ErrCode asked_mark_done(Asked *asked, Error *err)
{
    ErrCode code = asked_remember(asked, err);
    if (code == ERR_OK)
        asked_journal(asked);
    return code;
}

ErrCode asked_relay(Asked *asked, const StrList *agents, const PlanRef *plan, uint64_t wait_ms,
                    Error *err)
{
    Coordinator *coordinator = asked->coordinator;
    ErrCode code = relay_check(coordinator->relay, asked->envelope, agents, err);
    if (code == ERR_OK)
        code = asked_mark_done(asked, err);
    if (code != ERR_OK)
        return code;
    OperatorTask task = {.request = asked->envelope, .has_plan = plan != NULL};
    if (plan != NULL)
        task.plan = *plan;
    relay_begin(coordinator->relay, &asked->id, &task, agents, wait_ms,
                journal_last_seq(coordinator->journal));
    asked->relayed = true;
    return ERR_OK;
}

ErrCode asked_remember(Asked *asked, Error *err)
{
    Coordinator *coordinator = asked->coordinator;
    return request_memory_add(coordinator->requests, &asked->id, asked->request->created_unix_ms,
                              coordinator->unix_ms, err);
}

/* What these ask for is signed by itself, and journalled as it is. */
static bool carries_what_is_signed(const Pgtide__V1__Request *request)
{
    return request->body_case == PGTIDE__V1__REQUEST__BODY_ADMIT ||
           request->body_case == PGTIDE__V1__REQUEST__BODY_SUBMIT_PLAN ||
           request->body_case == PGTIDE__V1__REQUEST__BODY_SUBMIT_APPROVAL;
}

void asked_journal(Asked *asked)
{
    RequestDone done = {.request_id = asked->id,
                        .created_unix_ms = asked->request->created_unix_ms,
                        .keyid = asked->signer->key.keyid,
                        .rollouts = asked->concerns,
                        .rollout_count = asked->concern_count};
    if (!carries_what_is_signed(asked->request))
        done.envelope = asked->envelope;
    coordinator_append(asked->coordinator, JOURNAL_REQUEST_DONE,
                       request_done_encode(asked->arena, &done));
}

void asked_concerns(Asked *asked, const Uuid *rollout_id)
{
    for (size_t i = 0; i < asked->concern_count; i++) {
        if (uuid_equal(&asked->concerns[i], rollout_id))
            return;
    }
    size_t count = asked->concern_count++;
    asked->concerns =
        arena_grow(asked->arena, asked->concerns, count, count + 1, sizeof *asked->concerns);
    asked->concerns[count] = *rollout_id;
}

static ByteSpan span_of(const ProtobufCBinaryData *data)
{
    return (ByteSpan){data->data, data->len};
}

static ErrCode handle_admit(Asked *asked, Error *err)
{
    Coordinator *coordinator = asked->coordinator;
    ByteSpan envelope = span_of(&asked->request->admit->envelope);
    Admission admission;
    RosterAgent *agent;
    ErrCode code = admission_open(asked->arena, coordinator->trust, envelope.bytes, envelope.length,
                                  &admission, err);
    if (code == ERR_OK && strcmp(admission.admitted_by, asked->signer->key.keyid) != 0)
        code = err_set(err, ERR_REFUSED, "the admission is signed by another operator");
    if (code == ERR_OK && admission.serial > coordinator->unix_ms + LIMIT_CLOCK_SKEW_MS)
        code = err_set(err, ERR_STALE, "the admission is of a time that has not come");
    if (code == ERR_OK && !admission.revoked && coordinator_is_read_only(coordinator))
        code = err_set(err, ERR_STATE, "this coordinator is read-only");
    if (code == ERR_OK)
        code = asked_remember(asked, err);
    if (code == ERR_OK)
        code = roster_admit(coordinator->roster, &admission, &agent, err);
    if (code != ERR_OK)
        return code;
    asked_journal(asked);
    uint64_t seq =
        coordinator_append(coordinator, JOURNAL_AGENT_ADMITTED,
                           journal_envelope_encode(asked->arena, JOURNAL_AGENT_ADMITTED, envelope));
    coordinator_note_place(coordinator, agent->key.name, seq);
    agent->admitted_now = true;
    coordinator->admissions_changed = true;
    coordinator_changed(coordinator);
    JsonWriter json = json_writer(&asked->json);
    json_object_begin(&json);
    json_field_string(&json, "agent", agent->key.name);
    json_field_string(&json, "keyid", agent->key.keyid);
    json_field_bool(&json, "revoked", agent->revoked);
    json_object_end(&json);
    return ERR_OK;
}

static ErrCode check_author(const Asked *asked, ByteSpan envelope, Error *err)
{
    const uint8_t *bytes;
    size_t length;
    Signers signers;
    PlanHeader header;
    const char *keyid = asked->signer->key.keyid;
    ErrCode code = envelope_open(asked->arena, envelope.bytes, envelope.length, MESSAGE_PLAN,
                                 trust_lookup_operator, asked->coordinator->trust, &bytes, &length,
                                 &signers, err);
    if (code == ERR_OK)
        code = plan_header_decode(asked->arena, bytes, length, &header, err);
    if (code != ERR_OK)
        return code;
    if (!signers_have(&signers, asked->signer->key.ed25519) || strcmp(header.author, keyid) != 0)
        return err_set(err, ERR_REFUSED, "a plan is submitted by its author, who has signed it");
    if (!uuid_equal(&header.fleet_id, trust_fleet_id(asked->coordinator->trust)))
        return err_set(err, ERR_REFUSED, "the plan is another fleet's");
    if (header.expires_unix_ms <= asked->coordinator->unix_ms)
        return err_set(err, ERR_STALE, "the plan has expired");
    if (header.policy.approvals < (uint32_t)asked->coordinator->settings.approvals_min)
        return err_set(err, ERR_REFUSED, "the plan asks for too few approvals");
    return ERR_OK;
}

/* A plan that was vetoed or has expired is in nobody's way. */
static bool is_unfinished(const Asked *asked, const RolloutEntry *entry)
{
    return rollout_entry_is_open(entry) ||
           (!entry->started && rollout_entry_rejected(entry) == 0 &&
            entry->header.expires_unix_ms > asked->coordinator->unix_ms);
}

ErrCode asked_check_name(const Asked *asked, const char *name, Error *err)
{
    const Rollouts *rollouts = asked->coordinator->rollouts;
    size_t unfinished = 0;
    for (size_t i = 0; i < rollouts_count(rollouts); i++) {
        const RolloutEntry *entry = rollouts_at(rollouts, i);
        unfinished += is_unfinished(asked, entry) ? 1 : 0;
        if (rollout_entry_is_open(entry) && strcmp(entry->header.name, name) == 0)
            return err_set(err, ERR_EXISTS, "a rollout named %s is %s", name,
                           rollout_state_name(rollout_entry_state(entry)));
    }
    if (unfinished >= LIMIT_ROLLOUTS_OPEN)
        return err_set(err, ERR_LIMIT, "%d plans and rollouts are not over", LIMIT_ROLLOUTS_OPEN);
    return ERR_OK;
}

ErrCode asked_answer_summary(Asked *asked, const RolloutEntry *entry)
{
    JsonWriter json = json_writer(&asked->json);
    view_rollout_summary(asked->coordinator, entry, &json);
    return ERR_OK;
}

static ErrCode handle_submit_plan(Asked *asked, Error *err)
{
    Coordinator *coordinator = asked->coordinator;
    const Pgtide__V1__SubmitPlan *in = asked->request->submit_plan;
    PlanSubmitted submitted = {.header_envelope = span_of(&in->header_envelope)};
    RolloutEntry *entry;
    ErrCode code = proto_digest(&in->plan_blob_digest, "plan", &submitted.plan_blob, err);
    if (code == ERR_OK)
        code = planning_bundle_of(coordinator, &submitted.plan_blob, &submitted.bundle_blob, err);
    if (code == ERR_OK)
        code = check_author(asked, submitted.header_envelope, err);
    if (code == ERR_OK)
        code = asked_remember(asked, err);
    if (code == ERR_OK)
        code = rollouts_add_plan(coordinator->rollouts, &submitted, &entry, err);
    if (code != ERR_OK)
        return code;
    asked_journal(asked);
    entry->submitted_seq = coordinator_append(coordinator, JOURNAL_PLAN_SUBMITTED,
                                              plan_submitted_encode(asked->arena, &submitted));
    return asked_answer_summary(asked, entry);
}

static ErrCode handle_submit_approval(Asked *asked, Error *err)
{
    Coordinator *coordinator = asked->coordinator;
    ByteSpan envelope = span_of(&asked->request->submit_approval->envelope);
    const char *keyid = asked->signer->key.keyid;
    const uint8_t *bytes;
    size_t length;
    Signers signers;
    Approval approval;
    ErrCode code =
        envelope_open(asked->arena, envelope.bytes, envelope.length, MESSAGE_APPROVAL,
                      trust_lookup_operator, coordinator->trust, &bytes, &length, &signers, err);
    if (code == ERR_OK && (signers.count != 1 || strcmp(signers.items[0].keyid, keyid) != 0))
        code = err_set(err, ERR_APPROVAL, "an approval is submitted by the one who has signed it");
    if (code == ERR_OK)
        code = approval_decode(asked->arena, bytes, length, &approval, err);
    if (code != ERR_OK)
        return code;
    RolloutEntry *entry = rollouts_find_digest(coordinator->rollouts, &approval.plan_digest);
    if (entry == NULL)
        return err_set(err, ERR_NOT_FOUND, "no submitted plan has the digest that was signed");
    code = rollouts_check_approval(coordinator->rollouts, entry, keyid, &approval, err);
    if (code == ERR_OK)
        code = asked_mark_done(asked, err);
    if (code != ERR_OK)
        return code;
    rollouts_add_approval(coordinator->rollouts, entry, envelope, keyid, &approval);
    coordinator_append(coordinator, JOURNAL_APPROVAL_RECORDED,
                       journal_envelope_encode(asked->arena, JOURNAL_APPROVAL_RECORDED, envelope));
    return asked_answer_summary(asked, entry);
}

static ErrCode handle_retry_sink(Asked *asked, Error *err)
{
    const Pgtide__V1__RetrySink *in = asked->request->retry_sink;
    Sinks *sinks = asked->coordinator->sinks;
    size_t count = 0;
    ErrCode code = sinks_find(sinks, in->sink, err);
    if (code == ERR_OK)
        code = asked_mark_done(asked, err);
    if (code == ERR_OK)
        code = sinks_retry(sinks, in->sink, asked->signer->key.name, &count, err);
    if (code != ERR_OK)
        return code;
    JsonWriter json = json_writer(&asked->json);
    json_object_begin(&json);
    json_field_string(&json, "sink", in->sink);
    json_field_uint(&json, "again", count);
    json_object_end(&json);
    return ERR_OK;
}

/* --- who may ask what ------------------------------------------------------------------------- */

typedef struct RequestRule {
    Pgtide__V1__Request__BodyCase body;
    const char *name;
    OperatorRole role;
    bool changes; /* acted on once */
    bool while_read_only;
    Handler handler;
} RequestRule;

static const RequestRule rules[] = {
    {PGTIDE__V1__REQUEST__BODY_VIEW, "view", OPERATOR_ROLE_VIEWER, false, true, handle_view},
    {PGTIDE__V1__REQUEST__BODY_BLOB_GET, "blob-get", OPERATOR_ROLE_VIEWER, false, true,
     handle_blob_get},
    {PGTIDE__V1__REQUEST__BODY_MAKE_EVIDENCE, "make-evidence", OPERATOR_ROLE_VIEWER, false, true,
     handle_make_evidence},
    {PGTIDE__V1__REQUEST__BODY_READ_RECORD, "read-record", OPERATOR_ROLE_VIEWER, false, true,
     handle_read_record},
    {PGTIDE__V1__REQUEST__BODY_READ_SOURCE, "read-source", OPERATOR_ROLE_OPERATOR, false, true,
     handle_read_source},
    {PGTIDE__V1__REQUEST__BODY_READ_DRIFT, "read-drift", OPERATOR_ROLE_VIEWER, false, true,
     handle_read_drift},
    {PGTIDE__V1__REQUEST__BODY_CHANGE_DRIFT, "change-drift", OPERATOR_ROLE_OPERATOR, true, false,
     handle_change_drift},
    {PGTIDE__V1__REQUEST__BODY_BLOB_PUT, "blob-put", OPERATOR_ROLE_OPERATOR, false, false,
     handle_blob_put},
    {PGTIDE__V1__REQUEST__BODY_MAKE_PLAN, "make-plan", OPERATOR_ROLE_OPERATOR, false, false,
     handle_make_plan},
    {PGTIDE__V1__REQUEST__BODY_MAKE_ROLLBACK, "make-rollback", OPERATOR_ROLE_OPERATOR, false, false,
     handle_make_rollback},
    {PGTIDE__V1__REQUEST__BODY_MAKE_RESTORE, "make-restore", OPERATOR_ROLE_OPERATOR, false, false,
     handle_make_restore},
    {PGTIDE__V1__REQUEST__BODY_SUBMIT_PLAN, "submit-plan", OPERATOR_ROLE_OPERATOR, true, false,
     handle_submit_plan},
    {PGTIDE__V1__REQUEST__BODY_SUBMIT_APPROVAL, "submit-approval", OPERATOR_ROLE_APPROVER, true,
     false, handle_submit_approval},
    {PGTIDE__V1__REQUEST__BODY_CONTROL, "control", OPERATOR_ROLE_OPERATOR, true, false,
     handle_control},
    {PGTIDE__V1__REQUEST__BODY_CONTROL_FLEET, "control-fleet", OPERATOR_ROLE_OPERATOR, true, false,
     handle_control_fleet},
    {PGTIDE__V1__REQUEST__BODY_PROVISION, "provision", OPERATOR_ROLE_OPERATOR, true, false,
     handle_provision},
    {PGTIDE__V1__REQUEST__BODY_BACKUPS, "backups", OPERATOR_ROLE_OPERATOR, true, false,
     handle_backups},
    {PGTIDE__V1__REQUEST__BODY_ADOPT, "adopt", OPERATOR_ROLE_ADMIN, true, false, handle_adopt},
    {PGTIDE__V1__REQUEST__BODY_RETRY_SINK, "retry-sink", OPERATOR_ROLE_OPERATOR, true, false,
     handle_retry_sink},
    /* A revocation is taken even by a coordinator that may not decide: it can only help. */
    {PGTIDE__V1__REQUEST__BODY_ADMIT, "admit", OPERATOR_ROLE_ADMIN, true, true, handle_admit},
};

static const RequestRule *rule_of(Pgtide__V1__Request__BodyCase body)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (rules[i].body == body)
            return &rules[i];
    }
    return NULL;
}

static ErrCode check_times(const Asked *asked, Error *err)
{
    uint64_t created = asked->request->created_unix_ms;
    uint64_t now = asked->coordinator->unix_ms;
    if (created + LIMIT_CLOCK_SKEW_MS < now || created > now + LIMIT_CLOCK_SKEW_MS) {
        char text[TIME_TEXT_SIZE];
        err_set(err, ERR_STALE,
                "the request's time differs from the coordinator's by more than "
                "5 minutes");
        time_format_rfc3339(created, text);
        err_detail(err, "made at %s", text);
        err_hint(err, "Set the clock of one of the two machines.");
        return ERR_STALE;
    }
    return ERR_OK;
}

static ErrCode check_rule(const Asked *asked, const RequestRule *rule, Error *err)
{
    const OperatorRole role = asked->signer->role;
    if (!operator_role_covers(role, rule->role)) {
        err_set(err, ERR_REFUSED, "%s may not do this", asked->signer->key.name);
        err_detail(err, "%s needs role %s, the trust file gives %s", rule->name,
                   operator_role_name(rule->role), operator_role_name(role));
        return ERR_REFUSED;
    }
    if (coordinator_is_read_only(asked->coordinator) && !rule->while_read_only) {
        uint64_t epoch;
        err_set(err, ERR_STATE, "this coordinator is read-only: %s",
                coordinator_read_only_reason(asked->coordinator, asked->arena, &epoch));
        err_hint(err,
                 "Find the other coordinator or its journal; to take over, restart this one "
                 "with --take-over-from %llu.",
                 (unsigned long long)epoch);
        return ERR_STATE;
    }
    return ERR_OK;
}

/* --- the envelope in and out ------------------------------------------------------------------ */

/* Verifies and decodes. What can't be told to come from the connection's owner is not read. */
static ErrCode open_request(Asked *asked, const char *keyid, const void *bytes, size_t length,
                            Error *err)
{
    const uint8_t *payload;
    size_t payload_length;
    Signers signers;
    Coordinator *coordinator = asked->coordinator;
    ProtobufCMessage *message;
    ErrCode code =
        envelope_open(asked->arena, bytes, length, MESSAGE_REQUEST, trust_lookup_operator,
                      coordinator->trust, &payload, &payload_length, &signers, err);
    if (code != ERR_OK)
        return code;
    if (signers.count != 1 || strcmp(signers.items[0].keyid, keyid) != 0)
        return err_set(err, ERR_REFUSED, "the request was not signed by the key that sent it");
    asked->signer = trust_find_operator(coordinator->trust, keyid);
    if (asked->signer == NULL)
        return err_set(err, ERR_KEY_UNKNOWN, "the key has no role");
    code = proto_unpack(asked->arena, &pgtide__v1__request__descriptor, payload, payload_length,
                        UNKNOWN_FIELDS_REFUSE, &message, err);
    if (code != ERR_OK)
        return code;
    const Pgtide__V1__Request *request = (const Pgtide__V1__Request *)message;
    Uuid fleet;
    code = proto_uuid(&request->fleet_id, "fleet id", &fleet, err);
    if (code == ERR_OK)
        code = proto_uuid(&request->request_id, "request id", &asked->id, err);
    if (code == ERR_OK && !uuid_equal(&fleet, trust_fleet_id(coordinator->trust)))
        code = err_set(err, ERR_REFUSED, "the request is for another fleet");
    asked->request = request;
    return code == ERR_OK ? check_times(asked, err) : code;
}

static void seal(const Asked *asked, const Error *failure, RequestResult *ret_result)
{
    Pgtide__V1__Response response = PGTIDE__V1__RESPONSE__INIT;
    Pgtide__V1__ResponseError error = PGTIDE__V1__RESPONSE_ERROR__INIT;
    Error err;
    size_t length;
    response.request_id = proto_from_uuid(&asked->id);
    if (failure != NULL) {
        error.code = proto_from_text(err_code_name(failure->code));
        error.message = proto_from_text(failure->message);
        error.detail = proto_from_text(failure->detail);
        error.hint = proto_from_text(failure->hint);
        response.error = &error;
    } else {
        response.json = proto_from_text(str_text(&asked->json));
        response.bytes = proto_bytes(asked->bytes.bytes, asked->bytes.length);
        response.total = asked->total;
        response.revision = asked->revision;
    }
    const uint8_t *payload = proto_pack(asked->arena, &response.base, &length);
    const SecretKey *key = asked->coordinator->key;
    if (envelope_sign(asked->arena, MESSAGE_RESPONSE, payload, length, &key, 1, &ret_result->bytes,
                      &ret_result->length, &err) != ERR_OK) {
        ret_result->bytes = NULL; /* no answer: the asker's time runs out */
        ret_result->length = 0;
    }
    ret_result->outcome = REQUEST_ANSWER;
}

static void seal_result(Asked *asked, ErrCode code, Error *err, RequestResult *ret_result)
{
    if (code == ERR_OK && asked->json.length > LIMIT_RESPONSE_BYTES - LIMIT_CHUNK_BYTES)
        code = err_set(err, ERR_LIMIT, "the answer is larger than %d bytes", LIMIT_RESPONSE_BYTES);
    seal(asked, code == ERR_OK ? NULL : err, ret_result);
}

/* Once each: what comes again gets the answer that was given. */
static bool was_answered(const Asked *asked, RequestResult *ret_result, Error *err)
{
    const RequestMemory *memory = asked->coordinator->requests;
    if (!request_memory_has(memory, &asked->id))
        return false;
    const uint8_t *answer = request_memory_answer(memory, &asked->id, &ret_result->length);
    if (answer == NULL) {
        err_set(err, ERR_STALE, "this request was acted on already");
        err_hint(err, "Its answer is lost; look at the state before asking again.");
        seal(asked, err, ret_result);
        return true;
    }
    ret_result->outcome = REQUEST_ANSWER;
    ret_result->bytes = arena_memdup(asked->arena, answer, ret_result->length);
    return true;
}

static void log_request(const Asked *asked, const RequestRule *rule, ErrCode code, const Error *err)
{
    if (code != ERR_OK)
        log_failure(LOG_WARN, "request.refused", err, "request", rule->name, "operator",
                    asked->signer->key.name, NULL);
    else
        log_event(rule->changes ? LOG_INFO : LOG_DEBUG, "request.done", "request", rule->name,
                  "operator", asked->signer->key.name, NULL);
}

void requests_handle(Coordinator *coordinator, const char *keyid, const void *bytes, size_t length,
                     Arena *arena, RequestResult *ret_result)
{
    Asked asked = {.coordinator = coordinator, .arena = arena, .envelope = {bytes, length}};
    Error err;
    *ret_result = (RequestResult){0};
    ErrCode code = open_request(&asked, keyid, bytes, length, &err);
    const RequestRule *rule = code == ERR_OK ? rule_of(asked.request->body_case) : NULL;
    if (code == ERR_OK && rule == NULL)
        code = err_set(&err, ERR_PROTOCOL, "a request this version does not know");
    if (code != ERR_OK) {
        log_failure(LOG_WARN, "request.refused", &err, "keyid", keyid, NULL);
        seal(&asked, &err, ret_result);
        return;
    }
    if (relay_has(coordinator->relay, &asked.id)) {
        ret_result->outcome = REQUEST_RELAYED;
        ret_result->relayed = asked.id;
        return;
    }
    if (rule->changes && was_answered(&asked, ret_result, &err))
        return;
    code = check_rule(&asked, rule, &err);
    if (code == ERR_OK)
        code = rule->handler(&asked, &err);
    log_request(&asked, rule, code, &err);
    if (code == ERR_OK && asked.wait) {
        const Pgtide__V1__View *view = asked.request->view;
        uint64_t wait_ms =
            view->wait_ms < REQUEST_WAIT_MS_MAX ? view->wait_ms : REQUEST_WAIT_MS_MAX;
        ret_result->outcome = REQUEST_WAIT;
        ret_result->waiting = (WaitingView){.request_id = asked.id,
                                            .request = asked.view,
                                            .seen_revision = view->seen_revision,
                                            .until_ms = coordinator->now_ms + wait_ms};
    } else if (code == ERR_OK && asked.told != NULL) {
        ret_result->outcome = REQUEST_WHEN_DURABLE;
        ret_result->told = (ToldRollout){asked.id, asked.told->header.rollout_id};
    } else if (code == ERR_OK && asked.relayed) {
        ret_result->outcome = REQUEST_RELAYED;
        ret_result->relayed = asked.id;
    } else {
        seal_result(&asked, code, &err, ret_result);
        if (rule->changes)
            request_memory_set_answer(coordinator->requests, &asked.id, ret_result->bytes,
                                      ret_result->length);
    }
    str_free(&asked.json);
}

bool requests_look_again(Coordinator *coordinator, const WaitingView *waiting, Arena *arena,
                         RequestResult *ret_result)
{
    Asked asked = {.coordinator = coordinator,
                   .arena = arena,
                   .id = waiting->request_id,
                   .view = waiting->request};
    Error err;
    *ret_result = (RequestResult){0};
    ErrCode code = view_revision(coordinator, &asked.view, &asked.revision, &err);
    if (code == ERR_OK && asked.revision == waiting->seen_revision &&
        coordinator->now_ms < waiting->until_ms)
        return false;
    asked.view.now_ms = coordinator->now_ms;
    asked.view.unix_ms = coordinator->unix_ms;
    if (code == ERR_OK)
        code = view_render(coordinator, &asked.view, arena, &asked.json, &err);
    seal_result(&asked, code, &err, ret_result);
    str_free(&asked.json);
    return true;
}

void requests_tell_rollout(Coordinator *coordinator, const ToldRollout *told, Arena *arena,
                           RequestResult *ret_result)
{
    Asked asked = {.coordinator = coordinator, .arena = arena, .id = told->request_id};
    *ret_result = (RequestResult){0};
    asked_answer_summary(&asked, rollouts_find_id(coordinator->rollouts, &told->rollout_id));
    seal_result(&asked, ERR_OK, NULL, ret_result);
    request_memory_set_answer(coordinator->requests, &asked.id, ret_result->bytes,
                              ret_result->length);
    str_free(&asked.json);
}

bool requests_tell_relayed(Coordinator *coordinator, const Uuid *request_id, Arena *arena,
                           RequestResult *ret_result)
{
    Asked asked = {.coordinator = coordinator, .arena = arena, .id = *request_id};
    Error err;
    ErrCode code = ERR_OK;
    if (!relay_has(coordinator->relay, request_id))
        code = err_set(&err, ERR_STALE, "the agents' answers are kept no longer");
    else if (!relay_result(coordinator->relay, request_id, &asked.json))
        return false;
    *ret_result = (RequestResult){0};
    seal_result(&asked, code, &err, ret_result);
    if (code == ERR_OK)
        request_memory_set_answer(coordinator->requests, request_id, ret_result->bytes,
                                  ret_result->length);
    str_free(&asked.json);
    return true;
}
