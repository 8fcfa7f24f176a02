#include "../../../common/wire/wire_test.h"

#include "inventory.h"

static const Uuid fleet = {{0xf1}};

typedef struct Place {
    Arena *arena;
    FleetInventory *inventory;
    uint64_t now_ms;
} Place;

static int setup(void **state)
{
    Place *place = xcalloc(1, sizeof *place);
    place->arena = arena_new();
    place->inventory = inventory_new(&fleet);
    place->now_ms = 1000000;
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    Place *place = *state;
    inventory_free(place->inventory);
    arena_free(place->arena);
    free(place);
    return 0;
}

static ShardInfo shard(Place *place, uint8_t number, const char *row)
{
    ShardInfo info = {.uuid = {{0x5a, number}},
                      .cluster = "main",
                      .database = arena_printf(place->arena, "tenant_%02d", number),
                      .schema = "",
                      .system_identifier = 77,
                      .database_oid = number,
                      .reachable = true,
                      .message = ""};
    strlist_add(place->arena, &info.rows, row);
    return info;
}

static ErrCode list_part(Place *place, const char *agent, uint64_t snapshot, uint32_t number,
                         bool last, ShardInfo *shards, size_t count)
{
    static Label region = {"region", "eu"};
    ClusterInfo cluster = {
        .name = "main", .message = "", .reachable = true, .labels = {&region, 1}};
    Inventory part = {.snapshot = snapshot,
                      .part = number,
                      .last = last,
                      .host = agent,
                      .clusters = &cluster,
                      .cluster_count = number == 0 ? 1 : 0,
                      .shards = shards,
                      .shard_count = count};
    bool replaced = false;
    Error error;
    ErrCode code = inventory_part(place->inventory, agent, &part, place->now_ms, place->now_ms,
                                  &replaced, &error);
    if (code == ERR_OK)
        assert_int_equal(replaced, last);
    return code;
}

static void list(Place *place, const char *agent, ShardInfo *shards, size_t count)
{
    assert_int_equal(list_part(place, agent, 1, 0, true, shards, count), ERR_OK);
}

static void a_listing_counts_when_it_is_whole(void **state)
{
    Place *place = *state;
    ShardInfo old[] = {shard(place, 1, "r1"), shard(place, 2, "r1")};
    ShardInfo new[] = {shard(place, 2, "r2"), shard(place, 3, "r2")};
    list(place, "boston", old, 2);
    assert_int_equal(inventory_shard_count(place->inventory), 2);
    assert_int_equal(list_part(place, "boston", 2, 0, false, &new[0], 1), ERR_OK);
    assert_int_equal(inventory_shard_count(place->inventory), 2);
    assert_non_null(inventory_find(place->inventory, &old[0].uuid));
    assert_int_equal(list_part(place, "boston", 2, 1, true, &new[1], 1), ERR_OK);
    assert_int_equal(inventory_shard_count(place->inventory), 2);
    assert_null(inventory_find(place->inventory, &old[0].uuid));
    assert_string_equal(inventory_find(place->inventory, &new[0].uuid)->rows.items[0], "r2");
    assert_string_equal(inventory_shard_at(place->inventory, 1)->name, "main/tenant_03");
}

static void a_part_out_of_order_drops_the_listing(void **state)
{
    Place *place = *state;
    ShardInfo shards[] = {shard(place, 1, "r1"), shard(place, 2, "r1"), shard(place, 3, "r1")};
    list(place, "boston", shards, 1);
    assert_int_equal(list_part(place, "boston", 2, 1, true, shards, 3), ERR_PROTOCOL);
    assert_int_equal(list_part(place, "boston", 2, 0, false, shards, 1), ERR_OK);
    assert_int_equal(list_part(place, "boston", 2, 2, true, &shards[2], 1), ERR_PROTOCOL);
    assert_int_equal(list_part(place, "boston", 2, 1, true, &shards[1], 1), ERR_PROTOCOL);
    assert_int_equal(list_part(place, "boston", 3, 0, false, shards, 1), ERR_OK);
    assert_int_equal(list_part(place, "boston", 4, 1, true, &shards[1], 1), ERR_PROTOCOL);
    assert_int_equal(inventory_shard_count(place->inventory), 1);
    list(place, "boston", shards, 3);
    assert_int_equal(inventory_shard_count(place->inventory), 3);
}

static void agents_replace_only_their_own(void **state)
{
    Place *place = *state;
    ShardInfo one[] = {shard(place, 1, "r1")};
    ShardInfo two[] = {shard(place, 2, "r1"), shard(place, 3, "r1")};
    list(place, "boston", one, 1);
    list(place, "chennai", two, 2);
    list(place, "boston", one, 0);
    assert_int_equal(inventory_shard_count(place->inventory), 2);
    inventory_drop(place->inventory, "chennai");
    assert_int_equal(inventory_shard_count(place->inventory), 0);
    inventory_drop(place->inventory, "nobody");
}

static void twins_are_both_at_fault_until_one_is_gone(void **state)
{
    Place *place = *state;
    ShardInfo one[] = {shard(place, 1, "r1"), shard(place, 2, "r1")};
    ShardInfo clone[] = {shard(place, 1, "r1")};
    clone[0].system_identifier = 78;
    list(place, "boston", one, 2);
    list(place, "chennai", clone, 1);
    size_t twins = 0;
    for (size_t i = 0; i < inventory_shard_count(place->inventory); i++)
        twins += inventory_shard_at(place->inventory, i)->fault == SHARD_FAULT_TWICE ? 1 : 0;
    assert_int_equal(twins, 2);
    assert_int_equal(inventory_find(place->inventory, &one[1].uuid)->fault, SHARD_FAULT_NONE);
    list(place, "chennai", clone, 0);
    assert_int_equal(inventory_shard_count(place->inventory), 2);
    assert_int_equal(inventory_find(place->inventory, &one[0].uuid)->fault, SHARD_FAULT_NONE);
}

static void clones_and_strangers_are_known_by_what_they_say(void **state)
{
    Place *place = *state;
    ShardInfo shards[] = {shard(place, 1, "r1"), shard(place, 2, "r1"), shard(place, 3, "r1")};
    shards[0].identity_mismatch = true;
    shards[1].fleet_id = (Uuid){{0xf2}};
    shards[2].fleet_id = fleet;
    list(place, "boston", shards, 3);
    assert_int_equal(inventory_find(place->inventory, &shards[0].uuid)->fault,
                     SHARD_FAULT_IDENTITY);
    assert_int_equal(inventory_find(place->inventory, &shards[1].uuid)->fault, SHARD_FAULT_FOREIGN);
    assert_int_equal(inventory_find(place->inventory, &shards[2].uuid)->fault, SHARD_FAULT_NONE);
}

static void a_job_tells_rows_before_the_next_listing(void **state)
{
    Place *place = *state;
    ShardInfo shards[] = {shard(place, 1, "r1")};
    StrList rows = {0};
    strlist_add(place->arena, &rows, "r2");
    list(place, "boston", shards, 1);
    inventory_set_rows(place->inventory, &shards[0].uuid, "chennai", &rows, place->now_ms);
    assert_string_equal(inventory_find(place->inventory, &shards[0].uuid)->rows.items[0], "r1");
    inventory_set_rows(place->inventory, &shards[0].uuid, "boston", &rows, place->now_ms);
    assert_string_equal(inventory_find(place->inventory, &shards[0].uuid)->rows.items[0], "r2");
    /* A listing that was under way meanwhile is older than the job's end. */
    place->now_ms += INVENTORY_JOB_ROWS_MS - 1;
    list(place, "boston", shards, 1);
    assert_string_equal(inventory_find(place->inventory, &shards[0].uuid)->rows.items[0], "r2");
    place->now_ms += 1;
    list(place, "boston", shards, 1);
    assert_string_equal(inventory_find(place->inventory, &shards[0].uuid)->rows.items[0], "r1");
}

static void labels_of_a_shard_win_over_its_clusters(void **state)
{
    Place *place = *state;
    Label own[] = {{"region", "us"}, {"tier", "free"}};
    ShardInfo shards[] = {shard(place, 1, "r1"), shard(place, 2, "r1")};
    shards[0].labels = (LabelList){own, 2};
    list(place, "boston", shards, 2);
    const LabelList *first = &inventory_find(place->inventory, &shards[0].uuid)->labels;
    const LabelList *second = &inventory_find(place->inventory, &shards[1].uuid)->labels;
    assert_int_equal(first->count, 2);
    assert_string_equal(first->items[0].value, "us");
    assert_int_equal(second->count, 1);
    assert_string_equal(second->items[0].value, "eu");
}

static void names_are_percent_encoded(void **state)
{
    Place *place = *state;
    assert_string_equal(shard_display_name(place->arena, "main", "a/b c", "%x"),
                        "main/a%2Fb%20c/%25x");
    assert_string_equal(shard_display_name(place->arena, "main", "caf\xc3\xa9", ""),
                        "main/caf%C3%A9");
}

/* A standby lists what its primary has: no twins, and the primary's is the one that is found. */
static void a_standby_is_no_twin(void **state)
{
    Place *place = *state;
    ShardInfo one = shard(place, 1, "r1");
    ClusterInfo cluster = {.name = "main",
                           .message = "",
                           .reachable = true,
                           .server_version = 150014,
                           .standby = true};
    Inventory part = {.snapshot = 1,
                      .last = true,
                      .host = "follower",
                      .clusters = &cluster,
                      .cluster_count = 1,
                      .shards = &one,
                      .shard_count = 1};
    bool replaced;
    Error error;
    assert_int_equal(
        inventory_part(place->inventory, "atlanta", &part, place->now_ms, 5, &replaced, &error),
        ERR_OK);
    assert_true(inventory_find(place->inventory, &one.uuid)->standby);
    list(place, "boston", &one, 1);
    assert_int_equal(inventory_shard_count(place->inventory), 2);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(inventory_shard_at(place->inventory, i)->fault, SHARD_FAULT_NONE);
    const FleetShard *found = inventory_find(place->inventory, &one.uuid);
    assert_false(found->standby);
    assert_string_equal(found->agent, "boston");
    assert_int_equal(inventory_shard_at(place->inventory, 0)->server_version, 150014);
    assert_int_equal(found->listed_ms, place->now_ms);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_standby_is_no_twin),
        TEST(a_listing_counts_when_it_is_whole),
        TEST(a_part_out_of_order_drops_the_listing),
        TEST(agents_replace_only_their_own),
        TEST(twins_are_both_at_fault_until_one_is_gone),
        TEST(clones_and_strangers_are_known_by_what_they_say),
        TEST(a_job_tells_rows_before_the_next_listing),
        TEST(labels_of_a_shard_win_over_its_clusters),
        TEST(names_are_percent_encoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
