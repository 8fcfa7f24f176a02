/*
 * PostgreSQL as a rollout sees it: a shard's rows change in a transaction that locks the shard's
 * row, compares fence, epoch and rows, and commits or not whether or not its client still listens.
 */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

static uint64_t statement_ms(Sim *sim)
{
    return 1 + sim_random(sim, sim->options.statement_ms);
}

static StrList one_row(Sim *sim, const char *row)
{
    StrList rows = {0};
    strlist_add(sim->arena, &rows, row);
    return rows;
}

static const char *level_name(const Sim *sim, uint32_t shard, uint32_t level)
{
    const JobStep *steps = sim->steps[shard];
    return level == 0 ? steps[0].rows_before.items[0] : steps[level - 1].rows_after.items[0];
}

uint32_t sim_step_count(const Sim *sim, uint32_t shard)
{
    bool restores = sim->header.direction == DIRECTION_RESTORE;
    return restores ? 1 : (uint32_t)sim->plan[shard].steps.count;
}

const char *sim_db_rows(const Sim *sim, uint32_t shard)
{
    return level_name(sim, shard, sim->shards[shard].level);
}

static void answer(Sim *sim, const SimSession *session, JobEvent event)
{
    if (sim->header.direction == DIRECTION_RESTORE && event.kind == JOB_EVENT_STEP_DONE)
        event.kind = JOB_EVENT_SWAPPED;
    else if (sim->header.direction == DIRECTION_RESTORE && event.kind == JOB_EVENT_STEP_FAILED)
        event.kind = JOB_EVENT_RESTORE_FAILED;
    if (session->client)
        sim_agent_answer(sim, session->agent, session->boot, session->shard, session->ask, &event);
}

static JobEvent failed(JobEventKind kind, JobFailureClass failure_class, bool dead, Error *error)
{
    return (JobEvent){
        .kind = kind,
        .failed = {.failure_class = failure_class, .session_dead = dead, .error = error}};
}

static void answer_failed(Sim *sim, const SimSession *session, JobEventKind kind,
                          JobFailureClass failure_class, ErrCode code)
{
    Error error;
    err_set(&error, code, "simulated");
    StrList rows = one_row(sim, sim_db_rows(sim, session->shard));
    JobEvent event = failed(kind, failure_class, false, &error);
    event.failed.rows = &rows;
    answer(sim, session, event);
}

/* --- sessions --------------------------------------------------------------------------------- */

static void connected(Sim *sim, const SimArgs *args)
{
    SimSession *session = &sim->sessions[args->a];
    if (!session->client)
        return;
    if (!sim->server_up[sim->shards[session->shard].cluster]) {
        answer_failed(sim, session, JOB_EVENT_CONNECT_FAILED, JOB_FAILURE_RETRY, ERR_CONNECT);
        session->client = false;
        return;
    }
    session->backend = true;
    answer(sim, session, (JobEvent){.kind = JOB_EVENT_CONNECTED});
}

uint32_t sim_db_connect(Sim *sim, uint32_t shard, uint32_t agent, uint64_t ask)
{
    if (sim->session_count == SIM_SESSIONS_MAX) {
        sim_fail(sim, "liveness: too many sessions");
        return 0;
    }
    uint32_t number = sim->session_count++;
    sim->sessions[number] = (SimSession){.shard = shard,
                                         .agent = agent,
                                         .boot = sim->agents[agent].boot,
                                         .client = true,
                                         .ask = ask};
    sim_later(sim, statement_ms(sim), connected, (SimArgs){.a = number});
    return number;
}

static void unlock(Sim *sim, uint32_t number)
{
    SimShard *shard = &sim->shards[sim->sessions[number].shard];
    if (shard->locked_by == number + 1)
        shard->locked_by = 0;
}

static void end_backend(Sim *sim, uint32_t number)
{
    sim->sessions[number].backend = false;
    sim->sessions[number].transaction = TRANSACTION_NONE;
    unlock(sim, number);
}

/* The server sees the end of the connection; what it has been sent entirely, it still does. */
static void orphan(Sim *sim, uint32_t number)
{
    SimSession *session = &sim->sessions[number];
    if (session->transaction == TRANSACTION_NONE)
        end_backend(sim, number);
    else
        session->commit_sent = sim_chance(sim, 50);
}

void sim_db_close(Sim *sim, uint32_t number)
{
    if (!sim->sessions[number].client)
        return;
    sim->sessions[number].client = false;
    orphan(sim, number);
}

static void tell_lost(Sim *sim, const SimArgs *args)
{
    const SimSession *session = &sim->sessions[args->a];
    sim_agent_lost(sim, session->agent, session->boot, session->shard, args->a);
}

void sim_db_cut(Sim *sim, uint32_t number)
{
    SimSession *session = &sim->sessions[number];
    if (!session->client || !session->backend)
        return;
    sim_trace(sim, "shard %u: session %u is cut", session->shard, number);
    session->client = false;
    orphan(sim, number);
    sim_later(sim, statement_ms(sim), tell_lost, (SimArgs){.a = number});
}

static void server_is_back(Sim *sim, const SimArgs *args)
{
    sim->server_up[args->a] = true;
    sim_trace(sim, "cluster %u is back", args->a);
}

void sim_db_restart(Sim *sim, uint32_t cluster, uint64_t down_ms)
{
    if (!sim->server_up[cluster])
        return;
    sim_trace(sim, "cluster %u goes down", cluster);
    sim->server_up[cluster] = false;
    for (uint32_t i = 0; i < sim->session_count; i++) {
        SimSession *session = &sim->sessions[i];
        if (!session->backend || sim->shards[session->shard].cluster != cluster)
            continue;
        end_backend(sim, i);
        if (session->client)
            sim_later(sim, statement_ms(sim), tell_lost, (SimArgs){.a = i});
        session->client = false;
    }
    sim_later(sim, down_ms, server_is_back, (SimArgs){.a = cluster});
}

/* --- claim ------------------------------------------------------------------------------------ */

static JobHistory *history_of(Sim *sim, uint32_t index)
{
    const SimShard *shard = &sim->shards[index];
    JobHistory *rows = ARENA_ARRAY(sim->arena, JobHistory, shard->history_count + 1);
    for (uint32_t i = 0; i < shard->history_count; i++) {
        const SimHistory *from = &shard->history[i];
        const JobStep *step = &sim->steps[index][from->edge];
        rows[i] = (JobHistory){.rollout = sim->header.rollout_id,
                               .generation = from->generation,
                               .direction = from->direction,
                               .revision = step->revision,
                               .rows_before = from->back ? step->rows_after : step->rows_before,
                               .rows_after = from->back ? step->rows_before : step->rows_after,
                               .succeeded = true,
                               .started_unix_ms = from->started_unix_ms};
    }
    return rows;
}

static void claimed(Sim *sim, const SimArgs *args)
{
    SimSession *session = &sim->sessions[args->a];
    SimShard *shard = &sim->shards[session->shard];
    if (!session->backend || !session->client)
        return;
    if (args->token < shard->epoch && sim->plant != PLANT_EPOCH_IGNORED) {
        answer_failed(sim, session, JOB_EVENT_CLAIM_FAILED, JOB_FAILURE_FINAL, ERR_STALE);
        return;
    }
    if (shard->locked_by != 0) {
        uint32_t holder = shard->locked_by - 1;
        if (sim->sessions[holder].client || sim_chance(sim, 30)) {
            answer_failed(sim, session, JOB_EVENT_CLAIM_FAILED, JOB_FAILURE_RETRY,
                          ERR_LOCK_TIMEOUT);
            return;
        }
        sim_trace(sim, "shard %u: orphan %u is terminated", session->shard, holder);
        end_backend(sim, holder);
    }
    if (!sim->healed && sim_chance(sim, sim->options.lock_percent)) {
        answer_failed(sim, session, JOB_EVENT_CLAIM_FAILED, JOB_FAILURE_RETRY, ERR_LOCK_TIMEOUT);
        return;
    }
    sim_check_claim(sim, session->shard, shard->fence + 1, args->token);
    session->fence = ++shard->fence;
    session->epoch = shard->epoch = args->token;
    sim_trace(sim, "shard %u: claimed, fence %llu, rows %s", session->shard,
              (unsigned long long)shard->fence, sim_db_rows(sim, session->shard));
    JobEvent event = {.kind = JOB_EVENT_CLAIMED};
    event.claimed = (JobClaimed){.fence = shard->fence,
                                 .rows = one_row(sim, sim_db_rows(sim, session->shard)),
                                 .history = history_of(sim, session->shard),
                                 .history_count = shard->history_count};
    answer(sim, session, event);
}

void sim_db_claim(Sim *sim, uint32_t number, uint64_t ask, uint64_t epoch)
{
    sim->sessions[number].ask = ask;
    sim_later(sim, statement_ms(sim), claimed, (SimArgs){.a = number, .token = epoch});
}

/* --- step ------------------------------------------------------------------------------------- */

static bool is_back(const Sim *sim, const SimSession *session)
{
    return session->step.direction != sim->header.direction;
}

static uint32_t edge_of(const Sim *sim, const SimSession *session)
{
    const PlanShard *plan = &sim->plan[session->shard];
    for (uint32_t i = 0; i < plan->steps.count; i++)
        if (strcmp(plan->steps.items[i], session->step.revision) == 0)
            return i;
    return 0;
}

static bool has_operation(const SimShard *shard, const SimSession *session)
{
    for (uint32_t i = 0; i < shard->history_count; i++)
        if (shard->history[i].generation == session->generation &&
            shard->history[i].number == session->step.number &&
            shard->history[i].direction == session->step.direction)
            return true;
    return false;
}

static void answer_done(Sim *sim, const SimSession *session)
{
    JobEvent event = {.kind = JOB_EVENT_STEP_DONE};
    event.step_done.rows =
        one_row(sim, sim->plant == PLANT_EARLY_SUCCESS ? session->step.rows_after.items[0]
                                                       : sim_db_rows(sim, session->shard));
    answer(sim, session, event);
}

/* Planted: an outcome that is not known is told as "nothing happened". */
static void answer_not_done(Sim *sim, const SimSession *session)
{
    Error error;
    err_set(&error, ERR_BUSY, "simulated");
    JobEvent event = failed(JOB_EVENT_STEP_FAILED, JOB_FAILURE_RETRY, false, &error);
    event.failed.rows = &session->step.rows_before;
    answer(sim, session, event);
}

static void commit(Sim *sim, const SimArgs *args)
{
    SimSession *session = &sim->sessions[args->a];
    SimShard *shard = &sim->shards[session->shard];
    if (!session->backend || session->transaction != TRANSACTION_OPEN)
        return;
    if (!session->client && !session->commit_sent) { /* its client went before COMMIT */
        end_backend(sim, args->a);
        return;
    }
    if (sim->plant == PLANT_EARLY_SUCCESS && !session->commit_sent) {
        session->transaction = TRANSACTION_NONE;
        unlock(sim, args->a);
        return;
    }
    if (shard->history_count == SIM_HISTORY_MAX) {
        sim_fail(sim, "I1: shard %u has more history than a plan can make", session->shard);
        return;
    }
    sim_check_commit(sim, session);
    bool back = is_back(sim, session);
    shard->history[shard->history_count++] = (SimHistory){.generation = session->generation,
                                                          .number = session->step.number,
                                                          .direction = session->step.direction,
                                                          .edge = edge_of(sim, session),
                                                          .back = back,
                                                          .started_unix_ms = sim->now_ms};
    shard->level = back ? edge_of(sim, session) : edge_of(sim, session) + 1;
    session->transaction = TRANSACTION_NONE;
    unlock(sim, args->a);
    sim_trace(sim, "shard %u: committed generation %u step %u %s, rows %s", session->shard,
              session->generation, session->step.number, direction_name(session->step.direction),
              sim_db_rows(sim, session->shard));
    if (!session->client) {
        end_backend(sim, args->a);
    } else if (!sim->healed && sim_chance(sim, sim->options.ack_lost_percent)) {
        if (sim->plant == PLANT_BLIND_RETRY)
            answer_not_done(sim, session);
        else
            sim_db_cut(sim, args->a);
    } else {
        answer_done(sim, session);
    }
}

/* What the transaction finds once it holds the row; ERR_OK: it may run. */
static ErrCode compare(const Sim *sim, const SimSession *session)
{
    const SimShard *shard = &sim->shards[session->shard];
    bool fenced = session->fence != shard->fence || session->epoch != shard->epoch;
    if (fenced && sim->plant != PLANT_FENCE_IGNORED)
        return ERR_FENCED;
    if (sim->plant == PLANT_BLIND_RETRY)
        return ERR_OK;
    if (strcmp(session->step.rows_before.items[0], sim_db_rows(sim, session->shard)) != 0)
        return ERR_OVERTAKEN;
    return ERR_OK;
}

static void reject(Sim *sim, uint32_t number, JobFailureClass failure_class, ErrCode code)
{
    SimSession *session = &sim->sessions[number];
    session->transaction = TRANSACTION_NONE;
    sim_trace(sim, "shard %u: session %u's step is refused: %s", session->shard, number,
              err_code_name(code));
    answer_failed(sim, session, JOB_EVENT_STEP_FAILED, failure_class, code);
    if (!session->client)
        end_backend(sim, number);
}

static void begin(Sim *sim, const SimArgs *args)
{
    SimSession *session = &sim->sessions[args->a];
    SimShard *shard = &sim->shards[session->shard];
    if (!session->backend || session->transaction != TRANSACTION_SENT)
        return;
    if (shard->locked_by != 0) {
        reject(sim, args->a, JOB_FAILURE_RETRY, ERR_LOCK_TIMEOUT);
        return;
    }
    if (has_operation(shard, session) && sim->plant != PLANT_BLIND_RETRY) {
        session->transaction = TRANSACTION_NONE;
        answer_done(sim, session);
        return;
    }
    ErrCode code = compare(sim, session);
    uint32_t poison = is_back(sim, session) ? shard->back_poison : shard->poison;
    if (session->step.direction == DIRECTION_RESTORE)
        poison = 0; /* a backup that is damaged does not get so far */
    if (code == ERR_OK && poison == edge_of(sim, session) + 1)
        code = ERR_SQL;
    if (code != ERR_OK) {
        reject(sim, args->a, JOB_FAILURE_FINAL, code);
        return;
    }
    if (!sim->healed && sim_chance(sim, sim->options.lock_percent)) {
        reject(sim, args->a, JOB_FAILURE_RETRY, ERR_LOCK_TIMEOUT);
        return;
    }
    session->transaction = TRANSACTION_OPEN;
    shard->locked_by = args->a + 1;
    if (sim->plant == PLANT_EARLY_SUCCESS) {
        answer_done(sim, session);
        session->commit_sent = sim_chance(sim, 70);
    }
    sim_later(sim, statement_ms(sim), commit, *args);
}

void sim_db_step(Sim *sim, uint32_t number, uint64_t ask, const JobSpec *spec,
                 const JobStepEffect *step)
{
    SimSession *session = &sim->sessions[number];
    session->ask = ask;
    session->generation = spec->generation;
    session->attempt = spec->attempt;
    session->step = *step;
    session->step.revision = arena_strdup(sim->arena, step->revision);
    session->step.rows_before = strlist_copy(sim->arena, &step->rows_before);
    session->step.rows_after = strlist_copy(sim->arena, &step->rows_after);
    session->transaction = TRANSACTION_SENT;
    sim_later(sim, statement_ms(sim), begin, (SimArgs){.a = number});
}
