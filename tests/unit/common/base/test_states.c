#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "states.h"

#include <string.h>

/* The words INTERFACES fixes, in the enum's order. */
static const char *const shard_words[] = {
    "new",     "current",  "pending",         "running",     "failed",
    "unknown", "diverged", "rollback-failed", "quarantined", "unreachable"};
static const char *const rollout_words[] = {"draft",       "approved",  "running",
                                            "paused",      "halted",    "rolling-back",
                                            "rolled-back", "succeeded", "aborted"};

static void test_shard_words(void **state)
{
    (void)state;
    assert_int_equal(sizeof shard_words / sizeof *shard_words, SHARD_STATE_COUNT - 1);
    for (int i = 1; i < SHARD_STATE_COUNT; i++) {
        assert_string_equal(shard_state_name((ShardState)i), shard_words[i - 1]);
        assert_int_equal(shard_state_from_name(shard_words[i - 1]), i);
    }
    assert_int_equal(shard_state_from_name("Current"), SHARD_UNSPECIFIED);
    assert_int_equal(shard_state_from_name(""), SHARD_UNSPECIFIED);
}

static void test_rollout_words(void **state)
{
    (void)state;
    assert_int_equal(sizeof rollout_words / sizeof *rollout_words, ROLLOUT_STATE_COUNT - 1);
    for (int i = 1; i < ROLLOUT_STATE_COUNT; i++)
        assert_string_equal(rollout_state_name((RolloutState)i), rollout_words[i - 1]);
}

static void test_terminal_rollouts(void **state)
{
    (void)state;
    for (int i = 0; i < ROLLOUT_STATE_COUNT; i++) {
        bool terminal = i == ROLLOUT_ROLLED_BACK || i == ROLLOUT_SUCCEEDED || i == ROLLOUT_ABORTED;
        assert_int_equal(rollout_state_is_terminal((RolloutState)i), terminal);
    }
}

static void test_directions(void **state)
{
    (void)state;
    assert_string_equal(direction_name(DIRECTION_UPGRADE), "upgrade");
    assert_string_equal(direction_name(DIRECTION_DOWNGRADE), "downgrade");
    assert_int_equal(direction_from_name("upgrade"), DIRECTION_UPGRADE);
    assert_int_equal(direction_from_name("downgrade"), DIRECTION_DOWNGRADE);
    assert_int_equal(direction_from_name("sideways"), DIRECTION_UNSPECIFIED);
}

static void test_every_outcome_and_phase_has_its_own_word(void **state)
{
    (void)state;
    for (int i = 1; i < OUTCOME_COUNT; i++) {
        assert_true(strlen(outcome_name((JobOutcome)i)) > 0);
        for (int j = 1; j < i; j++)
            assert_string_not_equal(outcome_name((JobOutcome)i), outcome_name((JobOutcome)j));
    }
    for (int i = 1; i < PHASE_COUNT; i++) {
        assert_true(strlen(phase_name((JobPhase)i)) > 0);
        for (int j = 1; j < i; j++)
            assert_string_not_equal(phase_name((JobPhase)i), phase_name((JobPhase)j));
    }
    assert_string_equal(outcome_name(OUTCOME_ROLLBACK_FAILED), "rollback-failed");
    assert_string_equal(phase_name(PHASE_PROBING), "probing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shard_words),
        cmocka_unit_test(test_rollout_words),
        cmocka_unit_test(test_terminal_rollouts),
        cmocka_unit_test(test_directions),
        cmocka_unit_test(test_every_outcome_and_phase_has_its_own_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
