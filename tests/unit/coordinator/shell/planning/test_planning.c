/*
 * A plan over a large fleet, without its databases. How long it took is printed, for people: the
 * aim is 5 seconds at 10 000 shards, with canaries chosen by coverage and most shards at the
 * target.
 */
#include "../shell_world.h"

#include "clock.h"

enum { SHARDS = 10000, CLUSTERS = 100, BEHIND_IN_10 = 4 };

static Uuid uuid_of(uint32_t number)
{
    Uuid uuid = {{0x5b, 0, 0, 0, 0, 0, 0x80, 0, 0x80}};
    memcpy(uuid.bytes + 12, &number, sizeof number);
    return uuid;
}

/* 100 shards on each of 100 servers of three versions; six in ten are at the head. */
static void list_fleet(World *world)
{
    Arena *arena = world->arena;
    ClusterInfo *clusters = ARENA_ARRAY(arena, ClusterInfo, CLUSTERS);
    ShardInfo *shards = ARENA_ARRAY(arena, ShardInfo, SHARDS);
    bool replaced = false;
    for (uint32_t i = 0; i < CLUSTERS; i++)
        clusters[i] = (ClusterInfo){.name = arena_printf(arena, "c%03u", i),
                                    .system_identifier = i + 1,
                                    .server_version = (15 + i % 3) * 10000,
                                    .reachable = true,
                                    .message = ""};
    for (uint32_t i = 0; i < SHARDS; i++) {
        uint32_t cluster = i / (SHARDS / CLUSTERS);
        shards[i] = (ShardInfo){.uuid = uuid_of(i),
                                .cluster = clusters[cluster].name,
                                .database = arena_printf(arena, "tenant_%05u", i),
                                .schema = "",
                                .system_identifier = cluster + 1,
                                .database_oid = 16000 + i,
                                .size_bytes = UINT64_C(8000000) * (i % 1000 + 1),
                                .reachable = true,
                                .message = ""};
        bool behind = i % 10 < BEHIND_IN_10;
        strlist_add(arena, &shards[i].rows,
                    !behind      ? "003_three"
                    : i % 2 == 0 ? "001_one"
                                 : "002_two");
    }
    Inventory part = {.snapshot = 1,
                      .last = true,
                      .host = "boston",
                      .clusters = clusters,
                      .cluster_count = CLUSTERS,
                      .shards = shards,
                      .shard_count = SHARDS};
    assert_ok(inventory_part(world->coordinator->inventory, "boston", &part,
                             world->coordinator->now_ms, world->coordinator->unix_ms, &replaced,
                             err));
    assert_true(replaced);
}

static Answer make_plan(World *world, const char *name)
{
    RequestMessage request = world_request(world);
    Pgtide__V1__MakePlan plan = PGTIDE__V1__MAKE_PLAN__INIT;
    Pgtide__V1__WaveSpec waves[2] = {PGTIDE__V1__WAVE_SPEC__INIT, PGTIDE__V1__WAVE_SPEC__INIT};
    Pgtide__V1__WaveSpec *wave_list[] = {&waves[0], &waves[1]};
    Pgtide__V1__Policy policy = PGTIDE__V1__POLICY__INIT;
    Pgtide__V1__Concurrency concurrency = PGTIDE__V1__CONCURRENCY__INIT;
    Pgtide__V1__BackupPolicy backup = PGTIDE__V1__BACKUP_POLICY__INIT;
    waves[0].coverage = 10;
    waves[1].percent = 5;
    concurrency.fleet = 200;
    backup.method = PGTIDE__V1__BACKUP_METHOD__BACKUP_METHOD_NONE;
    policy.concurrency = &concurrency;
    policy.backup = &backup;
    policy.on_shard_failure = PGTIDE__V1__ON_SHARD_FAILURE__ON_SHARD_FAILURE_STAY;
    policy.on_failure = PGTIDE__V1__ON_FAILURE__ON_FAILURE_PAUSE;
    policy.approvals = 1;
    plan.name = proto_from_text(name);
    plan.bundle_blob_digest = proto_from_digest(&world->bundle_blob);
    plan.direction = PGTIDE__V1__DIRECTION__DIRECTION_UPGRADE;
    plan.target = proto_from_text("head");
    plan.select = proto_from_text("cluster != c099");
    plan.n_waves = 2;
    plan.waves = wave_list;
    plan.order = PGTIDE__V1__ORDER__ORDER_SMALLEST_FIRST;
    plan.policy = &policy;
    request.body_case = PGTIDE__V1__REQUEST__BODY_MAKE_PLAN;
    request.make_plan = &plan;
    return world_ask(world, OTTO, &request);
}

static void a_plan_over_ten_thousand_shards(void **state)
{
    World *world = *state;
    AUTO_ANSWER Answer admitted = world_admit(world, ALICE, world->agent_keys[0], 100, false);
    assert_refused(admitted, "");
    world_agent_up(world, "boston");
    world_put_bundle(world);
    list_fleet(world);
    uint64_t began = clock_monotonic_ms();
    AUTO_ANSWER Answer made = make_plan(world, "large");
    print_message("a plan over %d shards: %llu ms\n", SHARDS,
                  (unsigned long long)(clock_monotonic_ms() - began));
    assert_refused(made, "");
    int wanted = (SHARDS - SHARDS / CLUSTERS) * BEHIND_IN_10 / 10;
    assert_int_equal(json_integer_value(json_object_get(made.result, "shards")), wanted);
    assert_int_equal(json_integer_value(json_object_get(made.result, "already_there")),
                     SHARDS - SHARDS / CLUSTERS - wanted);
    assert_true(json_is_null(json_object_get(made.result, "estimate_ms")));
    assert_true(json_integer_value(json_object_get(made.result, "seed")) > 0);
    const json_t *waves = json_object_get(made.result, "waves");
    assert_int_equal(json_array_size(waves), 21); /* 10, then 198 at a time, then what is left */
    assert_int_equal(json_integer_value(json_object_get(json_array_get(waves, 20), "shards")),
                     wanted - 10 - 19 * (wanted * 5 / 100));
    began = clock_monotonic_ms();
    AUTO_ANSWER Answer submitted = world_submit(world, OTTO, &made);
    assert_refused(submitted, "");
    print_message("submitted: %llu ms\n", (unsigned long long)(clock_monotonic_ms() - began));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {TEST(a_plan_over_ten_thousand_shards)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
