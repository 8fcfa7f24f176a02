/*
 * Evidence of a rollout of many shards: a coordinator without its socket carries it out, each job's
 * report signed as its agent would; then its evidence is made as a coordinator makes it, turn for
 * turn, and held against the trust file. Tells sizes, CPU time and memory; fails when it does not
 * hold.
 *
 *   build/bin/pgtide_bench_evidence [SHARDS]      (default 20000)
 */
#include "../unit/coordinator/shell/shell_world.h"

#include "evidence_check.h"
#include "evidence_make.h"
#include "named_limits.h"

#include <sys/resource.h>

enum { SHARDS_DEFAULT = 20000, SHARDS_PER_TURN = 1000 };

static uint32_t shard_count = SHARDS_DEFAULT;

/* Of this process, whatever else is at work on the machine. */
static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double peak_mib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

static void drop_command(void *context, const char *agent, Command *command)
{
    (void)context, (void)agent, (void)command;
}

static void list_shards(World *world, const char *agent, uint32_t first, uint32_t count)
{
    AUTO_ARENA Arena *arena = arena_new();
    ClusterInfo cluster = {
        .name = agent, .system_identifier = first + 1, .reachable = true, .message = ""};
    ShardInfo *shards = ARENA_ARRAY(arena, ShardInfo, count);
    bool replaced = false;
    for (uint32_t i = 0; i < count; i++) {
        shards[i] = (ShardInfo){.cluster = agent,
                                .database = arena_printf(arena, "tenant_%06u", first + i),
                                .schema = "",
                                .system_identifier = first + 1,
                                .database_oid = 16000u + i,
                                .reachable = true,
                                .message = ""};
        shards[i].uuid =
            shard_uuid(trust_fleet_id(world->coordinator->trust), first + 1, 16000u + i, "");
        strlist_add(arena, &shards[i].rows, "001_one");
    }
    Inventory part = {.snapshot = 1,
                      .last = true,
                      .host = agent,
                      .clusters = &cluster,
                      .cluster_count = 1,
                      .shards = shards,
                      .shard_count = count};
    assert_ok(inventory_part(world->coordinator->inventory, agent, &part,
                             world->coordinator->now_ms, world->coordinator->unix_ms, &replaced,
                             err));
    assert_true(replaced);
}

static void fleet(World *world)
{
    world->coordinator->sink = (CommandSink){world, drop_command};
    for (int i = 0; i < 2; i++) {
        AUTO_ANSWER Answer answer = world_admit(world, ALICE, world->agent_keys[i], 100, false);
        assert_refused(answer, "");
    }
    world_agent_up(world, "boston");
    world_agent_up(world, "chennai");
    list_shards(world, "boston", 0, shard_count / 2);
    list_shards(world, "chennai", shard_count / 2, shard_count - shard_count / 2);
}

/* All jobs at work end well, so many reports between two looks at the journal. */
static void run_jobs(World *world, const RolloutEntry *entry)
{
    Arena *kept = world->arena;
    for (uint32_t i = 0; i < shard_count; i++) {
        RolloutShardView view;
        rollout_shard(entry->core, i, &view);
        if (!view.in_flight)
            continue;
        world->arena = arena_new();
        JobReport report = {.rollout_id = entry->header.rollout_id,
                            .shard = view.plan->uuid,
                            .index = i,
                            .generation = view.generation,
                            .direction = view.direction,
                            .attempt = view.attempt,
                            .phase = PHASE_DONE,
                            .outcome = OUTCOME_SUCCEEDED,
                            .steps_done = (uint32_t)view.plan->steps.count,
                            .steps_total = (uint32_t)view.plan->steps.count,
                            .revision = "003_three",
                            .rows = view.plan->rows_after,
                            .code = "",
                            .sqlstate = "",
                            .message = "",
                            .hint = ""};
        world_report(world, view.plan->agent, &report);
        arena_free(world->arena);
        world->arena = kept;
        if (i % SHARDS_PER_TURN == 0)
            world_settle(world);
    }
    world_settle(world);
}

static ByteSpan make(World *world, const RolloutEntry *entry)
{
    EvidenceProgress progress = {.ready = false};
    ByteSpan out;
    uint8_t *bytes;
    while (!progress.ready)
        assert_ok(evidence_make(world->coordinator->evidence, entry, false, &progress, err));
    assert_ok(blob_read(world->coordinator->blobs, world->arena, &progress.blob, &bytes,
                        &out.length, err));
    out.bytes = bytes;
    return out;
}

static void evidence_of_many_shards(void **state)
{
    World *world = *state;
    RolloutEntry *entry;
    EvidenceSummary summary;
    fleet(world);
    world_put_bundle(world);
    double start_s = cpu_seconds();
    world_approved_plan(world, "many");
    world_start(world, "many");
    assert_ok(rollouts_find(world->coordinator->rollouts, "many", &entry, err));
    for (int turn = 0; turn < 100 && rollout_entry_is_open(entry); turn++)
        run_jobs(world, entry);
    assert_int_equal(rollout_entry_state(entry), ROLLOUT_SUCCEEDED);
    printf("rolled out   %u shards, %llu journal records, %.1f s of CPU\n", shard_count,
           (unsigned long long)journal_last_seq(world->coordinator->journal),
           cpu_seconds() - start_s);
    double before_mib = peak_mib();
    start_s = cpu_seconds();
    ByteSpan evidence = make(world, entry);
    printf(
        "made         %.1f MiB, %zu bytes a shard, %.1f s of CPU, peak memory %.0f to %.0f MiB\n",
        (double)evidence.length / (1024 * 1024), evidence.length / shard_count,
        cpu_seconds() - start_s, before_mib, peak_mib());
    before_mib = peak_mib();
    start_s = cpu_seconds();
    assert_ok(evidence_check(world->arena, evidence.bytes, evidence.length,
                             world->coordinator->trust, &summary, err));
    printf("verified     %.1f s of CPU, peak memory %.0f to %.0f MiB\n", cpu_seconds() - start_s,
           before_mib, peak_mib());
    assert_int_equal(summary.state, ROLLOUT_SUCCEEDED);
    assert_int_equal(summary.header.shard_count, shard_count);
    assert_true(summary.report_count >= shard_count);
    evidence_summary_done(&summary);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        shard_count = (uint32_t)strtoul(argv[1], NULL, 10);
    if (shard_count < 2 || shard_count > LIMIT_PLAN_SHARDS) {
        fprintf(stderr, "usage: %s [SHARDS]   (2 to %d)\n", argv[0], LIMIT_PLAN_SHARDS);
        return 2;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(evidence_of_many_shards, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
