/* Waves, dispatch, caps, commands and durability, told as stories. */
#include "rollout_world.h"

static void test_a_rollout_from_start_to_end(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 2, 2, 2, 0);
    world_start(&world);
    world_told(&world, "persist started; persist wave-opened; persist dispatched 0 1; "
                       "run a: 0; run b: 1");
    world_end(&world, 0, OUTCOME_SUCCEEDED, 2);
    world_told(&world, "persist shard-ended 0");
    world_end(&world, 1, OUTCOME_SUCCEEDED, 2);
    world_told(&world, "persist shard-ended 1; persist wave-done; persist wave-opened; "
                       "persist dispatched 2 3; run a: 2; run b: 3");
    world_end(&world, 2, OUTCOME_SUCCEEDED, 2);
    world_hush(&world);
    world_end(&world, 3, OUTCOME_SUCCEEDED, 2);
    world_told(&world, "persist shard-ended 3; persist wave-done; persist state succeeded");
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_SUCCEEDED);
    assert_string_equal(rollout_reason(world.rollout), "");
    RolloutCounts counts;
    rollout_counts(world.rollout, &counts);
    assert_int_equal(counts.by_state[SHARD_CURRENT], 4);
    world_free(&world);
}

static void test_nothing_leaves_before_its_record_is_durable(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 1, 1, 0);
    world.slow_disk = true;
    world_start(&world);
    world_told(&world, "persist started; persist wave-opened; persist dispatched 0");
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_APPROVED); /* what can be forgotten */
    assert_false(rollout_is_durable(world.rollout));
    RolloutEvent two = {.kind = ROLLOUT_EVENT_PERSISTED, .persisted = 2};
    assert_int_equal(world_give(&world, two), ERR_OK);
    world_told(&world, "");
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_RUNNING);
    world_persist(&world);
    world_told(&world, "run a: 0");
    /* The next wave waits for the end of this one to be durable. */
    world_end(&world, 0, OUTCOME_SUCCEEDED, 2);
    world_told(&world, "persist shard-ended 0; persist wave-done");
    world_persist(&world);
    world_told(&world, "persist wave-opened; persist dispatched 1");
    world_persist(&world);
    world_told(&world, "run a: 1");
    world_free(&world);
}

static void test_a_wave_bakes_before_the_next(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 1, 1, 0);
    world.waves[0].bake_ms = 30000;
    world.waves[1].bake_ms = 30000; /* the last wave's does nothing */
    world_start(&world);
    world_hush(&world);
    world_end(&world, 0, OUTCOME_SUCCEEDED, 2);
    world_told(&world, "persist shard-ended 0; persist wave-baking");
    world_wait(&world, 29999);
    world_told(&world, "");
    world_wait(&world, 1);
    world_told(&world, "persist wave-done; persist wave-opened; persist dispatched 1; run a: 1");
    world_end(&world, 1, OUTCOME_SUCCEEDED, 2);
    world_told(&world, "persist shard-ended 1; persist wave-done; persist state succeeded");
    world_free(&world);
}

static void test_a_bake_goes_on_over_a_restart(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 1, 1, 0);
    world.waves[0].bake_ms = 30000;
    world_start(&world);
    world_end(&world, 0, OUTCOME_SUCCEEDED, 2);
    world_wait(&world, 10000);
    world_restart(&world);
    world_hush(&world);
    world_wait(&world, 19999);
    world_told(&world, "");
    world_wait(&world, 1);
    world_told(&world, "persist wave-done; persist wave-opened");
    world_agent(&world, "a", true);
    world_told(&world, "persist dispatched 1; run a: 1");
    world_free(&world);
}

static void test_caps(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 2, 8, 0);
    world.header.policy.concurrency = (Concurrency){.fleet = 3, .host = 2};
    world_start(&world);
    world_told(&world, "persist started; persist wave-opened; persist dispatched 0 1 2; "
                       "run a: 0 2; run b: 1");
    world_end(&world, 1, OUTCOME_SUCCEEDED, 2);
    /* Host ha is full: shard 4 waits, 3 goes. */
    world_told(&world, "persist shard-ended 1; persist dispatched 3; run b: 3");
    world_end(&world, 3, OUTCOME_SUCCEEDED, 2);
    world_told(&world, "persist shard-ended 3; persist dispatched 5; run b: 5");
    world_end(&world, 0, OUTCOME_SUCCEEDED, 2);
    world_told(&world, "persist shard-ended 0; persist dispatched 4; run a: 4");
    world_free(&world);
}

static void test_cap_of_one_database_with_many_schemas(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 4, 0);
    world.shards[1].database = world.shards[0].database;
    world.header.policy.concurrency = (Concurrency){.cluster = 3, .database = 1};
    world_start(&world);
    world_told(&world, "persist started; persist wave-opened; persist dispatched 0 2 3; "
                       "run a: 0 2 3");
    world_end(&world, 2, OUTCOME_SUCCEEDED, 2);
    world_told(&world, "persist shard-ended 2"); /* 1 shares its database with 0 */
    world_end(&world, 0, OUTCOME_SUCCEEDED, 2);
    world_told(&world, "persist shard-ended 0; persist dispatched 1; run a: 1");
    world_free(&world);
}

static void test_only_agents_that_are_up(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 2, 4, 0);
    world_make(&world);
    assert_int_equal(world_command(&world, ROLLOUT_EVENT_START), ERR_OK);
    world_told(&world, "persist started; persist wave-opened");
    world_agent(&world, "b", true);
    world_told(&world, "persist dispatched 1 3; run b: 1 3");
    world_free(&world);
}

static void test_shards_without_steps_are_never_dispatched(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 2, 1, 0);
    world.shards[0].steps.count = 0;
    world.shards[2].steps.count = 0;
    world_start(&world);
    world_told(&world, "persist started; persist wave-opened; persist dispatched 1; run a: 1");
    world_end(&world, 1, OUTCOME_SUCCEEDED, 2);
    world_told(&world, "persist shard-ended 1; persist wave-done; persist wave-opened; "
                       "persist wave-done; persist state succeeded");
    world_free(&world);
}

static void test_pause_and_resume(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 3, 0);
    world.header.policy.concurrency.fleet = 2;
    world_start(&world);
    world_hush(&world);
    assert_int_equal(world_command(&world, ROLLOUT_EVENT_PAUSE), ERR_OK);
    world_told(&world, "persist state paused; stop a");
    assert_string_equal(rollout_who(world.rollout), "ann");
    world_end(&world, 0, OUTCOME_STOPPED, 1);
    world_end(&world, 1, OUTCOME_SUCCEEDED, 2);
    world_told(&world, "persist shard-ended 0; persist shard-ended 1");
    assert_int_equal(world_shard_state(&world, 0), SHARD_PENDING);
    assert_int_equal(world_command(&world, ROLLOUT_EVENT_RESUME), ERR_OK);
    world_told(&world, "persist state running; persist dispatched 0 2; run a: 0 2");
    RolloutShardView view;
    rollout_shard(world.rollout, 0, &view);
    assert_int_equal(view.generation, 1);
    assert_int_equal(view.attempt, 2);
    world_free(&world);
}

static void test_a_stop_without_an_answer_is_sent_again(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 1, 0);
    world_start(&world);
    assert_int_equal(world_command(&world, ROLLOUT_EVENT_PAUSE), ERR_OK);
    world_hush(&world);
    world_wait(&world, ROLLOUT_STOP_RESEND_MS + ROLLOUT_TICK_MS);
    world_told(&world, "stop a");
    world_free(&world);
}

static void test_stopped_for_no_reason_of_ours_is_dispatched_again(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 1, 0);
    world_start(&world);
    world_hush(&world);
    world_end(&world, 0, OUTCOME_STOPPED, 1); /* the agent had not heard of us for too long */
    world_told(&world, "persist shard-ended 0; persist dispatched 0; run a: 0");
    world_free(&world);
}

static void test_abort(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 2, 0);
    world.header.policy.concurrency.fleet = 1;
    world_start(&world);
    world_hush(&world);
    assert_int_equal(world_command(&world, ROLLOUT_EVENT_ABORT), ERR_OK);
    world_told(&world, "persist abort-decided; stop a");
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_HALTED);
    assert_true(rollout_is_stopping(world.rollout));
    assert_int_equal(world_command(&world, ROLLOUT_EVENT_RESUME), ERR_STATE);
    assert_int_equal(world_command(&world, ROLLOUT_EVENT_ABORT), ERR_STATE);
    world_end(&world, 0, OUTCOME_STOPPED, 1);
    world_told(&world, "persist shard-ended 0; persist state aborted");
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_ABORTED);
    assert_string_equal(rollout_reason(world.rollout), "why");
    assert_int_equal(world_command(&world, ROLLOUT_EVENT_RESUME), ERR_STATE);
    world_free(&world);
}

static void test_what_was_not_sent_is_recalled(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 2, 0);
    world.slow_disk = true;
    world_start(&world);
    world_hush(&world);
    assert_int_equal(world_command(&world, ROLLOUT_EVENT_PAUSE), ERR_OK);
    world_told(&world, "persist state paused; persist recalled 0 1");
    world_persist(&world);
    world_told(&world, ""); /* the orders were durable, and stayed at home */
    assert_int_equal(world_command(&world, ROLLOUT_EVENT_RESUME), ERR_OK);
    world_persist(&world);
    world_told(&world, "persist state running; persist dispatched 0 1; run a: 0 1");
    world_free(&world);
}

static void test_commands_that_make_no_sense(void **state)
{
    (void)state;
    static const struct {
        RolloutEventKind kind;
        bool approved, running, paused, succeeded;
    } table[] = {
        {ROLLOUT_EVENT_START, true, false, false, false},
        {ROLLOUT_EVENT_PAUSE, false, true, false, false},
        {ROLLOUT_EVENT_RESUME, false, false, true, false},
        {ROLLOUT_EVENT_ABORT, true, true, true, false},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        for (int reached = 0; reached < 4; reached++) {
            World world;
            world_plan(&world, 1, 1, 0);
            world_make(&world);
            if (reached > 0)
                assert_int_equal(world_command(&world, ROLLOUT_EVENT_START), ERR_OK);
            world_agent(&world, "a", true);
            if (reached == 2)
                assert_int_equal(world_command(&world, ROLLOUT_EVENT_PAUSE), ERR_OK);
            if (reached == 3)
                world_end(&world, 0, OUTCOME_SUCCEEDED, 2);
            const bool allowed[] = {table[i].approved, table[i].running, table[i].paused,
                                    table[i].succeeded};
            uint64_t before = rollout_record_count(world.rollout);
            assert_int_equal(world_command(&world, table[i].kind),
                             allowed[reached] ? ERR_OK : ERR_STATE);
            if (!allowed[reached])
                assert_int_equal(rollout_record_count(world.rollout), before);
            world_free(&world);
        }
    }
}

static void test_late_stale_and_foreign_reports_do_nothing(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 2, 2, 0);
    world_start(&world);
    world_hush(&world);
    JobReport report = world_report(&world, 0, PHASE_DONE, OUTCOME_FAILED, 0);
    JobReport wrong = report;
    wrong.generation = 2;
    world_say(&world, wrong);
    wrong = report;
    wrong.attempt = 2;
    world_say(&world, wrong);
    wrong = report;
    wrong.direction = DIRECTION_DOWNGRADE;
    world_say(&world, wrong);
    wrong = report;
    wrong.shard = world.shards[1].uuid;
    world_say(&world, wrong);
    RolloutEvent foreign = {
        .kind = ROLLOUT_EVENT_JOB,
        .job = {.agent = rollout_agent_find(world.rollout, "b"), .report = &report}};
    assert_int_equal(world_give(&world, foreign), ERR_OK);
    wrong.index = 99;
    RolloutEvent outside = {.kind = ROLLOUT_EVENT_JOB, .job = {.agent = 0, .report = &wrong}};
    assert_int_equal(world_give(&world, outside), ERR_OK);
    world_told(&world, "");
    assert_int_equal(world_shard_state(&world, 0), SHARD_RUNNING);
    world_say(&world, report);
    world_say(&world, report); /* again, late */
    world_told(&world, "persist shard-ended 0; persist stop-decided; stop b");
    world_free(&world);
}

static void test_an_agent_that_comes_back_is_told_again(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 2, 4, 0);
    world_start(&world);
    world_hush(&world);
    world_end(&world, 0, OUTCOME_SUCCEEDED, 2);
    world_hush(&world);
    world_agent(&world, "a", false);
    world_told(&world, "");
    world_agent(&world, "a", true);
    world_told(&world, "persist resent 2; run a: 2");
    world_free(&world);
}

/* Sent again is allowed by an older record than the next order: that one must not slip out with it.
 */
static void test_an_old_permission_does_not_let_a_new_order_out(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 1, 0);
    world_start(&world);
    world_hush(&world);
    world.slow_disk = true;
    world_agent(&world, "a", true);
    world_end(&world, 0, OUTCOME_STOPPED, 1);
    world_told(&world, "persist resent 0; persist shard-ended 0; persist dispatched 0");
    RolloutEvent resent = {.kind = ROLLOUT_EVENT_PERSISTED, .persisted = world.asked - 2};
    assert_int_equal(world_give(&world, resent), ERR_OK);
    world_told(&world, "");
    world_persist(&world);
    world_told(&world, "run a: 0");
    world_free(&world);
}

static void test_silence_is_answered_with_the_same_order(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 1, 0);
    world_start(&world);
    world_hush(&world);
    world_wait(&world, ROLLOUT_RESEND_MS + ROLLOUT_TICK_MS);
    world_told(&world, "run a: 0");
    world_wait(&world, ROLLOUT_RESEND_MS - 2 * ROLLOUT_TICK_MS);
    world_progress(&world, 0, PHASE_STEP);
    world_wait(&world, ROLLOUT_RESEND_MS - ROLLOUT_TICK_MS);
    world_told(&world, "");
    world_free(&world);
}

static void test_a_restart_goes_on_where_the_journal_ends(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 2, 4, 2, 0);
    world_start(&world);
    world_end(&world, 1, OUTCOME_SUCCEEDED, 2);
    world_restart(&world);
    world_hush(&world);
    assert_int_equal(rollout_state(world.rollout), ROLLOUT_RUNNING);
    assert_int_equal(world_shard_state(&world, 1), SHARD_CURRENT);
    assert_int_equal(world_shard_state(&world, 0), SHARD_RUNNING);
    world_agent(&world, "b", true);
    world_told(&world, "persist resent 3; run b: 3");
    world_agent(&world, "a", true);
    world_told(&world, "persist resent 0 2; run a: 0 2");
    world_free(&world);
}

/* Every prefix of a journal is a state to come back from, and to finish from. */
static void test_a_restart_after_every_record(void **state)
{
    (void)state;
    for (size_t cut = 0;; cut++) {
        World world;
        world_plan(&world, 2, 2, 3, 0);
        world.waves[0].bake_ms = 5000;
        world_start(&world);
        for (int turn = 0; turn < 3; turn++)
            for (uint32_t i = 0; i < 5; i++)
                if (world_shard_state(&world, i) == SHARD_RUNNING)
                    world_end(&world, i, OUTCOME_SUCCEEDED, 2);
                else
                    world_wait(&world, 5000);
        assert_int_equal(rollout_state(world.rollout), ROLLOUT_SUCCEEDED);
        bool whole = cut >= world.record_count;
        if (cut < world.record_count)
            world.record_count = cut;
        world_restart(&world);
        if (rollout_state(world.rollout) == ROLLOUT_APPROVED)
            assert_int_equal(world_command(&world, ROLLOUT_EVENT_START), ERR_OK);
        world_agent(&world, "a", true);
        world_agent(&world, "b", true);
        for (int turn = 0; turn < 3; turn++)
            for (uint32_t i = 0; i < 5; i++)
                if (world_shard_state(&world, i) == SHARD_RUNNING)
                    world_end(&world, i, OUTCOME_SUCCEEDED, 2);
                else
                    world_wait(&world, 5000);
        assert_int_equal(rollout_state(world.rollout), ROLLOUT_SUCCEEDED);
        world_free(&world);
        if (whole)
            break;
    }
}

static void test_a_journal_that_makes_no_sense(void **state)
{
    (void)state;
    World world;
    world_plan(&world, 1, 2, 0);
    world_make(&world);
    RolloutShardRecord shard = {
        .index = 0, .generation = 1, .attempt = 1, .direction = DIRECTION_UPGRADE};
    const RolloutRecord nonsense[] = {
        {.kind = ROLLOUT_RECORD_UNSPECIFIED},
        {.kind = (RolloutRecordKind)99},
        {.kind = ROLLOUT_RECORD_WAVE_OPENED},
        {.kind = ROLLOUT_RECORD_DISPATCHED, .shards = &shard, .shard_count = 1},
        {.kind = ROLLOUT_RECORD_SHARD_ENDED, .shards = &shard, .shard_count = 1},
        {.kind = ROLLOUT_RECORD_TAKE_BACK, .shards = &shard, .shard_count = 1},
        {.kind = ROLLOUT_RECORD_WAVE_DONE},
        {.kind = ROLLOUT_RECORD_STOP_DECIDED},
        {.kind = ROLLOUT_RECORD_STATE, .state = ROLLOUT_SUCCEEDED},
    };
    Error error;
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++)
        assert_int_equal(rollout_replay(world.rollout, &nonsense[i], &error), ERR_JOURNAL);
    shard.index = 2;
    RolloutRecord outside = {.kind = ROLLOUT_RECORD_RESENT, .shards = &shard, .shard_count = 1};
    assert_int_equal(rollout_replay(world.rollout, &outside, &error), ERR_JOURNAL);
    assert_int_equal(rollout_record_count(world.rollout), 0);
    world_free(&world);
}

static void test_plans_that_are_none(void **state)
{
    (void)state;
    Rollout *rollout = NULL;
    Error error;
    World world;
    world_plan(&world, 1, 2, 2, 0);
    assert_int_equal(rollout_new(&world.header, world.shards, 3, &rollout, &error), ERR_PROTOCOL);
    world.shards[1].index = 2;
    assert_int_equal(rollout_new(&world.header, world.shards, 4, &rollout, &error), ERR_PROTOCOL);
    world.shards[1].index = 1;
    world.shards[1].wave = 1;
    assert_int_equal(rollout_new(&world.header, world.shards, 4, &rollout, &error), ERR_PROTOCOL);
    world.shards[1].wave = 0;
    world.waves[1].shard_count = 1;
    assert_int_equal(rollout_new(&world.header, world.shards, 4, &rollout, &error), ERR_PROTOCOL);
    world.waves[1].shard_count = 3;
    assert_int_equal(rollout_new(&world.header, world.shards, 4, &rollout, &error), ERR_PROTOCOL);
    assert_null(rollout);
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_rollout_from_start_to_end),
        cmocka_unit_test(test_nothing_leaves_before_its_record_is_durable),
        cmocka_unit_test(test_a_wave_bakes_before_the_next),
        cmocka_unit_test(test_a_bake_goes_on_over_a_restart),
        cmocka_unit_test(test_caps),
        cmocka_unit_test(test_cap_of_one_database_with_many_schemas),
        cmocka_unit_test(test_only_agents_that_are_up),
        cmocka_unit_test(test_shards_without_steps_are_never_dispatched),
        cmocka_unit_test(test_pause_and_resume),
        cmocka_unit_test(test_a_stop_without_an_answer_is_sent_again),
        cmocka_unit_test(test_stopped_for_no_reason_of_ours_is_dispatched_again),
        cmocka_unit_test(test_abort),
        cmocka_unit_test(test_what_was_not_sent_is_recalled),
        cmocka_unit_test(test_commands_that_make_no_sense),
        cmocka_unit_test(test_late_stale_and_foreign_reports_do_nothing),
        cmocka_unit_test(test_an_agent_that_comes_back_is_told_again),
        cmocka_unit_test(test_an_old_permission_does_not_let_a_new_order_out),
        cmocka_unit_test(test_silence_is_answered_with_the_same_order),
        cmocka_unit_test(test_a_restart_goes_on_where_the_journal_ends),
        cmocka_unit_test(test_a_restart_after_every_record),
        cmocka_unit_test(test_a_journal_that_makes_no_sense),
        cmocka_unit_test(test_plans_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
