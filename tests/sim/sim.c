#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* xoshiro256** */
static uint64_t rotate_left(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static uint64_t next_random(Sim *sim)
{
    uint64_t *s = sim->random;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t sim_random(Sim *sim, uint64_t below)
{
    return below == 0 ? 0 : next_random(sim) % below;
}

bool sim_chance(Sim *sim, uint32_t percent)
{
    return sim_random(sim, 100) < percent;
}

static void seed_random(Sim *sim)
{
    uint64_t state = sim->seed;
    for (int i = 0; i < 4; i++) { /* splitmix64 */
        state += 0x9e3779b97f4a7c15u;
        uint64_t z = state;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        sim->random[i] = z ^ (z >> 31);
    }
}

/* --- queue: a binary heap by (time, order of asking) ----------------------------------------- */

static bool is_before(const SimItem *a, const SimItem *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->sequence < b->sequence;
}

static void swap_items(SimItem *a, SimItem *b)
{
    SimItem item = *a;
    *a = *b;
    *b = item;
}

void sim_later(Sim *sim, uint64_t delay_ms, SimAction *action, SimArgs args)
{
    if (sim->heap_count == sim->heap_capacity) {
        sim->heap_capacity = sim->heap_capacity == 0 ? 256 : sim->heap_capacity * 2;
        sim->heap = xrealloc(sim->heap, sim->heap_capacity * sizeof *sim->heap);
    }
    size_t at = sim->heap_count++;
    sim->heap[at] = (SimItem){sim->now_ms + delay_ms, ++sim->sequence, action, args};
    for (; at > 0 && is_before(&sim->heap[at], &sim->heap[(at - 1) / 2]); at = (at - 1) / 2)
        swap_items(&sim->heap[at], &sim->heap[(at - 1) / 2]);
}

static SimItem take_first(Sim *sim)
{
    SimItem first = sim->heap[0];
    sim->heap[0] = sim->heap[--sim->heap_count];
    size_t at = 0;
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2; child++)
            if (child < sim->heap_count && is_before(&sim->heap[child], &sim->heap[least]))
                least = child;
        if (least == at)
            return first;
        swap_items(&sim->heap[at], &sim->heap[least]);
        at = least;
    }
}

/* --- trace ------------------------------------------------------------------------------------ */

void sim_trace(Sim *sim, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    int length = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (length >= (int)sizeof text)
        length = (int)sizeof text - 1;
    uint64_t hash = sim->trace_hash ^ sim->now_ms;
    for (int i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * 1099511628211u;
    sim->trace_hash = hash;
    if (sim->verbose)
        printf("[%8llu] %s\n", (unsigned long long)sim->now_ms, text);
}

void sim_fail(Sim *sim, const char *fmt, ...)
{
    if (sim->failed)
        return;
    sim->failed = true;
    va_list args;
    va_start(args, fmt);
    vsnprintf(sim->failure, sizeof sim->failure, fmt, args);
    va_end(args);
    if (sim->verbose)
        printf("[%8llu] FAILED %s\n", (unsigned long long)sim->now_ms, sim->failure);
}

/* --- one run ---------------------------------------------------------------------------------- */

static void make_world(Sim *sim)
{
    seed_random(sim);
    sim->arena = arena_new();
    sim->now_ms = 1000;
    sim->trace_hash = 1469598103934665603u;
    sim->sessions = xcalloc(SIM_SESSIONS_MAX, sizeof *sim->sessions);
    sim->journal = xcalloc(SIM_RECORDS_MAX, sizeof *sim->journal);
    sim_make_options(sim);
    sim_make_plan(sim);
}

static void drop_world(Sim *sim)
{
    rollout_free(sim->rollout);
    for (uint32_t agent = 0; agent < SIM_AGENTS_MAX; agent++)
        for (uint32_t i = 0; i < SIM_SHARDS_MAX; i++)
            job_free(sim->agents[agent].slots[i].job);
    free(sim->sessions);
    free(sim->journal);
    free(sim->heap);
    arena_free(sim->arena);
}

static bool is_quiet(const Sim *sim)
{
    if (!sim_coord_is_over(sim))
        return false;
    for (uint32_t agent = 0; agent < sim->options.agents; agent++)
        if (!sim_agent_is_idle(sim, agent))
            return false;
    return true;
}

/* Two phases: first anything may happen, and nothing wrong may come of it; then everything is
 * healed, and the rollout must come to an end. */
void sim_run(Sim *sim)
{
    make_world(sim);
    for (uint32_t agent = 0; agent < sim->options.agents; agent++)
        sim_agent_start(sim, agent);
    sim_coord_start(sim);
    sim_start_chaos(sim);
    uint64_t end_ms = sim->now_ms + sim->options.chaos_ms + SIM_SETTLE_MS;
    uint64_t quiet_ms = 0;
    while (!sim->failed && sim->heap_count > 0) {
        SimItem item = take_first(sim);
        sim->now_ms = item.at_ms;
        sim->event_count++;
        item.action(sim, &item.args);
        if (!sim->healed)
            continue;
        if (!is_quiet(sim))
            quiet_ms = 0;
        else if (quiet_ms == 0)
            quiet_ms = sim->now_ms;
        /* A while longer: what was forgotten somewhere may still turn up. */
        if (quiet_ms != 0 && sim->now_ms - quiet_ms > 60000)
            break;
        if (sim->now_ms > end_ms)
            sim_fail(sim, "liveness: the rollout did not end");
    }
    if (!sim->failed)
        sim_check_end(sim);
    drop_world(sim);
}
