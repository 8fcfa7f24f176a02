#include "shard_standing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char *one[] = {"001_one"};
static const char *two[] = {"002_two"};
static const StrList no_rows;
static const StrList rows_one = {.items = one, .count = 1};
static const StrList rows_two = {.items = two, .count = 1};

/* An adopted shard at 001_one of which there is nothing to say. */
static StandingFacts well(void)
{
    return (StandingFacts){
        .agent_connected = true, .reachable = true, .adopted = true, .rows = &rows_one};
}

static void assert_stands(StandingFacts facts, ShardState state, StandingSource source)
{
    Standing standing = standing_of(&facts);
    assert_string_equal(shard_state_name(standing.state), shard_state_name(state));
    assert_int_equal(standing.source, source);
}

static void a_shard_at_rest_is_current_or_new(void **state)
{
    (void)state;
    StandingFacts facts = well();
    assert_stands(facts, SHARD_CURRENT, STANDING_LISTING);
    facts.rows = &no_rows; /* adopted, and at base */
    assert_stands(facts, SHARD_CURRENT, STANDING_LISTING);
    facts.adopted = false;
    assert_stands(facts, SHARD_NEW, STANDING_LISTING);
    facts.rows = &rows_one; /* another tool's */
    assert_stands(facts, SHARD_CURRENT, STANDING_LISTING);
    facts.standby = true;
    assert_stands(facts, SHARD_CURRENT, STANDING_STANDBY);
}

/* Each is said before those that come after it. */
static void the_gravest_is_said_first(void **state)
{
    (void)state;
    StandingFacts facts = well();
    facts.rollout_open = true;
    facts.rollout_state = SHARD_RUNNING;
    assert_stands(facts, SHARD_RUNNING, STANDING_ROLLOUT);
    assert_int_equal(shard_barrier_of(&facts), SHARD_BARRIER_NONE);
    facts.stale = true;
    assert_stands(facts, SHARD_UNREACHABLE, STANDING_STALE);
    assert_int_equal(shard_barrier_of(&facts), SHARD_BARRIER_STALE);
    facts.reachable = false;
    assert_stands(facts, SHARD_UNREACHABLE, STANDING_NO_CONNECTION);
    assert_int_equal(shard_barrier_of(&facts), SHARD_BARRIER_UNREACHABLE);
    facts.agent_connected = false;
    assert_stands(facts, SHARD_UNREACHABLE, STANDING_AGENT_AWAY);
    assert_int_equal(shard_barrier_of(&facts), SHARD_BARRIER_UNREACHABLE);
    facts.pooled = true;
    assert_int_equal(shard_barrier_of(&facts), SHARD_BARRIER_POOLED);
    facts.has_fault = true;
    assert_stands(facts, SHARD_QUARANTINED, STANDING_FAULT);
    assert_int_equal(shard_barrier_of(&facts), SHARD_BARRIER_IDENTITY);
    facts.quarantined_as = SHARD_ROLLBACK_FAILED;
    assert_stands(facts, SHARD_ROLLBACK_FAILED, STANDING_QUARANTINE);
    assert_int_equal(shard_barrier_of(&facts), SHARD_BARRIER_QUARANTINED);
    facts.standby = true; /* its primary is the shard */
    assert_int_equal(shard_barrier_of(&facts), SHARD_BARRIER_STANDBY);
}

static void a_rollout_that_has_ended_is_believed_until_the_shard_moves(void **state)
{
    (void)state;
    StandingFacts facts = well();
    facts.rollout_state = SHARD_FAILED;
    assert_stands(facts, SHARD_FAILED, STANDING_ROLLOUT); /* it does not know the rows */
    facts.rollout_rows = &rows_one;
    assert_stands(facts, SHARD_FAILED, STANDING_ROLLOUT);
    facts.rollout_rows = &rows_two;
    assert_stands(facts, SHARD_CURRENT, STANDING_LISTING);
    facts.rollout_open = true;
    assert_stands(facts, SHARD_FAILED, STANDING_ROLLOUT);
    facts.rollout_open = false;
    facts.rollout_rows = &rows_one;
    facts.rollout_state = SHARD_DIVERGED; /* released from its quarantine */
    assert_stands(facts, SHARD_CURRENT, STANDING_LISTING);
}

static void what_passes_refuses_a_plan(void **state)
{
    (void)state;
    for (int barrier = SHARD_BARRIER_NONE; barrier < SHARD_BARRIER_COUNT; barrier++) {
        bool passing = barrier == SHARD_BARRIER_UNREACHABLE || barrier == SHARD_BARRIER_STALE ||
                       barrier == SHARD_BARRIER_UNLISTED;
        assert_int_equal(shard_barrier_is_passing((ShardBarrier)barrier), passing);
        assert_non_null(shard_barrier_name((ShardBarrier)barrier));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shard_at_rest_is_current_or_new),
        cmocka_unit_test(the_gravest_is_said_first),
        cmocka_unit_test(a_rollout_that_has_ended_is_believed_until_the_shard_moves),
        cmocka_unit_test(what_passes_refuses_a_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
