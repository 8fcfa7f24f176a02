/*
 * The progress deadline: a rollout at work in which nothing gets on for so long stops, and its
 * policy acts. The clock stands still while there is a reason to wait: paused, braked, outside of
 * the windows, baking, at a gate. It begins anew with the process.
 */
#include "rollout_state.h"

/* What counts as further on: each step done, and within one the first time that it connects, backs
 * up, runs. A job that tries for the same lock again and again gets nowhere. */
static uint32_t reach_of(const RolloutShard *shard)
{
    uint32_t within = shard->phase == PHASE_STEP       ? 3
                      : shard->phase == PHASE_BACKUP   ? 2
                      : shard->phase == PHASE_CLAIMING ? 1
                                                       : 0;
    return shard->steps_done * 4 + within;
}

void rollout_progress_made(Rollout *r)
{
    r->progress_ms = 0;
}

void rollout_progress_reported(Rollout *r, RolloutShard *shard)
{
    uint32_t reach = reach_of(shard);
    if (reach <= shard->reached)
        return;
    shard->reached = reach;
    rollout_progress_made(r);
}

void rollout_progress_count(Rollout *r, uint64_t now_ms)
{
    if (r->progress_runs && now_ms > r->progress_at_ms)
        r->progress_ms += now_ms - r->progress_at_ms;
    r->progress_at_ms = now_ms;
}

void rollout_progress_look(Rollout *r)
{
    bool work = r->forward_wanted > 0 || r->in_flight > 0 || r->back_unsettled > 0;
    bool runs = r->state == ROLLOUT_RUNNING && r->wave_opened && work && !r->braked &&
                r->window == ROLLOUT_WINDOW_OPEN;
    if (runs && !r->progress_runs)
        rollout_progress_made(r); /* what held it back is over */
    r->progress_runs = runs;
}

const char *rollout_progress_exceeded(const Rollout *r, Arena *arena)
{
    uint32_t deadline_ms = r->header->policy.progress_deadline_ms;
    if (deadline_ms == 0 || !r->progress_runs || r->progress_ms < deadline_ms)
        return NULL;
    return arena_printf(arena, "no shard of wave %s has got on for %llu s",
                        r->header->waves[r->wave].name,
                        (unsigned long long)(r->progress_ms / 1000));
}

uint64_t rollout_progress_timer(const Rollout *r, uint64_t now_ms)
{
    uint32_t deadline_ms = r->header->policy.progress_deadline_ms;
    if (deadline_ms == 0 || !r->progress_runs)
        return 0;
    return r->progress_ms < deadline_ms ? now_ms + deadline_ms - r->progress_ms : now_ms + 1;
}
