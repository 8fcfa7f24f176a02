/*
 * An agent's shell in the simulator: jobs, a ledger that survives, commands that are checked for
 * boot, epoch and sequence.
 */
#include "sim.h"

#include <string.h>

enum {
    BEAT_MS = 2000,
    COORDINATOR_SILENCE_MS = 30000,
    LEDGER_MS = 20,
    BACKUP_MS = 3000,
    TURN_MS = 20000,
};

static void give(Sim *sim, uint32_t number, uint32_t index, JobEvent event);

static uint64_t unix_ms(const Sim *sim)
{
    return 1000000000 + sim->now_ms;
}

bool sim_agent_is_idle(const Sim *sim, uint32_t number)
{
    const SimAgent *agent = &sim->agents[number];
    if (!agent->up)
        return false;
    for (uint32_t i = 0; i < sim->header.shard_count; i++)
        if (agent->slots[i].job != NULL && !job_is_done(agent->slots[i].job))
            return false;
    return true;
}

static void send_message(Sim *sim, uint32_t number, SimMessage message)
{
    SimAgent *agent = &sim->agents[number];
    message.agent = number;
    message.to_coordinator = true;
    message.boot = agent->boot;
    message.sequence = ++agent->sent;
    sim_send(sim, &message);
}

static void send_report(Sim *sim, uint32_t number, const JobReport *from)
{
    JobReport *report = arena_memdup(sim->arena, from, sizeof *from);
    report->revision = arena_strdup(sim->arena, from->revision);
    report->code = arena_strdup(sim->arena, from->code);
    report->sqlstate = arena_strdup(sim->arena, from->sqlstate);
    report->message = arena_strdup(sim->arena, from->message);
    report->backup.path = arena_strdup(sim->arena, from->backup.path);
    report->hint = "";
    report->rows = strlist_copy(sim->arena, &from->rows);
    send_message(sim, number, (SimMessage){.kind = MESSAGE_REPORT, .report = report});
}

/* --- effects ---------------------------------------------------------------------------------- */

static void timer(Sim *sim, const SimArgs *args)
{
    if (sim->agents[args->a].slots[args->b].timer == args->token)
        give(sim, args->a, args->b, (JobEvent){.kind = JOB_EVENT_TIMER});
}

static void ledger_opened(Sim *sim, const SimArgs *args)
{
    SimAgent *agent = &sim->agents[args->a];
    const uint64_t *boot = args->data;
    if (agent->boot != *boot || !agent->up)
        return;
    agent->ledger_open[args->b] = true;
    sim_agent_answer(sim, args->a, *boot, args->b, args->token,
                     &(JobEvent){.kind = JOB_EVENT_RECORDED});
}

static void ledger_closed(Sim *sim, const SimArgs *args)
{
    SimAgent *agent = &sim->agents[args->a];
    /* Only if no job has opened it again since. */
    if (agent->up && agent->slots[args->b].serial == args->token)
        agent->ledger_open[args->b] = false;
}

static void backup_done(Sim *sim, const SimArgs *args)
{
    SimAgent *agent = &sim->agents[args->a];
    const uint64_t *boot = args->data;
    if (agent->boot != *boot || !agent->up || agent->slots[args->b].ask != args->token)
        return;
    if (!sim->server_up[sim->shards[args->b].cluster]) {
        Error error;
        err_set(&error, ERR_BACKUP, "the server went away");
        JobEvent event = {.kind = JOB_EVENT_BACKUP_FAILED};
        event.failed = (JobFailure){.failure_class = JOB_FAILURE_FINAL, .error = &error};
        sim_agent_answer(sim, args->a, *boot, args->b, args->token, &event);
        return;
    }
    agent->ledger_backup[args->b] = true;
    sim->shards[args->b].backup = true;
    JobEvent event = {.kind = JOB_EVENT_BACKUP_DONE, .backup = {.path = "dump"}};
    sim_agent_answer(sim, args->a, *boot, args->b, args->token, &event);
}

/* The shard is as it was; what was read back is thrown away when the job lets go of it. */
static void restored(Sim *sim, const SimArgs *args)
{
    SimAgent *agent = &sim->agents[args->a];
    const uint64_t *boot = args->data;
    if (agent->boot != *boot || !agent->up || agent->slots[args->b].ask != args->token)
        return;
    JobEvent event = {.kind = JOB_EVENT_RESTORED};
    bool damaged = sim->shards[args->b].poison != 0;
    if (damaged || !sim->server_up[sim->shards[args->b].cluster]) {
        Error error;
        err_set(&error, damaged ? ERR_DIGEST_MISMATCH : ERR_CONNECT, "simulated");
        event = (JobEvent){.kind = JOB_EVENT_RESTORE_FAILED};
        event.failed = (JobFailure){
            .failure_class = damaged ? JOB_FAILURE_FINAL : JOB_FAILURE_RETRY, .error = &error};
        sim_agent_answer(sim, args->a, *boot, args->b, args->token, &event);
        return;
    }
    agent->slots[args->b].restored = true;
    sim_agent_answer(sim, args->a, *boot, args->b, args->token, &event);
}

/* The turn of one that stood back has come. */
static void turn(Sim *sim, const SimArgs *args)
{
    const SimSlot *slot = &sim->agents[args->a].slots[args->b];
    if (slot->job != NULL && slot->serial == args->token && job_state(slot->job) == JOB_QUEUED)
        give(sim, args->a, args->b, (JobEvent){.kind = JOB_EVENT_START});
}

static void run_effect(Sim *sim, uint32_t number, uint32_t index, const JobEffect *effect)
{
    SimAgent *agent = &sim->agents[number];
    SimSlot *slot = &agent->slots[index];
    uint64_t *boot = arena_memdup(sim->arena, &agent->boot, sizeof agent->boot);
    switch (effect->kind) {
    case JOB_EFFECT_CONNECT:
        slot->ask = ++sim->tokens;
        slot->session = sim_db_connect(sim, index, number, slot->ask) + 1;
        break;
    case JOB_EFFECT_CLAIM:
        slot->ask = ++sim->tokens;
        sim_db_claim(sim, slot->session - 1, slot->ask, agent->epoch);
        break;
    case JOB_EFFECT_LEDGER_OPENED:
        slot->ask = ++sim->tokens;
        sim_later(sim, 1 + sim_random(sim, LEDGER_MS), ledger_opened,
                  (SimArgs){number, index, slot->ask, boot});
        break;
    case JOB_EFFECT_LEDGER_CLOSED:
        sim_later(sim, 1 + sim_random(sim, LEDGER_MS), ledger_closed,
                  (SimArgs){number, index, slot->serial, NULL});
        break;
    case JOB_EFFECT_BACKUP:
        slot->ask = ++sim->tokens;
        sim_later(sim, 1 + sim_random(sim, BACKUP_MS), backup_done,
                  (SimArgs){number, index, slot->ask, boot});
        break;
    case JOB_EFFECT_RESTORE:
        slot->ask = ++sim->tokens;
        slot->restored = false;
        sim_later(sim, 1 + sim_random(sim, BACKUP_MS), restored,
                  (SimArgs){number, index, slot->ask, boot});
        break;
    case JOB_EFFECT_SWAP:
        SIM_CHECK(sim, I34, slot->restored, "shard %u is to be replaced by half a backup", index);
        /* fall through */
    case JOB_EFFECT_STEP:
        slot->ask = ++sim->tokens;
        sim_check_step_start(sim, number, index, job_spec(slot->job));
        sim_db_step(sim, slot->session - 1, slot->ask, job_spec(slot->job), &effect->step);
        break;
    case JOB_EFFECT_CLOSE:
        slot->ask = 0;
        slot->restored = false;
        if (slot->session != 0)
            sim_db_close(sim, slot->session - 1);
        slot->session = 0;
        break;
    case JOB_EFFECT_REPORT:
        send_report(sim, number, effect->report);
        break;
    case JOB_EFFECT_QUEUE:
        SIM_CHECK(sim, I35, slot->session == 0, "shard %u stands back with a session", index);
        sim_trace(sim, "agent %u: shard %u is queued again", number, index);
        sim_later(sim, 1 + sim_random(sim, TURN_MS), turn,
                  (SimArgs){.a = number, .b = index, .token = slot->serial});
        break;
    case JOB_EFFECT_TIMER:
        slot->timer = ++sim->tokens;
        if (effect->at_ms != 0)
            sim_later(sim, effect->at_ms > sim->now_ms ? effect->at_ms - sim->now_ms : 0, timer,
                      (SimArgs){.a = number, .b = index, .token = slot->timer});
        break;
    default:
        break;
    }
}

static void take_order(Sim *sim, uint32_t number, const SimOrder *order, bool stopped);

static void give(Sim *sim, uint32_t number, uint32_t index, JobEvent event)
{
    SimSlot *slot = &sim->agents[number].slots[index];
    if (slot->job == NULL || sim->failed)
        return;
    AUTO_ARENA Arena *arena = arena_new();
    JobEffects effects = {.arena = arena};
    Error error;
    event.now_ms = sim->now_ms;
    event.unix_ms = unix_ms(sim);
    if (job_step(slot->job, &event, &effects, &error) != ERR_OK) {
        sim_fail(sim, "a job's step failed: %s", error.message);
        return;
    }
    for (size_t i = 0; i < effects.count && !sim->failed; i++)
        run_effect(sim, number, index, &effects.items[i]);
    if (job_is_done(slot->job) && slot->has_next) {
        slot->has_next = false;
        take_order(sim, number, &slot->next, slot->next_stop);
    }
}

void sim_agent_answer(Sim *sim, uint32_t number, uint64_t boot, uint32_t index, uint64_t ask,
                      const JobEvent *event)
{
    SimAgent *agent = &sim->agents[number];
    SimSlot *slot = &agent->slots[index];
    if (!agent->up || agent->boot != boot || slot->ask == 0 || slot->ask != ask)
        return;
    slot->ask = 0;
    give(sim, number, index, *event);
}

void sim_agent_lost(Sim *sim, uint32_t number, uint64_t boot, uint32_t index, uint32_t session)
{
    SimAgent *agent = &sim->agents[number];
    SimSlot *slot = &agent->slots[index];
    if (!agent->up || agent->boot != boot || slot->session != session + 1)
        return;
    if (slot->job == NULL || job_is_done(slot->job))
        return;
    if (job_state(slot->job) != JOB_BACKING_UP)
        slot->ask = 0;
    slot->session = 0;
    give(sim, number, index, (JobEvent){.kind = JOB_EVENT_LOST});
}

/* --- orders ----------------------------------------------------------------------------------- */

static void new_job(Sim *sim, uint32_t number, const SimOrder *order)
{
    SimAgent *agent = &sim->agents[number];
    SimSlot *slot = &agent->slots[order->index];
    const PlanShard *plan = &sim->plan[order->index];
    bool back = order->direction != sim->header.direction;
    bool restores = sim->header.direction == DIRECTION_RESTORE;
    const Policy *policy = &sim->header.policy;
    JobSpec spec = {.rollout_id = sim->header.rollout_id,
                    .shard = plan->uuid,
                    .index = order->index,
                    .generation = order->generation,
                    .attempt = order->attempt,
                    .direction = order->direction,
                    .kind = restores ? JOB_RESTORE
                            : back   ? JOB_TAKE_BACK
                                     : JOB_FORWARD,
                    .plan_rows_before = plan->rows_before,
                    .plan_rows_after = plan->rows_after,
                    .steps = back ? NULL : sim->steps[order->index],
                    .step_count = back ? 0 : plan->steps.count,
                    .source_rollout = sim->header.rollout_id,
                    .take_back_allowed = policy->on_failure != ON_FAILURE_PAUSE ||
                                         policy->on_shard_failure == ON_SHARD_FAILURE_ROLLBACK,
                    .backup_wanted = sim->options.backups,
                    .has_backup = agent->ledger_backup[order->index],
                    .in_doubt = agent->ledger_open[order->index],
                    .lock_attempts = 20,
                    .seed = sim_random(sim, UINT64_MAX)};
    job_free(slot->job);
    *slot = (SimSlot){.job = job_new(&spec), .serial = ++sim->tokens};
}

static void take_order(Sim *sim, uint32_t number, const SimOrder *from, bool stopped)
{
    SimSlot *slot = &sim->agents[number].slots[from->index];
    const SimOrder order = *from;
    const JobSpec *spec = slot->job == NULL ? NULL : job_spec(slot->job);
    if (spec != NULL && (order.generation < spec->generation ||
                         (order.generation == spec->generation && order.attempt < spec->attempt)))
        return;
    if (spec != NULL && order.generation == spec->generation && order.attempt == spec->attempt) {
        give(sim, number, order.index, (JobEvent){.kind = JOB_EVENT_QUERY});
        return;
    }
    if (spec != NULL && !job_is_done(slot->job)) {
        bool told = slot->has_next;
        slot->has_next = true;
        slot->next = order;
        slot->next_stop = stopped;
        if (!told)
            give(sim, number, order.index, (JobEvent){.kind = JOB_EVENT_STOP});
        return;
    }
    new_job(sim, number, &order);
    if (stopped) {
        slot->stop_told = true;
        give(sim, number, order.index, (JobEvent){.kind = JOB_EVENT_STOP});
    }
    if (slot->job != NULL && job_state(slot->job) == JOB_IDLE)
        give(sim, number, order.index, (JobEvent){.kind = JOB_EVENT_START});
}

static void stop_all(Sim *sim, uint32_t number)
{
    SimAgent *agent = &sim->agents[number];
    for (uint32_t i = 0; i < sim->header.shard_count; i++) {
        SimSlot *slot = &agent->slots[i];
        if (slot->job == NULL)
            continue;
        slot->stop_told = true;
        if (slot->has_next)
            slot->next_stop = true;
        if (!job_is_done(slot->job) && sim->plant != PLANT_STOP_IGNORED)
            give(sim, number, i, (JobEvent){.kind = JOB_EVENT_STOP});
    }
}

void sim_agent_receive(Sim *sim, uint32_t number, const SimMessage *message)
{
    SimAgent *agent = &sim->agents[number];
    bool older = message->epoch < agent->epoch;
    if (!agent->up || message->boot != agent->boot)
        return;
    if (older && sim->plant != PLANT_EPOCH_IGNORED)
        return;
    bool newer = message->epoch > agent->epoch;
    if (newer)
        agent->received = 0;
    if (message->sequence <= agent->received && sim->plant != PLANT_EPOCH_IGNORED)
        return;
    agent->received = message->sequence;
    agent->epoch = message->epoch;
    agent->heard_ms = sim->now_ms;
    /* A new coordinator: finish the step in hand, and wait to be told. */
    if (message->kind == MESSAGE_STOP || newer)
        stop_all(sim, number);
    for (size_t i = 0; i < message->order_count && message->kind == MESSAGE_RUN; i++)
        take_order(sim, number, &message->orders[i], false);
}

/* --- lives ------------------------------------------------------------------------------------ */

static void beat(Sim *sim, const SimArgs *args)
{
    SimAgent *agent = &sim->agents[args->a];
    if (!agent->up || agent->boot != args->token)
        return;
    send_message(sim, args->a, (SimMessage){.kind = MESSAGE_BEAT});
    if (sim->now_ms - agent->heard_ms > COORDINATOR_SILENCE_MS) {
        stop_all(sim, args->a);
        agent->heard_ms = sim->now_ms;
    }
    sim_later(sim, BEAT_MS, beat, *args);
}

void sim_agent_start(Sim *sim, uint32_t number)
{
    SimAgent *agent = &sim->agents[number];
    if (agent->up)
        return;
    agent->up = true;
    agent->boot++;
    agent->sent = 0;
    agent->received = 0;
    agent->heard_ms = sim->now_ms;
    sim_trace(sim, "agent %u starts, boot %llu", number, (unsigned long long)agent->boot);
    sim_later(sim, sim_random(sim, BEAT_MS), beat, (SimArgs){.a = number, .token = agent->boot});
}

void sim_agent_crash(Sim *sim, uint32_t number)
{
    SimAgent *agent = &sim->agents[number];
    if (!agent->up)
        return;
    sim_trace(sim, "agent %u crashes", number);
    agent->up = false;
    for (uint32_t i = 0; i < sim->header.shard_count; i++) {
        SimSlot *slot = &agent->slots[i];
        if (slot->session != 0)
            sim_db_close(sim, slot->session - 1);
        job_free(slot->job);
        *slot = (SimSlot){0};
    }
}
