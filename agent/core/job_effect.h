/*
 * Everything a job can do to the world, as a list that the shell executes in its order.
 *
 * At most one of CONNECT, CLAIM, BACKUP, STEP, RESTORE, SWAP and LEDGER opened is unanswered at a
 * time; CLOSE takes back the question: an answer that was on its way must not be given any more.
 */
#pragma once

#include "message.h"

typedef enum JobEffectKind {
    JOB_EFFECT_UNSPECIFIED,
    JOB_EFFECT_CONNECT, /* a new session on the shard's database */
    JOB_EFFECT_CLAIM,   /* ends what a former session left behind, locks the shard's row, raises its
                           fence, reads rows and history */
    JOB_EFFECT_LEDGER_OPENED, /* before the first step of a session: record its backend, durably,
                                 then give RECORDED */
    JOB_EFFECT_LEDGER_CLOSED, /* nothing of this job can be left behind any more; not answered */
    JOB_EFFECT_BACKUP,        /* dump, verify, put in place, record */
    JOB_EFFECT_STEP,          /* step */
    JOB_EFFECT_RESTORE, /* the backup into a database, or schema, of ours, checked; the shard stays
                           as it is */
    JOB_EFFECT_SWAP,    /* step: what was restored takes the shard's place, in one transaction;
                           the session goes with the old one */
    JOB_EFFECT_CLOSE,   /* drop the session, a running backup, and what was restored but is not in
                           place */
    JOB_EFFECT_REPORT,  /* report: signed and sent to the coordinator */
    JOB_EFFECT_QUEUE,   /* behind all that wait for a place: give START when there is one */
    JOB_EFFECT_TIMER,   /* at_ms: give TIMER then; replaces the former timer; 0 = none */
    JOB_EFFECT_COUNT
} JobEffectKind;

typedef struct JobStepEffect {
    uint32_t number; /* from 0, in the order of this generation; part of the operation's identity */
    const char *revision;
    Direction direction;
    StrList rows_before;
    StrList rows_after;
} JobStepEffect;

typedef struct JobEffect {
    JobEffectKind kind;
    union {
        JobStepEffect step;
        const JobReport *report;
        uint64_t at_ms;
    };
} JobEffect;

/* `JobEffects effects = {.arena = arena};` before each step. */
typedef struct JobEffects {
    Arena *arena; /* borrowed; the list and the reports are here, their texts here or in the job */
    JobEffect *items;
    size_t count;
    size_t capacity;
} JobEffects;
