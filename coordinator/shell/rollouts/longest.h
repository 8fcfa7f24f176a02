/*
 * The statement of each shard of a rollout that took longest, or failed, as its agent told last.
 * Kept in memory alone, one a shard: the shard's history has them all.
 */
#pragma once

#include "json.h"
#include "message.h"
#include "slots.h"

/* All zero = none. */
typedef struct Longest {
    Slots shards;
} Longest;

void longest_free(Longest *longest); /* leaves it empty */
void longest_take(Longest *longest, const JobReport *report);
/* A field `longest` of the open object; null when nothing is known of the shard. */
void longest_write(const Longest *longest, uint32_t index, JsonWriter *json);
