/*
 * What a manifest says of a database, read from it by a connection of its own.
 */
#pragma once

#include "manifest.h"
#include "settings.h"

typedef struct FactsReading FactsReading;

/* `facts` live until the callback returns; NULL with an error. */
typedef void FactsCb(const DatabaseFacts *facts, const Error *err, void *data);

/* The callback runs exactly once, never inside this call, unless it is cancelled first. `schema`
 * may be ''. Returns a handle that is valid until the callback. */
FactsReading *facts_read(uv_loop_t *loop, const ClusterSettings *cluster, const char *database,
                         const char *schema, FactsCb *cb, void *data);
void facts_cancel(FactsReading *reading);

DatabaseFacts facts_copy(Arena *arena, const DatabaseFacts *facts);
