#include "rehearsal.h"

#include <string.h>

const RehearsedStep *rehearsal_find(const RehearsalPlan *rehearsal, const char *revision)
{
    for (size_t i = 0; i < rehearsal->step_count; i++) {
        if (strcmp(rehearsal->steps[i].revision, revision) == 0)
            return &rehearsal->steps[i];
    }
    return NULL;
}

/* Lists of steps are nearly always in one order: the search goes on where the last one ended. */
static const RehearsedStep *find_behind(const RehearsalPlan *rehearsal, const char *revision,
                                        size_t *at)
{
    for (size_t i = 0; i < rehearsal->step_count; i++) {
        const RehearsedStep *step = &rehearsal->steps[(*at + i) % rehearsal->step_count];
        if (strcmp(step->revision, revision) != 0)
            continue;
        *at = (*at + i + 1) % rehearsal->step_count;
        return step;
    }
    return NULL;
}

RehearsalPlan rehearsal_pick(Arena *arena, const RehearsalPlan *rehearsal, const StrList *steps)
{
    RehearsalPlan picked = *rehearsal;
    size_t at = 0;
    picked.steps = ARENA_ARRAY(arena, RehearsedStep, steps->count + 1);
    picked.step_count = 0;
    for (size_t i = 0; i < steps->count; i++) {
        const RehearsedStep *step = find_behind(rehearsal, steps->items[i], &at);
        if (step != NULL)
            picked.steps[picked.step_count++] = *step;
    }
    return picked;
}

/* Figures are an author's: what they give may be too large for any count. */
static uint64_t clamped(double ms)
{
    return ms < (double)REHEARSAL_MS_MAX ? (uint64_t)ms : REHEARSAL_MS_MAX;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t scale(const RehearsalPlan *rehearsal, const RehearsedStep *step, uint64_t ms,
                      uint64_t size_bytes)
{
    bool grows = strcmp(step->work, "instant") != 0;
    if (!grows || rehearsal->size_bytes == 0 || size_bytes == 0)
        return smaller(ms, REHEARSAL_MS_MAX);
    return clamped((double)ms * (double)size_bytes / (double)rehearsal->size_bytes);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

RehearsedStep rehearsal_scale(const RehearsalPlan *rehearsal, uint64_t size_bytes)
{
    RehearsedStep all = {.revision = "", .work = ""};
    for (size_t i = 0; i < rehearsal->step_count; i++) {
        const RehearsedStep *step = &rehearsal->steps[i];
        all.estimate_ms =
            smaller(all.estimate_ms + scale(rehearsal, step, step->estimate_ms, size_bytes),
                    REHEARSAL_MS_MAX);
        all.reads_stopped_ms = larger(all.reads_stopped_ms,
                                      scale(rehearsal, step, step->reads_stopped_ms, size_bytes));
        all.writes_stopped_ms = larger(all.writes_stopped_ms,
                                       scale(rehearsal, step, step->writes_stopped_ms, size_bytes));
    }
    return all;
}
