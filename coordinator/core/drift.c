#include "drift.h"

#include <stdlib.h>
#include <string.h>

struct DriftBook {
    Arena *arena;
    DriftExpectation *expectations; /* one a place */
    size_t expectation_count;
    size_t expectation_capacity;
    DriftAcceptance *acceptances;
    size_t acceptance_count;
    size_t acceptance_capacity;
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
    free(book->acceptances);
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

const DriftExpectation *drift_expectation(const DriftBook *book, const DriftPlace *place)
{
    for (size_t i = 0; i < book->expectation_count; i++) {
        if (drift_place_equal(&book->expectations[i].place, place))
            return &book->expectations[i];
    }
    return NULL;
}

void drift_expect(DriftBook *book, const DriftExpectation *expectation)
{
    const DriftExpectation *there = drift_expectation(book, &expectation->place);
    size_t at = there == NULL ? book->expectation_count : (size_t)(there - book->expectations);
    DriftExpectation copy = *expectation;
    copy.place =
        there == NULL ? copy_place(book->arena, &expectation->place) : book->expectations[at].place;
    copy.who = arena_strdup(book->arena, expectation->who);
    book->expectations = room_for_one(book->expectations, book->expectation_count,
                                      &book->expectation_capacity, sizeof *book->expectations);
    book->expectations[at] = copy;
    book->expectation_count += there == NULL ? 1 : 0;
}

void drift_accept(DriftBook *book, const DriftAcceptance *acceptance)
{
    DriftAcceptance copy = *acceptance;
    copy.place = copy_place(book->arena, &acceptance->place);
    copy.who = arena_strdup(book->arena, acceptance->who);
    copy.reason = arena_strdup(book->arena, acceptance->reason);
    book->acceptances = room_for_one(book->acceptances, book->acceptance_count,
                                     &book->acceptance_capacity, sizeof *book->acceptances);
    book->acceptances[book->acceptance_count++] = copy;
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
    return book->acceptance_count;
}

/* --- one shard -------------------------------------------------------------------------------- */

/* The newest that says so. */
static const DriftAcceptance *find_acceptance(const DriftBook *book, const DriftShard *shard)
{
    for (size_t i = book->acceptance_count; i-- > 0;) {
        const DriftAcceptance *acceptance = &book->acceptances[i];
        if (digest_equal(&acceptance->fingerprint, &shard->fingerprint) &&
            (uuid_is_nil(&acceptance->shard) || uuid_equal(&acceptance->shard, &shard->uuid)) &&
            drift_place_equal(&acceptance->place, &shard->place))
            return acceptance;
    }
    return NULL;
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
        judgement.why = "nothing is expected at these rows";
    return judgement;
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
