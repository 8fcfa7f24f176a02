#include "coverage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

enum { COUNT = 60 };

typedef struct Fleet {
    ShardCandidate candidates[COUNT];
    const ShardCandidate *list[COUNT];
    Label labels[COUNT];
    bool taken[COUNT];
} Fleet;

/* 60 shards alike, but for one on an old server, one that is huge, and one of tier gold. */
static void make(Fleet *fleet)
{
    memset(fleet, 0, sizeof *fleet);
    for (size_t i = 0; i < COUNT; i++) {
        ShardCandidate *candidate = &fleet->candidates[i];
        fleet->labels[i] = (Label){"tier", i == 41 ? "gold" : "free"};
        candidate->server_version = i == 7 ? 13 : 15;
        candidate->size_bytes = i == 23 ? 900000000 : 5000;
        candidate->shard.host = candidate->shard.cluster = "h";
        candidate->shard.labels = (LabelList){&fleet->labels[i], 1};
        fleet->list[i] = candidate;
    }
}

static void test_what_is_rare_is_chosen(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 50; seed++) {
        Fleet fleet;
        make(&fleet);
        assert_int_equal(coverage_choose(fleet.list, COUNT, 3, seed, fleet.taken), 3);
        assert_true(fleet.taken[7] + fleet.taken[23] + fleet.taken[41] >= 2);
        make(&fleet);
        assert_int_equal(coverage_choose(fleet.list, COUNT, 4, seed, fleet.taken), 4);
        assert_true(fleet.taken[7] && fleet.taken[23] && fleet.taken[41]);
    }
}

static void test_the_seed_decides_among_equals_and_nothing_else(void **state)
{
    (void)state;
    Fleet one;
    Fleet two;
    bool differ = false;
    for (uint64_t seed = 1; seed < 20; seed++) {
        make(&one);
        make(&two);
        coverage_choose(one.list, COUNT, 10, seed, one.taken);
        coverage_choose(two.list, COUNT, 10, seed, two.taken);
        assert_memory_equal(one.taken, two.taken, sizeof one.taken);
        make(&two);
        coverage_choose(two.list, COUNT, 10, seed + 1, two.taken);
        differ = differ || memcmp(one.taken, two.taken, sizeof one.taken) != 0;
    }
    assert_true(differ);
}

static void test_those_taken_stay_taken(void **state)
{
    (void)state;
    Fleet fleet;
    make(&fleet);
    for (size_t i = 2; i < COUNT; i++)
        fleet.taken[i] = true;
    assert_int_equal(coverage_choose(fleet.list, COUNT, 5, 1, fleet.taken), 2);
    assert_true(fleet.taken[0] && fleet.taken[1]);
    assert_int_equal(coverage_choose(fleet.list, COUNT, 5, 1, fleet.taken), 0);
}

static void test_a_label_called_like_a_kind(void **state)
{
    (void)state;
    Fleet fleet;
    make(&fleet);
    fleet.labels[0] = (Label){"version", "15"};
    fleet.labels[1] = (Label){"host", "h"};
    assert_int_equal(coverage_choose(fleet.list, COUNT, 6, 3, fleet.taken), 6);
    assert_true(fleet.taken[0] && fleet.taken[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_rare_is_chosen),
        cmocka_unit_test(test_the_seed_decides_among_equals_and_nothing_else),
        cmocka_unit_test(test_those_taken_stay_taken),
        cmocka_unit_test(test_a_label_called_like_a_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
