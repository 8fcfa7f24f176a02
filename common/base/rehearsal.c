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

static uint64_t scale(const RehearsalPlan *rehearsal, const RehearsedStep *step, uint64_t ms,
                      uint64_t size_bytes)
{
    bool grows = strcmp(step->work, "instant") != 0;
    if (!grows || rehearsal->size_bytes == 0 || size_bytes == 0)
        return ms;
    return (uint64_t)((double)ms * (double)size_bytes / (double)rehearsal->size_bytes);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

RehearsedStep rehearsal_scale(const RehearsalPlan *rehearsal, const StrList *steps,
                              uint64_t size_bytes)
{
    RehearsedStep all = {.revision = "", .work = ""};
    for (size_t i = 0; i < steps->count; i++) {
        const RehearsedStep *step = rehearsal_find(rehearsal, steps->items[i]);
        if (step == NULL)
            continue;
        all.estimate_ms += scale(rehearsal, step, step->estimate_ms, size_bytes);
        all.reads_stopped_ms = larger(all.reads_stopped_ms,
                                      scale(rehearsal, step, step->reads_stopped_ms, size_bytes));
        all.writes_stopped_ms = larger(all.writes_stopped_ms,
                                       scale(rehearsal, step, step->writes_stopped_ms, size_bytes));
    }
    return all;
}
