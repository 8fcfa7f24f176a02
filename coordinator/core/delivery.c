#include "delivery.h"

#include "backoff.h"
#include "invariant.h"
#include "named_limits.h"

#include <stdlib.h>
#include <string.h>

struct Delivery {
    char *sink;

    /* The fold. */
    bool known;        /* some record names it */
    uint64_t recorded; /* position, as the records have it */
    DeadLetter *dead;  /* by number */
    size_t dead_count;
    size_t dead_capacity;

    /* At work. */
    DeliveryPolicy policy;
    uint64_t draw;
    uint64_t done;       /* all up to here are passed, dead or not wanted */
    uint64_t looked;     /* none is wanted from `done` up to here */
    uint32_t unrecorded; /* passed since `recorded` */
    bool caught_up;      /* the last look found nothing more */
    bool in_hand;        /* an event, `seq` */
    bool reviving;       /* ... which was dead */
    bool trying;
    uint64_t seq;
    uint64_t at_unix_ms;
    uint32_t attempts;
    uint64_t next_ms;
    uint64_t failing_since;
    char *message;
    bool has_due; /* `due` is to be persisted */
    DeliveryRecord due;
};

static char *copy_text(const char *text)
{
    char *copy = xstrdup(text != NULL ? text : "");
    if (strlen(copy) > LIMIT_DEAD_LETTER_TEXT_BYTES)
        copy[LIMIT_DEAD_LETTER_TEXT_BYTES] = '\0';
    return copy;
}

Delivery *delivery_new(const char *sink)
{
    Delivery *delivery = xcalloc(1, sizeof *delivery);
    delivery->sink = xstrdup(sink);
    delivery->message = xstrdup("");
    return delivery;
}

void delivery_free(Delivery *delivery)
{
    if (delivery == NULL)
        return;
    for (size_t i = 0; i < delivery->dead_count; i++)
        free(delivery->dead[i].message);
    free(delivery->dead);
    free(delivery->message);
    free(delivery->sink);
    free(delivery);
}

const char *delivery_sink(const Delivery *delivery)
{
    return delivery->sink;
}

/* --- the fold --------------------------------------------------------------------------------- */

static void remove_dead(Delivery *d, size_t index)
{
    free(d->dead[index].message);
    d->dead_count--;
    memmove(&d->dead[index], &d->dead[index + 1], (d->dead_count - index) * sizeof *d->dead);
}

/* Where `seq` is, or would be. */
static size_t place_of(const Delivery *d, uint64_t seq)
{
    size_t at = d->dead_count;
    while (at > 0 && d->dead[at - 1].seq >= seq)
        at--;
    return at;
}

static bool is_dead(const Delivery *d, size_t place, uint64_t seq)
{
    return place < d->dead_count && d->dead[place].seq == seq;
}

static void add_dead(Delivery *d, const DeliveryRecord *record)
{
    size_t at = place_of(d, record->seq);
    uint32_t attempts = record->attempts;
    if (is_dead(d, at, record->seq))
        remove_dead(d, at);
    if (d->dead_count == LIMIT_DEAD_LETTERS) { /* the list forgets; the journal doesn't */
        remove_dead(d, 0);
        at = place_of(d, record->seq);
    }
    if (d->dead_count == d->dead_capacity) {
        d->dead_capacity = d->dead_capacity == 0 ? 16 : d->dead_capacity * 2;
        d->dead = xrealloc(d->dead, d->dead_capacity * sizeof *d->dead);
    }
    memmove(&d->dead[at + 1], &d->dead[at], (d->dead_count - at) * sizeof *d->dead);
    d->dead_count++;
    d->dead[at] =
        (DeadLetter){record->seq, attempts, record->at_unix_ms, false, copy_text(record->message)};
}

static void raise_position(Delivery *d, uint64_t seq)
{
    if (seq > d->recorded)
        d->recorded = seq;
}

void delivery_apply(Delivery *d, const DeliveryRecord *record)
{
    d->known = true;
    switch (record->kind) {
    case DELIVERY_RECORD_POSITION:
        raise_position(d, record->seq);
        break;
    case DELIVERY_RECORD_DEAD:
        raise_position(d, record->seq);
        add_dead(d, record);
        break;
    case DELIVERY_RECORD_AGAIN:
        for (size_t i = 0; i < d->dead_count; i++)
            d->dead[i].wanted = true;
        break;
    case DELIVERY_RECORD_REVIVED: {
        size_t at = place_of(d, record->seq);
        if (is_dead(d, at, record->seq))
            remove_dead(d, at);
        break;
    }
    case DELIVERY_RECORD_UNSPECIFIED:
    case DELIVERY_RECORD_KIND_COUNT:
        break;
    }
}

/* --- at work ---------------------------------------------------------------------------------- */

static void decide(Delivery *d, DeliveryRecord record)
{
    record.sink = d->sink;
    delivery_apply(d, &record);
    d->unrecorded = d->recorded >= d->done ? 0 : d->unrecorded;
    d->due = record;
    d->has_due = true;
}

void delivery_start(Delivery *d, const DeliveryPolicy *policy, uint64_t newest, uint64_t seed)
{
    d->policy = *policy;
    d->draw = seed;
    if (!d->known)
        decide(d, (DeliveryRecord){.kind = DELIVERY_RECORD_POSITION, .seq = newest});
    d->done = d->looked = d->recorded;
}

static const DeadLetter *next_wanted(const Delivery *d)
{
    for (size_t i = 0; i < d->dead_count; i++) {
        if (d->dead[i].wanted)
            return &d->dead[i];
    }
    return NULL;
}

static void take_in_hand(Delivery *d, uint64_t seq, uint64_t at_unix_ms, bool reviving)
{
    INVARIANT(I51, !d->in_hand);
    d->in_hand = true;
    d->reviving = reviving;
    d->seq = seq;
    d->at_unix_ms = at_unix_ms;
    d->attempts = 0;
    d->next_ms = 0;
}

static bool must_record(const Delivery *d)
{
    return d->unrecorded >= DELIVERY_POSITION_EVERY || (d->unrecorded > 0 && d->caught_up);
}

DeliveryAct delivery_next(Delivery *d, uint64_t now_ms)
{
    if (!d->has_due && !d->in_hand && must_record(d))
        decide(d, (DeliveryRecord){.kind = DELIVERY_RECORD_POSITION, .seq = d->done});
    if (d->has_due) {
        d->has_due = false;
        return (DeliveryAct){.kind = DELIVERY_ACT_PERSIST, .record = d->due};
    }
    if (d->trying)
        return (DeliveryAct){.kind = DELIVERY_ACT_WAIT};
    if (!d->in_hand) {
        const DeadLetter *wanted = next_wanted(d);
        if (wanted == NULL) {
            d->caught_up = false;
            return (DeliveryAct){.kind = DELIVERY_ACT_LOOK, .seq = d->looked};
        }
        take_in_hand(d, wanted->seq, 0, true);
    }
    if (d->next_ms > now_ms)
        return (DeliveryAct){.kind = DELIVERY_ACT_WAIT, .until_ms = d->next_ms};
    d->trying = true;
    return (DeliveryAct){.kind = DELIVERY_ACT_TRY, .seq = d->seq, .attempt = d->attempts + 1};
}

void delivery_offer(Delivery *d, uint64_t seq, uint64_t at_unix_ms)
{
    INVARIANT(I50, seq > d->done && seq > d->looked); /* in order, none twice */
    take_in_hand(d, seq, at_unix_ms, false);
}

void delivery_none(Delivery *d, uint64_t seq, bool more)
{
    if (seq > d->looked)
        d->looked = seq;
    d->caught_up = !more;
}

static void passed(Delivery *d)
{
    d->in_hand = false;
    d->failing_since = 0;
    d->message[0] = '\0';
    if (d->reviving) {
        decide(d, (DeliveryRecord){.kind = DELIVERY_RECORD_REVIVED, .seq = d->seq});
        return;
    }
    d->done = d->looked = d->seq;
    d->unrecorded++;
}

static uint32_t attempts_before(const Delivery *d)
{
    size_t at = place_of(d, d->seq);
    return d->reviving && is_dead(d, at, d->seq) ? d->dead[at].attempts : 0;
}

static void give_up(Delivery *d, uint64_t unix_ms)
{
    d->in_hand = false;
    if (!d->reviving)
        d->done = d->looked = d->seq;
    decide(d, (DeliveryRecord){.kind = DELIVERY_RECORD_DEAD,
                               .seq = d->seq,
                               .attempts = attempts_before(d) + d->attempts,
                               .message = d->message,
                               .at_unix_ms = unix_ms});
}

void delivery_result(Delivery *d, DeliveryOutcome outcome, const char *message, uint64_t now_ms,
                     uint64_t unix_ms)
{
    INVARIANT(I51, d->in_hand && d->trying);
    d->trying = false;
    if (outcome == DELIVERY_PASSED) {
        passed(d);
        return;
    }
    free(d->message);
    d->message = copy_text(message);
    d->attempts++;
    if (!d->reviving && d->failing_since == 0)
        d->failing_since = unix_ms;
    bool too_old = unix_ms > d->at_unix_ms && unix_ms - d->at_unix_ms >= d->policy.max_age_ms;
    if (d->reviving || outcome == DELIVERY_GONE || d->attempts >= d->policy.attempts || too_old)
        give_up(d, unix_ms);
    else
        d->next_ms =
            now_ms + backoff_ms(d->policy.retry_ms, DELIVERY_PAUSE_MS_MAX, d->attempts, &d->draw);
}

bool delivery_close(Delivery *d, DeliveryRecord *ret_record)
{
    if (d->unrecorded == 0 && !d->has_due)
        return false;
    if (!d->has_due)
        decide(d, (DeliveryRecord){.kind = DELIVERY_RECORD_POSITION, .seq = d->done});
    d->has_due = false;
    *ret_record = d->due;
    return true;
}

/* --- view ------------------------------------------------------------------------------------- */

uint64_t delivery_position(const Delivery *delivery)
{
    return delivery->done > delivery->recorded ? delivery->done : delivery->recorded;
}

uint64_t delivery_failing_since(const Delivery *delivery)
{
    return delivery->failing_since;
}

uint32_t delivery_attempts(const Delivery *delivery)
{
    return delivery->in_hand ? delivery->attempts : 0;
}

const char *delivery_message(const Delivery *delivery)
{
    return delivery->message;
}

size_t delivery_dead_count(const Delivery *delivery)
{
    return delivery->dead_count;
}

const DeadLetter *delivery_dead(const Delivery *delivery, size_t index)
{
    return &delivery->dead[index];
}
