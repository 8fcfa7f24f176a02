/*
 * A listing cut into parts that fit a report.
 */
#pragma once

#include "shards.h"

/* At least one part; the last says so. Borrows from the listing; the parts live in `arena`. */
Inventory *inventory_parts(Arena *arena, const Shards *shards, const char *host, uint64_t snapshot,
                           size_t *ret_count);
