/*
 * A rollout and a world that does what it asks: records become durable at once (or when the test
 * says so), orders and stops are written down. Tests read as a story: what was asked for since the
 * last look is one text, "persist started; persist wave-opened; run a: 0 1".
 */
#pragma once

#include "rollout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

enum { WORLD_SHARDS_MAX = 64, WORLD_WAVES_MAX = 8, WORLD_RECORDS_MAX = 4096 };

typedef struct World {
    PlanHeader header;
    WavePlan waves[WORLD_WAVES_MAX];
    PlanShard shards[WORLD_SHARDS_MAX];
    Arena *arena; /* all that the story says lives to its end */
    Rollout *rollout;
    uint64_t now_ms;
    bool slow_disk; /* records wait for world_persist() */
    uint64_t asked; /* last record number asked for */
    RolloutRecord records[WORLD_RECORDS_MAX];
    size_t record_count;
    uint64_t timer_ms;
    Str told;
} World;

/* One wave for each count; ends with 0. Shards go round over agents a, b, c, each with its host. */
static inline void world_plan(World *world, int agent_count, ...)
{
    static const char *const agents[] = {"a", "b", "c", "d"};
    static const char *const hosts[] = {"ha", "hb", "hc", "hd"};
    memset(world, 0, sizeof *world);
    world->arena = arena_new();
    world->now_ms = 1000;
    va_list counts;
    va_start(counts, agent_count);
    for (int count = va_arg(counts, int); count != 0; count = va_arg(counts, int)) {
        uint32_t wave = (uint32_t)world->header.wave_count++;
        world->waves[wave] = (WavePlan){.name = arena_printf(world->arena, "w%u", wave),
                                        .shard_count = (uint32_t)count};
        for (int i = 0; i < count; i++) {
            uint32_t index = world->header.shard_count++;
            PlanShard *shard = &world->shards[index];
            *shard = (PlanShard){.index = index, .wave = wave, .schema = ""};
            shard->uuid.bytes[0] = (uint8_t)(index + 1);
            shard->agent = agents[index % (uint32_t)agent_count];
            shard->host = hosts[index % (uint32_t)agent_count];
            shard->cluster = shard->host;
            shard->database = arena_printf(world->arena, "d%u", index);
            strlist_add(world->arena, &shard->steps, "one");
            strlist_add(world->arena, &shard->steps, "two");
        }
    }
    va_end(counts);
    world->header.direction = DIRECTION_UPGRADE;
    world->header.waves = world->waves;
    world->header.policy.on_failure = ON_FAILURE_PAUSE;
    world->header.policy.on_shard_failure = ON_SHARD_FAILURE_STAY;
    world->header.policy.budget_fleet = WORLD_SHARDS_MAX;
    world->header.policy.unknown_deadline_ms = 60000;
}

static inline void world_free(World *world)
{
    rollout_free(world->rollout);
    str_free(&world->told);
    arena_free(world->arena);
}

static inline void world_tell(World *world, const char *text)
{
    if (world->told.length > 0)
        str_append(&world->told, "; ");
    str_append(&world->told, text);
}

static inline ErrCode world_give(World *world, RolloutEvent event);

static inline void world_do(World *world, const RolloutEffects *effects)
{
    for (size_t i = 0; i < effects->count; i++) {
        const RolloutEffect *effect = &effects->items[i];
        switch (effect->kind) {
        case ROLLOUT_EFFECT_PERSIST:
            assert_int_equal(effect->record->number, world->asked + 1);
            world->asked++;
            assert_true(world->record_count < WORLD_RECORDS_MAX);
            world->records[world->record_count++] = *effect->record;
            str_printf(&world->told, "%spersist %s", world->told.length > 0 ? "; " : "",
                       rollout_record_kind_name(effect->record->kind));
            for (size_t s = 0; s < effect->record->shard_count; s++)
                str_printf(&world->told, " %u", effect->record->shards[s].index);
            if (effect->record->kind == ROLLOUT_RECORD_STATE)
                str_printf(&world->told, " %s", rollout_state_name(effect->record->state));
            break;
        case ROLLOUT_EFFECT_SEND_RUN:
            str_printf(&world->told, "%srun %s:", world->told.length > 0 ? "; " : "",
                       rollout_agent_name(world->rollout, effect->run.agent));
            for (size_t s = 0; s < effect->run.shard_count; s++)
                str_printf(&world->told, " %u", effect->run.shards[s]);
            break;
        case ROLLOUT_EFFECT_SEND_STOP:
            str_printf(&world->told, "%sstop %s", world->told.length > 0 ? "; " : "",
                       rollout_agent_name(world->rollout, effect->stop.agent));
            break;
        case ROLLOUT_EFFECT_TIMER:
            world->timer_ms = effect->at_ms;
            break;
        default:
            break;
        }
    }
}

static inline void world_persist(World *world)
{
    uint64_t number = world->asked;
    RolloutEvent event = {.kind = ROLLOUT_EVENT_PERSISTED, .persisted = number};
    assert_int_equal(world_give(world, event), ERR_OK);
}

static inline ErrCode world_give(World *world, RolloutEvent event)
{
    uint64_t asked = world->asked;
    RolloutEffects effects = {.arena = world->arena};
    Error error;
    event.now_ms = world->now_ms;
    event.unix_ms = 1000000 + world->now_ms;
    ErrCode code = rollout_step(world->rollout, &event, &effects, &error);
    if (code != ERR_OK)
        assert_int_equal(effects.count, 0);
    world_do(world, &effects);
    if (!world->slow_disk && world->asked > asked)
        world_persist(world);
    return code;
}

static inline void world_make(World *world)
{
    Error error;
    assert_int_equal(rollout_new(&world->header, world->shards, world->header.shard_count,
                                 &world->rollout, &error),
                     ERR_OK);
    RolloutEffects effects = {.arena = world->arena};
    rollout_recover(world->rollout, world->now_ms, 1000000 + world->now_ms, &effects);
    world_do(world, &effects);
}

static inline void world_agent(World *world, const char *name, bool up)
{
    RolloutEvent event = {.kind = up ? ROLLOUT_EVENT_AGENT_UP : ROLLOUT_EVENT_AGENT_DOWN,
                          .agent = rollout_agent_find(world->rollout, name)};
    assert_int_not_equal(event.agent, ROLLOUT_AGENT_NONE);
    assert_int_equal(world_give(world, event), ERR_OK);
}

static inline ErrCode world_command(World *world, RolloutEventKind kind)
{
    return world_give(world,
                      (RolloutEvent){.kind = kind, .command = {.who = "ann", .reason = "why"}});
}

/* All agents up, and started. */
static inline void world_start(World *world)
{
    world_make(world);
    for (uint32_t i = 0; i < rollout_agent_count(world->rollout); i++)
        world_agent(world, rollout_agent_name(world->rollout, i), true);
    assert_int_equal(world_command(world, ROLLOUT_EVENT_START), ERR_OK);
}

/* The report an agent would send now about the job in flight. */
static inline JobReport world_report(World *world, uint32_t index, JobPhase phase,
                                     JobOutcome outcome, uint32_t steps_done)
{
    RolloutShardView view;
    rollout_shard(world->rollout, index, &view);
    return (JobReport){.shard = view.plan->uuid,
                       .index = index,
                       .generation = view.generation,
                       .direction = view.direction,
                       .attempt = view.attempt,
                       .phase = phase,
                       .outcome = outcome,
                       .steps_done = steps_done,
                       .revision = "one",
                       .code = outcome == OUTCOME_FAILED ? "SQL" : "",
                       .message = outcome == OUTCOME_FAILED ? "no such table" : ""};
}

static inline void world_say(World *world, JobReport report)
{
    RolloutShardView view;
    rollout_shard(world->rollout, report.index, &view);
    RolloutEvent event = {.kind = ROLLOUT_EVENT_JOB,
                          .job = {.agent = view.agent, .report = &report}};
    assert_int_equal(world_give(world, event), ERR_OK);
}

static inline void world_end(World *world, uint32_t index, JobOutcome outcome, uint32_t steps_done)
{
    world_say(world, world_report(world, index, PHASE_DONE, outcome, steps_done));
}

static inline void world_progress(World *world, uint32_t index, JobPhase phase)
{
    world_say(world, world_report(world, index, phase, OUTCOME_UNSPECIFIED, 0));
}

/* Lets time pass in the ticks that were asked for. */
static inline void world_wait(World *world, uint64_t duration_ms)
{
    uint64_t end_ms = world->now_ms + duration_ms;
    while (world->timer_ms != 0 && world->timer_ms <= end_ms) {
        world->now_ms = world->timer_ms;
        RolloutEvent event = {.kind = ROLLOUT_EVENT_TICK};
        assert_int_equal(world_give(world, event), ERR_OK);
    }
    world->now_ms = end_ms;
}

static inline void world_told(World *world, const char *expected)
{
    assert_string_equal(str_text(&world->told), expected);
    str_clear(&world->told);
}

static inline void world_hush(World *world)
{
    str_clear(&world->told);
}

static inline ShardState world_shard_state(const World *world, uint32_t index)
{
    RolloutShardView view;
    rollout_shard(world->rollout, index, &view);
    return view.state;
}

/* The coordinator stops and comes back with what the journal held. */
static inline void world_restart(World *world)
{
    Error error;
    rollout_free(world->rollout);
    assert_int_equal(rollout_new(&world->header, world->shards, world->header.shard_count,
                                 &world->rollout, &error),
                     ERR_OK);
    for (size_t i = 0; i < world->record_count; i++)
        assert_int_equal(rollout_replay(world->rollout, &world->records[i], &error), ERR_OK);
    world->asked = world->record_count;
    world->timer_ms = 0;
    uint64_t asked = world->asked;
    RolloutEffects effects = {.arena = world->arena};
    rollout_recover(world->rollout, world->now_ms, 1000000 + world->now_ms, &effects);
    world_do(world, &effects);
    if (world->asked > asked)
        world_persist(world);
}
