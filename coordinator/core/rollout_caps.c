/*
 * Caps on jobs at work among shards that share a value of a label: a disk volume, a connection
 * pool, a tenant. Shards without the label are not counted.
 */
#include "rollout_state.h"

#include <stdlib.h>

static void cap_make(Rollout *r, RolloutCap *cap, const char *label)
{
    cap->group_of = xcalloc(r->shard_count, sizeof *cap->group_of);
    Names *names = names_new();
    for (uint32_t i = 0; i < r->shard_count; i++) {
        const char *value = label_value(&r->plan[i].labels, label);
        cap->group_of[i] = value == NULL ? NAMES_NONE : names_add(names, value, "");
    }
    cap->load = xcalloc(names_count(names) + 1, sizeof *cap->load);
    names_free(names);
}

void rollout_caps_make(Rollout *r)
{
    const Concurrency *planned = &r->header->policy.concurrency;
    for (size_t i = 0; i < planned->label_count; i++)
        cap_make(r, &r->caps[i], planned->labels[i].label);
}

void rollout_caps_free(Rollout *r)
{
    for (size_t i = 0; i < LABEL_CAPS_MAX; i++) {
        free(r->caps[i].group_of);
        free(r->caps[i].load);
    }
}

void rollout_caps_count(Rollout *r, uint32_t shard, uint32_t change)
{
    for (size_t i = 0; i < r->concurrency.label_count; i++) {
        uint32_t group = r->caps[i].group_of[shard];
        if (group != NAMES_NONE)
            r->caps[i].load[group] += change;
    }
}

bool rollout_caps_have_room(const Rollout *r, uint32_t shard)
{
    for (size_t i = 0; i < r->concurrency.label_count; i++) {
        uint32_t group = r->caps[i].group_of[shard];
        if (group != NAMES_NONE && r->caps[i].load[group] >= r->concurrency.labels[i].cap)
            return false;
    }
    return true;
}
