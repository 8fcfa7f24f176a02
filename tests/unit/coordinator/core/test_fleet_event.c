#include "fleet_event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static GatePlan gates[] = {{.name = "lag"}, {.name = "a look"}};
static PlanHeader header = {
    .name = "r", .direction = DIRECTION_UPGRADE, .gates = gates, .gate_count = 2};
static PlanShard plan[3];

static FleetEvent of(RolloutRecord record)
{
    static Arena *arena;
    FleetEvent event;
    memset(&event, 0, sizeof event);
    arena_free(arena);
    arena = arena_new();
    if (!fleet_event_of_record(arena, &record, &header, plan, "concurrency.fleet=10", &event))
        assert_int_equal(event.type, FLEET_EVENT_NONE);
    return event;
}

static const char *type_of(RolloutRecord record)
{
    return fleet_event_type_name(of(record).type);
}

/* What nobody outside has any use for: a resend, a recall before anything was sent. */
static bool is_silent(RolloutRecordKind kind)
{
    return kind == ROLLOUT_RECORD_RESENT || kind == ROLLOUT_RECORD_RECALLED;
}

static void test_every_kind_of_record_is_told_or_meant_to_be_silent(void **state)
{
    (void)state;
    for (int kind = 1; kind < ROLLOUT_RECORD_KIND_COUNT; kind++) {
        RolloutShardRecord shard = {.direction = DIRECTION_UPGRADE, .outcome = OUTCOME_FAILED};
        RolloutRecord record = {.kind = (RolloutRecordKind)kind,
                                .state = ROLLOUT_PAUSED,
                                .shards = &shard,
                                .shard_count = 1};
        if (rollout_record_kind_name((RolloutRecordKind)kind)[0] == '\0')
            continue; /* a number that is not used */
        assert_int_equal(of(record).type == FLEET_EVENT_NONE, is_silent((RolloutRecordKind)kind));
    }
}

static void test_states(void **state)
{
    (void)state;
    static const struct {
        RolloutState state;
        const char *type;
    } cases[] = {
        {ROLLOUT_PAUSED, "rollout.paused"},       {ROLLOUT_RUNNING, "rollout.resumed"},
        {ROLLOUT_HALTED, "rollout.halted"},       {ROLLOUT_ROLLING_BACK, "rollout.rolling-back"},
        {ROLLOUT_SUCCEEDED, "rollout.succeeded"}, {ROLLOUT_ROLLED_BACK, "rollout.rolled-back"},
        {ROLLOUT_ABORTED, "rollout.aborted"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        RolloutRecord record = {.kind = ROLLOUT_RECORD_STATE, .state = cases[i].state};
        assert_string_equal(type_of(record), cases[i].type);
    }
    RolloutRecord paused = {.kind = ROLLOUT_RECORD_STATE,
                            .state = ROLLOUT_PAUSED,
                            .value = 2,
                            .who = "",
                            .reason = "gate 'a look' waits"};
    assert_string_equal(of(paused).gate, "a look");
    assert_string_equal(of(paused).message, "gate 'a look' waits");
}

static void test_ends_of_jobs(void **state)
{
    (void)state;
    RolloutShardRecord shard = {.index = 2,
                                .direction = DIRECTION_UPGRADE,
                                .outcome = OUTCOME_FAILED,
                                .code = "SQL",
                                .sqlstate = "42P01",
                                .message = "no such table",
                                .revision = "007_x"};
    RolloutRecord record = {
        .kind = ROLLOUT_RECORD_SHARD_ENDED, .shards = &shard, .shard_count = 1, .at_unix_ms = 7};
    FleetEvent event = of(record);
    assert_string_equal(fleet_event_type_name(event.type), "shard.failed");
    assert_string_equal(event.code, "SQL");
    assert_string_equal(event.sqlstate, "42P01");
    assert_string_equal(event.message, "no such table");
    assert_string_equal(event.who, "");
    assert_int_equal(event.at_unix_ms, 7);
    assert_int_equal(event.shards[0].index, 2);
    shard.outcome = OUTCOME_SUCCEEDED;
    assert_string_equal(type_of(record), "shard.succeeded");
    shard.direction = DIRECTION_DOWNGRADE;
    assert_string_equal(type_of(record), "shard.rolled-back");
    shard.outcome = OUTCOME_ROLLBACK_FAILED;
    assert_string_equal(type_of(record), "shard.rollback-failed");
    /* In a plan that downgrades, going down is going forward. */
    header.direction = DIRECTION_DOWNGRADE;
    shard.outcome = OUTCOME_SUCCEEDED;
    assert_string_equal(type_of(record), "shard.succeeded");
    header.direction = DIRECTION_UPGRADE;
    record.shard_count = 0;
    assert_string_equal(type_of(record), "");
}

static void test_waves_gates_and_settings(void **state)
{
    (void)state;
    FleetEvent event = of((RolloutRecord){.kind = ROLLOUT_RECORD_WAVE_DONE, .wave = 1});
    assert_true(event.has_wave);
    assert_int_equal(event.wave, 1);
    event = of((RolloutRecord){.kind = ROLLOUT_RECORD_GATE_PASSED, .wave = 1, .value = 0});
    assert_string_equal(event.gate, "lag");
    event = of((RolloutRecord){
        .kind = ROLLOUT_RECORD_SET, .setting = 1, .value = 10, .who = "alice", .reason = "slowly"});
    assert_string_equal(event.message, "concurrency.fleet=10: slowly");
    assert_string_equal(event.who, "alice");
    assert_false(event.has_wave);
}

static void test_patterns(void **state)
{
    (void)state;
    assert_true(fleet_event_type_matches(FLEET_EVENT_SHARD_FAILED, "shard.failed"));
    assert_false(fleet_event_type_matches(FLEET_EVENT_SHARD_FAILED, "shard.fail"));
    assert_true(fleet_event_type_matches(FLEET_EVENT_SHARD_FAILED, "shard.*"));
    assert_true(fleet_event_type_matches(FLEET_EVENT_SHARD_FAILED, "*"));
    assert_true(fleet_event_type_matches(FLEET_EVENT_SHARD_ROLLBACK_FAILED, "*.*failed"));
    assert_false(fleet_event_type_matches(FLEET_EVENT_SHARD_FAILED, "rollout.*"));
    assert_false(fleet_event_type_matches(FLEET_EVENT_NONE, "*"));
    assert_false(fleet_event_pattern_is_known("rollout.strated"));
    assert_false(fleet_event_pattern_is_known(""));
    assert_true(fleet_event_pattern_is_known("*back*"));
    StrList none = {0};
    assert_true(fleet_event_is_wanted(FLEET_EVENT_FLEET_BRAKED, &none));
    const char *items[] = {"plan.*", "fleet.braked"};
    StrList some = {.items = items, .count = 2};
    assert_true(fleet_event_is_wanted(FLEET_EVENT_FLEET_BRAKED, &some));
    assert_false(fleet_event_is_wanted(FLEET_EVENT_FLEET_UNBRAKED, &some));
}

static void test_names_are_distinct(void **state)
{
    (void)state;
    for (int i = 1; i < FLEET_EVENT_COUNT; i++) {
        assert_non_null(strchr(fleet_event_type_name((FleetEventType)i), '.'));
        for (int j = 1; j < i; j++)
            assert_string_not_equal(fleet_event_type_name((FleetEventType)i),
                                    fleet_event_type_name((FleetEventType)j));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_of_record_is_told_or_meant_to_be_silent),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_ends_of_jobs),
        cmocka_unit_test(test_waves_gates_and_settings),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_names_are_distinct),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
