/*
 * Operators' requests that agents carry out. The operator's envelope is passed on as it was signed
 * (the agent judges it), again and again until the agent has answered; the operator's answer is
 *
 *   {"agents":[{"agent":NAME,"result":{...}|null,"error":{"code","message","detail","hint"}|null}]}
 *
 * An agent that has not answered by the deadline has the error UNKNOWN: it may still have acted.
 * Nothing of this is journalled but the request, and what who follows it journals: a restart
 * forgets who waits, and asking again is safe, since what agents do for a request they do once or
 * can do again.
 */
#pragma once

#include "message.h"

typedef struct Coordinator Coordinator;
typedef struct Relay Relay;

Relay *relay_new(Coordinator *coordinator); /* borrows; returns owned */
void relay_free(Relay *relay);              /* NULL-safe */

/* Whether these agents could be asked now. ERR_CONNECT: one of them is not there. ERR_LIMIT,
 * ERR_BUSY: too many, or too large. */
ErrCode relay_check(const Relay *relay, ByteSpan envelope, const StrList *agents,
                    Error *err) MUST_CHECK;
/* After relay_check(), in the same turn. Sent by relay_tick() when the journal is durable up to
 * `after_seq`, and again while an answer is missing. Copies the task and the names. `wait_ms` is
 * cut to LIMIT_TASK_MS. */
void relay_begin(Relay *relay, const Uuid *request_id, const OperatorTask *task,
                 const StrList *agents, uint64_t wait_ms, uint64_t after_seq);
bool relay_has(const Relay *relay, const Uuid *request_id);
/* The answer of an agent that was asked; others' are passed over. */
void relay_take(Relay *relay, const char *agent, const TaskDone *done);
void relay_tick(Relay *relay, uint64_t persisted_seq); /* once a turn */

/* What the coordinator does about an agent's result, before the operator has it; an error takes the
 * result's place. */
typedef ErrCode RelayFollow(Coordinator *coordinator, const void *about, const TaskDone *done,
                            Error *err);
/* Once for each agent: its result as the operator has it, an error, or that its time is over. */
typedef void RelayEnded(Coordinator *coordinator, const void *about, const TaskDone *done);
/* After relay_begin(): for this task's results and ends; each may be NULL. `about` is of
 * relay_arena(). */
void relay_follow(Relay *relay, const Uuid *request_id, RelayFollow *follow, RelayEnded *ended,
                  const void *about);
/* Lives as long as the task. Borrows. */
Arena *relay_arena(const Relay *relay, const Uuid *request_id);

/* Whether all have answered, or the time is over; then the result's object is appended to `json`.
 * It stays for those who ask again, for a while, unless its place is needed. */
bool relay_result(const Relay *relay, const Uuid *request_id, Str *json);
