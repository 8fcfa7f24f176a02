/*
 * A coordinator without its socket: real keys, trust, journal and blobs in a directory of its own.
 * Requests go in as signed envelopes, commands come out into a list, time is what the test says.
 *
 * alice is an admin, bob and beth are approvers, otto is an operator, vera a viewer.
 */
#pragma once

#include "../../common/wire/wire_test.h"

#include "bundle.h"
#include "clock.h"
#include "coordinator.h"
#include "digest.h"
#include "message_codec.h"
#include "proto_read.h"
#include "requests.h"

#include "operator.pb-c.h"

#include <jansson.h>

enum { WORLD_COMMANDS_MAX = 64, WORLD_FIRST_KEY = 10 };

typedef enum Who { ALICE, BOB, BETH, OTTO, VERA, WHO_COUNT } Who;

typedef struct SentCommand {
    char agent[KEY_NAME_SIZE];
    CommandKind kind;
    size_t orders;
    uint32_t first_generation;
    Direction first_direction;
    RunShards run; /* only its digests */
} SentCommand;

typedef struct World {
    char directory[64];
    Arena *arena;
    Settings settings;
    SecretKey *root;
    SecretKey *release;
    SecretKey *coordinator_key;
    SecretKey *agent_keys[2];
    SecretKey *operators[WHO_COUNT];
    Coordinator *coordinator;
    uv_loop_t loop;
    SentCommand sent[WORLD_COMMANDS_MAX];
    size_t sent_count;
    uint32_t next_request;
    uint64_t next_report;
    Digest bundle_blob;
} World;

typedef struct Answer {
    char code[32]; /* '' = none */
    char message[256];
    json_t *result; /* owned; NULL with an error */
    uint64_t revision;
} Answer;

static inline void answer_drop(Answer *answer)
{
    json_decref(answer->result);
}
#define AUTO_ANSWER __attribute__((cleanup(answer_drop)))

/* --- the world --------------------------------------------------------------------------------
 */

static inline void world_record_command(void *context, const char *agent, Command *command)
{
    World *world = context;
    assert_true(world->sent_count < WORLD_COMMANDS_MAX);
    SentCommand *sent = &world->sent[world->sent_count++];
    *sent = (SentCommand){.kind = command->kind};
    snprintf(sent->agent, sizeof sent->agent, "%s", agent);
    if (command->kind == COMMAND_RUN) {
        sent->orders = command->run.order_count;
        sent->first_generation = command->run.orders[0].generation;
        sent->first_direction = command->run.orders[0].direction;
        sent->run = command->run;
    }
}

static inline void world_write_trust(World *world)
{
    static const OperatorRole roles[] = {OPERATOR_ROLE_ADMIN, OPERATOR_ROLE_APPROVER,
                                         OPERATOR_ROLE_APPROVER, OPERATOR_ROLE_OPERATOR,
                                         OPERATOR_ROLE_VIEWER};
    TrustOperator operators[WHO_COUNT];
    for (int i = 0; i < WHO_COUNT; i++)
        operators[i] = (TrustOperator){*key_public(world->operators[i]), roles[i]};
    TrustParts parts = {
        .fleet_id = {{0xf1, 0, 0, 0, 0, 0, 0x40, 0, 0x80}},
        .version = 1,
        .created_unix_ms = 1,
        .root = {1, key_public(world->root), 1},
        .release = {1, key_public(world->release), 1},
        .operators = operators,
        .operator_count = WHO_COUNT,
        .coordinators = key_public(world->coordinator_key),
        .coordinator_count = 1,
    };
    uint8_t *payload;
    uint8_t *bytes;
    size_t length;
    const SecretKey *root = world->root;
    assert_ok(trust_encode(world->arena, &parts, &payload, &length, err));
    assert_ok(envelope_sign(world->arena, MESSAGE_TRUST, payload, length, &root, 1, &bytes, &length,
                            err));
    FILE *file = fopen(world->settings.trust_path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static inline void world_on_persisted(void *context, uint64_t seq)
{
    World *world = context;
    rollouts_persisted(world->coordinator->rollouts, seq);
}

static inline void world_open(World *world)
{
    assert_int_equal(uv_loop_init(&world->loop), 0);
    assert_ok(coordinator_open(&world->settings, 0, &world->coordinator, err));
    world->coordinator->sink = (CommandSink){world, world_record_command};
    assert_ok(coordinator_start(world->coordinator, &world->loop, world_on_persisted, world, err));
}

static inline void world_close(World *world)
{
    coordinator_free(world->coordinator);
    world->coordinator = NULL;
    uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&world->loop), 0);
}

/* Until everything that was decided is durable and has had its consequences. */
static inline void world_settle(World *world)
{
    const Journal *journal = world->coordinator->journal;
    uint64_t seq;
    do {
        seq = journal_last_seq(journal);
        while (journal_persisted(journal) < seq)
            uv_run(&world->loop, UV_RUN_ONCE);
        uv_run(&world->loop, UV_RUN_NOWAIT);
    } while (seq != journal_last_seq(journal));
}

static inline int world_setup(void **state)
{
    static const char *const names[] = {"alice", "bob", "beth", "otto", "vera"};
    World *world = xcalloc(1, sizeof *world);
    test_directory(world->directory);
    world->arena = arena_new();
    world->root = fixed_key("root", 1);
    world->release = fixed_key("release", 2);
    world->coordinator_key = fixed_key("coordinator", 3);
    world->agent_keys[0] = fixed_key("boston", 4);
    world->agent_keys[1] = fixed_key("chennai", 5);
    for (int i = 0; i < WHO_COUNT; i++)
        world->operators[i] = fixed_key(names[i], (uint8_t)(WORLD_FIRST_KEY + i));
    world->settings = (Settings){
        .name = "main",
        .key_path = arena_printf(world->arena, "%s/coordinator.key", world->directory),
        .trust_path = arena_printf(world->arena, "%s/trust", world->directory),
        .state_path = arena_printf(world->arena, "%s/state", world->directory),
        .listen = "ipc:///nowhere",
        .heartbeat_ms = 1000,
        .silence_deadline_ms = 5000,
        .agent_deadline_ms = 5000,
        .plan_ttl_ms = 3600 * 1000,
        .approvals_min = 1,
    };
    assert_ok(key_save(world->coordinator_key, world->settings.key_path, NULL, err));
    world_write_trust(world);
    log_setup(LOG_LOGFMT, LOG_ERROR);
    world_open(world);
    *state = world;
    return 0;
}

static inline int world_teardown(void **state)
{
    World *world = *state;
    if (world->coordinator != NULL)
        world_close(world);
    key_free(world->root);
    key_free(world->release);
    key_free(world->coordinator_key);
    key_free(world->agent_keys[0]);
    key_free(world->agent_keys[1]);
    for (int i = 0; i < WHO_COUNT; i++)
        key_free(world->operators[i]);
    arena_free(world->arena);
    remove_directory(world->directory);
    free(world);
    return 0;
}

/* --- requests --------------------------------------------------------------------------------- */

typedef Pgtide__V1__Request RequestMessage;

static inline RequestMessage world_request(World *world)
{
    RequestMessage request = PGTIDE__V1__REQUEST__INIT;
    uint8_t *id = arena_alloc(world->arena, 16);
    id[0] = 1;
    world->next_request++;
    memcpy(id + 12, &world->next_request, sizeof world->next_request);
    request.fleet_id = proto_from_uuid(trust_fleet_id(world->coordinator->trust));
    request.request_id = proto_bytes(id, 16);
    request.created_unix_ms = world->coordinator->unix_ms;
    return request;
}

static inline uint8_t *world_sign(World *world, MessageType type, const void *payload,
                                  size_t length, const SecretKey *key, size_t *ret_length)
{
    uint8_t *bytes;
    assert_ok(envelope_sign(world->arena, type, payload, length, &key, 1, &bytes, ret_length, err));
    return bytes;
}

static inline Answer world_read_answer(World *world, const RequestResult *result)
{
    const uint8_t *payload;
    size_t length;
    ProtobufCMessage *message;
    Answer answer = {.result = NULL};
    assert_int_equal(result->outcome, REQUEST_ANSWER);
    assert_ok(envelope_open(world->arena, result->bytes, result->length, MESSAGE_RESPONSE,
                            trust_lookup_coordinator, world->coordinator->trust, &payload, &length,
                            NULL, err));
    assert_ok(proto_unpack(world->arena, &pgtide__v1__response__descriptor, payload, length,
                           UNKNOWN_FIELDS_REFUSE, &message, err));
    const Pgtide__V1__Response *response = (const Pgtide__V1__Response *)message;
    answer.revision = response->revision;
    if (response->error != NULL) {
        snprintf(answer.code, sizeof answer.code, "%s", response->error->code);
        snprintf(answer.message, sizeof answer.message, "%s", response->error->message);
        return answer;
    }
    json_error_t error;
    answer.result = json_loads(response->json, 0, &error);
    if (answer.result == NULL)
        fail_msg("%s: %s", error.text, response->json);
    return answer;
}

static inline Answer world_deliver(World *world, const char *keyid, const void *bytes,
                                   size_t length)
{
    RequestResult result;
    requests_handle(world->coordinator, keyid, bytes, length, world->arena, &result);
    if (result.outcome == REQUEST_WHEN_DURABLE) {
        ToldRollout told = result.told;
        requests_tell_rollout(world->coordinator, &told, world->arena, &result);
    }
    return world_read_answer(world, &result);
}

static inline Answer world_ask(World *world, Who who, const RequestMessage *request)
{
    size_t length;
    const uint8_t *payload = proto_pack(world->arena, &request->base, &length);
    const SecretKey *key = world->operators[who];
    const uint8_t *bytes = world_sign(world, MESSAGE_REQUEST, payload, length, key, &length);
    return world_deliver(world, key_public(key)->keyid, bytes, length);
}

#define assert_refused(answer, expected)                                                           \
    do {                                                                                           \
        if (strcmp((answer).code, (expected)) != 0)                                                \
            fail_msg("answer %s: %s, expected %s", (answer).code, (answer).message, (expected));   \
    } while (0)

static inline const char *answer_string(const Answer *answer, const char *key)
{
    const char *text = json_string_value(json_object_get(answer->result, key));
    if (text == NULL)
        fail_msg("answer %s %s has no text %s", answer->code, answer->message, key);
    return text;
}

static inline Answer world_view(World *world, ViewKind kind, const char *rollout)
{
    RequestMessage request = world_request(world);
    Pgtide__V1__View view = PGTIDE__V1__VIEW__INIT;
    view.kind = (Pgtide__V1__ViewKind)kind;
    view.rollout = proto_from_text(rollout);
    view.with_shards = true;
    request.body_case = PGTIDE__V1__REQUEST__BODY_VIEW;
    request.view = &view;
    Answer answer = world_ask(world, VERA, &request);
    assert_refused(answer, "");
    return answer;
}

/* --- agents and shards ------------------------------------------------------------------------ */

static inline Answer world_admit(World *world, Who who, const SecretKey *agent, uint64_t serial,
                                 bool revoked)
{
    RequestMessage request = world_request(world);
    Pgtide__V1__Admit admit = PGTIDE__V1__ADMIT__INIT;
    Admission admission = {.fleet_id = *trust_fleet_id(world->coordinator->trust),
                           .agent = *key_public(agent),
                           .serial = serial,
                           .revoked = revoked,
                           .reason = ""};
    uint8_t *bytes;
    size_t length;
    assert_ok(
        admission_sign(world->arena, &admission, world->operators[who], &bytes, &length, err));
    admit.envelope = proto_bytes(bytes, length);
    request.body_case = PGTIDE__V1__REQUEST__BODY_ADMIT;
    request.admit = &admit;
    return world_ask(world, who, &request);
}

static inline Uuid shard_number(uint8_t number)
{
    return (Uuid){{0x5a, number, 0, 0, 0, 0, 0x80, 0, 0x80, 0, 0, 0, 0, 0, 0, number}};
}

static inline void world_agent_up(World *world, const char *name)
{
    RosterAgent *agent = roster_find(world->coordinator->roster, name);
    assert_non_null(agent);
    agent->connected = true;
    rollouts_agent_up(world->coordinator->rollouts, name);
}

/* Lists `count` shards of cluster `name`, numbered from `first`, all at `row` ('' = none). */
static inline void world_list_shards(World *world, const char *name, uint8_t first, uint8_t count,
                                     const char *row)
{
    Arena *arena = world->arena;
    ClusterInfo cluster = {
        .name = name, .system_identifier = first, .reachable = true, .message = ""};
    ShardInfo *shards = ARENA_ARRAY(arena, ShardInfo, count);
    bool replaced = false;
    for (uint8_t i = 0; i < count; i++) {
        shards[i] = (ShardInfo){.uuid = shard_number((uint8_t)(first + i)),
                                .cluster = name,
                                .database = arena_printf(arena, "tenant_%02d", first + i),
                                .schema = "",
                                .system_identifier = first,
                                .database_oid = 16000u + first + i,
                                .reachable = true,
                                .message = ""};
        if (row[0] != '\0')
            strlist_add(arena, &shards[i].rows, row);
    }
    Inventory part = {.snapshot = 1,
                      .last = true,
                      .host = name,
                      .clusters = &cluster,
                      .cluster_count = 1,
                      .shards = shards,
                      .shard_count = count};
    assert_ok(inventory_part(world->coordinator->inventory, name, &part, world->coordinator->now_ms,
                             world->coordinator->unix_ms, &replaced, err));
    assert_true(replaced);
}

/* Two agents with three shards each, at 001_one. */
static inline void world_fleet(World *world)
{
    for (int i = 0; i < 2; i++) {
        AUTO_ANSWER Answer answer = world_admit(world, ALICE, world->agent_keys[i], 100, false);
        assert_refused(answer, "");
    }
    world_agent_up(world, "boston");
    world_agent_up(world, "chennai");
    world_list_shards(world, "boston", 1, 3, "001_one");
    world_list_shards(world, "chennai", 11, 3, "001_one");
}

/* --- plans ------------------------------------------------------------------------------------ */

static inline void world_put_bundle(World *world)
{
    static const char *const sources[] = {
        "-- revision: 001_one\n-- message: one\n\n-- +upgrade\nCREATE TABLE one (id int);\n\n"
        "-- +downgrade\nDROP TABLE one;\n",
        "-- revision: 002_two\n-- revises: 001_one\n-- message: two\n\n-- +upgrade\n"
        "CREATE TABLE two (id int);\n\n-- +downgrade\nDROP TABLE two;\n",
        "-- revision: 003_three\n-- revises: 002_two\n-- message: three\n\n-- +upgrade\n"
        "CREATE TABLE three (id int);\n\n-- +downgrade\nDROP TABLE three;\n",
    };
    static const char *const files[] = {"001_one.sql", "002_two.sql", "003_three.sql"};
    Script *scripts[3];
    uint8_t *bytes;
    size_t length;
    for (size_t i = 0; i < 3; i++)
        assert_ok(script_parse(world->arena, files[i], (const uint8_t *)sources[i],
                               strlen(sources[i]), &scripts[i], err));
    assert_ok(bundle_build(world->arena, "forge-1", 1000, scripts, 3, NULL, &bytes, &length, err));
    assert_ok(bundle_sign(world->arena, bytes, length, world->release, &bytes, &length, err));
    assert_ok(blob_put(world->coordinator->blobs, bytes, length, &world->bundle_blob, err));
}

/* A canary of one shard and the rest, one failure allowed, one approval. */
static inline Answer world_make_plan(World *world, Who who, const char *name, uint32_t approvals)
{
    RequestMessage request = world_request(world);
    Pgtide__V1__MakePlan plan = PGTIDE__V1__MAKE_PLAN__INIT;
    Pgtide__V1__WaveSpec waves[2] = {PGTIDE__V1__WAVE_SPEC__INIT, PGTIDE__V1__WAVE_SPEC__INIT};
    Pgtide__V1__WaveSpec *wave_list[] = {&waves[0], &waves[1]};
    Pgtide__V1__BudgetSpec budget = PGTIDE__V1__BUDGET_SPEC__INIT;
    Pgtide__V1__Policy policy = PGTIDE__V1__POLICY__INIT;
    Pgtide__V1__Concurrency concurrency = PGTIDE__V1__CONCURRENCY__INIT;
    Pgtide__V1__BackupPolicy backup = PGTIDE__V1__BACKUP_POLICY__INIT;
    waves[0].name = proto_from_text("canary");
    waves[0].count = 1;
    waves[1].rest = true;
    budget.count = 1;
    backup.method = PGTIDE__V1__BACKUP_METHOD__BACKUP_METHOD_NONE;
    policy.concurrency = &concurrency;
    policy.backup = &backup;
    policy.on_shard_failure = PGTIDE__V1__ON_SHARD_FAILURE__ON_SHARD_FAILURE_STAY;
    policy.on_failure = PGTIDE__V1__ON_FAILURE__ON_FAILURE_PAUSE;
    policy.approvals = approvals;
    plan.name = proto_from_text(name);
    plan.bundle_blob_digest = proto_from_digest(&world->bundle_blob);
    plan.direction = PGTIDE__V1__DIRECTION__DIRECTION_UPGRADE;
    plan.target = proto_from_text("head");
    plan.n_waves = 2;
    plan.waves = wave_list;
    plan.order = PGTIDE__V1__ORDER__ORDER_INVENTORY;
    plan.budget_wave = &budget;
    plan.budget_fleet = &budget;
    plan.policy = &policy;
    request.body_case = PGTIDE__V1__REQUEST__BODY_MAKE_PLAN;
    request.make_plan = &plan;
    return world_ask(world, who, &request);
}

static inline Answer world_submit(World *world, Who author, const Answer *made)
{
    RequestMessage request = world_request(world);
    Pgtide__V1__SubmitPlan submit = PGTIDE__V1__SUBMIT_PLAN__INIT;
    Digest blob;
    PlanFile file;
    uint8_t *bytes;
    const uint8_t *header;
    size_t length;
    assert_true(digest_parse(answer_string(made, "plan_blob_digest"), &blob));
    assert_ok(blob_read(world->coordinator->blobs, world->arena, &blob, &bytes, &length, err));
    assert_ok(plan_file_decode(world->arena, bytes, length, &file, err));
    assert_ok(envelope_peek_unverified(world->arena, file.header_envelope.bytes,
                                       file.header_envelope.length, MESSAGE_PLAN, &header, &length,
                                       NULL, err));
    bytes = world_sign(world, MESSAGE_PLAN, header, length, world->operators[author], &length);
    submit.header_envelope = proto_bytes(bytes, length);
    submit.plan_blob_digest = proto_from_digest(&blob);
    request.body_case = PGTIDE__V1__REQUEST__BODY_SUBMIT_PLAN;
    request.submit_plan = &submit;
    return world_ask(world, author, &request);
}

static inline Answer world_approve(World *world, Who who, const char *digest_text, Verdict verdict)
{
    RequestMessage request = world_request(world);
    Pgtide__V1__SubmitApproval submit = PGTIDE__V1__SUBMIT_APPROVAL__INIT;
    Approval approval = {.verdict = verdict,
                         .created_unix_ms = world->coordinator->unix_ms,
                         .expires_unix_ms = world->coordinator->unix_ms + 3600 * 1000,
                         .reason = "looked at it"};
    uint8_t *bytes;
    size_t length;
    assert_true(digest_parse(digest_text, &approval.plan_digest));
    assert_ok(approval_encode(world->arena, &approval, &bytes, &length, err));
    bytes = world_sign(world, MESSAGE_APPROVAL, bytes, length, world->operators[who], &length);
    submit.envelope = proto_bytes(bytes, length);
    request.body_case = PGTIDE__V1__REQUEST__BODY_SUBMIT_APPROVAL;
    request.submit_approval = &submit;
    return world_ask(world, who, &request);
}

static inline Answer world_control(World *world, Who who, const char *rollout,
                                   Pgtide__V1__Control word)
{
    RequestMessage request = world_request(world);
    Pgtide__V1__ControlRollout control = PGTIDE__V1__CONTROL_ROLLOUT__INIT;
    control.rollout = proto_from_text(rollout);
    control.control = word;
    control.reason = proto_from_text("because");
    request.body_case = PGTIDE__V1__REQUEST__BODY_CONTROL;
    request.control = &control;
    return world_ask(world, who, &request);
}

#define CONTROL(word) PGTIDE__V1__CONTROL__CONTROL_##word

/* A plan that otto wrote and bob approved; ready to start. */
static inline void world_approved_plan(World *world, const char *name)
{
    AUTO_ANSWER Answer made = world_make_plan(world, OTTO, name, 1);
    assert_refused(made, "");
    AUTO_ANSWER Answer submitted = world_submit(world, OTTO, &made);
    assert_refused(submitted, "");
    AUTO_ANSWER Answer approved =
        world_approve(world, BOB, answer_string(&made, "plan_digest"), VERDICT_APPROVED);
    assert_refused(approved, "");
    assert_string_equal(answer_string(&approved, "state"), "approved");
}

static inline void world_start(World *world, const char *name)
{
    AUTO_ANSWER Answer answer = world_control(world, OTTO, name, CONTROL(START));
    assert_refused(answer, "");
    world_settle(world);
}

/* The report goes in as its agent would have signed it. */
static inline void world_report(World *world, const char *agent, const JobReport *job)
{
    Arena *arena = world->arena;
    JobReport copy = *job;
    Report report = {.fleet_id = *trust_fleet_id(world->coordinator->trust),
                     .agent = agent,
                     .agent_boot = {{7}},
                     .sequence = ++world->next_report,
                     .sent_unix_ms = world->coordinator->unix_ms,
                     .kind = REPORT_JOBS,
                     .jobs = {&copy, 1}};
    uint8_t *bytes;
    size_t length;
    const SecretKey *key = world->agent_keys[strcmp(agent, "boston") == 0 ? 0 : 1];
    assert_ok(report_encode(arena, &report, &bytes, &length, err));
    bytes = world_sign(world, MESSAGE_REPORT, bytes, length, key, &length);
    HeardReport heard = {.envelope = {bytes, length}};
    rollouts_job(world->coordinator->rollouts, agent, job, &heard);
}

/* The end of the job that shard `number` of the plan is at. */
static inline void world_job_ends(World *world, const char *name, uint32_t index,
                                  JobOutcome outcome)
{
    RolloutEntry *entry;
    RolloutShardView view;
    assert_ok(rollouts_find(world->coordinator->rollouts, name, &entry, err));
    rollout_shard(entry->core, index, &view);
    const PlanShard *shard = view.plan;
    bool back = view.direction != entry->header.direction;
    bool good = outcome == OUTCOME_SUCCEEDED;
    JobReport report = {
        .rollout_id = entry->header.rollout_id,
        .shard = shard->uuid,
        .index = index,
        .generation = view.generation,
        .direction = view.direction,
        .attempt = view.attempt,
        .phase = PHASE_DONE,
        .outcome = outcome,
        .steps_done = good ? (uint32_t)shard->steps.count : 0,
        .steps_total = (uint32_t)shard->steps.count,
        .revision = shard->steps.items[0],
        .rows = good != back ? shard->rows_after : shard->rows_before,
        .code = good ? "" : "SQL",
        .sqlstate = good ? "" : "23505",
        .message = good ? "" : "could not create unique index",
        .hint = "",
    };
    world_report(world, shard->agent, &report);
    world_settle(world);
}
