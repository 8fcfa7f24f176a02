#include "plan_view.h"

#include "wire_test.h"

#include <string.h>

enum { SHARDS = 6 };

typedef struct Fixture {
    Arena *arena;
    PlanHeader header;
    WavePlan waves[2];
    PlanShard shards[SHARDS];
    ScopeBudget budgets[2];
    Irreversible irreversible[1];
    Label labels[SHARDS];
    Str text;
} Fixture;

/* Two waves of 1 and 5 on two hosts; each shard takes a second and 100 bytes of backup, the last
 * one two revisions and three seconds. */
static void setup(Fixture *f)
{
    memset(f, 0, sizeof *f);
    f->arena = arena_new();
    f->waves[0] = (WavePlan){"canary", 1, 5000, 0};
    f->waves[1] = (WavePlan){"rest", SHARDS - 1, 0, 1};
    f->irreversible[0] = (Irreversible){"002_b", "drops a column"};
    f->budgets[0] = (ScopeBudget){"", false, 1};
    f->budgets[1] = (ScopeBudget){"tier", true, 50};
    f->header = (PlanHeader){.name = "r",
                             .author = "ed25519:0",
                             .bundle_name = "b",
                             .direction = DIRECTION_UPGRADE,
                             .target = "head",
                             .shard_count = SHARDS,
                             .waves = f->waves,
                             .wave_count = 2,
                             .budgets = f->budgets,
                             .budget_count = 2};
    f->header.policy.concurrency = (Concurrency){.fleet = 4, .host = 2, .cluster = 1};
    f->header.policy.backup.method = BACKUP_METHOD_DUMP;
    f->header.policy.backfill.query = "";
    f->header.notes = (PlanNotes){.select = "",
                                  .order = "inventory",
                                  .irreversible = f->irreversible,
                                  .irreversible_count = 1};
    for (uint32_t i = 0; i < SHARDS; i++) {
        PlanShard *shard = &f->shards[i];
        f->labels[i] = (Label){"tier", i % 2 == 0 ? "free" : "pro"};
        *shard = (PlanShard){.index = i,
                             .wave = i > 0,
                             .agent = "a",
                             .host = i < 4 ? "east" : "west",
                             .cluster = i < 4 ? "c1" : "c2",
                             .database = arena_printf(f->arena, "d%u", i),
                             .schema = "",
                             .labels = {&f->labels[i], 1},
                             .estimated_ms = 1000,
                             .backup_bytes = 100};
        strlist_add(f->arena, &shard->steps, "001_a");
    }
    strlist_add(f->arena, &f->shards[SHARDS - 1].steps, "002_b");
    f->shards[SHARDS - 1].estimated_ms = 3000;
}

static void teardown(Fixture *f)
{
    str_free(&f->text);
    arena_free(f->arena);
}

static void assert_holds(Fixture *f, const char *part)
{
    Digest digest = {{0}};
    str_clear(&f->text);
    JsonWriter json = json_writer(&f->text);
    plan_view_write(&f->header, f->shards, &digest, true, &json);
    if (strstr(str_text(&f->text), part) == NULL)
        fail_msg("%s is not in %s", part, str_text(&f->text));
}

static void waves_and_their_time(void **state)
{
    (void)state;
    Fixture f;
    setup(&f);
    assert_holds(&f, "{\"number\":1,\"name\":\"canary\",\"shards\":1,\"bake_ms\":5000,\"budget\":0,"
                     "\"worst_case\":1,\"estimate_ms\":1000,\"first\":\"c1/d0\","
                     "\"first_shards\":[\"c1/d0\"]}");
    /* 4 at a time would take 1750 ms, but c2 takes one at a time, and 4 s in all */
    assert_holds(&f, "\"worst_case\":5,\"estimate_ms\":4000,\"first\":\"c1/d1\","
                     "\"first_shards\":[\"c1/d1\",\"c1/d2\",\"c1/d3\"]}");
    assert_holds(&f, "\"estimated\":6,\"estimate_ms\":10000,");
    f.header.policy.concurrency.cluster = 0;
    assert_holds(&f, "\"worst_case\":5,\"estimate_ms\":3000,"); /* the longest of them */
    f.shards[3].estimated_ms = 0;
    assert_holds(&f, "\"estimated\":5,\"estimate_ms\":null,");
    assert_holds(&f, "\"worst_case\":5,\"estimate_ms\":null,\"first\":\"c1/d1\"");
    teardown(&f);
}

static void budgets_at_worst(void **state)
{
    (void)state;
    Fixture f;
    setup(&f);
    assert_holds(&f, "\"scope\":\"host\",\"label\":null,\"percent\":false,\"value\":1,"
                     "\"worst_case\":3,\"worst_at\":\"east\"");
    assert_holds(&f, "\"scope\":\"label\",\"label\":\"tier\",\"percent\":true,\"value\":50,"
                     "\"worst_case\":3,\"worst_at\":\"free\"");
    teardown(&f);
}

static void backups_steps_and_shards(void **state)
{
    (void)state;
    Fixture f;
    setup(&f);
    assert_holds(&f, "\"bytes\":600,\"worst_host\":\"east\",\"worst_host_bytes\":400}");
    assert_holds(&f, "\"steps\":[{\"revisions\":[\"001_a\"],\"shards\":5},"
                     "{\"revisions\":[\"001_a\",\"002_b\"],\"shards\":1}],"
                     "\"irreversible\":[{\"revision\":\"002_b\",\"reason\":\"drops a column\","
                     "\"shards\":1}]");
    assert_holds(&f, "\"locks_expected\":null");
    assert_holds(&f, "\"seed\":null");
    assert_holds(&f, "\"name\":\"c2/d5\"");
    teardown(&f);
}

/* Sizes differ, and so do lists of steps: the largest shard is not the worst. */
static void a_rehearsal_at_worst(void **state)
{
    (void)state;
    Fixture f;
    RehearsedStep steps[] = {
        {.revision = "001_a", .work = "scan", .estimate_ms = 100, .writes_stopped_ms = 100},
        {.revision = "002_b", .work = "rewrite", .estimate_ms = 900, .reads_stopped_ms = 800},
    };
    setup(&f);
    assert_holds(&f, "\"rehearsal\":null");
    f.header.rehearsal = (RehearsalPlan){.database = "d",
                                         .copy = "dump",
                                         .size_bytes = 1000,
                                         .made_unix_ms = 1,
                                         .steps = steps,
                                         .step_count = 2};
    for (uint32_t i = 0; i < SHARDS; i++)
        f.shards[i].size_bytes = i == 2 ? 5000 : 2000;
    assert_holds(&f, "\"worst\":{\"shard\":\"c2/d5\",\"estimate_ms\":2000,"
                     "\"reads_stopped_ms\":1600,\"writes_stopped_ms\":200}");
    f.shards[2].size_bytes = 50000;
    assert_holds(&f, "\"worst\":{\"shard\":\"c1/d2\",\"estimate_ms\":5000,"
                     "\"reads_stopped_ms\":0,\"writes_stopped_ms\":5000}");
    steps[0] = steps[1] = (RehearsedStep){.revision = "", .work = "instant"};
    assert_holds(&f,
                 "\"worst\":{\"shard\":\"c1/d2\",\"estimate_ms\":0,"); /* of equals the largest */
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waves_and_their_time),
        cmocka_unit_test(budgets_at_worst),
        cmocka_unit_test(backups_steps_and_shards),
        cmocka_unit_test(a_rehearsal_at_worst),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
