#include "drift.h"

#include <stdlib.h>
#include <string.h>

/* Numbers of items by their hashes. Each shard is looked up for each view, gate and plan. */
typedef struct Slot {
    uint64_t hash;
    size_t number; /* 1 = the first item; 0 = free */
} Slot;

typedef struct Index {
    Slot *slots;
    size_t size; /* a power of two, or 0; half of them are free */
    size_t count;
} Index;

typedef struct Word {
    DriftAcceptance acceptance;
    uint64_t order; /* the higher, the newer */
} Word;

struct DriftBook {
    Arena *arena;
    DriftExpectation *expectations; /* one a place */
    size_t expectation_count;
    size_t expectation_capacity;
    Index places;
    Word *words; /* one on each shard, or all, at a place with a fingerprint */
    size_t word_count;
    size_t word_capacity;
    uint64_t words_said;
    Index said;
};

const char *drift_verdict_name(DriftVerdict verdict)
{
    static const char *const names[DRIFT_VERDICT_COUNT] = {"drifted", "accepted", "expected",
                                                           "unknown"};
    return names[verdict];
}

bool drift_place_equal(const DriftPlace *a, const DriftPlace *b)
{
    return a->major == b->major && a->in_schema == b->in_schema &&
           strlist_equal(&a->rows, &b->rows);
}

/* --- finding ---------------------------------------------------------------------------------- */

/* FNV-1a */
static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ at[i]) * 0x100000001b3;
    return hash;
}

static uint64_t hash_place(const DriftPlace *place)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < place->rows.count; i++)
        hash = hash_bytes(hash, place->rows.items[i], strlen(place->rows.items[i]) + 1);
    return hash_bytes(hash, &place->major, sizeof place->major) ^ (place->in_schema ? 1 : 0);
}

static uint64_t hash_word(const Uuid *shard, const DriftPlace *place, const Digest *fingerprint)
{
    uint64_t hash = hash_bytes(hash_place(place), shard, sizeof *shard);
    return hash_bytes(hash, fingerprint, sizeof *fingerprint);
}

/* The next item with that hash; 0 = none. `at`: in, the hash at first; out, where to go on. */
static size_t index_next(const Index *index, uint64_t hash, uint64_t *at)
{
    if (index->size == 0)
        return 0;
    for (;;) {
        const Slot *slot = &index->slots[(*at)++ & (index->size - 1)];
        if (slot->number == 0 || slot->hash == hash)
            return slot->number;
    }
}

static void put_slot(Index *index, Slot slot)
{
    uint64_t at = slot.hash;
    while (index->slots[at & (index->size - 1)].number != 0)
        at++;
    index->slots[at & (index->size - 1)] = slot;
}

static void index_add(Index *index, uint64_t hash, size_t number)
{
    if ((index->count + 1) * 2 > index->size) {
        Index larger = {.size = index->size == 0 ? 64 : index->size * 2, .count = index->count};
        larger.slots = xcalloc(larger.size, sizeof *larger.slots);
        for (size_t i = 0; i < index->size; i++) {
            if (index->slots[i].number != 0)
                put_slot(&larger, index->slots[i]);
        }
        free(index->slots);
        *index = larger;
    }
    put_slot(index, (Slot){hash, number});
    index->count++;
}

/* --- the book --------------------------------------------------------------------------------- */

DriftBook *drift_book_new(void)
{
    DriftBook *book = xcalloc(1, sizeof *book);
    book->arena = arena_new();
    return book;
}

void drift_book_free(DriftBook *book)
{
    if (book == NULL)
        return;
    arena_free(book->arena);
    free(book->expectations);
    free(book->places.slots);
    free(book->words);
    free(book->said.slots);
    free(book);
}

static DriftPlace copy_place(Arena *arena, const DriftPlace *place)
{
    DriftPlace copy = *place;
    copy.rows = strlist_copy(arena, &place->rows);
    return copy;
}

static void *room_for_one(void *items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return items;
    *capacity = *capacity == 0 ? 16 : *capacity * 2;
    return xrealloc(items, *capacity * size);
}

static size_t expectation_number(const DriftBook *book, const DriftPlace *place, uint64_t hash)
{
    uint64_t at = hash;
    size_t number;
    while ((number = index_next(&book->places, hash, &at)) != 0 &&
           !drift_place_equal(&book->expectations[number - 1].place, place))
        ;
    return number;
}

const DriftExpectation *drift_expectation(const DriftBook *book, const DriftPlace *place)
{
    size_t number = expectation_number(book, place, hash_place(place));
    return number == 0 ? NULL : &book->expectations[number - 1];
}

void drift_expect(DriftBook *book, const DriftExpectation *expectation)
{
    uint64_t hash = hash_place(&expectation->place);
    size_t number = expectation_number(book, &expectation->place, hash);
    DriftExpectation copy = *expectation;
    copy.place = number == 0 ? copy_place(book->arena, &expectation->place)
                             : book->expectations[number - 1].place;
    copy.who = arena_strdup(book->arena, expectation->who);
    if (number == 0) {
        book->expectations = room_for_one(book->expectations, book->expectation_count,
                                          &book->expectation_capacity, sizeof *book->expectations);
        number = ++book->expectation_count;
        index_add(&book->places, hash, number);
    }
    book->expectations[number - 1] = copy;
}

static size_t word_number(const DriftBook *book, const Uuid *shard, const DriftPlace *place,
                          const Digest *fingerprint, uint64_t hash)
{
    uint64_t at = hash;
    for (size_t number; (number = index_next(&book->said, hash, &at)) != 0;) {
        const DriftAcceptance *acceptance = &book->words[number - 1].acceptance;
        if (uuid_equal(&acceptance->shard, shard) &&
            digest_equal(&acceptance->fingerprint, fingerprint) &&
            drift_place_equal(&acceptance->place, place))
            return number;
    }
    return 0;
}

void drift_accept(DriftBook *book, const DriftAcceptance *acceptance)
{
    uint64_t hash = hash_word(&acceptance->shard, &acceptance->place, &acceptance->fingerprint);
    size_t number =
        word_number(book, &acceptance->shard, &acceptance->place, &acceptance->fingerprint, hash);
    DriftAcceptance copy = *acceptance;
    copy.place = number == 0 ? copy_place(book->arena, &acceptance->place)
                             : book->words[number - 1].acceptance.place;
    copy.who = arena_strdup(book->arena, acceptance->who);
    copy.reason = arena_strdup(book->arena, acceptance->reason);
    if (number == 0) {
        book->words =
            room_for_one(book->words, book->word_count, &book->word_capacity, sizeof *book->words);
        number = ++book->word_count;
        index_add(&book->said, hash, number);
    }
    book->words[number - 1] = (Word){copy, ++book->words_said};
}

size_t drift_expectation_count(const DriftBook *book)
{
    return book->expectation_count;
}

const DriftExpectation *drift_expectation_at(const DriftBook *book, size_t index)
{
    return &book->expectations[index];
}

size_t drift_acceptance_count(const DriftBook *book)
{
    return book->word_count;
}

/* --- one shard -------------------------------------------------------------------------------- */

static const Word *find_word(const DriftBook *book, const Uuid *about, const DriftShard *shard)
{
    uint64_t hash = hash_word(about, &shard->place, &shard->fingerprint);
    size_t number = word_number(book, about, &shard->place, &shard->fingerprint, hash);
    return number == 0 ? NULL : &book->words[number - 1];
}

/* The newest that says so, of it or of all there. */
static const DriftAcceptance *find_acceptance(const DriftBook *book, const DriftShard *shard)
{
    static const Uuid all;
    const Word *own = find_word(book, &shard->uuid, shard);
    const Word *common = find_word(book, &all, shard);
    if (own == NULL || (common != NULL && common->order > own->order))
        own = common;
    return own == NULL ? NULL : &own->acceptance;
}

static const char *why_nothing_is_expected(const DriftBook *book, const DriftPlace *place)
{
    DriftPlace other = *place;
    for (other.major = DRIFT_MAJOR_MIN; other.major <= DRIFT_MAJOR_MAX; other.major++) {
        if (drift_expectation(book, &other) != NULL)
            return "nothing is expected at these rows on its version of PostgreSQL, only on "
                   "another";
    }
    return "nothing is expected at these rows";
}

DriftJudgement drift_judge(const DriftBook *book, const DriftShard *shard)
{
    DriftJudgement judgement = {
        .verdict = DRIFT_UNKNOWN, .why = "", .expectation = drift_expectation(book, &shard->place)};
    if (digest_is_zero(&shard->fingerprint)) {
        judgement.why = shard->why;
        return judgement;
    }
    if (judgement.expectation != NULL &&
        digest_equal(&judgement.expectation->fingerprint, &shard->fingerprint)) {
        judgement.verdict = DRIFT_EXPECTED;
        return judgement;
    }
    judgement.acceptance = find_acceptance(book, shard);
    if (judgement.acceptance != NULL)
        judgement.verdict = DRIFT_ACCEPTED;
    else if (judgement.expectation != NULL)
        judgement.verdict = DRIFT_DRIFTED;
    else
        judgement.why = why_nothing_is_expected(book, &shard->place);
    return judgement;
}

GateVerdict drift_gate_verdict(DriftVerdict verdict)
{
    static const GateVerdict verdicts[DRIFT_VERDICT_COUNT] = {
        [DRIFT_DRIFTED] = GATE_FAILED,
        [DRIFT_ACCEPTED] = GATE_SUCCEEDED,
        [DRIFT_EXPECTED] = GATE_SUCCEEDED,
        [DRIFT_UNKNOWN] = GATE_ERROR,
    };
    return verdicts[verdict];
}

/* --- classes ---------------------------------------------------------------------------------- */

typedef struct Judged {
    const DriftShard *shard;
    DriftJudgement judgement;
} Judged;

static int compare_rows(const StrList *a, const StrList *b)
{
    for (size_t i = 0; i < a->count && i < b->count; i++) {
        int order = strcmp(a->items[i], b->items[i]);
        if (order != 0)
            return order;
    }
    return a->count < b->count ? -1 : a->count > b->count;
}

static int compare_places(const DriftPlace *a, const DriftPlace *b)
{
    int order = compare_rows(&a->rows, &b->rows);
    if (order == 0)
        order = (int)a->in_schema - (int)b->in_schema;
    if (order == 0)
        order = a->major < b->major ? -1 : a->major > b->major;
    return order;
}

static int compare_classes(const Judged *a, const Judged *b)
{
    int order = (int)a->judgement.verdict - (int)b->judgement.verdict;
    if (order == 0)
        order = memcmp(&a->shard->fingerprint, &b->shard->fingerprint, sizeof(Digest));
    return order == 0 ? strcmp(a->judgement.why, b->judgement.why) : order;
}

static int compare_judged(const void *left, const void *right)
{
    const Judged *a = left, *b = right;
    int order = compare_places(&a->shard->place, &b->shard->place);
    if (order == 0)
        order = compare_classes(a, b);
    return order == 0 ? strcmp(a->shard->name, b->shard->name) : order;
}

static int larger_class_first(const void *left, const void *right)
{
    const DriftClass *a = left, *b = right;
    if (a->verdict != b->verdict)
        return a->verdict < b->verdict ? -1 : 1;
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    return strcmp(a->names[0], b->names[0]);
}

static int larger_group_first(const void *left, const void *right)
{
    const DriftGroup *a = left, *b = right;
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    return compare_places(&a->place, &b->place);
}

/* `judged`: those of one place, in order. */
static DriftGroup make_group(Arena *arena, const Judged *judged, size_t count)
{
    DriftClass *classes = ARENA_ARRAY(arena, DriftClass, count);
    DriftGroup group = {.place = judged[0].shard->place,
                        .expectation = judged[0].judgement.expectation,
                        .count = count,
                        .classes = classes};
    for (size_t i = 0; i < count; i++) {
        const DriftJudgement *judgement = &judged[i].judgement;
        if (i == 0 || compare_classes(&judged[i - 1], &judged[i]) != 0)
            classes[group.class_count++] = (DriftClass){.verdict = judgement->verdict,
                                                        .fingerprint = judged[i].shard->fingerprint,
                                                        .why = judgement->why,
                                                        .acceptance = judgement->acceptance};
        DriftClass *class = &classes[group.class_count - 1];
        class->count++;
        if (class->named < DRIFT_NAMES_SHOWN)
            class->names[class->named++] = judged[i].shard->name;
    }
    qsort(classes, group.class_count, sizeof *classes, larger_class_first);
    return group;
}

DriftGroups drift_group(Arena *arena, const DriftBook *book, const DriftShard *shards, size_t count)
{
    DriftGroups groups = {.items = ARENA_ARRAY(arena, DriftGroup, count + 1)};
    Judged *judged = ARENA_ARRAY(arena, Judged, count + 1);
    for (size_t i = 0; i < count; i++) {
        judged[i] = (Judged){&shards[i], drift_judge(book, &shards[i])};
        groups.shards[judged[i].judgement.verdict]++;
    }
    qsort(judged, count, sizeof *judged, compare_judged);
    for (size_t first = 0, next; first < count; first = next) {
        next = first + 1;
        while (next < count &&
               compare_places(&judged[first].shard->place, &judged[next].shard->place) == 0)
            next++;
        groups.items[groups.count++] = make_group(arena, &judged[first], next - first);
    }
    qsort(groups.items, groups.count, sizeof *groups.items, larger_group_first);
    return groups;
}
