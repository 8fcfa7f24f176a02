#include "../../common/wire/wire_test.h"

#include "identity.h"

/* A fleet of a few databases on one server, and what is known of them. */
typedef struct Place {
    Arena *arena;
    ShardMemory *memory;
    FleetShard shards[4];
    size_t count;
} Place;

static int setup(void **state)
{
    Place *place = xcalloc(1, sizeof *place);
    place->arena = arena_new();
    place->memory = shard_memory_new();
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    Place *place = *state;
    shard_memory_free(place->memory);
    arena_free(place->arena);
    free(place);
    return 0;
}

/* An adopted shard where its row says. */
static FleetShard *listed(Place *place, uint8_t uuid, const char *database, uint32_t oid)
{
    FleetShard *shard = &place->shards[place->count++];
    *shard = (FleetShard){
        .uuid = {{0x5a, uuid}},
        .name = arena_printf(place->arena, "main/%s", database),
        .agent = "boston",
        .host = "boston",
        .cluster = "main",
        .database = database,
        .schema = "",
        .system_identifier = 77,
        .database_oid = oid,
        .adopted = true,
        .reachable = true,
        .row_system_identifier = 77,
        .row_database_oid = oid,
        .message = "",
    };
    return shard;
}

static FleetShard *unadopted(Place *place, uint8_t uuid, const char *database, uint32_t oid)
{
    FleetShard *shard = listed(place, uuid, database, oid);
    shard->adopted = false;
    return shard;
}

static void says_oid(FleetShard *shard, uint32_t oid, bool origin_present)
{
    shard->row_database_oid = oid;
    shard->identity_mismatch = true;
    shard->origin_present = origin_present;
}

static void know(Place *place, uint8_t uuid, const char *database, uint32_t oid, bool forgotten)
{
    KnownShard shard = {.uuid = {{0x5a, uuid}},
                        .cluster = "main",
                        .database = database,
                        .schema = "",
                        .system_identifier = 77,
                        .database_oid = oid,
                        .forgotten = forgotten};
    shard_memory_apply(place->memory, &(ShardsKnown){.shards = &shard, .count = 1});
}

static void judge(Place *place)
{
    FleetShard *all[4];
    for (size_t i = 0; i < place->count; i++)
        all[i] = &place->shards[i];
    identity_judge(all, place->count, place->memory, place->arena);
}

static void says(const FleetShard *shard, ShardFault fault, const char *words)
{
    assert_string_equal(shard_fault_name(shard->fault), shard_fault_name(fault));
    if (strstr(shard->fault_text, words) == NULL)
        fail_msg("'%s' is not in '%s'", words, shard->fault_text);
}

static void what_is_as_it_was_is_no_fault(void **state)
{
    Place *place = *state;
    FleetShard *one = listed(place, 1, "a", 10);
    FleetShard *new = unadopted(place, 2, "b", 11);
    know(place, 1, "a", 10, false);
    judge(place);
    says(one, SHARD_FAULT_NONE, "");
    says(new, SHARD_FAULT_NONE, "");
}

static void a_copy_is_at_fault_and_its_original_is_not(void **state)
{
    Place *place = *state;
    FleetShard *original = listed(place, 1, "a", 10);
    FleetShard *copy = listed(place, 1, "b", 11);
    says_oid(copy, 10, true);
    judge(place);
    says(original, SHARD_FAULT_NONE, "");
    says(copy, SHARD_FAULT_CLONE, "a clone of main/a");
    assert_string_equal(copy->former_name, "main/a");
}

static void a_copy_is_known_when_its_original_is_not_listed(void **state)
{
    Place *place = *state;
    FleetShard *copy = listed(place, 1, "b", 11);
    says_oid(copy, 10, true);
    judge(place);
    says(copy, SHARD_FAULT_CLONE, "database with oid 10, which is there too");
    says_oid(copy, 10, false);
    judge(place);
    says(copy, SHARD_FAULT_IDENTITY, "a restore or a clone");
}

static void copies_of_a_whole_server_can_not_be_told_apart(void **state)
{
    Place *place = *state;
    FleetShard *one = listed(place, 1, "a", 10);
    FleetShard *other = listed(place, 1, "a", 10);
    other->agent = "chennai";
    other->cluster = "other";
    judge(place);
    says(one, SHARD_FAULT_TWICE, "2 databases say they are shard");
    says(other, SHARD_FAULT_TWICE, "2 databases say they are shard");
    /* A standby is none of them. */
    other->standby = true;
    judge(place);
    says(one, SHARD_FAULT_NONE, "");
    says(other, SHARD_FAULT_NONE, "");
}

static void a_renamed_database_is_known_by_its_oid(void **state)
{
    Place *place = *state;
    FleetShard *shard = listed(place, 1, "b", 10);
    know(place, 1, "a", 10, false);
    judge(place);
    says(shard, SHARD_FAULT_RENAMED, "renamed: it was main/a");
    /* What an explicit list still has under the old name is no second shard. */
    FleetShard *left = listed(place, 1, "a", 10);
    left->reachable = false;
    judge(place);
    says(shard, SHARD_FAULT_RENAMED, "renamed: it was main/a");
    know(place, 1, "b", 10, false);
    judge(place);
    says(shard, SHARD_FAULT_NONE, "");
}

static void a_recreated_database_is_another(void **state)
{
    Place *place = *state;
    FleetShard *shard = unadopted(place, 2, "a", 11);
    know(place, 1, "a", 10, false);
    judge(place);
    says(shard, SHARD_FAULT_RECREATED, "at oid 10");
    assert_int_equal(shard->former_uuid.bytes[1], 1);
    know(place, 1, "a", 10, true);
    judge(place);
    says(shard, SHARD_FAULT_NONE, "");
}

static void a_row_that_is_gone_is_noticed(void **state)
{
    Place *place = *state;
    FleetShard *shard = unadopted(place, 1, "a", 10);
    know(place, 1, "a", 10, false);
    judge(place);
    says(shard, SHARD_FAULT_RECREATED, "its row in pgtide.shard is gone");
}

static void a_renamed_schema_is_known_by_its_oid(void **state)
{
    Place *place = *state;
    FleetShard *shard = unadopted(place, 2, "app", 10);
    shard->schema = "tenant_b";
    shard->schema_oid = 500;
    KnownShard known = {.uuid = {{0x5a, 1}},
                        .cluster = "main",
                        .database = "app",
                        .schema = "tenant_a",
                        .system_identifier = 77,
                        .database_oid = 10,
                        .schema_oid = 500};
    shard_memory_apply(place->memory, &(ShardsKnown){.shards = &known, .count = 1});
    judge(place);
    says(shard, SHARD_FAULT_RENAMED, "it was main/app/tenant_a");
    assert_string_equal(shard->former_schema, "tenant_a");
}

static void another_fleets_is_foreign(void **state)
{
    Place *place = *state;
    FleetShard *shard = listed(place, 1, "a", 10);
    shard->foreign = true;
    judge(place);
    says(shard, SHARD_FAULT_FOREIGN, "another fleet");
}

static void what_is_new_is_to_be_kept(void **state)
{
    Place *place = *state;
    FleetShard *shard = listed(place, 1, "a", 10);
    KnownShard keep;
    assert_false(identity_is_known(shard, place->memory, &keep));
    shard_memory_apply(place->memory, &(ShardsKnown){.shards = &keep, .count = 1});
    assert_true(identity_is_known(shard, place->memory, &keep));
    shard->cluster = "other"; /* its configuration's, or the primary is elsewhere now */
    assert_false(identity_is_known(shard, place->memory, &keep));
    assert_string_equal(keep.cluster, "other");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_as_it_was_is_no_fault),
        TEST(a_copy_is_at_fault_and_its_original_is_not),
        TEST(a_copy_is_known_when_its_original_is_not_listed),
        TEST(copies_of_a_whole_server_can_not_be_told_apart),
        TEST(a_renamed_database_is_known_by_its_oid),
        TEST(a_recreated_database_is_another),
        TEST(a_row_that_is_gone_is_noticed),
        TEST(a_renamed_schema_is_known_by_its_oid),
        TEST(another_fleets_is_foreign),
        TEST(what_is_new_is_to_be_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
