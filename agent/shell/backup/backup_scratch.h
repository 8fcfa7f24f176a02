/*
 * Scratch databases for restore tests, on the shard's own cluster: made like the shard's database,
 * empty, closed to everybody else, and dropped afterwards. Their names begin alike, so that those
 * which a former life left behind are found.
 */
#pragma once

#include "manifest.h"
#include "settings.h"

#define SCRATCH_PREFIX "pgtide_restore_test_"

typedef struct Scratch Scratch;

typedef void ScratchCb(const Error *err, void *data);

const char *scratch_name(Arena *arena, const OperationId *operation);

/* Each callback runs exactly once, never inside the call, unless it is cancelled first; then the
 * handle is gone. */
Scratch *scratch_create(uv_loop_t *loop, const ClusterSettings *cluster, const char *name,
                        const DatabaseFacts *like, ScratchCb *cb, void *data);
Scratch *scratch_drop(uv_loop_t *loop, const ClusterSettings *cluster, const char *name,
                      ScratchCb *cb, void *data);
/* What a killed life has left on the cluster: drops all of this role's scratch databases, and ends
 * the sessions of its dumps, whose locks would be in the way. */
Scratch *scratch_clean(uv_loop_t *loop, const ClusterSettings *cluster, ScratchCb *cb, void *data);
void scratch_cancel(Scratch *scratch);
