/*
 * One sink's deliveries: which event is tried next and when, when it is given up, and where the
 * sink stands. Pure: it is told what came of a try, and answers with what to do. Events go out in
 * order, one at a time, each until it has passed or is dead: at least once. A dead one is put on a
 * list, and tried again when an operator says so, once each time.
 *
 * Position and dead ones are the fold of records. An event that was passed may not be in them yet
 * when the process dies: then it goes out again, under the same id.
 */
#pragma once

#include "arena.h"

typedef enum DeliveryRecordKind {
    DELIVERY_RECORD_UNSPECIFIED = 0, /* values are on disk and never reused */
    DELIVERY_RECORD_POSITION = 1,    /* all up to `seq` are done with */
    DELIVERY_RECORD_DEAD = 2,        /* `seq` was given up; also that it was, once more */
    DELIVERY_RECORD_AGAIN = 3,       /* an operator (`who`) wants all dead ones tried again */
    DELIVERY_RECORD_REVIVED = 4,     /* `seq` was dead, and has passed */
    DELIVERY_RECORD_KIND_COUNT
} DeliveryRecordKind;

typedef struct DeliveryRecord {
    DeliveryRecordKind kind;
    const char *sink;
    uint64_t seq;
    uint32_t attempts;
    const char *message; /* of the last try; NULL is '' */
    const char *who;
    uint64_t at_unix_ms;
} DeliveryRecord;

typedef struct DeadLetter {
    uint64_t seq;
    uint32_t attempts; /* in all */
    uint64_t at_unix_ms;
    bool wanted; /* to be tried again */
    char *message;
} DeadLetter;

typedef struct DeliveryPolicy {
    uint32_t attempts;   /* of one event */
    uint64_t max_age_ms; /* an event that fails is given up when it is older */
    uint64_t retry_ms;   /* first pause; each is twice as long, to DELIVERY_PAUSE_MS_MAX */
} DeliveryPolicy;

enum {
    DELIVERY_PAUSE_MS_MAX = 5 * 60 * 1000,
    DELIVERY_POSITION_EVERY = 64, /* passed events without a record of where it stands, at most */
};

typedef enum DeliveryOutcome {
    DELIVERY_PASSED,
    DELIVERY_FAILED, /* it is tried again */
    DELIVERY_GONE,   /* the receiver will never want it */
} DeliveryOutcome;

typedef enum DeliveryActKind {
    DELIVERY_ACT_WAIT,    /* until `until_ms` (0 = for an answer, or for nothing) */
    DELIVERY_ACT_LOOK,    /* for the next event after `seq`: delivery_offer(), delivery_none() */
    DELIVERY_ACT_TRY,     /* event `seq`, for the `attempt`th time: delivery_result() */
    DELIVERY_ACT_PERSIST, /* `record`; it counts already */
} DeliveryActKind;

typedef struct DeliveryAct {
    DeliveryActKind kind;
    uint64_t seq;
    uint64_t until_ms;
    uint32_t attempt;
    DeliveryRecord record; /* texts live to the next call */
} DeliveryAct;

typedef struct Delivery Delivery;

Delivery *delivery_new(const char *sink); /* copies the name; returns owned */
void delivery_free(Delivery *delivery);   /* NULL-safe */
const char *delivery_sink(const Delivery *delivery);

/* The fold, at a replay and for an operator's AGAIN. */
void delivery_apply(Delivery *delivery, const DeliveryRecord *record);

/* Takes up work. A sink that no record has named yet starts behind `newest`. `seed` draws the
 * pauses. */
void delivery_start(Delivery *delivery, const DeliveryPolicy *policy, uint64_t newest,
                    uint64_t seed);
DeliveryAct delivery_next(Delivery *delivery, uint64_t now_ms);
/* Answers to LOOK: the next event that the sink wants, or none up to `seq`; `more`: there may be
 * some behind that. */
void delivery_offer(Delivery *delivery, uint64_t seq, uint64_t at_unix_ms);
void delivery_none(Delivery *delivery, uint64_t seq, bool more);
/* The answer to TRY. */
void delivery_result(Delivery *delivery, DeliveryOutcome outcome, const char *message,
                     uint64_t now_ms, uint64_t unix_ms);
/* Where it stands, before an orderly end; false: its records say that already. */
bool delivery_close(Delivery *delivery, DeliveryRecord *ret_record);

/* --- view ------------------------------------------------------------------------------------- */

uint64_t delivery_position(const Delivery *delivery);      /* all up to here are done with */
uint64_t delivery_failing_since(const Delivery *delivery); /* unix ms; 0 = it is not */
uint32_t delivery_attempts(const Delivery *delivery);      /* of the event in hand, that failed */
const char *delivery_message(const Delivery *delivery);    /* of the last failure; '' = none */
size_t delivery_dead_count(const Delivery *delivery);
const DeadLetter *delivery_dead(const Delivery *delivery, size_t index); /* lowest number first */
