/*
 * Writes inputs for fuzz_evidence into a directory: a rollout that succeeds and one that is only
 * approved, as files and as records. From nothing the fuzzer would never find a signature.
 */
#include "evidence_check.h"
#include "evidence_world.h"
#include "file.h"

static EvidenceWorld *world;
static Str records;

static void add(JournalKind kind, ByteSpan payload)
{
    str_append_char(&records, (char)kind);
    str_append_char(&records, (char)(payload.length >> 8));
    str_append_char(&records, (char)(payload.length & 0xff));
    str_append_bytes(&records, payload.bytes, payload.length);
}

static void add_approval(void)
{
    Approval approval = {.plan_digest = world->plan_digest,
                         .verdict = VERDICT_APPROVED,
                         .created_unix_ms = WORLD_NOW_MS,
                         .expires_unix_ms = 2 * WORLD_NOW_MS,
                         .reason = "looked at it"};
    uint8_t *payload;
    size_t length;
    Error err;
    world_must(approval_encode(world->arena, &approval, &payload, &length, &err), &err);
    add(JOURNAL_APPROVAL_RECORDED,
        journal_envelope_encode(world->arena, JOURNAL_APPROVAL_RECORDED,
                                world_sign(world, MESSAGE_APPROVAL, payload, length, world->bob)));
}

static void add_request(Pgtide__V1__Control word)
{
    Pgtide__V1__Request request = PGTIDE__V1__REQUEST__INIT;
    Pgtide__V1__ControlRollout control = PGTIDE__V1__CONTROL_ROLLOUT__INIT;
    static uint8_t count;
    Uuid id = {{9, ++count}};
    size_t length;
    request.fleet_id = proto_from_uuid(&world->header.fleet_id);
    request.request_id = proto_from_uuid(&id);
    request.created_unix_ms = WORLD_NOW_MS;
    request.body_case = PGTIDE__V1__REQUEST__BODY_CONTROL;
    request.control = &control;
    control.rollout = proto_from_text("first");
    control.control = word;
    control.reason = proto_from_text("because");
    const uint8_t *payload = proto_pack(world->arena, &request.base, &length);
    RequestDone done = {.request_id = id,
                        .created_unix_ms = WORLD_NOW_MS,
                        .keyid = key_public(world->alice)->keyid,
                        .envelope =
                            world_sign(world, MESSAGE_REQUEST, payload, length, world->alice),
                        .rollouts = &world->header.rollout_id,
                        .rollout_count = 1};
    add(JOURNAL_REQUEST_DONE, request_done_encode(world->arena, &done));
}

static void add_decision(RolloutRecord record)
{
    record.at_unix_ms = WORLD_NOW_MS;
    add(JOURNAL_ROLLOUT_RECORD,
        rollout_record_encode(world->arena, &world->header.rollout_id, &record));
}

static void add_state(RolloutRecordKind kind, RolloutState state, const char *who)
{
    add_decision((RolloutRecord){
        .kind = kind, .state = state, .who = who, .reason = who[0] == '\0' ? "" : "because"});
}

static void add_job(uint8_t index)
{
    Arena *arena = world->arena;
    RolloutShardRecord sent = {
        .index = index, .generation = 1, .direction = DIRECTION_UPGRADE, .attempt = 1};
    add_decision(
        (RolloutRecord){.kind = ROLLOUT_RECORD_DISPATCHED, .shards = &sent, .shard_count = 1});
    JobReport job = {.rollout_id = world->header.rollout_id,
                     .shard = {{0x5a, index, 0, 0, 0, 0, 0x80, 0, 0x80}},
                     .index = index,
                     .generation = 1,
                     .direction = DIRECTION_UPGRADE,
                     .attempt = 1,
                     .phase = PHASE_DONE,
                     .outcome = OUTCOME_SUCCEEDED,
                     .steps_done = 1,
                     .steps_total = 1,
                     .revision = "001_one",
                     .code = "",
                     .sqlstate = "",
                     .message = "",
                     .hint = "",
                     .has_backup = true,
                     .backup = {.path = "a.dump",
                                .sha256 = {{1}},
                                .size_bytes = 1,
                                .duration_ms = 1,
                                .method = BACKUP_METHOD_DUMP}};
    strlist_add(arena, &job.rows, "001_one");
    Report report = {.fleet_id = world->header.fleet_id,
                     .agent = "host-a",
                     .agent_boot = {{2}},
                     .sequence = index + 1u,
                     .sent_unix_ms = WORLD_NOW_MS,
                     .kind = REPORT_JOBS,
                     .jobs = {&job, 1}};
    uint8_t *payload;
    size_t length;
    Error err;
    world_must(report_encode(arena, &report, &payload, &length, &err), &err);
    add(JOURNAL_REPORT_KEPT,
        journal_envelope_encode(arena, JOURNAL_REPORT_KEPT,
                                world_sign(world, MESSAGE_REPORT, payload, length, world->agent)));
    RolloutShardRecord ended = rollout_shard_record(&job);
    add_decision(
        (RolloutRecord){.kind = ROLLOUT_RECORD_SHARD_ENDED, .shards = &ended, .shard_count = 1});
}

static void write_seed(const char *directory, const char *name, char choice, ByteSpan bytes)
{
    AUTO_STR Str all = {0};
    Error err;
    str_append_char(&all, choice);
    str_append_bytes(&all, bytes.bytes, bytes.length);
    world_must(file_write_atomic(path_join(world->arena, directory, name), all.data, all.length,
                                 0644, &err),
               &err);
}

/* Both ways, and only what is genuine: a seed that is refused early leads nowhere. */
static void write_both(const char *directory, const char *name)
{
    EvidenceSummary summary;
    Error err;
    ByteSpan raw = {(const uint8_t *)records.data, records.length};
    ByteSpan file = world_evidence(world, world->arena, raw.bytes, raw.length);
    world_must(evidence_check(world->arena, file.bytes, file.length, world->trust, &summary, &err),
               &err);
    evidence_summary_done(&summary);
    write_seed(directory, arena_printf(world->arena, "%s-file", name), 0, file);
    write_seed(directory, arena_printf(world->arena, "%s-records", name), 1, raw);
    str_clear(&records);
}

int main(int argc, char **argv)
{
    Error err;
    if (argc != 2)
        return 2;
    world = evidence_world();
    world_must(dir_make(argv[1], 0755, &err), &err);
    str_append_char(&records, ROLLOUT_APPROVED);
    add_approval();
    add((JournalKind)(JOURNAL_FLEET_BRAKED | WORLD_HIDDEN), (ByteSpan){(const uint8_t *)"x", 1});
    write_both(argv[1], "approved");
    str_append_char(&records, ROLLOUT_SUCCEEDED);
    add_approval();
    add_request(PGTIDE__V1__CONTROL__CONTROL_START);
    add_state(ROLLOUT_RECORD_STARTED, ROLLOUT_RUNNING, "alice");
    add_decision((RolloutRecord){.kind = ROLLOUT_RECORD_WAVE_OPENED});
    add_job(0);
    add_request(PGTIDE__V1__CONTROL__CONTROL_PAUSE);
    add_state(ROLLOUT_RECORD_STATE, ROLLOUT_PAUSED, "alice");
    add_request(PGTIDE__V1__CONTROL__CONTROL_RESUME);
    add_state(ROLLOUT_RECORD_STATE, ROLLOUT_RUNNING, "alice");
    add_job(1);
    add_decision((RolloutRecord){.kind = ROLLOUT_RECORD_WAVE_BAKING});
    add_decision((RolloutRecord){.kind = ROLLOUT_RECORD_WAVE_DONE});
    add_state(ROLLOUT_RECORD_STATE, ROLLOUT_SUCCEEDED, "");
    write_both(argv[1], "succeeded");
    str_free(&records);
    return 0;
}
