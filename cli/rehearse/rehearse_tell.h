/*
 * What a rehearsal found out: for people, and as the JSON that is a *.rehearsal file.
 */
#pragma once

#include "graph.h"
#include "json.h"
#include "rehearse_copy.h"
#include "trace.h"

typedef struct RehearsalReport {
    CopySource source;
    CopyMethod method;
    bool has_bundle;
    Digest bundle;
    const char *bundle_name;
    uint64_t made_unix_ms;
    const GraphStep *steps;
    size_t step_count;
    size_t steps_done;
    StrList not_tried; /* of the steps done: they were not needed on the copy */
    StrList rows_after;
    Trace trace; /* finished */
} RehearsalReport;

void rehearsal_tell(CommandContext *context, const RehearsalReport *report);
void rehearsal_json(JsonWriter *json, const RehearsalReport *report); /* one object */
