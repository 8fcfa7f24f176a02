/* The backfills of a run's steps, for its result. */
#include "run.h"
#include "run_frame.h"

void run_keep_backfill(Run *run, const UnitProgress *progress)
{
    RunBackfills *list = &run->backfills;
    list->items =
        arena_grow(run->arena, list->items, list->count, list->count + 1, sizeof *list->items);
    list->items[list->count++] = (RunBackfill){
        .revision = run->in_flight.revision,
        .unit = progress->unit,
        .rows = progress->rows,
        .batches = progress->batches,
    };
}

void run_backfills_json(const Run *run, JsonWriter *json)
{
    json_field_array(json, "backfills");
    for (size_t i = 0; i < run->backfills.count; i++) {
        const RunBackfill *backfill = &run->backfills.items[i];
        json_object_begin(json);
        json_field_string(json, "revision", backfill->revision);
        json_field_uint(json, "unit", backfill->unit);
        json_field_uint(json, "rows", backfill->rows);
        json_field_uint(json, "batches", backfill->batches);
        json_object_end(json);
    }
    json_array_end(json);
}
