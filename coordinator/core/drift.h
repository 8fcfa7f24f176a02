/*
 * Which shards are what they should be. At given version rows a schema should be one thing: what
 * the revisions build there (an expectation, by its fingerprint). A shard at these rows is as
 * expected, or has drifted; people may accept a fingerprint, of a shard or of all at these rows.
 * Of a shard whose fingerprint is not known, or whose rows nobody has said anything of, nothing is
 * known. Pure: the shell folds the journal into a DriftBook and asks.
 */
#pragma once

#include "gate.h"
#include "ids.h"
#include "str.h"

/* Major versions of servers that something can be expected of. */
enum { DRIFT_MAJOR_MIN = 13, DRIFT_MAJOR_MAX = 99 };

/* What an expectation is for. Servers of two major versions may write the same schema differently,
 * and a schema that is a shard has no name in its own text. */
typedef struct DriftPlace {
    StrList rows; /* sorted */
    bool in_schema;
    uint32_t major; /* of the server, as 15 */
} DriftPlace;
bool drift_place_equal(const DriftPlace *a, const DriftPlace *b);

typedef struct DriftExpectation {
    DriftPlace place;
    Digest fingerprint;
    Digest dump; /* blob: the schema as JSON */
    const char *who;
    uint64_t at_unix_ms;
} DriftExpectation;

typedef struct DriftAcceptance {
    Uuid shard;       /* nil: all shards at the place */
    DriftPlace place; /* a word on a shard does not hold at other rows */
    Digest fingerprint;
    const char *who;
    const char *reason;
    uint64_t at_unix_ms;
} DriftAcceptance;

typedef enum DriftVerdict {
    DRIFT_DRIFTED,
    DRIFT_ACCEPTED, /* not as expected, and somebody has said that it may be so */
    DRIFT_EXPECTED,
    DRIFT_UNKNOWN, /* `why` */
    DRIFT_VERDICT_COUNT
} DriftVerdict;
const char *drift_verdict_name(DriftVerdict verdict); /* "drifted", ... */

typedef struct DriftBook DriftBook;

DriftBook *drift_book_new(void); /* returns owned */
void drift_book_free(DriftBook *book);
/* Copies. The last word on a place counts; so does the last on the same shard, place and
 * fingerprint. */
void drift_expect(DriftBook *book, const DriftExpectation *expectation);
void drift_accept(DriftBook *book, const DriftAcceptance *acceptance);
size_t drift_expectation_count(const DriftBook *book); /* places */
const DriftExpectation *drift_expectation_at(const DriftBook *book, size_t index);
const DriftExpectation *drift_expectation(const DriftBook *book, const DriftPlace *place);
size_t drift_acceptance_count(const DriftBook *book); /* different ones */

/* A shard as it is listed. */
typedef struct DriftShard {
    Uuid uuid;
    const char *name;
    DriftPlace place;
    Digest fingerprint; /* zero = not known */
    const char *why;    /* then: why not */
} DriftShard;

typedef struct DriftJudgement {
    DriftVerdict verdict;
    const char *why;                     /* UNKNOWN; '' otherwise */
    const DriftExpectation *expectation; /* NULL = none for its place */
    const DriftAcceptance *acceptance;   /* ACCEPTED */
} DriftJudgement;

/* What is accepted is so without an expectation too. */
DriftJudgement drift_judge(const DriftBook *book, const DriftShard *shard);

/* What a gate makes of one shard. What is not known yet may be soon: an error, which is asked
 * again, and never a success. */
GateVerdict drift_gate_verdict(DriftVerdict verdict);

/* --- classes ---------------------------------------------------------------------------------- */

enum { DRIFT_NAMES_SHOWN = 5 };

/* Shards at one place with one fingerprint and one verdict, or unknown for one reason. */
typedef struct DriftClass {
    DriftVerdict verdict;
    Digest fingerprint; /* zero = not known */
    const char *why;
    const DriftAcceptance *acceptance; /* of the first shard */
    size_t count;
    const char *names[DRIFT_NAMES_SHOWN]; /* the first */
    size_t named;
} DriftClass;

typedef struct DriftGroup {
    DriftPlace place;
    const DriftExpectation *expectation; /* NULL = none */
    size_t count;                        /* of shards */
    const DriftClass *classes;           /* drifted ones first, larger ones first */
    size_t class_count;
} DriftGroup;

typedef struct DriftGroups {
    DriftGroup *items; /* larger ones first */
    size_t count;
    size_t shards[DRIFT_VERDICT_COUNT];
} DriftGroups;

/* Borrows the shards' texts and the book; the rest is in `arena`. */
DriftGroups drift_group(Arena *arena, const DriftBook *book, const DriftShard *shards,
                        size_t count);
