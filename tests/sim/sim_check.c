/*
 * The invariants, checked where the thing they are about happens. Numbers as in ARCHITECTURE.md.
 * The checks read the fakes and the journal, never the cores' insides.
 */
#include "sim.h"

#include <string.h>

static bool names_shard(const RolloutRecord *record, uint32_t index, uint32_t generation,
                        uint32_t attempt)
{
    for (size_t i = 0; i < record->shard_count; i++)
        if (record->shards[i].index == index && record->shards[i].generation == generation &&
            (attempt == 0 || record->shards[i].attempt == attempt))
            return true;
    return false;
}

/* The position + 1 of the record that dispatched it, among the first `count`; 0 = none. */
static uint32_t find_dispatch(const Sim *sim, uint32_t count, uint32_t index, uint32_t generation,
                              uint32_t attempt)
{
    for (uint32_t i = 0; i < count; i++)
        if (sim->journal[i].kind == ROLLOUT_RECORD_DISPATCHED &&
            names_shard(&sim->journal[i], index, generation, attempt))
            return i + 1;
    return 0;
}

static uint32_t find_kind(const Sim *sim, uint32_t count, RolloutRecordKind kind, uint32_t wave)
{
    for (uint32_t i = 0; i < count; i++)
        if (sim->journal[i].kind == kind && sim->journal[i].wave == wave)
            return i + 1;
    return 0;
}

static uint32_t find_stop(const Sim *sim)
{
    for (uint32_t i = 0; i < sim->journal_count; i++)
        if (sim->journal[i].kind == ROLLOUT_RECORD_STOP_DECIDED ||
            sim->journal[i].kind == ROLLOUT_RECORD_ABORT_DECIDED)
            return i + 1;
    return 0;
}

static void check_wave_is_open(Sim *sim, uint32_t index)
{
    SIM_CHECK(sim, I3,
              find_kind(sim, sim->journal_durable, ROLLOUT_RECORD_WAVE_OPENED,
                        sim->plan[index].wave) != 0,
              "shard %u is touched before its wave is open", index);
}

void sim_check_send_run(Sim *sim, uint32_t index, const RolloutShardView *view)
{
    uint32_t dispatch =
        find_dispatch(sim, sim->journal_durable, index, view->generation, view->attempt);
    SIM_CHECK(sim, I4, dispatch != 0,
              "shard %u's order leaves before its record (generation %u attempt %u) is durable",
              index, view->generation, view->attempt);
    uint32_t stop = find_stop(sim);
    if (stop != 0 && view->direction == sim->header.direction)
        SIM_CHECK(sim, I5, dispatch < stop, "shard %u is dispatched after the stop", index);
    check_wave_is_open(sim, index);
}

/* --- what the coordinator decides ------------------------------------------------------------- */

static void check_success(Sim *sim, const RolloutShardRecord *item)
{
    const SimShard *shard = &sim->shards[item->index];
    bool back = item->direction != sim->header.direction;
    for (uint32_t edge = 0; edge < sim_step_count(sim, item->index); edge++) {
        bool applied = false;
        bool taken_back = false;
        for (uint32_t i = 0; i < shard->history_count; i++) {
            if (shard->history[i].edge == edge && !shard->history[i].back)
                applied = true;
            if (shard->history[i].edge == edge && shard->history[i].back)
                taken_back = true;
        }
        if (back)
            SIM_CHECK(sim, I10, !applied || taken_back,
                      "shard %u was reported as taken back, step %u was not", item->index, edge);
        else
            SIM_CHECK(sim, I10, applied, "shard %u was reported as done, step %u is not there",
                      item->index, edge);
    }
}

static bool lists_shard(const RolloutRecord *record, uint32_t index)
{
    for (size_t i = 0; i < record->shard_count; i++) {
        if (record->shards[i].index == index)
            return true;
    }
    return false;
}

static void check_dispatched(Sim *sim, const RolloutRecord *record)
{
    SIM_CHECK(sim, I20, !sim->braked, "shard %u is dispatched under the fleet's brake",
              record->shards[0].index);
    for (size_t i = 0; i < record->shard_count; i++) {
        uint32_t index = record->shards[i].index;
        bool skipped = false;
        SIM_CHECK(sim, I22,
                  sim->window == ROLLOUT_WINDOW_OPEN ||
                      record->shards[i].direction != sim->header.direction,
                  "shard %u is dispatched outside of the windows", index);
        for (uint32_t k = 0; k < sim->journal_count; k++) {
            RolloutRecordKind kind = sim->journal[k].kind;
            if ((kind == ROLLOUT_RECORD_SKIPPED || kind == ROLLOUT_RECORD_RETRIED) &&
                lists_shard(&sim->journal[k], index))
                skipped = kind == ROLLOUT_RECORD_SKIPPED;
        }
        SIM_CHECK(sim, I21, !skipped, "shard %u is dispatched, and was skipped", index);
    }
}

/* Every gate of that moment has let the wave pass, by a record that comes before. */
static void check_gates(Sim *sim, uint32_t wave, uint32_t when)
{
    for (uint32_t gate = 0; gate < sim->header.gate_count; gate++) {
        bool passed = (sim->gates[gate].when & when) == 0;
        for (uint32_t i = 0; i < sim->journal_count && !passed; i++) {
            const RolloutRecord *record = &sim->journal[i];
            passed = record->kind == ROLLOUT_RECORD_GATE_PASSED && record->value == gate &&
                     record->wave == wave && record->setting == when;
        }
        SIM_CHECK(sim, I23, passed, "wave %u goes on, and gate %u has not let it", wave, gate);
    }
}

void sim_check_record(Sim *sim, const RolloutRecord *record, uint32_t in_flight_forward)
{
    switch (record->kind) {
    case ROLLOUT_RECORD_WAVE_OPENED:
        SIM_CHECK(sim, I6,
                  record->wave == 0 || find_kind(sim, sim->journal_durable,
                                                 ROLLOUT_RECORD_WAVE_DONE, record->wave - 1) != 0,
                  "wave %u opens before the end of the one before is durable", record->wave);
        check_gates(sim, record->wave, GATE_BEFORE);
        break;
    case ROLLOUT_RECORD_WAVE_DONE:
        check_gates(sim, record->wave, GATE_AFTER);
        break;
    case ROLLOUT_RECORD_DISPATCHED:
        check_dispatched(sim, record);
        break;
    case ROLLOUT_RECORD_SHARD_ENDED:
        if (record->shards[0].outcome == OUTCOME_SUCCEEDED)
            check_success(sim, &record->shards[0]);
        break;
    case ROLLOUT_RECORD_STOP_DECIDED:
    case ROLLOUT_RECORD_ABORT_DECIDED:
        /* A stop that a crash forgot is decided again at once, one failure later. */
        if (find_stop(sim) == 0 && (!sim->recovering || in_flight_forward > sim->stop_in_flight))
            sim->stop_in_flight = in_flight_forward;
        break;
    default:
        break;
    }
}

static void check_counts(Sim *sim)
{
    RolloutCounts counts;
    rollout_counts(sim->rollout, &counts);
    uint32_t sum = 0;
    uint32_t seen[SHARD_STATE_COUNT] = {0};
    for (uint32_t i = 0; i < sim->header.shard_count; i++) {
        RolloutShardView view;
        rollout_shard(sim->rollout, i, &view);
        seen[view.state]++;
    }
    for (int state = 0; state < SHARD_STATE_COUNT; state++) {
        sum += counts.by_state[state];
        SIM_CHECK(sim, I15, seen[state] == counts.by_state[state], "%u shards are %s, not %u",
                  seen[state], shard_state_name((ShardState)state), counts.by_state[state]);
    }
    SIM_CHECK(sim, I15, sum == sim->header.shard_count, "%u shards are counted", sum);
}

static void check_budget(Sim *sim)
{
    RolloutCounts counts;
    RolloutWaveView wave;
    rollout_counts(sim->rollout, &counts);
    rollout_wave_view(sim->rollout, rollout_wave(sim->rollout), &wave);
    uint32_t over = find_stop(sim) != 0 ? sim->stop_in_flight : 0;
    uint32_t allowed = sim->waves[rollout_wave(sim->rollout)].budget + over;
    SIM_CHECK(sim, I5, wave.counts.failures <= allowed, "%u failed in wave %u, at most %u may",
              wave.counts.failures, rollout_wave(sim->rollout), allowed);
    allowed = sim->header.policy.budget_fleet + over;
    SIM_CHECK(sim, I5, counts.failures <= allowed, "%u failed, at most %u may", counts.failures,
              allowed);
}

static const char *scope_value(const PlanShard *shard, const ScopeBudget *budget)
{
    if (budget->label[0] == '\0')
        return shard->host;
    return shard->labels.count > 0 ? shard->labels.items[0].value : NULL;
}

static bool counts_as_failed(const RolloutShardView *view)
{
    return view->state == SHARD_FAILED || view->state == SHARD_UNREACHABLE ||
           view->state == SHARD_DIVERGED || view->overdue;
}

/* The scope that this shard is in, by a count of its own. */
static void check_scope(Sim *sim, const ScopeBudget *budget, uint32_t of)
{
    const char *value = scope_value(&sim->plan[of], budget);
    uint32_t size = 0;
    uint32_t failed = 0;
    for (uint32_t i = 0; value != NULL && i < sim->header.shard_count; i++) {
        const char *other = scope_value(&sim->plan[i], budget);
        if (other == NULL || strcmp(other, value) != 0)
            continue;
        RolloutShardView view;
        rollout_shard(sim->rollout, i, &view);
        size++;
        failed += counts_as_failed(&view);
    }
    uint32_t allowed = budget->percent ? size * budget->value / 100 : budget->value;
    allowed += find_stop(sim) != 0 ? sim->stop_in_flight : 0;
    SIM_CHECK(sim, I5, failed <= allowed, "%u failed where '%s' is %s, at most %u may", failed,
              budget->label, value, allowed);
}

static void check_scopes(Sim *sim)
{
    for (size_t b = 0; b < sim->header.budget_count; b++) {
        for (uint32_t i = 0; i < sim->header.shard_count && !sim->failed; i++)
            check_scope(sim, &sim->header.budgets[b], i);
    }
}

/* Of shards that share a value of the capped label, how many are in flight. */
static void check_caps(Sim *sim)
{
    const Concurrency *caps = &sim->header.policy.concurrency;
    for (size_t c = 0; c < caps->label_count; c++) {
        for (uint32_t i = 0; i < sim->header.shard_count; i++) {
            const char *value = label_value(&sim->plan[i].labels, caps->labels[c].label);
            uint32_t flying = 0;
            for (uint32_t k = 0; value != NULL && k < sim->header.shard_count; k++) {
                const char *other = label_value(&sim->plan[k].labels, caps->labels[c].label);
                RolloutShardView view;
                rollout_shard(sim->rollout, k, &view);
                flying += view.in_flight && other != NULL && strcmp(other, value) == 0;
            }
            SIM_CHECK(sim, I25, flying <= caps->labels[c].cap,
                      "%u jobs are in flight where %s is %s, at most %u may be", flying,
                      caps->labels[c].label, value, caps->labels[c].cap);
        }
    }
}

/* By its own clock: since nothing was heard or decided, and nothing held the rollout. */
static void check_deadline(Sim *sim)
{
    uint64_t deadline_ms = sim->header.policy.progress_deadline_ms;
    RolloutWaveView wave;
    rollout_wave_view(sim->rollout, rollout_wave(sim->rollout), &wave);
    bool at_work = rollout_state(sim->rollout) == ROLLOUT_RUNNING && wave.state == WAVE_OPEN &&
                   !sim->braked && sim->window == ROLLOUT_WINDOW_OPEN &&
                   (wave.counts.in_flight > 0 || wave.counts.by_state[SHARD_PENDING] >
                                                     wave.counts.skipped + wave.counts.rolled_back);
    if (!at_work)
        sim->still_since_ms = sim->now_ms;
    SIM_CHECK(sim, I24, deadline_ms == 0 || sim->now_ms - sim->still_since_ms <= deadline_ms + 2000,
              "nothing gets on for %llu ms, and it goes on",
              (unsigned long long)(sim->now_ms - sim->still_since_ms));
}

void sim_check_view(Sim *sim)
{
    check_deadline(sim);
    if (sim->step_count % 4 == 0)
        check_caps(sim);
    check_counts(sim);
    check_budget(sim);
    if (sim->step_count % 16 == 0)
        check_scopes(sim);
}

static bool same_shard(const RolloutShardView *a, const RolloutShardView *b)
{
    bool in_flight = a->in_flight;
    return a->state == b->state && a->generation == b->generation && a->attempt == b->attempt &&
           a->direction == b->direction && a->in_flight == b->in_flight &&
           a->overdue == b->overdue && a->rolled_back == b->rolled_back &&
           a->outcome == b->outcome && (in_flight || a->steps_done == b->steps_done) &&
           strcmp(a->code, b->code) == 0 && strcmp(a->message, b->message) == 0 &&
           (a->backup == NULL) == (b->backup == NULL) && strlist_equal(a->rows, b->rows);
}

/* A coordinator that read this journal would believe the same. */
void sim_check_replay(Sim *sim)
{
    Rollout *other = NULL;
    Error error;
    if (sim->rollout == NULL || sim->failed)
        return;
    ErrCode code = rollout_new(&sim->believed, sim->plan, sim->header.shard_count, &other, &error);
    for (uint32_t i = 0; i < sim->journal_count && code == ERR_OK; i++)
        code = rollout_replay(other, &sim->journal[i], &error);
    SIM_CHECK(sim, I12, code == ERR_OK, "the journal can't be replayed: %s", error.message);
    if (!sim->failed && rollout_is_durable(sim->rollout))
        SIM_CHECK(sim, I12, rollout_state(other) == rollout_state(sim->rollout),
                  "replay leads to state %s, not %s", rollout_state_name(rollout_state(other)),
                  rollout_state_name(rollout_state(sim->rollout)));
    for (uint32_t i = 0; i < sim->header.shard_count && !sim->failed; i++) {
        RolloutShardView a, b;
        rollout_shard(sim->rollout, i, &a);
        rollout_shard(other, i, &b);
        SIM_CHECK(sim, I12, same_shard(&a, &b), "replay leads to another shard %u", i);
    }
    rollout_free(other);
}

/* --- what agents do to shards ----------------------------------------------------------------- */

void sim_check_claim(Sim *sim, uint32_t index, uint64_t fence, uint64_t epoch)
{
    const SimShard *shard = &sim->shards[index];
    SIM_CHECK(sim, I9, fence > shard->fence && epoch >= shard->epoch,
              "shard %u is claimed with epoch %llu after %llu", index, (unsigned long long)epoch,
              (unsigned long long)shard->epoch);
    check_wave_is_open(sim, index);
}

void sim_check_step_start(Sim *sim, uint32_t agent, uint32_t index, const JobSpec *spec)
{
    SIM_CHECK(sim, I5, !sim->agents[agent].slots[index].stop_told,
              "agent %u starts a step of shard %u after STOP", agent, index);
    SIM_CHECK(sim, I4,
              find_dispatch(sim, sim->journal_durable, index, spec->generation, spec->attempt) != 0,
              "shard %u starts a step that no durable record allows", index);
}

void sim_check_commit(Sim *sim, const SimSession *session)
{
    const SimShard *shard = &sim->shards[session->shard];
    bool back = session->step.direction != sim->header.direction;
    const PlanShard *plan = &sim->plan[session->shard];
    uint32_t next = back ? shard->level - 1 : shard->level;
    SIM_CHECK(sim, I9, session->fence == shard->fence && session->epoch == shard->epoch,
              "shard %u: a step with an old fence or epoch commits", session->shard);
    SIM_CHECK(sim, I1,
              next < sim_step_count(sim, session->shard) &&
                  (plan->steps.count == 0 ||
                   strcmp(plan->steps.items[next], session->step.revision) == 0),
              "shard %u at %s: step %s is not the next one", session->shard,
              sim_db_rows(sim, session->shard), session->step.revision);
    for (uint32_t i = 0; i < shard->history_count; i++)
        SIM_CHECK(sim, I1,
                  shard->history[i].generation != session->generation ||
                      shard->history[i].number != session->step.number,
                  "shard %u: generation %u step %u is applied twice", session->shard,
                  session->generation, session->step.number);
    SIM_CHECK(sim, I4,
              find_dispatch(sim, sim->journal_durable, session->shard, session->generation, 0) != 0,
              "shard %u: generation %u commits, and no durable record allows it", session->shard,
              session->generation);
    SIM_CHECK(sim, I7, !sim->options.backups || shard->backup, "shard %u has no backup",
              session->shard);
    check_wave_is_open(sim, session->shard);
}

/* --- when it is over -------------------------------------------------------------------------- */

static bool in_scope(const Sim *sim, uint32_t index)
{
    uint32_t wave = rollout_wave(sim->rollout);
    if (sim->header.policy.on_failure == ON_FAILURE_ROLLBACK_ROLLOUT)
        return sim->plan[index].wave <= wave;
    return sim->plan[index].wave == wave;
}

static void check_shard_at_end(Sim *sim, uint32_t index, bool rolled_back)
{
    const SimShard *shard = &sim->shards[index];
    RolloutShardView view;
    rollout_shard(sim->rollout, index, &view);
    bool given_up = view.state == SHARD_ROLLBACK_FAILED || view.state == SHARD_DIVERGED;
    if (view.state == SHARD_CURRENT)
        SIM_CHECK(sim, I10, shard->level == sim_step_count(sim, index),
                  "shard %u is current, its rows are %s", index, sim_db_rows(sim, index));
    if (view.generation == 0)
        SIM_CHECK(sim, I3, shard->level == 0 && shard->fence == 0,
                  "shard %u was touched and never dispatched", index);
    if (view.rolled_back)
        SIM_CHECK(sim, I8, shard->level == 0, "shard %u was rolled back, its rows are %s", index,
                  sim_db_rows(sim, index));
    if (rolled_back && in_scope(sim, index))
        SIM_CHECK(sim, I8, shard->level == 0 || given_up,
                  "shard %u is %s after the rollback, its rows are %s", index,
                  shard_state_name(view.state), sim_db_rows(sim, index));
    SIM_CHECK(sim, I19, shard->locked_by == 0, "shard %u is locked", index);
    SIM_CHECK(sim, I5, !view.in_flight || view.overdue, "shard %u is in flight after the end",
              index);
}

void sim_check_end(Sim *sim)
{
    RolloutState state = rollout_state(sim->rollout);
    bool aborted = false;
    for (uint32_t i = 0; i < sim->journal_count; i++)
        aborted = aborted || sim->journal[i].kind == ROLLOUT_RECORD_ABORT_DECIDED;
    bool rolled_back =
        state == ROLLOUT_ROLLED_BACK ||
        (state == ROLLOUT_HALTED && !aborted && sim->header.policy.on_failure != ON_FAILURE_PAUSE);
    sim_check_replay(sim);
    for (uint32_t i = 0; i < sim->header.shard_count && !sim->failed; i++)
        check_shard_at_end(sim, i, rolled_back);
    if (state == ROLLOUT_SUCCEEDED)
        SIM_CHECK(sim, I6, rollout_wave(sim->rollout) + 1 == sim->header.wave_count,
                  "succeeded in wave %u", rollout_wave(sim->rollout));
    sim_trace(sim, "the end: %s, %s", rollout_state_name(state), rollout_reason(sim->rollout));
}
