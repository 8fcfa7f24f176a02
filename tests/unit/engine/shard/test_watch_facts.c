#include "watch_facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void a_blocker_has_a_class_and_never_its_query(void **state)
{
    (void)state;
    static const struct {
        uint32_t pid;
        WatchSession session;
        const char *expected;
    } cases[] = {
        {7, {"active", "update users set secret = 'x'", "client backend"}, "UPDATE"},
        {7, {"active", "  -- who\n /* ha */ (SELECT 1)", "client backend"}, "SELECT"},
        {7, {"idle in transaction", "SELECT 1", "client backend"}, "idle in transaction"},
        {7, {"idle in transaction (aborted)", "X", "client backend"}, "idle in transaction"},
        {7, {"active", "autovacuum: VACUUM public.users", "autovacuum worker"}, "autovacuum"},
        {7, {"", "", "logical replication worker"}, "logical replication worker"},
        {7, {"", "<insufficient privilege>", ""}, "not visible"},
        {7, {"", "", ""}, "not visible"},
        {0, {"", "", ""}, "prepared transaction"},
    };
    AUTO_ARENA Arena *arena = arena_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(watch_query_class(arena, cases[i].pid, &cases[i].session),
                            cases[i].expected);
}

static void a_statement_is_told_up_to_its_first_value(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        const char *expected;
    } cases[] = {
        {"ALTER TABLE users\n    ADD COLUMN bio text", "ALTER TABLE users ADD COLUMN bio text"},
        {"ALTER ROLE app PASSWORD 'secret'", "ALTER ROLE app PASSWORD"},
        {"UPDATE users SET a=1", "UPDATE users SET a"},
        {"SELECT pg_sleep(60)", "SELECT pg_sleep"},
        {"DO $$ secret $$", "DO"},
        {"/* secret */ VACUUM users -- secret", "VACUUM users"},
        {"", ""},
        {"ALTER TABLE a_table_with_a_name_of_its_own_and_more ADD COLUMN another_name int",
         "ALTER TABLE a_table_with_a_name_of_its_own_and_more ADD COLU"},
        {"ALTER TABLE b_table_with_a_name_of_its_own_and_more ADD COL\xc3\xa4 int",
         "ALTER TABLE b_table_with_a_name_of_its_own_and_more ADD COL"},
    };
    AUTO_ARENA Arena *arena = arena_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(watch_statement(arena, cases[i].query), cases[i].expected);
}

/* The phases of a build in their order, each at its beginning, middle and end. */
static void a_build_never_goes_back(void **state)
{
    (void)state;
    static const char *const phases[] = {
        "initializing",
        "waiting for writers before build",
        "building index: scanning table",
        "building index: sorting live tuples",
        "building index: loading tuples in tree",
        "waiting for writers before validation",
        "index validation: scanning index",
        "index validation: sorting tuples",
        "index validation: scanning table",
        "waiting for old snapshots",
        "waiting for readers before marking dead",
    };
    static const char *const commands[] = {"CREATE INDEX", "CREATE INDEX CONCURRENTLY"};
    for (size_t c = 0; c < 2; c++) {
        uint32_t last = 0;
        for (size_t i = 0; i < sizeof phases / sizeof *phases; i++) {
            for (uint64_t done = 0; done <= 100; done += 50) {
                WatchBuild build = {commands[c], phases[i], done, 100, done, 100, 0, 0};
                uint32_t percent = watch_build_percent(&build);
                assert_in_range(percent, last, 99);
                last = percent;
            }
        }
        assert_int_equal(last, 99);
    }
}

static void a_build_is_as_far_as_its_phases_share(void **state)
{
    (void)state;
    WatchBuild build = {
        "CREATE INDEX CONCURRENTLY", "building index: scanning table", 50, 100, 0, 0, 0, 0};
    assert_int_equal(watch_build_percent(&build), 20);
    build.command = "CREATE INDEX";
    assert_int_equal(watch_build_percent(&build), 30);
    build.partitions_done = 3;
    build.partitions_total = 4;
    assert_int_equal(watch_build_percent(&build), 74 + 30 / 4);
    build.phase = "a phase of a later server";
    build.partitions_total = 0;
    assert_int_equal(watch_build_percent(&build), 0);
    build.phase = "building index: scanning table";
    build.blocks_total = 0; /* not known yet */
    assert_int_equal(watch_build_percent(&build), 0);
    build.blocks_done = UINT64_MAX;
    build.blocks_total = 1;
    assert_int_equal(watch_build_percent(&build), 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_blocker_has_a_class_and_never_its_query),
        cmocka_unit_test(a_statement_is_told_up_to_its_first_value),
        cmocka_unit_test(a_build_never_goes_back),
        cmocka_unit_test(a_build_is_as_far_as_its_phases_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
