/*
 * Ensures the safe statements of a signed bundle on this fleet's adopted shards: after the agent's
 * start, when the bundle's file changes, and on shards that are found later. Release keys must have
 * signed the bundle, as any SQL that runs on a fleet. A failure is logged and tried again after the
 * next listing; it never stops anything else.
 */
#pragma once

#include "shards.h"
#include "trust.h"

typedef struct SafeShards SafeShards;

/* Borrows everything. Returns owned. */
SafeShards *safe_shards_new(uv_loop_t *loop, const AgentSettings *settings, const Uuid *fleet_id,
                            const Shards *shards, const Trust *trust);
void safe_shards_free(SafeShards *safe); /* NULL-safe; ends what is under way */
/* Another trust file: the bundle is verified again. */
void safe_shards_set_trust(SafeShards *safe, const Trust *trust);
/* A listing is complete: looks at the file, then at the shards that were not ensured with it. */
void safe_shards_listed(SafeShards *safe);
