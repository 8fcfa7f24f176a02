/*
 * What a long step is at, beside which revision: waiting for a lock, building an index, or
 * changing rows batch by batch. The engine tells of it while it lasts, about once a second; agents
 * pass it on in their reports, and the command line shows it.
 */
#pragma once

#include "arena.h"

#include <stdint.h>

typedef enum ActivityKind {
    ACTIVITY_UNSPECIFIED, /* nothing to tell */
    ACTIVITY_LOCK_WAIT,   /* has_blocker: for whom */
    ACTIVITY_BUILD,       /* an index; percent */
    ACTIVITY_BACKFILL,    /* done and total are rows */
    ACTIVITY_KIND_COUNT
} ActivityKind;

/* Who holds what a statement waits for. Texts that this role may not see say so. */
typedef struct Blocker {
    uint32_t pid;
    const char *user;
    const char *application;
    const char *query_class; /* SELECT, UPDATE, ..., "idle in transaction", "autovacuum" */
    uint64_t since_ms;       /* how long its transaction has been open */
} Blocker;

/* Texts are never NULL. */
typedef struct Activity {
    ActivityKind kind;
    const char *what; /* the statement, in few words */
    uint32_t unit;    /* from 1; 0 = not of `transaction: none` */
    uint32_t unit_count;
    uint64_t done;
    uint64_t total; /* 0 = not known */
    uint32_t percent;
    uint64_t rate_per_s;
    uint64_t eta_ms;         /* 0 = not known */
    const char *held_back;   /* why it does not go faster; '' = nothing holds it back */
    uint32_t waiting_behind; /* sessions that wait for this one */
    bool has_blocker;
    Blocker blocker;
} Activity;

const char *activity_kind_name(ActivityKind kind); /* lock-wait, build, backfill; '' */
/* Texts are copied, those longer than LIMIT_ACTIVITY_TEXT_BYTES without their end, and control
 * characters as spaces; NULL becomes ''. */
Activity activity_copy(Arena *arena, const Activity *activity);
/* For people, on one line: "ALTER TABLE users, waits for a lock behind 4711 (app, psql, idle in
 * transaction, in its transaction for 12 s); 3 sessions wait behind it". */
const char *activity_text(Arena *arena, const Activity *activity);
/* "4711 (app, psql, idle in transaction, in its transaction for 12 s)" */
const char *blocker_text(Arena *arena, const Blocker *blocker);
