/*
 * The one socket for agents and operators: who may connect, who a message is from, and commands
 * signed for one agent at a time.
 *
 * A connection's User-Id, which ZAP made from its CURVE key, says whose it is; a message must be
 * signed by the same owner's Ed25519 key. Reports are verified, in order, each once. An agent is
 * there from its first report of a boot until it is silent for the agent deadline.
 */
#pragma once

#include "coordinator.h"
#include "zsock.h"

typedef struct Bus Bus;

/* Whom a message came from. */
typedef struct BusPeer {
    RosterAgent *agent; /* an admitted agent, or NULL */
    const char *keyid;  /* of an operator, or NULL; borrows from the message */
} BusPeer;

/* Binds the endpoint of the settings; the coordinator's sink becomes this bus. */
ErrCode bus_open(Coordinator *coordinator, uv_loop_t *loop, void *zmq, ZSockOnMessage on_message,
                 void *context, Bus **ret_bus, Error *err) MUST_CHECK;
void bus_free(Bus *bus); /* NULL-safe */
const char *bus_endpoint(const Bus *bus);

/* Who may connect: after admissions have changed. Revoked agents are forgotten at once. */
void bus_renew_admissions(Bus *bus);

/* False: nobody who may say anything (any more). */
bool bus_peer(const Bus *bus, const ZMessage *message, BusPeer *ret_peer);
/* Verifies a report and does what it says. */
void bus_take_report(Bus *bus, RosterAgent *agent, const ZMessage *message);
void bus_reply(Bus *bus, const ZRoute *route, const void *bytes, size_t length);

/* Heartbeats that are due, and agents that have been silent for too long. */
void bus_tick(Bus *bus);
