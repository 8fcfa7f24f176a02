#include "../../common/wire/wire_test.h"

#include "record_codec.h"

static int setup(void **state)
{
    *state = arena_new();
    return 0;
}

static int teardown(void **state)
{
    arena_free(*state);
    return 0;
}

static const Uuid rollout_id = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

static void a_full_record_comes_back(void **state)
{
    Arena *arena = *state;
    RolloutShardRecord shards[2] = {
        {.index = 7,
         .generation = 2,
         .direction = DIRECTION_DOWNGRADE,
         .attempt = 3,
         .outcome = OUTCOME_ROLLBACK_FAILED,
         .steps_done = 4,
         .revision = "008_add_user_title",
         .code = "SQL",
         .sqlstate = "42P01",
         .message = "relation \"users\" does not exist",
         .has_backup = true,
         .backup =
             {"a/b.dump", {{9, 8, 7}}, 1234567890123, 42, BACKUP_METHOD_DIRECTORY, true, true, 43},
         .duration_ms = 99},
        {.index = 8},
    };
    strlist_add(arena, &shards[0].rows, "007_add_user_bio");
    strlist_add(arena, &shards[0].rows, "x_branch");
    RolloutRecord record = {.kind = ROLLOUT_RECORD_SHARD_ENDED,
                            .at_unix_ms = 1700000000000,
                            .wave = 5,
                            .state = ROLLOUT_ROLLING_BACK,
                            .who = "alice",
                            .reason = "budget exceeded",
                            .shards = shards,
                            .shard_count = 2};
    RolloutRecord back;
    Uuid id;
    ByteSpan payload = rollout_record_encode(arena, &rollout_id, &record);
    assert_ok(rollout_record_decode(arena, payload, &id, &back, err));
    assert_true(uuid_equal(&id, &rollout_id));
    assert_int_equal(back.kind, record.kind);
    assert_int_equal(back.at_unix_ms, record.at_unix_ms);
    assert_int_equal(back.wave, 5);
    assert_int_equal(back.state, ROLLOUT_ROLLING_BACK);
    assert_string_equal(back.who, "alice");
    assert_string_equal(back.reason, "budget exceeded");
    assert_int_equal(back.shard_count, 2);
    const RolloutShardRecord *first = &back.shards[0];
    assert_int_equal(first->index, 7);
    assert_int_equal(first->generation, 2);
    assert_int_equal(first->direction, DIRECTION_DOWNGRADE);
    assert_int_equal(first->attempt, 3);
    assert_int_equal(first->outcome, OUTCOME_ROLLBACK_FAILED);
    assert_int_equal(first->steps_done, 4);
    assert_string_equal(first->revision, "008_add_user_title");
    assert_string_equal(first->code, "SQL");
    assert_string_equal(first->sqlstate, "42P01");
    assert_string_equal(first->message, "relation \"users\" does not exist");
    assert_true(first->has_backup);
    assert_string_equal(first->backup.path, "a/b.dump");
    assert_true(digest_equal(&first->backup.sha256, &shards[0].backup.sha256));
    assert_int_equal(first->backup.size_bytes, 1234567890123);
    assert_int_equal(first->backup.duration_ms, 42);
    assert_int_equal(first->backup.method, BACKUP_METHOD_DIRECTORY);
    assert_true(first->backup.encrypted && first->backup.verified);
    assert_int_equal(first->backup.restore_test_ms, 43);
    assert_int_equal(first->duration_ms, 99);
    assert_true(strlist_equal(&first->rows, &shards[0].rows));
    /* NULL texts are the same as ''. */
    assert_string_equal(back.shards[1].message, "");
    assert_false(back.shards[1].has_backup);
}

static void every_kind_comes_back(void **state)
{
    Arena *arena = *state;
    for (int kind = ROLLOUT_RECORD_UNSPECIFIED + 1; kind < ROLLOUT_RECORD_KIND_COUNT; kind++) {
        RolloutRecord record = {.kind = (RolloutRecordKind)kind, .at_unix_ms = (uint64_t)kind};
        RolloutRecord back;
        Uuid id;
        ByteSpan payload = rollout_record_encode(arena, &rollout_id, &record);
        assert_ok(rollout_record_decode(arena, payload, &id, &back, err));
        assert_int_equal(back.kind, kind);
        assert_int_equal(back.at_unix_ms, kind);
        assert_int_equal(back.shard_count, 0);
    }
}

static void what_no_version_wrote_is_refused(void **state)
{
    Arena *arena = *state;
    RolloutRecord back;
    Uuid id;
    RolloutRecord unknown = {.kind = ROLLOUT_RECORD_KIND_COUNT};
    assert_code(ERR_JOURNAL,
                rollout_record_decode(arena, rollout_record_encode(arena, &rollout_id, &unknown),
                                      &id, &back, err));
    RolloutRecord unspecified = {.kind = ROLLOUT_RECORD_UNSPECIFIED};
    assert_code(ERR_JOURNAL, rollout_record_decode(
                                 arena, rollout_record_encode(arena, &rollout_id, &unspecified),
                                 &id, &back, err));
    RolloutShardRecord shard = {.outcome = OUTCOME_COUNT};
    RolloutRecord outcome = {
        .kind = ROLLOUT_RECORD_SHARD_ENDED, .shards = &shard, .shard_count = 1};
    assert_code(ERR_JOURNAL,
                rollout_record_decode(arena, rollout_record_encode(arena, &rollout_id, &outcome),
                                      &id, &back, err));
    assert_code(ERR_PROTOCOL, rollout_record_decode(arena, (ByteSpan){(const uint8_t *)"\xff", 1},
                                                    &id, &back, err));
    /* A field that this version does not know: number 15, a varint. */
    RolloutRecord good = {.kind = ROLLOUT_RECORD_STARTED};
    ByteSpan payload = rollout_record_encode(arena, &rollout_id, &good);
    uint8_t *longer = arena_alloc(arena, payload.length + 2);
    memcpy(longer, payload.bytes, payload.length);
    longer[payload.length] = 15 << 3;
    longer[payload.length + 1] = 1;
    assert_code(ERR_PROTOCOL, rollout_record_decode(arena, (ByteSpan){longer, payload.length + 2},
                                                    &id, &back, err));
}

static void the_small_records_come_back(void **state)
{
    Arena *arena = *state;
    ByteSpan envelope = {(const uint8_t *)"\0envelope", 9};
    static const JournalKind kinds[] = {JOURNAL_AGENT_ADMITTED, JOURNAL_APPROVAL_RECORDED};
    for (size_t i = 0; i < 2; i++) {
        ByteSpan back;
        assert_ok(journal_envelope_decode(
            arena, kinds[i], journal_envelope_encode(arena, kinds[i], envelope), &back, err));
        assert_int_equal(back.length, 9);
        assert_memory_equal(back.bytes, envelope.bytes, 9);
    }
    PlanSubmitted submitted = {envelope, {{1}}, {{2}}};
    PlanSubmitted submitted_back;
    assert_ok(plan_submitted_decode(arena, plan_submitted_encode(arena, &submitted),
                                    &submitted_back, err));
    assert_true(digest_equal(&submitted_back.plan_blob, &submitted.plan_blob));
    assert_true(digest_equal(&submitted_back.bundle_blob, &submitted.bundle_blob));
    assert_memory_equal(submitted_back.header_envelope.bytes, envelope.bytes, 9);
    RequestDone done = {.request_id = rollout_id,
                        .created_unix_ms = 1700000000000,
                        .keyid = "ed25519:00",
                        .envelope = {(const uint8_t *)"signed", 6},
                        .rollouts = &rollout_id,
                        .rollout_count = 1};
    RequestDone done_back;
    assert_ok(request_done_decode(arena, request_done_encode(arena, &done), &done_back, err));
    assert_true(uuid_equal(&done_back.request_id, &rollout_id));
    assert_int_equal(done_back.created_unix_ms, done.created_unix_ms);
    assert_string_equal(done_back.keyid, done.keyid);
}

static void what_came_of_a_task_comes_back(void **state)
{
    Arena *arena = *state;
    TaskEnded ended = {
        .request_id = rollout_id,
        .kind = TASK_KIND_PROVISION,
        .who = "alice",
        .agent = "one",
        .cluster = "c1",
        .database = "a/b",
        .schema = "s",
        .shard = {{5}},
        .has_plan = true,
        .plan = {{7}},
        .code = "SQL",
        .message = "permission denied",
        .at_unix_ms = 1700000000000,
    };
    TaskEnded back;
    assert_ok(task_ended_decode(arena, task_ended_encode(arena, &ended), &back, err));
    assert_true(uuid_equal(&back.request_id, &ended.request_id));
    assert_int_equal(back.kind, TASK_KIND_PROVISION);
    assert_string_equal(back.who, "alice");
    assert_string_equal(back.agent, "one");
    assert_string_equal(back.cluster, "c1");
    assert_string_equal(back.database, "a/b");
    assert_string_equal(back.schema, "s");
    assert_true(uuid_equal(&back.shard, &ended.shard));
    assert_true(back.has_plan && digest_equal(&back.plan, &ended.plan));
    assert_string_equal(back.code, "SQL");
    assert_string_equal(back.message, "permission denied");
    assert_int_equal(back.at_unix_ms, ended.at_unix_ms);
    TaskEnded bare = {.request_id = rollout_id, .kind = TASK_KIND_ADOPT};
    assert_ok(task_ended_decode(arena, task_ended_encode(arena, &bare), &back, err));
    assert_true(uuid_is_nil(&back.shard));
    assert_false(back.has_plan);
    assert_string_equal(back.code, "");
    bare.kind = TASK_KIND_COUNT;
    assert_code(ERR_JOURNAL, task_ended_decode(arena, task_ended_encode(arena, &bare), &back, err));
    bare.kind = TASK_KIND_UNSPECIFIED;
    assert_code(ERR_JOURNAL, task_ended_decode(arena, task_ended_encode(arena, &bare), &back, err));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_full_record_comes_back),         TEST(every_kind_comes_back),
        TEST(what_no_version_wrote_is_refused), TEST(the_small_records_come_back),
        TEST(what_came_of_a_task_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
