/*
 * What a run wants to do, from what was read of its database: steps, repeatables that are due, and
 * which applied revisions are no longer what was applied.
 */
#pragma once

#include "graph.h"
#include "shard.h"

enum { RUN_PLANS_REMEMBERED = 16 };

/* Plans already made: databases of one kind mostly stand at the same rows. */
typedef struct RunPlanMemo {
    struct RunPlanned {
        StrList rows;
        GraphSteps steps;
    } items[RUN_PLANS_REMEMBERED];
    size_t count;
} RunPlanMemo;

typedef struct RunPlan {
    GraphSteps steps;      /* of revisions; then of repeatables, which leave the rows as they are */
    size_t revision_count; /* how many of them are revisions */
} RunPlan;

/* A revision whose file is not what was applied. */
typedef struct ChangedRevision {
    const char *revision;
    const char *file;
    bool comparable; /* false: its digest is of a kind this version does not know */
} ChangedRevision;

typedef struct ChangedList {
    ChangedRevision *items; /* sorted by revision */
    size_t count;
} ChangedList;

typedef struct AppliedList {
    const AppliedRevision *items; /* sorted bytewise by revision */
    size_t count;
} AppliedList;

AppliedList run_applied_copy(Arena *arena, const DatabaseReading *reading);

/* Rows that no file has are passed over. */
ChangedList run_plan_changed(Arena *arena, const RevisionMap *map, const StrList *rows,
                             const AppliedList *applied);
/* Repeatables that are new or changed since they ran last, sorted by name. */
StrList run_plan_due(Arena *arena, const RevisionMap *map, const AppliedList *applied);
/* Whether every head is among what the rows stand for. */
bool run_plan_all_heads(Arena *arena, const RevisionMap *map, const StrList *rows);
/* Appends the repeatables that are due as steps, once every head is applied. */
void run_plan_add_due(Arena *arena, const RevisionMap *map, const AppliedList *applied,
                      RunPlan *plan);
/* Puts the values of placeholders into the scripts. Errors as of script_bind(). */
ErrCode run_plan_bind(Arena *arena, GraphSteps *steps, size_t from, const StrList *assignments,
                      Error *err) MUST_CHECK;
/* Assignments to placeholders that no file of the project declares. */
StrList run_plan_unknown_names(Arena *arena, const RevisionMap *map, const StrList *assignments);
/* What can be checked of the steps before anything is sent. */
ErrCode run_plan_check(const RunPlan *plan, bool single_transaction, Error *err) MUST_CHECK;
/* Of the longest revision id that the plan writes. */
uint32_t run_plan_id_width(const RunPlan *plan);
