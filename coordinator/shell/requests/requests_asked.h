/*
 * One request on its way to its answer, shared by requests.c and requests_control.c. Internal.
 */
#pragma once

#include "coordinator.h"
#include "operator.pb-c.h"
#include "proto_read.h"
#include "requests.h"

/* One request being answered. */
typedef struct Asked {
    Coordinator *coordinator;
    Arena *arena;
    const TrustOperator *signer; /* who signed it */
    const Pgtide__V1__Request *request;
    Uuid id;
    ByteSpan envelope; /* the request as it was signed */
    Uuid *concerns;    /* the rollouts that it is about */
    size_t concern_count;
    Str json;                 /* the result, when it succeeds */
    ByteSpan bytes;           /* BLOB_GET */
    uint64_t total;           /* BLOB_GET */
    uint64_t revision;        /* VIEW */
    ViewRequest view;         /* VIEW */
    bool wait;                /* VIEW: not now */
    const RolloutEntry *told; /* CONTROL: answered when durable */
    bool relayed;             /* answered when agents have */
} Asked;

/* The request counts as done: it is remembered and journalled, before what it does is. */
ErrCode asked_mark_done(Asked *asked, Error *err) MUST_CHECK;
/* The halves of it, where the core may still refuse what is asked in between. */
ErrCode asked_remember(Asked *asked, Error *err) MUST_CHECK;
void asked_journal(Asked *asked);
/* The request is about this rollout, among others. */
void asked_concerns(Asked *asked, const Uuid *rollout_id);
/* Whether a rollout of this name may be added or started. */
ErrCode asked_check_name(const Asked *asked, const char *name, Error *err) MUST_CHECK;

/* `plan`: where the plan is that the request names; NULL = none. The request is journalled, then
 * passed on to these agents; their answers are its answer. Errors as of relay_check(), and nothing
 * has happened then. */
ErrCode asked_relay(Asked *asked, const StrList *agents, const PlanRef *plan, uint64_t wait_ms,
                    Error *err) MUST_CHECK;

ErrCode asked_answer_summary(Asked *asked, const RolloutEntry *entry);

/* requests_control.c */
ErrCode handle_control(Asked *asked, Error *err) MUST_CHECK;
ErrCode handle_backups(Asked *asked, Error *err) MUST_CHECK; /* requests_backups.c */
ErrCode handle_control_fleet(Asked *asked, Error *err) MUST_CHECK;
ErrCode handle_read_record(Asked *asked, Error *err) MUST_CHECK; /* requests_record.c */
ErrCode handle_read_source(Asked *asked, Error *err) MUST_CHECK; /* requests_record.c */
ErrCode handle_read_drift(Asked *asked, Error *err) MUST_CHECK;
ErrCode handle_change_drift(Asked *asked, Error *err) MUST_CHECK; /* requests_drift.c */
/* requests_provision.c */
ErrCode handle_provision(Asked *asked, Error *err) MUST_CHECK;

/* requests_adopt.c */
ErrCode handle_adopt(Asked *asked, Error *err) MUST_CHECK;
ErrCode control_forget(Asked *asked, const char *reason, Error *err) MUST_CHECK;
