/*
 * What a seed is about. Each fault is on or off as a whole (swarm testing): a seed with few kinds
 * of faults gets further than one where everything fails all the time.
 */
#include "sim.h"

#include <stdio.h>
#include <string.h>

static uint32_t range(Sim *sim, uint32_t low, uint32_t high)
{
    return low + (uint32_t)sim_random(sim, high - low + 1);
}

static uint32_t maybe(Sim *sim, uint32_t percent, uint32_t high)
{
    return sim_chance(sim, percent) ? range(sim, 1, high) : 0;
}

void sim_make_options(Sim *sim)
{
    SimOptions *o = &sim->options;
    o->agents = range(sim, 1, SIM_AGENTS_MAX);
    o->clusters = range(sim, 1, 2);
    o->shards = range(sim, 1, SIM_SHARDS_MAX);
    o->waves = range(sim, 1, o->shards < SIM_WAVES_MAX ? o->shards : SIM_WAVES_MAX);
    o->backups = sim_chance(sim, 30);
    o->poisoned_percent = maybe(sim, 50, 40);
    o->back_poisoned_percent = maybe(sim, 25, 30);
    o->lock_percent = maybe(sim, 40, 30);
    o->drop_percent = maybe(sim, 40, 30);
    o->double_percent = maybe(sim, 40, 50);
    o->delay_ms = sim_chance(sim, 50) ? range(sim, 10, 5000) : 1;
    o->ack_lost_percent = maybe(sim, 40, 30);
    o->partitions = sim_chance(sim, 30);
    o->coordinator_crashes = sim_chance(sim, 50);
    o->agent_crashes = sim_chance(sim, 50);
    o->server_restarts = sim_chance(sim, 40);
    o->cuts = sim_chance(sim, 40);
    o->commands = sim_chance(sim, 40);
    o->journal_ms = range(sim, 1, 200);
    o->statement_ms = range(sim, 1, 2000);
    o->chaos_ms = range(sim, 20, 300) * 1000;
    /* Long transactions: jobs stand back. Told by the seed, so that others keep their worlds. */
    if (sim->seed % 7 == 3)
        o->lock_percent = 60 + (uint32_t)(sim->seed % 36);
}

void sim_print_options(const Sim *sim)
{
    const SimOptions *o = &sim->options;
    const Policy *p = &sim->header.policy;
    printf("  agents %u clusters %u shards %u waves %u backups %d; on failure %d, of a shard %d; "
           "fleet budget %u, concurrency %u/%u/%u/%u, unknown after %u ms\n",
           o->agents, o->clusters, o->shards, o->waves, o->backups, (int)p->on_failure,
           (int)p->on_shard_failure, p->budget_fleet, p->concurrency.fleet, p->concurrency.host,
           p->concurrency.cluster, p->concurrency.database, p->unknown_deadline_ms);
    printf("  poisoned %u%%, going back %u%%; locks %u%%; drop %u%% double %u%% delay %u ms; "
           "ack lost %u%%\n",
           o->poisoned_percent, o->back_poisoned_percent, o->lock_percent, o->drop_percent,
           o->double_percent, o->delay_ms, o->ack_lost_percent);
    printf("  partitions %d, crashes of coordinator %d, agents %d, servers %d; cuts %d; commands "
           "%d; journal %u ms, statements %u ms, chaos %u ms\n",
           o->partitions, o->coordinator_crashes, o->agent_crashes, o->server_restarts, o->cuts,
           o->commands, o->journal_ms, o->statement_ms, o->chaos_ms);
}

/* --- plan ------------------------------------------------------------------------------------- */

static const char *level(Sim *sim, uint32_t index, uint32_t number)
{
    return number == 0 ? "base" : arena_printf(sim->arena, "r%u.%u", index, number);
}

static void make_shard(Sim *sim, uint32_t index)
{
    bool restores = sim->header.direction == DIRECTION_RESTORE;
    uint32_t count = range(sim, sim_chance(sim, 10) ? 0 : 1, SIM_STEPS_MAX);
    if (restores)
        count = 1;
    uint32_t agent = (uint32_t)sim_random(sim, sim->options.agents);
    uint32_t cluster =
        agent * sim->options.clusters + (uint32_t)sim_random(sim, sim->options.clusters);
    PlanShard *plan = &sim->plan[index];
    SimShard *shard = &sim->shards[index];
    *plan = (PlanShard){.index = index, .schema = ""};
    plan->uuid.bytes[0] = (uint8_t)(index + 1);
    plan->agent = arena_printf(sim->arena, "%c", 'a' + (int)agent);
    plan->host = arena_printf(sim->arena, "h%u", agent);
    plan->cluster = arena_printf(sim->arena, "c%u", cluster);
    plan->database = arena_printf(sim->arena, "d%u", index / 2);
    strlist_add(sim->arena, &plan->rows_before, "base");
    strlist_add(sim->arena, &plan->rows_after, level(sim, index, count));
    for (uint32_t i = 0; i < count; i++) {
        JobStep *step = &sim->steps[index][i];
        step->revision = restores ? "" : arena_printf(sim->arena, "s%u", i);
        if (!restores)
            strlist_add(sim->arena, &plan->steps, step->revision);
        strlist_add(sim->arena, &step->rows_before, level(sim, index, i));
        strlist_add(sim->arena, &step->rows_after, level(sim, index, i + 1));
    }
    if (count == 0)
        strlist_add(sim->arena, &sim->steps[index][0].rows_before, "base");
    shard->cluster = cluster;
    if (count > 0 && sim_chance(sim, sim->options.poisoned_percent))
        shard->poison = range(sim, 1, count);
    if (count > 0 && sim_chance(sim, sim->options.back_poisoned_percent))
        shard->back_poison = range(sim, 1, count);
}

static void make_waves(Sim *sim)
{
    uint32_t index = 0;
    for (uint32_t i = 0; i < sim->options.waves; i++) {
        uint32_t later = sim->options.waves - i - 1;
        uint32_t left = sim->options.shards - index;
        uint32_t count = later == 0 ? left : range(sim, 1, left - later);
        sim->waves[i] = (WavePlan){.name = arena_printf(sim->arena, "w%u", i),
                                   .shard_count = count,
                                   .bake_ms = sim_chance(sim, 50) ? range(sim, 1, 20000) : 0,
                                   .budget = (uint32_t)sim_random(sim, 4)};
        for (uint32_t j = 0; j < count; j++)
            sim->plan[index++].wave = i;
    }
}

static void make_budgets(Sim *sim)
{
    sim->header.budgets = sim->budgets;
    if (sim_chance(sim, 40))
        sim->budgets[sim->header.budget_count++] =
            (ScopeBudget){"", sim_chance(sim, 50), (uint32_t)sim_random(sim, 3)};
    if (sim_chance(sim, 40))
        sim->budgets[sim->header.budget_count++] =
            (ScopeBudget){"tier", sim_chance(sim, 50), (uint32_t)sim_random(sim, 40)};
    for (uint32_t i = 0; i < sim->options.shards; i++) {
        Label *label = ARENA_NEW(sim->arena, Label);
        *label = (Label){"tier", arena_printf(sim->arena, "t%u", (unsigned)sim_random(sim, 3))};
        sim->plan[i].labels = (LabelList){label, sim_chance(sim, 90)};
    }
}

static void make_gates(Sim *sim)
{
    sim->header.gates = sim->gates;
    sim->header.gate_count = sim_chance(sim, 50) ? 1 + sim_random(sim, 2) : 0;
    for (size_t i = 0; i < sim->header.gate_count; i++)
        sim->gates[i] = (GatePlan){.name = arena_printf(sim->arena, "g%zu", i),
                                   .kind = sim_chance(sim, 20) ? GATE_KIND_PERSON : GATE_KIND_SQL,
                                   .when = range(sim, 1, GATE_WHEN_ALL),
                                   .text = "",
                                   .success = "",
                                   .interval_ms = range(sim, 100, 20000),
                                   .attempts = range(sim, 1, 4),
                                   .timeout_ms = 1000};
}

void sim_make_plan(Sim *sim)
{
    PlanHeader *header = &sim->header;
    header->rollout_id.bytes[0] = 1;
    header->name = "simulated";
    header->direction = sim_chance(sim, 80) ? DIRECTION_UPGRADE : DIRECTION_DOWNGRADE;
    header->shard_count = sim->options.shards;
    header->waves = sim->waves;
    header->wave_count = sim->options.waves;
    header->policy = (Policy){.concurrency = {.fleet = (uint32_t)sim_random(sim, 10),
                                              .host = (uint32_t)sim_random(sim, 5),
                                              .cluster = (uint32_t)sim_random(sim, 4),
                                              .database = (uint32_t)sim_random(sim, 2)},
                              .budget_fleet = (uint32_t)sim_random(sim, 6),
                              .on_shard_failure = (OnShardFailure)range(sim, 1, 2),
                              .on_failure = (OnFailure)range(sim, 1, 3),
                              .unknown_deadline_ms = range(sim, 20000, 90000)};
    if (sim_chance(sim, 30))
        header->policy.progress_deadline_ms = range(sim, 10000, 120000);
    if (sim_chance(sim, 40)) {
        header->policy.concurrency.labels[0] = (LabelCap){"tier", range(sim, 1, 4)};
        header->policy.concurrency.label_count = 1;
    }
    if (sim_chance(sim, 15)) { /* nothing takes a restore back, and nothing is backed up for it */
        header->direction = DIRECTION_RESTORE;
        header->policy.on_shard_failure = ON_SHARD_FAILURE_STAY;
        header->policy.on_failure = ON_FAILURE_PAUSE;
        sim->options.backups = false;
    }
    for (uint32_t i = 0; i < sim->options.shards; i++)
        make_shard(sim, i);
    make_waves(sim);
    make_budgets(sim);
    make_gates(sim);
    for (uint32_t i = 0; i < sim->options.agents * sim->options.clusters; i++)
        sim->server_up[i] = true;
    sim->believed = *header;
    if (sim->plant == PLANT_SCOPES_IGNORED)
        sim->believed.budget_count = 0;
    if (sim->plant == PLANT_DEADLINE_IGNORED)
        sim->believed.policy.progress_deadline_ms = 0;
    if (sim->plant == PLANT_CAPS_IGNORED)
        sim->believed.policy.concurrency.label_count = 0;
    if (sim->plant != PLANT_BUDGET_IGNORED)
        return;
    sim->believed.waves = arena_memdup(sim->arena, sim->waves, sizeof sim->waves);
    for (uint32_t i = 0; i < sim->options.waves; i++)
        sim->believed.waves[i].budget += 1;
    sim->believed.policy.budget_fleet += SIM_SHARDS_MAX;
}

/* --- chaos ------------------------------------------------------------------------------------ */

static void start_coordinator(Sim *sim, const SimArgs *args)
{
    (void)args;
    sim_coord_start(sim);
}

static void start_agent(Sim *sim, const SimArgs *args)
{
    sim_agent_start(sim, args->a);
}

static void heal_link(Sim *sim, const SimArgs *args)
{
    sim->agents[args->a].cut_in = false;
    sim->agents[args->a].cut_out = false;
}

static void cut_link(Sim *sim)
{
    uint32_t number = (uint32_t)sim_random(sim, sim->options.agents);
    uint32_t sides = range(sim, 1, 3);
    sim->agents[number].cut_in = (sides & 1) != 0;
    sim->agents[number].cut_out = (sides & 2) != 0;
    sim_trace(sim, "agent %u: links cut %u", number, sides);
    sim_later(sim, range(sim, 1000, 60000), heal_link, (SimArgs){.a = number});
}

static void crash_coordinator(Sim *sim)
{
    sim_coord_crash(sim);
    sim_later(sim, range(sim, 1, sim_chance(sim, 50) ? 500 : 20000), start_coordinator,
              (SimArgs){0});
}

static void crash_agent(Sim *sim)
{
    uint32_t number = (uint32_t)sim_random(sim, sim->options.agents);
    sim_agent_crash(sim, number);
    sim_later(sim, range(sim, 1, 60000), start_agent, (SimArgs){.a = number});
}

static void cut_session(Sim *sim)
{
    for (uint32_t tries = 0; tries < 10 && sim->session_count > 0; tries++) {
        uint32_t last = sim->session_count < 30 ? sim->session_count : 30;
        uint32_t number = sim->session_count - 1 - (uint32_t)sim_random(sim, last);
        if (sim->sessions[number].client && sim->sessions[number].backend) {
            sim_db_cut(sim, number);
            return;
        }
    }
}

static void command(Sim *sim)
{
    static const RolloutEventKind kinds[] = {
        ROLLOUT_EVENT_PAUSE, ROLLOUT_EVENT_RESUME, ROLLOUT_EVENT_RESUME, ROLLOUT_EVENT_PAUSE,
        ROLLOUT_EVENT_START, ROLLOUT_EVENT_RETRY,  ROLLOUT_EVENT_SKIP,   ROLLOUT_EVENT_SET,
        ROLLOUT_EVENT_BRAKE, ROLLOUT_EVENT_BRAKE,  ROLLOUT_EVENT_WINDOW, ROLLOUT_EVENT_WINDOW,
        ROLLOUT_EVENT_ABORT,
    };
    RolloutEventKind kind = kinds[sim_random(sim, sim_chance(sim, 10) ? 13 : 12)];
    if (kind == ROLLOUT_EVENT_BRAKE)
        sim_coord_brake(sim, !sim->braked);
    else if (kind == ROLLOUT_EVENT_WINDOW)
        sim_coord_window(sim, (RolloutWindow)sim_random(sim, 3));
    else
        sim_coord_command(sim, kind);
}

static void chaos(Sim *sim, const SimArgs *args)
{
    if (sim->healed)
        return;
    const SimOptions *o = &sim->options;
    switch (sim_random(sim, 6)) {
    case 0:
        if (o->partitions)
            cut_link(sim);
        break;
    case 1:
        if (o->coordinator_crashes && sim_chance(sim, 50))
            crash_coordinator(sim);
        break;
    case 2:
        if (o->agent_crashes && sim_chance(sim, 50))
            crash_agent(sim);
        break;
    case 3:
        if (o->server_restarts)
            sim_db_restart(sim, (uint32_t)sim_random(sim, (uint64_t)o->agents * o->clusters),
                           range(sim, 10, 40000));
        break;
    case 4:
        if (o->cuts)
            cut_session(sim);
        break;
    default:
        if (o->commands)
            command(sim);
        break;
    }
    sim_later(sim, range(sim, 20, 3000), chaos, *args);
}

static void heal(Sim *sim, const SimArgs *args)
{
    (void)args;
    sim_trace(sim, "healed");
    sim->healed = true;
    for (uint32_t i = 0; i < sim->options.agents; i++) {
        heal_link(sim, &(SimArgs){.a = i});
        sim_agent_start(sim, i);
    }
    for (uint32_t i = 0; i < SIM_CLUSTERS_MAX; i++)
        sim->server_up[i] = true;
    sim_coord_start(sim);
    sim_coord_brake(sim, false);
    sim_coord_window(sim, ROLLOUT_WINDOW_OPEN);
}

static void start_rollout(Sim *sim, const SimArgs *args)
{
    (void)args;
    sim_coord_command(sim, ROLLOUT_EVENT_START);
}

void sim_start_chaos(Sim *sim)
{
    sim_later(sim, sim_random(sim, 3000), start_rollout, (SimArgs){0});
    sim_later(sim, sim_random(sim, 3000), chaos, (SimArgs){0});
    sim_later(sim, sim->options.chaos_ms, heal, (SimArgs){0});
}
