/*
 * The coordinator's shell in the simulator: journal, sends, agents' comings and goings. It lives
 * many lives; what survives is the journal's durable part.
 */
#include "sim.h"

#include <string.h>

enum { BEAT_MS = 2000, AGENT_SILENCE_MS = 10000 };

static void give(Sim *sim, RolloutEvent event);

static uint64_t unix_ms(const Sim *sim)
{
    return 1000000000 + sim->now_ms;
}

bool sim_coord_is_over(const Sim *sim)
{
    const Rollout *r = sim->rollout;
    if (r == NULL || !rollout_is_durable(r))
        return false;
    RolloutCounts counts;
    rollout_counts(r, &counts);
    if (rollout_state_is_terminal(rollout_state(r)))
        return true;
    return rollout_state(r) == ROLLOUT_HALTED && !rollout_is_stopping(r) && counts.in_flight == 0;
}

/* --- journal ---------------------------------------------------------------------------------- */

static RolloutRecord keep_record(Sim *sim, const RolloutRecord *from)
{
    RolloutRecord record = *from;
    record.who = arena_strdup(sim->arena, from->who);
    record.reason = arena_strdup(sim->arena, from->reason);
    record.shards =
        arena_memdup(sim->arena, from->shards, from->shard_count * sizeof *from->shards);
    for (size_t i = 0; i < record.shard_count; i++) {
        RolloutShardRecord *item = &record.shards[i];
        item->revision = arena_strdup(sim->arena, item->revision);
        item->code = arena_strdup(sim->arena, item->code);
        item->sqlstate = arena_strdup(sim->arena, item->sqlstate);
        item->message = arena_strdup(sim->arena, item->message);
        item->backup.path = arena_strdup(sim->arena, item->backup.path);
        item->rows = strlist_copy(sim->arena, &item->rows);
    }
    return record;
}

static void flushed(Sim *sim, const SimArgs *args)
{
    if (args->token != sim->life)
        return;
    sim->flushing = false;
    sim->journal_durable = args->a;
    if (sim->plant != PLANT_SEND_BEFORE_PERSIST)
        give(sim, (RolloutEvent){.kind = ROLLOUT_EVENT_PERSISTED, .persisted = args->a});
    if (sim->rollout == NULL || sim->flushing || sim->journal_count == sim->journal_durable)
        return;
    sim->flushing = true;
    sim_later(sim, sim_random(sim, sim->options.journal_ms), flushed,
              (SimArgs){.a = sim->journal_count, .token = sim->life});
}

static void persist(Sim *sim, const RolloutRecord *record, uint32_t in_flight_forward)
{
    sim->still_since_ms = sim->now_ms;
    if (sim->journal_count == SIM_RECORDS_MAX) {
        sim_fail(sim, "liveness: too many records");
        return;
    }
    SIM_CHECK(sim, I12, record->number == sim->journal_count + 1, "record %llu follows %u",
              (unsigned long long)record->number, sim->journal_count);
    sim->journal[sim->journal_count] = keep_record(sim, record);
    sim_check_record(sim, &sim->journal[sim->journal_count], in_flight_forward);
    sim->journal_count++;
    sim_trace(sim, "decided %u %s wave %u %s %s shard %u", sim->journal_count,
              rollout_record_kind_name(record->kind), record->wave,
              rollout_state_name(record->state), record->reason,
              record->shard_count > 0 ? record->shards[0].index : 0);
    if (sim->flushing)
        return;
    sim->flushing = true;
    sim_later(sim, sim_random(sim, sim->options.journal_ms), flushed,
              (SimArgs){.a = sim->journal_count, .token = sim->life});
}

/* --- effects ---------------------------------------------------------------------------------- */

static void send_to_agent(Sim *sim, uint32_t number, SimMessage message)
{
    SimAgent *agent = &sim->agents[number];
    message.agent = number;
    message.boot = agent->known_boot;
    message.epoch = sim->epoch;
    message.sequence = ++agent->command_sequence;
    sim_send(sim, &message);
}

static uint32_t agent_number(const Sim *sim, uint32_t agent)
{
    return (uint32_t)(rollout_agent_name(sim->rollout, agent)[0] - 'a');
}

static void send_run(Sim *sim, const RolloutSendRun *run)
{
    SimMessage message = {.kind = MESSAGE_RUN, .order_count = run->shard_count};
    message.orders = ARENA_ARRAY(sim->arena, SimOrder, run->shard_count);
    for (size_t i = 0; i < run->shard_count; i++) {
        RolloutShardView view;
        rollout_shard(sim->rollout, run->shards[i], &view);
        sim_check_send_run(sim, run->shards[i], &view);
        message.orders[i] =
            (SimOrder){run->shards[i], view.generation, view.direction, view.attempt};
        sim_trace(sim, "run shard %u generation %u attempt %u", run->shards[i], view.generation,
                  view.attempt);
    }
    send_to_agent(sim, agent_number(sim, run->agent), message);
}

static void tick(Sim *sim, const SimArgs *args)
{
    if (args->token == sim->timer && sim->rollout != NULL)
        give(sim, (RolloutEvent){.kind = ROLLOUT_EVENT_TICK});
}

static uint32_t forward_in_flight(const Sim *sim)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < sim->header.shard_count; i++) {
        RolloutShardView view;
        rollout_shard(sim->rollout, i, &view);
        count += view.in_flight && view.direction == sim->header.direction;
    }
    return count;
}

/* A look takes its time; what it finds is the seed's, but in the end everything is well. */
static void gate_looked(Sim *sim, const SimArgs *args)
{
    static const GateVerdict verdicts[] = {GATE_SUCCEEDED,    GATE_SUCCEEDED, GATE_SUCCEEDED,
                                           GATE_SUCCEEDED,    GATE_ERROR,     GATE_ERROR,
                                           GATE_INCONCLUSIVE, GATE_FAILED};
    if (sim->rollout == NULL || args->b != (uint32_t)sim->life)
        return;
    GateVerdict verdict = verdicts[sim->healed ? 0 : sim_random(sim, 8)];
    if (sim->gates[args->a].kind == GATE_KIND_PERSON)
        verdict = GATE_INCONCLUSIVE;
    sim_trace(sim, "gate %u: %d", args->a, (int)verdict);
    give(sim, (RolloutEvent){.kind = ROLLOUT_EVENT_GATE,
                             .gate = {args->a, args->token, verdict, "looked"}});
}

static void execute(Sim *sim, const RolloutEffects *effects, uint32_t forward)
{
    uint32_t asked = sim->journal_count;
    for (size_t i = 0; i < effects->count && !sim->failed; i++) {
        const RolloutEffect *effect = &effects->items[i];
        switch (effect->kind) {
        case ROLLOUT_EFFECT_PERSIST:
            persist(sim, effect->record, forward);
            break;
        case ROLLOUT_EFFECT_SEND_RUN:
            send_run(sim, &effect->run);
            break;
        case ROLLOUT_EFFECT_SEND_STOP:
            sim_trace(sim, "stop agent %u", effect->stop.agent);
            send_to_agent(sim, agent_number(sim, effect->stop.agent),
                          (SimMessage){.kind = MESSAGE_STOP});
            break;
        case ROLLOUT_EFFECT_GATE:
            sim_later(sim, sim_random(sim, 3000), gate_looked,
                      (SimArgs){.a = effect->gate.gate,
                                .b = (uint32_t)sim->life,
                                .token = effect->gate.token});
            break;
        case ROLLOUT_EFFECT_TIMER:
            sim->timer = ++sim->tokens;
            if (effect->at_ms != 0)
                sim_later(sim, effect->at_ms > sim->now_ms ? effect->at_ms - sim->now_ms : 0, tick,
                          (SimArgs){.token = sim->timer});
            break;
        default:
            break;
        }
    }
    sim_check_view(sim);
    if (++sim->step_count % 40 == 0)
        sim_check_replay(sim);
    if (sim->plant == PLANT_SEND_BEFORE_PERSIST && sim->journal_count > asked)
        give(sim, (RolloutEvent){.kind = ROLLOUT_EVENT_PERSISTED, .persisted = sim->journal_count});
}

static void give(Sim *sim, RolloutEvent event)
{
    if (sim->rollout == NULL || sim->failed)
        return;
    AUTO_ARENA Arena *arena = arena_new();
    RolloutEffects effects = {.arena = arena};
    Error error;
    uint32_t forward = forward_in_flight(sim);
    event.now_ms = sim->now_ms;
    event.unix_ms = unix_ms(sim);
    uint64_t before = rollout_record_count(sim->rollout);
    ErrCode code = rollout_step(sim->rollout, &event, &effects, &error);
    if (code == ERR_STATE || code == ERR_REFUSED)
        SIM_CHECK(sim, I12, effects.count == 0 && before == rollout_record_count(sim->rollout),
                  "a refused command changed something");
    else if (code != ERR_OK)
        sim_fail(sim, "a step failed: %s", error.message);
    execute(sim, &effects, forward);
}

/* --- agents ----------------------------------------------------------------------------------- */

static void set_agent(Sim *sim, uint32_t number, bool up)
{
    const char name[2] = {(char)('a' + number), '\0'};
    uint32_t agent = rollout_agent_find(sim->rollout, name);
    sim->agents[number].known_up = up;
    if (agent == ROLLOUT_AGENT_NONE)
        return;
    give(sim, (RolloutEvent){.kind = up ? ROLLOUT_EVENT_AGENT_UP : ROLLOUT_EVENT_AGENT_DOWN,
                             .agent = agent});
}

void sim_coord_receive(Sim *sim, const SimMessage *message)
{
    SimAgent *agent = &sim->agents[message->agent];
    if (sim->rollout == NULL || message->boot < agent->known_boot)
        return;
    if (message->boot > agent->known_boot) {
        agent->known_boot = message->boot;
        agent->known_sequence = 0;
        agent->known_up = false;
        agent->command_sequence = 0;
    }
    if (message->sequence <= agent->known_sequence)
        return;
    agent->known_sequence = message->sequence;
    agent->known_ms = sim->now_ms;
    if (!agent->known_up)
        set_agent(sim, message->agent, true);
    if (message->kind != MESSAGE_REPORT || sim->failed)
        return;
    const char name[2] = {(char)('a' + message->agent), '\0'};
    const JobReport *report = message->report;
    sim->still_since_ms = sim->now_ms;
    sim_trace(sim, "report shard %u generation %u attempt %u %s %s done %u", report->index,
              report->generation, report->attempt, phase_name(report->phase),
              outcome_name(report->outcome), report->steps_done);
    give(sim, (RolloutEvent){.kind = ROLLOUT_EVENT_JOB,
                             .job = {rollout_agent_find(sim->rollout, name), report}});
}

void sim_coord_beat(Sim *sim, const SimArgs *args)
{
    if (args->token != sim->life || sim->rollout == NULL)
        return;
    for (uint32_t i = 0; i < sim->options.agents; i++) {
        SimAgent *agent = &sim->agents[i];
        if (agent->known_up && sim->now_ms - agent->known_ms > AGENT_SILENCE_MS) {
            sim_trace(sim, "agent %u is silent", i);
            set_agent(sim, i, false);
        }
        if (agent->known_boot != 0)
            send_to_agent(sim, i, (SimMessage){.kind = MESSAGE_BEAT});
    }
    if (sim->healed && sim->rollout != NULL) {
        if (rollout_state(sim->rollout) == ROLLOUT_APPROVED)
            sim_coord_command(sim, ROLLOUT_EVENT_START);
        else if (rollout_state(sim->rollout) == ROLLOUT_PAUSED)
            sim_coord_command(sim, ROLLOUT_EVENT_RESUME);
    }
    sim_later(sim, BEAT_MS, sim_coord_beat, (SimArgs){.token = sim->life});
}

void sim_coord_command(Sim *sim, RolloutEventKind kind)
{
    if (sim->rollout == NULL)
        return;
    RolloutCommand command = {.who = "ann", .reason = "simulated"};
    uint32_t shard = (uint32_t)sim_random(sim, sim->header.shard_count);
    if (kind == ROLLOUT_EVENT_SKIP || (kind == ROLLOUT_EVENT_RETRY && sim_chance(sim, 50))) {
        command.shards = &shard;
        command.shard_count = 1;
    } else if (kind == ROLLOUT_EVENT_SET) {
        command.setting = (RolloutSetting)(1 + sim_random(sim, ROLLOUT_SETTING_COUNT - 1));
        if (sim->believed.policy.concurrency.label_count > 0 && sim_chance(sim, 20))
            command.setting = ROLLOUT_SETTING_LABELS;
        if (sim->believed.budget_count > 0 && sim_chance(sim, 20))
            command.setting = ROLLOUT_SETTING_BUDGETS;
        command.value = (uint32_t)sim_random(sim, 8);
        if (command.setting == ROLLOUT_SETTING_BAKE)
            command.value *= 500;
    }
    sim_trace(sim, "operator: %d shard %u", (int)kind, shard);
    give(sim, (RolloutEvent){.kind = kind, .command = command});
}

void sim_coord_brake(Sim *sim, bool braked)
{
    if (sim->braked)
        sim->still_since_ms = sim->now_ms; /* nothing may have happened for it to be noticed by */
    sim->braked = braked;
    sim_trace(sim, "brake: %d", (int)braked);
    if (sim->rollout != NULL)
        give(sim, (RolloutEvent){.kind = ROLLOUT_EVENT_BRAKE, .brake = braked});
}

void sim_coord_window(Sim *sim, RolloutWindow window)
{
    if (sim->window != ROLLOUT_WINDOW_OPEN)
        sim->still_since_ms = sim->now_ms;
    sim->window = window;
    sim_trace(sim, "window: %d", (int)window);
    if (sim->rollout != NULL)
        give(sim, (RolloutEvent){.kind = ROLLOUT_EVENT_WINDOW, .window = window});
}

/* --- lives ------------------------------------------------------------------------------------ */

void sim_coord_crash(Sim *sim)
{
    if (sim->rollout == NULL)
        return;
    rollout_free(sim->rollout);
    sim->rollout = NULL;
    sim->life++;
    sim->flushing = false;
    sim->timer = ++sim->tokens;
    /* Of what was on its way to the disk, any prefix may have arrived. */
    uint32_t queued = sim->journal_count - sim->journal_durable;
    sim->journal_durable += (uint32_t)sim_random(sim, queued + 1);
    sim->journal_count = sim->journal_durable;
    sim_trace(sim, "coordinator crashes, %u records survive", sim->journal_count);
}

void sim_coord_start(Sim *sim)
{
    Error error;
    if (sim->rollout != NULL)
        return;
    sim->life++;
    sim->epoch++;
    ErrCode code =
        rollout_new(&sim->believed, sim->plan, sim->header.shard_count, &sim->rollout, &error);
    if (code != ERR_OK) {
        sim_fail(sim, "no rollout: %s", error.message);
        return;
    }
    if (sim->plant == PLANT_HALF_REPLAY && sim->journal_count > 2)
        sim->journal_count = --sim->journal_durable;
    for (uint32_t i = 0; i < sim->journal_count && code == ERR_OK; i++)
        code = rollout_replay(sim->rollout, &sim->journal[i], &error);
    SIM_CHECK(sim, I12, code == ERR_OK, "the journal can't be replayed: %s", error.message);
    for (uint32_t i = 0; i < sim->options.agents; i++) {
        SimAgent *agent = &sim->agents[i];
        agent->known_up = false;
        agent->known_boot = 0;
        agent->known_sequence = 0;
        agent->command_sequence = 0;
    }
    sim->still_since_ms = sim->now_ms;
    sim_trace(sim, "coordinator starts, epoch %llu, %u records", (unsigned long long)sim->epoch,
              sim->journal_count);
    if (sim->failed)
        return;
    AUTO_ARENA Arena *arena = arena_new();
    RolloutEffects effects = {.arena = arena};
    uint32_t forward = forward_in_flight(sim);
    sim->recovering = true;
    rollout_set_brake(sim->rollout, sim->braked);
    rollout_set_window(sim->rollout, sim->window);
    rollout_recover(sim->rollout, sim->now_ms, unix_ms(sim), &effects);
    execute(sim, &effects, forward);
    sim->recovering = false;
    sim_later(sim, BEAT_MS, sim_coord_beat, (SimArgs){.token = sim->life});
}
