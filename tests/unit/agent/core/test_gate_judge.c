#include "gate_judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void one_boolean_is_a_verdict_and_nothing_else_is(void **state)
{
    (void)state;
    const char *yes[] = {"t", "t"};
    const char *no[] = {"f"};
    const char *null[] = {NULL};
    const char *number[] = {"1"};
    const char *message;
    assert_int_equal(gate_judge_sql(1, 1, yes, &message), GATE_SUCCEEDED);
    assert_int_equal(gate_judge_sql(1, 1, no, &message), GATE_FAILED);
    assert_string_equal(message, "the query is false");
    assert_int_equal(gate_judge_sql(1, 1, null, &message), GATE_INCONCLUSIVE);
    assert_int_equal(gate_judge_sql(0, 1, NULL, &message), GATE_INCONCLUSIVE);
    assert_int_equal(gate_judge_sql(1, 1, number, &message), GATE_ERROR);
    assert_int_equal(gate_judge_sql(2, 1, yes, &message), GATE_ERROR);
    assert_int_equal(gate_judge_sql(1, 2, yes, &message), GATE_ERROR);
}

static void assert_lag(const GateReplica *replicas, size_t count, uint64_t gone_ms,
                       GateVerdict verdict, const char *message)
{
    AUTO_ARENA Arena *arena = arena_new();
    const char *said;
    assert_string_equal(
        gate_verdict_name(gate_judge_lag(arena, replicas, count, gone_ms, 5000, &said)),
        gate_verdict_name(verdict));
    assert_string_equal(said, message);
}

static void replicas_have_until_the_limit(void **state)
{
    (void)state;
    const GateReplica replicas[] = {
        {.name = "near", .has_replayed = true},
        {.name = "far", .behind_bytes = "4096"},
        {.name = "farther", .behind_bytes = "8192"},
        {.name = "away", .is_slot = true},
    };
    assert_lag(NULL, 0, 0, GATE_SUCCEEDED, "it has no replicas");
    assert_lag(replicas, 1, 7, GATE_SUCCEEDED, "1 replica is at most 7 ms behind");
    assert_lag(replicas, 3, 4999, GATE_UNSPECIFIED, "");
    assert_lag(replicas, 3, 5000, GATE_FAILED,
               "replica far is more than 5000 ms behind (4096 bytes)");
    /* One that is away can't be measured: whether that is well a person says, and not before it is
     * known that the others are. */
    assert_lag(replicas, 4, 4999, GATE_UNSPECIFIED, "");
    assert_lag(replicas, 4, 5000, GATE_FAILED,
               "replica far is more than 5000 ms behind (4096 bytes)");
    assert_lag(&replicas[3], 1, 0, GATE_INCONCLUSIVE, "no replica is connected to its slot away");
}

static void a_limit_may_be_reached_and_not_passed(void **state)
{
    (void)state;
    AUTO_ARENA Arena *arena = arena_new();
    const GatePlan gate = {.limit = 10, .waiting_max = 2};
    const char *said;
    assert_int_equal(gate_judge_load(arena, &gate, 10, 2, &said), GATE_SUCCEEDED);
    assert_string_equal(said, "10 sessions are active, 2 wait for locks");
    assert_int_equal(gate_judge_load(arena, &gate, 11, 0, &said), GATE_FAILED);
    assert_string_equal(said, "11 sessions are active, at most 10 may be");
    assert_int_equal(gate_judge_load(arena, &gate, 0, 3, &said), GATE_FAILED);
    assert_string_equal(said, "3 sessions wait for locks, at most 2 may");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_boolean_is_a_verdict_and_nothing_else_is),
        cmocka_unit_test(replicas_have_until_the_limit),
        cmocka_unit_test(a_limit_may_be_reached_and_not_passed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
