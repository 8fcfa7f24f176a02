/*
 * Shards that a plan's selection matches now and the plan does not know: they came after it was
 * frozen. They never join it; people are told of them.
 */
#pragma once

#include "coordinator.h"

/* Those that are not where the plan leads either, and that it did not leave out by name. Names are
 * borrowed from the inventory; 0 for a plan that takes back, which selects nothing. */
size_t newcomers_find(const Coordinator *coordinator, const RolloutEntry *entry, Arena *arena,
                      StrList *ret_names);
