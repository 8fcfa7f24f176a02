/*
 * Looks at gates: SQL on each shard, and how far replicas are behind or how busy a server is on the
 * servers that the shards are on. What is looked at was verified by the caller. Everything is read
 * in READ ONLY transactions, by few sessions at a time; nothing is ever changed by a look.
 */
#pragma once

#include "graph.h"
#include "message.h"
#include "settings.h"

#include <uv.h>

typedef struct Looks Looks;

typedef struct LooksSettings {
    uv_loop_t *loop;
    const AgentSettings *settings;
    /* An answer to be sent; copied by the receiver. */
    void (*answer)(void *context, const Looked *looked);
    void *context;
} LooksSettings;

/* Borrows everything. Returns owned. */
Looks *looks_new(const LooksSettings *settings);
void looks_free(Looks *looks); /* NULL-safe; ends what is under way, without an answer */

/* `what` says what the answer is to; its verdict and message are ignored. Everything is copied.
 * Answered once, never inside this call, unless it is dropped. The gate's kind is SQL, LAG, LOAD or
 * COMPAT, for which `map` has the revisions; every shard's cluster is configured. ERR_LIMIT. */
ErrCode looks_add(Looks *looks, const Looked *what, const GatePlan *gate, const RevisionMap *map,
                  const PlanShard *shards, size_t count, Error *err) MUST_CHECK;
/* The answer to one that can't be looked at: an error, with its words. */
void looks_refuse(Looks *looks, const Looked *what, const Error *err);
/* Of one rollout, or of all (nil). */
void looks_drop(Looks *looks, const Uuid *rollout);
