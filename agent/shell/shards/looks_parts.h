/*
 * Inside of looks.c and looks_compat.c: a look at a gate, and the sessions that look. Internal.
 */
#pragma once

#include "looks.h"

#include "compat.h"
#include "graph.h"
#include "shard.h"

typedef struct Visit Visit;
typedef struct LookCompat LookCompat;

/* One command: a gate, and what it is to be looked at on. */
typedef struct Look {
    struct Look *next;
    Arena *arena; /* owns it all */
    Looked answer;
    GatePlan gate;
    PlanShard *targets; /* for LAG and LOAD one for each server */
    size_t count;
    size_t asked;   /* as many as there were */
    size_t at;      /* the next target */
    size_t running; /* visits */
    size_t succeeded;
    uint64_t until_ms;
    bool dropped;
    LookCompat *compat; /* COMPAT */
} Look;

/* A session at work. */
struct Visit {
    Looks *looks;
    Look *look; /* NULL: idle */
    const PlanShard *shard;
    size_t target;
    const ClusterSettings *cluster;
    ShardSession *session;
    Arena *arena;
    StatementList statements;
    char lsn[32]; /* LAG: what replicas must have replayed */
    uint64_t since_ms;
    CompatReport report; /* COMPAT */
};

/* Runs the statements that were added. `all`: the last one's rows are all wanted. */
void look_run(Visit *visit, bool all, ShardSqlCb *cb);
void look_add_statement(Visit *visit, const char *text);
/* The visit is over: what it found of its target. */
void look_end(Visit *visit, GateVerdict verdict, const char *message);
void look_error(Visit *visit, const Error *err);
/* It is over, and whoever calls visits the target again. */
void look_park(Visit *visit);
/* Behind each of these, when the visit is not touched any more. */
void look_go_on(Looks *looks);

/* --- COMPAT: who uses what the steps of a shard take away ------------------------------------- */

/* What the steps of the targets, which are `shards`, take away; in the look's arena. */
ErrCode look_compat_new(Look *look, const RevisionMap *map, const PlanShard *shards,
                        Error *err) MUST_CHECK;
/* Begins on a shard that has been found to be the plan's. */
void look_compat_visit(Visit *visit);
/* All targets of this round have been visited, and those that were parked wait for the next one: it
 * begins when it is due, and true is returned, or `ret_wait_ms` says how long that is. */
bool look_compat_begins(Look *look, uint64_t *ret_wait_ms);
bool look_compat_has_parked(const Look *look);
