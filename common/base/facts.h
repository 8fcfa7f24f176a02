/*
 * What an author's statement cost where it ran: the flight recorder's unit, from the engine to a
 * shard's history, to reports and to `pgtide why`.
 *
 * WAL is what the server wrote meanwhile, for whomever: an upper bound of the statement's own.
 */
#pragma once

#include "arena.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct StatementFacts {
    const char *revision;
    uint32_t line;       /* in the revision's file; 0 = not known */
    const char *what;    /* its first words */
    uint32_t statements; /* how many this is about: of thousands some are measured together */
    uint64_t duration_ms;
    uint64_t lock_wait_ms; /* of it, as far as it was seen */
    uint64_t wal_bytes;
    uint64_t rows;
    bool failed;
} StatementFacts;

typedef struct FactList {
    StatementFacts *items;
    size_t count;
    size_t capacity;
} FactList;

/* The item's texts are borrowed. */
void facts_add(Arena *arena, FactList *list, const StatementFacts *item);
/* Texts too. */
FactList facts_clone(Arena *arena, const FactList *list);
/* Keeps those that failed or took longest, at most `limit`, in their order. */
void facts_keep_longest(FactList *list, size_t limit);
/* NULL when there is none. */
const StatementFacts *facts_longest(const FactList *list);
