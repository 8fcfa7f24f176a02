/*
 * The flight recorder: what each author statement of a step cost, by marks between them that read
 * the server's clock and the end of its WAL. Internal to engine/shard*.c.
 *
 * The marks are pipelined with what they stand between and cost no round trip. The settings before
 * and behind the author's statements hold the first and the last one; of a long list of statements
 * several are measured together. What was put off until the end (deferred constraints) counts as
 * the last statement's.
 */
#pragma once

#include "facts.h"
#include "shard_script.h"
#include "shard_watch.h"

/* Under this a step's facts are not worth a round trip: started and finished tell all. */
enum { FACTS_SLOW_MS = 20 };

/* A moment on the server. */
typedef struct FactsMark {
    double at_s; /* since 1970 */
    uint64_t wal;
} FactsMark;

/* Statements in a batch, with marks between them. Plain data. */
typedef struct FactsRun {
    const StatementList *statements; /* NULL = none were sent */
    size_t at;                       /* of the first statement's answer */
    size_t stride;                   /* so many statements, then a mark */
    size_t at_start;                 /* of the first mark's answer, and its column */
    int start_column;
    size_t at_end;
    uint64_t sent_ms; /* by our clock */
} FactsRun;

FactsMark facts_mark(const PgResult *result, int column);
/* Adds the statements and the marks between them; `add_mark` adds one. */
typedef void FactsAddMark(void *data, PgBatch *batch);
void facts_run_add(FactsRun *run, PgBatch *batch, const StatementList *statements,
                   FactsAddMark *add_mark, void *data);
/* The statement whose answer, or whose mark's, is `answer`; NULL = another. */
const Statement *facts_run_statement(const FactsRun *run, size_t answer);
/* How much of the waits lies between two moments; `until_s` 0 = they are not over. */
uint64_t facts_waited_ms(const WatchWait *waits, size_t count, double from_s, double until_s);
/* What the run's answers tell. After an error: up to the statement that failed, which has taken
 * what is left of the time until `now_ms`. Texts are of its arena. */
typedef struct FactsRead {
    const char *revision;
    uint64_t now_ms;
    const WatchWait *waits;
    size_t wait_count;
    Arena *arena;
} FactsRead;
void facts_run_read(const FactsRun *run, const PgReply *reply, const FactsRead *read,
                    FactList *list);
/* Of one statement by itself. */
void facts_between(const FactsMark *from, const FactsMark *to, StatementFacts *item);

bool facts_are_slow(const FactList *list);
/* As pgtide.history has them; NULL when there are none. */
const char *facts_format(Arena *arena, const FactList *list);
