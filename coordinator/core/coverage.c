#include "coverage.h"

#include "draw.h"
#include "names.h"

#include <stdlib.h>

/* What each candidate shows, as numbers; candidate i has those from start[i] to start[i + 1]. */
typedef struct Features {
    Names *names;
    uint32_t *items;
    size_t *start;
    size_t count;
    size_t capacity;
} Features;

static void add(Features *features, const char *kind, const char *value)
{
    if (features->count == features->capacity) {
        features->capacity = features->capacity == 0 ? 256 : features->capacity * 2;
        features->items = xrealloc(features->items, features->capacity * sizeof *features->items);
    }
    features->items[features->count++] = names_add(features->names, kind, value);
}

static void add_number(Features *features, const char *kind, uint64_t number)
{
    char digits[24];
    char *at = digits + sizeof digits;
    *--at = '\0';
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    add(features, kind, at);
}

static uint64_t magnitude(uint64_t size)
{
    uint64_t digits = 0;
    for (; size > 0; size /= 10)
        digits++;
    return digits;
}

static void add_candidate(Features *features, const ShardCandidate *candidate)
{
    const PlanShard *shard = &candidate->shard;
    add_number(features, "version", candidate->server_version);
    add_number(features, "size", magnitude(candidate->size_bytes));
    add(features, "host", shard->host == NULL ? "" : shard->host);
    add(features, "cluster", shard->cluster == NULL ? "" : shard->cluster);
    for (size_t i = 0; i < shard->rows_before.count; i++)
        add(features, "row", shard->rows_before.items[i]);
    for (size_t i = 0; i < shard->labels.count; i++) {
        /* a label's key may be called like one of the kinds above: a space can't be in it */
        uint32_t key = names_add(features->names, " label", shard->labels.items[i].key);
        char kind[16] = " ";
        for (size_t k = 1; k < sizeof kind - 1 && key > 0; k++, key /= 10)
            kind[k] = (char)('0' + key % 10);
        add(features, kind, shard->labels.items[i].value);
    }
}

static size_t gain_of(const Features *features, size_t candidate, const bool *covered)
{
    size_t gain = 0;
    for (size_t i = features->start[candidate]; i < features->start[candidate + 1]; i++)
        gain += !covered[features->items[i]];
    return gain;
}

size_t coverage_choose(const ShardCandidate *const *candidates, size_t count, size_t amount,
                       uint64_t seed, bool *taken)
{
    Features features = {.names = names_new()};
    features.start = xcalloc(count + 1, sizeof *features.start);
    for (size_t i = 0; i < count; i++) {
        features.start[i] = features.count;
        add_candidate(&features, candidates[i]);
    }
    features.start[count] = features.count;
    bool *covered = xcalloc(names_count(features.names) + 1, sizeof *covered);
    uint64_t state = seed;
    size_t chosen = 0;
    while (chosen < amount) {
        size_t best = count;
        size_t best_gain = 0;
        uint64_t best_draw = 0;
        for (size_t i = 0; i < count; i++) {
            if (taken[i])
                continue;
            size_t gain = gain_of(&features, i, covered);
            uint64_t draw = draw_next(&state);
            if (best == count || gain > best_gain || (gain == best_gain && draw < best_draw)) {
                best = i;
                best_gain = gain;
                best_draw = draw;
            }
        }
        if (best == count)
            break;
        taken[best] = true;
        chosen++;
        for (size_t i = features.start[best]; i < features.start[best + 1]; i++)
            covered[features.items[i]] = true;
    }
    names_free(features.names);
    free(features.items);
    free(features.start);
    free(covered);
    return chosen;
}
