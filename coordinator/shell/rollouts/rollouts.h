/*
 * Plans, their approvals, and the rollouts they become.
 *
 * An entry is made when its author has signed the plan (draft), is approved when enough operators
 * have signed its digest, and is driven by coordinator/core once it has been started. Decisions
 * come from the core as effects; here they are journalled, sent, and told back when durable.
 */
#pragma once

#include "activities.h"
#include "gate_look.h"
#include "longest.h"
#include "merkle.h"
#include "plan_codec.h"
#include "record_codec.h"
#include "rollout.h"
#include "rollout_log.h"
#include "window.h"

typedef struct Coordinator Coordinator;

typedef struct PlanApproval {
    ByteSpan envelope;
    char keyid[48];
    Approval approval;
} PlanApproval;

typedef struct RolloutEntry RolloutEntry;
struct RolloutEntry {
    Arena *arena; /* owns everything below */
    PlanHeader header;
    Digest plan_digest;
    Digest plan_blob;
    Digest bundle_blob;
    uint64_t submitted_seq; /* of its journal record */
    ByteSpan header_envelope;
    PlanShard *shards;     /* in plan order */
    ByteSpan *shard_bytes; /* the Merkle leaves are over these */
    MerkleTree *tree;      /* made when it is started; NULL before */
    Digest dossier;        /* of its blob, once started */
    PlanApproval *approvals;
    size_t approval_count;
    size_t approval_capacity;
    Rollout *core;
    RolloutLog log;
    Activities activities;
    Longest longest;
    bool started; /* START has been taken; perhaps not durable yet */
    uint64_t started_unix_ms;
    uint64_t finished_unix_ms;
    uint64_t timer_ms;        /* the core's TIMER; 0 = none */
    WindowLook window;        /* of its windows, when it was looked at last */
    uint64_t window_timer_ms; /* when to look again; 0 = it has none */
    uint64_t revision;
};

typedef struct Rollouts Rollouts;

Rollouts *rollouts_new(Coordinator *coordinator); /* borrows; returns owned */
void rollouts_free(Rollouts *rollouts);

size_t rollouts_count(const Rollouts *rollouts);
RolloutEntry *rollouts_at(const Rollouts *rollouts, size_t index); /* in order of submission */
RolloutEntry *rollouts_find_id(const Rollouts *rollouts, const Uuid *id);
RolloutEntry *rollouts_find_digest(const Rollouts *rollouts, const Digest *plan_digest);
/* By id or name; of several with the name the open one, else the newest. ERR_NOT_FOUND. */
ErrCode rollouts_find(const Rollouts *rollouts, const char *name_or_id, RolloutEntry **ret_entry,
                      Error *err) MUST_CHECK;
/* The same among those that were started: a plan made since has changed nothing. */
ErrCode rollouts_find_started(const Rollouts *rollouts, const char *name_or_id,
                              RolloutEntry **ret_entry, Error *err) MUST_CHECK;
size_t rollouts_named(const Rollouts *rollouts, const char *name);
/* The rollout started last that has the shard, and its place there; NULL: none. */
RolloutEntry *rollouts_holder(const Rollouts *rollouts, const Uuid *shard, uint32_t *ret_index);

RolloutState rollout_entry_state(const RolloutEntry *entry);
bool rollout_entry_is_open(const RolloutEntry *entry);      /* started and not over */
uint32_t rollout_entry_approved(const RolloutEntry *entry); /* ever; see rollout_start_approvals */
uint32_t rollout_entry_rejected(const RolloutEntry *entry);

/* --- changes that are journalled. `now` and the journal are the coordinator's. ---------------- */

/* The fold of PLAN_SUBMITTED: reads the plan's blob and checks it against the signed header, whose
 * signature the caller has verified. ERR_EXISTS: that rollout is there already. */
ErrCode rollouts_add_plan(Rollouts *rollouts, const PlanSubmitted *submitted,
                          RolloutEntry **ret_entry, Error *err) MUST_CHECK;
/* The fold of APPROVAL_RECORDED; the caller has verified it. Copies. */
void rollouts_add_approval(Rollouts *rollouts, RolloutEntry *entry, ByteSpan envelope,
                           const char *keyid, const Approval *approval);
/* Whether this operator may say this about the plan now. ERR_APPROVAL, ERR_STATE, ERR_STALE. */
ErrCode rollouts_check_approval(const Rollouts *rollouts, const RolloutEntry *entry,
                                const char *keyid, const Approval *approval, Error *err) MUST_CHECK;
/* The fold of ROLLOUT_RECORD. */
ErrCode rollouts_replay(Rollouts *rollouts, const Uuid *rollout_id, const RolloutRecord *record,
                        Error *err) MUST_CHECK;
/* After the replay, with the journal's writer running. */
ErrCode rollouts_recover(Rollouts *rollouts, Error *err) MUST_CHECK;

/* Called when a word was taken, before anything that follows from it is journalled. */
typedef struct RolloutsTaken {
    void (*taken)(void *context);
    void *context;
} RolloutsTaken;
/* An operator's word; `taken` may be NULL. ERR_APPROVAL, ERR_STALE, ERR_REFUSED, ERR_OVERTAKEN,
 * ERR_STATE: nothing has changed. */
ErrCode rollouts_control(Rollouts *rollouts, RolloutEntry *entry, RolloutEventKind kind,
                         const RolloutCommand *command, const RolloutsTaken *taken,
                         Error *err) MUST_CHECK;
/* The plan's index of a shard by its name as shown or its uuid. ERR_NOT_FOUND. */
ErrCode rollout_entry_shard(const RolloutEntry *entry, const char *name, uint32_t *ret_index,
                            Error *err) MUST_CHECK;
void rollouts_gate(Rollouts *rollouts, RolloutEntry *entry, const RolloutGateEvent *event);
/* The fleet's brake was put on or taken off. */
void rollouts_brake(Rollouts *rollouts, bool braked);

/* --- what happens ----------------------------------------------------------------------------- */

void rollouts_agent_up(Rollouts *rollouts, const char *agent);
void rollouts_agent_down(Rollouts *rollouts, const char *agent);
/* A report as its agent has signed it; several jobs may be told of in one. */
typedef struct HeardReport {
    ByteSpan envelope;
    bool kept; /* it is in the journal */
} HeardReport;
/* `heard` is what the job was told of in: it is journalled before a decision that it leads to. */
void rollouts_job(Rollouts *rollouts, const char *agent, const JobReport *report,
                  HeardReport *heard);
/* How many shards of open rollouts are this agent's. */
uint64_t rollouts_agent_shards(const Rollouts *rollouts, const char *agent);
void rollouts_persisted(Rollouts *rollouts, uint64_t seq);
void rollouts_tick(Rollouts *rollouts);
uint64_t rollouts_next_timer(const Rollouts *rollouts); /* monotonic; 0 = none */

/* --- for this module's files ------------------------------------------------------------------ */

/* rollout_start.c: how many approvals hold now: not expired, by operators who may still give them.
 * After the start: how many were given. */
uint32_t rollout_start_approvals(const Coordinator *coordinator, const RolloutEntry *entry);
/* Why this one does not hold now; NULL: it does. */
const char *rollout_start_flaw(const Coordinator *coordinator, const RolloutEntry *entry,
                               const PlanApproval *given);
/* May it be started now? Makes the dossier and the tree. */
ErrCode rollout_start_check(Coordinator *coordinator, RolloutEntry *entry, Error *err) MUST_CHECK;
/* The tree and the dossier blob that its commands need. */
ErrCode rollout_start_prepare(Coordinator *coordinator, RolloutEntry *entry, Error *err) MUST_CHECK;
/* rollout_start.c: RUN commands for these shards, as many as their size asks for. */
void rollout_send_orders(Coordinator *coordinator, const RolloutEntry *entry, const char *agent,
                         const uint32_t *shards, size_t count, Arena *arena);
/* A LOOK command for a page, or as much of it as fits; how many shards that is. */
size_t rollout_send_look(Coordinator *coordinator, const RolloutEntry *entry, const GatePage *page,
                         uint32_t gate, uint64_t token, Arena *arena);
