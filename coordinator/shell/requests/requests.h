/*
 * What operators ask for. A request is an envelope signed by the key that opened the connection;
 * its role says what it may ask, and what changes something is acted on once.
 */
#pragma once

#include "coordinator.h"

typedef enum RequestOutcome {
    REQUEST_ANSWER,       /* `bytes`: send them when the journal is durable up to now */
    REQUEST_WAIT,         /* a view that has not changed: ask requests_look_again() */
    REQUEST_WHEN_DURABLE, /* ask requests_tell_rollout() when the journal is durable up to now */
    REQUEST_RELAYED,      /* agents are asked: ask requests_tell_relayed() each turn */
} RequestOutcome;

/* A rollout that was told something: its state is shown when it is durable. */
typedef struct ToldRollout {
    Uuid request_id;
    Uuid rollout_id;
} ToldRollout;

/* A view that is waited for. */
typedef struct WaitingView {
    Uuid request_id;
    ViewRequest request; /* texts owned by `arena` of requests_handle() */
    uint64_t seen_revision;
    uint64_t until_ms;
} WaitingView;

typedef struct RequestResult {
    RequestOutcome outcome;
    uint8_t *bytes; /* a Response envelope, in the arena */
    size_t length;
    WaitingView waiting;
    ToldRollout told;
    Uuid relayed; /* the request's id */
} RequestResult;

/* `keyid` is whose connection it came by. Never fails: a refusal is an answer. */
void requests_handle(Coordinator *coordinator, const char *keyid, const void *bytes, size_t length,
                     Arena *arena, RequestResult *ret_result);
/* True: the view has changed or its time is over, and `ret_result` has the answer. */
bool requests_look_again(Coordinator *coordinator, const WaitingView *waiting, Arena *arena,
                         RequestResult *ret_result);

void requests_tell_rollout(Coordinator *coordinator, const ToldRollout *told, Arena *arena,
                           RequestResult *ret_result);

/* True: the agents have answered, or are waited for no longer, and `ret_result` has the answer. */
bool requests_tell_relayed(Coordinator *coordinator, const Uuid *request_id, Arena *arena,
                           RequestResult *ret_result);

enum { REQUEST_WAIT_MS_MAX = 30 * 1000 };
