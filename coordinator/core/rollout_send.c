/*
 * The way out. Orders wait in one queue, in the order of the records that allow them, and leave it
 * when their record is durable; nothing else makes a SEND.
 */
#include "named_limits.h"
#include "rollout_state.h"

#include <stdlib.h>

void rollout_effect_add(RolloutEffects *effects, RolloutEffect effect)
{
    if (effects->count == effects->capacity) {
        size_t capacity = effects->capacity == 0 ? 8 : effects->capacity * 2;
        effects->items = arena_grow(effects->arena, effects->items, effects->count, capacity,
                                    sizeof *effects->items);
        effects->capacity = capacity;
    }
    effects->items[effects->count++] = effect;
}

void rollout_send_later(Rollout *r, uint32_t shard, uint64_t after)
{
    INVARIANT(I4, after <= r->decided);
    if (r->due_head > 0 && r->due_head == r->due_count)
        r->due_head = r->due_count = 0;
    INVARIANT(I4, r->due_count == r->due_head || r->due[r->due_count - 1].after <= after);
    if (r->due_count == r->due_capacity) {
        r->due_capacity = r->due_capacity == 0 ? 64 : r->due_capacity * 2;
        r->due = xrealloc(r->due, r->due_capacity * sizeof *r->due);
    }
    r->due[r->due_count++] =
        (DueSend){after, shard, r->shards[shard].generation, r->shards[shard].attempt};
}

typedef struct Order {
    uint32_t agent;
    uint32_t shard;
} Order;

static int compare_orders(const void *left, const void *right)
{
    const Order *a = left;
    const Order *b = right;
    if (a->agent != b->agent)
        return a->agent < b->agent ? -1 : 1;
    return a->shard < b->shard ? -1 : a->shard > b->shard;
}

/* The orders whose record is durable and whose agent is there, by agent. */
static size_t take_due(RolloutStep *step, Order **ret_orders)
{
    Rollout *r = step->rollout;
    size_t end = r->due_head;
    while (end < r->due_count && r->due[end].after <= r->durable)
        end++;
    Order *orders = ARENA_ARRAY(step->effects->arena, Order, end - r->due_head);
    size_t count = 0;
    for (; r->due_head < end; r->due_head++) {
        const DueSend *due = &r->due[r->due_head];
        const RolloutShard *shard = &r->shards[due->shard];
        bool current = shard->in_flight && shard->generation == due->generation &&
                       shard->attempt == due->attempt;
        if (current && r->agents[shard->agent].up) /* else AGENT_UP sends again */
            orders[count++] = (Order){shard->agent, due->shard};
    }
    qsort(orders, count, sizeof *orders, compare_orders);
    *ret_orders = orders;
    return count;
}

/* Forward jobs in doubt past their deadline hold nothing up, but they too do not go on. */
static bool must_stop(const Rollout *r, const RolloutShard *shard)
{
    bool forward_ended = r->state == ROLLOUT_ROLLING_BACK || r->state == ROLLOUT_HALTED;
    bool held = forward_ended || r->window == ROLLOUT_WINDOW_CLOSED;
    return rollout_is_draining(r) || (held && !shard->back);
}

static size_t send_one_agent(RolloutStep *step, const Order *orders, size_t count)
{
    Rollout *r = step->rollout;
    uint32_t *shards = ARENA_ARRAY(step->effects->arena, uint32_t, LIMIT_SHARD_ORDERS_PER_COMMAND);
    size_t taken = 0;
    size_t used = 0;
    while (used < count && orders[used].agent == orders[0].agent &&
           taken < LIMIT_SHARD_ORDERS_PER_COMMAND) {
        uint32_t index = orders[used++].shard;
        if (taken > 0 && shards[taken - 1] == index)
            continue; /* asked for twice */
        RolloutShard *shard = &r->shards[index];
        shard->sent = true;
        shard->sent_ms = step->now_ms;
        if (must_stop(r, shard))
            r->agents[shard->agent].stop_due = true;
        shards[taken++] = index;
    }
    rollout_effect_add(step->effects, (RolloutEffect){.kind = ROLLOUT_EFFECT_SEND_RUN,
                                                      .run = {orders[0].agent, shards, taken}});
    return used;
}

void rollout_flush_sends(RolloutStep *step)
{
    Rollout *r = step->rollout;
    Order *orders = NULL;
    size_t count = take_due(step, &orders);
    for (size_t at = 0; at < count;)
        at += send_one_agent(step, orders + at, count - at);
    if (r->stop_after > r->durable || rollout_state_is_terminal(r->state))
        return;
    if (r->stop_due) {
        for (uint32_t i = 0; i < r->in_flight; i++) {
            const RolloutShard *shard = &r->shards[r->flying[i]];
            if (must_stop(r, shard) && shard->sent && r->agents[shard->agent].up)
                r->agents[shard->agent].stop_due = true;
        }
        r->stop_due = false;
        r->stop_sent_ms = step->now_ms;
    }
    uint32_t agent_count = names_count(r->agent_names);
    for (uint32_t i = 0; i < agent_count; i++) {
        if (!r->agents[i].stop_due)
            continue;
        r->agents[i].stop_due = false;
        rollout_effect_add(step->effects, (RolloutEffect){.kind = ROLLOUT_EFFECT_SEND_STOP,
                                                          .stop = {i, r->reason}});
    }
}

void rollout_set_timer(RolloutStep *step)
{
    Rollout *r = step->rollout;
    uint64_t at_ms = 0;
    if (!rollout_state_is_terminal(r->state) && r->in_flight > 0) {
        if (r->tick_at_ms <= step->now_ms)
            r->tick_at_ms = step->now_ms + ROLLOUT_TICK_MS;
        at_ms = r->tick_at_ms;
    }
    const RolloutWave *wave = &r->waves[r->wave];
    if (r->state == ROLLOUT_RUNNING && r->wave_opened && wave->state == WAVE_BAKING &&
        wave->bake_until_ms > step->now_ms && (at_ms == 0 || wave->bake_until_ms < at_ms))
        at_ms = wave->bake_until_ms;
    uint64_t progress_ms = rollout_progress_timer(r, step->now_ms);
    if (progress_ms != 0 && (at_ms == 0 || progress_ms < at_ms))
        at_ms = progress_ms;
    uint64_t gate_ms = rollout_gates_timer(r, step->now_ms);
    if (gate_ms != 0 && (at_ms == 0 || gate_ms < at_ms))
        at_ms = gate_ms;
    if (at_ms == r->timer_ms)
        return;
    r->timer_ms = at_ms;
    rollout_effect_add(step->effects,
                       (RolloutEffect){.kind = ROLLOUT_EFFECT_TIMER, .at_ms = at_ms});
}
