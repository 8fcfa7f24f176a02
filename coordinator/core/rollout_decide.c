/*
 * What follows from the state: stops, waves, what is taken back, dispatch. rollout_advance() is run
 * after every event; each decision in it is made once, because its record changes the state it was
 * made from, so running it again decides nothing new.
 */
#include "rollout_state.h"

#include <stdlib.h>
#include <string.h>

enum { SHARDS_PER_RECORD = 1000 };

void rollout_decide(RolloutStep *step, RolloutRecord record)
{
    Rollout *r = step->rollout;
    Error error;
    record.at_unix_ms = step->unix_ms;
    record.number = r->decided + 1;
    if (record.who == NULL)
        record.who = "";
    if (record.reason == NULL)
        record.reason = "";
    ErrCode code = rollout_apply(r, &record, &error);
    INVARIANT(I12, code == ERR_OK); /* what is decided can be replayed */
    RolloutRecord *copy = arena_memdup(step->effects->arena, &record, sizeof record);
    rollout_effect_add(step->effects,
                       (RolloutEffect){.kind = ROLLOUT_EFFECT_PERSIST, .record = copy});
    step->changed = true;
}

static void fill_shard(const Rollout *r, RolloutRecordKind kind, uint32_t index,
                       RolloutShardRecord *item)
{
    const RolloutShard *shard = &r->shards[index];
    item->index = index;
    item->generation = shard->generation;
    item->direction = (Direction)shard->direction;
    item->attempt = shard->attempt;
    if (kind == ROLLOUT_RECORD_DISPATCHED) {
        item->generation = shard->generation == 0 ? 1 : shard->generation;
        item->attempt = shard->attempt + 1;
    } else if (kind == ROLLOUT_RECORD_TAKE_BACK) {
        item->generation = shard->generation + 1;
        item->attempt = 0;
        item->direction =
            shard->direction == DIRECTION_UPGRADE ? DIRECTION_DOWNGRADE : DIRECTION_UPGRADE;
    }
}

void rollout_decide_shards(RolloutStep *step, RolloutRecordKind kind, const uint32_t *shards,
                           size_t count)
{
    while (count > 0) {
        size_t part = count < SHARDS_PER_RECORD ? count : SHARDS_PER_RECORD;
        RolloutShardRecord *items = ARENA_ARRAY(step->effects->arena, RolloutShardRecord, part);
        for (size_t i = 0; i < part; i++)
            fill_shard(step->rollout, kind, shards[i], &items[i]);
        rollout_decide(step, (RolloutRecord){.kind = kind,
                                             .wave = step->rollout->wave,
                                             .shards = items,
                                             .shard_count = part});
        shards += part;
        count -= part;
    }
}

static int compare_indices(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

/* --- stopping ------------------------------------------------------------------------------- */

void rollout_begin_drain(RolloutStep *step, bool forward_only)
{
    Rollout *r = step->rollout;
    r->stop_due = true;
    r->stop_after = r->decided;
    uint32_t *recalled = ARENA_ARRAY(step->effects->arena, uint32_t, r->in_flight);
    size_t count = 0;
    for (uint32_t i = 0; i < r->in_flight; i++)
        if (!r->shards[r->flying[i]].sent && !(forward_only && r->shards[r->flying[i]].back))
            recalled[count++] = r->flying[i];
    qsort(recalled, count, sizeof *recalled, compare_indices);
    rollout_decide_shards(step, ROLLOUT_RECORD_RECALLED, recalled, count);
}

/* A budget, or the patience with a wave in which nothing gets on. */
static void stop_over_budget(RolloutStep *step)
{
    Rollout *r = step->rollout;
    if ((r->state != ROLLOUT_RUNNING && r->state != ROLLOUT_PAUSED) || !r->wave_opened)
        return;
    const char *reason = rollout_budget_exceeded(r, step->effects->arena);
    if (reason == NULL)
        reason = rollout_progress_exceeded(r, step->effects->arena);
    if (reason == NULL)
        return;
    rollout_decide(step, (RolloutRecord){.kind = ROLLOUT_RECORD_STOP_DECIDED,
                                         .wave = r->wave,
                                         .state = ROLLOUT_HALTED,
                                         .reason = reason});
    rollout_begin_drain(step, false);
}

static void finish_abort(RolloutStep *step)
{
    Rollout *r = step->rollout;
    if (!r->aborting || r->in_flight > r->in_flight_overdue)
        return;
    const char *reason = r->reason;
    if (r->in_flight_overdue > 0)
        reason = arena_printf(step->effects->arena, "%s%s%u in doubt, not read yet", reason,
                              reason[0] != '\0' ? "; " : "", r->in_flight_overdue);
    rollout_decide(step, (RolloutRecord){.kind = ROLLOUT_RECORD_STATE,
                                         .wave = r->wave,
                                         .state = ROLLOUT_ABORTED,
                                         .who = r->who,
                                         .reason = reason});
}

/* --- taking back ---------------------------------------------------------------------------- */

static bool in_policy_scope(const Rollout *r, uint32_t index)
{
    uint32_t wave = r->plan[index].wave;
    if (r->header->policy.on_failure == ON_FAILURE_ROLLBACK_ROLLOUT)
        return wave <= r->wave;
    return wave == r->wave;
}

/* The policy's right to roll back a shard ends some time after its first step. */
static bool is_too_late(const Rollout *r, const RolloutShard *shard, uint64_t unix_ms)
{
    uint64_t until_ms = r->header->policy.rollback_until_ms;
    return until_ms != 0 && unix_ms > shard->first_unix_ms &&
           unix_ms - shard->first_unix_ms > until_ms;
}

/* A diverged shard is nobody's to move: it is reported, and quarantined by its state. */
static bool can_take_back(const Rollout *r, const RolloutShard *shard, uint64_t unix_ms)
{
    return !shard->in_flight && !shard->back && (shard->changed || shard->unsure) &&
           shard->state != SHARD_DIVERGED && shard->state != SHARD_ROLLBACK_FAILED &&
           !is_too_late(r, shard, unix_ms);
}

void rollout_after_end(RolloutStep *step, uint32_t index)
{
    Rollout *r = step->rollout;
    const RolloutShard *shard = &r->shards[index];
    if (r->aborting || !can_take_back(r, shard, step->unix_ms))
        return;
    bool each = r->header->policy.on_shard_failure == ON_SHARD_FAILURE_ROLLBACK && shard->failed;
    bool policy = r->state == ROLLOUT_ROLLING_BACK && in_policy_scope(r, index);
    if (each || policy)
        rollout_decide_shards(step, ROLLOUT_RECORD_TAKE_BACK, &index, 1);
}

static void act_on_policy(RolloutStep *step)
{
    Rollout *r = step->rollout;
    if (r->state != ROLLOUT_HALTED || r->aborting || r->policy_done ||
        r->header->policy.on_failure == ON_FAILURE_PAUSE || rollout_forward_active(r) > 0)
        return;
    uint32_t end = r->waves[r->wave].first + r->waves[r->wave].count;
    uint32_t *shards = ARENA_ARRAY(step->effects->arena, uint32_t, end);
    size_t count = 0;
    for (uint32_t i = 0; i < end; i++)
        if (in_policy_scope(r, i) && can_take_back(r, &r->shards[i], step->unix_ms))
            shards[count++] = i;
    rollout_decide_shards(step, ROLLOUT_RECORD_TAKE_BACK, shards, count);
    r->rolling_since_ms = step->now_ms;
    rollout_decide(step, (RolloutRecord){.kind = ROLLOUT_RECORD_STATE,
                                         .wave = r->wave,
                                         .state = ROLLOUT_ROLLING_BACK,
                                         .reason = r->reason});
}

static void finish_rolling_back(RolloutStep *step)
{
    Rollout *r = step->rollout;
    if (r->state != ROLLOUT_ROLLING_BACK || r->back_unsettled > 0 ||
        r->in_flight > r->in_flight_back)
        return;
    uint32_t left = 0;
    for (uint32_t i = 0; i < r->shard_count && r->plan[i].wave <= r->wave; i++) {
        const RolloutShard *shard = &r->shards[i];
        bool stands = shard->changed || shard->unsure || shard->state == SHARD_ROLLBACK_FAILED;
        left += in_policy_scope(r, i) && stands;
    }
    const char *reason = r->reason;
    if (left > 0)
        reason =
            arena_printf(step->effects->arena, "%s; %u could not be rolled back", reason, left);
    rollout_decide(step, (RolloutRecord){.kind = ROLLOUT_RECORD_STATE,
                                         .wave = r->wave,
                                         .state = left > 0 ? ROLLOUT_HALTED : ROLLOUT_ROLLED_BACK,
                                         .reason = reason});
}

/* --- waves ---------------------------------------------------------------------------------- */

static void decide_wave(RolloutStep *step, RolloutRecordKind kind, uint32_t wave)
{
    rollout_decide(step, (RolloutRecord){.kind = kind, .wave = wave});
}

/* A plan that goes back was made for the very shards it names: those that it could not bring back
 * are left to a person, whatever the budget allowed to be tried. */
static bool halt_short(RolloutStep *step)
{
    Rollout *r = step->rollout;
    bool restores = r->header->direction == DIRECTION_RESTORE;
    if (r->failures == 0 || (!restores && uuid_is_nil(&r->header->rollback_of)))
        return false;
    const char *reason = arena_printf(step->effects->arena, "%u of %u could not be %s", r->failures,
                                      r->shard_count, restores ? "restored" : "rolled back");
    rollout_decide(step, (RolloutRecord){.kind = ROLLOUT_RECORD_STOP_DECIDED,
                                         .wave = r->wave,
                                         .state = ROLLOUT_HALTED,
                                         .reason = reason});
    return true;
}

static void succeed(RolloutStep *step)
{
    Rollout *r = step->rollout;
    const char *reason = "";
    if (halt_short(step))
        return;
    if (r->failures > 0)
        reason = arena_printf(step->effects->arena,
                              "%u of %u failed and were left behind, within the budget",
                              r->failures, r->shard_count);
    rollout_decide(step, (RolloutRecord){.kind = ROLLOUT_RECORD_STATE,
                                         .wave = r->wave,
                                         .state = ROLLOUT_SUCCEEDED,
                                         .reason = reason});
}

/* Shards of waves that were done, at work again because an operator had them retried. */
static bool retries_left(const Rollout *r)
{
    return r->forward_wanted > 0 || r->in_flight > 0 || r->back_unsettled > 0;
}

/* One move of the open wave; false when there is none. */
static bool move_wave(RolloutStep *step)
{
    Rollout *r = step->rollout;
    if (!r->wave_opened) {
        if (!rollout_gates_pass(step, 0, GATE_BEFORE))
            return false;
        decide_wave(step, ROLLOUT_RECORD_WAVE_OPENED, 0);
        return true;
    }
    RolloutWave *wave = &r->waves[r->wave];
    bool last = r->wave + 1 == r->wave_count;
    switch (wave->state) {
    case WAVE_OPEN:
        if (wave->unsettled > 0)
            return false;
        if (last || rollout_wave_bake_ms(r, r->wave) == 0) {
            if (!rollout_gates_pass(step, r->wave, GATE_AFTER))
                return false;
            decide_wave(step, ROLLOUT_RECORD_WAVE_DONE, r->wave);
            return true;
        }
        wave->bake_until_ms = step->now_ms + rollout_wave_bake_ms(r, r->wave);
        decide_wave(step, ROLLOUT_RECORD_WAVE_BAKING, r->wave);
        return true;
    case WAVE_BAKING:
        if (step->now_ms < wave->bake_until_ms || !rollout_gates_pass(step, r->wave, GATE_AFTER))
            return false;
        decide_wave(step, ROLLOUT_RECORD_WAVE_DONE, r->wave);
        return true;
    case WAVE_DONE:
        if (retries_left(r))
            return false;
        if (last) {
            succeed(step);
            return false;
        }
        if (r->durable < r->wave_done_number)
            return false; /* the next one opens when this one's end can't be forgotten */
        INVARIANT(I6, wave->unsettled == 0 && r->durable >= r->wave_done_number);
        if (!rollout_gates_pass(step, r->wave + 1, GATE_BEFORE))
            return false;
        decide_wave(step, ROLLOUT_RECORD_WAVE_OPENED, r->wave + 1);
        return true;
    case WAVE_WAITING:
        break;
    }
    return false;
}

/* --- dispatch ------------------------------------------------------------------------------- */

static uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Jobs that may still be started in the fleet, forward ones when `forward`. */
static uint32_t free_slots(const Rollout *r, bool forward)
{
    uint32_t cap = r->concurrency.fleet;
    uint32_t used = r->in_flight - r->in_flight_overdue;
    uint32_t slots = cap == 0 ? r->shard_count : cap > used ? cap - used : 0;
    if (!forward || r->failures == 0)
        return slots;
    /* Once something has failed, no more at a time than would spend the budget and stop. */
    uint32_t wave_failures = r->waves[r->wave].failures;
    uint32_t wave_budget = rollout_wave_budget(r, r->wave);
    uint32_t fleet_budget = r->limits.budget_fleet;
    if (wave_failures > wave_budget || r->failures > fleet_budget)
        return 0;
    uint32_t left = min_u32(wave_budget - wave_failures, fleet_budget - r->failures);
    uint32_t active = rollout_forward_active(r);
    uint32_t narrowed = left >= active ? left - active + 1 : 0;
    return min_u32(slots, narrowed);
}

static bool has_room(uint32_t cap, uint32_t load)
{
    return cap == 0 || load < cap;
}

/* Its agent is there and none of its caps is reached, with those picked in this round. */
static bool can_start(const Rollout *r, const RolloutShard *shard)
{
    const Concurrency *cap = &r->concurrency;
    return rollout_caps_have_room(r, (uint32_t)(shard - r->shards)) && r->agents[shard->agent].up &&
           has_room(cap->host, r->host_load[shard->host]) &&
           has_room(cap->cluster, r->cluster_load[shard->cluster]) &&
           has_room(cap->database, r->database_load[shard->database]);
}

static void count_load(Rollout *r, const RolloutShard *shard, uint32_t change)
{
    r->host_load[shard->host] += change;
    r->cluster_load[shard->cluster] += change;
    r->database_load[shard->database] += change;
    rollout_caps_count(r, (uint32_t)(shard - r->shards), change);
}

/* The wanted shards that may start now, in plan order. */
static size_t pick(Rollout *r, bool forward, uint32_t slots, uint32_t *picked)
{
    uint32_t *next = forward ? &r->next_forward : &r->next_back;
    uint32_t wanted = forward ? r->forward_wanted : r->back_unsettled - r->in_flight_back;
    uint32_t end = r->waves[r->wave].first + r->waves[r->wave].count;
    bool first = true;
    size_t count = 0;
    for (uint32_t i = *next; i < end && count < slots && wanted > 0; i++) {
        const RolloutShard *shard = &r->shards[i];
        if (!shard->wanted || shard->back == forward)
            continue;
        if (first)
            *next = i;
        first = false;
        wanted--;
        if (!can_start(r, shard) || (forward && !rollout_scopes_have_room(r, i)))
            continue;
        INVARIANT(I3, r->waves[r->plan[i].wave].state != WAVE_WAITING);
        count_load(r, shard, 1);
        if (forward)
            rollout_scopes_count_flying(r, i, 1);
        picked[count++] = i;
    }
    for (size_t i = 0; i < count; i++) {
        count_load(r, &r->shards[picked[i]], -1u);
        if (forward)
            rollout_scopes_count_flying(r, picked[i], -1u);
    }
    return count;
}

static void dispatch(RolloutStep *step, bool forward)
{
    Rollout *r = step->rollout;
    uint32_t wanted = forward ? r->forward_wanted : r->back_unsettled - r->in_flight_back;
    uint32_t slots = min_u32(free_slots(r, forward), wanted);
    if (slots == 0 || r->braked || (forward && r->window != ROLLOUT_WINDOW_OPEN))
        return;
    INVARIANT(I5, !forward || !r->stop_decided);
    uint32_t *picked = ARENA_ARRAY(step->effects->arena, uint32_t, slots);
    size_t count = pick(r, forward, slots, picked);
    if (count == 0)
        return;
    rollout_decide_shards(step, ROLLOUT_RECORD_DISPATCHED, picked, count);
    for (size_t i = 0; i < count; i++) {
        r->shards[picked[i]].heard_ms = step->now_ms;
        r->shards[picked[i]].sent_ms = step->now_ms;
        rollout_send_later(r, picked[i], r->decided);
    }
}

void rollout_advance(RolloutStep *step)
{
    Rollout *r = step->rollout;
    if (rollout_state_is_terminal(r->state))
        return;
    stop_over_budget(step);
    finish_abort(step);
    act_on_policy(step);
    if (r->state == ROLLOUT_RUNNING)
        while (move_wave(step)) {
        }
    rollout_gates_watch(step);
    bool halted = r->state == ROLLOUT_HALTED && !r->policy_done && !rollout_is_draining(r);
    if (r->wave_opened &&
        (r->state == ROLLOUT_RUNNING || r->state == ROLLOUT_ROLLING_BACK || halted))
        dispatch(step, false);
    if (r->wave_opened && r->state == ROLLOUT_RUNNING)
        dispatch(step, true);
    finish_rolling_back(step);
}

/* --- deadlines ------------------------------------------------------------------------------ */

static bool is_overdue(const Rollout *r, const RolloutShard *shard, uint64_t now_ms)
{
    uint64_t since_ms = shard->heard_ms;
    if (shard->known_to_probe && shard->probing_ms < since_ms)
        since_ms = shard->probing_ms;
    return now_ms >= since_ms && now_ms - since_ms >= rollout_deadline_ms(r);
}

/* Nobody can say where a shard that is being taken back stands: it is left to a person. */
static void give_up_rollback(RolloutStep *step, uint32_t index)
{
    RolloutShardRecord *item = ARENA_NEW(step->effects->arena, RolloutShardRecord);
    fill_shard(step->rollout, ROLLOUT_RECORD_SHARD_ENDED, index, item);
    item->outcome = OUTCOME_ROLLBACK_FAILED;
    item->steps_done = step->rollout->shards[index].steps_done;
    item->code = err_code_name(ERR_UNKNOWN);
    item->message = "in doubt past the deadline while it was to be rolled back";
    rollout_decide(step, (RolloutRecord){.kind = ROLLOUT_RECORD_SHARD_ENDED,
                                         .wave = step->rollout->plan[index].wave,
                                         .shards = item,
                                         .shard_count = 1});
}

static void look_at_one(RolloutStep *step, uint32_t index, uint32_t *overdue, size_t *overdue_count)
{
    Rollout *r = step->rollout;
    RolloutShard *shard = &r->shards[index];
    uint64_t now_ms = step->now_ms;
    if (shard->back && is_overdue(r, shard, now_ms)) {
        give_up_rollback(step, index);
        return;
    }
    if (!shard->back && !shard->overdue && is_overdue(r, shard, now_ms)) {
        overdue[(*overdue_count)++] = index;
    } else if (shard->overdue && r->state == ROLLOUT_ROLLING_BACK &&
               now_ms - r->rolling_since_ms >= rollout_deadline_ms(r)) {
        give_up_rollback(step, index);
        return;
    }
    uint64_t last_ms = shard->heard_ms > shard->sent_ms ? shard->heard_ms : shard->sent_ms;
    if (shard->sent && r->agents[shard->agent].up && now_ms - last_ms >= ROLLOUT_RESEND_MS) {
        shard->sent_ms = now_ms;
        rollout_send_later(r, index, r->decided);
    }
}

void rollout_look_at_flying(RolloutStep *step)
{
    Rollout *r = step->rollout;
    size_t count = r->in_flight;
    uint32_t *flying = arena_memdup(step->effects->arena, r->flying, count * sizeof *flying);
    qsort(flying, count, sizeof *flying, compare_indices);
    uint32_t *overdue = ARENA_ARRAY(step->effects->arena, uint32_t, count);
    size_t overdue_count = 0;
    for (size_t i = 0; i < count; i++)
        look_at_one(step, flying[i], overdue, &overdue_count);
    rollout_decide_shards(step, ROLLOUT_RECORD_SHARD_OVERDUE, overdue, overdue_count);
    bool closed = r->window == ROLLOUT_WINDOW_CLOSED && rollout_forward_active(r) > 0;
    if ((rollout_is_draining(r) || closed) && r->in_flight > 0 &&
        step->now_ms - r->stop_sent_ms >= ROLLOUT_STOP_RESEND_MS)
        r->stop_due = true;
}
