#include "digest.h"
#include "merkle.h"
#include "named_limits.h"
#include "plan_codec.h"
#include "wire_test.h"

#include "plan.pb-c.h"

static const char *const steps[] = {"002_b", "001_a"};

static PlanHeader make_header(Arena *arena)
{
    PlanHeader header = {
        .fleet_id = {{1}},
        .rollout_id = {{2}},
        .name = "add-user-bio",
        .author = "ed25519:21fe31dfa154a261626bf854046fd227",
        .created_unix_ms = 1000,
        .expires_unix_ms = 2000,
        .bundle_digest = {{3}},
        .bundle_name = "forge-2026.11",
        .direction = DIRECTION_UPGRADE,
        .target = "head",
        .rollback_of = {{4}},
        .shard_count = 3,
        .shards_root = {{5}},
        .wave_count = 2,
        .policy = {.concurrency = {200, 8, 4, 1},
                   .budget_fleet = 7,
                   .on_shard_failure = ON_SHARD_FAILURE_STAY,
                   .on_failure = ON_FAILURE_ROLLBACK_WAVE,
                   .backup = {BACKUP_METHOD_DUMP, 1, true, 3, "", 2, true, true},
                   .lock_timeout_ms = 500,
                   .lock_attempts = 30,
                   .statement_timeout_ms = 60000,
                   .approvals = 2,
                   .rollback_until_ms = UINT64_C(86400000),
                   .unknown_deadline_ms = 300000,
                   .lock_budget_ms = 2000,
                   .backfill = {500, 1500, UINT64_C(1) << 33, 42, 7, true, "SELECT false"}},
    };
    header.waves = ARENA_ARRAY(arena, WavePlan, 2);
    header.waves[0] = (WavePlan){"canary", 1, 1800000, 0};
    header.waves[1] = (WavePlan){"rest", 2, 0, 1};
    return header;
}

static StrList list_of(Arena *arena, const char *a, const char *b)
{
    StrList list = {NULL, 0, 0};
    strlist_add(arena, &list, a);
    if (b != NULL) {
        strlist_add(arena, &list, b);
    }
    return list;
}

static PlanShard make_shard(Arena *arena, uint32_t index, uint32_t wave)
{
    PlanShard shard = {
        .index = index,
        .wave = wave,
        .uuid = {{9, (uint8_t)index}},
        .agent = "host-a",
        .host = "host-a",
        .cluster = "main",
        .database = "Tenant \"7\" ü",
        .schema = "",
        .system_identifier = UINT64_C(7300000000000000001),
        .database_oid = 16384,
        .rows_before = {NULL, 0, 0},
        .steps = list_of(arena, steps[0], steps[1]),
        .rows_after = list_of(arena, "001_a", "002_b"),
        .size_bytes = UINT64_C(5000000000),
        .estimated_ms = 1234,
        .backup_bytes = 77,
    };
    shard.labels.items = ARENA_ARRAY(arena, Label, 2);
    shard.labels.items[0] = (Label){"tier", "free"};
    shard.labels.items[1] = (Label){"note", ""};
    shard.labels.count = 2;
    return shard;
}

static ErrCode header_round_trip(Arena *arena, const PlanHeader *header, PlanHeader *out)
{
    uint8_t *bytes;
    size_t length;
    assert_ok(plan_header_encode(arena, header, &bytes, &length, err));
    return plan_header_decode(arena, bytes, length, out, NULL);
}

static ErrCode shard_round_trip(Arena *arena, const PlanShard *shard, PlanShard *out)
{
    uint8_t *bytes;
    size_t length;
    assert_ok(plan_shard_encode(arena, shard, &bytes, &length, err));
    return plan_shard_decode(arena, bytes, length, out, NULL);
}

static void header_comes_back(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    PlanHeader in = make_header(arena);
    PlanHeader out;
    assert_int_equal(header_round_trip(arena, &in, &out), ERR_OK);
    assert_true(uuid_equal(&in.fleet_id, &out.fleet_id));
    assert_true(uuid_equal(&in.rollout_id, &out.rollout_id));
    assert_string_equal(in.name, out.name);
    assert_string_equal(in.author, out.author);
    assert_int_equal(in.created_unix_ms, out.created_unix_ms);
    assert_int_equal(in.expires_unix_ms, out.expires_unix_ms);
    assert_true(digest_equal(&in.bundle_digest, &out.bundle_digest));
    assert_string_equal(in.bundle_name, out.bundle_name);
    assert_int_equal(in.direction, out.direction);
    assert_string_equal(in.target, out.target);
    assert_true(uuid_equal(&in.rollback_of, &out.rollback_of));
    assert_int_equal(in.shard_count, out.shard_count);
    assert_true(digest_equal(&in.shards_root, &out.shards_root));
    assert_int_equal(out.wave_count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(in.waves[i].name, out.waves[i].name);
        assert_int_equal(in.waves[i].shard_count, out.waves[i].shard_count);
        assert_int_equal(in.waves[i].bake_ms, out.waves[i].bake_ms);
        assert_int_equal(in.waves[i].budget, out.waves[i].budget);
    }
    assert_memory_equal(&in.policy.concurrency, &out.policy.concurrency, sizeof(Concurrency));
    assert_int_equal(in.policy.budget_fleet, out.policy.budget_fleet);
    assert_int_equal(in.policy.on_shard_failure, out.policy.on_shard_failure);
    assert_int_equal(in.policy.on_failure, out.policy.on_failure);
    assert_int_equal(in.policy.backup.method, out.policy.backup.method);
    assert_int_equal(in.policy.backup.compress, out.policy.backup.compress);
    assert_int_equal(in.policy.backup.verify, out.policy.backup.verify);
    assert_int_equal(in.policy.backup.keep, out.policy.backup.keep);
    assert_int_equal(in.policy.lock_timeout_ms, out.policy.lock_timeout_ms);
    assert_int_equal(in.policy.lock_attempts, out.policy.lock_attempts);
    assert_int_equal(in.policy.statement_timeout_ms, out.policy.statement_timeout_ms);
    assert_int_equal(in.policy.approvals, out.policy.approvals);
    assert_int_equal(in.policy.rollback_until_ms, out.policy.rollback_until_ms);
    assert_int_equal(in.policy.unknown_deadline_ms, out.policy.unknown_deadline_ms);
    assert_int_equal(in.policy.lock_budget_ms, out.policy.lock_budget_ms);
    assert_int_equal(in.policy.backfill.target_ms, out.policy.backfill.target_ms);
    assert_int_equal(in.policy.backfill.replica_lag_ms, out.policy.backfill.replica_lag_ms);
    assert_int_equal(in.policy.backfill.wal_bytes_per_s, out.policy.backfill.wal_bytes_per_s);
    assert_int_equal(in.policy.backfill.archive_files, out.policy.backfill.archive_files);
    assert_int_equal(in.policy.backfill.sessions, out.policy.backfill.sessions);
    assert_true(out.policy.backfill.ignore_vacuum);
    assert_string_equal(in.policy.backfill.query, out.policy.backfill.query);
}

static void notes_come_back(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    static LeftOut left_out[] = {{"main/lost", "quarantined: by bob"}};
    static Irreversible irreversible[] = {{"002_b", "drops a column"}};
    PlanHeader in = make_header(arena);
    PlanHeader out;
    in.seed = 4711;
    static const char *drifted[] = {"main/painted"};
    in.notes = (PlanNotes){.select = "tier = free",
                           .order = "random",
                           .already_there = 5,
                           .left_out_count = 7,
                           .left_out = left_out,
                           .left_out_named = 1,
                           .irreversible = irreversible,
                           .irreversible_count = 1,
                           .drifted_count = 3,
                           .drifted = {.items = drifted, .count = 1}};
    assert_int_equal(header_round_trip(arena, &in, &out), ERR_OK);
    assert_int_equal(out.seed, 4711);
    assert_string_equal(out.notes.select, "tier = free");
    assert_string_equal(out.notes.order, "random");
    assert_int_equal(out.notes.already_there, 5);
    assert_int_equal(out.notes.left_out_count, 7);
    assert_int_equal(out.notes.left_out_named, 1);
    assert_string_equal(out.notes.left_out[0].shard, "main/lost");
    assert_string_equal(out.notes.left_out[0].reason, "quarantined: by bob");
    assert_int_equal(out.notes.irreversible_count, 1);
    assert_string_equal(out.notes.irreversible[0].revision, "002_b");
    assert_string_equal(out.notes.irreversible[0].reason, "drops a column");
    assert_int_equal(out.notes.drifted_count, 3);
    assert_int_equal(out.notes.drifted.count, 1);
    assert_string_equal(out.notes.drifted.items[0], "main/painted");
    in.notes.drifted_count = 0;
    assert_int_equal(header_round_trip(arena, &in, &out), ERR_PROTOCOL);
    in.notes.drifted_count = 1;
    in.notes.left_out_count = 0;
    assert_int_equal(header_round_trip(arena, &in, &out), ERR_PROTOCOL);
}

static void shard_comes_back(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    PlanShard in = make_shard(arena, 4, 1);
    PlanShard out;
    assert_int_equal(shard_round_trip(arena, &in, &out), ERR_OK);
    assert_int_equal(out.index, 4);
    assert_int_equal(out.wave, 1);
    assert_true(uuid_equal(&in.uuid, &out.uuid));
    assert_string_equal(in.agent, out.agent);
    assert_string_equal(in.host, out.host);
    assert_string_equal(in.cluster, out.cluster);
    assert_string_equal(in.database, out.database);
    assert_string_equal(out.schema, "");
    assert_true(in.system_identifier == out.system_identifier);
    assert_int_equal(in.database_oid, out.database_oid);
    assert_int_equal(out.rows_before.count, 0);
    assert_true(strlist_equal(&in.steps, &out.steps));
    assert_true(strlist_equal(&in.rows_after, &out.rows_after));
    assert_true(out.size_bytes == in.size_bytes && out.estimated_ms == 1234 &&
                out.backup_bytes == 77);
    assert_int_equal(out.labels.count, 2);
    assert_string_equal(out.labels.items[0].key, "tier");
    assert_string_equal(out.labels.items[0].value, "free");
    assert_string_equal(out.labels.items[1].value, "");
}

static void approval_comes_back(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    Approval in = {{{8}}, VERDICT_REJECTED, 10, 20, "not on a friday"};
    Approval out;
    uint8_t *bytes;
    size_t length;
    assert_ok(approval_encode(arena, &in, &bytes, &length, err));
    assert_ok(approval_decode(arena, bytes, length, &out, err));
    assert_true(digest_equal(&in.plan_digest, &out.plan_digest));
    assert_int_equal(out.verdict, VERDICT_REJECTED);
    assert_int_equal(out.created_unix_ms, 10);
    assert_int_equal(out.expires_unix_ms, 20);
    assert_string_equal(out.reason, "not on a friday");
    in.verdict = VERDICT_UNSPECIFIED;
    assert_ok(approval_encode(arena, &in, &bytes, &length, err));
    assert_code(ERR_PROTOCOL, approval_decode(arena, bytes, length, &out, err));
    in.verdict = VERDICT_APPROVED;
    in.expires_unix_ms = 10;
    assert_ok(approval_encode(arena, &in, &bytes, &length, err));
    assert_code(ERR_PROTOCOL, approval_decode(arena, bytes, length, &out, err));
}

#define REFUSED_HEADER(expected, change)                                                           \
    do {                                                                                           \
        PlanHeader header = make_header(arena);                                                    \
        PlanHeader out;                                                                            \
        change;                                                                                    \
        ErrCode got = header_round_trip(arena, &header, &out);                                     \
        if (got != (expected)) {                                                                   \
            fail_msg("%s: %s", #change, err_code_name(got));                                       \
        }                                                                                          \
    } while (0)

static void wrong_headers_are_refused(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    REFUSED_HEADER(ERR_OK, (void)0);
    REFUSED_HEADER(ERR_OK, header.rollback_of = (Uuid){{0}});
    REFUSED_HEADER(ERR_PROTOCOL, header.fleet_id = (Uuid){{0}});
    REFUSED_HEADER(ERR_PROTOCOL, header.rollout_id = (Uuid){{0}});
    REFUSED_HEADER(ERR_PROTOCOL, header.name = "Not A Name");
    REFUSED_HEADER(ERR_PROTOCOL, header.name = "");
    REFUSED_HEADER(ERR_PROTOCOL, header.name = "bad\xff");
    REFUSED_HEADER(ERR_PROTOCOL, header.target = "bad\xff");
    REFUSED_HEADER(ERR_PROTOCOL, header.author = "alice");
    REFUSED_HEADER(ERR_PROTOCOL, header.expires_unix_ms = 1000);
    REFUSED_HEADER(ERR_PROTOCOL, header.direction = DIRECTION_UNSPECIFIED);
    REFUSED_HEADER(ERR_PROTOCOL, header.direction = DIRECTION_COUNT);
    REFUSED_HEADER(ERR_PROTOCOL, header.shard_count = 4);
    REFUSED_HEADER(ERR_PROTOCOL, header.waves[0].shard_count = 0);
    REFUSED_HEADER(ERR_PROTOCOL, header.waves[0].name = "");
    REFUSED_HEADER(ERR_PROTOCOL, (header.wave_count = 0, header.shard_count = 0));
    REFUSED_HEADER(ERR_LIMIT, header.shard_count = LIMIT_PLAN_SHARDS + 1);
    REFUSED_HEADER(ERR_PROTOCOL, header.policy.on_failure = ON_FAILURE_UNSPECIFIED);
    REFUSED_HEADER(ERR_PROTOCOL, header.policy.on_shard_failure = ON_SHARD_FAILURE_COUNT);
    REFUSED_HEADER(ERR_PROTOCOL, header.policy.backup.method = BACKUP_METHOD_UNSPECIFIED);
    REFUSED_HEADER(ERR_PROTOCOL, header.policy.backup.method = BACKUP_METHOD_COMMAND);
    REFUSED_HEADER(ERR_PROTOCOL, header.policy.backup.method = BACKUP_METHOD_DIRECTORY);
    REFUSED_HEADER(ERR_PROTOCOL, header.policy.backup.command = "x");
    REFUSED_HEADER(ERR_LIMIT, header.policy.backup.compress = LIMIT_BACKUP_COMPRESS + 1);
    REFUSED_HEADER(ERR_LIMIT, header.policy.backup.jobs = LIMIT_BACKUP_JOBS + 1);
    REFUSED_HEADER(ERR_LIMIT, header.policy.lock_timeout_ms = LIMIT_LOCK_TIMEOUT_MS + 1);
    REFUSED_HEADER(ERR_LIMIT, header.policy.lock_budget_ms = LIMIT_LOCK_BUDGET_MS + 1);
    REFUSED_HEADER(ERR_LIMIT, header.policy.lock_budget_ms = LIMIT_LOCK_BUDGET_MS_MIN - 1);
    REFUSED_HEADER(ERR_OK, header.policy.lock_budget_ms = LOCK_BUDGET_NONE);
    REFUSED_HEADER(ERR_OK, header.policy.lock_budget_ms = 0);
    char *long_text = arena_alloc(arena, LIMIT_TEXT_BYTES + 2);
    memset(long_text, 'x', LIMIT_TEXT_BYTES + 1);
    REFUSED_HEADER(ERR_LIMIT, header.target = long_text);
    WavePlan *many = ARENA_ARRAY(arena, WavePlan, LIMIT_PLAN_WAVES + 1);
    PlanHeader header = make_header(arena);
    header.waves = many;
    header.wave_count = LIMIT_PLAN_WAVES + 1;
    uint8_t *bytes;
    size_t length;
    assert_code(ERR_LIMIT, plan_header_encode(arena, &header, &bytes, &length, err));
}

#define REFUSED_SHARD(expected, change)                                                            \
    do {                                                                                           \
        PlanShard shard = make_shard(arena, 0, 0);                                                 \
        PlanShard out;                                                                             \
        change;                                                                                    \
        ErrCode got = shard_round_trip(arena, &shard, &out);                                       \
        if (got != (expected)) {                                                                   \
            fail_msg("%s: %s", #change, err_code_name(got));                                       \
        }                                                                                          \
    } while (0)

static void wrong_shards_are_refused(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    REFUSED_SHARD(ERR_OK, shard.schema = "tenant_7");
    REFUSED_SHARD(ERR_PROTOCOL, shard.uuid = (Uuid){{0}});
    REFUSED_SHARD(ERR_PROTOCOL, shard.agent = "host a");
    REFUSED_SHARD(ERR_PROTOCOL, shard.database = "");
    REFUSED_SHARD(ERR_PROTOCOL, shard.database = "\xed\xa0\x80");
    REFUSED_SHARD(ERR_PROTOCOL, shard.schema = "a234567890123456789012345678901234567890123456789"
                                               "012345678901234");
    REFUSED_SHARD(ERR_PROTOCOL, shard.system_identifier = 0);
    REFUSED_SHARD(ERR_PROTOCOL, shard.database_oid = 0);
    REFUSED_SHARD(ERR_PROTOCOL, shard.rows_after = list_of(arena, "b", "a"));
    REFUSED_SHARD(ERR_PROTOCOL, shard.rows_before = list_of(arena, "a", "a"));
    REFUSED_SHARD(ERR_PROTOCOL, shard.steps = list_of(arena, "a b", NULL));
    REFUSED_SHARD(ERR_PROTOCOL, shard.steps = list_of(arena, "", NULL));
    REFUSED_SHARD(ERR_LIMIT, shard.wave = LIMIT_PLAN_WAVES);
    REFUSED_SHARD(ERR_LIMIT, shard.index = LIMIT_PLAN_SHARDS);
    REFUSED_SHARD(ERR_PROTOCOL, shard.labels.items[1].key = "tier");
    REFUSED_SHARD(ERR_PROTOCOL, shard.labels.items[1].key = "");
    StrList rows = {NULL, 0, 0};
    for (int i = 0; i <= LIMIT_ROWS; i++) {
        strlist_add(arena, &rows, arena_printf(arena, "%06d", i));
    }
    REFUSED_SHARD(ERR_LIMIT, shard.rows_before = rows);
}

/* protobuf-c would cut a text at its NUL and take the rest for gone. */
static void nul_in_a_name_is_refused(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    PlanHeader header = make_header(arena);
    PlanHeader out;
    uint8_t *bytes;
    size_t length;
    assert_ok(plan_header_encode(arena, &header, &bytes, &length, err));
    uint8_t *at = memmem(bytes, length, "add-user-bio", 12);
    at[3] = '\0';
    assert_code(ERR_PROTOCOL, plan_header_decode(arena, bytes, length, &out, err));
    at[3] = '-';
    assert_ok(plan_header_decode(arena, bytes, length, &out, err));
}

static void wrong_lengths_of_ids_are_refused(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    PlanHeader header = make_header(arena);
    PlanHeader out;
    uint8_t *bytes;
    size_t length;
    assert_ok(plan_header_encode(arena, &header, &bytes, &length, err));
    Pgtide__V1__PlanHeader *message = pgtide__v1__plan_header__unpack(NULL, length, bytes);
    ProtobufCBinaryData *const fields[] = {&message->fleet_id, &message->rollout_id,
                                           &message->bundle_digest, &message->shards_root,
                                           &message->rollback_of};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        fields[i]->len--;
        uint8_t *other = arena_alloc(arena, length + 16);
        size_t other_length = pgtide__v1__plan_header__pack(message, other);
        assert_code(ERR_PROTOCOL, plan_header_decode(arena, other, other_length, &out, err));
        fields[i]->len++;
    }
    pgtide__v1__plan_header__free_unpacked(message, NULL);
}

static void truncated_and_unknown_bytes_are_refused(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    PlanHeader header = make_header(arena);
    PlanHeader out;
    uint8_t *bytes;
    size_t length;
    assert_ok(plan_header_encode(arena, &header, &bytes, &length, err));
    for (size_t cut = 0; cut < length; cut++) {
        assert_int_not_equal(plan_header_decode(arena, bytes, cut, &out, NULL), ERR_OK);
    }
    /* What a newer version added could change what the plan means. */
    uint8_t *more = arena_alloc(arena, length + 3);
    memcpy(more, bytes, length);
    more[length] = 0xa0; /* field 100, varint */
    more[length + 1] = 0x06;
    more[length + 2] = 1;
    assert_code(ERR_PROTOCOL, plan_header_decode(arena, more, length + 3, &out, err));
}

/* Two bytes of input an empty message each: memory stays bounded by the input's size. */
static void many_empty_messages_do_not_eat_memory(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    size_t length = 1024 * 1024;
    uint8_t *bytes = arena_alloc(arena, length);
    for (size_t i = 0; i < length; i += 2) {
        bytes[i] = 14 << 3 | 2; /* waves */
    }
    size_t before = arena_used(arena);
    PlanHeader out;
    assert_int_not_equal(plan_header_decode(arena, bytes, length, &out, NULL), ERR_OK);
    assert_true(arena_used(arena) - before <= 40 * length);
}

typedef struct File {
    PlanHeader header;
    PlanFile file;
} File;

static File make_file(Arena *arena, const PlanShard *shards, size_t count)
{
    File made = {.header = make_header(arena)};
    Digest *leaves = ARENA_ARRAY(arena, Digest, count);
    made.file.header_envelope = (ByteSpan){(const uint8_t *)"envelope", 8};
    made.file.shards = ARENA_ARRAY(arena, ByteSpan, count);
    made.file.shard_count = count;
    for (size_t i = 0; i < count; i++) {
        uint8_t *bytes = NULL;
        size_t length = 0;
        assert_ok(plan_shard_encode(arena, &shards[i], &bytes, &length, err));
        made.file.shards[i] = (ByteSpan){bytes, length};
        leaves[i] = merkle_leaf(bytes, length);
    }
    made.header.shards_root = merkle_root(leaves, count);
    return made;
}

static void plan_file_is_checked(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    PlanShard shards[] = {make_shard(arena, 0, 0), make_shard(arena, 1, 1),
                          make_shard(arena, 2, 1)};
    File made = make_file(arena, shards, 3);
    uint8_t *bytes;
    size_t length;
    PlanFile file;
    PlanShard *decoded = NULL;
    assert_ok(plan_file_encode(arena, &made.file, &bytes, &length, err));
    assert_ok(plan_file_decode(arena, bytes, length, &file, err));
    assert_int_equal(file.header_envelope.length, 8);
    assert_ok(plan_file_check(arena, &file, &made.header, &decoded, err));
    assert_int_equal(decoded[2].index, 2);
    made.header.shards_root.bytes[0] ^= 1;
    assert_code(ERR_DIGEST_MISMATCH, plan_file_check(arena, &file, &made.header, NULL, err));
    made = make_file(arena, shards, 2);
    assert_code(ERR_PROTOCOL, plan_file_check(arena, &made.file, &made.header, NULL, err));
    shards[2].wave = 0;
    made = make_file(arena, shards, 3);
    assert_code(ERR_PROTOCOL, plan_file_check(arena, &made.file, &made.header, NULL, err));
    shards[2].wave = 1;
    shards[2].index = 1;
    made = make_file(arena, shards, 3);
    assert_code(ERR_PROTOCOL, plan_file_check(arena, &made.file, &made.header, NULL, err));
    shards[2].index = 2;
    shards[2].uuid = shards[0].uuid;
    made = make_file(arena, shards, 3);
    assert_code(ERR_PROTOCOL, plan_file_check(arena, &made.file, &made.header, NULL, err));
}

static void dossier_comes_back(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    ByteSpan approvals[] = {{(const uint8_t *)"one", 3}, {(const uint8_t *)"three", 5}};
    PlanDossier in = {{(const uint8_t *)"header", 6}, approvals, 2};
    PlanDossier out;
    uint8_t *bytes;
    size_t length;
    assert_ok(plan_dossier_encode(arena, &in, &bytes, &length, err));
    assert_ok(plan_dossier_decode(arena, bytes, length, &out, err));
    assert_int_equal(out.approval_count, 2);
    assert_int_equal(out.header_envelope.length, 6);
    assert_int_equal(out.approvals[1].length, 5);
    assert_memory_equal(out.approvals[1].bytes, "three", 5);
}

static void requirements_caps_and_patience_come_back(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    PlanHeader in = make_header(arena);
    PlanHeader out;
    Label staging = {"env", "staging"};
    Requirement requires[] = {{"", {&staging, 1}, NULL}, {"first", {NULL, 0}, NULL}};
    in.requires = requires;
    in.require_count = 2;
    in.policy.progress_deadline_ms = 1800000;
    in.policy.concurrency.labels[0] = (LabelCap){"volume", 2};
    in.policy.concurrency.labels[1] = (LabelCap){"rack", 1};
    in.policy.concurrency.label_count = 2;
    assert_int_equal(header_round_trip(arena, &in, &out), ERR_OK);
    assert_int_equal(out.require_count, 2);
    assert_string_equal(out.requires[0].rollout, "");
    assert_string_equal(label_value(&out.requires[0].labels, "env"), "staging");
    assert_string_equal(out.requires[1].rollout, "first");
    assert_int_equal(out.requires[1].labels.count, 0);
    assert_int_equal(out.policy.progress_deadline_ms, 1800000);
    assert_int_equal(out.policy.concurrency.label_count, 2);
    assert_string_equal(out.policy.concurrency.labels[1].label, "rack");
    assert_int_equal(out.policy.concurrency.labels[0].cap, 2);
    in.policy.concurrency.labels[1].cap = 0;
    assert_int_not_equal(header_round_trip(arena, &in, &out), ERR_OK);
    in.policy.concurrency.labels[1] = (LabelCap){"volume", 1};
    assert_int_not_equal(header_round_trip(arena, &in, &out), ERR_OK);
    in.policy.concurrency.label_count = 1;
    requires[1].rollout = "";
    assert_int_not_equal(header_round_trip(arena, &in, &out), ERR_OK);
}

static void required_evidence_is_of_the_plans_own_bundle(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    PlanHeader in = make_header(arena);
    PlanHeader out;
    RequiredEvidence evidence = {
        .sha256 = sha256_bytes("file", 4),
        .trust_sha256 = sha256_bytes("trust", 5),
        .fleet_id = {{1}},
        .rollout_id = {{2}},
        .bundle_digest = in.bundle_digest,
        .target = "head",
    };
    Requirement required = {"stage", {NULL, 0}, &evidence};
    in.requires = &required;
    in.require_count = 1;
    assert_int_equal(header_round_trip(arena, &in, &out), ERR_OK);
    const RequiredEvidence *back = out.requires[0].evidence;
    assert_non_null(back);
    assert_true(digest_equal(&back->sha256, &evidence.sha256));
    assert_true(digest_equal(&back->trust_sha256, &evidence.trust_sha256));
    assert_true(uuid_equal(&back->fleet_id, &evidence.fleet_id));
    assert_true(uuid_equal(&back->rollout_id, &evidence.rollout_id));
    assert_string_equal(back->target, "head");
    evidence.bundle_digest.bytes[0] ^= 1;
    assert_int_equal(header_round_trip(arena, &in, &out), ERR_PROTOCOL);
    evidence.bundle_digest = in.bundle_digest;
    Label staging = {"env", "staging"};
    required.labels = (LabelList){&staging, 1};
    assert_int_equal(header_round_trip(arena, &in, &out), ERR_PROTOCOL);
    required = (Requirement){"", {NULL, 0}, &evidence};
    assert_int_equal(header_round_trip(arena, &in, &out), ERR_PROTOCOL);
}

static void contract_comes_back(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    PlanHeader in = make_header(arena);
    PlanHeader out;
    GatePlan gate = {.name = "gone",
                     .kind = GATE_KIND_PERSON,
                     .when = GATE_BEFORE,
                     .text = "is it gone?",
                     .success = "",
                     .failure = "",
                     .interval_ms = 10000,
                     .attempts = 4,
                     .timeout_ms = 60000};
    in.gates = &gate;
    in.gate_count = 1;
    in.contract = (ContractPlan){.gate = "gone", .shards = "app = forge"};
    strlist_add(arena, &in.contract.contracts, "003_drop");
    strlist_add(arena, &in.contract.expands, "001_add");
    strlist_add(arena, &in.contract.expands, "002_fill");
    assert_int_equal(header_round_trip(arena, &in, &out), ERR_OK);
    assert_string_equal(out.contract.gate, "gone");
    assert_string_equal(out.contract.shards, "app = forge");
    assert_true(strlist_equal(&out.contract.contracts, &in.contract.contracts));
    assert_true(strlist_equal(&out.contract.expands, &in.contract.expands));
    gate.kind = GATE_KIND_COMPAT;
    strlist_add(arena, &gate.ignore, "reporting");
    assert_int_equal(header_round_trip(arena, &in, &out), ERR_OK);
    assert_int_equal(out.gates[0].kind, GATE_KIND_COMPAT);
    assert_true(strlist_equal(&out.gates[0].ignore, &gate.ignore));
    gate.when = GATE_AFTER;
    assert_int_equal(header_round_trip(arena, &in, &out), ERR_CONFIG);
    gate.when = GATE_BEFORE;
    in.contract.gate = "another";
    assert_int_equal(header_round_trip(arena, &in, &out), ERR_CONFIG);
    in.contract = (ContractPlan){0};
    assert_int_equal(header_round_trip(arena, &in, &out), ERR_OK);
    assert_int_equal(out.contract.contracts.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(required_evidence_is_of_the_plans_own_bundle),
        cmocka_unit_test(requirements_caps_and_patience_come_back),
        cmocka_unit_test(contract_comes_back),
        cmocka_unit_test(header_comes_back),
        cmocka_unit_test(notes_come_back),
        cmocka_unit_test(shard_comes_back),
        cmocka_unit_test(approval_comes_back),
        cmocka_unit_test(wrong_headers_are_refused),
        cmocka_unit_test(wrong_shards_are_refused),
        cmocka_unit_test(nul_in_a_name_is_refused),
        cmocka_unit_test(wrong_lengths_of_ids_are_refused),
        cmocka_unit_test(truncated_and_unknown_bytes_are_refused),
        cmocka_unit_test(many_empty_messages_do_not_eat_memory),
        cmocka_unit_test(plan_file_is_checked),
        cmocka_unit_test(dossier_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
