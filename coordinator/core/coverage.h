/*
 * Canaries by coverage: a few shards that between them show as much as possible of what the others
 * are like. Pure; the same seed chooses the same shards.
 */
#pragma once

#include "planner.h"

/* Chooses up to `amount` of the candidates whose `taken` is false, and sets it for them. What is
 * covered: server version, host, cluster, size (by powers of ten), rows, and each label's value. Of
 * several that add as much, the seed decides. Returns how many. */
size_t coverage_choose(const ShardCandidate *const *candidates, size_t count, size_t amount,
                       uint64_t seed, bool *taken);
