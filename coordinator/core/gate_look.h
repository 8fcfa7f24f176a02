/*
 * One look at a gate by agents: which shards it is about, what is asked of whom, page by page, and
 * what the answers say together. Pure: the shell sends what gate_look_next() gives and tells what
 * comes back.
 *
 * A page is asked of an agent when the one before is answered, and once more when the agent comes
 * back from being away. One that has not answered when the time is over is an error of the
 * provider, never a success.
 */
#pragma once

#include "rollout.h"

typedef struct GateLook GateLook;

/* One command: these shards (plan indices) of this agent. */
typedef struct GatePage {
    uint32_t agent; /* of the rollout */
    uint32_t page;
    const uint32_t *shards; /* borrows from the look */
    size_t count;           /* at most LIMIT_SHARD_ORDERS_PER_COMMAND */
} GatePage;

/* Borrows the rollout. Before a wave opens: all its shards that have steps. During and after: those
 * that have been migrated. Gates on servers: one shard of each server of the wave. Returns owned.
 */
GateLook *gate_look_new(const Rollout *rollout, const RolloutLookAtGate *asked);
void gate_look_free(GateLook *look); /* NULL-safe */
/* What it is about, for one who need not ask: plan indices. None: the verdict is there already. */
size_t gate_look_count(const GateLook *look);
uint32_t gate_look_shard(const GateLook *look, size_t index);

/* Agents are away until they are said to be there. */
void gate_look_agent(GateLook *look, uint32_t agent, bool there);
/* The next page to be sent now; false when there is none for the moment. */
bool gate_look_next(GateLook *look, GatePage *ret_page);
/* The page just given takes fewer shards, at least 1: its command would be too large. */
void gate_look_cut(GateLook *look, uint32_t agent, size_t count);
/* Of a page that was sent; others are ignored. Copies the message. */
void gate_look_answer(GateLook *look, uint32_t agent, uint32_t page, GateVerdict verdict,
                      const char *message);
/* The time is over: who has not answered makes it an error. */
void gate_look_expire(GateLook *look);

/* Everything was answered, or something failed: then nothing else is asked for. */
bool gate_look_is_over(const GateLook *look);
GateVerdict gate_look_verdict(const GateLook *look); /* when it is over */
const char *gate_look_message(const GateLook *look); /* with it; borrows */
