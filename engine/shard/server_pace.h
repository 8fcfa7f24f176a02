/*
 * What backfills on one server share: a connection that looks at the server twice a second while
 * any of them is at work, and turns. One batch runs at a time on a server, whichever of its shards
 * it is for, so that a hundred shards make no more WAL than one. Servers are told apart by their
 * system identifier.
 */
#pragma once

#include "pace.h"
#include "shard.h"

typedef struct PaceTicket PaceTicket; /* of one backfill */

/* `may_go`: its turn has come, until server_pace_done(). Else it waits on, `reason` is why, and it
 * is told again at the next look. Never inside of a call from the same backfill. It may leave. */
typedef void PaceTurnCb(bool may_go, const char *reason, void *data);

ServerPaces *server_paces_new(uv_loop_t *loop); /* returns owned */
/* All tickets have left. NULL-safe. */
void server_paces_free(ServerPaces *paces);

/* `target` leads to the server and is borrowed until it leaves. Returns owned. */
PaceTicket *server_pace_join(ServerPaces *paces, uint64_t system_identifier,
                             const ShardTarget *target, const PaceRules *rules, PaceTurnCb *cb,
                             void *data);
void server_pace_leave(PaceTicket *ticket); /* NULL-safe */
void server_pace_ask(PaceTicket *ticket);   /* for a turn */
void server_pace_done(PaceTicket *ticket);  /* the turn is over; nothing when it had none */
