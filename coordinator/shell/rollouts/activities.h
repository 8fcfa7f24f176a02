/*
 * What the jobs of one rollout are at, as their agents told last. Kept in memory alone: nothing is
 * decided by it, and a coordinator that has just started hears it again.
 */
#pragma once

#include "json.h"
#include "rollout.h"
#include "slots.h"

/* All zero = none. */
typedef struct Activities {
    Slots shards;
} Activities;

void activities_free(Activities *activities); /* leaves it empty */
/* Copies what a report about the shard's job in flight says; forgets it when it has nothing to
 * tell. */
void activities_take(Activities *activities, const JobReport *report);
/* NULL = nothing is known. Borrows. */
const Activity *activities_find(const Activities *activities, uint32_t index);

/* A field `activity` of the open object; null for NULL. */
void activity_write(const Activity *activity, JsonWriter *json);
/* A field `activities`: the first of those in flight, each with the shard's name; and
 * `activities_untold`, how many more there are. */
void activities_write(const Activities *activities, const Rollout *core, JsonWriter *json);
